"""Clusters over the wire: listed, made, changed, started, stopped, restarted, deleted.

Rules kept here: an action wants a JSON body, `{}` at least; it answers 202 and goes on by the
clock; a cluster that is starting cannot be started. The default compute is no part of the list,
has its own address below the instance, and runs no jobs.
Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import asyncops, computing, listing, permissions, wire
from agent.simulators.aidp.computing import KIND, Document, by_key, by_name
from agent.simulators.aidp.wire import Request, invalid
from agent.simulators.loopback import Reply
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

__all__ = ["by_key", "by_name", "state"]

_SHAPE = {"ocpus": 2, "memoryInGBs": 16, "gpus": 0}
SPEC: dict[str, Any] = {
    "type": "USER",
    "driverConfig": {"driverShape": "amd.generic", "driverShapeConfig": _SHAPE},
    "workerConfig": {
        "minWorkerCount": 1,
        "maxWorkerCount": 1,
        "workerShape": "amd.generic",
        "workerShapeConfig": _SHAPE,
    },
    "clusterRuntimeConfig": {"sparkVersion": "3.5.0", "type": "SPARK", "initScripts": []},
    "autoTerminationMinutes": 120,
}
"""The cluster that every workspace has from the start, without its name."""
_NAME = re.compile(r"[A-Za-z0-9_/ ]{1,255}")
_ACTIONS = {
    "start": (("STOPPED", "FAILED"), "STARTING", "ACTIVE"),
    "stop": (("ACTIVE", "STARTING", "FAILED"), "STOPPING", "STOPPED"),
    "restart": (("ACTIVE",), "RESTARTING", "ACTIVE"),
}
"""From which states, through which and into which state an action leads."""


def prepare(sim: "Simulator") -> None:
    """Make the named cluster and the default compute of a new workspace.

    The named one is ACTIVE at once; where the workspace is realistic, it is still starting.
    """
    if sim.store.get(KIND, sim.cluster_key) is not None:
        return
    spec = {**SPEC, "displayName": sim.cluster_name}
    at_once = not sim.options.realistic
    computing.launch(sim, sim.cluster_key, spec, sim.user_id, at_once=at_once)
    permissions.own(sim, KIND, sim.cluster_key, sim.user_id)
    spec = {**SPEC, "displayName": computing.DEFAULT_NAME}
    default = computing.launch(sim, computing.default_key(sim), spec, sim.user_id, at_once=True)
    computing.save(sim, default | {"default": True})


def state(sim: "Simulator", document: Mapping[str, Any]) -> str:
    """Return a cluster's state now, such as ACTIVE."""
    return computing.state(sim, document)


def start(sim: "Simulator", key: str) -> None:
    """Start a cluster without a request."""
    with sim.lock:
        computing.move(sim, key, "STARTING", "ACTIVE")


def stop(sim: "Simulator", key: str) -> None:
    """Have a cluster stopped, now."""
    computing.put_in(sim, key, "STOPPED")


def shown(sim: "Simulator", document: Document) -> dict[str, Any]:
    """Return a cluster as the service gives it out."""
    default = computing.is_default(document)
    return {
        **document["spec"],
        "key": document["key"],
        "sourceApi": "DEFAULT_CLUSTER_API" if default else "CLUSTER_API",
        "state": computing.state(sim, document),
        "stateDetails": document["details"],
        "createdBy": document["user"],
        "createdByName": permissions.called(sim, document["user"]),
        "updatedBy": document["changed_by"],
        "updatedByName": permissions.called(sim, document["changed_by"]),
        "stoppedBy": document["stopped_by"],
        "timeCreated": wire.moment(sim, document["created"]),
        "timeUpdated": wire.moment(sim, document["updated"]),
    }


def _tag(sim: "Simulator", document: Document) -> dict[str, str]:
    tag = wire.etag(document["key"], document["version"])
    return {"etag": tag} if sim.options.etags else {}


def _match(sim: "Simulator", request: Request, document: Document) -> None:
    if sim.options.etags:
        wire.match(request, wire.etag(document["key"], document["version"]))


def _resource(document: Document) -> tuple[str, str, str]:
    return "CLUSTER", document["key"], computing.name_of(document)


def _listed(sim: "Simulator", request: Request) -> Reply:
    found = [one for key, _ in sim.store.items(KIND) if (one := by_key(sim, key)) is not None]
    kind = request.query.get("type", "USER")
    found = [one for one in found if one["spec"]["type"] == kind and not computing.is_default(one)]
    fields = {"state": "state", "displayName": "displayName"}
    items = listing.filtered([shown(sim, one) for one in found], request, fields)
    by = {"timeCreated": "timeCreated", "displayName": "displayName", "state": "state"}
    return wire.paged(listing.ordered(items, request, by), request, sim)


def _listed_of_all(sim: "Simulator", request: Request) -> Reply:
    if request.family != "LA" or not sim.options.cluster_list_all:
        raise wire.missing()
    return _listed(sim, request)


