"""A notebook as it was executed: what each cell printed, and which one raised.

Rules kept here: an `error` output says it best; a traceback is as often only in the stderr stream,
and now and then in what a cell displayed; a cell may raise while the service calls it well. Cells
are counted from 0, as in `records.Location`.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from agent.remote import texts

TRACEBACK = re.compile(r"^[ \t]*(?:[\w.]+[ \t]+)?Traceback \(most recent call last\)", re.MULTILINE)
"""As Python prints it, and as IPython does with the exception's class before it."""
RAISED = re.compile(
    r"^(?P<name>[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Failure|NotFound|Warning))\b"
    r"(?::\s?(?P<value>.*))?$"
)

_CLASS = re.compile(r"([A-Za-z_][\w.]*)(?::\s(.*))?")


class Raised(NamedTuple):
    """An exception."""

    name: str
    """Its class."""
    value: str
    """Its words, which may have several lines."""
    trace: str
    """The traceback without colours; may be empty."""

    @property
    def words(self) -> str:
        """`ZeroDivisionError: division by zero`."""
        return f"{self.name}: {self.value}" if self.value else self.name


class Cell(NamedTuple):
    """One cell, and what it left behind."""

    number: int
    source: str
    code: bool = True
    """False for one that is only text."""
    stdout: str = ""
    stderr: str = ""
    shown: str = ""
    """What it displayed, and its last value, as text."""
    raised: Raised | None = None
    """From its `error` output, else from a traceback in what it printed."""


class Notebook(NamedTuple):
    """An executed notebook."""

    cells: tuple[Cell, ...]
    metadata: dict[str, Any]

    @property
    def failed(self) -> Cell | None:
        """The first cell that raised; those behind it did not run."""
        return next((cell for cell in self.cells if cell.raised), None)

    @property
    def kept(self) -> bool:
        """Whether any cell has an output: the service may keep none of a run that went well."""
        return any(c.stdout or c.stderr or c.shown or c.raised for c in self.cells)

    @property
    def printed(self) -> str:
        """Everything that was printed or shown, in the order of the cells."""
        return "\n".join(t for c in self.cells for t in (c.stdout, c.shown) if t)


def read(given: object) -> Notebook | None:
    """Return the notebook in a JSON text or object, None where it is none."""
    document = _loaded(given)
    cells = document.get("cells") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(cells, list):
        return None
    found = [_cell(i, cell) for i, cell in enumerate(cells) if isinstance(cell, dict)]
    metadata = document.get("metadata")
    return Notebook(tuple(found), metadata if isinstance(metadata, dict) else {})


def raised_in(text: str) -> Raised | None:
    """Return the exception that a printed traceback ends with, None where there is none."""
    plain = texts.plain(text)
    begins = [match.start() for match in TRACEBACK.finditer(plain)]
    if not begins:
        return None
    lines = plain[begins[0] :].splitlines()
    for number in range(len(lines) - 1, -1, -1):
        if found := RAISED.match(lines[number]):
            value = "\n".join([found["value"] or "", *lines[number + 1 :]]).strip()
            return Raised(found["name"].rpartition(".")[2], value, "\n".join(lines))
    return Raised(*_after_frames(lines), "\n".join(lines))


def _after_frames(lines: list[str]) -> tuple[str, str]:
    """Return class and words of an exception whose name does not show that it is one."""
    frames = [n for n, line in enumerate(lines) if line.startswith("  File ")]
    after = lines[frames[-1] + 1 :] if frames else []
    said = next((line for line in after if line.strip() and not line.startswith(" ")), "")
    if named := _CLASS.fullmatch(said):
        return named[1].rpartition(".")[2], named[2] or ""
    return "Exception", said


def _loaded(given: object) -> object:
    """Return what JSON says; a text may hold a text that holds it."""
    for _ in range(2):
        if not isinstance(given, str):
            break
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            return None
    return given.get("content", given) if isinstance(given, dict) else given


def _cell(index: int, cell: dict[str, Any]) -> Cell:
    given = cell.get("outputs")
    found = [o for o in given if isinstance(o, dict)] if isinstance(given, list) else []
    out = "".join(_streams(found, "stdout"))
    err = "".join(_streams(found, "stderr"))
    shown = "\n".join(_shown(found))
    told = [_error(o) for o in found if o.get("output_type") == "error"]
    raised = told[-1] if told else raised_in(err) or raised_in(shown)
    code = cell.get("cell_type", "code") == "code"
    return Cell(index, text(cell.get("source")), code, out, err, shown, raised)


def _streams(outputs: list[dict[str, Any]], name: str) -> Iterator[str]:
    for output in outputs:
        kind = output.get("output_type")
        # `stderr` as a type of its own is what some helpers of Oracle's write.
        if (kind == "stream" and (output.get("name") or "stdout") == name) or kind == name:
            yield texts.plain(text(output.get("text")))


def _shown(outputs: list[dict[str, Any]]) -> Iterator[str]:
    for output in outputs:
        data = output.get("data")
        if output.get("output_type") not in ("display_data", "execute_result"):
            continue
        plain = data.get("text/plain") if isinstance(data, dict) else output.get("text")
        if plain:
            yield texts.plain(text(plain))


def _error(output: dict[str, Any]) -> Raised:
    lines = output.get("traceback")
    listed = [text(line) for line in lines] if isinstance(lines, list) else [text(lines)]
    trace = texts.plain("\n".join(listed)).strip("\n")
    name, value = text(output.get("ename")), texts.plain(text(output.get("evalue")))
    inside = raised_in(trace) if not name else None
    return inside or Raised(name or "Exception", value, trace)


def text(given: object) -> str:
    """Return a multi-line string of a notebook, which may be a list of its lines."""
    if isinstance(given, list):
        return "".join(str(part) for part in given)
    return given if isinstance(given, str) else ""
