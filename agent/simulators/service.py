"""What every simulated service is: a folder, a clock, faults, and a socket on loopback.

Rules kept here: requests are handled one at a time; every module's documents are brought up to the
clock before; what one changes is kept whole or not at all; a fault strikes before or after it,
never within; a bug of ours is answered with 500, kept in `problems` and shown, never hidden.
"""

import importlib
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Generic, Self, TypeVar

from agent.simulators.clock import Clock, RealClock
from agent.simulators.control import ROOT
from agent.simulators.faults import KINDS, Fault, Faults, Kind
from agent.simulators.loopback import Listener, Reply
from agent.simulators.options import AnyOptions
from agent.simulators.routing import Route, Routes
from agent.simulators.store import Store
from agent.simulators.wire import AnyRequest, Refusal

TICK_S = 0.1
"""How often a service on the machine's time moves on when nobody asks."""

_KEPT_CALLS = 20_000

_PROXY = Reply(
    502,
    b"<html><head><title>502 Bad Gateway</title></head>"
    b"<body><h1>502 Bad Gateway</h1><pre>upstream connect error</pre></body></html>",
    {"Content-Type": "text/html"},
)

RequestT = TypeVar("RequestT", bound=AnyRequest)
CallT = TypeVar("CallT")
"""How a service takes down a request and how it ended."""


class Service(ABC, Generic[RequestT, CallT]):
    """A service in a folder; `start` serves it on loopback, `stop` ends it for good."""

    def __init__(
        self,
        folder: Path,
        options: AnyOptions,
        *,
        clock: Clock | None = None,
        cache: Path | None = None,
        kinds: Sequence[Kind] = KINDS,
    ) -> None:
        """Open the service; `cache`: where environments of real tasks are kept, None = inside;
        `kinds`: the faults it knows.

        Raises `UsageError` where the folder is in use or cannot be used."""
        self.folder = folder
        self.options = options
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

    def use(self, names: Sequence[str]) -> list[ModuleType]:
        """Serve what these modules beside the service's own answer (`ROUTES`), move (`tick`), make
        at first (`prepare`) and end (`close`). Return them."""
        ours = (c.__module__ for c in type(self).__mro__ if c.__module__.startswith("agent."))
        package = next(ours).rpartition(".")[0]  # a test's own class lies elsewhere
        modules = [importlib.import_module(f"{package}.{name}") for name in names]
        self.routes = Routes([r for module in modules for r in getattr(module, "ROUTES", ())])
        self._ticks = [module.tick for module in modules if hasattr(module, "tick")]
        self._closes = [module.close for module in modules if hasattr(module, "close")]
        with self.store.changes():
            for module in modules:
                if hasattr(module, "prepare"):
                    module.prepare(self)
        return modules

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

    def advance(self, seconds: float) -> None:
        """Move the time on and everything with it."""
        self.clock.advance(seconds)
        self.tick()

    def note(self, call: CallT) -> None:
        """Take down a request; the oldest are forgotten."""
        self.calls.append(call)
        del self.calls[:-_KEPT_CALLS]

    def answer(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> Reply | None:
        """Return the reply to one request; None = close the connection without one.

        `target`: path and query as sent; `headers`: names in lower case.
        """
        request = self.taken(method, target, headers, raw)
        ours = request.path.startswith(ROOT)
        fault = None if ours else self.faults.strike(method, request.path)
        if fault is not None and fault.kind == "slow":
            self.closing.wait(fault.seconds)
        with self.lock:
            if self.closing.is_set():
                return None
            request, reply = self._answered(request, fault)
            self.note(
                self.call(request, self._noted(request), 0 if reply is None else reply.status)
            )
        return None if reply is None else self.headed(request, reply)

    def _answered(self, request: RequestT, fault: Fault | None) -> tuple[RequestT, Reply | None]:
        """Return the request as it was let in, and the reply as the fault leaves it."""
        try:
            self.tick()
            request = self.admitted(request)
            if fault is not None and fault.kind == "drop_before":
                return request, None
            reply = self._early(fault) or self.handle(request)
        except Refusal as error:
            reply = self.refusal(error)
        return request, self._late(fault, reply)

    def _early(self, fault: Fault | None) -> Reply | None:
        """Return what is answered before anything is done; None = the request is carried out."""
        if fault is None or fault.kind == "slow" or fault.kind.endswith("_after"):
            return None
        return _PROXY if fault.kind == "html" else self._struck(fault)

    def _late(self, fault: Fault | None, reply: Reply) -> Reply | None:
        """Return what becomes of a reply once all is done; None = it is lost."""
        if fault is None or not fault.kind.endswith("_after"):
            return reply
        return None if fault.kind == "drop_after" else self._struck(fault)

    def _struck(self, fault: Fault) -> Reply:
        error = self.trouble_of(fault.kind.removesuffix("_after"))
        reply = self.refusal(error)
        if error.status not in (429, 503):
            return reply
        wait = fault.wait_header(self.options.retry_after, self.clock.now_ms())
        return reply._replace(headers={**reply.headers, **wait})

    def _noted(self, request: RequestT) -> dict[str, Any] | bytes | None:
        """Return a body as calls are taken down with: its fields, else the bytes, None = empty."""
        try:
            return (self.fields(request) if request.raw else None) or request.raw or None
        except Refusal:
            return request.raw

    def called(self, route: Route, request: RequestT) -> Reply:
        """Return what the function of a route answers."""
        answer = route.handler(self, request)
        return answer if isinstance(answer, Reply) else Reply(body=answer)

    @abstractmethod
    def taken(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> RequestT:
        """Return a request, its path as faults and calls name it, its body still raw."""

    @abstractmethod
    def fields(self, request: RequestT) -> dict[str, Any]:
        """Return what the body says. Raises `Refusal` where it cannot be read."""

    def admitted(self, request: RequestT) -> RequestT:
        """Return the request with who asks, where that is known before its route is.

        Raises `Refusal`."""
        return request

    @abstractmethod
    def handle(self, request: RequestT) -> Reply:
        """Carry out a request; what it changes is kept whole or not at all. Raises `Refusal`."""

    @abstractmethod
    def refusal(self, error: Refusal) -> Reply:
        """Return a refusal as it goes over the wire."""

    @abstractmethod
    def trouble_of(self, kind: str) -> Refusal:
        """Return how the service words a fault: a status, or `expired`."""

    @abstractmethod
    def headed(self, request: RequestT, reply: Reply) -> Reply:
        """Return a reply with the headers that every one has."""

    @abstractmethod
    def call(self, request: RequestT, body: dict[str, Any] | bytes | None, status: int) -> CallT:
        """Return how a request is taken down; status 0: it got no reply."""

    @abstractmethod
    def trouble(self, status: int, message: str) -> Reply:
        """Return what is said of a request that never reached the service's own code."""

    def _resume_time(self) -> None:
        left = self.store.get("simulator", "time")
        if left is not None and (behind := left["now_ms"] - self.clock.now_ms()) > 0:
            self.clock.advance(behind / 1000)

    def _go_on(self) -> None:
        while not self.closing.wait(TICK_S):
            self.tick()
