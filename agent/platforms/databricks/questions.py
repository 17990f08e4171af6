"""What a warehouse can tell about a failure: does the table exist, its columns, rows, last writes.

Rules kept here: at most `STATEMENTS` statements a failure, bounded in rows, all read-only; it is
help, not proof: where the warehouse does not answer in time or refuses, that is a line of evidence
and the diagnosis goes on without.
"""

import re
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from agent.code import spelling
from agent.errors import Unavailable
from agent.platforms.databricks.session import Session
from agent.platforms.databricks.sql import Rows, SqlFailed, Statements
from agent.records import Dataset, Failure, Line
from agent.remote.asking import quoted

STATEMENTS = 8
_TABLES = 3
_FAILURES = 5
"""Failures of one run that are asked about; many failures mostly have few causes."""
_PATIENCE_S = 120.0
"""How long a failure waits for its answers, from the first question on."""
_PART = r"(?:`[^`\n]+`|[A-Za-z_][\w$-]*)"
_WORD = r"(?:`[^`\n]+`|[A-Za-z_]\w*)"
_SAID = re.compile(
    r"(?:table or view|table|view|relation|dataset|Delta table)\s+"
    rf"['\"]?({_PART}(?:\.{_PART}){{0,2}})['\"]?",
    re.IGNORECASE,
)
_USED = re.compile(
    rf"\b(?:from|join|into|table|update|using)\s+({_WORD}(?:\.{_WORD}){{1,2}})(?!\S*\s+import\b)"
    rf"|\b(?:table|saveAsTable|insertInto|forName)\(\s*(?:spark\s*,\s*)?[rf]?[\"']"
    rf"({_WORD}(?:\.{_WORD}){{1,2}})[\"']",
    re.IGNORECASE,
)
_GONE = ("TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND", "NO_SUCH_CATALOG_EXCEPTION")


class Answer(NamedTuple):
    """What was found out about one failure."""

    lines: tuple[Line, ...]
    datasets: tuple[Dataset, ...]


