"""The simulated workspace: routes requests to the modules that answer them, one at a time.

Every answer names the workspace.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from agent.simulators.clock import Clock
from agent.simulators.databricks import access, identity
from agent.simulators.databricks.options import Options
from agent.simulators.databricks.wire import ApiError, Request, parsed
from agent.simulators.loopback import Reply
from agent.simulators.routing import Route
from agent.simulators.service import Service
from agent.simulators.wire import Refusal

MODULES = (
    "identity",
    "permissions",
    "workspace",
    "catalog",
    "schemas",
    "resources",
    "secretscopes",
    "dbfs",
    "clusters",
    "libraries",
    "control",
    "jobs",
    "runs",
    "runviews",
    "repairs",
    "outputs",
    "scheduling",
    "statements",
    "warehouses",
    "pipelines",
    "monitors",
    "alerts",
    "genie",
)
"""Modules of this package that answer requests (`ROUTES`) or move with time (`tick`)."""


class Call(NamedTuple):
    """A request as it came, and how it ended."""

    method: str
    path: str
    query: dict[str, str]
    body: dict[str, Any] | bytes | None
    """The JSON object or the form's fields; else the bytes; None where there was none."""
    status: int
    """0 where the connection was closed without a reply."""
    user_agent: str


class Simulator(Service[Request, Call]):
    """A workspace in a folder; `start` serves it on loopback, `stop` ends it for good.

    The same folder brings back the same jobs, runs, files, token and workspace id.
    """

    options: Options

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock | None = None,
        options: Options | None = None,
        token: str | None = None,
        cache: Path | None = None,
    ) -> None:
        """Open the workspace; `cache`: where environments of real tasks are kept, None = inside.

        Raises `UsageError` where the folder is in use or cannot be used."""
        super().__init__(folder, options or Options(), clock=clock, cache=cache)
        known = identity.settle(self.store, token)
        self.token: str = known["token"]
        self.user: str = known["user"]
        self.workspace_id: int = known["workspace_id"]
        self.client: tuple[str, str] = (known["client_id"], known["client_secret"])
        """Id and secret of a machine that may act as the owner by OAuth."""
        self.use(MODULES)

    def taken(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> Request:
        """Return a request, its path without double slashes."""
        parts = urlsplit("//x/" + target.lstrip("/"))
        path = re.sub(r"/{2,}", "/", parts.path)
        pairs = tuple(parse_qsl(parts.query, keep_blank_values=True))
        query = dict(pairs)
        return Request(method=method, path=path, query=query, raw=raw, headers=headers, pairs=pairs)

    def fields(self, request: Request) -> dict[str, Any]:
        """Return what the body says: a JSON object or a form. Raises `ApiError`."""
        return parsed(request.raw, request.headers.get("content-type", ""))

    def handle(self, request: Request) -> Reply:
        """Carry out a request. Raises `ApiError`."""
        found = self.routes.find(request.method, request.path)
        if found is None:
            short = re.sub(r"^/api/\d+\.\d+", "", request.path)
            message = f"No API found for '{request.method} {short}'"
            raise ApiError(404, "ENDPOINT_NOT_FOUND", message)
        with self.store.changes():
            return self._routed(request, *found)

    def _routed(self, request: Request, route: Route, args: dict[str, str]) -> Reply:
        user = "" if route.open else identity.authenticate(self, request)
        body = {} if route.raw else self.fields(request)
        request = request.but(args=args, user=user, body=body)
        if not route.open:
            access.check(self, request)
        reply = self.called(route, request)
        access.note_creation(self, request, reply)
        return reply

    def trouble(self, status: int, message: str) -> Reply:
        """Return what is said of a request that never reached the service's own code."""
        code = "INTERNAL_ERROR" if status >= 500 else "BAD_REQUEST"
        return Reply(status, {"error_code": code, "message": message})

    def refusal(self, error: Refusal) -> Reply:
        """Return the error as it goes over the wire."""
        as_number = self.options.integer_error_code
        body: dict[str, Any] = {
            "error_code": error.status if as_number else error.code,
            "message": error.message,
        }
        if isinstance(error, ApiError) and error.details is not None:
            body["details"] = error.details
        return Reply(error.status, body, {"X-Databricks-Reason-Phrase": error.message[:200]})

    def trouble_of(self, kind: str) -> ApiError:
        """Return how the service words a fault."""
        return identity.token_refused() if kind == "expired" else ApiError(*_TROUBLES[kind])

    def headed(self, request: Request, reply: Reply) -> Reply:
        """Name the workspace."""
        del request
        named = {"X-Databricks-Org-Id": str(self.workspace_id)}
        return reply._replace(headers={**named, **reply.headers})

    def call(self, request: Request, body: dict[str, Any] | bytes | None, status: int) -> Call:
        """Return how a request is taken down."""
        agent = request.headers.get("user-agent", "")
        return Call(request.method, request.path, request.query, body, status, agent)


_TROUBLES = {
    "429": (429, "RESOURCE_EXHAUSTED", "Too many requests. Please wait a moment and try again."),
    "503": (503, "TEMPORARILY_UNAVAILABLE", "The service is temporarily unavailable."),
    "500": (500, "INTERNAL_ERROR", "An internal error occurred."),
}
