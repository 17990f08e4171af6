"""A simulated service's time: the machine's own, or one that moves only when it is told to."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """What a simulator asks for the time."""

    def now_ms(self) -> int:
        """Return milliseconds since the epoch; never less than before."""
        ...

    def advance(self, seconds: float) -> None:
        """Move forward by so many seconds."""
        ...


class RealClock:
    """The machine's time, and whatever it was moved ahead of it."""

    def __init__(self) -> None:
        self._ahead_ms = 0

    def now_ms(self) -> int:
        """Return milliseconds since the epoch."""
        return time.time_ns() // 1_000_000 + self._ahead_ms

    def advance(self, seconds: float) -> None:
        """Move ahead of the machine's time by so many seconds more."""
        self._ahead_ms += _milliseconds(seconds)


class VirtualClock:
    """Stands still until it is advanced."""

    def __init__(self, start_ms: int = 1_790_000_000_000) -> None:
        self._now_ms = start_ms
        self._lock = threading.Lock()

    def now_ms(self) -> int:
        """Return milliseconds since the epoch."""
        return self._now_ms

    def advance(self, seconds: float) -> None:
        """Move forward by so many seconds. Raises `ValueError` where that is backwards."""
        with self._lock:
            self._now_ms += _milliseconds(seconds)


def _milliseconds(seconds: float) -> int:
    if seconds < 0:
        raise ValueError(f"time moves forward only; asked for {seconds} s")
    return round(seconds * 1000)
