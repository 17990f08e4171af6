"""Patterns in linear time: the one place that knows google-re2.

Rules kept here: text is matched as Latin-1 bytes, so that invalid UTF-8 costs nothing and no
pattern can be thrown off by it; patterns are therefore plain ASCII. All patterns of a matrix are
matched together: a line is read once however many entries there are.
Source: https://github.com/google/re2/wiki/Syntax
"""

import functools
import re
from collections.abc import Sequence
from typing import Any

from agent.errors import MatrixError
from agent.matrix import shapes

_MEMORY = 8 << 20
"""Upper bound for one automaton's cache, bytes; it is filled only as far as texts need it."""

_TOGETHER = 1500
"""Patterns of one automaton: of more the literal pieces do not fit into its fixed memory."""

PROGRAM = 2000
"""Instructions that one pattern may compile to; a plain message takes as many as it has letters."""
GAPS = 4
"""Wide gaps that one pattern may have."""

_BOUNDED = re.compile(r"(\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\.)(?:\{(\d{1,2}),(\d{2,3})\})?")
"""A character class, and how often it may be there where that is bounded widely (`.{0,80}`)."""


def _options() -> Any:
    import re2  # type: ignore[import-untyped]  # google-re2 ships no stubs

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = _MEMORY
    options.log_errors = False
    return options


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str) -> Any:
    import re2

    try:
        return re2.compile(pattern.encode("ascii"), _options())
    except (re2.error, UnicodeEncodeError) as error:
        raise MatrixError(f"pattern {pattern!r}: {refusal(pattern)}") from error


def compiled(pattern: str) -> Any:
    """Return a pattern's google-re2 object, for those who need its numbered groups."""
    return _compiled(pattern)


def refusal(pattern: str) -> str | None:
    """Return why a pattern cannot be used, or None where it can."""
    import re2

    if not pattern.isascii():
        return "only ASCII is matched; write other characters as ."
    try:
        re2.compile(pattern.encode(), _options())
    except re2.error as error:
        said = error.args[0] if error.args else error
        text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        return f"not a linear-time (google-re2) pattern: {text}"
    return None


def spelled_out(pattern: str) -> int:
    """Return how many characters every text that matches must have literally."""
    return shapes.shape(pattern).literals


def excess(pattern: str) -> str | None:
    """Return why a pattern that can be used should not be: it is too large, or too vague."""
    shape, size = shapes.shape(pattern), int(_compiled(pattern).programsize)
    if size > PROGRAM:
        return f"compiles to {size:,} steps, at most {PROGRAM:,} are meant; shorten its {{n,m}}"
    if shape.gaps > GAPS:
        return f"has {shape.gaps} wide gaps, at most {GAPS} are meant; make two patterns of it"
    return None


def encoded(text: str) -> bytes:
    """Return the bytes that patterns are matched against."""
    return text.encode("utf-8", "replace")


def groups(pattern: str, text: bytes) -> dict[str, str] | None:
    """Return the named groups of the first match (without absent ones), None where none matches."""
    match = _compiled(pattern).search(text)
    if match is None:
        return None
    return {
        name.decode(): value.decode("utf-8", "replace")
        for name, value in match.groupdict().items()
        if value is not None
    }


def span(pattern: str, text: bytes) -> tuple[int, int]:
    """Return where the first match starts and ends, in bytes; (0, 0) where none matches."""
    match = _compiled(pattern).search(text)
    return (0, 0) if match is None else (int(match.start()), int(match.end()))


def found(pattern: str, text: bytes) -> bool:
    """Say whether a pattern is found in a text."""
    return _compiled(pattern).search(text) is not None


class PatternSet:
    """Many patterns, matched together in one pass over a text: a line, or several.

    A small automaton looks for the literal pieces that patterns cannot do without; only patterns
    whose pieces are there are run. One automaton of all whole patterns was 80 times slower: their
    bounded gaps (`.{0,80}`) multiply its states. For the same reason a pattern is first run without
    those bounds, which takes half the time to compile, and then as it is where that matches.
    Source: https://github.com/google/re2/blob/main/re2/filtered_re2.h
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        wide = [_unbounded(pattern) for pattern in patterns]
        self._bounded = {
            index: f"(?m){pattern}"
            for index, pattern in enumerate(patterns)
            if wide[index] != pattern
        }
        self._parts = [
            (start, _filter(wide[start : start + _TOGETHER]))
            for start in range(0, len(patterns), _TOGETHER)
        ]
        self._count = len(patterns)

    def plus(self, patterns: Sequence[str]) -> "PatternSet":
        """Return a set with these too; what was compiled is shared."""
        made = PatternSet(patterns)
        moved = [(self._count + start, part) for start, part in made._parts]
        bounded = {self._count + index: pattern for index, pattern in made._bounded.items()}
        made._bounded = {**self._bounded, **bounded}
        made._parts, made._count = [*self._parts, *moved], self._count + made._count
        return made

    def match(self, text: bytes) -> Sequence[int]:
        """Return the indices of the patterns found in `text`, a line or several, in order."""
        if not text:
            return ()
        near = (
            start + index for start, part in self._parts for index in sorted(part.Match(text) or ())
        )
        bounded = self._bounded
        return [index for index in near if index not in bounded or found(bounded[index], text)]


def _unbounded(pattern: str) -> str:
    """Return a pattern that matches wherever this one does, without its wide bounds.

    What it leaves as it is: what google-re2 refuses, so that a pattern is refused before a text is
    read, and repeated groups, whose bounds it multiplies.
    """
    if "{" not in pattern or "){" in pattern or "\\Q" in pattern:
        return pattern
    return _BOUNDED.sub(_freed, pattern)


def _freed(part: re.Match[str]) -> str:
    bounded = part[2] is not None and int(part[2]) <= int(part[3])
    return f"{part[1]}*" if bounded else part[0]


def _filter(patterns: Sequence[str]) -> Any:
    import re2

    made = re2.Filter()
    options = _options()
    for pattern in patterns:
        try:
            made.Add(b"(?m)" + pattern.encode("ascii"), options)
        except (re2.error, UnicodeEncodeError) as error:
            raise MatrixError(f"pattern {pattern!r}: {refusal(pattern)}") from error
    made.Compile()
    return made
