"""Notebooks: `.ipynb`, and Databricks' source `.py`. Cells of Python, SQL, shell and other magics.

All Python cells are read as one text, because names live on from cell to cell; a magic is replaced
by `pass` there and judged by itself.
"""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from agent.effects import python, sql, text
from agent.effects.found import Found, Reading, both, moved
from agent.records import Risk

_HEADER = "# Databricks notebook source"
_BORDER = re.compile(r"^# COMMAND -+[ \t]*$", re.MULTILINE)
_MAGIC = re.compile(r"^# MAGIC ?", re.MULTILINE)
_LINE = re.compile(r"^(?P<indent>[ \t]*)(?:(?P<to>[\w, ]+)=[ \t]*)?(?P<sign>!|%)(?P<rest>\S.*)$")
_PYTHON_MAGICS = frozenset(("python", "time", "timeit", "capture", "prun"))
_QUIET = re.compile(
    r"(?:matplotlib|load_ext|autoreload|config|who|whos|lsmagic|md|html|tensorboard)\b"
)


class _Cell(NamedTuple):
    number: int
    """0-based."""
    line: int
    """Lines of the text before it; 0 for each cell of an `.ipynb`."""
    body: str


def is_source(content: str) -> bool:
    """Return whether a `.py` is a Databricks notebook."""
    return content.startswith(_HEADER)


def source(content: str, own: frozenset[str]) -> Reading:
    """Read a Databricks notebook in its source format."""
    cells: list[_Cell] = []
    start = 0
    borders = [*_BORDER.finditer(content), None]
    for number, border in enumerate(borders):
        part = content[start : border.start() if border else len(content)]
        body = _uncommented(part) if "# MAGIC" in part else part
        cells.append(_Cell(number, content.count("\n", 0, start), body))
        start = border.end() if border else start
    return _read(cells, own, named=False)


def _uncommented(part: str) -> str:
    """Return a magic cell's own text; what is not marked as such is only space or a comment."""
    lines = part.split("\n")
    return "\n".join(_MAGIC.sub("", line) if line.startswith("# MAGIC") else "" for line in lines)


