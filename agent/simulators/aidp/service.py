"""The simulated AIDP workspace: routes requests to the modules that answer them, one at a time.

Rules kept here: every request but pre-authenticated links and the simulator's own controls has its
signature verified; both path families answer; a POST with a known opc-retry-token is answered as it
was the first time and done once; every answer carries opc-request-id.
"""

import re
import time
import uuid
from email.utils import formatdate
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from agent.simulators.aidp import identity, retrying, signing
from agent.simulators.aidp.addressing import Address, address, root
from agent.simulators.aidp.options import Family, Options
from agent.simulators.aidp.wire import ApiError, Request, missing, parsed
from agent.simulators.clock import Clock
from agent.simulators.faults import KINDS, REFUSALS
from agent.simulators.loopback import Reply
from agent.simulators.routing import Route, Routes
from agent.simulators.service import Service
from agent.simulators.wire import Refusal

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


class Simulator(Service[Request, Call]):
    """A workspace in a folder; `start` serves it on loopback, `stop` ends it for good.

    The same folder brings back the same jobs, runs, files, keys and ids.
    """

    options: Options

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
        kinds = (*KINDS, *REFUSALS)
        super().__init__(folder, options or Options(), clock=clock, cache=cache, kinds=kinds)
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
        modules = self.use(MODULES)
        self.routes = Routes(_below(modules, "ROUTES", "/workspaces/{ws}"))
        self.open_routes = Routes(_below(modules, "OPEN_ROUTES", ""))

    def below(self, family: Family = "GA") -> str:
        """Return the path of the workspace, as `/20260430/aiDataPlatforms/<id>/workspaces/<ws>`."""
        return f"{root(family)}/{self.instance_id}/workspaces/{self.workspace}"

    def new_key(self) -> str:
        """Return a key for something new: a UUID."""
        return str(uuid.uuid4())

    def taken(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> Request:
        """Return a request, its path below the workspace or the instance where it has one."""
        place = address(target)
        pairs = tuple(parse_qsl(place.query, keep_blank_values=True))
        return Request(
            method=method,
            path=place.path,
            query=dict(pairs),
            raw=raw,
            headers=headers,
            pairs=pairs,
            target=target,
            place=place,
        )

    def fields(self, request: Request) -> dict[str, Any]:
        """Return the body's JSON object. Raises `ApiError`."""
        return parsed(request.raw)

    def admitted(self, request: Request) -> Request:
        """Return the request with who signed it; what is no API path needs no signature."""
        if request.place.family is None:
            return request
        who = signing.verify(self, request.method, request.target, request.headers, request.raw)
        return request.but(key_id=who.key_id, user=who.user, by_token=who.by_token)

    def handle(self, request: Request) -> Reply:
        """Carry out a request. Raises `ApiError`."""
        place = request.place
        if place.family is None:
            found = self.open_routes.find(request.method, place.path)
        else:
            self._check(place)
            where = "" if place.workspace is None else "/workspaces/{ws}"
            found = self.routes.find(request.method, where + place.path)
        if found is None:
            raise missing()
        route, args = found
        request = request.but(args=args, body={} if route.raw else self.fields(request))
        with self.store.changes():
            if (known := retrying.replay(self, request)) is not None:
                return known
            reply = self.called(route, request)
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
        return self.refusal(ApiError(status, code, message))

    def refusal(self, error: Refusal) -> Reply:
        """Return the error as it goes over the wire."""
        return Reply(error.status, {"code": error.code, "message": error.message})

    def trouble_of(self, kind: str) -> ApiError:
        """Return how the platform words a fault."""
        if kind in ("401", "expired"):
            return signing.refused("a fault that was asked for")
        return missing() if kind == "404" else ApiError(*_TROUBLES[kind])

    def headed(self, request: Request, reply: Reply) -> Reply:
        """Add opc-request-id, the client's own where it sent one, and the service's time."""
        given = request.headers.get("opc-request-id", "")
        name = given if re.fullmatch(r"[\w-]{1,255}", given, re.ASCII) else uuid.uuid4().hex.upper()
        off = self.options.clock_off_s
        dated = {"Date": formatdate(time.time() + off, usegmt=True)} if off else {}
        return reply._replace(headers={"opc-request-id": name, **dated, **reply.headers})

    def call(self, request: Request, body: dict[str, Any] | bytes | None, status: int) -> Call:
        """Return how a request is taken down."""
        headers = dict(request.headers)
        asked = (request.method, request.path, request.query)
        return Call(*asked, body, status, request.key_id, headers, request.target)


_TROUBLES = {
    "403": (403, "NotAuthorized", "The user is not allowed to do this."),
    "409": (409, "IncorrectState", "The resource is not in a state that allows this."),
    "412": (412, "NoEtagMatch", "The etag in the if-match header does not match the resource's."),
    "429": (429, "TooManyRequests", "Too many requests for the user. Please try again later."),
    "500": (500, "InternalError", "An internal server error has occurred."),
    "503": (503, "ServiceUnavailable", "The service is currently unavailable."),
}


def _below(modules: list[ModuleType], name: str, root: str) -> list[Route]:
    """Return the modules' routes with their whole patterns."""
    found = [r for module in modules for r in getattr(module, name, ())]
    routes = [route._replace(pattern=root + route.pattern) for route in found]
    if name == "ROUTES":
        routes += [r for module in modules for r in getattr(module, "INSTANCE_ROUTES", ())]
    return routes
