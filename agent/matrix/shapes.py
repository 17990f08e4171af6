"""What a pattern asks of a text, read from the pattern itself: literals, gaps, pieces.

Rules kept here: of several alternatives the poorest one counts, of several gaps the worst path;
what a group may match nothing of counts for nothing.
Source of the syntax: https://github.com/google/re2/wiki/Syntax
"""

import functools
import re
from typing import Literal, NamedTuple

_QUANTIFIER = re.compile(r"(?:[*+?]|\{(\d+)(?:(,)(\d*))?\})\??")
_OPENING = re.compile(r"\(\?(?:P?<\w+>|[a-zA-Z-]*:|[a-zA-Z-]+(?=\)))|\(")
_CHARACTERS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
_PLAIN = re.compile(r"[A-Za-z0-9 _:,;'\"/=<>@#%&!~`-]+(?![*+?{])")
"""Characters in a row that stand for themselves; the one before a quantifier is not among them."""
_WIDE = 20
"""A gap that may span this many characters is a wide one."""
_ENDLESS = 1_000_000


class Shape(NamedTuple):
    """What every text that matches has in common."""

    literals: int
    """Characters that must be there literally."""
    piece: int
    """Length of the longest of them in a row."""
    gaps: int
    """Wide gaps (`.{0,80}`, `.*`) that a match may have to cross."""


class _Part(NamedTuple):
    """The shape of a part of a pattern, while it is read."""

    end: int
    """Where the part ends in the pattern."""
    literals: int = 0
    piece: int = 0
    gaps: int = 0
    kind: Literal["literal", "wide", "empty", "other"] = "other"
    """`literal`: one character, which goes on with the one before it; `wide`: a gap when it is
    repeated; `empty`: it takes no character, such as `^`."""


@functools.lru_cache(maxsize=8192)
def shape(pattern: str) -> Shape:
    """Return the shape of a google-re2 pattern; all noughts where it cannot be read."""
    part = _alternatives(pattern, 0)
    whole = part.end >= len(pattern)
    return Shape(part.literals, part.piece, part.gaps) if whole else Shape(0, 0, 0)


def _alternatives(pattern: str, at: int) -> _Part:
    """Return the shape from `at` on to the end of the group or pattern."""
    found: list[_Part] = []
    while True:
        part = _sequence(pattern, at)
        found.append(part)
        at = part.end
        if at >= len(pattern) or pattern[at] != "|":
            break
        at += 1
    return _Part(
        at,
        min(part.literals for part in found),
        min(part.piece for part in found),
        max(part.gaps for part in found),
    )


def _sequence(pattern: str, at: int) -> _Part:
    literals = piece = gaps = run = 0
    while at < len(pattern) and pattern[at] not in "|)":
        if (plain := _PLAIN.match(pattern, at)) is not None:
            literals, run = literals + plain.end() - at, run + plain.end() - at
            piece, at = max(piece, run), plain.end()
            continue
        part = _atom(pattern, at)
        at, least, most = _times(pattern, part.end)
        if part.kind == "empty":
            continue
        gaps += int(part.kind == "wide" and most >= _WIDE) + part.gaps * min(most, _WIDE)
        literals += part.literals * min(least, 1)
        run = run + 1 if part.kind == "literal" and least else 0
        piece = max(piece, run, part.piece * min(least, 1))
        run = 0 if most > 1 else run
    return _Part(at, literals, piece, gaps)


def _times(pattern: str, at: int) -> tuple[int, int, int]:
    """Return where a part's quantifier ends, and how often the part is there: least and most."""
    repeat = _QUANTIFIER.match(pattern, at)
    if repeat is None:
        return at, 1, 1
    if repeat[0][0] in "*+?":
        return repeat.end(), int(repeat[0][0] == "+"), 1 if repeat[0][0] == "?" else _ENDLESS
    least = int(repeat[1] or 0)
    most = least if not repeat[2] else int(repeat[3] or _ENDLESS)
    return repeat.end(), least, most


def _atom(pattern: str, at: int) -> _Part:
    char = pattern[at]
    if char == "(":
        opening = _OPENING.match(pattern, at)
        inner = _alternatives(pattern, opening.end() if opening else at + 1)
        flags = pattern.startswith("(?", at) and opening is not None and opening.end() == inner.end
        return inner._replace(end=inner.end + 1, kind="empty" if flags else "other")
    if char == "[":
        closing = _CHARACTERS.match(pattern, at)
        end = closing.end() if closing else at + 1
        return _Part(end)
    if char == "\\":
        said = pattern[at + 1 : at + 2]
        if not said.isalnum():
            return _Part(at + 2, 1, 1, kind="literal")
        return _Part(at + 2, kind="empty" if said in "bBAz" else "other")
    if char in ".^$":
        return _Part(at + 1, kind="wide" if char == "." else "empty")
    return _Part(at + 1, 1, 1, kind="literal")
