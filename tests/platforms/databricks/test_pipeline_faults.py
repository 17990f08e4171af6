"""Every fault at every call of a whole story: one update, its failure, one more, its success."""

from collections.abc import Callable
from typing import TypeVar

import pytest
from dbx_workspace import Workspace
from pipeline_stage import BAD, GOOD, VALID, Stage

from agent.errors import Unavailable
from agent.platforms.databricks.pipelines import Pipelines
from agent.records import Deployment, Repair, Run, RunStatus, Tree

Answer = TypeVar("Answer")
KINDS = ("429", "503", "500", "drop_before", "drop_after", "503_after", "500_after", "html")


def patient(stage: Stage, call: Callable[[], Answer]) -> Answer:
    """Ask again as the runner does, time passing."""
    for _ in range(40):
        try:
            return call()
        except Unavailable as error:
            stage.workspace.pass_time(error.retry_after_s or 5.0)
    raise AssertionError("it is unavailable for ever")


def ended(stage: Stage, platform: Pipelines, run: Run) -> RunStatus:
    for _ in range(100):
        (status,) = patient(stage, lambda: platform.poll([run.run]))
        if status.state != "running":
            return status
        stage.workspace.pass_time(status.look_s or 1.0)
    raise AssertionError("the update never ends")


def told(stage: Stage) -> None:
    """Deploy, run, fail, repair, succeed; connecting afresh before each start."""
    tree: Tree = stage.tree()
    platform = stage.connect()
    made = patient(stage, lambda: platform.deploy("d1", tree, None))
    assert isinstance(made, Deployment)
    run = patient(stage, lambda: stage.connect().start("s1", made, tree, None))
    assert isinstance(run, Run), run
    status = ended(stage, platform, run)
    assert status.state == "failed", status
    failures = patient(stage, lambda: platform.failures(status, tree))
    assert [f.task for f in failures] == ["clean"]
    assert patient(stage, lambda: platform.overtaken(run, made)) is None
    repair = Repair(run=run.run, tasks=("clean", "daily"))
    again = patient(stage, lambda: stage.connect().start("s2", made, tree, repair))
    assert isinstance(again, Run), again
    status = ended(stage, platform, again)
    assert status.state == "succeeded", status
    assert len(status.tasks) == 3
    assert len(updates(stage)) == 3, updates(stage)


def updates(stage: Stage) -> list[str]:
    found = stage.sim.store.get("pipeline", stage.id)
    assert found is not None
    return list(found["updates"])


@pytest.mark.parametrize("kind", KINDS)
def test_one_fault_at_the_first_start_changes_nothing(workspace: Workspace, kind: str) -> None:
    stage = Stage(workspace)
    stage.declare(VALID, BAD, GOOD)
    stage.sim.faults.add("POST /api/*/updates", kind, after=1)
    told(stage)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_one_fault_at_any_call_changes_nothing(workspace: Workspace, kind: str) -> None:
    calls = 0
    number = 0
    while number <= calls:
        stage = Stage(workspace, name=f"shop {number}")
        stage.declare(VALID, BAD, GOOD)
        folder = stage.workspace.folder / "cases" / "case" / "databricks"
        if folder.exists():
            folder.rename(folder.with_name(f"before {number}"))
        stage.sim.faults.clear()
        begun = len(stage.sim.calls)
        stage.sim.faults.add("/api/2.0/pipelines/*", kind, after=number)
        told(stage)
        calls = max(calls, len(stage.sim.calls) - begun - 3)
        number += 1
    assert calls > 20
