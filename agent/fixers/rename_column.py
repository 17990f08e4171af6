"""A column that the data does not have under that name: use the name it has.

    frame["amout"] * 2           ->  frame["amount"] * 2
    frame.groupby("Region")      ->  frame.groupby("region")
    select sum(amout) from sales ->  select sum(amount) from sales

The names come from the error itself, from the data's columns, or, where no data is known, from
dicts that the code writes out. Edited are the columns that the failing code reads: Python literals
and attributes, SQL files, SQL in Python strings, notebooks.

Sources: https://duckdb.org/docs/stable/guides/troubleshooting/overview
https://docs.databricks.com/aws/en/error-messages/unresolved-column-error-class

Left alone: two names about as near, a name that differs in meaning (`_usd`, `_eur`), a column that
the code makes itself or that other data in sight really has, and code where the use is not certain.
Comments, messages, aliases and other strings are never touched.
"""

import ast
import keyword
import re
from contextlib import suppress
from typing import NamedTuple

from agent.code import cells, columns, edits, spelling, sqltext
from agent.code.cells import Cell
from agent.code.pythontext import Code
from agent.code.sqltext import Mentions, Span
from agent.fixers import Proposal, Work
from agent.records import Dataset, Failure

_OFFERED = re.compile(
    r"(?:Candidate bindings:|Did you mean(?: one of the following\?)?:?)[ :]*(?P<names>[^\n]+)"
)
_LISTED = re.compile(
    r"(?:columns expected but not found: |provided to 'parse_dates': |Label\(s\) |None of "
    r"|mappings argument\. |Referenced update column )"
    r"(\[.+\]|Index\(.+|'[^']+'|[\w ]+(?= not found))"
)


class _Renamed(NamedTuple):
    new: str
    changes: tuple[edits.Change, ...]


class _Used(NamedTuple):
    cell: Cell
    mentions: Mentions


def propose(work: Work) -> Proposal | str:
    """Rename the `column` where the failing code reads it, to the one name that is meant."""
    missing = _missing(work)
    if not missing:
        return "the log does not name the column that is missing"
    path = _path(work)
    text = work.read(path) if path else None
    if path is None or text is None:
        return "the code that failed is not a file of the tree"
    changes: list[edits.Change] = []
    renamed: list[tuple[str, str]] = []
    for column in missing:
        found = _renamed(column, path, text, work)
        if isinstance(found, str):
            return found
        changes += found.changes
        renamed.append((column, found.new))
    words = "; ".join(f"there is no column {old}, the data has {new}" for old, new in renamed)
    certain = all(spelling.score(old, new) > 0.9 for old, new in renamed)
    return Proposal(
        edits.unique(path, text, changes),
        f"{words[0].upper()}{words[1:]}.",
        0.97 if certain else 0.85,
        witnessed=True,
    )


def _renamed(column: str, path: str, text: str, work: Work) -> _Renamed | str:
    """Return the changes that rename one column in a file, or why it is left alone."""
    data = _data(work.failure, text)
    having = [d.name for d in data if column in d.columns]
    if having:
        return f"{having[0]} has a column {column}; which data the code means is not certain"
    new = _meant(column, work, data)
    if new is None and not data:
        new = _written(column, path, text)
    if new is None:
        return f"no single known column is clearly what {column} means"
    used = _uses(path, text, column)
    if isinstance(used, str):
        return used
    wanted = _spans(used, column, path)
    if isinstance(wanted, str):
        return wanted
    if not _touches(wanted, work):
        return f"the line that failed does not name the column {column}"
    made = [_change(cell, span, new) for cell, span in wanted]
    changes = tuple(c for c in made if c is not None)
    if len(changes) < len(made):
        return f"{new!r} cannot be written in the place of {column}"
    return _Renamed(new, changes)


def _missing(work: Work) -> tuple[str, ...]:
    """Return the columns that the diagnosis names, else those that pandas lists in its message."""
    given = work.diagnosis.parameters.get("column", "").removeprefix("Column not found: ")
    if not given:
        lines = [work.failure.message, *(line.text for line in work.failure.log)]
        given = next((m[1] for m in map(_LISTED.search, lines) if m), "")
    several = re.findall(r"'([^']+)'", given)
    if len(several) > 1 or given.startswith(("Index(", "[")):
        return tuple(dict.fromkeys(n for n in several if n not in ("str", "object")))
    name = _last(several[0] if several else given)
    return (name,) if name else ()


def _path(work: Work) -> str | None:
    location = work.place()
    if location and location.path.endswith((".py", ".sql", ".ipynb")):
        return location.path
    return work.failure.facts.task_file


def _data(failure: Failure, text: str) -> tuple[Dataset, ...]:
    """Return the data whose columns are known; only what the code names, where it names any."""
    known = tuple(d for d in failure.facts.datasets if d.columns)
    named = tuple(d for d in known if re.search(_name_pattern(d), text, re.I))
    return named or known


def _name_pattern(data: Dataset) -> str:
    name = data.name.rpartition("/")[2] if data.kind == "file" else data.name.rpartition(".")[2]
    return rf"(?<![\w.]){re.escape(name)}(?!\w)"


