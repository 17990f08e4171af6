"""Logins by whole processes: renewed where that needs no person, else exit 6 and what to do."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from aidp_cases import notebook
from aidp_processes import Processes
from told import Made

from agent.simulators.aidp import Simulator, identity, standin

pytestmark = pytest.mark.slow

HEALED = Made(jobs=1, runs=1, repairs=1, cancelled=0)
SECRETS = ("S3cr3t-Tide-9981", "correct-horse-91battery")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Callable[..., Processes]]:
    """Give workspaces with a broken job each and a stand-in for `oci` on the path."""
    with ExitStack() as ending:

        def made(**aidp: Any) -> Processes:
            sim = ending.enter_context(Simulator(tmp_path / "workspace"))
            ending.callback(lambda: problems.extend(sim.problems))
            found = Processes(sim, tmp_path, aidp=aidp)
            found.shop.declare_broken(seconds=0)
            standin.install(sim, tmp_path / "bin")
            return found

        problems: list[str] = []
        yield made
    assert problems == []


def test_an_expired_session_is_renewed_once_and_the_job_healed(
    stage: Callable[..., Processes],
) -> None:
    here = stage(profile="SESSION")
    identity.expire(here.sim)
    assert here.heal().code == 0
    assert len(here.refreshes()) == 1
    assert here.shop.made() == HEALED
    refused = [call.status for call in here.sim.calls].count(401)
    assert refused == 1


def test_a_session_that_cannot_be_renewed_ends_and_goes_on_after_the_log_in(
    stage: Callable[..., Processes],
) -> None:
    here = stage(profile="SESSION")
    here.options(refresh_works=False)
    here.sim.faults.add("GET /jobRuns/*", "expired", after=1)
    config = here.sim.config_file
    to_do = "oci session authenticate --profile-name SESSION --region us-ashburn-1"
    ended = here.heal()
    assert ended.code == 6
    assert f"`{to_do} --config-location {config}`" in ended.said
    assert f"runmend resume {here.case}" in ended.out
    identity.expire(here.sim)
    again = here.run("resume", here.case)
    assert (again.code, to_do in again.said) == (6, True)
    run = here.shop.runs()[0]["key"]
    looked = here.run("diagnose", "--run", run, "--playbook", "playbook.yaml")
    assert (looked.code, to_do in looked.err) == (6, True)
    identity.refresh(here.sim)  # as a person who logged in
    assert here.run("resume", here.case).code == 0
    assert here.shop.made() == HEALED


def test_where_api_keys_are_refused_another_profile_is_named_and_not_used(
    stage: Callable[..., Processes],
) -> None:
    here = stage()
    here.options(api_keys=False)
    ended = here.heal()
    assert ended.code == 6
    assert "the API key of profile DEFAULT is not taken" in ended.out
    assert "or use profile SESSION, which has a session token: -p SESSION" in ended.out
    assert [call.status for call in here.sim.calls] == [401]
    assert not here.sim.calls[0].key_id
    assert here.heal("-p", "SESSION").code == 0
    assert here.shop.made() == HEALED


@pytest.mark.parametrize("profile", ["DEFAULT", "SESSION"])
def test_a_clock_that_is_off_is_said_and_is_no_reason_to_log_in(
    stage: Callable[..., Processes], profile: str
) -> None:
    here = stage(profile=profile)
    here.options(clock_off_s=1200.0)
    ended = here.heal()
    assert ended.code == 6
    said = "this machine's clock is 20 minutes behind the service's"
    assert f"{said}, and signatures are refused from 5 minutes on: set the clock\n" in ended.out
    assert here.refreshes() == []
    looked = here.run("doctor", "playbook.yaml")
    assert (looked.code, said in looked.out) == (2, True)
    here.options(clock_off_s=0.0)
    assert here.run("resume", here.case).code == 0


def test_what_is_not_allowed_ends_and_goes_on_once_it_is(stage: Callable[..., Processes]) -> None:
    here = stage()
    here.sim.faults.add("POST /jobRuns", "403")
    ended = here.heal()
    assert ended.code == 6
    assert "POST /jobRuns: the API key of profile DEFAULT may not do this" in ended.out
    assert "ask for the permission" in ended.out
    assert here.run("resume", here.case).code == 0
    assert here.shop.made() == HEALED


def test_a_404_for_all_of_the_workspace_may_be_a_permission_and_ends_at_once(
    stage: Callable[..., Processes],
) -> None:
    here = stage()
    here.sim.faults.add("*", "404", times=None)
    for words in (("heal", "playbook.yaml"), ("diagnose", "--run", "1f2e", "--playbook", "p.yaml")):
        (here.folder / "p.yaml").write_text((here.folder / "playbook.yaml").read_text())
        ended = here.run(*words)
        assert ended.code == 6
        assert "either we may not see it (ask for READ)" in ended.said
    here.sim.faults.clear()
    wrong = here.run("diagnose", "--run", "1f2e", "--playbook", "p.yaml")
    assert (wrong.code, "there is no run" in wrong.err) == (2, True)


@pytest.mark.parametrize(
    ("family", "asked", "answers"),
    [
        ("LA", "20260430/aiDataPlatforms", "20240831/dataLakes"),
        ("GA", "20240831/dataLakes", "20260430/aiDataPlatforms"),
    ],
)
def test_the_paths_that_answer_are_found_by_doctor_and_heal_says_to_ask_it(
    stage: Callable[..., Processes], family: str, asked: str, answers: str
) -> None:
    here = stage(api=asked)
    here.options(families=(family,))
    ended = here.heal()
    assert ended.code == 6
    assert f"answers to `api: {answers}` under `aidp:`, which `runmend doctor" in ended.out
    looked = here.run("doctor", "playbook.yaml")
    assert looked.code == 2
    assert f"does not answer to {asked}, but to {answers}: set `api: {answers}`" in looked.out
    here.shop.book(aidp={"api": answers}, poll={"first": "100ms", "max": "300ms"})
    assert here.run("doctor", "playbook.yaml").code == 0
    if family == "LA":
        refused = here.heal("--engine", "cli")
        assert refused.code == 2
        assert f"does not know the paths of {answers}: use `engine: rest`" in refused.err
    assert here.heal().code == 0
    assert {call.status for call in here.sim.calls if answers in call.target} <= {
        *(200, 201, 202, 204, 404),
    }


def test_a_resource_principal_of_the_environment_heals(stage: Callable[..., Processes]) -> None:
    here = stage(auth="resource_principal")
    assert here.heal(**identity.resource_principal(here.sim)).code == 0
    assert here.shop.made() == HEALED
    assert {call.key_id[:3] for call in here.sim.calls} == {"ST$"}
    none = here.heal()
    assert (none.code, "the resource principal" in none.said) == (6, True)


@pytest.mark.parametrize("links", [False, True])
def test_no_login_is_kept_or_shown_and_secrets_of_the_job_are_masked(
    stage: Callable[..., Processes], links: bool
) -> None:
    here = stage(profile="SESSION")
    if links:
        here.options(contents_down="404", objects_get_404=True)
    password, other = SECRETS
    job = here.shop.job(parameters=[{"name": "db_password", "value": password}])
    job["tasks"][0]["parameters"] = [{"name": "api_token", "value": password}]
    cell = notebook(f"password = '{other}'\nprint(1)")
    here.shop.write({"job.yaml": yaml.safe_dump(job), "src/load.ipynb": cell})
    said = here.heal("-o", "json").said + here.run("doctor", "playbook.yaml").said
    calls = here.sim.calls
    assert any(call.target.startswith("/p/") for call in calls) == links
    (sent,) = [c.body for c in calls if (c.method, c.path[:6]) == ("PUT", "/jobs/")][:1]
    assert isinstance(sent, dict)
    assert sent["parameters"] == [{"name": "db_password", "value": password}]
    folder = here.sim.config_file.parent
    logins = [(folder / "token").read_text(), "Signature algorithm", "BEGIN PRIVATE KEY"]
    logins += (folder / "session_key.pem").read_text().splitlines()[1:2]
    logins += [c.headers["authorization"].split('"')[-4] for c in calls if c.key_id]
    logins += [c.target for c in calls if c.target.startswith("/p/")]
    kept = here.kept()
    for login in dict.fromkeys(logins):
        assert login not in said
        assert [name for name, text in kept.items() if login.encode() in text] == []
    payloads = {n: t for n, t in kept.items() if n.startswith(".aidp/payloads/")}
    reports = {n: t for n, t in kept.items() if "/report." in n or n.startswith("journal.")}
    assert len(payloads) > 8
    for secret in SECRETS:
        assert secret not in said
        for files in (payloads, reports):
            assert [name for name, text in files.items() if secret.encode() in text] == []
