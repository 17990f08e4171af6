"""How a case ended, in one word, and what the command line ends with for it.

A verdict follows from the events, except for what is no event: `unauthorized`, `unreachable`,
`interrupted`, and `held` where another driver goes on. Those the runner says.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from agent.events import AnyEvent, Cancelled, Escalated, Expired, Opened, Rejected, Settled
from agent.machine import Case, advance, opened

Verdict = Literal[
    "healthy",
    "healed",
    "escalated",
    "waiting",
    "rejected",
    "refused",
    "expired",
    "unauthorized",
    "unreachable",
    "exhausted",
    "partial",
    "held",
    "cancelled",
    "interrupted",
]

EXIT: Mapping[Verdict, int] = MappingProxyType(
    {
        "healthy": 0,
        "healed": 0,
        "escalated": 1,
        "waiting": 3,
        "rejected": 4,
        "refused": 4,
        "expired": 5,
        "unauthorized": 6,
        "unreachable": 7,
        "exhausted": 8,
        "partial": 9,
        "held": 10,
        "cancelled": 11,
        "interrupted": 130,
    }
)
"""Exit code for each verdict. A case stopped by SIGTERM is `interrupted` too, with 143."""


def of(events: Sequence[AnyEvent]) -> Verdict | None:
    """Return the verdict of a history (one event at least), None while it is on its way."""
    return of_case(fold(events))


def of_case(case: Case) -> Verdict | None:
    """Return the verdict of a case, None while it is on its way."""
    match case.end:
        case Rejected():
            return "rejected"
        case Expired():
            return "expired"
        case Escalated(verdict=verdict):
            return verdict
        case Settled():
            return "partial"
        case Cancelled():
            return "cancelled"
    if case.state == "done":
        return "healed" if case.edits else "healthy"
    return "waiting" if case.state == "approve" else None


def fold(events: Sequence[AnyEvent]) -> Case:
    """Return the case that the events make. Raises `ImpossibleEvent` where one does not belong."""
    first, *rest = events
    if not isinstance(first, Opened):
        raise ValueError(f"a history begins with 'opened', found {first.kind!r}")
    case = opened(first)
    for event in rest:
        case = advance(case, event)
    return case
