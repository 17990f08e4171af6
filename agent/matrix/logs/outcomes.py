"""What a log ends with: success, a failure that was only warned of; which failure came first.

Rules kept here: a warning, or what was tried again, is the failure where the log ends with it and
nothing after it shows that the work went on; warnings of the JVM need the word that the run
failed. A failure that lacks what an earlier one should have made, or finds nothing in its place, is
that one's consequence.
"""

import re
from collections.abc import Iterator, Sequence

from agent.matrix.logs import signals
from agent.matrix.logs.frames import Layout
from agent.matrix.logs.kinds import Kind
from agent.matrix.logs.reading import Text
from agent.matrix.logs.traces import Raised, Traces

LOUD = (Kind.FINAL, Kind.EXCEPTION, Kind.ERROR)
_ENDS = 3
"""Lines at the end of a log in which a step that is done means that all is."""
_QUOTES = re.compile(r"[`\"']")
_NAMES = 12
"""Names of a message that are looked for in what came before it."""
_COMMON = 5
"""Characters that a name must have to be looked for, without its folders and schemas."""


def succeeded(lines: Sequence[Text], kinds: Sequence[Kind]) -> bool:
    """Say whether the log tells at its end that all went well."""
    told = 0
    for text, kind in zip(reversed(lines), reversed(kinds), strict=True):
        line = text.clean[: signals.CLIP]
        if kind in LOUD or kind is Kind.LAST:
            return False
        if signals.SUCCESS.search(line) or (told < _ENDS and signals.DONE.search(line)):
            return True
        told += bool(line)
    return False


def failed(lines: Sequence[Text]) -> bool:
    """Say whether the log tells somewhere that the run failed."""
    return any(signals.FAILED.search(text.clean[:1000]) for text in lines)


def doubtful(lines: Sequence[Text], kinds: Sequence[Kind], found: Traces) -> bool:
    """Say whether the log ends with a trace that was only warned of, so that it may have failed."""
    start = _went_on(kinds)
    return any(
        raised.frames and raised.at >= start and not _is_beside(lines, raised)
        for raised in found.raised
        if kinds[raised.at] is Kind.WARN
    )


def raise_warnings(
    lines: Sequence[Text], kinds: list[Kind], found: Traces, warned: Sequence[bool]
) -> int | None:
    """Let warnings be the failure where nothing louder is; return the exception among them.

    `warned`: which lines are records of warnings.
    """
    if any(kind in LOUD for kind in kinds):
        _raise_retries(lines, kinds)
        return None
    if any(signals.CONSEQUENCE.search(text.clean[:1000]) for text in lines):
        for at, kind in enumerate(kinds):
            if kind is Kind.WARN and warned[at]:
                kinds[at] = Kind.ERROR
        return None
    start = _went_on(kinds)
    final = _raise_traces(lines, kinds, found, start)
    if final is None:
        _raise_last(lines, kinds, warned, start)
    return final


def _raise_retries(lines: Sequence[Text], kinds: list[Kind]) -> None:
    """Let what was tried again up to the first failure, or until it gave up, be part of it."""
    first = next(at for at, kind in enumerate(kinds) if kind in LOUD)
    up = _went_on(kinds[:first])
    gave_up = [
        at
        for at, text in enumerate(lines)
        if kinds[at] in LOUD and signals.GAVE_UP.search(text.clean[: signals.CLIP])
    ]
    low, high = (0, gave_up[-1]) if gave_up else (up, first)
    for at in range(low, high):
        if kinds[at] is Kind.WARN and signals.AGAIN.search(lines[at].clean[: signals.CLIP]):
            kinds[at] = Kind.LAST


def _went_on(kinds: Sequence[Kind]) -> int:
    """Return the index after the last line that shows that the work went on."""
    for at in range(len(kinds) - 1, -1, -1):
        if kinds[at] in (Kind.INFO, Kind.PLAIN):
            return at + 1
    return 0


def _raise_traces(
    lines: Sequence[Text], kinds: list[Kind], found: Traces, start: int
) -> int | None:
    """Let a Python trace that was only warned of be the failure where the log ends with it."""
    for raised in reversed(found.raised):
        if raised.at < start or kinds[raised.at] is not Kind.WARN:
            continue
        python = any(frame.layout in (Layout.PYTHON, Layout.NOTEBOOK) for frame in raised.frames)
        own = not signals.JVM_RECORD.match(lines[raised.at].clean)
        if python and own and not _is_beside(lines, raised):
            kinds[raised.at] = Kind.LAST
            return raised.at
    return None


def _is_beside(lines: Sequence[Text], raised: Raised) -> bool:
    """Say whether a trace is of what goes wrong beside the work, by the line above it."""
    above = lines[max(raised.start - 1, 0) : raised.start + 1]
    return any(signals.SECONDARY.search(text.clean[:1000]) for text in above)


def _raise_last(
    lines: Sequence[Text], kinds: list[Kind], warned: Sequence[bool], start: int
) -> None:
    """Let what was tried again to the end, or was ended, be the failure."""
    again: list[int] = []
    for at in _warnings(kinds, start):
        line = lines[at].clean[: signals.CLIP]
        if signals.AGAIN.search(line):
            again.append(at)
        elif signals.ENDED.search(line):
            kinds[at] = Kind.LAST
    if len(again) > 1 or any(not warned[at] for at in again):
        for at in _warnings(kinds, min(again)):
            kinds[at] = Kind.LAST


def _warnings(kinds: Sequence[Kind], start: int) -> Iterator[int]:
    yield from [at for at in range(start, len(kinds)) if kinds[at] is Kind.WARN]


def first_cause(causes: Sequence[Raised], kinds: list[Kind], texts: Sequence[str]) -> Raised:
    """Return the last failure, or the earlier one that it is a consequence of, which is noise."""
    chosen = causes[-1]
    for earlier in reversed(causes[:-1][-20:]):
        if _lacks(chosen, earlier, texts):
            kinds[chosen.at] = Kind.NOISE
            chosen = earlier
    return chosen


def _lacks(later: Raised, earlier: Raised, texts: Sequence[str]) -> bool:
    """Say whether a failure lacks something that was worked on when an earlier one happened."""
    told = _QUOTES.sub("", " ".join(texts[later.at : later.at + 2])[:1000])
    if earlier.at >= later.start:
        return False
    if signals.EMPTY.search(told):
        return True
    if not signals.MISSING.search(told):
        return False
    if "upstream" in told.lower():
        return True
    above = _QUOTES.sub("", " ".join(texts[max(earlier.start - 20, 0) : earlier.at]))
    names = [found[0].strip(".:/'") for found in signals.NAMED.finditer(told)]
    wanted = [name for name in names if "." in name.strip(".") or "/" in name][:_NAMES]
    return any(_is_told(name, above) for name in wanted)


def _is_told(name: str, text: str) -> bool:
    last = name.replace("/", ".").split(".")[-1]
    return name in text or (len(last) >= _COMMON and f".{last}" in text and last.isidentifier())
