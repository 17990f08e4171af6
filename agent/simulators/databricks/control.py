"""The simulated workspace's own controls, for tests and rehearsals that drive it from outside.

Rules kept here: everything lies under `/__simulator/`, where no client of the real service looks;
only the owner's token opens it; faults never strike here.

    GET  state                    url, workspace id, time, options
    POST clock                    {"advance_s": 60}
    POST faults, DELETE faults    {"where": "POST /api/*/jobs/run-now", "kind": "503", ...}
    POST options                  {"run_shape": "status", ...}
    POST outcomes                 how the next attempts at a task go
    POST users                    {"name": ..., "grants": {"jobs/123": "CAN_VIEW"}, ...}
    POST clusters                 {"cluster_id": ..., "event": ..., "terminate": ..., "log": ...}
    POST resources                {"kind": "serving_endpoint", "name": ..., "ready": false}
    GET  calls                    what was asked for so far; ?where=GLOB
"""

import base64
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agent.errors import UsageError
from agent.simulators.databricks import (
    clusters,
    computing,
    identity,
    outcomes,
    permissions,
    resources,
)
from agent.simulators.databricks.wire import ApiError, Request, invalid
from agent.simulators.loopback import Reply
from agent.simulators.routing import Handler, Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

ROOT = "/__simulator/"
USER = "user"


def add_user(
    sim: "Simulator",
    name: str,
    grants: dict[str, str] | None = None,
    *,
    lifetime_s: float | None = None,
    scopes: tuple[str, ...] = ("all-apis",),
) -> str:
    """Add a user, or grant more to one that is there, and return a token of theirs.

    `grants`: levels by object, such as `{"jobs/123": "CAN_MANAGE_RUN", "/Users/ana": "CAN_READ"}`.
    Raises `ApiError` for an object type, level or path that is not known.
    """
    with sim.lock:
        sim.store.put(USER, name, {"name": name})
        for what, level in (grants or {}).items():
            permissions.grant(sim, name, what, level)
        return identity.issue_token(sim, name, lifetime_s=lifetime_s, scopes=scopes)


def _state(sim: "Simulator", request: Request) -> dict[str, Any]:
    del request
    return {
        "url": sim.url,
        "workspace_id": sim.workspace_id,
        "user": sim.user,
        "now_ms": sim.clock.now_ms(),
        "options": sim.options.model_dump(),
        "problems": sim.problems,
    }


def _clock(sim: "Simulator", request: Request) -> dict[str, Any]:
    seconds = request.value("advance_s")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
        raise invalid(f'expected {{"advance_s": seconds, 0 or more}}, found {seconds!r}')
    sim.clock.advance(seconds)
    sim.tick()
    return {"now_ms": sim.clock.now_ms()}


def _faults(sim: "Simulator", request: Request) -> dict[str, Any]:
    try:
        sim.faults.add(**{"where": "*", **request.body})
    except (UsageError, TypeError) as error:
        raise invalid(str(error)) from error
    return {}


def _no_faults(sim: "Simulator", request: Request) -> dict[str, Any]:
    del request
    sim.faults.clear()
    return {}


def _options(sim: "Simulator", request: Request) -> dict[str, Any]:
    try:
        whole = {**sim.options.model_dump(), **request.body}
        sim.options = type(sim.options).model_validate(whole)
    except ValidationError as error:
        first = error.errors()[0]
        known = ", ".join(type(sim.options).model_fields)
        raise invalid(f"{first['loc'][0]}: {first['msg']} (options: {known})") from error
    return sim.options.model_dump()


def _outcomes(sim: "Simulator", request: Request) -> dict[str, Any]:
    outcomes.declare_json(sim, request.body)
    return {}


def _users(sim: "Simulator", request: Request) -> dict[str, Any]:
    lifetime = request.value("lifetime_s")
    scopes = tuple(str(one) for one in request.listed("scopes")) or ("all-apis",)
    token = add_user(
        sim,
        request.text("name"),
        {str(k): str(v) for k, v in request.mapping("grants").items()},
        lifetime_s=float(lifetime) if lifetime is not None else None,
        scopes=scopes,
    )
    return {"token": token}


def _clusters(sim: "Simulator", request: Request) -> dict[str, Any]:
    number = request.text("cluster_id")
    computing.find(sim, number)
    if event := request.mapping("event"):
        details = event.get("details") or {}
        computing.declare_event(sim, number, str(event["type"]), details, event.get("timestamp"))
    if reason := request.mapping("terminate"):
        code, kind = str(reason["code"]), str(reason.get("type", "CLOUD_FAILURE"))
        computing.terminate(sim, number, code, kind, reason.get("parameters"))
    if log := request.mapping("log"):
        path = clusters.write_log(sim, number, str(log["name"]), str(log["text"]))
        return {"path": path}
    return {}


def _resources(sim: "Simulator", request: Request) -> dict[str, Any]:
    kind = request.text("kind")
    if kind not in (resources.SERVING, resources.VECTOR_INDEX):
        known = f"{resources.SERVING}, {resources.VECTOR_INDEX}"
        raise invalid(f"unknown kind '{kind}'; there is {known}")
    resources.set_ready(sim, kind, request.text("name"), ready=request.flag("ready"))
    return {}


def _calls(sim: "Simulator", request: Request) -> dict[str, Any]:
    where = request.text("where", "*")
    found = []
    for call in sim.calls:
        if not fnmatchcase(f"{call.method} {call.path}", where) and where != "*":
            continue
        body = call.body
        if isinstance(body, bytes):
            body = {"base64": base64.b64encode(body).decode()}
        found.append({**call._asdict(), "body": body})
    return {"calls": found}


def _guarded(handler: Handler) -> Handler:
    """Let only the owner of the workspace in."""

    def guarded(sim: "Simulator", request: Request) -> "Reply | dict[str, Any]":
        if request.user != sim.user:
            message = "The simulator's controls need the token of the workspace's owner."
            raise ApiError(403, "PERMISSION_DENIED", message)
        try:
            answer: Reply | dict[str, Any] = handler(sim, request)
            return answer
        except KeyError as error:
            raise invalid(f"Missing required field: {error.args[0]}") from error

    return guarded


ROUTES = tuple(
    Route(method, ROOT + name, _guarded(handler))
    for method, name, handler in (
        ("GET", "state", _state),
        ("POST", "clock", _clock),
        ("POST", "faults", _faults),
        ("DELETE", "faults", _no_faults),
        ("POST", "options", _options),
        ("POST", "outcomes", _outcomes),
        ("POST", "users", _users),
        ("POST", "clusters", _clusters),
        ("POST", "resources", _resources),
        ("GET", "calls", _calls),
    )
)
