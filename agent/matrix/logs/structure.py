"""What kind of thing each line of a log is: a final exception, a frame, a warning, noise.

Rules kept here: the deepest cause decides (the exception that others were raised from, the last
`Caused by:`), wrappers and consequences never do; what was only warned of, or tried again with
success, is noise.
"""

from collections.abc import Sequence
from typing import NamedTuple

from agent.matrix.logs import chains, frames, outcomes, prefixes, signals, traces
from agent.matrix.logs.frames import Frame, Layout
from agent.matrix.logs.kinds import Kind
from agent.matrix.logs.prefixes import Body
from agent.matrix.logs.reading import Text
from agent.matrix.logs.traces import Raised, Traces, exception_class

__all__ = [
    "Kind",
    "Reading",
    "exception_class",
    "exception_name",
    "level",
    "own_frame",
    "raised_at",
    "read",
]

_MESSAGE = 8
"""Lines that an exception's message may go on for."""


class Reading(NamedTuple):
    """A log with its structure."""

    lines: Sequence[Text]
    kinds: Sequence[Kind]
    continues: Sequence[bool]
    """Whether a line goes on with the message of the one before it."""
    traces: Traces
    """The exceptions, with the frames and which one was raised from which."""
    exceptions: Sequence[int]
    """Indices of the lines that name an exception, in order."""
    final: int | None
    """Index of the deepest cause of the last chain of exceptions."""
    succeeded: bool
    """The log says at its end that all went well."""
    failed: bool = False
    """The log says that the run failed."""
    doubtful: bool = False
    """The log ends with a trace that was only warned of."""


def read(lines: Sequence[Text]) -> Reading:
    """Return the structure of these lines."""
    kinds = [_shape(text.clean[: signals.CLIP]) for text in lines]
    continues = [
        _continues(text.clean[:400], kind) for text, kind in zip(lines, kinds, strict=True)
    ]
    _spread(lines, kinds, continues)
    bodies = prefixes.bodies(lines)
    found = _traced(lines, bodies, kinds)
    texts = [body.text for body in bodies]
    _mark_code(found, kinds, texts)
    _mark_wrapped(found, kinds, texts)
    final = _deepest(found, kinds, texts)
    if final is not None:
        kinds[final] = Kind.FINAL
    told = [
        kind is Kind.WARN and _warns(text.clean) for kind, text in zip(kinds, lines, strict=True)
    ]
    last = outcomes.raise_warnings(lines, kinds, found, told)
    exceptions = [raised.at for raised in found.raised]
    return Reading(
        lines=lines,
        kinds=kinds,
        continues=continues,
        traces=found,
        exceptions=exceptions,
        final=last if final is None else final,
        succeeded=outcomes.succeeded(lines, kinds),
        failed=outcomes.failed(lines),
        doubtful=outcomes.doubtful(lines, kinds, found),
    )


def _traced(lines: Sequence[Text], bodies: Sequence[Body], kinds: list[Kind]) -> Traces:
    """Return the exceptions with their frames; a line that ends a trace is one of them."""
    named = [kind is Kind.EXCEPTION for kind in kinds]
    quiet = [_is_quiet(text.clean[:1000], kind) for kind, text in zip(kinds, lines, strict=True)]
    warned = [
        kind is Kind.WARN and level(text.clean[:400])[0] in signals.WARNED
        for kind, text in zip(kinds, lines, strict=True)
    ]
    found = traces.read(bodies, traces.Told(named, quiet, warned))
    for raised in found.raised:
        if raised.quiet and kinds[raised.at] is not Kind.NOISE:
            kinds[raised.at] = Kind.WARN
        elif kinds[raised.at] in (Kind.PLAIN, Kind.ERROR, Kind.INFO):
            kinds[raised.at] = Kind.EXCEPTION
    return found


def _is_quiet(line: str, kind: Kind) -> bool:
    """Say whether a trace that a line announces is only a warning, or noise."""
    if kind not in (Kind.WARN, Kind.NOISE) or level(line)[0] in signals.QUIET:
        return False
    if signals.NOISE.search(line):
        return level(line)[0] in signals.LOUD
    rest = level(line)[1]
    told = signals.RETRIED.search(line) or any(map(signals.ERRORISH.search, (line, rest)))
    return bool(told) and not signals.JVM_RECORD.match(line)


def _continues(line: str, kind: Kind) -> bool:
    """Say whether a line has no start of a record of its own."""
    return (
        kind in (Kind.PLAIN, Kind.ERROR)
        and bool(line.strip())
        and not signals.RECORD.match(line)
        and level(line)[0] is None
    )


def _spread(lines: Sequence[Text], kinds: list[Kind], continues: Sequence[bool]) -> None:
    """Let the lines that go on with a warning or noise be part of it, and a table be no failure."""
    quiet = table = False
    for at, text in enumerate(lines):
        table = bool(signals.BORDER.match(text.clean)) or (table and text.clean[:1] == "|")
        if table:
            kinds[at] = Kind.WARN
            continue
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


