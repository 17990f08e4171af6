"""What every simulated service is: a folder, a clock, faults, and a socket on loopback.

Rules kept here: every module's documents are brought up to the clock before a request is handled;
what a request changes is kept whole or not at all; a bug of ours is answered with 500, kept in
`problems` and shown, never hidden.
"""

import ssl
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Generic, Self, TypeVar

from agent.simulators.clock import Clock, RealClock
from agent.simulators.faults import KINDS, Faults, Kind
from agent.simulators.loopback import Listener, Reply
from agent.simulators.routing import Routes
from agent.simulators.store import Store

TICK_S = 0.1
"""How often a service on the machine's time moves on when nobody asks."""

_KEPT_CALLS = 20_000

CallT = TypeVar("CallT")
"""How a service takes down a request and how it ended."""


class Service(Generic[CallT]):
    """A service in a folder; `start` serves it on loopback, `stop` ends it for good."""

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock | None = None,
        cache: Path | None = None,
        kinds: Sequence[Kind] = KINDS,
    ) -> None:
        """Open the service; `cache`: where environments of real tasks are kept, None = inside;
        `kinds`: the faults it knows.

        Raises `UsageError` where the folder is in use or cannot be used."""
        self.folder = folder
        self.cache = cache or folder / "cache"
        self.store = Store(folder)
        self.clock: Clock = clock or RealClock()
        self.lock = threading.RLock()
        self.faults = Faults(kinds)
        self.calls: list[CallT] = []
        self.problems: list[str] = []
        """Tracebacks of our own bugs; a test sees that it is empty."""
        self.closing = threading.Event()
        """Set when the service ends; whoever waits in a thread waits on this."""
        self.routes = Routes([])
        self._ticks: list[Callable[[Any], None]] = []
        self._closes: list[Callable[[Any], None]] = []
        self._listener: Listener | None = None
        self._ticker: threading.Thread | None = None
        self._resume_time()

    def use(self, modules: Sequence[ModuleType]) -> None:
        """Serve what these modules answer (`ROUTES`), move (`tick`), make at first (`prepare`)
        and end (`close`)."""
        self.routes = Routes([r for module in modules for r in getattr(module, "ROUTES", ())])
        self._ticks = [module.tick for module in modules if hasattr(module, "tick")]
        self._closes = [module.close for module in modules if hasattr(module, "close")]
        with self.store.changes():
            for module in modules:
                if hasattr(module, "prepare"):
                    module.prepare(self)

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, without a slash at its end; empty before `start`."""
        return "" if self._listener is None else self._listener.url

    def start(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """Serve on loopback; 0 takes a free port. Raises `UsageError` where it cannot be had."""
        self._listener = Listener(self, port, tls)
        if isinstance(self.clock, RealClock):
            self._ticker = threading.Thread(target=self._go_on, name="ticker", daemon=True)
            self._ticker.start()

    def stop(self) -> None:
        """Stop serving and let go of the folder; a second call does nothing."""
        if self.closing.is_set():
            return
        self.closing.set()
        if self._listener is not None:
            self._listener.close()
        if self._ticker is not None:
            self._ticker.join()
        with self.lock:
            for close in self._closes:
                close(self)
            self.store.put("simulator", "time", {"now_ms": self.clock.now_ms()})
            self.store.close()

    def __enter__(self) -> Self:
        if self._listener is None:
            self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def tick(self) -> None:
        """Bring every module's documents up to the clock."""
        with self.lock:
            for move in self._ticks:
                with self.store.changes():
                    move(self)

    def note(self, call: CallT) -> None:
        """Take down a request; the oldest are forgotten."""
        self.calls.append(call)
        del self.calls[:-_KEPT_CALLS]

    def answer(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> Reply | None:
        """Return the reply to one request; None = close the connection without one.

        `target`: path and query as sent; `headers`: names in lower case.
        """
        raise NotImplementedError

    def trouble(self, status: int, message: str) -> Reply:
        """Return what is said of a request that never reached the service's own code."""
        raise NotImplementedError

    def _resume_time(self) -> None:
        left = self.store.get("simulator", "time")
        if left is not None and (behind := left["now_ms"] - self.clock.now_ms()) > 0:
            self.clock.advance(behind / 1000)

    def _go_on(self) -> None:
        while not self.closing.wait(TICK_S):
            self.tick()
