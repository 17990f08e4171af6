"""The journal keeps what it was given, in order, and shows every change made behind its back."""

import multiprocessing
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.errors import BudgetSpent, Held, JournalError, JournalTampered, UnknownCase
from agent.events import Deployed, Opened, Requested, Started
from agent.journal import Journal, Row
from agent.machine import Case
from agent.playbook import Job, Loaded, Playbook
from agent.records import Deployment, Run

AT = datetime(2026, 7, 1, 2, 14, tzinfo=UTC)
LOADED = Loaded(path="/p/nightly.yaml", playbook=Playbook(platform="local", job=Job(file="j.yaml")))


def fill(folder: Path, case_id: str = "7f3a") -> Case:
    journal = Journal(folder)
    case = journal.open_case(Opened(at=AT, case=case_id, loaded=LOADED, by="ana@host"))
    case = journal.append(case, Requested(at=AT, key="k", action="deploy"))
    deployment = Deployment(job="j", name="j", tree="d")
    case = journal.append(case, Deployed(at=AT, key="k", deployment=deployment))
    journal.close()
    return case


def tamper(folder: Path, statement: str) -> None:
    database = sqlite3.connect(folder / "journal.sqlite")
    assert database.execute(statement).rowcount > 0
    database.commit()
    database.close()


def problems(folder: Path) -> tuple[str, ...]:
    journal = Journal(folder, check=False)
    found = journal.verify()
    journal.close()
    return found


def test_a_case_is_the_same_after_reopening(tmp_path: Path) -> None:
    case = fill(tmp_path)
    journal = Journal(tmp_path)
    assert journal.load("7f3a") == case
    assert [e.kind for e in journal.events("7f3a")] == ["opened", "requested", "deployed"]
    assert problems(tmp_path) == ()
    journal.close()


def test_of_two_writers_one_appends_and_the_other_is_told(tmp_path: Path) -> None:
    case = fill(tmp_path)
    first, second = Journal(tmp_path), Journal(tmp_path)
    first.append(case, Started(at=AT, run=Run(run="r", key="k")))
    with pytest.raises(Held):
        second.append(case, Started(at=AT, run=Run(run="s", key="l")))
    run = second.load("7f3a").run
    assert run is not None
    assert run.run == "r"
    first.close()
    second.close()


def _append_many(folder: Path, name: str) -> None:
    for n in range(10):
        fill(folder, f"{name}{n}")


def test_writers_of_different_cases_share_one_chain(tmp_path: Path) -> None:
    Journal(tmp_path).close()
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append_many, args=(tmp_path, name)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert problems(tmp_path) == ()
    journal = Journal(tmp_path)
    assert len(journal.cases()) == 20
    journal.close()


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("update events set body = replace(body, 'ana', 'eve') where seq = 0", "was edited"),
        ("update events set state = 'done' where seq = 2", "was edited"),
        ("delete from events where seq = 1", "cut or re-ordered"),
        ("delete from events where seq = 2", "was cut"),
        ("update events set rowid = 10 - rowid", "cut or re-ordered"),
    ],
    ids=["edited body", "edited state", "cut middle", "cut tail", "re-ordered"],
)
def test_a_changed_journal_is_found_and_not_driven(
    tmp_path: Path, statement: str, what: str
) -> None:
    """Safety case 65."""
    fill(tmp_path)
    tamper(tmp_path, statement)
    assert any(what in problem for problem in problems(tmp_path))
    with pytest.raises(JournalTampered):
        Journal(tmp_path).load("7f3a")


def test_a_missing_head_file_is_found(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "journal.head").unlink()
    assert any("is missing" in problem for problem in problems(tmp_path))


def test_a_crash_between_the_commit_and_the_head_file_is_mended(tmp_path: Path) -> None:
    fill(tmp_path)
    before = (tmp_path / "journal.head").read_text()
    fill(tmp_path, "8000")
    after = (tmp_path / "journal.head").read_text()
    (tmp_path / "journal.head").write_text(before)
    Journal(tmp_path).close()
    assert (tmp_path / "journal.head").read_text() == after


def test_an_id_may_be_given_by_its_start(tmp_path: Path) -> None:
    fill(tmp_path, "7f3a0000")
    fill(tmp_path, "7f3b0000")
    journal = Journal(tmp_path)
    assert journal.find("7f3a") == "7f3a0000"
    with pytest.raises(UnknownCase, match="2 cases"):
        journal.find("7f3")
    with pytest.raises(UnknownCase, match="no case"):
        journal.find("9")
    journal.close()


def test_an_event_of_a_newer_release_is_named_as_such(tmp_path: Path) -> None:
    fill(tmp_path)
    body = '{"at":"2026-07-01T00:00:00Z","kind":"requested","key":"k","action":"deploy","new":1}'
    row = Row("7f3a", 1, "requested", "create", body, "0", "")
    row = row._replace(hash=row.expected("0"))
    database = sqlite3.connect(tmp_path / "journal.sqlite")
    database.execute("delete from events where seq > 0")
    database.execute("insert into events values (?, ?, ?, ?, ?, ?, ?)", row)
    database.commit()
    database.close()
    journal = Journal(tmp_path, check=False)
    with pytest.raises(JournalError, match="newer"):
        journal.load("7f3a")
    journal.close()


def test_a_file_that_is_no_journal_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"not a database, " * 500)
    with pytest.raises(JournalError, match="cannot be opened as a journal"):
        Journal(tmp_path)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_journal as t
from agent.errors import JournalError
journal = t.Journal(Path(sys.argv[1]))
case = journal.load("7f3a")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
try:
    journal.append(case, t.Started(at=t.AT, run=t.Run(run="r", key="k")))
except JournalError as error:
    print(error)
"""


def test_a_full_disk_is_one_clear_error_and_loses_nothing(tmp_path: Path) -> None:
    """Safety case 62; no file of the process may grow any more, as on a full disk."""
    case = fill(tmp_path)
    here = str(Path(__file__).parent)
    argv = [sys.executable, "-c", FULL_DISK, str(tmp_path), here]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert "cannot be" in done.stdout, done.stderr
    assert "mend the disk" in done.stdout
    journal = Journal(tmp_path)
    assert journal.load("7f3a") == case
    journal.append(case, Started(at=AT, run=Run(run="r", key="k")))
    journal.close()
    assert problems(tmp_path) == ()


def test_the_budget_is_hard_and_survives_a_restart(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.reserve("7f3a", 0.6, 1.0)
    journal.settle("7f3a", 0.6, 0.1)
    journal.reserve("7f3a", 0.6, 1.0)
    journal.close()
    again = Journal(tmp_path)
    assert again.spent("7f3a") == pytest.approx(0.7)
    with pytest.raises(BudgetSpent, match=r"0\.3000 left"):
        again.reserve("7f3a", 0.6, 1.0)
    assert again.spent("7f3a") == pytest.approx(0.7)
    again.close()
