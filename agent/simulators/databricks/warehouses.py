"""SQL warehouses of the simulated workspace.

Rules kept here: a state is a function of the document and the clock; one warehouse, `rehearsal`, is
there from the start; a start takes no time unless the workspace is realistic.
Source: https://docs.databricks.com/api/workspace/warehouses
"""

import hashlib
from typing import TYPE_CHECKING, Any

from agent.simulators.databricks.wire import ApiError, Request, invalid, missing
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

KIND = "warehouse"
DEFAULT_NAME = "rehearsal"
START_S = 120.0
STOP_S = 10.0
_DEFAULTS: dict[str, Any] = {
    "auto_stop_mins": 10,
    "channel": {"name": "CHANNEL_NAME_CURRENT"},
    "cluster_size": "Small",
    "enable_photon": True,
    "enable_serverless_compute": False,
    "max_num_clusters": 1,
    "min_num_clusters": 1,
    "spot_instance_policy": "COST_OPTIMIZED",
    "tags": {},
    "warehouse_type": "PRO",
}
_SETTINGS = (*_DEFAULTS, "name", "instance_profile_arn", "max_dbu", "statement_timeout")
_SIZES = (
    "2X-Small",
    "X-Small",
    "Small",
    "Medium",
    "Large",
    "X-Large",
    "2X-Large",
    "3X-Large",
    "4X-Large",
    "5X-Large",
)
_NEXT = {"STARTING": "RUNNING", "STOPPING": "STOPPED"}


def _id(sim: "Simulator", seed: object) -> str:
    return hashlib.sha256(f"{sim.workspace_id}/{seed}".encode()).hexdigest()[:16]


def default_id(sim: "Simulator") -> str:
    """Return the id of the warehouse that is there from the start."""
    return _id(sim, DEFAULT_NAME)


def tick(sim: "Simulator") -> None:
    """Let starts and stops end, and idle warehouses stop where the workspace is realistic."""
    own = default_id(sim)
    if sim.store.get(KIND, own) is None and sim.store.get("warehouse_deleted", own) is None:
        settings = {**_DEFAULTS, "name": DEFAULT_NAME}
        _put(sim, own, settings, "STOPPED" if sim.options.realistic else "RUNNING")
    now = sim.clock.now_ms()
    for key, found in sim.store.items(KIND):
        if found["until_ms"] is not None and found["until_ms"] <= now:
            at = found["until_ms"]
            _set(sim, key, found, _NEXT[found["state"]], at)
        elif _idle(sim, found, now):
            _set(sim, key, found, "STOPPED", now)


def _idle(sim: "Simulator", found: dict[str, Any], now: int) -> bool:
    minutes = int(found["settings"].get("auto_stop_mins") or 0)
    due = found["used_ms"] + minutes * 60_000 <= now
    return sim.options.realistic and found["state"] == "RUNNING" and minutes > 0 and due


def _put(sim: "Simulator", key: str, settings: dict[str, Any], state: str) -> dict[str, Any]:
    found = {
        "settings": settings,
        "state": state,
        "until_ms": None,
        "used_ms": sim.clock.now_ms(),
        "creator": sim.user,
    }
    sim.store.put(KIND, key, found)
    return found


def _set(
    sim: "Simulator", key: str, found: dict[str, Any], state: str, at: int, *, takes_s: float = 0
) -> dict[str, Any]:
    until = at + round(takes_s * 1000) if takes_s else None
    found = found | {"state": state, "until_ms": until, "used_ms": at}
    sim.store.put(KIND, key, found)
    return found


def need(sim: "Simulator", key: str) -> dict[str, Any]:
    """Return a warehouse's document. Raises `ApiError` (404) where there is none."""
    found = sim.store.get(KIND, key)
    if found is None:
        raise missing(f"SQL warehouse {key} does not exist at all in the database")
    return found


def start(sim: "Simulator", key: str) -> str:
    """Start a warehouse that is stopped; return its state then."""
    found = need(sim, key)
    now = sim.clock.now_ms()
    if found["state"] in ("RUNNING", "STARTING"):
        sim.store.put(KIND, key, found | {"used_ms": now})
        return str(found["state"])
    realistic = sim.options.realistic
    state = "STARTING" if realistic else "RUNNING"
    return str(_set(sim, key, found, state, now, takes_s=START_S if realistic else 0)["state"])


