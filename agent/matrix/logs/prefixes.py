"""What loggers and containers put in front of the lines of a trace, taken off.

Rules kept here: a prefix is learned from the line that opens a trace and taken off where it comes
again; what is left keeps its indentation. Lines of several threads or containers are told apart by
the rest of their prefix, times left out.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from agent.matrix.logs.reading import Text

_CLIP = 1000
"""Characters of a line that are looked at."""
_LEARNED = 12
"""Prefixes that are kept of one log, the last ones."""
_STREAMS = 12
_OPENS = re.compile(
    r"^(?P<front>.{1,200}?)(?:Traceback \(most recent call last\):|"
    r"(?:\t| {2,8})at [\w.$/@]{1,200}\(|(?<![\s|]) {2}File \"[^\"]+\", line \d)"
)
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,9}(?:Z|[+-]\d\d:?\d\d) ")
"""The time that a runner or container puts in front of every line."""
_WORDS = re.compile(r"[A-Za-z0-9]")
_NOT_FRONT = re.compile(
    r"(?:Error|Exception|Interrupt|Exit|Warning)\b|\+ Exception Group|[\"'`]|^\s"
)
_TIMES = re.compile(r"[\d:.,/TZ+-]*\d{1,2}:\d\d(?::\d\d)?[\d.,Z+:-]*|\d{2,4}[-/]\d\d[-/]\d{2,4}")


class Body(NamedTuple):
    """One line without its prefix."""

    text: str
    """At most `_CLIP` characters."""
    stream: str
    """What tells its thread or container apart; empty where nothing does."""


def bodies(lines: Sequence[Text]) -> list[Body]:
    """Return every line without what a logger put in front of it."""
    known: list[tuple[str, re.Pattern[str]]] = []
    found: list[Body] = []
    for at, text in enumerate(lines):
        line = text.clean[:_CLIP]
        if (learned := _learned(line)) and all(shape != learned[0] for shape, _ in known):
            follower = lines[at + 1].clean[:_CLIP] if at + 1 < len(lines) else ""
            if learned[1].match(follower):
                known = [*known[-_LEARNED + 1 :], learned]
        found.append(_split(line, known))
    streams = {body.stream for body in found}
    if len(streams) > min(_STREAMS, len(found) // 2):
        return [Body(body.text, "") for body in found]
    return found


def _learned(line: str) -> tuple[str, re.Pattern[str]] | None:
    """Return the prefix that a line which opens a trace shows: its shape, and what it matches."""
    if "Traceback (" not in line and "at " not in line and 'File "' not in line:
        return None
    opened = _OPENS.match(line)
    if opened is None:
        return None
    front = opened["front"]
    if not _WORDS.search(front) or _NOT_FRONT.search(front):
        return None
    shape = re.sub(r"\d+", "0", front)
    parts = [re.escape(part) for part in re.split(r"\d+", front)]
    return shape, re.compile(r"\d+".join(parts))


def _split(line: str, known: Sequence[tuple[str, re.Pattern[str]]]) -> Body:
    for _, pattern in known:
        if found := pattern.match(line):
            return Body(line[found.end() :], _TIMES.sub("", found[0]))
    for shape, pattern in known:
        if shape.endswith(" ") and (found := pattern.match(line + " ")) and found.end() > len(line):
            return Body("", _TIMES.sub("", found[0]))
    stamp = _STAMP.match(line)
    return Body(line[stamp.end() :] if stamp else line, "")
