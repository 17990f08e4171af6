"""What somebody with a Databricks workspace types, and what they then read."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cli_stage import PATIENCE_S
from cli_workspace import MISSING, TIDE, Remote

from agent import playbook
from agent.simulators.databricks import Simulator
from agent.simulators.databricks.outcomes import Outcome

READS = ("GET ", "POST /api/2.1/clusters/events", "POST /api/2.0/clusters/events")
FINE = Outcome(seconds=0, notebook_result={"failed": 0})


@pytest.fixture
def remote(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Remote]:
    """Give a workspace that the environment names, and surroundings that are nobody's."""
    for name in [n for n in os.environ if n.startswith(("DATABRICKS_", "RUNMEND_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "databrickscfg"))
    monkeypatch.setenv("RUNMEND_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("RUNMEND_CACHE", str(cache))
    monkeypatch.setenv("RUNMEND_STANDIN_HOST", "")  # a rehearsal sets it: it is put back
    monkeypatch.chdir(tmp_path)
    with Simulator(tmp_path / "workspace") as sim:
        monkeypatch.setenv("DATABRICKS_HOST", sim.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", sim.token)
        yield Remote(sim, tmp_path, capsys)
    assert sim.problems == []


class TestDiagnose:
    """`diagnose --run`: read a run, change nothing."""

    def test_a_run_is_diagnosed_by_its_id_and_by_both_addresses_of_its_page(
        self, remote: Remote
    ) -> None:
        job = remote.job("extract", "load", "report")
        remote.declare(load=MISSING)
        run = remote.start(job)
        with remote.wire() as asked:
            done = remote.run("diagnose", "--run", str(run))
        assert done.code == 0, done.err
        assert all(call.startswith(READS) for call in asked), asked
        first, page = done.out.splitlines()[:2]
        summary = "3 tasks: 1 succeeded, 1 failed, 1 skipped"
        assert first == f"run {run} failed (INTERNAL_ERROR FAILED) · {summary}"
        assert f"#job/{job}/run/{run}" in page
        assert done.out.count(page.split()[-1]) == 1
        for shown in ("No module named 'tabulate'", "0.98", "import tabulate", "API calls"):
            assert shown in done.out
        for address in (f"{remote.sim.url}/?o=1#job/{job}/run/{run}", f"/jobs/{job}/runs/{run}"):
            assert remote.run("diagnose", "--run", address).out.splitlines()[0] == first

    def test_the_object_names_every_failed_task_with_its_page(self, remote: Remote) -> None:
        job = remote.job("extract", "load")
        remote.declare(extract=MISSING)
        run = remote.start(job)
        found = remote.object("diagnose", "--run", str(run))
        assert set(found) == {
            *("schema_version", "run", "state", "native", "url", "summary", "tasks"),
            *("failures", "api_calls"),
        }
        (failure,) = found["failures"]
        assert failure["task"] == "extract"
        assert failure["diagnosis"]["entry"] == "python.module-not-found"
        assert failure["url"].endswith(f"/run/{failure['task_run']}")
        assert failure["task_run"] != str(run)
        assert [task["seconds"] for task in found["tasks"]] == [0.0, None]
        assert found["api_calls"] > 0

    def test_a_good_run_and_a_wrong_one_are_told_apart(self, remote: Remote) -> None:
        run = remote.start(remote.job("extract"))
        done = remote.run("diagnose", "--run", str(run))
        assert (done.code, done.out.splitlines()[-2:][0]) == (0, "nothing failed")
        wrong = remote.run("diagnose", "--run", "12345678")
        assert (wrong.code, wrong.out) == (2, "")
        assert "there is no run 12345678" in wrong.err
        assert "60 days" in wrong.err
        none = remote.run("diagnose", "--run", "yesterday's")
        assert none.code == 2
        assert "https://HOST/jobs/JOB/runs/RUN" in none.err


class TestNamed:
    """Jobs that the environment names: no playbook, no source."""

    def test_a_named_job_waits_for_approval_and_is_repaired(
        self, remote: Remote, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = remote.job("extract", "load")
        monkeypatch.setenv("DATABRICKS_JOB_ETL", str(job))
        remote.declare(load=(TIDE, FINE))
        done = remote.run("heal", "etl", "--matrix", remote.matrix())
        assert done.code == 3, done.out + done.err
        case = remote.case()
        waiting, patch = done.out.splitlines()[0], done.out.split(" patch ")[1].split(",")[0]
        assert waiting.startswith(f"waiting for a person: case {case}, patch {patch}, expires ")
        assert f"runmend approve {case} {patch} " in done.out
        assert "let it run again" in done.out
        assert "it may have written already" in done.out
        approved = remote.run("approve", case, patch)
        assert approved.out.endswith(f"carry on: runmend resume {case}\n")
        with remote.wire() as asked:
            ended = remote.object("resume", case, "--matrix", remote.matrix())
        assert (ended["verdict"], ended["exit_code"]) == ("healthy", 0)
        assert asked.count("POST /api/2.2/jobs/runs/repair") == 1
        assert not {"POST /api/2.2/jobs/run-now", "POST /api/2.2/jobs/reset"} & set(asked)
        assert len({run["run"] for i in ended["iterations"] for run in i["runs"]}) == 1
        assert ended["usage"]["platform_calls"] > len(asked)

    def test_a_failed_run_is_taken_over_and_begun_anew_by_the_same_words(
        self, remote: Remote, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = remote.job("extract", "load")
        monkeypatch.setenv("DATABRICKS_JOB_ID", str(job))
        remote.declare(load=MISSING)
        run = remote.start(job)
        with remote.wire() as asked:
            done = remote.run("heal", "default", "--run", str(run), "--mode", "auto")
        assert done.code == 1, done.out + done.err
        assert all(call.startswith(READS) for call in asked), asked
        assert f"taken over {run}" in done.err
        assert "the job has no file in the tree" in done.out
        assert "runmend heal default --mode auto " in done.out

    def test_an_unknown_key_is_said_with_those_there_are(
        self, remote: Remote, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DATABRICKS_JOB_ETL", "12")
        done = remote.run("heal", "elt")
        assert (done.code, done.out) == (2, "")
        assert "DATABRICKS_JOB_ELT" in done.err
        assert "the environment names etl" in done.err
        monkeypatch.setenv("DATABRICKS_JOB_ETL", "twelve")
        wrong = remote.run("heal", "etl")
        assert wrong.code == 2
        assert "DATABRICKS_JOB_ETL is 'twelve'" in wrong.err
        assert remote.sim.calls == []


class TestLogin:
    """Who we are to the workspace."""

    def test_doctor_names_who_we_are_and_what_is_missing(
        self, remote: Remote, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        remote.job("extract")
        monkeypatch.delenv("DATABRICKS_HOST")
        monkeypatch.delenv("DATABRICKS_TOKEN")
        remote.profile(DEV={"host": remote.sim.url, "token": remote.sim.token})
        with remote.wire() as asked:
            done = remote.run("doctor", "-p", "DEV")
        assert done.code == 0, done.out + done.err
        assert all(call.startswith("GET ") for call in asked)
        me = f"Databricks {remote.sim.url}: we are {remote.sim.user} (login by pat, profile DEV)"
        assert f"ok       {me}" in done.out
        assert "ok       1 job of the workspace can be seen" in done.out
        found = remote.object("doctor", "-p", "DEV")["findings"]
        assert {"ok", "note"} == {finding["level"] for finding in found}

    def test_a_profile_that_is_not_there_and_one_that_the_environment_overrules(
        self, remote: Remote
    ) -> None:
        book = remote.playbook(job={"id": 1})
        remote.profile(DEV={"host": remote.sim.url, "token": "dapi" + "0" * 32})
        wrong = remote.run("heal", book, "-p", "DVE")
        assert wrong.code == 2
        assert "no profile 'DVE'; there is DEV" in wrong.err
        both = remote.run("heal", book, "-p", "DEV")
        assert both.code == 6
        assert "run `unset DATABRICKS_TOKEN`" in both.err
        found = remote.object("heal", book, "-p", "DEV")
        assert (found["verdict"], found["case"], found["exit_code"]) == ("unauthorized", None, 6)
        assert remote.sim.calls == []

    def test_an_expired_login_waits_with_the_command_that_renews_it(
        self, remote: Remote, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("DATABRICKS_HOST")
        monkeypatch.delenv("DATABRICKS_TOKEN")
        remote.profile(DEV={"host": remote.sim.url, "auth_type": "databricks-cli"})
        command = remote.root / "databricks"
        command.write_text("#!/bin/sh\necho 'Error: refresh token is invalid' >&2\nexit 1\n")
        command.chmod(0o755)
        job = remote.job("extract")
        book = remote.playbook(job={"id": job}, databricks={"command": [str(command)]})
        done = remote.run("heal", book, "-p", "DEV")
        assert done.code == 6, done.out + done.err
        assert f"log in again: `{command} auth login -p DEV`" in done.out
        assert f"runmend resume {remote.case()} " in done.out
        token = {"access_token": remote.sim.token, "token_type": "Bearer"}
        given = json.dumps({**token, "expiry": "2099-01-01T00:00:00Z"})
        command.write_text(f"#!/bin/sh\necho '{given}'\n")
        ended = remote.object("resume", remote.case())
        assert (ended["verdict"], ended["exit_code"]) == ("healthy", 0)

    def test_a_workspace_out_of_reach_ends_within_its_patience(self, remote: Remote) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
        # The machine's clock is the outside world: its pauses are counted and not made.
        quick = (
            "import sys, time\n"
            "slept = []\n"
            "time.sleep = slept.append\n"
            "from agent import cli\n"
            "code = cli.run(sys.argv[1:])\n"
            "print('slept', sum(slept))\n"
            "sys.exit(code)\n"
        )
        book = remote.playbook(job={"id": 1})
        done = subprocess.run(
            [sys.executable, "-c", quick, "heal", book],
            env={**os.environ, "DATABRICKS_HOST": nobody},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 7, done.stdout + done.stderr
        assert "stopped: the platform does not answer" in done.stdout
        assert f"cannot reach {nobody}" in done.stdout
        assert "runmend resume " in done.stdout
        slept = float(done.stdout.rpartition("slept ")[2])
        assert 200 < slept <= 300


class TestOutput:
    """What a job with many words prints."""

    def test_a_log_gets_one_line_per_change_and_the_page_once(self, remote: Remote) -> None:
        job = remote.job("extract", "load")
        done = remote.run("heal", remote.playbook(job={"id": job}), "--mode", "auto")
        assert done.code == 0, done.out + done.err
        page = f"{remote.sim.url}/?o={remote.sim.workspace_id}#job/{job}/run/"
        assert done.err.count(page) == 1
        assert done.out.count(page) == 2  # each task's own
        told = [line for line in done.err.splitlines() if line[:2] == "20"]
        assert all(line.split()[1] == remote.case() for line in told)
        assert [line.split(" ", 2)[2] for line in told if " run       " in line] == [
            "run       extract ok 0.0 s",
            "run       load ok 0.0 s",
        ]
        assert "\x1b" not in done.err + done.out

    def test_a_job_of_many_tasks_is_told_as_a_summary(self, remote: Remote) -> None:
        keys = [f"t{n:02}" for n in range(12)]
        job = remote.job(*keys)
        good = remote.run("heal", remote.playbook(job={"id": job}))
        assert good.code == 0, good.out + good.err
        assert "   tasks     12 tasks: 12 succeeded" in good.out.splitlines()
        assert "   task      t00" not in good.out
        assert good.out.count("#job/") == 1
        remote.declare(t11=MISSING)
        run = remote.start(job)
        done = remote.run("diagnose", "--run", str(run))
        assert "12 tasks: 11 succeeded, 1 failed" in done.out


class TestMistakes:
    """What a person gets wrong, and how little it takes to put it right."""

    def test_a_wrong_job_id_is_mended_in_the_playbook_and_goes_on(self, remote: Remote) -> None:
        job = remote.job("extract")
        wrong = remote.run("heal", remote.playbook(job={"id": 99}))
        assert wrong.code == 2
        assert "there is no job 99" in wrong.err
        right = remote.object("heal", remote.playbook(job={"id": job}))
        assert (right["verdict"], right["exit_code"]) == ("healthy", 0)
        states = [case["verdict"] for case in remote.object("cases")["cases"]]
        assert states == ["cancelled", "healthy"]

    def test_doctor_says_once_that_the_code_is_elsewhere(self, remote: Remote) -> None:
        book = remote.playbook(job={"id": remote.job("a", "b", "c", "d")})
        done = remote.run("doctor", book)
        assert done.code == 0, done.out + done.err
        assert done.out.count("is not in the source") == 1
        assert "the code of 4 of 4 tasks is not in the source (a, b, c ...)" in done.out
        assert "IS_OWNER, which is enough to diagnose, run, repair" in done.out

    def test_a_run_of_another_platform_is_read_from_its_log(self, remote: Remote) -> None:
        done = remote.run("diagnose", "--run", "1", "--platform", "local")
        assert (done.code, done.out) == (2, "")
        assert "--log FILE" in done.err


class TestInit:
    """`init` in a bundle's folder."""

    def test_a_first_playbook_is_for_the_job_that_runs_the_others(self, remote: Remote) -> None:
        bundle(remote.root / "shop")
        done = remote.run("init", remote.root / "shop")
        assert done.code == 0, done.err
        assert done.out.splitlines()[:9] == [
            "bundle   shop",
            "target   dev  (development)",
            "target   prod  (production)",
            "job      all  (orchestrator, 1 tasks, runs sales)",
            "job      load  (atomic, 2 tasks)",
            "job      sales  (composite, 2 tasks, runs load)",
            "pipeline gold",
            f"written  {remote.root / 'shop' / 'playbook.yaml'}",
            f"then: runmend rehearse {remote.root / 'shop' / 'playbook.yaml'}, "
            f"runmend heal {remote.root / 'shop' / 'playbook.yaml'}",
        ]
        loaded = playbook.load(remote.root / "shop" / "playbook.yaml")
        assert (loaded.playbook.job.bundle, loaded.playbook.target) == ("all", "dev")
        again = remote.run("init", remote.root / "shop", "--job", "gold")
        assert "kept " in again.out
        assert playbook.load(remote.root / "shop" / "playbook.yaml") == loaded

    def test_a_job_and_a_target_can_be_chosen(self, remote: Remote) -> None:
        bundle(remote.root / "shop")
        for words, said in (
            (("--job", "nightly"), "no job or pipeline nightly"),
            (("-t", "test"), "no target test; it has dev, prod"),
        ):
            wrong = remote.run("init", remote.root / "shop", *words)
            assert wrong.code == 2
            assert said in wrong.err
        assert remote.run("init", remote.root / "shop", "--job", "gold", "-t", "prod").code == 0
        loaded = playbook.load(remote.root / "shop" / "playbook.yaml")
        assert (loaded.playbook.job.bundle, loaded.playbook.target) == ("gold", "prod")


class TestRehearse:
    """What a rehearsal cannot do, and how it stays one."""

    def test_a_playbook_that_only_names_a_job_cannot_be_rehearsed(self, remote: Remote) -> None:
        stage = remote.root / "stage"
        done = remote.run("rehearse", remote.playbook(job={"id": 1}), "--stage", stage)
        assert (done.code, done.out) == (2, "")
        assert "Give job.bundle or job.file" in done.err
        assert not stage.exists()

    def test_a_waiting_rehearsal_goes_on_as_one_and_never_in_earnest(self, remote: Remote) -> None:
        source, stage = remote.root / "source", remote.root / "stage"
        source.mkdir()
        task = {
            "task_key": "load",
            "environment_key": "default",
            "spark_python_task": {"python_file": "load.py", "parameters": []},
        }
        envs = [{"environment_key": "default", "spec": {"environment_version": "2"}}]
        job = {"name": "etl", "tasks": [task], "environments": envs}
        (source / "job.yaml").write_text(yaml.safe_dump(job))
        (source / "load.py").write_text("open('in.csv')\n")
        (source / "data").mkdir()
        (source / "data" / "in.csv").write_text("a\n1\n")
        book = remote.playbook(job={"file": "job.yaml"}, approve={"mode": "approve"})
        done = remote.run("rehearse", book, "--stage", stage)
        assert done.code == 3, done.out + done.err
        assert "runmend rehearse book.yaml --stage stage " in done.out  # as seen from here
        own = f"runmend rehearse {book} --stage {stage}"
        assert "runmend resume" not in done.out
        case = remote.object("cases", "--state", stage / "state")["cases"][0]["case"]
        blocked = remote.run("resume", case, "--state", stage / "state")
        assert blocked.code == 2
        assert own in blocked.err
        patch = done.out.split(" patch ")[1].split(",")[0]
        approved = remote.run("approve", case, patch, "--state", stage / "state")
        assert approved.out.endswith(f"carry on: {own}\n")
        ended = remote.object("rehearse", book, "--stage", stage)
        assert (ended["case"], ended["verdict"]) == (case, "healed")
        assert (source / "load.py").read_text() == "open('in.csv')\n"
        assert all(not call.path.startswith("/api/2.2/jobs") for call in remote.sim.calls)


def bundle(folder: Path) -> None:
    """Write a bundle with one job of each kind and a pipeline."""
    (folder / "resources").mkdir(parents=True)
    (folder / "databricks.yml").write_text(
        "bundle: {name: shop}\n"
        "include: [resources/*.yml]\n"
        "targets:\n"
        "  dev: {mode: development, default: true}\n"
        "  prod: {mode: production}\n"
    )
    notebook = {"notebook_task": {"notebook_path": "../src/load.py"}}

    def runs(key: str) -> dict[str, object]:
        return {"task_key": key, "run_job_task": {"job_id": f"${{resources.jobs.{key}.id}}"}}

    jobs = {
        "load": {"tasks": [{"task_key": "a", **notebook}, {"task_key": "b", **notebook}]},
        "sales": {"tasks": [runs("load"), {"task_key": "check", **notebook}]},
        "all": {"tasks": [runs("sales")]},
    }
    (folder / "resources" / "jobs.yml").write_text(yaml.safe_dump({"resources": {"jobs": jobs}}))
    gold = {"name": "gold", "libraries": [{"file": {"path": "../src/gold.sql"}}]}
    declared = {"resources": {"pipelines": {"gold": gold}}}
    (folder / "resources" / "pipelines.yml").write_text(yaml.safe_dump(declared))
