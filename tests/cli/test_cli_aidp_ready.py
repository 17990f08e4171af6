"""The ready playbooks for AIDP load as they are, and run without an account."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agent import playbook
from agent.code import aidpjob
from agent.engine import runs

FOLDER = Path(__file__).parents[2] / "playbooks" / "aidp"
READY = sorted(path.parent.name for path in FOLDER.glob("*/playbook.yaml"))
RUNMEND = Path(sys.executable).with_name("runmend")


def test_there_is_one_for_a_notebook_and_one_for_a_schedule() -> None:
    assert READY == ["notebook-job", "scheduled-dag"]


@pytest.mark.parametrize("name", READY)
def test_it_loads_asks_before_it_changes_and_names_files_that_are_there(name: str) -> None:
    loaded = playbook.load(FOLDER / name / "playbook.yaml")
    book = loaded.playbook
    assert (book.platform, book.target, book.approve.mode) == ("aidp", "dev", "approve")
    assert book.production is False
    assert book.verify
    assert book.deliver == "patch"
    text = (loaded.source / str(book.job.file)).read_text()
    job = aidpjob.read(str(book.job.file), text)
    assert job is not None
    assert all(task.key and task.type for task in job.tasks)
    for path in ("src/load.ipynb", "src/extract.ipynb", "src/check.py", "src/report.ipynb"):
        assert (path in text) == (loaded.source / path).is_file()


@pytest.mark.slow
@pytest.mark.parametrize("name", READY)
def test_it_is_rehearsed_without_an_account(name: str, tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / name
    shutil.copytree(FOLDER / name, folder)
    reached = runs.environment((), os.environ)
    env = {**reached, "HOME": str(tmp_path), "RUNMEND_CACHE": str(cache)}
    words = ("--mode", "auto", "--stage", str(tmp_path / "stage"))
    done = subprocess.run(
        [RUNMEND, "rehearse", "playbook.yaml", *words],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("healthy, verified, ")
    assert ("switched on the schedule" in done.stderr) == (name == "scheduled-dag")
