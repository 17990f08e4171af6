"""Clusters over the wire: their life, events, and what they may be made of.

Source: https://docs.databricks.com/api/workspace/clusters
"""

from typing import TYPE_CHECKING, Any

from agent.simulators.databricks import computing, dbfs
from agent.simulators.databricks.computing import Document
from agent.simulators.databricks.wire import Request, invalid, paged
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

SPARK_VERSIONS = (
    ("17.3.x-scala2.13", "17.3 LTS (includes Apache Spark 4.0.0, Scala 2.13)"),
    ("16.4.x-scala2.12", "16.4 LTS (includes Apache Spark 3.5.2, Scala 2.12)"),
    ("15.4.x-scala2.12", "15.4 LTS (includes Apache Spark 3.5.0, Scala 2.12)"),
)
NODE_TYPES = (("i3.xlarge", 31_232, 4.0), ("i3.2xlarge", 62_464, 8.0), ("m5d.large", 8_192, 2.0))
_CONTROLS = ("cluster_id", "apply_policy_default_values", "clone_from")


def write_log(sim: "Simulator", number: str, name: str, text: str) -> str | None:
    """Add to a log that the cluster delivers to its log destination, and return the file's path.

    `name`: `stdout`, `stderr` or `log4j-active.log` of the driver. None = no destination is set.
    """
    settings = computing.find(sim, number)["spec"].get("cluster_log_conf") or {}
    place = (settings.get("dbfs") or settings.get("volumes") or {}).get("destination")
    if place is None:
        return None
    path = f"{str(place).rstrip('/')}/{number}/driver/{name}"
    dbfs.append(sim, path, text.encode())
    return path


def shown(sim: "Simulator", document: Document) -> dict[str, Any]:
    """Return a cluster as `clusters/get` shows it."""
    now = sim.clock.now_ms()
    state = computing.state(document, now)
    reason = document["termination_reason"]
    found: dict[str, Any] = {
        **document["spec"],
        "cluster_id": document["id"],
        "creator_user_name": document["user"],
        "cluster_source": document["source"],
        "state": state,
        "state_message": _message(state, reason),
        "start_time": document["start_time"],
        "spark_context_id": int(document["id"].replace("-", "")[-8:], 16),
        "default_tags": {"Vendor": "Databricks", "ClusterId": document["id"]},
        "spec": document["spec"],
    }
    if document.get("last_restarted_time"):
        found["last_restarted_time"] = document["last_restarted_time"]
    if state in ("TERMINATING", "TERMINATED") and reason is not None:
        found["termination_reason"] = reason
        found["terminated_time"] = document["terminated_time"]
    return found


def _message(state: str, reason: dict[str, Any] | None) -> str:
    if state in ("PENDING", "RESTARTING"):
        return "Starting Spark"
    if state not in ("TERMINATING", "TERMINATED") or reason is None:
        return ""
    said = (reason["parameters"] or {}).get("databricks_error_message")
    return str(said or f"Cluster terminated. Reason: {reason['code'].replace('_', ' ').title()}")


def _document(sim: "Simulator", request: Request) -> Document:
    return computing.find(sim, request.text("cluster_id"))


def _spec(request: Request) -> dict[str, Any]:
    spec = {k: v for k, v in request.body.items() if k not in _CONTROLS}
    if not spec.get("spark_version"):
        raise invalid("Missing required field: spark_version")
    if "num_workers" in spec and "autoscale" in spec:
        raise invalid("Only one of num_workers and autoscale may be given.")
    return spec


def _create(sim: "Simulator", request: Request) -> dict[str, Any]:
    return {"cluster_id": computing.launch(sim, _spec(request), request.user)}


def _get(sim: "Simulator", request: Request) -> dict[str, Any]:
    return shown(sim, _document(sim, request))


def _list(sim: "Simulator", request: Request) -> dict[str, Any]:
    found = [shown(sim, one) for _, one in sim.store.items(computing.KIND)]
    for field, name in (("state", "cluster_states"), ("cluster_source", "cluster_sources")):
        wanted = request.listed(f"filter_by.{name}")
        found = [one for one in found if not wanted or one[field] in wanted]
    found.reverse()
    return paged(found, request, name="clusters", size="page_size", most=100)


def _start(sim: "Simulator", request: Request) -> dict[str, Any]:
    computing.start(sim, _document(sim, request), request.user)
    return {}


def _restart(sim: "Simulator", request: Request) -> dict[str, Any]:
    computing.restart(sim, _document(sim, request), request.user)
    return {}


def _delete(sim: "Simulator", request: Request) -> dict[str, Any]:
    document = _document(sim, request)
    if computing.state(document, sim.clock.now_ms()) not in ("TERMINATING", "TERMINATED"):
        computing.terminate(sim, document["id"], parameters={"username": request.user})
    return {}


def _forget(sim: "Simulator", request: Request) -> dict[str, Any]:
    sim.store.delete(computing.KIND, _document(sim, request)["id"])
    return {}


def _edit(sim: "Simulator", request: Request) -> dict[str, Any]:
    document = _document(sim, request)
    computing.expect_state(sim, document, "RUNNING", "TERMINATED")
    document["spec"] = _spec(request)
    computing.add_event(document, sim.clock.now_ms(), "EDITED", {"user": request.user})
    running = computing.state(document, sim.clock.now_ms()) == "RUNNING"
    computing.save(sim, document)
    if running:
        computing.restart(sim, document, request.user)
    return {}


