"""A job of 25 tasks of which three fail: one summary, three causes, each task's own output."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from dbx_workspace import Workspace, notebook, script

from agent import cli
from agent.simulators.databricks.outcomes import Outcome

FAILS = {
    "t05": "ModuleNotFoundError: No module named 'tabulate'",
    "t11": "[TABLE_OR_VIEW_NOT_FOUND] The table or view `main`.`bronze`.`orders` cannot be found. "
    "Verify the spelling and correctness of the schema and catalog. SQLSTATE: 42P01",
    "t17": "ZeroDivisionError: division by zero",
}
SKIPPED = ("t24", "t25")
ENTRIES = {
    "t05": "python.module-not-found",
    "t11": "missing.table",
    "t17": "python.zero-division",
}


class Ended(NamedTuple):
    """The failed run."""

    job: int
    run: int


@pytest.fixture
def ended(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ended:
    """Let the job run to its end: two tasks wait for one that fails."""
    monkeypatch.setenv("RUNMEND_STATE", str(tmp_path / "state"))
    tasks: list[dict[str, Any]] = []
    for number in range(1, 26):
        key = f"t{number:02}"
        needs = {"t24": ("t17",), "t25": ("t24",)}.get(key, ())
        tasks.append(script(key, *needs) if number % 2 else notebook(key, *needs))
        said = FAILS.get(key)
        outcome = Outcome(seconds=60, setup_seconds=240)
        if said is not None:
            outcome = Outcome(result="FAILED", seconds=60, error=said, error_trace=said)
        workspace.declare(key, outcome)
    made = workspace.job(*tasks, environments=[{"environment_key": "default", "spec": {}}])
    api = workspace.session().api
    run = api.post("/api/2.2/jobs/run-now", {"job_id": int(made.job)})["run_id"]
    workspace.pass_time(3600)
    return Ended(int(made.job), int(run))


def test_one_summary_three_causes_and_each_output_by_its_own_run(
    ended: Ended, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["diagnose", "--run", str(ended.run), "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["summary"] == "25 tasks: 20 succeeded, 3 failed, 2 skipped"
    pages = {task["task"]: task["url"] for task in found["tasks"]}
    assert len(set(pages.values())) == 25
    assert all(f"#job/{ended.job}/run/" in page for page in pages.values())
    causes = {f["task"]: f["diagnosis"]["entry"] for f in found["failures"]}
    assert causes == ENTRIES
    assert [f["url"] for f in found["failures"]] == [pages[task] for task in FAILS]
    runs = {task["task"]: task["task_run"] for task in found["tasks"]}
    asked = [str(query["run_id"]) for query in workspace.called("GET", "/runs/get-output")]
    assert str(ended.run) not in asked
    assert {runs[task] for task in FAILS} <= set(asked)
    assert len(asked) == len(set(asked))
    assert not {runs[task] for task in SKIPPED} & set(asked)


def test_the_report_tells_the_summary_the_causes_and_the_pages(
    ended: Ended, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["diagnose", "--run", str(ended.run)]) == 0
    out = capsys.readouterr().out
    assert out.count("25 tasks: 20 succeeded, 3 failed, 2 skipped") == 1
    for task, said in FAILS.items():
        assert f"\n{task} FAILED  http" in out
        assert said.splitlines()[0][:60] in out
    assert out.count(f"#job/{ended.job}/run/{ended.run}\n") == 1


def test_waiting_for_compute_is_told_apart_and_what_never_ran_took_no_time(
    ended: Ended, workspace: Workspace
) -> None:
    from agent.platforms.databricks.jobs import Jobs

    (status,) = Jobs(workspace.session(ended.job), workspace.now).poll([str(ended.run)])
    tasks = {task.task: task for task in status.tasks}
    assert tasks["t01"].took == "5 min (4 min for compute)"
    assert tasks["t05"].took == "1 min"
    assert tasks["t24"].took == ""
