"""The simulated workspace's own controls, for tests and rehearsals that drive it from outside.

Rules kept here: everything lies under `/__simulator/`, where no client of the real service looks;
no signature is needed, since nothing but this machine reaches it; faults never strike here.

    GET  state                    url, ids, time, options
    POST clock                    {"advance_s": 60}
    POST faults, DELETE faults    {"where": "POST /jobRuns", "kind": "503", ...}
    POST options                  {"contents_down": "404", ...}
    POST outcomes                 how the next attempts at a task go
    POST session                  {"do": "refresh"|"expire", "lifetime_s": 3600}
    GET  calls                    what was asked for so far; ?where=GLOB
"""

import base64
from fnmatch import fnmatchcase
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agent.errors import UsageError
from agent.simulators.aidp import identity
from agent.simulators.aidp.addressing import ROOT
from agent.simulators.aidp.wire import ApiError, Request, invalid
from agent.simulators.loopback import Reply
from agent.simulators.routing import Handler, Route

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator


def _state(sim: "Simulator", request: Request) -> dict[str, Any]:
    del request
    return {
        "url": sim.url,
        "instance_id": sim.instance_id,
        "workspace": sim.workspace,
        "cluster_key": sim.cluster_key,
        "cluster_name": sim.cluster_name,
        "user": sim.user_id,
        "now_ms": sim.now_ms(),
        "options": sim.options.model_dump(),
        "problems": sim.problems,
    }


def _clock(sim: "Simulator", request: Request) -> dict[str, Any]:
    seconds = request.value("advance_s")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
        raise invalid(f'expected {{"advance_s": seconds, 0 or more}}, found {seconds!r}')
    sim.advance(seconds)
    return {"now_ms": sim.now_ms()}


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
    # Loaded late while the tree is being built.
    import_module("agent.simulators.aidp.outcomes").declare_json(sim, request.body)
    return {}


def _session(sim: "Simulator", request: Request) -> dict[str, Any]:
    match request.text("do"):
        case "refresh":
            if not sim.options.refresh_works:
                raise ApiError(401, "NotAuthenticated", "The session cannot be refreshed.")
            lifetime = request.value("lifetime_s")
            identity.refresh(sim, lifetime_s=None if lifetime is None else float(lifetime))
        case "expire":
            identity.expire(sim)
        case other:
            raise invalid(f"unknown {other!r}; there is refresh, expire")
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
        headers = {k: v for k, v in call.headers.items() if k != "authorization"}
        found.append({**call._asdict(), "body": body, "headers": headers})
    return {"calls": found}


def _complete(handler: Handler) -> Handler:
    """Answer 400 where the body lacks a field."""

    def complete(sim: "Simulator", request: Request) -> "Reply | dict[str, Any]":
        try:
            answer: Reply | dict[str, Any] = handler(sim, request)
            return answer
        except KeyError as error:
            raise invalid(f"Missing required field: {error.args[0]}") from error

    return complete


OPEN_ROUTES = tuple(
    Route(method, ROOT + name, _complete(handler))
    for method, name, handler in (
        ("GET", "state", _state),
        ("POST", "clock", _clock),
        ("POST", "faults", _faults),
        ("DELETE", "faults", _no_faults),
        ("POST", "options", _options),
        ("POST", "outcomes", _outcomes),
        ("POST", "session", _session),
        ("GET", "calls", _calls),
    )
)