def _shown(sim: "Simulator", key: str, found: dict[str, Any]) -> dict[str, Any]:
    running = found["state"] == "RUNNING"
    host = sim.url.removeprefix("http://").partition(":")[0]
    return {
        **found["settings"],
        "id": key,
        "creator_name": found["creator"],
        "state": found["state"],
        "num_clusters": 1 if running else 0,
        "num_active_sessions": 0,
        "health": {"status": "HEALTHY"} if running else {},
        "odbc_params": {
            "hostname": host,
            "path": f"/sql/1.0/warehouses/{key}",
            "port": 443,
            "protocol": "https",
        },
        "jdbc_url": f"jdbc:spark://{host}:443/default;httpPath=/sql/1.0/warehouses/{key};",
    }


def _settings(sim: "Simulator", request: Request, key: str | None) -> dict[str, Any]:
    given = {name: request.body[name] for name in _SETTINGS if name in request.body}
    if key is None and not given.get("name"):
        raise invalid("Missing required field: name")
    size = given.get("cluster_size", "Small")
    if size not in _SIZES:
        raise invalid(f"{size} is not a valid cluster size; expected one of {', '.join(_SIZES)}")
    for other, found in sim.store.items(KIND):
        if other != key and found["settings"]["name"] == given.get("name"):
            raise invalid(f"SQL warehouse with name `{given['name']}` already exists")
    return given


def _create(sim: "Simulator", request: Request) -> dict[str, Any]:
    settings = _settings(sim, request, None)
    key = _id(sim, sim.store.number())
    found = _put(sim, key, {**_DEFAULTS, **settings}, "STOPPED")
    sim.store.put(KIND, key, found)
    start(sim, key)
    return {"id": key}


def _edit(sim: "Simulator", request: Request) -> dict[str, Any]:
    key = request.text("id")
    found = need(sim, key)
    settings = _settings(sim, request, key)
    sim.store.put(KIND, key, found | {"settings": {**found["settings"], **settings}})
    return {}


def _get(sim: "Simulator", request: Request) -> dict[str, Any]:
    key = request.text("id")
    return _shown(sim, key, need(sim, key))


def _list(sim: "Simulator", request: Request) -> dict[str, Any]:
    found = sim.store.items(KIND)
    size = request.number("page_size", default=0) or len(found) or 1
    begin = int(request.page() or 0)
    page = [_shown(sim, key, one) for key, one in found[begin : begin + size]]
    after = begin + size
    more = {"next_page_token": str(after)} if after < len(found) else {}
    return {"warehouses": page, **more}


def _start(sim: "Simulator", request: Request) -> dict[str, Any]:
    start(sim, request.text("id"))
    return {}


def _stop(sim: "Simulator", request: Request) -> dict[str, Any]:
    key = request.text("id")
    found = need(sim, key)
    if found["state"] in ("STOPPED", "STOPPING"):
        return {}
    now, realistic = sim.clock.now_ms(), sim.options.realistic
    state = "STOPPING" if realistic else "STOPPED"
    _set(sim, key, found, state, now, takes_s=STOP_S if realistic else 0)
    return {}


def _delete(sim: "Simulator", request: Request) -> dict[str, Any]:
    key = request.text("id")
    need(sim, key)
    sim.store.delete(KIND, key)
    sim.store.put("warehouse_deleted", key, {})
    return {}


def refuse_unknown(sim: "Simulator", key: str) -> None:
    """Raise what a statement for an unknown warehouse is answered with (400)."""
    if sim.store.get(KIND, key) is None:
        raise ApiError(400, "INVALID_PARAMETER_VALUE", f"{key} is not a valid endpoint id.")


_PATH = "/api/2.{version}/sql/warehouses"
ROUTES = (
    Route("POST", _PATH, _create),
    Route("GET", _PATH, _list),
    Route("GET", _PATH + "/{id}", _get),
    Route("DELETE", _PATH + "/{id}", _delete),
    Route("POST", _PATH + "/{id}/edit", _edit),
    Route("POST", _PATH + "/{id}/start", _start),
    Route("POST", _PATH + "/{id}/stop", _stop),
)
