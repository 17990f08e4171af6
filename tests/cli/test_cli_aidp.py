"""What somebody with an AIDP workspace types, and what they then read."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cli_aidp import FINE, MISSING, TIDE, Remote

from agent import cli
from agent import playbook as playbooks
from agent.simulators.aidp import Simulator
from agent.simulators.aidp.outcomes import declare

READY = Path(__file__).parents[2] / "playbooks" / "aidp" / "notebook-job"
READS = ("GET", "fetchOutput", "searchLogs", "export")


@pytest.fixture
def remote(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Remote]:
    """Give a workspace that the environment names, and surroundings that are nobody's."""
    for name in [n for n in os.environ if n.startswith(("OCI_", "AIDP_", "RUNMEND_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RUNMEND_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("RUNMEND_CACHE", str(cache))
    monkeypatch.chdir(tmp_path)
    with Simulator(tmp_path / "workspace") as sim:
        monkeypatch.setenv("OCI_CLI_CONFIG_FILE", str(sim.config_file))
        monkeypatch.setenv("AIDP_ENDPOINT", sim.url)
        monkeypatch.setenv("AIDP_INSTANCE_ID", sim.instance_id)
        monkeypatch.setenv("AIDP_WORKSPACE", sim.workspace)
        yield Remote(sim, tmp_path, capsys)
    assert sim.problems == []


def broken(folder: Path, cluster: str) -> Path:
    """Write a notebook job whose cluster has no such name and whose last cell fails."""
    shutil.copytree(READY, folder)
    job = (folder / "job.yaml").read_text()
    unsaid = "# cluster: {clusterName: etl_cluster}    unsaid: aidp.cluster of the playbook"
    named = f"cluster: {{clusterName: {cluster}}}   # nightly"
    assert unsaid in job
    (folder / "job.yaml").write_text(job.replace(unsaid, named))
    (folder / "src" / "orders.csv").write_text("id,day,amount\n1,2026-07-01,12.5\n")
    notebook = json.loads((folder / "src" / "load.ipynb").read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    code[0]["source"] = [
        "import csv, json\n",
        "from pathlib import Path\n",
        "orders = list(csv.DictReader(Path('orders.csv').open()))\n",
    ]
    code[1]["source"] = ["mine = orders\n", "print(sum(float(o['amuont']) for o in mine))\n"]
    (folder / "src" / "load.ipynb").write_text(json.dumps(notebook, indent=1) + "\n")
    return folder / "playbook.yaml"


class TestRehearse:
    """The whole loop without an account."""

    @pytest.mark.slow
    def test_a_broken_notebook_job_is_healed_from_create_to_repair(self, remote: Remote) -> None:
        wrong = "98d06c4f-0000-4000-8000-000000000001"
        book, stage = broken(remote.root / "orders", wrong), remote.root / "stage"
        before = (book.parent / "job.yaml").read_text()
        found = remote.object("rehearse", book, "--mode", "auto", "--stage", stage)
        assert (found["verdict"], found["verified"], found["healed_in"]) == ("healed", True, 2)
        phases = [[f["phase"] for f in i["failures"]] for i in found["iterations"]]
        assert phases == [["create"], ["run"]]
        authors = [i["patch"]["author"] for i in found["iterations"]]
        assert authors == ["fixer:aidp_job", "fixer:rename_column"]
        diff = found["iterations"][0]["patch"]["diff"]
        assert "+    cluster: {clusterName: etl_cluster}   # nightly" in diff
        runs = [run for i in found["iterations"] for run in i["runs"]]
        assert [run["state"] for run in runs] == ["failed", "succeeded"]
        assert runs[1]["run"] == runs[1]["repairs"] == runs[0]["run"]
        sent = [Path(path).stem.partition("-")[2].partition("-")[2] for path in found["payloads"]]
        own = [what for what in sent if not what.startswith(("make-folder", "upload-"))]
        assert own[:3] == ["create-job-orders", "update-job-orders", "run-job-orders.job"]
        assert own[3:] == ["repair-run-orders.job"]
        assert sent.count("upload-load.ipynb") == 2
        for path in map(Path, found["payloads"]):
            assert path.parent == stage / "state" / ".aidp" / "payloads"
            json.loads(path.read_text())
        assert (book.parent / "job.yaml").read_text() == before
        assert not any(call.method != "GET" for call in remote.sim.calls)
        report = Path(found["report"]["markdown"]).read_text()
        assert report.count("## What was sent") == 1
        assert found["payloads"][0] in report

    def test_what_a_rehearsal_cannot_do_is_said(self, remote: Remote) -> None:
        stage = remote.root / "stage"
        done = remote.run("rehearse", remote.playbook(job={"id": "1"}), "--stage", stage)
        assert (done.code, done.out) == (2, "")
        assert "Give job.file" in done.err
        assert not stage.exists()

    @pytest.mark.slow
    def test_each_request_is_confirmed_and_it_goes_on_where_it_stood(self, remote: Remote) -> None:
        book, stage = broken(remote.root / "orders", "etl_clutser"), remote.root / "stage"
        asked = []
        for _ in range(3):
            done = remote.run("rehearse", book, "--stage", stage)
            if done.code == 0:
                break
            assert done.code == 3, done.out + done.err
            case = remote.object("cases", "--state", stage / "state")["cases"][0]["case"]
            shown = json.loads(
                remote.run("show", case, "--state", stage / "state", "-o", "json").out
            )
            (patch,) = [p for i in shown["iterations"] if (p := i["patch"]) and not p["decision"]]
            asked.append([e["kind"] for e in patch["effects"]])
            assert any('"jobKey"' in e["shown"] for e in patch["effects"])
            text = remote.run("show", case, "--state", stage / "state").out
            assert '"jobKey"' in text
            remote.run("approve", case, patch["id"], "--state", stage / "state")
        assert done.code == 0, done.out + done.err
        assert len(asked) == 2
        assert set(asked[0]) == {"request_send"}
        assert "payloads  1" in done.out


class TestDiagnose:
    """`diagnose --run`: read a run, change nothing."""

    def test_a_run_is_diagnosed_by_its_key_and_by_its_address(self, remote: Remote) -> None:
        run = remote.start(remote.job("extract", "load", "report", load=MISSING))
        with remote.wire() as asked:
            done = remote.run("diagnose", "--run", run, "--platform", "aidp", "-p", "DEFAULT")
        assert done.code == 0, done.err
        assert all(c.method == "GET" or c.path.endswith(READS) for c in asked), asked
        assert all(call.key_id for call in asked)
        first = done.out.splitlines()[0]
        assert first.startswith(f"run {run} failed (FAILED) · 3 tasks: 1 succeeded, 1 failed, ")
        for shown in ("No module named 'tabulate'", "import tabulate", "API calls"):
            assert shown in done.out
        for name in ("AIDP_ENDPOINT", "AIDP_INSTANCE_ID", "AIDP_WORKSPACE"):
            os.environ.pop(name)
        address = f"{remote.sim.url}{remote.sim.below()}/jobRuns/{run}"
        assert remote.run("diagnose", "--run", address).out.splitlines()[0] == first

    @pytest.mark.slow
    def test_the_object_names_every_failed_task(self, remote: Remote) -> None:
        run = remote.start(remote.job("extract", "load", extract=MISSING))
        found = remote.object("diagnose", "--run", run)
        (failure,) = found["failures"]
        assert (failure["task"], found["native"]) == ("extract", "FAILED")
        assert failure["diagnosis"]["entry"] == "python.module-not-found"
        assert failure["task_run"] not in (None, run)
        assert found["api_calls"] > 0

    def test_a_wrong_run_and_a_playbook_of_another_platform_are_said(self, remote: Remote) -> None:
        none = remote.run("diagnose", "--run", "11111111-2222-4333-8444-555555555555")
        assert (none.code, none.out) == (2, "")
        assert "there is no run" in none.err
        book = remote.playbook(job={"id": "any"})
        words = ("diagnose", "--run", "1", "--platform", "databricks", "--playbook", book)
        other = remote.run(*words)
        assert (other.code, other.out) == (2, "")
        assert "is a playbook for aidp" in other.err


class TestHeal:
    """`heal` with what only AIDP has."""

    def test_a_failed_run_is_taken_over_and_repaired(self, remote: Remote) -> None:
        job = remote.job("extract", "load", load=TIDE)
        run = remote.start(job)
        book = remote.playbook(job={"id": job}, idempotent=True, approve={"mode": "auto"})
        with remote.wire() as asked:
            words = ("heal", book, "--run", run, "--matrix", remote.matrix())
            found = remote.object(*words)
        assert (found["verdict"], found["exit_code"]) == ("healthy", 0)
        changes = [f"{c.method} {c.path}" for c in asked if not c.path.endswith(READS)]
        changes = [call for call in changes if not call.startswith("GET")]
        assert changes == [f"POST /jobRuns/{run}/actions/repair"]
        assert remote.payloads() == ["001-repair-run-etl.job"]
        (repair,) = [c.body for c in asked if c.path.endswith("/repair")]
        assert isinstance(repair, dict)
        assert repair["taskKeys"] == ["load"]

    @pytest.mark.slow
    def test_what_was_chosen_is_in_the_command_that_goes_on(self, remote: Remote) -> None:
        job = remote.job("load", load=MISSING)
        book = remote.playbook(job={"id": job})
        done = remote.run("heal", book, "--mode", "observe", "--engine", "rest", "--cleanup")
        assert done.code == 1, done.out + done.err
        assert "--mode observe --engine rest --cleanup" in done.out

    @pytest.mark.slow
    def test_a_job_that_was_made_for_a_case_is_deleted_again(self, remote: Remote) -> None:
        book = remote.playbook(job={"file": "job.yaml"}, approve={"mode": "auto"})
        task = remote.task("load", notebookPath="load.ipynb", cluster=None)
        job = {"name": "own.job", "tasks": [{k: v for k, v in task.items() if v is not None}]}
        (remote.root / "source" / "job.yaml").write_text(yaml.safe_dump(job))
        shutil.copy(READY / "src" / "load.ipynb", remote.root / "source")
        declare(remote.sim, "own.job", "load", FINE)
        found = remote.object("heal", book, "--cleanup")
        assert found["verdict"] == "healthy"
        assert list(remote.api().pages("/jobs", limit=100)) == []


@pytest.mark.parametrize("option", [("--engine", "cli"), ("--cleanup",)])
def test_its_options_are_refused_elsewhere(
    option: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RUNMEND_STATE", str(tmp_path / "state"))
    book = tmp_path / "local.yaml"
    book.write_text("platform: local\njob: {file: job.yaml}\n")
    for words in (("heal", str(book)), ("heal", str(book), "--dry-run")):
        assert cli.run([*words, *option]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert f"{option[0]} goes with platform aidp" in err
    assert not (tmp_path / "state").exists()


class TestDoctor:
    """`doctor`, with a profile or a playbook."""

    def test_it_says_who_we_are_and_what_is_there(self, remote: Remote) -> None:
        done = remote.run("doctor", "-p", "DEFAULT")
        assert done.code == 0, done.out + done.err
        assert "answers to 20260430/aiDataPlatforms" in done.out
        remote.playbook(job={"id": remote.job("a")})
        found = remote.run("doctor", remote.root / "book.yaml")
        assert found.code == 0, found.out + found.err
        assert remote.sim.cluster_name in found.out
        assert "is not in the source" in found.out


def test_a_first_playbook_is_for_the_job_file_that_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "orders"
    shutil.copytree(READY, folder)
    (folder / "playbook.yaml").unlink()
    assert cli.run(["init", str(folder)]) == 0
    assert "written " in capsys.readouterr().out
    loaded = playbooks.load(folder / "playbook.yaml")
    book = loaded.playbook
    assert (book.platform, book.job.file, book.production) == ("aidp", "job.yaml", None)
    assert not (folder / "extract.py").exists()


def test_simulate_says_where_it_is_and_stops_when_told(tmp_path: Path) -> None:
    code = "import sys; from agent.cli import main; sys.argv[0] = 'runmend'; main()"
    command = [sys.executable, "-c", code, "simulate", "aidp", "--state", str(tmp_path / "data")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        rest, said = process.communicate(timeout=20)
    assert (process.returncode, rest, said) == (0, "", "")
    named = {"url", "config_file", "instance_id", "workspace", "cluster_key", "cluster_name"}
    assert named <= set(told)
    assert told["url"].removeprefix("http://127.0.0.1:").isdigit()
    assert "[DEFAULT]" in Path(told["config_file"]).read_text()
