"""Which exception of a chain counts, and where it happened.

Rules kept here: the deepest cause counts: what a `direct cause` names first, the last `Caused by:`,
the first of a group, what a wrapper carries in its message. An exception raised while another was
handled counts itself, unless it only passes the other one on. The user's own line is the innermost
one of the deepest exception that has one; a place in a declaration is closer than the frame that
read it, a prompt's or a query's line counts where there is nothing else.
Source: https://peps.python.org/pep-3134/
"""

import re
from collections.abc import Iterator, Sequence

from agent.matrix.logs import signals, traces
from agent.matrix.logs.frames import Frame, Layout
from agent.matrix.logs.traces import Raised

_RAISED_ON_PURPOSE = re.compile(r"\s*raise\b")


def is_wrapper(raised: Raised, line: str) -> bool:
    """Say whether an exception only passes on that something else failed."""
    return bool(signals.WRAPPER.search(line)) or (raised.name or "").endswith("ExceptionGroup")


def cause(outermost: Raised, texts: Sequence[str]) -> Raised:
    """Return the deepest cause of a chain, given its outermost exception."""
    found = outermost
    for _ in range(200):
        deeper = [inner for inner in found.inner if inner.how != "during"]
        if not deeper and _passes_on(found, texts):
            deeper = [inner for inner in found.inner if inner.how == "during"]
        if not deeper:
            return found
        found = deeper[0]
    return found


def _passes_on(raised: Raised, texts: Sequence[str]) -> bool:
    """Say whether an exception raised while another one was handled says nothing of its own."""
    if is_wrapper(raised, texts[raised.at]):
        return True
    short = (raised.name or "").rpartition(".")[2]
    frame = raised.frames[-1] if raised.frames else None
    code = frame.location.code if frame is not None else None
    return short in signals.BARE and code is not None and bool(_RAISED_ON_PURPOSE.match(code))


def own_frame(raised: Raised) -> Frame | None:
    """Return the innermost place of the user's own code in this exception's chain."""
    chain = [*_outward(raised), *_inward(traces.top(raised))]
    for generated in (False, True):
        for one in chain:
            if (frame := _innermost(one.frames, generated=generated)) is not None:
                return frame
    return None


def _outward(raised: Raised) -> Iterator[Raised]:
    at: Raised | None = raised
    for _ in range(200):
        if at is None:
            return
        yield at
        at = at.outer


def _inward(outermost: Raised) -> Iterator[Raised]:
    waiting = [outermost]
    for _ in range(200):
        if not waiting:
            return
        one = waiting.pop()
        yield one
        waiting += one.inner


def _innermost(frames: Sequence[Frame], *, generated: bool) -> Frame | None:
    users = [f for f in frames if not f.library and f.generated == generated]
    declared = [f for f in users if f.layout is Layout.DECLARED]
    called = [f for f in users if f.layout not in (Layout.DECLARED, Layout.JAVA, Layout.QUERY)]
    java = [f for f in users if f.layout is Layout.JAVA]
    queries = [f for f in users if f.layout is Layout.QUERY]
    for found in (declared[-1:], called[-1:], java[:1], queries[:1]):
        if found:
            return found[0]
    return None