def _meant(column: str, work: Work, data: tuple[Dataset, ...]) -> str | None:
    lines = [line.text for line in work.failure.log] + [work.failure.message]
    listed = [work.diagnosis.parameters.get("suggestions", "")]
    if any(column in line for line in lines):
        listed += [m["names"] for line in lines for m in _OFFERED.finditer(line)]
    names = {name for text in listed for name in _names(text)}
    names |= {name for d in data for name in d.columns}
    fit = {n for n in names if n.isprintable() and n.strip()}
    return spelling.nearest(column, fit, renamed=True)


def _written(column: str, path: str, text: str) -> str | None:
    """Return the key of the code's own dicts that a name misspells: data written in the code."""
    keys: set[str] = set()
    for cell in cells.read(path, text):
        if cell.language != "sql":
            with suppress(SyntaxError):
                keys |= columns.keys(Code(cell.text))
    return None if column in keys else spelling.nearest(column, keys)


def _names(text: str) -> set[str]:
    """Read the names in a list such as `"a", "t.b"` or [`a`, `t`.`b`] or [a, b], also a cut one."""
    parts = (_last(part.strip(" []().;:?")) for part in text.split(","))
    return {part.strip("\"`'") for part in parts} - {""}


def _last(name: str) -> str:
    """Return a qualified name's last part, without quotes; blanks inside quotes are kept."""
    part = re.sub(r"^.*[\"`\]]?\.(?=[\"`\w])", "", name.strip(";"))
    bare = part.strip()
    return bare[1:-1] if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"`'" else bare


def _uses(path: str, text: str, column: str) -> list[_Used] | str:
    """Return where each cell uses the column."""
    found: list[_Used] = []
    dialect = "databricks" if re.search(r"\bspark\b|Databricks notebook", text) else "duckdb"
    for cell in cells.read(path, text):
        if column.lower() not in cell.text.lower():
            continue
        if cell.language == "sql":
            used = sqltext.column(cell.text, column, dialect)
            if used is None:
                return f"the SQL in {path} does not parse"
        else:
            try:
                used = columns.mentions(Code(cell.text), column, dialect)
            except SyntaxError:
                return f"the Python in {path} does not parse"
        found.append(_Used(cell, used))
    return found


def _spans(used: list[_Used], column: str, path: str) -> list[tuple[Cell, Span]] | str:
    """Return what is to be renamed; a sentence where the code may mean a column of its own."""
    outside = [(u.cell, span) for u in used for span in u.mentions.outside]
    inside = [(u.cell, span) for u in used for span in u.mentions.inside]
    if not any(u.mentions.defines for u in used):
        return outside or f"{path} does not read a column {column} in a way that is certain"
    if outside or not inside:
        return f"{path} makes a column {column} itself"
    return inside


def _touches(wanted: list[tuple[Cell, Span]], work: Work) -> bool:
    """Say whether one of the uses is in the statement that failed, where its line is known."""
    location = work.place()
    if location is None or location.line is None or location.path != _path(work):
        return True
    notebook = location.path.endswith(".ipynb")
    if location.cell is not None and not notebook:
        return True
    return any(
        cell.language == "sql" or _near(cell, span, location.line)
        for cell, span in wanted
        if location.cell is None or cell.number == location.cell
    )


def _near(cell: Cell, span: Span, line: int) -> bool:
    """Say whether a use is in the statement of a line, or behind a name that it uses."""
    code = Code(cell.text)
    statements = [
        n
        for n in ast.walk(code.tree)
        if isinstance(n, ast.stmt) and n.lineno <= line <= (n.end_lineno or n.lineno)
    ]
    if not statements:
        return False
    failing = max(statements, key=lambda n: n.lineno)
    start, end = code.span(failing)
    if start <= span.start < end:
        return True
    names = {n.id for n in ast.walk(failing) if isinstance(n, ast.Name)}
    values = [v for name in names for v in code.values.get(name, [])]
    return any(code.span(v).start <= span.start < code.span(v).end for v in values)


def _change(cell: Cell, span: Span, new: str) -> edits.Change | None:
    """Return the change that writes the new name in a place's own way; None where it cannot be."""
    old = cell.text[span.start : span.end]
    before = cell.text[span.start - 1 : span.start]
    if cell.language == "sql" or _in_sql_string(cell, span):
        if old[:1] in '"`':
            new = old[0] + new + old[0]
        elif not new.isidentifier():
            new = f'"{new}"' if cell.language == "sql" else ""
    elif before == "." and (not new.isidentifier() or keyword.iskeyword(new)):
        return None
    if not new or any(c in new.strip('"`') for c in "\"'`\\"):
        return None
    return cell.change(span.start, span.end, new)


def _in_sql_string(cell: Cell, span: Span) -> bool:
    """Say whether a use stands within a longer Python string, not as one of its own."""
    before, after = cell.text[span.start - 1 : span.start], cell.text[span.end : span.end + 1]
    return before != "." and not (before == after and before in ("'", '"'))
