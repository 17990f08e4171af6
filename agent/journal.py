"""The history of every case: one append-only table, each row chained to the one before by its hash.

- A row is in the journal when `append` returns, through a power cut too (WAL, full sync).
- The primary key (case, seq) is the mutual exclusion: of two writers one appends, the other is
  told that the case moved on.
- The chain runs over all cases in the order of appending. Its head is also kept in a file beside
  the database, so that a cut tail is found; the file may lag by the row of a crash, never lead.
- Money reserved for the model is kept here as well, so that a budget survives a restart.

Source: https://sqlite.org/wal.html, https://sqlite.org/pragma.html#pragma_synchronous
"""

import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from agent.errors import BudgetSpent, Held, JournalError, JournalTampered, UnknownCase
from agent.events import EVENT, AnyEvent, Checked, Opened
from agent.machine import Case, advance, opened
from agent.records import Check, Deployment

_SCHEMA = """
create table if not exists events (
  case_id text not null, seq integer not null, kind text not null, state text not null,
  body text not null, prev_hash text not null, hash text not null,
  primary key (case_id, seq)
);
create table if not exists spend (
  case_id text not null, usd real not null
);
"""
_START = "0" * 64


class Row(NamedTuple):
    """One event as it is stored."""

    case_id: str
    seq: int
    kind: str
    state: str
    body: str
    prev_hash: str
    hash: str

    def expected(self, prev_hash: str) -> str:
        """Return the hash this row must have after a row with `prev_hash`."""
        basis = (prev_hash, self.case_id, str(self.seq), self.kind, self.state, self.body)
        return hashlib.sha256("\0".join(basis).encode()).hexdigest()


class Summary(NamedTuple):
    """A case as a list shows it."""

    case: str
    state: str
    events: int
    playbook: str


