"""Task runs over the wire: listed, whole, and the tries of one.

Rules kept here: a list wants `jobRunKey` and `sortBy`; only a whole task run has its error trace,
its output key and its task. Another try stays in its task run: `retryAttempt` counts, `retries` has
every try from the first on.
Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import parameters, rundocs, runviews, wire
from agent.simulators.aidp.rundocs import Run, TaskRun
from agent.simulators.aidp.wire import Request
from agent.simulators.loopback import Reply
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

Items = list[dict[str, Any]]


def _list(sim: "Simulator", request: Request) -> Reply:
    """GET taskRuns, those that a repair replaced included."""
    run = rundocs.find(sim, request.text("jobRunKey"))
    above = runviews.lineage(run)
    for name, value in above.items():
        if request.query.get(name, value) != value:
            return wire.paged([], request, sim)
    found = runviews.with_status(request, [t | {"name": t["task_key"]} for t in run["task_runs"]])
    wanted = request.query.get("displayName")
    found = [one for one in found if wanted is None or one["name"] == wanted]
    found = runviews.sorted_by(sim, request, found)
    return wire.paged([runviews.task_summary(sim, run, one) for one in found], request, sim)


def whole(sim: "Simulator", run: Run, task: TaskRun, *, retries: bool) -> dict[str, Any]:
    """Return a task run."""
    trace = runviews.shown_trace(sim, task.get("trace"), task["message"])
    system = parameters.system(sim, run, task)
    return {
        **runviews.task_summary(sim, run, task),
        "jobKey": run["jobKey"],
        "state": runviews.state(task, trace=trace),
        **runviews.durations(task, sim.clock.now_ms()),
        "clusterSpec": _cluster(task["spec"]),
        "task": task["spec"],
        "version": len(task.get("states") or ()),
        "retries": tries(sim, task) if retries else [],
        "outputKey": task.get("outputKey"),
        "systemParameters": system,
        "parameters": parameters.listed(task.get("values") or {}),
        "lifecycleStates": runviews.states(sim, task),
    }


def _cluster(spec: dict[str, Any]) -> dict[str, Any] | None:
    cluster = spec.get("cluster")
    if not cluster:
        return None
    found = {"existingClusterKey": cluster.get("clusterKey")}
    return found | {"newCluster": cluster.get("newCluster"), "libraries": []}


def all_tries(task: TaskRun) -> Items:
    """Return every try there has been, the one that goes on included, the first first."""
    return [*task["tries"], task] if task["tries"] else []


def tries(sim: "Simulator", task: TaskRun) -> Items:
    """Return `retries`; empty where the first try was the only one."""
    return [
        {
            "key": one["key"],
            "name": task["task_key"],
            "taskRunKey": task["key"],
            "retryNumber": one["number"],
            "state": runviews.state(
                one, trace=runviews.shown_trace(sim, one.get("trace"), one["message"])
            ),
            "outputKey": one.get("outputKey"),
            "externalId": None,
            "clusterValidationStartTime": runviews.time(sim, one.get("launched")),
            "startTime": runviews.time(sim, one.get("started")),
            "endTime": runviews.time(sim, one.get("ended")),
            **runviews.durations(one, sim.clock.now_ms()),
            "version": len(one.get("states") or ()),
        }
        for one in all_tries(task)
    ]


def _get(sim: "Simulator", request: Request) -> Reply:
    """GET taskRuns/{key}."""
    run, task = rundocs.find_task(sim, request.args["key"])
    retries = request.flag("shouldIncludeTaskRunRetries", True)
    headers = {"etag": wire.etag(task["key"], run["version"])} if sim.options.etags else {}
    return Reply(200, whole(sim, run, task, retries=retries), headers)


def _retries(sim: "Simulator", request: Request) -> Reply:
    """GET taskRuns/{key}/retries; here the task run is called `taskRunId`."""
    _, task = rundocs.find_task(sim, request.args["key"])
    found = [
        one
        | {
            "taskRunId": one["taskRunKey"],
            "status": one["state"]["status"],
            "created": one["retryNumber"],
        }
        for one in tries(sim, task)
    ]
    found = runviews.with_status(request, found)
    name = request.query.get("displayName")
    found = [one for one in found if name is None or one["name"] == name]
    if "sortBy" in request.query:
        found = runviews.sorted_by(sim, request, found)
    left_out = ("taskRunKey", "status", "created", "version")
    items = [{k: v for k, v in one.items() if k not in left_out} for one in found]
    return wire.paged(items, request, sim)


ROUTES = (
    Route("GET", "/taskRuns", _list),
    Route("GET", "/taskRuns/{key}", _get),
    Route("GET", "/taskRuns/{key}/retries", _retries),
)
