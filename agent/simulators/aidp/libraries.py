"""Libraries of clusters: listed, and installed or taken off by one PATCH.

Nothing is installed for real: tasks have the environment that the simulator's engine gives them.
Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import asyncops, computing, permissions, wire
from agent.simulators.aidp.wire import Request, invalid
from agent.simulators.loopback import Reply
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

_WHAT = ("path", "pythonPackage", "coordinate", "name")
"""Fields of which one says which library is meant, by its type."""


def _list(sim: "Simulator", request: Request) -> Reply:
    document = computing.find(sim, request.args["cluster"])
    return wire.paged(document["libraries"], request, sim)


def _patch(sim: "Simulator", request: Request) -> Reply:
    document = computing.find(sim, request.args["cluster"])
    given = request.listed("items")
    if not given or not all(isinstance(one, dict) for one in given):
        raise invalid("items must not be empty")
    for one in given:
        _apply(sim, request, document, one)
    computing.save(sim, document)
    resource = ("CLUSTER", document["key"], computing.name_of(document))
    return Reply(202, {}, asyncops.begin(sim, request, "PATCH_CLUSTER_LIBRARIES", resource))


def _apply(
    sim: "Simulator", request: Request, document: dict[str, Any], one: dict[str, Any]
) -> None:
    operation, what = one.get("operation"), _what(one)
    if operation not in ("INSTALL", "UNINSTALL") or what is None or not one.get("type"):
        raise invalid("items need operation (INSTALL, UNINSTALL), type and what is meant")
    rest = [held for held in document["libraries"] if _what(held) != what]
    if operation == "INSTALL":
        now = wire.moment(sim, sim.clock.now_ms())
        about = {k: v for k, v in one.items() if k != "operation"}
        about |= {"status": "INSTALLED", "stateMessage": None}
        about |= {"timeCreated": now, "timeUpdated": now}
        about |= {"installedBy": request.user}
        rest.append({**about, "installedByName": permissions.called(sim, request.user)})
    document["libraries"] = rest


def _what(one: dict[str, Any]) -> str | None:
    return next((str(one[name]) for name in _WHAT if one.get(name)), None)


ROUTES = (
    Route("GET", "/clusters/{cluster}/libraries", _list),
    Route("PATCH", "/clusters/{cluster}/libraries", _patch),
)
