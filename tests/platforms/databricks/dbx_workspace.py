"""Jobs and connections on a simulated workspace, for tests of the adapter."""

from pathlib import Path
from typing import Any, NamedTuple

from agent.platforms import Context
from agent.platforms.databricks import session
from agent.platforms.databricks.session import Session
from agent.playbook import Job, Loaded, Playbook
from agent.records import Deployment
from agent.simulators.databricks import Simulator
from agent.simulators.databricks.outcomes import Outcome, declare


class Workspace(NamedTuple):
    """A simulated workspace, and a folder for the cases of a test."""

    sim: Simulator
    folder: Path

    def session(self, job_id: int | None = None, /, case: str = "case", **book: Any) -> Session:
        """Connect, as a process of that case would; `book` are keys of the playbook."""
        folder = self.folder / "cases" / case
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        source = self.folder / "source"
        source.mkdir(exist_ok=True)
        named = book.pop("job", None) or Job(id=job_id or 1, **book.pop("with_job", {}))
        playbook = Playbook(platform="databricks", source="source", job=named, **book)
        loaded = Loaded(path=str(self.folder / "etl.yaml"), playbook=playbook)
        return session.connect(Context(loaded, folder, self.folder / "cache"))

    def job(self, *tasks: dict[str, Any], **settings: Any) -> Deployment:
        """Make a job and return it as if we had deployed it."""
        body = {"name": "etl", "tasks": list(tasks), **settings}
        made = self.session().api.post("/api/2.2/jobs/create", body)
        keys = tuple(task["task_key"] for task in tasks)
        return Deployment(job=str(made["job_id"]), name="etl", tree="", tasks=keys)

    def declare(self, task: str, *outcomes: Outcome) -> None:
        """Say how the next attempts at a task go."""
        declare(self.sim, task, *outcomes)

    def pass_time(self, seconds: float) -> None:
        """Move the workspace's time on."""
        self.sim.clock.advance(seconds)

    def now(self) -> float:
        """Return the workspace's time in seconds since the epoch."""
        return self.sim.clock.now_ms() / 1000

    def called(self, method: str, path: str) -> list[Any]:
        """Return the bodies and queries of the calls so far whose path ends so."""
        return [
            call.body if call.body is not None else call.query
            for call in self.sim.calls
            if call.method == method and call.path.endswith(path)
        ]


def notebook(key: str, *needs: str, **more: Any) -> dict[str, Any]:
    """Return a notebook task."""
    return {
        "task_key": key,
        "depends_on": [{"task_key": need} for need in needs],
        "notebook_task": {"notebook_path": f"/Shared/{key}", **more.pop("notebook_task", {})},
        "disable_auto_optimization": True,
        **more,
    }


def script(key: str, *needs: str, parameters: list[str] | None = None) -> dict[str, Any]:
    """Return a script task."""
    return {
        "task_key": key,
        "depends_on": [{"task_key": need} for need in needs],
        "spark_python_task": {
            "python_file": f"/Workspace/Shared/{key}.py",
            "parameters": parameters or [],
        },
        "environment_key": "default",
        "disable_auto_optimization": True,
    }
