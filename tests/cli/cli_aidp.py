"""The command line in this process against a simulated AIDP workspace, whose wire is looked at."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from cli_stage import Done

from agent import cli, platforms
from agent import playbook as playbooks
from agent.platforms.aidp import session
from agent.platforms.aidp.api import Api
from agent.simulators.aidp import Call, Simulator
from agent.simulators.aidp.outcomes import Outcome, declare

TRACE = """\
Traceback (most recent call last):
  File "/tmp/ipykernel_77/1.py", line 2, in <module>
    import tabulate
ModuleNotFoundError: No module named 'tabulate'
"""
MISSING = Outcome(
    status="FAILED",
    seconds=0,
    message="Exception during execution of notebook",
    error="ModuleNotFoundError: No module named 'tabulate'",
    error_trace=TRACE,
    printed="[Step 1/3] reading\n",
)
"""A notebook whose module is missing."""
TIDE = Outcome(status="FAILED", seconds=0, error="RuntimeError: the tide is out")
"""What a rerun cures, as `Remote.matrix` knows."""
FINE = Outcome(seconds=0, exit_value={"failed": 0})


class Remote(NamedTuple):
    """A workspace, a folder of the user's, and their terminal's output."""

    sim: Simulator
    root: Path
    capture: pytest.CaptureFixture[str]

    @property
    def state(self) -> Path:
        return self.root / "state"

    def run(self, *args: str | Path) -> Done:
        """Run one command to its end in this process."""
        self.capture.readouterr()
        code = cli.run([str(arg) for arg in args])
        out, err = self.capture.readouterr()
        assert "Traceback (most" not in err, err
        return Done(code, out, err)

    def object(self, *args: str | Path) -> dict[str, Any]:
        """Run a command with `-o json` and return the object, which agrees with the exit code."""
        done = self.run(*args, "-o", "json")
        found: dict[str, Any] = json.loads(done.out)
        assert found["schema_version"] == 1
        assert found.get("exit_code", done.code) == done.code, done.err
        return found

    def playbook(self, name: str = "book.yaml", **keys: Any) -> Path:
        """Write a playbook; what is not said: aidp, no production, no model, an empty source."""
        (self.root / "source").mkdir(exist_ok=True)
        said = {
            "platform": "aidp",
            "production": False,
            "source": "source",
            "poll": {"first": "50ms", "max": "200ms", "history": False},
            "model": "none",
        }
        cluster = {"cluster": self.sim.cluster_name}
        book = {**said, **keys, "aidp": {**cluster, **keys.get("aidp", {})}}
        (self.root / name).write_text(yaml.safe_dump(book, sort_keys=False))
        return self.root / name

    def matrix(self) -> Path:
        """Write a matrix of the user's own, which knows the tide; return its path."""
        entry = {
            "id": "own.tide",
            "title": "The tide is out",
            "category": "external_system",
            "match": ["the tide is out"],
            "cause": "The tide is out.",
            "solution": "Wait for it.",
            "remedy": "rerun",
            "transient": True,
            "sources": ["https://example.com/tide"],
            "examples": ["RuntimeError: the tide is out"],
            "counter_examples": ["the tide is in"],
        }
        (self.root / "own.yaml").write_text(yaml.safe_dump([entry]))
        return self.root / "own.yaml"

    def case(self) -> str:
        """Return the id of the newest case."""
        return str(self.object("cases")["cases"][-1]["case"])

    def api(self) -> Api:
        """Return a connection of somebody else's."""
        loaded = playbooks.load(self.playbook("else.yaml", job={"id": "any"}))
        folder = self.root / "else"
        context = platforms.Context(loaded, folder, folder / "cache", any_job=True)
        return session.connect(context).api

    def job(self, *keys: str, **outcomes: Outcome | tuple[Outcome, ...]) -> str:
        """Make a job of notebooks that run one after the other; all go well unless said."""
        tasks: list[dict[str, Any]] = []
        for key in keys:
            before = [{"taskKey": tasks[-1]["taskKey"]}] if tasks else []
            tasks.append(self.task(key, dependsOn=before))
            given = outcomes.get(key, ())
            for outcome in given if isinstance(given, tuple) else (given,):
                declare(self.sim, "etl.job", key, outcome)
            declare(self.sim, "etl.job", key, FINE, times=None)
        body = {"name": "etl.job", "path": "/Workspace/Shared", "maxConcurrentRuns": 1}
        api = self.api()
        return str(api.send("POST", "/jobs", {**body, "tasks": tasks}, what="job").body["key"])

    def task(self, key: str, **more: Any) -> dict[str, Any]:
        """Return a notebook task on the workspace's cluster."""
        cluster = {"clusterKey": self.sim.cluster_key, "clusterName": self.sim.cluster_name}
        named = {"type": "NOTEBOOK_TASK", "taskKey": key, "runIf": "ALL_SUCCESS"}
        path = f"/Workspace/Shared/{key}.ipynb"
        return {**named, "notebookPath": path, "cluster": cluster, **more}

    def start(self, job: str) -> str:
        """Start a run of a job as somebody else does, and return it once it has ended."""
        api = self.api()
        run = str(api.send("POST", "/jobRuns", {"jobKey": job}, what="run").body["key"])
        for _ in range(50):
            self.sim.advance(1)
            if "endTime" in (found := api.get(f"/jobRuns/{run}")) and found["endTime"]:
                return run
        raise AssertionError(f"run {run} did not end: {found}")

    @contextmanager
    def wire(self) -> Iterator[list[Call]]:
        """Collect what is asked for meanwhile."""
        asked: list[Call] = []
        before = len(self.sim.calls)
        yield asked
        asked += self.sim.calls[before:]

    def payloads(self) -> list[str]:
        """Return the names of what was kept of what was sent, without their cases."""
        folder = self.state / ".aidp" / "payloads"
        return [path.stem.partition("-")[2] for path in sorted(folder.glob("*.json"))]
