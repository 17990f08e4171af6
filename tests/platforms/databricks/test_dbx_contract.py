"""The contract suite on a simulated workspace: our own job by REST, tasks that really run."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from contract import FINE, SLOW, Contract, Factory, Patient, Piece, Stage, started, states, until
from local_stage import tree

from agent.platforms import Context, Platform, connect
from agent.playbook import Job, Loaded, Playbook
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
        return stage(tmp_path, files, given)

    return build


def stage(folder: Path, files: dict[str, str], given: dict[str, str] | None) -> Stage:
    """Write a source, copy it to a tree, connect."""
    source, root = folder / "source", folder / "tree"
    source.mkdir()
    for name, text in files.items():
        (source / name).write_text(text)
    shutil.copytree(source, root)
    job = Job(file="job.yaml", parameters=dict(given or {}))
    book = Playbook(name="nightly", platform="databricks", source="source", job=job)
    loaded = Loaded(path=str(folder / "nightly.yaml"), playbook=book)
    case = folder / "case"
    case.mkdir(mode=0o700)

    def connection() -> Platform:
        return Patient(connect(Context(loaded, case, folder / "cache")))

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
