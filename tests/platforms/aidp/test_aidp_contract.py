"""The contract suite on a simulated AIDP workspace: tasks that really run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from connected import staged
from contract import Factory, Patient, Piece, RemoteContract, Stage

from agent.playbook import Aidp, Job, Playbook
from agent.simulators.aidp import Simulator


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Simulator]:
    """Give a workspace on the machine's own time."""
    with Simulator(tmp_path / "workspace") as simulator:
        yield simulator
    assert simulator.problems == []


@pytest.fixture
def factory(real: Simulator, tmp_path: Path) -> Factory:
    """Build stages on it."""

    def build(
        *pieces: Piece,
        parameters: dict[str, str] | None = None,
        given: dict[str, str] | None = None,
        broken: bool = False,
    ) -> Stage:
        tasks: list[dict[str, Any]] = [
            {
                "type": "PYTHON_TASK",
                "taskKey": piece.task,
                "runIf": "ALL_SUCCESS",
                "dependsOn": [{"taskKey": need} for need in piece.needs],
                "filePath": piece.path,
                "commandLineArguments": " ".join(piece.parameters),
                "cluster": {"clusterName": real.cluster_name},
            }
            for piece in pieces
        ]
        if broken:
            tasks[0]["dependOn"] = tasks[0].pop("dependsOn")
        job = {
            "name": "nightly.job",
            "parameters": [{"name": k, "value": v} for k, v in (parameters or {}).items()],
            "maxConcurrentRuns": 5,
            "tasks": tasks,
        }
        files = {piece.path: piece.script for piece in pieces}
        files |= {"shared.py": "def go(): pass\n", "job.yaml": yaml.safe_dump(job)}
        book = Playbook(
            name="nightly",
            platform="aidp",
            production=False,
            source="source",
            job=Job(file="job.yaml", parameters=dict(given or {})),
            aidp=Aidp(
                config_file=str(real.config_file),
                region=real.region,
                instance=real.instance_id,
                workspace=real.workspace,
                endpoint=real.url,
            ),
        )
        return staged(book, tmp_path, files, connected=Patient)

    return build


class TestJobs(RemoteContract):
    """Every story of the contract."""
