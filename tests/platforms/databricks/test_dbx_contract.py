"""The contract suite on a simulated workspace: our own job by REST, tasks that really run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from connected import staged
from contract import Factory, Patient, Piece, RemoteContract, Stage

from agent.playbook import Job, Playbook
from agent.simulators.databricks import Simulator


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """Give a workspace on the machine's own time."""
    with Simulator(tmp_path / "workspace") as simulator:
        monkeypatch.setenv("DATABRICKS_HOST", simulator.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", simulator.token)
        yield simulator
    assert simulator.problems == []


@pytest.fixture
def factory(real: Simulator, tmp_path: Path) -> Factory:
    """Build stages on it."""
    del real  # the environment names it

    def build(
        *pieces: Piece,
        parameters: dict[str, str] | None = None,
        given: dict[str, str] | None = None,
        broken: bool = False,
    ) -> Stage:
        tasks: list[dict[str, Any]] = [
            {
                "task_key": piece.task,
                "depends_on": [{"task_key": need} for need in piece.needs],
                "disable_auto_optimization": True,
                "spark_python_task": {
                    "python_file": piece.path,
                    "parameters": list(piece.parameters),
                },
            }
            for piece in pieces
        ]
        if broken:
            tasks[0]["depend_on"] = tasks[0].pop("depends_on")
        job = {
            "name": "nightly",
            "parameters": [{"name": k, "default": v} for k, v in (parameters or {}).items()],
            "max_concurrent_runs": 5,
            "tasks": tasks,
        }
        files = {piece.path: piece.script for piece in pieces}
        files |= {"shared.py": "def go(): pass\n", "job.yaml": yaml.safe_dump(job)}
        named = Job(file="job.yaml", parameters=dict(given or {}))
        book = Playbook(name="nightly", platform="databricks", source="source", job=named)
        return staged(book, tmp_path, files, connected=Patient)

    return build


class TestJobs(RemoteContract):
    """Every story of the contract."""
