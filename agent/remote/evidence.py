"""A task's words put in order: a bounded log, and the user's own line in it."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from agent.engine import outcomes
from agent.records import Line, Location, Tree

_LINES = 400
_BYTES = 64 * 1024
_SIGNS = ("rror", "RROR", "xception", "raceback", "atal", "FATAL", "FAIL", "aused by")
_FRAMES = (
    re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)'),
    re.compile(r"^\s*File (?P<file>/[^\s:,]+), line (?P<line>\d+)"),
    re.compile(r"^\s*File (?P<file>/[^\s:,]+):(?P<line>\d+)"),
    re.compile(r"^\s*File <command-\d+>(?:, line |:)(?P<line>\d+)"),
    re.compile(r"^\s*Cell In\[?\s*\d*\]?,? line (?P<line>\d+)"),
)
_ARROW = re.compile(r"^-+>\s*(?P<line>\d+)\s(?P<code>.*)$")


Local = Callable[[str], str | None]
"""The file of the tree that a remote path means, None where it means none."""


class Section(NamedTuple):
    """One source of evidence, as clean lines."""

    source: str
    lines: Sequence[str]
    first: int = 1
    """Number of the first line in its source."""


class Log(NamedTuple):
    """What fits."""

    lines: tuple[Line, ...]
    cut: tuple[str, ...]
    """What did not, in words."""


def bounded(sections: Iterable[Section]) -> Log:
    """Return the ends of the sections, the last one first served: it is the one to believe.

    Of what does not fit, lines that look like errors are kept, some from each section.
    """
    listed = list(sections)
    kept: list[list[Line]] = []
    cut: list[str] = []
    lines, size = _LINES, _BYTES
    for section in reversed(listed):
        every = [
            Line(source=section.source, number=n, text=text)
            for n, text in enumerate(section.lines, section.first)
        ]
        end = _last(every, lines, size)
        rest = every[: len(every) - len(end)]
        if rest:
            said = f"of lines {rest[0].number:,} to {rest[-1].number:,} only those that look like"
            cut.append(f"{section.source}: {said} errors are shown")
            signs = [line for line in rest if any(sign in line.text for sign in _SIGNS)]
            end = _last(signs, _LINES // 8, _BYTES // 8) + end
        lines = max(lines - len(end), _LINES // 8)
        size = max(size - _size(end), _BYTES // 8)
        kept.append(end)
    return Log(tuple(line for part in reversed(kept) for line in part), tuple(reversed(cut)))


def _last(every: Sequence[Line], lines: int, size: int) -> list[Line]:
    kept: list[Line] = []
    for line in reversed(every):
        size -= len(line.text.encode("utf-8", "replace")) + 1
        if len(kept) >= lines or size < 0:
            break
        kept.append(line)
    return kept[::-1]


def _size(lines: Iterable[Line]) -> int:
    return sum(len(line.text.encode("utf-8", "replace")) + 1 for line in lines)


def location(
    trace: Sequence[str], tree: Tree, local: Local | None, own: str | None, cell: int | None
) -> Location | None:
    """Return the user's innermost line in a traceback, where it is in a file of the tree.

    `local` says which file of the tree a remote path means, None where nobody knows; `own`: the
    task's main file in the tree; `cell`: the notebook's cell that raised, 0-based.
    """
    for place in range(len(trace) - 1, -1, -1):
        found = next((m for frame in _FRAMES if (m := frame.match(trace[place]))), None)
        if found is None:
            continue
        named = found.groupdict().get("file")
        path = own if named is None else _path(named, tree, local)
        if path is None:
            continue
        line = int(found["line"])
        if named is None:
            said = _arrow(trace[place + 1 :], line)
            return Location(path=path, line=line, cell=cell, code=said)
        code = _arrow(trace[place + 1 :], line) or _code(Path(tree.root) / path, line)
        return Location(path=path, line=line, code=code)
    return Location(path=own, cell=cell) if own and cell is not None else None


def _path(named: str, tree: Tree, local: Local | None) -> str | None:
    if local is not None and (found := local(named)) is not None:
        return found
    plain = named.removeprefix("./")
    return plain if plain in tree.files else None


def _arrow(lines: Sequence[str], number: int) -> str | None:
    """Return the line of code that a traceback points at, before its next frame."""
    for text in lines:
        if any(frame.match(text) for frame in _FRAMES):
            return None
        found = _ARROW.match(text)
        if found and int(found["line"]) == number:
            return found["code"].strip() or None
    return None


def _code(file: Path, number: int) -> str | None:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return None
    return outcomes.clean(lines[number - 1].strip()) if 0 < number <= len(lines) else None