def _update(sim: "Simulator", request: Request) -> dict[str, Any]:
    document = _document(sim, request)
    given = request.mapping("cluster")
    fields = [one for one in request.text("update_mask").split(",") if one]
    named = {one: given.get(one) for one in (given if fields == ["*"] else fields)}
    whole = {**document["spec"], **named, "cluster_id": document["id"]}
    kept = {k: v for k, v in whole.items() if v is not None}
    return _edit(sim, request.but(body=kept))


def _resize(sim: "Simulator", request: Request) -> dict[str, Any]:
    document = _document(sim, request)
    size = {k: v for k, v in request.body.items() if k in ("num_workers", "autoscale")}
    rest = {k: v for k, v in document["spec"].items() if k not in ("num_workers", "autoscale")}
    document["spec"] = {**rest, **size}
    computing.resize(sim, document, request.user)
    return {}


def _pin(sim: "Simulator", request: Request) -> dict[str, Any]:
    document = _document(sim, request)
    document["pinned"] = request.path.endswith("/pin")
    kind = "PINNED" if document["pinned"] else "UNPINNED"
    computing.add_event(document, sim.clock.now_ms(), kind, {"user": request.user})
    computing.save(sim, document)
    return {}


def _owner(sim: "Simulator", request: Request) -> dict[str, Any]:
    document = _document(sim, request)
    document["user"] = request.text("owner_username")
    computing.save(sim, document)
    return {}


def _events(sim: "Simulator", request: Request) -> dict[str, Any]:
    document = _document(sim, request)
    now = sim.clock.now_ms()
    since, until = request.number("start_time", 0), request.number("end_time", now)
    kinds = request.listed("event_types")
    found = [
        one
        for one in computing.events(document, now)
        if since <= one["timestamp"] <= until and (not kinds or one["type"] in kinds)
    ]
    if request.text("order", "DESC") != "ASC":
        found.reverse()
    return _event_page(request, found)


def _event_page(request: Request, found: list[dict[str, Any]]) -> dict[str, Any]:
    """Cut one page by token, or by the older offset and limit; say both ways to the next one."""
    size = request.number("page_size", 0) or request.number("limit", 0) or 50
    if request.body.get("offset") and request.page() is None:
        body = {**request.body, "page_token": f"at-{request.number('offset')}"}
        request = request.but(body=body)
    request = request.but(body={**request.body, "page_size": size})
    page = paged(found, request, name="events", size="page_size", most=500)
    if "next_page_token" in page:
        asked = {k: v for k, v in request.body.items() if k not in ("page_token", "page_size")}
        offset = int(page["next_page_token"].removeprefix("at-"))
        page["next_page"] = {**asked, "offset": offset, "limit": size}
    return {**page, "total_count": len(found)}


def _spark_versions(sim: "Simulator", request: Request) -> dict[str, Any]:
    del sim, request
    return {"versions": [{"key": key, "name": name} for key, name in SPARK_VERSIONS]}


def _node_types(sim: "Simulator", request: Request) -> dict[str, Any]:
    del sim, request
    found = [
        {
            "node_type_id": name,
            "instance_type_id": name,
            "memory_mb": memory,
            "num_cores": cores,
            "num_gpus": 0,
            "description": name,
            "category": "General Purpose",
            "is_deprecated": False,
            "node_info": {"available_core_quota": 1000, "total_core_quota": 1000},
        }
        for name, memory, cores in NODE_TYPES
    ]
    return {"node_types": found}


def _zones(sim: "Simulator", request: Request) -> dict[str, Any]:
    del sim, request
    return {"zones": ["us-west-2a", "us-west-2b"], "default_zone": "us-west-2a"}


def _nothing_listed(sim: "Simulator", request: Request) -> dict[str, Any]:
    del sim
    return {"policies" if "policies" in request.path else "instance_pools": []}


_CLUSTERS = "/api/2.{version}/clusters"
ROUTES = (
    Route("POST", _CLUSTERS + "/create", _create),
    Route("GET", _CLUSTERS + "/get", _get),
    Route("GET", _CLUSTERS + "/list", _list),
    Route("POST", _CLUSTERS + "/start", _start),
    Route("POST", _CLUSTERS + "/restart", _restart),
    Route("POST", _CLUSTERS + "/delete", _delete),
    Route("POST", _CLUSTERS + "/permanent-delete", _forget),
    Route("POST", _CLUSTERS + "/edit", _edit),
    Route("POST", _CLUSTERS + "/update", _update),
    Route("POST", _CLUSTERS + "/resize", _resize),
    Route("POST", _CLUSTERS + "/pin", _pin),
    Route("POST", _CLUSTERS + "/unpin", _pin),
    Route("POST", _CLUSTERS + "/change-owner", _owner),
    Route("POST", _CLUSTERS + "/events", _events),
    Route("GET", _CLUSTERS + "/spark-versions", _spark_versions),
    Route("GET", _CLUSTERS + "/list-node-types", _node_types),
    Route("GET", _CLUSTERS + "/list-zones", _zones),
    Route("GET", "/api/2.{version}/policies/clusters/list", _nothing_listed),
    Route("GET", "/api/2.{version}/instance-pools/list", _nothing_listed),
)
