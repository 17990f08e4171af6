"""Libraries of the simulated workspace's clusters.

Source: https://docs.databricks.com/api/workspace/libraries
"""

from typing import TYPE_CHECKING, Any

from agent.simulators.databricks import computing
from agent.simulators.databricks.computing import Document
from agent.simulators.databricks.wire import Request
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator


def _of_cluster(sim: "Simulator", request: Request) -> dict[str, Any]:
    return _statuses(sim, computing.find(sim, request.text("cluster_id")))


def _statuses(sim: "Simulator", document: Document) -> dict[str, Any]:
    running = computing.state(document, sim.clock.now_ms()) == "RUNNING"
    found = [
        {
            "library": one["library"],
            "status": one["status"] or ("INSTALLED" if running else "PENDING"),
            "is_library_for_all_clusters": False,
            **({"messages": one["messages"]} if one["messages"] else {}),
        }
        for one in document["libraries"]
    ]
    return {"cluster_id": document["id"], **({"library_statuses": found} if found else {})}


def _of_all(sim: "Simulator", request: Request) -> dict[str, Any]:
    del request
    found = [_statuses(sim, one) for _, one in sim.store.items(computing.KIND)]
    return {"statuses": found}


def _install(sim: "Simulator", request: Request) -> dict[str, Any]:
    document = computing.find(sim, request.text("cluster_id"))
    there = [one["library"] for one in document["libraries"]]
    document["libraries"] += [
        {"library": one, "status": None, "messages": []}
        for one in request.listed("libraries")
        if one not in there
    ]
    computing.save(sim, document)
    return {}


def _uninstall(sim: "Simulator", request: Request) -> dict[str, Any]:
    document = computing.find(sim, request.text("cluster_id"))
    for one in document["libraries"]:
        if one["library"] in request.listed("libraries"):
            one["status"] = "UNINSTALL_ON_RESTART"
    computing.save(sim, document)
    return {}


def fail(sim: "Simulator", number: str, library: dict[str, Any], message: str) -> None:
    """Let a cluster's library have failed to install, such as `{"pypi": {"package": "x"}}`."""
    with sim.lock:
        document = computing.find(sim, number)
        rest = [one for one in document["libraries"] if one["library"] != library]
        failed = {"library": library, "status": "FAILED", "messages": [message]}
        document["libraries"] = [*rest, failed]
        computing.save(sim, document)


_LIBRARIES = "/api/2.{version}/libraries"
ROUTES = (
    Route("GET", _LIBRARIES + "/cluster-status", _of_cluster),
    Route("GET", _LIBRARIES + "/all-cluster-statuses", _of_all),
    Route("POST", _LIBRARIES + "/install", _install),
    Route("POST", _LIBRARIES + "/uninstall", _uninstall),
)
