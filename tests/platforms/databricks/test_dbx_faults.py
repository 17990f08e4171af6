"""Whatever goes wrong between us and the workspace: once started, once repaired, no false word."""

from collections.abc import Callable
from typing import TypeVar

import pytest
from dbx_workspace import Workspace, notebook

from agent.errors import Unauthorized, Unavailable
from agent.platforms.databricks.jobs import Jobs
from agent.records import Deployment, Failure, Repair, Run, RunStatus, Tree
from agent.simulators.databricks.outcomes import Outcome
from agent.simulators.faults import KINDS, Kind

TREE = Tree(root="/nowhere", digest="")
BAD = Outcome(result="FAILED", seconds=60, error="KeyError: 'amout'")
_Answer = TypeVar("_Answer")


class Driver:
    """Drives a job as the runner does: waits where it must, and goes on as another process."""

    def __init__(self, workspace: Workspace, job: Deployment, case: str) -> None:
        self._workspace = workspace
        self._job = job
        self._case = case
        self._here = self._connect()

    def _connect(self) -> Jobs:
        here = self._workspace.session(int(self._job.job), self._case)
        return Jobs(here, self._workspace.now)

    def ask(self, question: Callable[[Jobs], _Answer]) -> _Answer:
        """Ask until there is an answer."""
        for _ in range(30):
            try:
                return question(self._here)
            except (Unavailable, Unauthorized):
                self._workspace.pass_time(1)
                self._here = self._connect()
        raise AssertionError("it never came through")

    def start(self, key: str, repair: Repair | None = None) -> Run:
        """Start."""
        run = self.ask(lambda here: here.start(key, self._job, TREE, repair))
        assert isinstance(run, Run), run
        return run

    def end(self, run: Run) -> tuple[RunStatus, tuple[Failure, ...]]:
        """Wait for the end, and ask why."""
        for _ in range(50):
            (status,) = self.ask(lambda here: here.poll([run.run]))
            if status.state != "running":
                break
            self._workspace.pass_time(20)
        return status, self.ask(lambda here: here.failures(status, TREE))


def story(workspace: Workspace, case: str) -> None:
    """Run a job that fails, repair it, cancel a second run of it; see that each happened once."""
    workspace.declare("load", Outcome(seconds=60))
    workspace.declare("use", BAD, Outcome(seconds=60), Outcome(never_ends=True))
    job = workspace.job(notebook("load"), notebook("use", "load"), name=case)
    driver = Driver(workspace, job, case)
    run = driver.start("r1")
    status, failures = driver.end(run)
    assert status.state == "failed"
    assert [(f.task, f.message) for f in failures] == [("use", "KeyError: 'amout'")]
    mended = driver.start("r2", Repair(run=run.run, tasks=("use",)))
    assert mended.run == run.run
    status, failures = driver.end(mended)
    assert (status.state, failures) == ("succeeded", ())
    assert driver.ask(lambda here: here.overtaken(mended, job)) is None
    stopped = driver.start("r3")
    workspace.pass_time(100)
    assert driver.ask(lambda here: here.cancel("c1", stopped.run)).state == "cancelled"
    workspace.sim.faults.clear()
    listed = workspace.session().api.get("/api/2.2/jobs/runs/list", job_id=job.job)
    assert {r["run_id"] for r in listed["runs"]} == {int(run.run), int(stopped.run)}
    found = workspace.session().api.get(
        "/api/2.2/jobs/runs/get", run_id=run.run, include_history=True
    )
    assert [item["type"] for item in found["repair_history"]] == ["ORIGINAL", "REPAIR"]


PATHS = ("run-now", "runs/get", "runs/get-output", "runs/export", "runs/repair", "runs/cancel")


@pytest.mark.parametrize("kind", KINDS)
def test_each_call_may_fail_once_in_each_way(workspace: Workspace, kind: Kind) -> None:
    for path in (*PATHS, "jobs/get", "runs/list"):
        workspace.sim.faults.add(f"*/{path}", kind, seconds=0.01, after=len(path) % 2)
    story(workspace, f"case-{kind}")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_any_call_of_the_story_may_fail_in_each_way(workspace: Workspace, kind: Kind) -> None:
    story(workspace, "calm")
    calls = len(workspace.sim.calls)
    for place in range(calls):
        workspace.pass_time(1000)
        # What makes the job is the test's own call.
        workspace.sim.faults.add("*/jobs/r*", kind, seconds=0.01, after=place)
        workspace.sim.faults.add("*/jobs/get", kind, seconds=0.01, after=place)
        story(workspace, f"case-{kind}-{place}")
