"""Notebook sessions over REST: made, shown, changed, deleted; cells cannot be run through them.

Rules kept here: a session needs an ACTIVE cluster; for a while after its start there is no
execution context (404), and then the kernel is null at first, where the workspace is realistic.
The kernel's WebSocket is not simulated.
Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import computing, wire
from agent.simulators.aidp.wire import Request, invalid
from agent.simulators.loopback import Reply
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

KIND = "session"
WARM_MS = 60_000
"""How long a cluster has no execution context after it became ACTIVE, for real."""
KERNEL_MS = 120_000
"""How long a session has no kernel, for real."""

Session = dict[str, Any]


def _create(sim: "Simulator", request: Request) -> Reply:
    key = request.body.get("cluster_id") or request.body.get("clusterId")
    if not key:
        raise invalid("cluster_id must not be null")
    cluster = computing.find(sim, str(key))
    active = computing.state(sim, cluster) == "ACTIVE"
    since = [at for at, name in cluster["states"] if name == "ACTIVE"]
    warm = sim.options.realistic and active and sim.clock.now_ms() < since[-1] + WARM_MS
    if not active or warm:
        raise wire.missing(f"No execution_context is available on cluster {key}.")
    kernel = request.body.get("kernel")
    session = {
        "id": sim.new_key(),
        "name": request.body.get("name") or "",
        "path": request.text("path"),
        "type": request.text("type", "notebook"),
        "cluster_id": key,
        "kernel_id": sim.new_key(),
        "kernel_name": kernel["name"]
        if isinstance(kernel, dict) and kernel.get("name")
        else "notebook",
        "created": sim.clock.now_ms(),
    }
    sim.store.put(KIND, session["id"], session)
    return Reply(201, _shown(sim, session))


def _shown(sim: "Simulator", session: Session) -> Session:
    waits = KERNEL_MS if sim.options.realistic else 0
    ready = sim.clock.now_ms() >= session["created"] + waits
    kernel = {
        "id": session["kernel_id"],
        "name": session["kernel_name"],
        "last_activity": wire.stamp(session["created"]),
        "connections": 0,
        "execution_state": "idle",
    }
    hidden = ("kernel_id", "kernel_name", "created")
    found = {k: v for k, v in session.items() if k not in hidden}
    found |= {"kernel": kernel if ready else None}
    return found | {"lifecycleState": "ACTIVE" if ready else "CREATING"}


def _find(sim: "Simulator", request: Request) -> Session:
    found = sim.store.get(KIND, request.args["id"])
    if found is None:
        raise wire.missing(f"Session {request.args['id']} is not found.")
    return found


def _get(sim: "Simulator", request: Request) -> Session:
    return _shown(sim, _find(sim, request))


def _list(sim: "Simulator", request: Request) -> Reply:
    return wire.paged([_shown(sim, one) for _, one in sim.store.items(KIND)], request, sim)


def _patch(sim: "Simulator", request: Request) -> Session:
    given = {k: v for k, v in request.body.items() if k in ("name", "path", "type")}
    session = _find(sim, request) | given
    sim.store.put(KIND, session["id"], session)
    return _shown(sim, session)


def _delete(sim: "Simulator", request: Request) -> Reply:
    sim.store.delete(KIND, _find(sim, request)["id"])
    return Reply(204, b"")


_SESSIONS = "/notebook/api/sessions"
ROUTES = (
    Route("POST", _SESSIONS, _create),
    Route("GET", _SESSIONS, _list),
    Route("GET", _SESSIONS + "/{id}", _get),
    Route("PATCH", _SESSIONS + "/{id}", _patch),
    Route("DELETE", _SESSIONS + "/{id}", _delete),
)
