"""A job on a simulated AIDP workspace, and the parts of the adapter that run, watch and stop it.

The workspace and the connection are a module's: reading keys takes longer than all the rest.
"""

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from aidp_workspace import Workspace

from agent.errors import Unavailable
from agent.platforms.aidp.cancelling import Cancelling
from agent.platforms.aidp.session import Session, connect
from agent.platforms.aidp.starting import Starting
from agent.platforms.aidp.watching import Watching
from agent.records import Deployment, Repair, Run, RunStatus
from agent.simulators.aidp import Call, Simulator, VirtualClock, jobs, rundocs
from agent.simulators.aidp.outcomes import Outcome, declare

_NUMBERS = count(1)


class Ground:
    """What the stages of one module stand on."""

    def __init__(self, folder: Path) -> None:
        self.sim = Simulator(folder / "workspace", clock=VirtualClock())
        self.sim.start()
        self.workspace = Workspace(self.sim, folder)
        self.api = connect(self.workspace.context("ground"), {}).api

    def close(self) -> None:
        """End the workspace; its own bugs fail the test."""
        self.api.close()
        self.sim.stop()
        assert self.sim.problems == []


class Stage:
    """One job, and one process that works on it."""

    def __init__(self, ground: Ground, **book: Any) -> None:
        number = next(_NUMBERS)
        self.name, self.case = f"etl_{number}.job", f"case{number}"
        self.workspace, self.sim, self.api = ground.workspace, ground.sim, ground.api
        self.book: dict[str, Any] = book
        self.job = ""
        self._before = len(self.sim.calls)
        self.again()

    def again(self, **book: Any) -> None:
        """Begin anew, as another process of the case would, with what is on the disk."""
        self.book = book or self.book
        context = self.workspace.context(self.case, **self.book)
        self.session = Session(context, self.api, context.loaded.playbook)
        now = self.workspace.now
        self.starting = Starting(self.session, now)
        self.watching = Watching(self.session, now)
        self.cancelling = Cancelling(self.session, self.starting, self.watching, now)

    def close(self) -> None:
        """Leave nothing behind that goes on."""
        self.sim.faults.clear()
        with self.sim.lock, self.sim.store.changes():
            for run in list(rundocs.active(self.sim)):
                rundocs.delete(self.sim, run)
            for key, _ in list(self.sim.store.items("job")):
                self.sim.store.delete("job", key)

    @property
    def deployment(self) -> Deployment:
        """The job as somebody deployed it."""
        return Deployment(job=self.job, name=self.name, tree="t")

    def make(self, *tasks: dict[str, Any], **more: Any) -> str:
        """Make the job; tasks are its own or a plain `load`, and take a minute where nothing else
        is declared."""
        body = {
            "name": self.name,
            "path": "/Workspace/Shared",
            "maxConcurrentRuns": 1,
            "tasks": list(tasks) or [self.task("load")],
            **more,
        }
        with self.sim.lock, self.sim.store.changes():
            self.job = str(jobs.store(self.sim, body, self.sim.user_id)["key"])
        for task in body["tasks"]:
            if task["type"] == "JOB_TASK":
                continue
            declare(self.sim, "*", task["taskKey"], Outcome(), times=None)
        return self.job

    def task(self, key: str, *needs: str, **more: Any) -> dict[str, Any]:
        """Return a notebook task."""
        cluster = {"clusterKey": self.sim.cluster_key, "clusterName": self.sim.cluster_name}
        return {
            "type": "NOTEBOOK_TASK",
            "taskKey": key,
            "runIf": "ALL_SUCCESS",
            "dependsOn": [{"taskKey": need} for need in needs],
            "notebookPath": f"/Workspace/Shared/{key}.ipynb",
            "cluster": cluster,
            **more,
        }

    def declare(self, task: str, *outcomes: Outcome) -> None:
        """Say how the next tries at a task go."""
        self.workspace.declare(self.name, task, *outcomes)

    def start(self, key: str = "r1", repair: Repair | None = None) -> Run:
        """Start a run, which must go well."""
        run = self.starting.start(key, self.deployment, repair)
        assert isinstance(run, Run), run
        return run

    def by_hand(self, **body: Any) -> str:
        """Start a run as somebody else would."""
        whole = {"jobKey": self.job, **body}
        return str(self.api.send("POST", "/jobRuns", whole, what="by-hand").body["key"])

    def look(self, run: str) -> RunStatus:
        """Look once."""
        return self.watching.look(run, self.starting.newest(run))

    def ended(self, run: str, step_s: float = 30.0) -> RunStatus:
        """Look until a run has ended, time passing."""
        for _ in range(100):
            status = self.look(run)
            if status.state != "running":
                return status
            self.sim.advance(step_s)
        raise AssertionError(status)

    def patiently(self, act: Callable[[], Any], step_s: float = 10.0) -> Any:
        """Do what "not now" is answered to, time passing."""
        for _ in range(50):
            try:
                return act()
            except Unavailable:
                self.sim.advance(step_s)
        return act()

    def runs(self) -> list[str]:
        """Return the keys of all runs of the job, oldest first."""
        query = {"jobKey": self.job, "sortOrder": "ASC"}
        return [str(run["key"]) for run in self.api.pages("/jobRuns", **query)]  # type: ignore[arg-type]  # words of the query

    def tamper(self, run: str, task: str, **changes: Any) -> None:
        """Change a task run behind everybody's back; a task "" is the run itself."""
        with self.sim.lock, self.sim.store.changes():
            found = rundocs.find(self.sim, run)
            target = found if not task else rundocs.latest(found)[task]
            status = changes.pop("status", None)
            if status is not None:
                at = self.sim.clock.now_ms()
                rundocs.enter(target, status, at, changes.pop("message", ""))
            target |= changes
            rundocs.save(self.sim, found)

    def posted(self, ending: str) -> int:
        """Return how often something was POSTed to a path that ends so."""
        return len(self.posts(ending))

    def posts(self, ending: str) -> list[Call]:
        """Return what was POSTed to a path that ends so, since this stage is there."""
        made = self.sim.calls[self._before :]
        return [call for call in made if call.method == "POST" and call.path.endswith(ending)]


def body(call: Call) -> dict[str, Any]:
    """Return what was sent as JSON."""
    assert isinstance(call.body, dict)
    return call.body


def states(status: RunStatus) -> dict[str, str]:
    """Return the states by task."""
    return {task.task: task.state for task in status.tasks}


def failed(stage: Stage, *, also: Sequence[str] = ()) -> Run:
    """Run a job whose task `load` fails, to its end."""
    stage.make(stage.task("load"), *(stage.task(key, "load") for key in also))
    stage.declare("load", Outcome(status="FAILED", seconds=30, error="ValueError: no"))
    run = stage.start()
    assert stage.ended(run.run).state == "failed"
    return run
