"""The simulated AIDP workspace: routes requests to the modules that answer them, one at a time.

Rules kept here: every request but pre-authenticated links and the simulator's own controls has its
signature verified; both path families answer; a POST with a known opc-retry-token is answered as it
was the first time and done once; every answer carries opc-request-id.
"""

import importlib
import re
import uuid
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from agent.simulators.aidp import faulting, identity, retrying, signing
from agent.simulators.aidp.addressing import ROOT, Address, address, root
from agent.simulators.aidp.options import Family, Options
from agent.simulators.aidp.wire import ApiError, Request, missing, parsed
from agent.simulators.clock import Clock
from agent.simulators.faults import KINDS, REFUSALS, Fault
from agent.simulators.loopback import Reply
from agent.simulators.routing import Route, Routes
from agent.simulators.service import Service

MODULES = (
    "control",
    "retrying",
    "filestore",
    "workspaces",
    "contents",
    "objects",
    "par",
    "archives",
    "jobs",
    "clusters",
    "logs",
    "metrics",
    "asyncops",
    "libraries",
    "sessions",
    "runs",
    "runviews",
    "taskruns",
    "outputs",
    "repairs",
    "scheduling",
)
"""Modules of this package that answer requests or move with time.

`ROUTES`: below `/workspaces/{ws}`. `INSTANCE_ROUTES`: below the instance. `OPEN_ROUTES`: whole
paths that need no signature. Also `tick`, `prepare` and `close`.
"""


class Call(NamedTuple):
    """A request as it came, and how it ended."""

    method: str
    path: str
    """Below `/workspaces/{ws}`, else below the instance, else whole; as sent, not decoded."""
    query: dict[str, str]
    body: dict[str, Any] | bytes | None
    """The JSON object; else the bytes; None where there was none."""
    status: int
    """0 where the connection was closed without a reply."""
    key_id: str
    """Whose signature was verified; empty where none was, as on pre-authenticated links."""
    headers: dict[str, str]
    """Names in lower case."""
    target: str
    """The whole path and query, as sent."""


