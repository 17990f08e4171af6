"""Exceptions with their frames, and which of them was raised from which.

Rules kept here: a line that ends a trace names its exception, whatever its class is called; frames
belong to the exception below them, those of Java to the one above; each thread is read by itself.
`chains` says which exception of a chain counts.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from agent.matrix.logs import frames as places
from agent.matrix.logs import signals
from agent.matrix.logs.frames import Frame, Layout
from agent.matrix.logs.prefixes import Body

How = Literal["direct", "during", "caused", "carried", "group"]
"""How an exception is tied to the one that passed it on."""


@dataclass
class Raised:
    """One exception of a log."""

    at: int
    """Index of the line that names it."""
    name: str | None
    """Its class as written; None where only a condition is given."""
    frames: list[Frame] = field(default_factory=list)
    """Outermost first, those of Java innermost first."""
    start: int = 0
    """Index of the first line of its trace."""
    end: int = 0
    """Index of the last line of its trace."""
    outer: "Raised | None" = None
    """What it was passed on as."""
    how: How | None = None
    inner: "list[Raised]" = field(default_factory=list)
    quiet: bool = False
    """It is only warned of, or happened while something was cleaned up."""
    depth: int = 0
    """Column in which a member of a group stands."""


class Traces(NamedTuple):
    """All exceptions of a log, in the order of their lines."""

    raised: Sequence[Raised]
    frames: Sequence[Frame]


_OPENS = re.compile(
    r"(?:(?P<class>[A-Za-z_][\w.]{0,200})\s{2,})?(?P<opens>(?:Exception Group |)"
    r"Traceback \(most recent call last\)|Traceback:\s*$|\(most recent call first\))"
)
_CLOSES = re.compile(r"(?P<class>[A-Za-z_][\w.]*)(?=$|:|\s*\(|\s+\S{0,40}:)")
_BARS = re.compile(r"[\s|+]*")
_KEYWORDS = {"else", "try", "finally", "except", "return", "pass", "continue", "break", "lambda"}
_CHAINED = ("direct cause of the following", "During handling of the above exception")
_REPEATS = ("[Previous line repeated", "The above exception", '"""', "...")
_NEAR = 3
_MESSAGE = 8
"""Lines above a trace that the log ends in, in which its exception is looked for."""
_ANNOUNCED = re.compile(
    r"\braised (?:unexpected|an? exception|exception)[: ]{1,3}(?P<class>[A-Za-z_][\w.]{0,200})\(|"
    r": (?P<last>(?:[a-z_]\w*\.){0,8}[A-Z]\w{0,80}(?:Error|Exception|Timeout))$"
)


class Told(NamedTuple):
    """What is known of each line on its own."""

    named: Sequence[bool]
    """It names an exception or a condition."""
    quiet: Sequence[bool]
    """It announces a trace that is only a warning, or noise."""
    warned: Sequence[bool]
    """It is a warning's record."""


@dataclass
class _Stream:
    """What is known while the lines of one thread are read."""

    last: Raised | None = None
    carrier: Raised | None = None
    """An exception whose message is the trace that is read now."""
    marker: How | None = None
    open: bool = False
    column: int = 0
    start: int | None = None
    pending: list[Frame] = field(default_factory=list)
    above: Raised | None = None
    """An exception that was named just before the trace that is read now."""
    jvm: bool = False
    """What follows is the engine's view of the last exception."""
    touched: int = -99
    """Index of the last line that belonged to the last exception."""
    quiet: bool = False


