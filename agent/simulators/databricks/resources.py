"""Serving endpoints and vector search of the simulated workspace.

Source: https://docs.databricks.com/api/workspace/servingendpoints
Source: https://docs.databricks.com/api/workspace/vectorsearchindexes
"""

import uuid
from typing import TYPE_CHECKING, Any

from agent.simulators.databricks.wire import ApiError, Request, missing, paged
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

SERVING = "serving_endpoint"
VECTOR_ENDPOINT = "vector_endpoint"
VECTOR_INDEX = "vector_index"
STARTS_S = 600
"""How long an endpoint takes to get ready where the workspace is realistic."""


def _ready_ms(sim: "Simulator") -> int:
    return sim.clock.now_ms() + (STARTS_S * 1000 if sim.options.realistic else 0)


def _is_ready(sim: "Simulator", document: dict[str, Any]) -> bool:
    return sim.clock.now_ms() >= int(document["ready_ms"])


def _known(sim: "Simulator", kind: str, name: str, message: str) -> dict[str, Any]:
    found = sim.store.get(kind, name)
    if found is None:
        raise missing(message)
    return found


def _serving(sim: "Simulator", document: dict[str, Any]) -> dict[str, Any]:
    ready = _is_ready(sim, document)
    state = {
        "ready": document["state"] or ("READY" if ready else "NOT_READY"),
        "config_update": "NOT_UPDATING" if ready else "IN_PROGRESS",
    }
    return {**document["shown"], "state": state}


def _endpoint(sim: "Simulator", request: Request) -> dict[str, Any]:
    name = request.args["name"]
    return _known(sim, SERVING, name, f"Endpoint with name '{name}' does not exist.")


def _create_endpoint(sim: "Simulator", request: Request) -> dict[str, Any]:
    name, now = request.text("name"), sim.clock.now_ms()
    if sim.store.get(SERVING, name) is not None:
        message = f"Endpoint with name '{name}' already exists."
        raise ApiError(400, "RESOURCE_ALREADY_EXISTS", message)
    shown = {
        **request.body,
        "id": uuid.uuid4().hex,
        "creator": request.user,
        "creation_timestamp": now,
        "last_updated_timestamp": now,
        "permission_level": "CAN_MANAGE",
    }
    document = {"shown": shown, "ready_ms": _ready_ms(sim), "state": None}
    sim.store.put(SERVING, name, document)
    return _serving(sim, document)


def _get_endpoint(sim: "Simulator", request: Request) -> dict[str, Any]:
    return _serving(sim, _endpoint(sim, request))


def _list_endpoints(sim: "Simulator", request: Request) -> dict[str, Any]:
    del request
    return {"endpoints": [_serving(sim, one) for _, one in sim.store.items(SERVING)]}


def _update_endpoint(sim: "Simulator", request: Request) -> dict[str, Any]:
    document = _endpoint(sim, request)
    document["shown"]["config"] = request.body
    document["shown"]["last_updated_timestamp"] = sim.clock.now_ms()
    document |= {"ready_ms": _ready_ms(sim), "state": None}
    sim.store.put(SERVING, document["shown"]["name"], document)
    return _serving(sim, document)


def _delete_endpoint(sim: "Simulator", request: Request) -> dict[str, Any]:
    sim.store.delete(SERVING, _endpoint(sim, request)["shown"]["name"])
    return {}


def set_ready(sim: "Simulator", kind: str, name: str, *, ready: bool) -> None:
    """Make a serving endpoint or vector index ready, or not until further notice.

    `kind`: `SERVING` or `VECTOR_INDEX`. Raises `ApiError` (404) where there is none.
    """
    with sim.lock:
        document = _known(sim, kind, name, f"'{name}' does not exist.")
        never = 2**62
        document |= {"ready_ms": 0 if ready else never, "state": None}
        sim.store.put(kind, name, document)


def _vector_endpoint(sim: "Simulator", document: dict[str, Any]) -> dict[str, Any]:
    state = "ONLINE" if _is_ready(sim, document) else "PROVISIONING"
    inside = [one for _, one in sim.store.items(VECTOR_INDEX)]
    name = document["shown"]["name"]
    count = sum(one["shown"].get("endpoint_name") == name for one in inside)
    return {**document["shown"], "endpoint_status": {"state": state}, "num_indexes": count}