def level(line: str) -> tuple[str | None, str]:
    """Return a line's log level, upper case, and what follows it."""
    found = signals.LEVEL.search(line, 0, 160)
    if found is None:
        return None, line
    word = (found[1] or found["low"]).upper()
    return word, line[found.end() :].lstrip(" -:]|\"',")


def _warns(line: str) -> bool:
    """Say whether a line is a warning's record, or carries one."""
    word, rest = level(line[:400])
    return word in signals.WARNED or (
        word in signals.QUIET and level(rest)[0] in signals.WARNED and _carried(rest)
    )


def _carried(rest: str) -> bool:
    return signals.INNER.match(rest) is not None


def _shape(line: str) -> Kind:
    """Return a line's kind, judged alone."""
    if signals.NOISE.search(line) or signals.CONSEQUENCE.search(line):
        return Kind.NOISE
    if signals.CODE.match(line):
        return Kind.CODE
    word, rest = level(line)
    if word in signals.QUIET and rest.startswith(("b'", 'b"')):
        return _shape(rest[2:].lstrip())
    if word in signals.QUIET and _carried(rest):
        return _shape(rest)
    if word in signals.WARNED and not line.startswith("Exception in") and "Lost task" not in line:
        return Kind.WARN
    named = exception_class(line) is not None
    if _is_retried(line, word, named=named):
        return Kind.WARN
    if named:
        return Kind.EXCEPTION
    return _plain_shape(line, word, rest)


def _is_retried(line: str, word: str | None, *, named: bool) -> bool:
    """Say whether a line tells of what was tried again or does no harm; by its own words.

    The message of an exception may have such words too.
    """
    if named and (word is None or not signals.AGAIN.search(line)):
        return False
    retried = signals.RETRIED.search(line) and not signals.GAVE_UP.search(line)
    return bool(retried) and not signals.CONDITION.search(line)


def _plain_shape(line: str, word: str | None, rest: str) -> Kind:
    for part in (line, rest, rest.partition(": ")[2], rest.partition(" - ")[2]):
        if part and (signals.EXCEPTION.match(part) or signals.BRACKETED.match(part)):
            return Kind.EXCEPTION
    if word in signals.QUIET:
        told = signals.PLAIN_ERROR.match(rest) or signals.KILLED.search(rest)
        return Kind.ERROR if told else Kind.INFO
    if word in signals.LOUD or signals.ERRORISH.search(line):
        return Kind.ERROR
    return Kind.PLAIN


def _mark_code(found: Traces, kinds: list[Kind], texts: Sequence[str]) -> None:
    """Let a frame be code whatever a logger put in front of it, and the line that it shows too."""
    for frame in found.frames:
        if frame.layout is not Layout.PYTHON or not texts[frame.at].lstrip(" |").startswith("File"):
            continue
        shown = texts[frame.at + 1] if frame.at + 1 < len(texts) else ""
        for at in (frame.at, frame.at + 1) if shown.startswith("    ") else (frame.at,):
            if kinds[at] in (Kind.PLAIN, Kind.ERROR, Kind.INFO):
                kinds[at] = Kind.CODE


def _mark_wrapped(found: Traces, kinds: list[Kind], texts: Sequence[str]) -> None:
    """Lower what only passes on the deepest cause of its chain."""
    for top in found.raised:
        if top.outer is not None:
            continue
        deepest = chains.cause(top, texts)
        at: Raised | None = deepest.outer
        for _ in range(200):
            if at is None:
                break
            if kinds[at.at] is Kind.EXCEPTION:
                kinds[at.at] = Kind.ERROR
            at = at.outer


def _deepest(found: Traces, kinds: list[Kind], texts: Sequence[str]) -> int | None:
    """Return the deepest cause of the last chain that is more than a bare wrapper."""
    causes = [chains.cause(top, texts) for top in found.raised if top.outer is None]
    candidates = [one for one in causes if kinds[one.at] is Kind.EXCEPTION]
    concrete = [one for one in candidates if not chains.is_wrapper(one, texts[one.at])]
    chosen = concrete or candidates
    return outcomes.first_cause(chosen, kinds, texts).at if chosen else None


def own_frame(reading: Reading, at: int) -> Frame | None:
    """Return the innermost frame of the user's own code that belongs to the line `at`."""
    raised = raised_at(reading, at)
    frame = chains.own_frame(raised) if raised is not None else None
    return frame or frames.nearest(reading.traces.frames, at)


def raised_at(reading: Reading, at: int) -> Raised | None:
    """Return the exception that the line `at` belongs to, else the final one, else None."""
    known = reading.traces.raised
    for raised in known:
        if raised.at == at:
            return raised
    inside = [raised for raised in known if raised.start <= at <= raised.end + _MESSAGE]
    above = [raised for raised in inside if raised.at <= at]
    if above or inside:
        return above[-1] if above else inside[0]
    return next((raised for raised in known if raised.at == reading.final), None)


def exception_name(reading: Reading, at: int) -> str | None:
    """Return the class, as written, of the exception that the line `at` belongs to.

    Of one that a line names without a trace, too; else that of the final exception.
    """
    one = raised_at(reading, at)
    for _ in range(20):
        if one is None or one.name is not None:
            break
        one = one.outer
    return one.name if one is not None else None
