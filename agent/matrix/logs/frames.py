"""Where the program was: frames of Python, notebook, Java and pytest traces, declared places.

Rules kept here: a path is given as the log gave it, a Java or Scala frame by its file's name; a
cell counts from 0; a place in a declaration or a query is told apart from a frame. Lines are read
up to 1,000 characters, without the prefix of a logger.
Sources: https://docs.python.org/3/library/traceback.html,
https://ipython.readthedocs.io/en/stable/api/generated/IPython.core.ultratb.html,
https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/lang/StackTraceElement.html
"""

import re
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from agent.matrix.logs import libraries
from agent.records import Location


class Layout(Enum):
    """How a frame is written, which says where its exception stands."""

    PYTHON = "below its exception's frames comes the exception, the innermost frame last"
    NOTEBOOK = "like Python, or below the exception's line"
    JAVA = "below the exception, the innermost frame first"
    PYTEST = "the last frame of a test, named together with its exception"
    DECLARED = "a place in a declaration, or the call that a query came from"
    QUERY = "a line of a query that has no file"


class Frame(NamedTuple):
    """One frame of a stack trace, or another place that a line names."""

    at: int
    """Index of its line in the reading."""
    location: Location
    library: bool
    layout: Layout = Layout.PYTHON
    generated: bool = False
    """The user's only where nothing else is: a prompt's, a launcher's, a query's without a file."""
    raised: str | None = None
    """The exception's class that a pytest line names with its place."""


_PYTHON = re.compile(r'(?:^|[\s>|\]│(])File "(?P<path>[^"]{1,600})", line (?P<line>\d{1,9})')
_IPYTHON = re.compile(
    r"^[\s|>]*File (?P<path>(?:[~/.]|[A-Za-z]:[\\/]|<command|[\w-]+[/.])[^,\"]{0,600}?)"
    r"(?::(?P<line>\d{1,9})(?=$|[,\s])|, line (?P<line2>\d{1,9}))"
)
_CELL = re.compile(
    r"^[\s|>]*(?:Input |File )?(?:Cell )?In ?\[(?P<cell>\d{1,9})\](?:, line (?P<line>\d{1,9})|"
    r", in (?:<cell line: (?P<line2>\d{1,9})>|[\w.<>]{1,200}\(|<module>)|$)"
)
_OLD_CELL = re.compile(
    r"^(?P<path><(?:ipython-input-\d+|command-\d+)[^>]{0,80}>|(?:~|\.|[A-Za-z]:)?[/\\][^\s\"]{0,400}?\.\w+)"
    r" in (?P<function>[\w.<>]{1,200}(?:\(|$|\s))"
)
_ARROW = re.compile(r"^[\s|]*-+> ?(?P<line>\d+)(?: (?P<code>.*)|)$")
_JAVA = re.compile(
    r"(?:^|[\s>|])at (?:[\w.@+-]{0,80}/{1,2}){0,3}(?P<class>[\w$.<>\-]{1,400})"
    r"\((?P<file>[\w$.-]{1,120}|<console>):(?P<line>\d{1,9})\)"
)
_PYTEST = re.compile(
    r"^(?P<path>(?:[A-Za-z]:)?[^\s:()\"']{1,400}\.py):(?P<line>\d{1,9}): ?"
    r"(?:in (?P<function>[\w.<>]{1,200})|(?P<raised>[\w.]{1,200})(?=$|:)|)"
)
_RICH = re.compile(r"^\s*[│|] (?P<path>\S{1,400}\.py):(?P<line>\d{1,9}) in ")
_YAML = re.compile(
    r"^\s*in (?:\"(?P<path>[^\"]{1,400})\", line (?P<line>\d{1,9})|"
    r"(?P<path2>[\w./\\-]{1,400}\.(?:ya?ml|json|tf)):(?P<line2>\d{1,9})(?::\d+)?\s*$)|"
    r"^[\s│|]*on (?P<path3>[\w./\\-]{1,400}\.tf(?:\.json)?) line (?P<line3>\d{1,9})"
)
_PLACED = re.compile(
    r"^(?:Error: |ERROR: )?(?P<path>(?:[A-Za-z]:)?[\w./\\~-]{1,400}\."
    r"(?:ya?ml|json|py|sql|ipynb|toml|sh|scala|java|tf|cfg|ini))"
    r"(?::(?P<line>\d{1,9})(?::\d+)?|: line (?P<line2>\d{1,9})): "
)
_WARNS = re.compile(r"\s*\w*Warning\b")
_DBT = re.compile(
    r"\((?P<path>(?:[\w.-]+[/\\])*(?:models|tests|macros|snapshots|seeds|analyses)[/\\]"
    r"[\w./\\-]{1,300}\.\w{2,4})\)"
)
_DBT_LINE = re.compile(
    r"^\s*line (?P<line>\d{1,9})\s*$|\bline (?P<line2>\d{1,9})(?::\d|,? pos(?:ition)? \d)"
)
_CALLED = re.compile(r"^(?P<path>(?:[A-Za-z]:)?[^\s:\"']{1,400}):(?P<line>\d{1,9})$")
_CALLED_CELL = re.compile(r"^line (?P<line>\d{1,9}) in cell \[(?P<cell>\d{1,9})\]$")
_QUERY = re.compile(
    r"\(line (?P<line>\d{1,9}), pos(?:ition)? \d|^\s*LINE (?P<line2>\d{1,9}): |"
    r"(?:^|[\s(,])line (?P<line3>\d{1,9})(?:,? (?:at )?pos(?:ition)? \d|:\d+: )"
)
_ROUTINE = re.compile(r'ORA-06512: at "(?P<path>(?!SYS\.)[\w$#.]{1,200})", line (?P<line>\d{1,9})')
_SHOWN = 20
"""Lines below a frame in which its code is looked for; a trace shows five before and after."""


