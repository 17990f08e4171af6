"""The simulated workspace's own controls, for tests and rehearsals that drive it from outside.

Rules kept here: only the owner's token opens them. Besides what every simulated service has
(`agent.simulators.control`):

    GET  state                    url, workspace id, time, options
    POST outcomes                 how the next attempts at a task go
    POST users                    {"name": ..., "grants": {"jobs/123": "CAN_VIEW"}, ...}
    POST clusters                 {"cluster_id": ..., "event": ..., "terminate": ..., "log": ...}
    POST resources                {"kind": "serving_endpoint", "name": ..., "ready": false}
"""

from typing import TYPE_CHECKING, Any

from agent.simulators import control
from agent.simulators.databricks import (
    clusters,
    computing,
    identity,
    outcomes,
    permissions,
    resources,
)
from agent.simulators.databricks.wire import ApiError, Request, invalid

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

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
    return {**control.state(sim), "workspace_id": sim.workspace_id, "user": sim.user}


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


def _owner_only(sim: "Simulator", request: Request) -> None:
    if request.user != sim.user:
        message = "The simulator's controls need the token of the workspace's owner."
        raise ApiError(403, "PERMISSION_DENIED", message)


ROUTES = control.routes(
    ("GET", "state", _state),
    ("POST", "outcomes", _outcomes),
    ("POST", "users", _users),
    ("POST", "clusters", _clusters),
    ("POST", "resources", _resources),
    check=_owner_only,
)
