"""What kind of thing each line of a log is: a final exception, a frame, a warning, noise.

Rules kept here: the deepest cause decides (the exception that others were raised from, the last
`Caused by:`), wrappers and consequences never do; what was only warned of, or tried again with
success, is noise.
"""

import itertools
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from agent.matrix import frames, signals
from agent.matrix.frames import Frame
from agent.matrix.reading import Text


class Kind(Enum):
    """A line's kind, with what it weighs in a diagnosis and how a person would call it."""

    FINAL = (30, "the final exception")
    EXCEPTION = (24, "an exception")
    ERROR = (20, "an error line")
    PLAIN = (14, "a line of text")
    INFO = (4, "an INFO line")
    CODE = (-24, "a line of code or a frame")
    WARN = (-26, "only a warning, or tried again")
    NOISE = (-100, "noise, or the consequence of something else")

    def __init__(self, weight: int, words: str) -> None:
        self.weight = weight
        self.words = words


class Reading(NamedTuple):
    """A log with its structure."""

    lines: Sequence[Text]
    kinds: Sequence[Kind]
    continues: Sequence[bool]
    """Whether a line goes on with the message of the one before it."""
    frames: Sequence[Frame]
    exceptions: Sequence[int]
    """Indices of the lines that name an exception, in order."""
    final: int | None
    """Index of the deepest cause of the last chain of exceptions."""
    succeeded: bool
    """The log says at its end that all went well."""


def read(lines: Sequence[Text]) -> Reading:
    """Return the structure of these lines."""
    kinds = [_shape(text.clean[: signals.CLIP]) for text in lines]
    continues = [
        _continues(text.clean[:400], kind) for text, kind in zip(lines, kinds, strict=True)
    ]
    _spread(lines, kinds, continues)
    exceptions = [i for i, kind in enumerate(kinds) if kind is Kind.EXCEPTION]
    _mark_wrapped(lines, kinds, exceptions)
    final = _deepest(lines, kinds, exceptions)
    if final is not None:
        kinds[final] = Kind.FINAL
    elif Kind.ERROR not in kinds:
        _raise_warnings(lines, kinds)
    found = tuple(frames.frames(lines))
    return Reading(lines, kinds, continues, found, exceptions, final, _succeeded(lines, kinds))


def _continues(line: str, kind: Kind) -> bool:
    """Say whether a line has no start of a record of its own."""
    return (
        kind in (Kind.PLAIN, Kind.ERROR)
        and bool(line.strip())
        and not signals.RECORD.match(line)
        and level(line)[0] is None
    )


def _spread(lines: Sequence[Text], kinds: list[Kind], continues: Sequence[bool]) -> None:
    """Let the lines that go on with a warning, or with a logged piece of noise, be part of it."""
    quiet = False
    for at, text in enumerate(lines):
        word = level(text.clean[:400])[0]
        if word is not None:
            logged = word not in signals.QUIET and kinds[at] is Kind.NOISE
            quiet = logged and bool(signals.NOISE.search(text.clean[: signals.CLIP]))
        elif text.clean.startswith("Traceback"):
            quiet = False
        elif quiet and kinds[at] is Kind.EXCEPTION:
            kinds[at] = Kind.NOISE
        elif at and kinds[at - 1] is Kind.WARN and continues[at]:
            kinds[at] = Kind.WARN


def _raise_warnings(lines: Sequence[Text], kinds: list[Kind]) -> None:
    """Take warnings for errors where the log says that it failed and names nothing else."""
    if any(signals.CONSEQUENCE.search(text.clean[:1000]) for text in lines):
        for at, text in enumerate(lines):
            if kinds[at] is Kind.WARN and level(text.clean)[0] in signals.WARNED:
                kinds[at] = Kind.ERROR


def exception_class(line: str) -> str | None:
    """Return the class that an exception's line names, as written, or None."""
    found = signals.EXCEPTION.match(line)
    return found["class"] if found else None


def level(line: str) -> tuple[str | None, str]:
    """Return a line's log level, upper case, and what follows it."""
    found = signals.LEVEL.search(line, 0, 160)
    if found is None:
        return None, line
    word = (found[1] or found["low"]).upper()
    return word, line[found.end() :].lstrip(" -:]|\"',")


def _shape(line: str) -> Kind:
    """Return a line's kind, judged alone."""
    if signals.NOISE.search(line) or signals.CONSEQUENCE.search(line):
        return Kind.NOISE
    if signals.CODE.match(line):
        return Kind.CODE
    word, rest = level(line)
    retried = bool(signals.RETRIED.search(line)) and not signals.GAVE_UP.search(line)
    if (word in signals.WARNED and "Lost task" not in line) or retried:
        return Kind.WARN
    for part in (line, rest, rest.partition(": ")[2], rest.partition(" - ")[2]):
        if part and (signals.EXCEPTION.match(part) or signals.BRACKETED.match(part)):
            return Kind.EXCEPTION
    if word in signals.QUIET:
        told = signals.PLAIN_ERROR.match(rest) or signals.KILLED.search(rest)
        return Kind.ERROR if told else Kind.INFO
    if word in signals.LOUD or signals.ERRORISH.search(line):
        return Kind.ERROR
    return Kind.PLAIN


def _mark_wrapped(lines: Sequence[Text], kinds: list[Kind], exceptions: list[int]) -> None:
    """Lower what a `Caused by:` below, or a direct cause above, explains."""
    for before, after in itertools.pairwise(exceptions):
        between = [lines[i].clean for i in range(before + 1, after)]
        if lines[after].clean.lstrip().startswith("Caused by") and after - before < 80:
            kinds[before] = Kind.ERROR
        elif any(signals.DIRECT in line for line in between):
            kinds[after] = Kind.ERROR


def _deepest(lines: Sequence[Text], kinds: Sequence[Kind], exceptions: list[int]) -> int | None:
    """Return the last exception that nothing else explains and that is no bare wrapper."""
    candidates = [i for i in exceptions if kinds[i] is Kind.EXCEPTION]
    concrete = [i for i in candidates if not is_wrapper(lines[i].clean)]
    chosen = concrete or candidates
    return chosen[-1] if chosen else None


def is_wrapper(line: str) -> bool:
    """Say whether a line only passes on that something else failed."""
    return bool(signals.WRAPPER.search(line))


def _succeeded(lines: Sequence[Text], kinds: Sequence[Kind]) -> bool:
    for text, kind in zip(reversed(lines), reversed(kinds), strict=True):
        if kind in (Kind.EXCEPTION, Kind.FINAL, Kind.ERROR):
            return False
        if signals.SUCCESS.search(text.clean[: signals.CLIP]):
            return True
    return False


def own_frame(reading: Reading, at: int) -> Frame | None:
    """Return the innermost frame of the user's own code that belongs to the line `at`."""
    return frames.own(reading.frames, reading.exceptions, at)