def frames(lines: Sequence[str]) -> list[Frame]:
    """Return the frames in the order of the lines; these have no logger's prefixes."""
    found = (_frame_at(lines, at, line) for at, line in enumerate(lines))
    return [frame for frame in found if frame is not None]


def _frame_at(lines: Sequence[str], at: int, line: str) -> Frame | None:
    if "File " in line and (frame := _filed(lines, at, line)):
        return frame
    if "In" in line and (found := _CELL.match(line)):
        return _cell(lines, at, found["cell"], found["line"] or found["line2"])
    if "at " in line and (found := _JAVA.search(line)):
        return _java(at, found)
    if " in " in line and (found := _OLD_CELL.match(line) or _RICH.match(line)):
        return _by_path(lines, at, found)
    if ".py:" in line and (found := _PYTEST.match(line)):
        return _tested(at, line, found)
    return _declared(lines, at, line)


def _filed(lines: Sequence[str], at: int, line: str) -> Frame | None:
    if found := _PYTHON.search(line):
        frame = _frame(at, found["path"], found["line"], _next_code(lines, at))
        return frame._replace(library=True) if _is_compiled(found["path"], line) else frame
    if found := _IPYTHON.match(line):
        number = found["line"] or found["line2"]
        return _frame(at, found["path"], number, _pointed(lines, at, number)[1], Layout.NOTEBOOK)
    return None


def _is_compiled(path: str, line: str) -> bool:
    """Say whether a frame is of a compiled module, which names its functions with their module."""
    module = path.rpartition(".")[0].replace("/", ".")
    return "/" in path and f", in {module}." in line


def _cell(lines: Sequence[str], at: int, cell: str, number: str | None) -> Frame:
    pointed, code = _pointed(lines, at, None)
    if number is None or (pointed is not None and "<cell line" in lines[at]):
        number = pointed or number
    if number != pointed:
        code = None
    line = int(number) if number else None
    place = Location(path=f"In[{int(cell)}]", cell=max(int(cell) - 1, 0), line=line, code=code)
    return Frame(at, place, library=False, layout=Layout.NOTEBOOK)


def _by_path(lines: Sequence[str], at: int, found: re.Match[str]) -> Frame | None:
    if "line" in found.re.groupindex:
        return _frame(at, found["path"], found["line"], None, Layout.NOTEBOOK)
    number, code = _pointed(lines, at, None)
    return _frame(at, found["path"], number, code, Layout.NOTEBOOK) if number else None