class Questions:
    """Asks for one connection."""

    def __init__(
        self,
        session: Session,
        statements: Statements | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._statements = statements or Statements(session)
        self._now = now
        self._asked: dict[str, float] = {}
        self._answers: dict[str, Answer] = {}

    def about(self, failure: Failure, code: str = "") -> Failure:
        """Return the failure with what the warehouse says about its tables.

        `code`: the text of what failed; the tables it names are asked for too. Unchanged where no
        warehouse is named or no table is. Raises `Unavailable` while the warehouse works on it.
        """
        tables = named(failure, code)
        if self._session.book.databricks.warehouse is None or not tables:
            return failure
        answer = self._answer(failure, tables)
        known = {d.name for d in answer.datasets}
        kept = tuple(d for d in failure.facts.datasets if d.name not in known)
        facts = failure.facts.model_copy(update={"datasets": (*kept, *answer.datasets)})
        return failure.model_copy(update={"facts": facts, "log": (*failure.log, *answer.lines)})

    def _answer(self, failure: Failure, tables: tuple[str, ...]) -> Answer:
        run = f"{failure.run} "
        mark = run + failure.fingerprint()
        if mark in self._answers:
            return self._answers[mark]
        if sum(known.startswith(run) for known in self._answers) >= _FAILURES:
            return Answer((), ())
        begun = self._asked.setdefault(mark, self._now())
        try:
            answer = _Round(self._statements).all(tables)
        except Unavailable as error:
            if self._now() - begun <= _PATIENCE_S:
                raise
            text = f"the warehouse did not answer in {_PATIENCE_S:.0f} s: {error}"
            answer = Answer((Line(source="warehouse", number=0, text=text),), ())
        self._statements.forget()
        self._answers[mark] = answer
        return answer


def named(failure: Failure, code: str = "") -> tuple[str, ...]:
    """Return the tables that a failure, or else its code, names: the likeliest first."""
    texts = [failure.message, *(line.text for line in failure.log[-200:])]
    said = (m[1] for text in texts for m in _SAID.finditer(text))
    used = (m[1] or m[2] for text in (*texts, code) for m in _USED.finditer(text))
    found: dict[str, None] = {}
    for name in (*said, *used):
        plain = name.replace("`", "")
        if "." in plain and not plain.startswith("system.") and plain not in found:
            found[plain] = None
    return tuple(found)[:_TABLES]


class _Round:
    """The statements about one failure, counted."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._left = STATEMENTS
        self._texts: list[str] = []
        self._datasets: list[Dataset] = []

    def all(self, tables: Iterable[str]) -> Answer:
        for name in tables:
            if not self._table(name):
                break
        lines = (
            Line(source="warehouse", number=n, text=text[:2000])
            for n, text in enumerate(self._texts, start=1)
        )
        return Answer(tuple(lines), tuple(self._datasets))

    def _run(self, sql: str) -> Rows | SqlFailed:
        self._left -= 1
        return self._statements.run(sql)

    def _table(self, name: str) -> bool:
        """Ask about one table; False where it is no use to go on."""
        if self._left < 1:
            return False
        head = self._run(f"SELECT * FROM {quoted(name)} LIMIT 0")  # noqa: S608  quoted
        if isinstance(head, SqlFailed):
            self._missing(name, head)
            return head.error_code != "NO_WAREHOUSE"
        rows = self._count(name)
        self._datasets.append(Dataset(name=name, kind="table", columns=head.columns, rows=rows))
        many = "rows not counted" if rows is None else f"{rows:,} rows"
        self._texts.append(f"table {name}: {many}; columns {', '.join(head.columns)}")
        self._history(name)
        return True

    def _count(self, name: str) -> int | None:
        if self._left < 1:
            return None
        answer = self._run(f"SELECT count(*) FROM {quoted(name)}")  # noqa: S608  quoted
        if isinstance(answer, SqlFailed) or not answer.rows:
            return None
        value = answer.rows[0][0]
        return value if isinstance(value, int) else None

    def _history(self, name: str) -> None:
        if self._left < 1:
            return
        answer = self._run(f"DESCRIBE HISTORY {quoted(name)} LIMIT 3")
        if isinstance(answer, SqlFailed):
            return
        places = {c.lower(): i for i, c in enumerate(answer.columns)}
        for row in answer.rows[:3]:
            said = [
                str(row[places[key]])
                for key in ("timestamp", "operation", "username")
                if key in places and row[places[key]] is not None
            ]
            self._texts.append(f"last write to {name}: {', '.join(said)}")

    def _missing(self, name: str, failed: SqlFailed) -> None:
        if failed.condition not in _GONE:
            self._texts.append(f"table {name} cannot be read: {failed.first}")
            return
        self._texts.append(f"table {name} does not exist: {failed.first}")
        schema, _, base = name.rpartition(".")
        if not schema or self._left < 1:
            return
        answer = self._run(f"SHOW TABLES IN {quoted(schema)}")
        if isinstance(answer, SqlFailed):
            self._texts.append(f"the tables of {schema} cannot be listed: {answer.first}")
            return
        there = listed(answer)
        near = [n for n in there if n == spelling.nearest(base, there, renamed=True)]
        self._datasets += [Dataset(name=f"{schema}.{n}", kind="table") for n in there[:200]]
        shown = ", ".join(there[:20]) or "none"
        more = f" and {len(there) - 20} more" if len(there) > 20 else ""
        self._texts.append(f"tables of {schema}: {shown}{more}")
        for found in near:
            self._table(f"{schema}.{found}")


def listed(answer: Rows) -> list[str]:
    """Return the names in the answer to SHOW TABLES, sorted."""
    places = {c.lower(): i for i, c in enumerate(answer.columns)}
    place = places.get("tablename", 0)
    return sorted({str(row[place]) for row in answer.rows if row[place] is not None})
