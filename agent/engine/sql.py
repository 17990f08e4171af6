"""Run a SQL file on DuckDB, statement by statement.

`:name` stands for a parameter's value as a quoted text; strings, comments and casts are left alone.
A file that does not parse runs no statement at all.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agent.engine import wrapped
from agent.engine.wrapped import Assignment, Wrong

if TYPE_CHECKING:
    import duckdb

_TOKEN = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/"""
    r"""|(?<![\w:\])'"}]):(?P<name>[A-Za-z_]\w*)""",
    re.DOTALL,
)


class Statement(NamedTuple):
    """One statement and the line of the file it begins on."""

    text: str
    line: int


class Trouble(NamedTuple):
    """Why a file, or one of its statements, did not run."""

    line: int
    words: str
    """The database's own."""
    number: int | None = None
    """1-based; None where the file as a whole does not parse."""
    code: str | None = None
    """First line of the statement."""


def bind(text: str, parameters: Mapping[str, str]) -> str | Trouble:
    """Return the text with the parameters' values in place of `:name`."""
    missing: list[Trouble] = []

    def replace(found: re.Match[str]) -> str:
        name = found["name"]
        if name is None:
            return found[0]
        if name not in parameters:
            line = text.count("\n", 0, found.start()) + 1
            given = ", ".join(parameters) or "none"
            words = f"Parameter Error: no value is given for parameter :{name} (given: {given})"
            missing.append(Trouble(line, words))
            return found[0]
        return "'" + parameters[name].replace("'", "''") + "'"

    bound = _TOKEN.sub(replace, text)
    return missing[0] if missing else bound


def split(text: str) -> list[Statement] | Trouble:
    """Return the statements of a SQL text."""
    import duckdb

    try:
        parsed = duckdb.extract_statements(text)
    except duckdb.Error as error:
        words = str(error)
        found = re.search(r"^LINE (\d+):", words, re.MULTILINE)
        return Trouble(int(found[1]) if found else 1, words)
    statements = []
    at = 0
    for statement in parsed:
        query = statement.query.strip()
        start = max(text.find(query, at), at)
        at = start + len(query)
        start += len(query) - len(_bare(query))
        statements.append(Statement(_bare(query), text.count("\n", 0, start) + 1))
    return statements


def _bare(query: str) -> str:
    """Return a statement without the comments and semicolons before it."""
    return re.sub(r"\A(?:\s|;|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*", "", query, flags=re.DOTALL)


def run(
    connection: "duckdb.DuckDBPyConnection", statements: list[Statement], *, steps: bool
) -> int | Trouble:
    """Run statements in order; return how many rows the last one gave, or what went wrong."""
    import duckdb

    rows = 0
    for number, statement in enumerate(statements, 1):
        first = statement.text.split("\n", 1)[0].rstrip("; ")
        if steps:
            wrapped.say(f"[Step {number}/{len(statements)}] {first[:100]}")
        try:
            result = connection.execute(statement.text)
            rows = _count(result)
        except duckdb.Error as error:
            words = str(error)
            found = re.search(r"^LINE (\d+):", words, re.MULTILINE)
            line = statement.line + (int(found[1]) - 1 if found else 0)
            return Trouble(line, words, number, first)
    return rows


def _count(result: "duckdb.DuckDBPyConnection") -> int:
    if result.description is None:
        return 0
    columns = [column[0] for column in result.description]
    rows = 0
    while batch := result.fetchmany(10_000):
        if columns == ["Count"] and len(batch) == 1 and isinstance(batch[0][0], int):
            return batch[0][0]
        rows += len(batch)
    return rows


def perform(task: Assignment) -> int:
    """Run the task's file; return the exit code."""
    import duckdb

    text = Path(task.file).read_text(encoding="utf-8-sig")
    bound = bind(text, task.parameters)
    statements = split(bound) if isinstance(bound, str) else bound
    if isinstance(statements, Trouble):
        return _fail(task, statements)
    try:
        connection = duckdb.connect(task.database or ":memory:")
    except duckdb.Error as error:
        return _fail(task, Trouble(1, str(error)))
    with connection:
        rows = run(connection, statements, steps=True)
    if isinstance(rows, Trouble):
        return _fail(task, rows)
    wrapped.leave(task, {"statements": len(statements), "rows": rows})
    return 0


def _fail(task: Assignment, trouble: Trouble) -> int:
    what = (
        f"statement {trouble.number}: {trouble.code}" if trouble.number else "no statement was run"
    )
    words = f"{task.file}:{trouble.line}: {what}\n{trouble.words}"
    message = trouble.words.strip().split("\n", 1)[0]
    return wrapped.fail(task, Wrong(message, task.file, trouble.line, code=trouble.code), words)


if __name__ == "__main__":
    sys.exit(perform(wrapped.assignment()))