def _java(at: int, found: re.Match[str]) -> Frame:
    place = Location(path=found["file"], line=int(found["line"]))
    library = libraries.is_library_class(found["class"]) or found["line"] == "0"
    return Frame(at, place, library, Layout.JAVA, libraries.is_generated(found["file"]))


def _tested(at: int, line: str, found: re.Match[str]) -> Frame | None:
    rest = line[found.end() :]
    raised = found["raised"]
    if raised is not None and (raised.endswith("Warning") or not raised[:1].isalpha()):
        return None
    if found["function"] is None and raised is None and rest.strip():
        return None if _WARNS.match(rest) else _frame(at, found["path"], found["line"], None)
    layout = Layout.PYTEST if raised else Layout.PYTHON
    frame = _frame(at, found["path"], found["line"], None, layout)
    return frame._replace(raised=raised)


def _declared(lines: Sequence[str], at: int, line: str) -> Frame | None:
    if found := _YAML.match(line):
        path = found["path"] or found["path2"] or found["path3"]
        number = found["line"] or found["line2"] or found["line3"]
        return None if path.startswith("<") else _frame(at, path, number, None, Layout.DECLARED)
    if (found := _PLACED.match(line)) and not _WARNS.match(line, found.end()):
        number = found["line"] or found["line2"]
        return _frame(at, found["path"], number, None, Layout.DECLARED)
    if found := _DBT.search(line):
        return _frame(at, found["path"], _dbt_line(lines, at), None, Layout.DECLARED)
    if at and lines[at - 1].endswith("was called from"):
        return _called(lines, at, line)
    return _queried(at, line)


def _called(lines: Sequence[str], at: int, line: str) -> Frame | None:
    if found := _CALLED_CELL.match(line):
        return _cell(lines, at, found["cell"], found["line"])._replace(layout=Layout.DECLARED)
    if found := _CALLED.match(line):
        return _frame(at, found["path"], found["line"], None, Layout.DECLARED)
    return None


def _queried(at: int, line: str) -> Frame | None:
    if "ORA-06512" in line and (found := _ROUTINE.search(line)):
        return _query(at, found["path"], found["line"])
    if ("line" in line or "LINE" in line) and (found := _QUERY.search(line)):
        return _query(at, "<sql>", found["line"] or found["line2"] or found["line3"])
    return None


def _query(at: int, path: str, line: str) -> Frame:
    place = Location(path=path, line=int(line))
    return Frame(at, place, library=False, layout=Layout.QUERY, generated=True)


def _dbt_line(lines: Sequence[str], at: int) -> str | None:
    for line in lines[at + 1 : at + 8]:
        if found := _DBT_LINE.search(line):
            return found["line"] or found["line2"]
    return None


def _next_code(lines: Sequence[str], at: int) -> str | None:
    code = lines[at + 1] if at + 1 < len(lines) else ""
    return code.strip()[:200] if code.startswith("    ") and not _PYTHON.search(code) else None


def _pointed(lines: Sequence[str], at: int, number: str | None) -> tuple[str | None, str | None]:
    """Return the line that a notebook's trace points at below a frame: its number, its code."""
    for line in lines[at + 1 : at + _SHOWN]:
        if found := _ARROW.match(line):
            if number is not None and found["line"] != number:
                return None, None
            return found["line"][:9], (found["code"] or "").strip()[:200] or None
        if _IPYTHON.match(line) or _CELL.match(line) or _OLD_CELL.match(line):
            return None, None
    return None, None


def _frame(
    at: int, path: str, line: str | None, code: str | None, layout: Layout = Layout.PYTHON
) -> Frame:
    place = Location(path=path, line=int(line) if line else None, code=code)
    generated = libraries.is_generated(path)
    return Frame(at, place, libraries.is_library(path) and not generated, layout, generated)


def nearest(found: Sequence[Frame], at: int) -> Frame | None:
    """Return the user's own place that is nearest to the line `at`, those above it first."""
    for generated in (False, True):
        users = [f for f in found if not f.library and f.generated == generated]
        above = [frame for frame in users if frame.at <= at]
        if users:
            return above[-1] if above else users[0]
    return None
