"""The command line in this process against a simulated workspace, whose wire is looked at."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from cli_stage import Done

from agent import cli
from agent.simulators.databricks import Simulator
from agent.simulators.databricks.outcomes import Outcome, declare

TRACE = """\
---------------------------------------------------------------------------
ModuleNotFoundError                       Traceback (most recent call last)
File <command-4021>, line 2
      1 import json
----> 2 import tabulate

ModuleNotFoundError: No module named 'tabulate'"""
MISSING = Outcome(
    result="FAILED",
    seconds=0,
    error="ModuleNotFoundError: No module named 'tabulate'",
    error_trace=TRACE,
    printed="[Step 1/3] reading\n",
)
"""A notebook whose module is missing, as get-output tells it."""
TIDE = Outcome(result="FAILED", seconds=0, error="RuntimeError: the tide is out")
"""What a rerun cures, as `Remote.matrix` knows."""


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

    def playbook(self, name: str = "book.yaml", **keys: Any) -> Path:
        """Write a playbook; what is not said: databricks, no model, an empty source."""
        (self.root / "source").mkdir(exist_ok=True)
        said = {"platform": "databricks", "source": "source", "model": "none"}
        (self.root / name).write_text(yaml.safe_dump({**said, **keys}, sort_keys=False))
        return self.root / name

    def matrix(self) -> Path:
        """Write a matrix of the user's own, which knows the tide; return its path."""
        entry = {
            "id": "own.tide",
            "title": "The tide is out",
            "category": "external_system",
            "platforms": ["any"],
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

    def profile(self, **profiles: dict[str, str]) -> None:
        """Write the user's configuration file."""
        lines = []
        for name, keys in profiles.items():
            lines += [f"[{name}]", *(f"{key} = {value}" for key, value in keys.items())]
        Path(os.environ["DATABRICKS_CONFIG_FILE"]).write_text("\n".join(lines) + "\n")

    def declare(self, **tasks: Outcome | tuple[Outcome, ...]) -> None:
        """Say how the next attempts at tasks go."""
        for task, given in tasks.items():
            declare(self.sim, task, *(given if isinstance(given, tuple) else (given,)))

    def job(self, *keys: str) -> int:
        """Make a job of notebooks that run one after the other; all go well at once."""
        tasks: list[dict[str, Any]] = []
        for key in keys:
            task: dict[str, Any] = {"task_key": key, "disable_auto_optimization": True}
            task["notebook_task"] = {"notebook_path": f"/Shared/{key}"}
            task["depends_on"] = [{"task_key": tasks[-1]["task_key"]}] if tasks else []
            tasks.append(task)
            self.declare(**{key: Outcome(seconds=0, notebook_result={"failed": 0})})
        return int(self.send("POST", "jobs/create", name="etl", tasks=tasks)["job_id"])

    def start(self, job: int) -> int:
        """Start a run of a job as somebody else does, and return it once it has ended."""
        run = int(self.send("POST", "jobs/run-now", job_id=job)["run_id"])
        self.sim.tick()
        assert self.send("GET", f"jobs/runs/get?run_id={run}")["end_time"]
        return run

    def send(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """Do something in the workspace as somebody else does."""
        import httpx

        headers = {"Authorization": f"Bearer {self.sim.token}"}
        with httpx.Client(trust_env=False, verify=False) as client:  # noqa: S501  loopback
            given = client.request(
                method, f"{self.sim.url}/api/2.2/{path}", headers=headers, json=body or None
            )
        found: dict[str, Any] = given.raise_for_status().json()
        return found

    @contextmanager
    def wire(self) -> Iterator[list[str]]:
        """Collect what is asked for meanwhile, as `METHOD path`."""
        asked: list[str] = []
        before = len(self.sim.calls)
        yield asked
        asked += [f"{call.method} {call.path}" for call in self.sim.calls[before:]]

    def object(self, *args: str | Path) -> dict[str, Any]:
        """Run a command with `-o json` and return the object, which agrees with the exit code."""
        done = self.run(*args, "-o", "json")
        found: dict[str, Any] = json.loads(done.out)
        assert found["schema_version"] == 1
        assert found.get("exit_code", done.code) == done.code, done.err
        return found
