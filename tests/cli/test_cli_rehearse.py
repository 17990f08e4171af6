"""A rehearsal goes through the whole loop and touches nothing of its user's."""

import shutil
from pathlib import Path

import pytest
from cli_stage import COLUMN, Stage

SQL = {"task_key": "total", "sql_task": {"file": {"path": "total.sql"}}}


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    "inside",
    [pytest.param(False, marks=pytest.mark.slow), True],
    ids=["playbook outside", "playbook inside"],
)
def test_a_rehearsal_heals_a_copy_and_leaves_the_original_alone(stage: Stage, inside: bool) -> None:
    rules = {"mode": "auto"}
    book = stage.lay(SQL, files=COLUMN, approve=rules, deliver="in-place", idempotent=True)
    if inside:
        book = stage.playbook("job/book.yaml", source=".", approve=rules, idempotent=True)
    before = everything(stage.job)
    done = stage.run("rehearse", book, "-o", "json")
    found = done.json
    assert (done.code, found["verdict"]) == (0, "healed"), done.err
    assert everything(stage.job) == before
    rehearsed = Path(found["source_path"])
    assert rehearsed != stage.job
    assert (rehearsed / "data" / "db.duckdb").is_file()
    shutil.rmtree(rehearsed.parent)