class Simulator(Service[Call]):
    """A workspace in a folder; `start` serves it on loopback, `stop` ends it for good.

    The same folder brings back the same jobs, runs, files, keys and ids.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock | None = None,
        options: Options | None = None,
        cache: Path | None = None,
    ) -> None:
        """Open the workspace; `cache`: where environments of real tasks are kept, None = inside.

        Raises `UsageError` where the folder is in use or cannot be used."""
        super().__init__(folder, clock=clock, cache=cache, kinds=(*KINDS, *REFUSALS))
        self.options = options or Options()
        known = identity.settle(self.store)
        self.region = identity.REGION
        self.tenancy_id = known["tenancy"]
        self.user_id = known["user"]
        self.user_name = known["user_name"]
        self.instance_id = known["instance"]
        self.workspace = known["workspace"]
        self.cluster_key = known["cluster"]
        self.cluster_name = self.options.cluster_name
        self.config_file = identity.write(self)
        modules = _modules()
        self.use(modules)
        self.routes = Routes(_below(modules, "ROUTES", "/workspaces/{ws}"))
        self.open_routes = Routes(_below(modules, "OPEN_ROUTES", ""))

    def below(self, family: Family = "GA") -> str:
        """Return the path of the workspace, as `/20260430/aiDataPlatforms/<id>/workspaces/<ws>`."""
        return f"{root(family)}/{self.instance_id}/workspaces/{self.workspace}"

    def now_ms(self) -> int:
        """Return the simulator's time, milliseconds since the epoch."""
        return self.clock.now_ms()

    def new_key(self) -> str:
        """Return a key for something new: a UUID."""
        return str(uuid.uuid4())

    def advance(self, seconds: float) -> None:
        """Move the time on and everything with it."""
        self.clock.advance(seconds)
        self.tick()

    def answer(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> Reply | None:
        """Return the reply to one request; None = close the connection without one.

        `target`: path and query as sent; `headers`: names in lower case.
        """
        place = address(target)
        ours = place.path.startswith(ROOT) and place.family is None
        fault = None if ours else self.faults.strike(method, place.path)
        if fault is not None and fault.kind == "slow":
            self.closing.wait(fault.seconds)
        pairs = tuple(parse_qsl(place.query, keep_blank_values=True))
        query, family = dict(pairs), place.family or "GA"
        request = Request(method, place.path, {}, query, {}, raw, headers, "", family, pairs)
        with self.lock:
            if self.closing.is_set():
                return None
            key_id, reply = self._answered(place, target, request, fault)
            status = reply.status if reply is not None else 0
            body = _noted(raw)
            self.note(Call(method, place.path, query, body, status, key_id, headers, target))
        return None if reply is None else _named(reply, headers)

    def _answered(
        self, place: Address, target: str, request: Request, fault: Fault | None
    ) -> tuple[str, Reply | None]:
        """Return whose signature was verified, and the reply."""
        key_id = ""
        try:
            self.tick()
            if place.family is not None:
                who = signing.verify(self, request.method, target, request.headers, request.raw)
                key_id = who.key_id
                request = request._replace(user=who.user, by_token=who.by_token)
            if fault is not None and fault.kind == "drop_before":
                return key_id, None
            early = faulting.early(fault, self.options, self.now_ms())
            reply = early or self._routed(place, request)
        except ApiError as error:
            reply = error.reply()
        return key_id, faulting.late(fault, reply, self.options, self.now_ms())

    def _routed(self, place: Address, request: Request) -> Reply:
        if place.family is None:
            found = self.open_routes.find(request.method, place.path)
        else:
            self._check(place)
            where = "" if place.workspace is None else "/workspaces/{ws}"
            found = self.routes.find(request.method, where + place.path)
        if found is None:
            raise missing()
        route, args = found
        body = {} if route.raw else parsed(request.raw)
        request = request._replace(args=args, body=body)
        with self.store.changes():
            if (known := retrying.replay(self, request)) is not None:
                return known
            answer = route.handler(self, request)
            reply = answer if isinstance(answer, Reply) else Reply(body=answer)
            retrying.keep(self, request, reply)
            return reply

    def _check(self, place: Address) -> None:
        """Refuse a version and prefix that do not answer here, and what is not ours."""
        ours = place.workspace in (None, self.workspace) and place.instance == self.instance_id
        if place.family not in self.options.families or not ours:
            raise missing()

    def trouble(self, status: int, message: str) -> Reply:
        """Return what is said of a request that never reached the service's own code."""
        code = "InternalError" if status >= 500 else "InvalidParameter"
        return ApiError(status, code, message).reply()


def _below(modules: list[ModuleType], name: str, root: str) -> list[Route]:
    """Return the modules' routes with their whole patterns."""
    found = [r for module in modules for r in getattr(module, name, ())]
    routes = [route._replace(pattern=root + route.pattern) for route in found]
    if name == "ROUTES":
        routes += [r for module in modules for r in getattr(module, "INSTANCE_ROUTES", ())]
    return routes


def _noted(raw: bytes) -> dict[str, Any] | bytes | None:
    try:
        return (parsed(raw) if raw else None) or (raw or None)
    except ApiError:
        return raw


def _named(reply: Reply, headers: dict[str, str]) -> Reply:
    """Add opc-request-id: the client's own where it sent one."""
    given = headers.get("opc-request-id", "")
    name = given if re.fullmatch(r"[\w-]{1,255}", given, re.ASCII) else uuid.uuid4().hex.upper()
    return reply._replace(headers={"opc-request-id": name, **reply.headers})


def _modules() -> list[ModuleType]:
    package = __name__.rpartition(".")[0]
    return [importlib.import_module(f"{package}.{name}") for name in MODULES]
