"""Which expression of the user's code a Spark error points at.

    == SQL (line 3, position 8) ==                == DataFrame ==
           amount / orders as per_order           "__truediv__" was called from
           ^^^^^^^^^^^^^^^                        /Workspace/etl/load.py:21

Source: https://spark.apache.org/docs/latest/sql-ref-ansi-compliance.html
"""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from agent.code.cells import Cell
from agent.code.pythontext import Code, called
from agent.code.sqltext import Span
from agent.records import Facts, Location

_SQL = re.compile(r"==\s*SQL(?: of .{1,200})?\s*\(line (?P<line>\d+), position (?P<at>\d+)\)\s*==")
_FRAME = re.compile(r'"(?P<call>\w+)" was called from')
_PLACE = re.compile(r"\s*(?P<file>\S.*):(?P<line>\d+)\s*")
_RUNS = frozenset(("sql", "execute", "expr", "selectExpr", "query"))
_MOST = 60


class Place(NamedTuple):
    """A call of the DataFrame API, as the error names it."""

    call: str
    file: str
    line: int


class Pointed(NamedTuple):
    """What the first error that says it points at."""

    sql: str | None = None
    """The expression, as it is written in the SQL; lines are parted by newlines."""
    place: Place | None = None


def at(texts: Sequence[str]) -> Pointed:
    """Return what an error's lines point at; the last context is the cause's."""
    found = Pointed()
    for number, text in enumerate(texts):
        if _SQL.search(text):
            expression = _marked(texts[number + 1 : number + _MOST])
            found = Pointed(expression, found.place) if expression else found
        elif (call := _FRAME.search(text)) and number + 1 < len(texts):
            place = _PLACE.fullmatch(texts[number + 1])
            if place:
                named = Place(call["call"], place["file"], int(place["line"]))
                found = Pointed(found.sql, named)
    return found


def path(found: Pointed, location: Location | None, facts: Facts) -> str | None:
    """Return the tree's file that holds what is pointed at, as far as it is known."""
    if found.sql is None and found.place is not None:
        named = found.place.file.replace("\\", "/")
        return next((f for f in facts.files if named == f or named.endswith(f"/{f}")), None)
    if location is not None and location.path.endswith((".py", ".sql", ".ipynb")):
        return location.path
    return facts.task_file


def parsed(cell: Cell) -> Code | None:
    """Return a script's code; None for SQL, for a notebook's cell, and for what is no Python.

    The lines of an error are those of a script, not of a cell.
    """
    try:
        return Code(cell.text) if cell.language == "python" and not cell.escaped else None
    except SyntaxError:
        return None


def functions(code: Code) -> str | None:
    """Return what the code calls `pyspark.sql.functions`, None where it does not import it."""
    for node in ast.walk(code.tree):
        if isinstance(node, ast.ImportFrom) and node.module == "pyspark.sql":
            for alias in node.names:
                if alias.name == "functions":
                    return alias.asname or alias.name
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name == "pyspark.sql.functions" and alias.asname:
                    return alias.asname
    return None


def _marked(lines: Sequence[str]) -> str | None:
    """Return what carets mark in lines that come in pairs: the code, then the carets below it."""
    parts: list[str] = []
    for code, marks in zip(lines[::2], lines[1::2], strict=False):
        if not re.fullmatch(r"\s*\^+\s*", marks):
            break
        start, end = marks.index("^"), marks.rindex("^") + 1
        parts.append(code[start:end])
    text = "\n".join(parts)
    return text if text.strip() and "..." not in text else None


def spans(cells: Iterable[Cell], expression: str) -> list[tuple[Cell, Span]]:
    """Return where the expression stands in SQL that is run, each place once."""
    pattern = re.compile(_loosely(expression))
    return [(cell, span) for cell in cells for span in sorted(set(_spans(cell, pattern)))]


def _spans(cell: Cell, pattern: re.Pattern[str]) -> Iterator[Span]:
    if cell.language == "sql":
        yield from (Span(*m.span()) for m in pattern.finditer(cell.text))
        return
    try:
        code = Code(cell.text)
    except SyntaxError:
        return
    calls = (n for n in ast.walk(code.tree) if isinstance(n, ast.Call) and called(n) in _RUNS)
    for argument in (a for call in calls for a in call.args):
        for literal in code.constants(argument):
            found = (code.inside(literal, *m.span()) for m in pattern.finditer(str(literal.value)))
            yield from (span for span in found if span is not None)
        for template in code.templates(argument):
            for match in pattern.finditer(template.text):
                yield Span(*match.span()).moved(template.start)


def _loosely(expression: str) -> str:
    """Return a pattern for the expression in which any blanks stand for blanks."""
    words = [re.escape(word) for word in expression.split()]
    first = r"(?<![\w.`])" if re.match(r"[\w`]", expression) else ""
    last = r"(?![\w`])" if re.search(r"[\w`]$", expression) else ""
    return first + r"\s+".join(words) + last