def _get(sim: "Simulator", request: Request) -> Reply:
    document = computing.find(sim, request.args["cluster"])
    return Reply(200, shown(sim, document), _tag(sim, document))


def _get_default(sim: "Simulator", request: Request) -> Reply:
    del request
    document = computing.find(sim, computing.default_key(sim))
    found = {**shown(sim, document), "workspaceKey": sim.workspace}
    return Reply(200, found, _tag(sim, document))


def _checked(sim: "Simulator", request: Request, own: str = "") -> dict[str, Any]:
    spec = {k: v for k, v in request.body.items() if k not in ("key", "state", "sourceApi")}
    name = spec.get("displayName")
    if name is None:
        raise invalid("displayName must not be null")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise invalid(
            "displayName must have no special characters in its name except for underscore, slash"
        )
    if spec.get("type") not in ("USER", "AI_COMPUTE", "DFL"):
        raise invalid("type must be one of USER, AI_COMPUTE, DFL")
    twin = by_name(sim, name)
    if twin is not None and twin["key"] != own:
        code = "NotAuthorizedOrResourceAlreadyExists"
        raise wire.conflict(f"Cluster {name} already exists.", code)
    return spec


def _create(sim: "Simulator", request: Request) -> Reply:
    document = computing.launch(sim, sim.new_key(), _checked(sim, request), request.user)
    permissions.own(sim, KIND, document["key"], request.user)
    takes = computing.starts_ms(sim, document["key"]) / 1000
    named = asyncops.begin(sim, request, "CREATE_CLUSTER", _resource(document), takes_s=takes)
    return Reply(202, shown(sim, document), {**named, **_tag(sim, document)})


def _update(sim: "Simulator", request: Request) -> Reply:
    document = computing.find(sim, request.args["cluster"])
    _match(sim, request, document)
    given = request.but(body={"type": document["spec"]["type"], **request.body})
    spec = _checked(sim, given, own=document["key"])
    if (was := computing.state(sim, document)) not in ("ACTIVE", "STOPPED", "FAILED"):
        raise wire.conflict(f"Cluster cannot be updated in state {was}.", "IncorrectState")
    computing.save(sim, document | {"spec": spec})
    return _moving(sim, request, "UPDATE_CLUSTER", "UPDATING", was)


def _moving(sim: "Simulator", request: Request, action: str, passing: str, then: str) -> Reply:
    key = request.args["cluster"]
    document, takes = computing.move(sim, key, passing, then, user=request.user)
    named = asyncops.begin(sim, request, action, _resource(document), takes_s=takes)
    return Reply(202, shown(sim, document), {**named, **_tag(sim, document)})


def _delete(sim: "Simulator", request: Request) -> Reply:
    document = computing.find(sim, request.args["cluster"])
    _match(sim, request, document)
    if computing.is_default(document):
        raise wire.missing()
    return _moving(sim, request, "DELETE_CLUSTER", "DELETING", "DELETED")._replace(body={})


def _act(sim: "Simulator", request: Request) -> Reply:
    action = request.args["action"]
    if action not in _ACTIONS:
        raise wire.missing()
    if not request.raw.strip():
        raise invalid("The request body must not be null")
    document = computing.find(sim, request.args["cluster"])
    _match(sim, request, document)
    allowed, passing, then = _ACTIONS[action]
    if (was := computing.state(sim, document)) not in allowed:
        raise wire.conflict(f"Cluster {document['key']} is in state {was}; cannot {action} it.")
    return _moving(sim, request, f"{action.upper()}_CLUSTER", passing, then)


def _permissions(sim: "Simulator", request: Request) -> Reply:
    document = computing.find(sim, request.args["cluster"])
    return wire.paged(permissions.listed(sim, KIND, document["key"]), request, sim)


def _manage(sim: "Simulator", request: Request) -> Reply:
    document = computing.find(sim, request.args["cluster"])
    permissions.manage(sim, KIND, document["key"], request, "ClusterPermissionDetails")
    return Reply(200, {})


def _replicas(sim: "Simulator", request: Request) -> dict[str, Any]:
    computing.find(sim, request.args["cluster"])
    return {"replicaIds": []}


_ONE = "/clusters/{cluster}"
ROUTES = (
    Route("GET", "/clusters", _listed),
    Route("POST", "/clusters", _create),
    Route("GET", _ONE, _get),
    Route("PUT", _ONE, _update),
    Route("DELETE", _ONE, _delete),
    Route("POST", _ONE + "/actions/{action}", _act),
    Route("POST", _ONE + "/actions/managePermission", _manage),
    Route("POST", _ONE + "/actions/queryReplicaIds", _replicas),
    Route("GET", _ONE + "/permissions", _permissions),
)
INSTANCE_ROUTES = (
    Route("GET", "/clusters", _listed_of_all),
    Route("GET", "/defaultCluster", _get_default),
)
