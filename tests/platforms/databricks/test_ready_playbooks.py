"""The ready playbooks for Databricks load as they are, and run where they can be rehearsed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent import playbook
from agent.engine import runs
from agent.platforms import Context, connect
from agent.records import Tree

FOLDER = Path(__file__).parents[3] / "playbooks" / "databricks"
READY = sorted(path.parent.name for path in FOLDER.glob("*/playbook.yaml"))
RUNMEND = Path(sys.executable).with_name("runmend")


def test_there_is_one_for_each_kind_of_target() -> None:
    assert READY == ["bundle-job", "job-by-id", "monitors-and-alerts", "pipeline"]


@pytest.mark.parametrize("name", READY)
def test_it_loads_asks_before_it_changes_and_finds_its_code(name: str, tmp_path: Path) -> None:
    loaded = playbook.load(FOLDER / name / "playbook.yaml")
    book = loaded.playbook
    assert (book.platform, book.target, book.approve.mode) == ("databricks", "dev", "approve")
    assert book.verify
    assert book.deliver == "patch"
    assert loaded.source.is_dir()
    files = tuple(
        path.relative_to(loaded.source).as_posix()
        for path in sorted(loaded.source.rglob("*"))
        if path.is_file()
    )
    tree = Tree(root=str(loaded.source), digest="", files=files)
    here = connect(Context(loaded, tmp_path, tmp_path / "cache"))
    assert book.production is not True
    if name == "bundle-job":
        assert not here.is_production(loaded.source)
        tasks = {task.task: task.path for task in here.tasks(tree)}
        assert tasks == {"extract": "src/extract.py", "load": "src/load.py"}


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["", "amuont"])
def test_the_bundle_job_is_rehearsed_without_a_workspace(
    fault: str, tmp_path: Path, cache: Path
) -> None:
    folder = tmp_path / "bundle-job"
    shutil.copytree(FOLDER / "bundle-job", folder)
    load = folder / "src" / "load.py"
    load.write_text(load.read_text().replace("amount", fault or "amount"))
    reached = runs.environment((), os.environ)
    env = {**reached, "HOME": str(tmp_path), "RUNMEND_CACHE": str(cache)}
    stage = ("--stage", str(tmp_path / "stage"))
    done = subprocess.run(
        [RUNMEND, "rehearse", "playbook.yaml", *stage, "-o", "json"],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert (found["verdict"], found["verified"]) == ("healed" if fault else "healthy", True)
