"""What happens in a simulated service by itself: one event after another, up to the clock.

However far the clock jumps, each event is handled at its own time: a task begins when the one
before it ended, a queued run when the one before it did.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from agent.simulators.service import Service

_MOST = 200_000

SimT = TypeVar("SimT", bound="Service[Any, Any]")


class Event(NamedTuple):
    """Something that happens at a time, milliseconds since the epoch."""

    at_ms: int
    happen: Callable[[int], None]
    """Called with that time."""


def catch_up(sim: SimT, coming: Callable[[SimT, int], Iterable[Event]]) -> None:
    """Handle every event up to now; of two at one time the one that `coming` gives first.

    `coming`: what is known to come, asked again after each. Raises `RuntimeError` where there is no
    end of them.
    """
    now = sim.clock.now_ms()
    for _ in range(_MOST):
        event = min(coming(sim, now), key=lambda one: one.at_ms, default=None)
        if event is None or event.at_ms > now:
            return
        event.happen(event.at_ms)
    raise RuntimeError("the simulated runs do not come to rest")