class _Reader:
    """One pass over the lines; each stream has a state of its own."""

    def __init__(self, bodies: Sequence[Body], told: Told):
        self._bodies = bodies
        self._named, self._quiet, self._warned = told
        self._texts = [body.text for body in bodies]
        self.frames = places.frames(self._texts)
        self.raised: list[Raised] = []
        self._streams: dict[str, _Stream] = {}

    def read(self) -> None:
        """Fill `raised`."""
        at_line = {frame.at: frame for frame in self.frames}
        for at, body in enumerate(self._bodies):
            if body.text.strip():
                stream = self._streams.setdefault(body.stream, _Stream())
                self._take(stream, at, at_line.get(at))
        for stream in self._streams.values():
            _leave(stream)
            if stream.open and stream.pending:
                self._cut(stream)

    def _cut(self, stream: _Stream) -> None:
        """Take in a trace that the log ends in: the line above it may name its exception."""
        start = stream.start or 0
        above = range(start - 1, max(start - _MESSAGE, 0) - 1, -1)
        named = ((at, _announced(self._texts[at])) for at in above)
        near = start - 1 if start and self._texts[start - 1].strip() else start
        at, name = next(((at, name) for at, name in named if name), (near, None))
        first = "call first" in self._texts[start]
        placed = stream.pending[::-1] if first else stream.pending
        known = next((one for one in self.raised[-20:] if one.at == at), None)
        cut = known or Raised(at, name, start=start)
        cut.name, cut.frames, cut.end = cut.name or name, placed, stream.pending[-1].at
        if known is None:
            cut.quiet = stream.quiet or self._quiet[at]
            self.raised.append(cut)

    def _take(self, stream: _Stream, at: int, frame: Frame | None) -> None:
        """Let one line change the state of its stream."""
        line = self._texts[at]
        if any(mark in line for mark in _CHAINED):
            stream.marker = "direct" if _CHAINED[0] in line else "during"
        elif opened := self._opened(line):
            self._open(stream, at, opened)
        elif frame is not None:
            if self._named[at] and frame.layout in (Layout.DECLARED, Layout.QUERY):
                self._add(stream, at, exception_class(line))
            self._place(stream, frame)
        elif name := self._closing(stream, at):
            self._add(stream, at, name)
        elif self._named[at]:
            self._add(stream, at, exception_class(line))
        elif line.startswith("JVM stacktrace:"):
            stream.jvm = True

    @staticmethod
    def _opened(line: str) -> re.Match[str] | None:
        return _OPENS.search(line) if "recent call" in line or "Traceback:" in line else None

    def _open(self, stream: _Stream, at: int, opened: re.Match[str]) -> None:
        line = self._texts[at]
        _leave(stream)
        if stream.last is not None and at - stream.touched <= 1:
            stream.above = stream.last
        front = line[: opened.start()]
        stream.carrier = None
        if not opened["class"] and (name := exception_class(front.rstrip())):
            self._add(stream, at, name)
            stream.carrier = stream.last
        elif (
            stream.last is not None
            and at - stream.touched <= _NEAR
            and _carries(self._texts[stream.last.at : at])
        ):
            stream.carrier = stream.last
        stream.open, stream.start, stream.pending = True, at, []
        whole = opened["class"] or front.strip(" |+")
        stream.column = 0 if whole else opened.start("opens")
        near = [i for i in range(max(at - 2, 0), at) if self._texts[i].strip()]
        stream.quiet = any(self._quiet[i] for i in [*near[-1:], at]) or any(
            signals.SECONDARY.search(self._texts[i]) for i in [*near[-1:], at]
        )

    def _place(self, stream: _Stream, frame: Frame) -> None:
        last = stream.last
        near = last is not None and frame.at - stream.touched <= _NEAR
        if frame.layout is Layout.PYTEST:
            self._tested(stream, frame)
        elif frame.layout is Layout.JAVA:
            if last is not None:
                (stream.carrier or last).frames.append(frame)
                stream.touched = frame.at
        elif frame.layout in (Layout.DECLARED, Layout.QUERY):
            if last is not None and frame.at - stream.touched <= 6:
                last.frames.append(frame)
                last.end = frame.at
        elif last is not None and near and not stream.open:
            last.frames.append(frame)
            last.end = frame.at
            stream.touched = frame.at + self._shown(frame.at)
        else:
            if stream.start is None:
                stream.start = frame.at
            stream.pending.append(frame)

    def _shown(self, at: int) -> int:
        """Return how many lines of code are shown below a frame of a notebook."""
        count = 0
        while at + count + 1 < len(self._texts) and count < 12:
            if not re.match(r"\s*(?:-+> ?)?\d+ |\s*$|\s{4}", self._texts[at + count + 1]):
                break
            count += 1
        return count

    def _tested(self, stream: _Stream, frame: Frame) -> None:
        """Take a pytest line: it ends its exception's frames, or names the exception itself."""
        last = stream.last
        short = (frame.raised or "").rpartition(".")[2]
        same = last is not None and (last.name or "").rpartition(".")[2] == short
        if last is not None and same and frame.at - last.at < 200:
            last.frames.append(frame)
            last.end = frame.at
            return
        stream.pending.append(frame)
        self._add(stream, frame.at, frame.raised)

    def _closing(self, stream: _Stream, at: int) -> str | None:
        """Return the class of the exception that ends the open trace, if this line names one."""
        if not stream.open or not stream.pending:
            return None
        line = self._texts[at]
        bars = _BARS.match(line)
        column = bars.end() if bars else 0
        text = line[column:]
        if column > stream.column or text.startswith(_REPEATS):
            return None
        found = _CLOSES.match(text)
        if found is None or found["class"].lower() in _KEYWORDS:
            return None
        above = self._texts[stream.pending[-1].at]
        stripped = stream.pending[-1].at == at - 1 and not above[:1].isspace()
        if stripped or " " in text[: text.find(":")].strip():
            return exception_class(text)
        return found["class"]

    def _add(self, stream: _Stream, at: int, name: str | None) -> None:
        line = self._texts[at]
        bars = _BARS.match(line)
        new = Raised(at, name, stream.pending, end=at, depth=bars.end() if bars else 0)
        new.start = stream.start if stream.start is not None else at
        new.quiet = stream.quiet or self._quiet[at] or self._is_logged(at)
        self._tie(stream, new, line)
        new.quiet |= new.how == "caused" and new.outer is not None and new.outer.quiet
        self.raised.append(new)
        stream.last, stream.touched = new, at
        stream.open, stream.start, stream.pending = False, None, []
        stream.marker, stream.quiet, stream.above, stream.jvm = None, False, None, False

    def _is_logged(self, at: int) -> bool:
        """Say whether an exception is what a Java logger prints below a warning."""
        below = self._texts[at + 1] if at + 1 < len(self._texts) else ""
        return (
            at > 0
            and self._warned[at - 1]
            and below.lstrip().startswith("at ")
            and bool(signals.LOGGED_JAVA.match(self._texts[at]))
        )

    def _tie(self, stream: _Stream, new: Raised, line: str) -> None:
        last = stream.last
        if stream.marker is not None and last is not None:
            _tie(top(last), new, stream.marker)
        elif stream.carrier is not None and stream.open:
            _tie(new, stream.carrier, "carried")
        elif last is not None and line.lstrip(" |").startswith("Caused by"):
            _tie(new, stream.carrier or last, "caused")
        elif last is not None and stream.jvm:
            _tie(new, last, "during")
        elif group := self._group(new, line):
            _tie(new, group, "group")
        elif last is not None and _goes_on(last, new, line):
            _tie(new, last, "carried")
        if line.lstrip(" |").startswith("Caused by"):
            stream.carrier = None

    def _group(self, new: Raised, line: str) -> Raised | None:
        if "|" not in line[: new.depth]:
            return None
        for known in reversed(self.raised[-50:]):
            if (known.name or "").endswith("ExceptionGroup") and known.depth < new.depth:
                return known
        return None


