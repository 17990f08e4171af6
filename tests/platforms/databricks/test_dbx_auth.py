"""Who we are: profiles, the environment, and what is said when a login does not do."""

import socket
import time
from pathlib import Path

import pytest
from dbx_workspace import Workspace

from agent import redaction
from agent.errors import Unauthorized, Unavailable, UsageError
from agent.platforms.databricks import auth
from agent.platforms.databricks.api import Api, ApiRefused, Forbidden, NotFound
from agent.playbook.records import Databricks
from agent.simulators.databricks import Simulator

ME = "/api/2.0/preview/scim/v2/Me"
TOKEN = "dapi" + "0123456789abcdef" * 2  # shaped like one, nobody's


def configuration(text: str) -> None:
    """Write the configuration file of this test's user."""
    file = Path("~/.databrickscfg").expanduser()
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)


def test_a_profile_names_workspace_and_token(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABRICKS_HOST")
    monkeypatch.delenv("DATABRICKS_TOKEN")
    configuration(f"[dev]\nhost = {sim.url}/\ntoken = {sim.token}\n")
    api = Api(auth.connect(Databricks(profile="dev")))
    assert api.get(ME)["userName"] == sim.user
    assert api.org == str(sim.workspace_id)


def test_a_token_of_the_environment_never_replaces_the_profiles(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration(f"[dev]\nhost = {sim.url}\ntoken = {TOKEN}\n")
    with pytest.raises(Unauthorized, match=r"unset DATABRICKS_TOKEN`") as refused:
        auth.connect(Databricks(profile="dev"))
    assert sim.token not in str(refused.value)
    assert TOKEN not in str(refused.value)
    monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
    assert auth.connect(Databricks(profile="dev")).profile == "dev"
    monkeypatch.setenv("DATABRICKS_HOST", "https://other.cloud.databricks.com")
    with pytest.raises(Unauthorized, match="DATABRICKS_HOST"):
        auth.connect(Databricks(profile="dev"))


def test_a_login_profile_and_a_stray_token_disagree_too() -> None:
    configuration("[dev]\nhost = https://x.cloud.databricks.com\nauth_type = databricks-cli\n")
    with pytest.raises(Unauthorized, match="disagree"):
        auth.connect(Databricks(profile="dev"), {"DATABRICKS_TOKEN": TOKEN})


def test_a_profile_that_is_not_there_is_said_with_those_that_are() -> None:
    configuration("[DEFAULT]\nhost = https://x\n[prod]\nhost = https://y\n")
    with pytest.raises(UsageError, match=r"no profile 'dve'; there is DEFAULT, prod"):
        auth.connect(Databricks(profile="dve"))


def test_without_any_configuration_the_way_in_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match=r"set DATABRICKS_HOST and DATABRICKS_TOKEN"):
        Api(auth.connect(Databricks())).get(ME)


def test_a_token_that_was_refused_waits_for_a_new_one_with_where_to_put_it(
    sim: Simulator, workspace: Workspace
) -> None:
    api = workspace.session().api
    sim.faults.add("*", "expired", times=None)
    with pytest.raises(Unauthorized, match=r"make a new token .* DATABRICKS_TOKEN"):
        api.get(ME)


def test_a_token_that_expired_is_renewed_once(
    sim: Simulator, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABRICKS_TOKEN")
    known = sim.store.get("simulator", "identity") or {}
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", known["client_id"])
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", known["client_secret"])
    api = Api(auth.connect(Databricks()))
    sim.faults.add("GET *Me", "expired")
    assert api.get(ME)["userName"]
    assert api.calls == 2
    assert len(workspace.called("POST", "/oidc/v1/token")) == 2
    assert known["client_secret"] not in redaction.mask(f"it was {known['client_secret']}")


def test_a_login_that_cannot_be_renewed_names_the_exact_command(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABRICKS_TOKEN")
    monkeypatch.delenv("DATABRICKS_HOST")
    configuration(f"[my dev]\nhost = {sim.url}\nauth_type = databricks-cli\n")
    command = tmp_path / "databricks"
    command.write_text("#!/bin/sh\necho 'Error: refresh token is invalid' >&2\nexit 1\n")
    command.chmod(0o755)
    api = Api(auth.connect(Databricks(profile="my dev", command=(str(command),))))
    with pytest.raises(Unauthorized) as refused:
        api.get(ME)
    assert f"`{command} auth login -p 'my dev'`" in str(refused.value)
    assert "refresh token is invalid" in str(refused.value)


def test_a_closed_port_is_unavailable_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("DATABRICKS_HOST", f"http://127.0.0.1:{free.getsockname()[1]}")
        monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="cannot reach"):
        Api(auth.connect(Databricks())).get(ME)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("kind", ["429", "503", "500", "drop_before", "html"])
def test_not_now_is_unavailable_and_nothing_is_sent_twice(
    sim: Simulator, workspace: Workspace, kind: str
) -> None:
    api = workspace.session().api
    sim.faults.add("POST *", kind, retry_after="seconds", seconds=7)  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match=r"POST /api/2\.2/jobs/create") as said:
        api.post("/api/2.2/jobs/create", {"name": "x"})
    assert said.value.retry_after_s == (7 if kind in ("429", "503") else None)
    assert len(workspace.called("POST", "/jobs/create")) == 1
    if kind in ("500", "drop_before"):
        assert "whether it was carried out is not known" in str(said.value)


def test_a_wait_may_be_a_date_and_is_never_absurd(sim: Simulator, workspace: Workspace) -> None:
    api = workspace.session().api
    sim.faults.add("GET *Me", "429", seconds=86400 * 365 * 9, retry_after="seconds")
    with pytest.raises(Unavailable) as said:
        api.get(ME)
    assert said.value.retry_after_s == 900
    sim.faults.add("GET *Me", "503", seconds=30, retry_after="date")
    with pytest.raises(Unavailable) as said:
        api.get(ME)
    assert said.value.retry_after_s is not None


def test_a_read_whose_kept_connection_was_closed_is_sent_again(
    sim: Simulator, workspace: Workspace
) -> None:
    api = workspace.session().api
    sim.faults.add("GET *Me", "drop_before")
    assert api.get(ME)["userName"] == sim.user


def test_an_unknown_id_is_not_found_by_either_status(sim: Simulator, workspace: Workspace) -> None:
    api = workspace.session().api
    for status in (404, 400):
        sim.options = sim.options.model_copy(update={"unknown_id_status": status})
        with pytest.raises(NotFound, match="does not exist"):
            api.get("/api/2.2/jobs/get", job_id=123)


def test_a_refusal_keeps_the_services_words_and_its_code_only_where_it_is_a_word(
    sim: Simulator, workspace: Workspace
) -> None:
    api = workspace.session().api
    with pytest.raises(ApiRefused) as refused:
        api.get("/api/2.2/jobs/get", job_id="seven")
    assert (refused.value.status, refused.value.code) == (400, "INVALID_PARAMETER_VALUE")
    sim.options = sim.options.model_copy(update={"integer_error_code": True})
    with pytest.raises(ApiRefused) as refused:
        api.get("/api/2.2/jobs/get", job_id="seven")
    assert refused.value.code == ""
    assert "seven" in refused.value.message


def test_forbidden_is_not_the_token() -> None:
    assert issubclass(Forbidden, Unauthorized)
