"""Sessions and jobs on a simulated AIDP workspace, for tests of the adapter."""

from pathlib import Path
from typing import Any, NamedTuple

from agent.platforms import Context
from agent.platforms.aidp import session
from agent.platforms.aidp.session import Session
from agent.playbook import Job, Loaded, Playbook
from agent.simulators.aidp import Call, Simulator
from agent.simulators.aidp.outcomes import Outcome, declare


class Workspace(NamedTuple):
    """A simulated workspace, and a folder for the cases of a test."""

    sim: Simulator
    folder: Path

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.folder / "state"

    @property
    def source(self) -> Path:
        """The folder of the code; made at the first use."""
        folder = self.folder / "source"
        folder.mkdir(exist_ok=True)
        return folder

    def section(self, **more: Any) -> dict[str, Any]:
        """Return the playbook's `aidp`, with other keys of it."""
        return {
            "config_file": str(self.sim.config_file),
            "instance": self.sim.instance_id,
            "workspace": self.sim.workspace,
            "endpoint": self.sim.url,
            "cluster": self.sim.cluster_name,
            **more,
        }

    def context(self, case: str = "case", any_job: bool = False, **book: Any) -> Context:
        """Return what a process of that case connects with; `book` are keys of the playbook."""
        folder = self.state / "cases" / case
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        whole = {
            "platform": "aidp",
            "name": "etl",
            "source": str(self.source.relative_to(self.folder)),
            "job": Job(name="etl_daily.job"),
            **book,
            "aidp": self.section(**book.get("aidp", {})),
        }
        loaded = Loaded(path=str(self.folder / "etl.yaml"), playbook=Playbook(**whole))
        cache = self.folder / "cache"
        return Context(loaded, folder, cache, any_job, self.now, self.state)

    def connect(self, case: str = "case", any_job: bool = False, **book: Any) -> Session:
        """Connect as a process of that case would."""
        return session.connect(self.context(case, any_job, **book))

    def declare(self, job: str, task: str, *outcomes: Outcome) -> None:
        """Say how the next attempts at a task go."""
        for outcome in outcomes:
            declare(self.sim, job, task, outcome)

    def pass_time(self, seconds: float) -> None:
        """Move the workspace's time on, and everything with it."""
        self.sim.advance(seconds)

    def now(self) -> float:
        """Return the workspace's time in seconds since the epoch."""
        return self.sim.clock.now_ms() / 1000

    def called(self, method: str, path: str) -> list[Call]:
        """Return the calls so far whose path ends so."""
        return [c for c in self.sim.calls if c.method == method and c.path.endswith(path)]
