"""Asynchronous operations: what a 202 began, looked up by its key, listed, cancelled.

Rules kept here: an operation ends by the clock; a list wants a status or a resource type.
Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import listing, permissions, wire
from agent.simulators.aidp.wire import ApiError, Request
from agent.simulators.loopback import Reply
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

KIND = "async_operation"

Operation = dict[str, Any]


def begin(
    sim: "Simulator",
    request: Request,
    action: str,
    resource: tuple[str, str, str],
    *,
    takes_s: float = 0.0,
    details: str = "",
) -> dict[str, str]:
    """Note an operation and return the header that names it.

    `action`: such as START_CLUSTER; `resource`: type, key and display name, such as CLUSTER;
    `details`: `statusDetails` once it has succeeded.
    """
    now = sim.clock.now_ms()
    kind, name, shown = resource
    operation: Operation = {
        "key": sim.new_key(),
        "resourceType": kind,
        "actionType": action,
        "resourceName": name,
        "resourceDisplayName": shown,
        "createdBy": request.user,
        "createdByName": permissions.called(sim, request.user),
        "begins": now,
        "ends": now + round(takes_s * 1000),
        "details": details,
        "canceled": None,
    }
    sim.store.put(KIND, operation["key"], operation)
    return {request.operation_header: operation["key"]}


def status(sim: "Simulator", operation: Mapping[str, Any]) -> str:
    """Return IN_PROGRESS, SUCCEEDED or CANCELED."""
    if operation["canceled"] is not None:
        return "CANCELED"
    return "SUCCEEDED" if operation["ends"] <= sim.clock.now_ms() else "IN_PROGRESS"


def _shown(sim: "Simulator", operation: Operation) -> Operation:
    is_now = status(sim, operation)
    hidden = ("begins", "ends", "details", "canceled")
    found = {k: v for k, v in operation.items() if k not in hidden}
    found |= {"status": is_now, "timeStarted": wire.moment(sim, operation["begins"])}
    found |= {"timeFinished": None, "statusDetails": None, "errorCode": None, "errorMessage": None}
    if is_now != "IN_PROGRESS":
        ended = operation["canceled"] or operation["ends"]
        found["timeFinished"] = wire.moment(sim, ended)
    if is_now == "SUCCEEDED":
        found["statusDetails"] = operation["details"] or None
    return found


def _find(sim: "Simulator", request: Request) -> Operation:
    found = sim.store.get(KIND, request.args["key"])
    if found is None:
        raise wire.missing()
    return found


def _get(sim: "Simulator", request: Request) -> Operation:
    return _shown(sim, _find(sim, request))


def _list(sim: "Simulator", request: Request) -> Reply:
    if not request.query.get("status") and not request.query.get("resourceType"):
        message = "ResourceType or Status filter need to be specified"
        raise ApiError(400, "MissingParameter", message)
    found = [_shown(sim, one) for _, one in sim.store.items(KIND)]
    fields = {"resourceType": "resourceType", "status": "status", "resourceName": "resourceName"}
    if part := request.query.get("matchResourceName"):
        found = [one for one in found if part in one["resourceName"]]
    if request.flag("shouldFilterByCallingPrincipal"):
        found = [one for one in found if one["createdBy"] == request.user]
    by = {"timeStarted": "timeStarted", "timeCreated": "timeStarted", "status": "status"}
    by |= {"displayName": "resourceDisplayName"}
    found = listing.ordered(listing.filtered(found, request, fields), request, by, "timeStarted")
    return wire.paged(found, request, sim)


def _cancel(sim: "Simulator", request: Request) -> Reply:
    operation = _find(sim, request)
    if status(sim, operation) != "IN_PROGRESS":
        raise wire.conflict("The operation is not in progress.", "IncorrectState")
    sim.store.put(KIND, operation["key"], operation | {"canceled": sim.clock.now_ms()})
    return Reply(202, {})


INSTANCE_ROUTES = (
    Route("GET", "/asyncOperations", _list),
    Route("GET", "/asyncOperations/{key}", _get),
    Route("POST", "/asyncOperations/{key}/actions/cancel", _cancel),
)
