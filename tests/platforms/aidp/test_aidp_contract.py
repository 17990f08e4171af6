"""The contract suite on a simulated AIDP workspace: tasks that really run."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from contract import FINE, SLOW, Contract, Factory, Patient, Piece, Stage, started, states, until
from local_stage import tree

from agent.platforms import Context, Platform, connect
from agent.playbook import Aidp, Job, Loaded, Playbook
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
        return stage(real, tmp_path, files, given)

    return build


def stage(
    sim: Simulator, folder: Path, files: dict[str, str], given: dict[str, str] | None
) -> Stage:
    """Write a source, copy it to a tree, connect."""
    source, root = folder / "source", folder / "tree"
    source.mkdir()
    for name, text in files.items():
        (source / name).write_text(text)
    shutil.copytree(source, root)
    book = Playbook(
        name="nightly",
        platform="aidp",
        production=False,
        source="source",
        job=Job(file="job.yaml", parameters=dict(given or {})),
        aidp=Aidp(
            config_file=str(sim.config_file),
            region=sim.region,
            instance=sim.instance_id,
            workspace=sim.workspace,
            endpoint=sim.url,
        ),
    )
    loaded = Loaded(path=str(folder / "nightly.yaml"), playbook=book)
    case = folder / "case"
    case.mkdir(mode=0o700)

    def connection() -> Platform:
        return Patient(connect(Context(loaded, case, folder / "cache", state=folder / "state")))

    copies = iter(range(1, 100))

    def change(path: str, text: str) -> Any:
        other = folder / f"tree-{next(copies)}"
        shutil.copytree(root, other)
        (other / path).write_text(text)
        return tree(other)

    return Stage(connection(), tree(root), connection, change)


class TestJobs(Contract):
    """Every story of the contract."""

    def test_cancelling_ends_the_run_and_twice_is_once(self, factory: Factory) -> None:
        # What a script prints is only given once it has ended: its step is not seen before.
        stage = factory(Piece("one", SLOW), Piece("two", FINE, ("one",)))
        run = started(stage)
        until(stage.platform, run.run, lambda s: states(s).get("one") == "running")
        status = stage.platform.cancel("c1", run.run)
        assert status.state == "cancelled"
        assert states(status) == {"one": "cancelled", "two": "cancelled"}
        assert stage.platform.failures(status, stage.tree)
        assert states(stage.platform.cancel("c1", run.run)) == states(status)