def notebook(content: str, own: frozenset[str]) -> Reading:
    """Read an `.ipynb`; outputs and Markdown are not code."""
    try:
        parsed = json.loads(content)
        listed = parsed["cells"]
        kernel = json.dumps(parsed.get("metadata", {}).get("kernelspec", {}).get("name"))
        code = [
            _Cell(number, 0, "".join(cell["source"]))
            for number, cell in enumerate(listed)
            if cell["cell_type"] == "code"
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        what = " ".join(content.split())
        return Reading((Found("unparsed", what, "is a notebook that cannot be read", again=True),))
    used = Found("config_change", kernel, f"runs on the kernel {kernel}")
    usual = kernel in ("null", '"python3"')
    return both((Reading(() if usual else (used,)), _read(code, own, named=True)))


def _read(cells: list[_Cell], own: frozenset[str], *, named: bool) -> Reading:
    readings: list[Reading] = []
    joined: list[str] = []
    starts: list[tuple[int, _Cell]] = []
    for cell in cells:
        plain, found = _split(cell)
        readings.append(_placed(moved(found, cell.line), cell, named=named))
        starts.append((sum(part.count("\n") + 1 for part in joined), cell))
        joined.append(plain)
    whole = python.read("\n".join(joined), own)
    readings.append(
        Reading(
            tuple(_back(f, starts, named=named) for f in whole.acts),
            tuple(_back(f, starts, named=named) for f in whole.guards),
        )
    )
    return both(readings)


def _placed(reading: Reading, cell: _Cell, *, named: bool) -> Reading:
    if not named:
        return reading
    return Reading(tuple(_in_cell(f, cell) for f in reading.acts), reading.guards)


def _in_cell(found: Found, cell: _Cell) -> Found:
    return found._replace(says=f"(cell {cell.number}) {found.says}")


def _back(found: Found, starts: list[tuple[int, _Cell]], *, named: bool) -> Found:
    """Turn a line of the joined text into one of the cell or file it came from."""
    if found.line is None:
        return found
    start, cell = next((s for s in reversed(starts) if s[0] < found.line), starts[0])
    placed = found._replace(line=found.line - start + cell.line)
    return _in_cell(placed, cell) if named else placed


def _split(cell: _Cell) -> tuple[str, Reading]:
    """Return a cell's Python, magics taken out, and what the magics do."""
    body = cell.body
    first = body.lstrip().split("\n", 1)[0].strip()
    lead = body[: len(body) - len(body.lstrip())].count("\n")
    if first.startswith("%%") or (first.startswith("%") and _language(first) in _WHOLE):
        name, _, rest = first.lstrip("%").partition(" ")
        if name not in _PYTHON_MAGICS:
            tail = body.lstrip().split("\n", 1)[1] if "\n" in body.lstrip() else ""
            under = f"{rest}\n{tail}"
            return "pass", moved(_magic(name, under), lead)
        body = "\n" * lead + "\n" + body.lstrip().partition("\n")[2]
    lines, readings = [], []
    for number, line in enumerate(body.split("\n")):
        found = _LINE.match(line)
        if found is None or not _is_magic(found):
            lines.append(line)
            continue
        bound = f"{found['to']}= None" if found["to"] else "pass"
        lines.append(f"{found['indent']}{bound}")
        name, _, rest = found["rest"].partition(" ")
        inner = _magic("sh", found["rest"]) if found["sign"] == "!" else _magic(name, rest)
        readings.append(moved(inner, number))
    return "\n".join(lines), both(readings)


_WHOLE = frozenset(("sql", "sh", "scala", "r", "md", "fs", "bash"))


def _language(first: str) -> str:
    return first.lstrip("%").partition(" ")[0]


def _is_magic(found: re.Match[str]) -> bool:
    return found["sign"] == "!" or re.match(r"[a-zA-Z]", found["rest"]) is not None


def _magic(name: str, rest: str) -> Reading:
    match name:
        case "sql":
            return sql.read(rest)
        case "pip" | "conda" | "uv":
            return Reading(tuple(_packages(rest)))
        case "sh" | "bash" | "script" | "system" | "sx":
            return Reading(tuple(_shell(rest)))
        case "fs":
            return Reading(tuple(_files(rest)))
        case "run":
            says = f"runs another notebook: {rest.strip()[:60]}"
            return Reading((Found("job_run", f"run {rest.strip()}", says, 1, again=True),))
        case "md" | "html":
            return Reading()
        case _ if _QUIET.match(name):
            return Reading()
        case _:
            what = f"%{name} {rest.strip()}"
            return Reading((Found("unparsed", what, f"is a cell in {name}", 1, again=True),))


def _packages(rest: str) -> Iterator[Found]:
    words = rest.split()
    if words[:1] == ["install"]:
        yield from text.installed(words[1:], 1)
    else:
        what = f"pip {rest.strip()}"
        yield Found("config_change", what, f"changes the environment: {what[:60]}", 1)


def _shell(rest: str) -> Iterator[Found]:
    from agent.effects import commands

    flat = " ".join(rest.split())
    words = flat.split()
    if words[:2] == ["pip", "install"] and not re.search(r"[;&|`$<>]", flat):
        yield from text.installed(words[2:], 1)
        return
    if flat:
        yield Found(
            commands.kind(tuple(words)), flat, f"runs a command: {flat[:60]}", 1, again=True
        )


def _files(rest: str) -> Iterator[Found]:
    words = rest.split()
    if words[:1] in (["ls"], ["head"]):
        yield Found("statement", rest.strip(), "looks at files", 1, risk=Risk.SAFE)
    else:
        kind = "file_delete" if words[:1] == ["rm"] else "file_move"
        yield Found(kind, rest.strip(), f"changes files: {rest.strip()[:60]}", 1, again=True)