class Journal:
    """The journal in one state folder. One per process and thread."""

    def __init__(self, folder: Path, *, check: bool = True) -> None:
        """Open, or begin, the journal in `folder`.

        Raises `JournalError`, and `JournalTampered` for a cut end unless `check` is off.
        """
        self._head_file = folder / "journal.head"
        path = folder / "journal.sqlite"
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
            self._db.execute("pragma journal_mode=wal")
            self._db.execute("pragma synchronous=full")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise JournalError(
                f"{path}: cannot be opened as a journal: {error}. "
                "Free some disk space, or name another state folder with --state"
            ) from error
        if check:
            self._check_head()

    def close(self) -> None:
        """Close the database; a closed journal takes no more events."""
        self._db.close()

    def open_case(self, event: Opened) -> Case:
        """Begin a case."""
        case = opened(event)
        self._insert(case.id, 0, event, case.state)
        return case

    def append(self, case: Case, event: AnyEvent) -> Case:
        """Record what happened and return the case after it.

        Raises `Held` where somebody else has moved the case on, `ImpossibleEvent` where the event
        does not belong, `JournalError` where it cannot be written (then the case has not moved).
        """
        after = advance(case, event)
        self._insert(case.id, case.length, event, after.state)
        return after

    def load(self, case_id: str) -> Case:
        """Return a case as its events make it. Raises `UnknownCase`, `JournalTampered`."""
        first, *rest = self.events(case_id)
        if not isinstance(first, Opened):
            raise JournalTampered(f"case {case_id}: its history does not begin with its opening")
        case = opened(first)
        for event in rest:
            case = advance(case, event)
        return case

    def events(self, case_id: str) -> tuple[AnyEvent, ...]:
        """Return a case's events in order. Raises `UnknownCase`, `JournalTampered`."""
        rows = self._rows("where case_id = ? order by seq", (case_id,))
        if not rows:
            raise UnknownCase(f"there is no case {case_id!r}. List them: runmend cases")
        for seq, row in enumerate(rows):
            if row.seq != seq or row.hash != row.expected(row.prev_hash):
                raise JournalTampered(
                    f"case {case_id}, event {seq}: the stored history does not match its hashes. "
                    "See all of it: runmend audit verify"
                )
        return tuple(_parse(row) for row in rows)

    def histories(self, entry: str | None = None) -> Iterator[tuple[AnyEvent, ...]]:
        """Yield the histories of all cases, oldest first.

        With `entry`, of those in which that matrix entry was named and more than one thing failed:
        where its fix may have failed.
        """
        sql, values = "where seq = 0", tuple[object, ...]()
        if entry is not None:
            sql = (
                "where seq = 0 and case_id in (select case_id from events where "
                "kind in ('diagnosed', 'trusted') and instr(body, ?) > 0) and 1 < "
                "(select count(*) from events f where f.case_id = a.case_id and f.kind = 'failed')"
            )
            values = (f'"{entry}"',)
        for row in self._query(f"select case_id from events a {sql} order by rowid", values):  # noqa: S608  the conditions are ours
            yield self.events(str(row[0]))

    def find(self, start: str) -> str:
        """Return the id of the one case whose id starts so. Raises `UnknownCase`."""
        found = [
            row[0]
            for row in self._query(
                "select case_id from events where seq = 0 and substr(case_id, 1, ?) = ?",
                (len(start), start),
            )
        ]
        if start and start in found:
            return start
        if not start or len(found) != 1:
            what = "no case" if not found else f"{len(found)} cases"
            raise UnknownCase(f"{what} with an id that starts with {start!r}. See: runmend cases")
        return str(found[0])

    def cases(self, playbook: str | None = None) -> tuple[Summary, ...]:
        """Return all cases, or those of one playbook (its absolute path), oldest first."""
        sql = (
            "select a.case_id, z.state, z.seq + 1, json_extract(a.body, '$.loaded.path') "
            "from events a join events z on z.case_id = a.case_id and z.seq = "
            "(select max(seq) from events m where m.case_id = a.case_id) where a.seq = 0"
        )
        if playbook is None:
            rows = self._query(sql + " order by a.rowid", ())
        else:
            condition = " and json_extract(a.body, '$.loaded.path') = ? order by a.rowid"
            rows = self._query(sql + condition, (playbook,))
        return tuple(Summary(*row) for row in rows)

    def last_good(self, playbook: str) -> tuple[Check, ...] | None:
        """Return what the checks of the playbook's last verified case saw; None where none is."""
        rows = self._query(
            "select c.body from events c join events a on a.case_id = c.case_id and a.seq = 0 "
            "join events d on d.case_id = c.case_id and d.kind = 'delivered' "
            "where c.kind = 'checked' and json_extract(a.body, '$.loaded.path') = ? "
            "order by c.rowid desc limit 1",
            (playbook,),
        )
        return Checked.model_validate_json(rows[0][0]).checks if rows else None

    def last_deployment(self, playbook: str) -> Deployment | None:
        """Return what was deployed last for a playbook, by its path; None before anything was."""
        kinds = "('adopted', 'deployed', 'restored', 'undone')"
        cases = "select case_id from events where kind = 'opened' and "
        named = "json_extract(body, '$.loaded.path') = ?"
        condition = f"where kind in {kinds} and case_id in ({cases}{named}) order by rowid desc"
        for row in self._rows(condition, (playbook,)):
            found = getattr(_parse(row), "deployment", None)
            if isinstance(found, Deployment):
                return found
        return None

    def reserve(self, case_id: str, usd: float, budget_usd: float) -> None:
        """Set money aside before it is spent. Raises `BudgetSpent` where not that much is left.

        What a crash leaves reserved stays spent: nobody knows whether the call was made.
        """
        with self._transaction():
            spent = self.spent(case_id)
            if spent + usd > budget_usd:
                raise BudgetSpent(
                    f"the model budget of {budget_usd:.2f} USD has {budget_usd - spent:.4f} left, "
                    f"the next call may cost {usd:.4f}. Raise limits.model_usd in the playbook"
                )
            self._db.execute("insert into spend values (?, ?)", (case_id, usd))

    def settle(self, case_id: str, reserved_usd: float, actual_usd: float) -> None:
        """Replace a reservation by what the call really cost."""
        with self._transaction():
            self._db.execute(
                "insert into spend values (?, ?)", (case_id, actual_usd - reserved_usd)
            )

    def spent(self, case_id: str) -> float:
        """Return what the case has spent or reserved, US dollars."""
        rows = self._query("select coalesce(sum(usd), 0) from spend where case_id = ?", (case_id,))
        return float(rows[0][0])

    def head(self) -> str:
        """Return `<number of events> <hash of the newest>`."""
        rows = self._query("select rowid, hash from events order by rowid desc limit 1", ())
        return f"{rows[0][0]} {rows[0][1]}" if rows else f"0 {_START}"

    def verify(self) -> tuple[str, ...]:
        """Return everything that is wrong with the chain, in order; empty where it holds."""
        wrong: list[str] = []
        prev, position, lengths = _START, 0, dict[str, int]()
        for position, row in enumerate(self._rows("order by rowid", ()), start=1):
            name = f"event {position} (case {row.case_id}, number {row.seq}, {row.kind})"
            if row.prev_hash != prev:
                wrong.append(f"{name} does not follow the event before it: cut or re-ordered")
            if row.hash != row.expected(row.prev_hash):
                wrong.append(f"{name} was edited: its hash does not match its content")
            if row.seq != lengths.get(row.case_id, 0):
                wrong.append(f"{name} is out of order within its case")
            lengths[row.case_id] = row.seq + 1
            prev = row.hash
        if (cut := self._cut()) is not None:
            wrong.append(cut)
        return tuple(wrong)

    def _rows(self, condition: str, values: tuple[object, ...]) -> list[Row]:
        columns = ", ".join(Row._fields)
        sql = f"select {columns} from events {condition}"  # noqa: S608  the conditions are ours
        return [Row(*row) for row in self._query(sql, values)]

    def _query(self, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise JournalError(f"the journal cannot be read: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("begin immediate")
            try:
                yield
            except BaseException:
                self._db.execute("rollback")
                raise
            self._db.execute("commit")
        except sqlite3.IntegrityError as error:
            raise Held(
                "another process has moved this case on; look again: runmend show"
            ) from error
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise JournalError(
                f"the journal cannot be written: {error}. Nothing was lost that had been recorded; "
                "mend the disk, then resume the case"
            ) from error

    def _insert(self, case_id: str, seq: int, event: AnyEvent, state: str) -> None:
        body = event.dump()
        with self._head_lock() as head:
            with self._transaction():
                number, prev = self.head().split()
                row = Row(case_id, seq, event.kind, state, body, prev, "")
                row = row._replace(hash=row.expected(prev))
                self._db.execute("insert into events values (?, ?, ?, ?, ?, ?, ?)", row)
            try:
                head(int(number) + 1, row.hash)
            except OSError as error:
                raise JournalError(
                    f"{self._head_file} cannot be written: {error.strerror or error}. The event is "
                    "recorded; mend the disk, then resume the case"
                ) from error

    @contextmanager
    def _head_lock(self) -> Iterator["_Head"]:
        descriptor = os.open(self._head_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield _Head(descriptor)
        finally:
            os.close(descriptor)

    def _kept_head(self) -> tuple[int, str] | None:
        try:
            words = self._head_file.read_text().split()
        except FileNotFoundError:
            return None
        if not words:
            return None
        return (int(words[0]), words[1]) if len(words) == 2 and words[0].isdigit() else (0, "")

    def _contains(self, number: int, digest: str) -> bool:
        found = self._query("select 1 from events where rowid = ? and hash = ?", (number, digest))
        return bool(found)

    def _cut(self) -> str | None:
        number = int(self.head().split()[0])
        kept = self._kept_head()
        if kept is None:
            if number <= 1:
                return None
            return f"{self._head_file} is missing, so nobody knows whether the end was cut"
        if self._contains(*kept):
            return None
        return (
            f"the journal was cut: {self._head_file} knows {kept[0]} events, the database has "
            f"{number} and not that one"
        )

    def _check_head(self) -> None:
        if cut := self._cut():
            raise JournalTampered(
                f"{cut}. Restore the folder from a backup, or begin a new one with --state; "
                "nothing is started on such a history"
            )
        with self._head_lock() as head:
            number, digest = self.head().split()
            if int(number) and self._kept_head() != (int(number), digest):
                head(int(number), digest)


class _Head(NamedTuple):
    """The head file, locked; writing it is one small write, synced."""

    descriptor: int

    def __call__(self, number: int, digest: str) -> None:
        os.pwrite(self.descriptor, f"{number:>12} {digest}\n".encode(), 0)
        os.fsync(self.descriptor)


def _parse(row: Row) -> AnyEvent:
    try:
        return EVENT.validate_json(row.body)
    except ValidationError as error:
        raise JournalError(
            f"case {row.case_id}, event {row.seq}: this runmend does not know its form "
            f"({error.errors()[0]['msg']}). Was it written by a newer one? Upgrade runmend"
        ) from error
