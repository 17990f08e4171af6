"""The simulated workspace's own controls, for tests and rehearsals that drive it from outside.

Rules kept here: no signature is needed, since nothing but this machine reaches them. Besides what
every simulated service has (`agent.simulators.control`):

    GET  state                    url, ids, time, options
    POST outcomes                 how the next attempts at a task go
    POST session                  {"do": "refresh"|"expire", "lifetime_s": 3600}
"""

from typing import TYPE_CHECKING, Any

from agent.simulators import control
from agent.simulators.aidp import identity, outcomes
from agent.simulators.aidp.wire import ApiError, Request, invalid

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator


def _state(sim: "Simulator", request: Request) -> dict[str, Any]:
    del request
    return {
        **control.state(sim),
        "instance_id": sim.instance_id,
        "workspace": sim.workspace,
        "cluster_key": sim.cluster_key,
        "cluster_name": sim.cluster_name,
        "user": sim.user_id,
    }


def _outcomes(sim: "Simulator", request: Request) -> dict[str, Any]:
    outcomes.declare_json(sim, request.body)
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


OPEN_ROUTES = control.routes(
    ("GET", "state", _state),
    ("POST", "outcomes", _outcomes),
    ("POST", "session", _session),
)