def read(bodies: Sequence[Body], told: Told) -> Traces:
    """Return the exceptions of these lines."""
    reader = _Reader(bodies, told)
    reader.read()
    return Traces(reader.raised, reader.frames)


def exception_class(line: str) -> str | None:
    """Return the class that an exception's line names, as written, or None.

    What a logger put in front of it is passed over: times, levels, names, brackets.
    """
    if (lost := signals.LOST_TASK.search(line, 0, 2000)) is not None:
        line = line[lost.end() :]
    start = 0
    for _ in range(24):
        if found := signals.EXCEPTION.match(line[start : start + 600]):
            after = line[start + found.end("class") :][:1]
            whole = not start or after in ("", ":", "(", ")", "'")
            return innermost(line, start + found.end("class"), found["class"]) if whole else None
        front = signals.FRONT.match(line, start, start + 200)
        if front is None or front.end() == start:
            return None
        start = front.end()
    return None


def innermost(line: str, end: int, name: str) -> str:
    """Return the last of the classes that stand in each other's messages, as Java writes them."""
    for _ in range(8):
        found = signals.NESTED.match(line, end, end + 600)
        if found is None:
            break
        name, end = found["class"], found.end()
    return name


def _announced(line: str) -> str | None:
    """Return the class that a line above a trace says was raised."""
    if found := _ANNOUNCED.search(line):
        return found["class"] or found["last"]
    return exception_class(line)


def _leave(stream: _Stream) -> None:
    """Give the frames of a trace that no exception ended to the one named before it."""
    if stream.above is not None and stream.pending:
        stream.above.frames += stream.pending
        stream.above.end = stream.pending[-1].at
    if stream.above is not None:
        stream.above, stream.pending, stream.start = None, [], None


def _tie(inner: Raised, outer: Raised, how: How) -> None:
    inner.outer, inner.how = outer, how
    outer.inner.append(inner)


def top(raised: Raised) -> Raised:
    """Return the exception that this one was last passed on as."""
    for _ in range(100):
        if raised.outer is None:
            break
        raised = raised.outer
    return raised


def _carries(message: Sequence[str]) -> bool:
    """Say whether an exception's message goes on with the trace below it."""
    told = [line.strip() for line in message if line.strip()]
    return bool(told) and (
        told[-1].endswith((":", '"""', "cell:", "below."))
        or bool(signals.WRAPPER.search(told[0]) and not signals.PROCESS.search(told[0]))
    )


def _goes_on(last: Raised, new: Raised, line: str) -> bool:
    """Say whether a line belongs to the message of the exception above it."""
    if line.startswith(": ") and new.at - last.at <= _NEAR:
        return True
    if new.frames or new.at - last.at > 2:
        same = new.name is not None and new.name == last.name and last.at >= last.start
        return same and bool(last.frames) and not new.frames and last.frames[-1].at > last.at
    return new.name is None