def _create_vector_endpoint(sim: "Simulator", request: Request) -> dict[str, Any]:
    name, now = request.text("name"), sim.clock.now_ms()
    if sim.store.get(VECTOR_ENDPOINT, name) is not None:
        message = f"Vector search endpoint {name} already exists."
        raise ApiError(409, "RESOURCE_ALREADY_EXISTS", message)
    shown = {
        **request.body,
        "id": str(uuid.uuid4()),
        "creator": request.user,
        "creation_timestamp": now,
        "last_updated_timestamp": now,
    }
    document = {"shown": shown, "ready_ms": _ready_ms(sim)}
    sim.store.put(VECTOR_ENDPOINT, name, document)
    return _vector_endpoint(sim, document)


def _known_vector_endpoint(sim: "Simulator", name: str) -> dict[str, Any]:
    message = f"Vector search endpoint {name} not found."
    return _known(sim, VECTOR_ENDPOINT, name, message)


def _get_vector_endpoint(sim: "Simulator", request: Request) -> dict[str, Any]:
    return _vector_endpoint(sim, _known_vector_endpoint(sim, request.args["name"]))


def _list_vector_endpoints(sim: "Simulator", request: Request) -> dict[str, Any]:
    found = [_vector_endpoint(sim, one) for _, one in sim.store.items(VECTOR_ENDPOINT)]
    return paged(found, request, name="endpoints")


def _delete_vector_endpoint(sim: "Simulator", request: Request) -> dict[str, Any]:
    found = _known_vector_endpoint(sim, request.args["name"])
    sim.store.delete(VECTOR_ENDPOINT, found["shown"]["name"])
    return {}


def _index(sim: "Simulator", request: Request) -> dict[str, Any]:
    name = request.args["name"]
    return _known(sim, VECTOR_INDEX, name, f"Vector search index {name} not found.")


def _shown_index(sim: "Simulator", document: dict[str, Any]) -> dict[str, Any]:
    ready = _is_ready(sim, document)
    name = document["shown"]["name"]
    status = {
        "ready": ready,
        "message": "Index creation succeeded." if ready else "Index is currently pending setup.",
        "indexed_row_count": 0,
        "index_url": f"{sim.url.removeprefix('http://')}/api/2.0/vector-search/indexes/{name}",
    }
    return {**document["shown"], "status": status}


def _create_index(sim: "Simulator", request: Request) -> dict[str, Any]:
    name = request.text("name")
    if sim.store.get(VECTOR_INDEX, name) is not None:
        message = f"Vector search index {name} already exists."
        raise ApiError(409, "RESOURCE_ALREADY_EXISTS", message)
    _known_vector_endpoint(sim, request.text("endpoint_name"))
    shown = {**request.body, "creator": request.user}
    document = {"shown": shown, "ready_ms": _ready_ms(sim)}
    sim.store.put(VECTOR_INDEX, name, document)
    return _shown_index(sim, document)


def _get_index(sim: "Simulator", request: Request) -> dict[str, Any]:
    return _shown_index(sim, _index(sim, request))


def _list_indexes(sim: "Simulator", request: Request) -> dict[str, Any]:
    place = request.text("endpoint_name")
    found = [one["shown"] for _, one in sim.store.items(VECTOR_INDEX)]
    here = [one for one in found if one.get("endpoint_name") == place]
    return paged(here, request, name="vector_indexes")


def _delete_index(sim: "Simulator", request: Request) -> dict[str, Any]:
    sim.store.delete(VECTOR_INDEX, _index(sim, request)["shown"]["name"])
    return {}


def _sync_index(sim: "Simulator", request: Request) -> dict[str, Any]:
    _index(sim, request)
    return {}


_SERVING = "/api/2.{version}/serving-endpoints"
_VECTORS = "/api/2.{version}/vector-search"
ROUTES = (
    Route("POST", _SERVING, _create_endpoint),
    Route("GET", _SERVING, _list_endpoints),
    Route("GET", _SERVING + "/{name}", _get_endpoint),
    Route("PUT", _SERVING + "/{name}/config", _update_endpoint),
    Route("DELETE", _SERVING + "/{name}", _delete_endpoint),
    Route("POST", _VECTORS + "/endpoints", _create_vector_endpoint),
    Route("GET", _VECTORS + "/endpoints", _list_vector_endpoints),
    Route("GET", _VECTORS + "/endpoints/{name}", _get_vector_endpoint),
    Route("DELETE", _VECTORS + "/endpoints/{name}", _delete_vector_endpoint),
    Route("POST", _VECTORS + "/indexes", _create_index),
    Route("GET", _VECTORS + "/indexes", _list_indexes),
    Route("GET", _VECTORS + "/indexes/{name}", _get_index),
    Route("DELETE", _VECTORS + "/indexes/{name}", _delete_index),
    Route("POST", _VECTORS + "/indexes/{name}/sync", _sync_index),
)
