"""The simulated platform's workspaces: there is one, and it can be looked up, not changed.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import wire
from agent.simulators.aidp.wire import Request, missing
from agent.simulators.loopback import Reply
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

NAME = "rehearsal"


def prepare(sim: "Simulator") -> None:
    """Note when the workspace was made."""
    if sim.store.get("simulator", "workspace") is None:
        sim.store.put("simulator", "workspace", {"made_ms": sim.clock.now_ms()})


def _workspace(sim: "Simulator") -> dict[str, Any]:
    made = int((sim.store.get("simulator", "workspace") or {})["made_ms"])
    return {
        "key": sim.workspace,
        "displayName": NAME,
        "description": None,
        "type": "USER",
        "lifecycleState": "ACTIVE",
        "timeCreated": wire.moment(sim, made),
        "timeUpdated": wire.moment(sim, made),
        "createdBy": sim.user_id,
        "createdByName": sim.user_name,
        "isPrivateNetworkEnabled": False,
    }


def _list(sim: "Simulator", request: Request) -> Reply:
    one = _workspace(sim)
    wanted = request.text("displayName", None)
    part = request.text("displayNameContains", "")
    state = request.text("lifecycleState", "ACTIVE")
    fits = wanted in (None, NAME) and part in NAME and state == "ACTIVE"
    return wire.paged([one] if fits else [], request, sim)


def _get(sim: "Simulator", request: Request) -> Reply:
    if request.args["ws"] != sim.workspace:
        raise missing()
    return Reply(200, _workspace(sim), {"etag": wire.etag(sim.workspace, 1)})


INSTANCE_ROUTES = (
    Route("GET", "/workspaces", _list),
    Route("GET", "/workspaces/{ws}", _get),
)
