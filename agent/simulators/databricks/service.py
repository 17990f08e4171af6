"""The simulated workspace: routes requests to the modules that answer them, one at a time.

Every answer names the workspace.
"""

import importlib
import re
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from agent.simulators.clock import Clock
from agent.simulators.databricks import access, identity
from agent.simulators.databricks.options import Options
from agent.simulators.databricks.wire import ApiError, Request, parsed
from agent.simulators.faults import Fault
from agent.simulators.loopback import Reply
from agent.simulators.routing import Route
from agent.simulators.service import Service

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


class Simulator(Service[Call]):
    """A workspace in a folder; `start` serves it on loopback, `stop` ends it for good.

    The same folder brings back the same jobs, runs, files, token and workspace id.
    """

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
        super().__init__(folder, clock=clock, cache=cache)
        self.options = options or Options()
        known = identity.settle(self.store, token)
        self.token: str = known["token"]
        self.user: str = known["user"]
        self.workspace_id: int = known["workspace_id"]
        self.client: tuple[str, str] = (known["client_id"], known["client_secret"])
        """Id and secret of a machine that may act as the owner by OAuth."""
        self.use(_modules())

    def answer(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> Reply | None:
        """Return the reply to one request; None = close the connection without one.

        `target`: path and query as sent; `headers`: names in lower case.
        """
        path, query = _target(target)
        fault = None if path.startswith("/__simulator/") else self.faults.strike(method, path)
        if fault is not None and fault.kind == "slow":
            self.closing.wait(fault.seconds)
        pairs = tuple(parse_qsl(query, keep_blank_values=True))
        body = _noted(raw, headers)
        with self.lock:
            if self.closing.is_set():
                return None
            reply = self._early(fault)
            if reply is None and (fault is None or fault.kind != "drop_before"):
                reply = self._handled(
                    Request(method, path, {}, dict(pairs), {}, raw, headers, "", pairs)
                )
                reply = self._late(fault, reply)
            status = reply.status if reply is not None else 0
            agent = headers.get("user-agent", "")
            self.note(Call(method, path, dict(pairs), body, status, agent))
        if reply is None:
            return None
        named = {"X-Databricks-Org-Id": str(self.workspace_id)}
        return reply._replace(headers={**named, **reply.headers})

    def _handled(self, request: Request) -> Reply:
        try:
            self.tick()
            found = self.routes.find(request.method, request.path)
            if found is None:
                short = re.sub(r"^/api/\d+\.\d+", "", request.path)
                message = f"No API found for '{request.method} {short}'"
                raise ApiError(404, "ENDPOINT_NOT_FOUND", message)
            with self.store.changes():
                return self._routed(request, *found)
        except ApiError as error:
            return self.refusal(error)

    def _routed(self, request: Request, route: Route, args: dict[str, str]) -> Reply:
        user = "" if route.open else identity.authenticate(self, request)
        kind = request.headers.get("content-type", "")
        body = {} if route.raw else parsed(request.raw, kind)
        request = request._replace(args=args, user=user, body=body)
        if not route.open:
            access.check(self, request)
        answer = route.handler(self, request)
        reply = answer if isinstance(answer, Reply) else Reply(body=answer)
        access.note_creation(self, request, reply)
        return reply

    def trouble(self, status: int, message: str) -> Reply:
        """Return what is said of a request that never reached the service's own code."""
        code = "INTERNAL_ERROR" if status >= 500 else "BAD_REQUEST"
        return Reply(status, {"error_code": code, "message": message})

    def refusal(self, error: ApiError) -> Reply:
        """Return the error as it goes over the wire."""
        as_number = self.options.integer_error_code
        body: dict[str, Any] = {
            "error_code": error.status if as_number else error.code,
            "message": error.message,
        }
        if error.details is not None:
            body["details"] = error.details
        return Reply(error.status, body, {"X-Databricks-Reason-Phrase": error.message[:200]})

    def _early(self, fault: Fault | None) -> Reply | None:
        if fault is None or fault.kind not in _EARLY:
            return None
        if fault.kind == "html":
            return Reply(502, _PROXY_PAGE, {"Content-Type": "text/html"})
        if fault.kind == "expired":
            return self.refusal(identity.token_refused())
        return self._busy(fault)

    def _late(self, fault: Fault | None, reply: Reply) -> Reply | None:
        if fault is None or fault.kind == "slow":
            return reply
        return None if fault.kind == "drop_after" else self._busy(fault)

    def _busy(self, fault: Fault) -> Reply:
        status, code, message = _BUSY[fault.kind.removesuffix("_after")]
        headers = {}
        if status != 500:
            headers = fault.wait_header(self.options.retry_after, self.clock.now_ms())
        reply = self.refusal(ApiError(status, code, message))
        return reply._replace(headers={**reply.headers, **headers})


_EARLY = ("429", "503", "500", "html", "expired")
_BUSY = {
    "429": (429, "RESOURCE_EXHAUSTED", "Too many requests. Please wait a moment and try again."),
    "503": (503, "TEMPORARILY_UNAVAILABLE", "The service is temporarily unavailable."),
    "500": (500, "INTERNAL_ERROR", "An internal error occurred."),
}
_PROXY_PAGE = (
    b"<html><head><title>502 Bad Gateway</title></head>"
    b"<body><h1>502 Bad Gateway</h1><pre>upstream connect error</pre></body></html>"
)


def _target(target: str) -> tuple[str, str]:
    parts = urlsplit("//x/" + target.lstrip("/"))
    return re.sub(r"/{2,}", "/", parts.path), parts.query


def _noted(raw: bytes, headers: dict[str, str]) -> dict[str, Any] | bytes | None:
    try:
        return (parsed(raw, headers.get("content-type", "")) if raw else None) or (raw or None)
    except ApiError:
        return raw


def _modules() -> list[ModuleType]:
    package = __name__.rpartition(".")[0]
    return [importlib.import_module(f"{package}.{name}") for name in MODULES]
