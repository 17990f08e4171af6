"""A simulated service's own controls, for tests and rehearsals that drive it from outside.

Rules kept here: everything lies under `/__simulator/`, where no client of the real service looks;
faults never strike here. What every service has:

    POST clock                    {"advance_s": 60}
    POST faults, DELETE faults    {"where": "POST /jobs", "kind": "503", ...}
    POST options                  how it behaves where real ones differ
    GET  calls                    what was asked for so far; ?where=GLOB

A service adds its own, and says who may use them.
"""

import base64
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agent.errors import UsageError
from agent.simulators.routing import Handler, Route
from agent.simulators.wire import AnyRequest, first_mistake

if TYPE_CHECKING:
    from agent.simulators.service import Service

ROOT = "/__simulator/"
"""Where the controls lie."""


def state(sim: "Service[Any, Any]") -> dict[str, Any]:
    """Return what `GET state` says of every service: url, time, options, our own bugs."""
    return {
        "url": sim.url,
        "now_ms": sim.clock.now_ms(),
        "options": sim.options.model_dump(),
        "problems": sim.problems,
    }


def _clock(sim: "Service[Any, Any]", request: AnyRequest) -> dict[str, Any]:
    seconds = request.value("advance_s")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
        found = f'expected {{"advance_s": seconds, 0 or more}}, found {seconds!r}'
        raise request.invalid(found)
    sim.advance(seconds)
    return {"now_ms": sim.clock.now_ms()}


def _faults(sim: "Service[Any, Any]", request: AnyRequest) -> dict[str, Any]:
    try:
        sim.faults.add(**{"where": "*", **request.body})
    except (UsageError, TypeError) as error:
        raise request.invalid(str(error)) from error
    return {}


def _no_faults(sim: "Service[Any, Any]", request: AnyRequest) -> dict[str, Any]:
    del request
    sim.faults.clear()
    return {}


def _options(sim: "Service[Any, Any]", request: AnyRequest) -> dict[str, Any]:
    model = type(sim.options)
    try:
        sim.options = model.model_validate({**sim.options.model_dump(), **request.body})
    except ValidationError as error:
        said = first_mistake(error, model.model_fields, "options")
        raise request.invalid(said) from error
    return sim.options.model_dump()


def _calls(sim: "Service[Any, Any]", request: AnyRequest) -> dict[str, Any]:
    where = request.text("where", "*")
    asked = [call for call in sim.calls if fnmatchcase(f"{call.method} {call.path}", where)]
    return {"calls": [_shown(call._asdict()) for call in asked]}


def _shown(call: dict[str, Any]) -> dict[str, Any]:
    """Return a call as JSON, without what would let somebody else in."""
    if isinstance(call["body"], bytes):
        call["body"] = {"base64": base64.b64encode(call["body"]).decode()}
    if "headers" in call:
        call["headers"] = {k: v for k, v in call["headers"].items() if k != "authorization"}
    return call


def _guarded(handler: Handler, check: Callable[[Any, Any], None] | None) -> Handler:
    """Let `check` refuse first; answer 400 where the body lacks a field."""

    def guarded(sim: "Service[Any, Any]", request: AnyRequest) -> Any:
        if check is not None:
            check(sim, request)
        try:
            return handler(sim, request)
        except KeyError as error:
            raise request.invalid(f"Missing required field: {error.args[0]}") from error

    return guarded


def routes(
    *own: tuple[str, str, Handler], check: Callable[[Any, Any], None] | None = None
) -> tuple[Route, ...]:
    """Return the routes of what every service has and of its own: method, name, handler.

    `check`: raises `Refusal` for who may not use them.
    """
    common: tuple[tuple[str, str, Handler], ...] = (
        ("POST", "clock", _clock),
        ("POST", "faults", _faults),
        ("DELETE", "faults", _no_faults),
        ("POST", "options", _options),
        ("GET", "calls", _calls),
    )
    return tuple(
        Route(method, ROOT + name, _guarded(handler, check))
        for method, name, handler in (*common, *own)
    )
