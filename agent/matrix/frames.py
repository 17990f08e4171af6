"""Where the program was: frames of Python and notebook traces, places in declarations.

Rules kept here: the innermost frame of the user's own code counts; a frame is a library's by its
path. Lines are read up to 1,000 characters.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from agent.matrix.reading import Text
from agent.records import Location


class Frame(NamedTuple):
    """One frame of a stack trace, or another place that a line names."""

    at: int
    """Index of its line in the reading."""
    location: Location
    library: bool


_PYTHON = re.compile(r'^\s*(?:\[\d+\] )?File "(?P<path>[^"]+)", line (?P<line>\d+)')
_IPYTHON = re.compile(
    r"^\s*File (?P<path>(?:[~/]|[A-Za-z]:\\|<command)[^,]*?)"
    r"(?::(?P<line>\d+)|, line (?P<line2>\d+))"
)
_CELL = re.compile(
    r"^\s*(?:Input |File )?(?:Cell )?In ?\[(?P<cell>\d+)\],? ?(?:in )?.*?line:? (?P<line>\d+)"
)
_OLD_CELL = re.compile(r"^<(?P<path>(?:ipython-input-\d+|command-\d+)[^>]*)> in ")
_ARROW = re.compile(r"^-+> ?(?P<line>\d+) ?(?P<code>.*)$")
_BUNDLE = re.compile(r"^\s*in (?P<path>[\w./-]+\.ya?ml):(?P<line>\d+)(?::\d+)?\s*$")
_DBT = re.compile(r"\((?P<path>(?:models|tests|macros|snapshots|seeds|analyses)/[\w./-]+)\)")
_PLACED = re.compile(r"^(?P<path>[\w./-]+\.(?:ya?ml|json|py|sql|ipynb)):(?P<line>\d+)(?::\d+)?: ")
_SHOWN = 20
"""Lines below a frame in which its code is looked for; a trace shows five before and after."""
_LIBRARY = re.compile(
    r"site-packages|dist-packages|[/\\]lib(?:64)?[/\\]python|/databricks/(?:spark|python|\.python)|"
    r"py4j|[/\\]pyspark[/\\]|<frozen|<string>|^<stdin>$|importlib|/usr/lib/spark|"
    r"/opt/spark/python|runpy\.py|[/\\][Ll]ib[/\\]\w+\.py|pyspark\.zip|[/\\]anaconda3?[/\\]|"
    r"<__array_function__|<decorator-gen|cython|\.p(?:yx|xi|xd)$|^pandas/|^pyarrow/|^lib\.|"
    r"/opt/conda|miniconda"
)


def frames(lines: Sequence[Text]) -> Iterator[Frame]:
    """Yield the frames in the order of the lines."""
    old_cell = None
    for at, text in enumerate(lines):
        line = text.clean[:1000]
        if found := _OLD_CELL.match(line):
            old_cell = found["path"]
        elif old_cell and (found := _ARROW.match(line)):
            yield _frame(at, f"<{old_cell}>", found["line"], found["code"].strip() or None)
            old_cell = None
        elif frame := _traced(lines, at, line) or _declared(at, line):
            yield frame


def _traced(lines: Sequence[Text], at: int, line: str) -> Frame | None:
    if found := _PYTHON.match(line):
        return _frame(at, found["path"], found["line"], _next_code(lines, at))
    if found := _CELL.match(line):
        cell = int(found["cell"][:9])
        place = Location(
            path=f"In[{cell}]",
            cell=max(cell - 1, 0),
            line=int(found["line"][:9]),
            code=_pointed(lines, at, found["line"]),
        )
        return Frame(at, place, library=False)
    if found := _IPYTHON.match(line):
        number = found["line"] or found["line2"]
        return _frame(at, found["path"], number, _pointed(lines, at, number))
    return None


def _declared(at: int, line: str) -> Frame | None:
    if found := _BUNDLE.match(line) or _PLACED.match(line):
        return _frame(at, found["path"], found["line"], None)
    if found := _DBT.search(line):
        return Frame(at, Location(path=found["path"]), library=False)
    return None


def _next_code(lines: Sequence[Text], at: int) -> str | None:
    code = lines[at + 1].clean if at + 1 < len(lines) else ""
    return code.strip()[:200] if code.startswith("    ") and not _PYTHON.match(code) else None


def _pointed(lines: Sequence[Text], at: int, number: str) -> str | None:
    """Return the line of code that a notebook's trace points at below a frame."""
    for text in lines[at + 1 : at + _SHOWN]:
        found = _ARROW.match(text.clean[:1000])
        if found is not None and found["line"] == number:
            return found["code"].strip()[:200] or None
        if found is not None or _IPYTHON.match(text.clean[:1000]):
            return None
    return None


def _frame(at: int, path: str, line: str, code: str | None) -> Frame:
    place = Location(path=path, line=int(line[:9]), code=code)
    return Frame(at, place, library=bool(_LIBRARY.search(path)))


def own(found: Sequence[Frame], exceptions: Sequence[int], at: int) -> Frame | None:
    """Return the innermost frame of the user's own code that belongs to the line `at`."""
    start = max((i for i in exceptions if i < at), default=-1)
    end = min((i for i in exceptions if i > at), default=None)
    users = [frame for frame in found if not frame.library]
    above = [frame for frame in users if start < frame.at <= at]
    below = [frame for frame in users if at < frame.at and (end is None or frame.at < end)]
    chosen = above or below or users
    return chosen[-1] if chosen else None
