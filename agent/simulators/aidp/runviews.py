"""Runs as they go over the wire: whole, as items of lists, and their lists.

Rules kept here: the status is nested in `state`; `startTime` and `endTime` are milliseconds since
the epoch, `timeCreated` is RFC 3339; a list without `sortBy` is refused; an item of a list has no
task maps and no error trace; `taskToTaskRunMap` has the newest task run of each task,
`taskRunSummaryMap` also those that a repair replaced.
Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import parameters, rundocs, wire
from agent.simulators.aidp.rundocs import Run, TaskRun
from agent.simulators.aidp.wire import ApiError, Request, invalid
from agent.simulators.loopback import Reply
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

_NO_FILTERS = ("CANCELING", "TIMED_OUT", "PAUSED_MAINTENANCE")
FILTERED = tuple(status for status in rundocs.STATUSES if status not in _NO_FILTERS)
"""The statuses that lists can be filtered by."""
_SORTED = {"timeCreated": "created", "displayName": "name", "status": "status"}
_RECENT = 10

Items = list[dict[str, Any]]


def time(sim: "Simulator", at_ms: int | None) -> int | str | None:
    """Return when something began or ended."""
    return at_ms if at_ms is None or sim.options.epoch_run_times else wire.stamp(at_ms)


def state(document: dict[str, Any], *, trace: str | None = None) -> dict[str, Any]:
    """Return `state` of a run, a task run or a try."""
    return {
        "status": document["status"],
        "stateMessage": document["message"] or None,
        "errorTrace": trace,
        "isUserCanceledOrTimedOut": bool(document.get("stopped")),
    }


def states(sim: "Simulator", document: dict[str, Any]) -> Items:
    """Return `lifecycleStates`."""
    return [
        {
            "status": one["status"],
            "stateMessage": one["message"] or None,
            "errorTrace": None,
            "startTime": time(sim, one["started"]),
            "endTime": time(sim, one["ended"]),
        }
        for one in document.get("states") or ()
    ]


def shown_trace(sim: "Simulator", trace: str | None, message: str) -> str | None:
    """Return an error trace as this build of the service gives it out."""
    match sim.options.error_trace:
        case "full":
            return trace
        case "generic":
            return trace and (message or "Exception during execution")
        case _:
            return None


def durations(document: dict[str, Any], now_ms: int) -> dict[str, int]:
    """Return setup, execution and cleanup, in milliseconds."""
    began, ended = document.get("started"), document.get("ended") or now_ms
    launched = document.get("launched")  # of a run a word: how it was started
    first = launched if isinstance(launched, int) else document.get("created") or ended
    setup = (began or ended) - first
    found = {"setupDuration": setup, "executionDuration": ended - (began or ended)}
    return found | {"cleanupDuration": 0}


def summary(sim: "Simulator", row: dict[str, Any]) -> dict[str, Any]:
    """Return a run as an item of a list."""
    spent = (row["ended"] or sim.clock.now_ms()) - row["started"] if row["started"] else 0
    return {
        "key": row["key"],
        "name": row["name"],
        "state": state(row),
        "jobKey": row["jobKey"],
        "jobName": row["name"],
        "executionDuration": spent,
        "launched": row["launched"],
        "startTime": time(sim, row["started"]),
        "endTime": time(sim, row["ended"]),
        "timeCreated": wire.moment(sim, row["created"]),
        "timeUpdated": wire.moment(sim, row["updated"]),
        "createdBy": row["createdBy"],
        "createdByName": row["createdByName"],
        "runAs": row["runAs"],
    }


def task_summary(sim: "Simulator", run: Run, task: TaskRun) -> dict[str, Any]:
    """Return a task run as an item of a list and of `taskRunSummaryMap`."""
    found = {"key": task["key"], "name": task["task_key"], "taskKey": task["task_key"]}
    return {
        **found,
        **lineage(run),
        "jobRunKey": run["key"],
        "clusterValidationStartTime": time(sim, task.get("validated")),
        "startTime": time(sim, task.get("started")),
        "endTime": time(sim, task.get("ended")),
        "state": {k: v for k, v in state(task).items() if k != "errorTrace"},
        "externalId": None,
        "retryAttempt": task["number"],
    }


def lineage(run: Run) -> dict[str, Any]:
    """Return where a run is nested."""
    parent = run["parent"] or {}
    return {"parentJobRunKey": parent.get("run"), "rootJobRunKey": parent.get("root") or run["key"]}


def whole(sim: "Simulator", run: Run, *, summaries: bool) -> dict[str, Any]:
    """Return a run. `summaries`: with `taskRunSummaryMap`."""
    now = sim.clock.now_ms()
    job = run["job"]
    spent = durations(run, now)
    tasks = {task["key"]: task_summary(sim, run, task) for task in run["task_runs"]}
    return {
        "key": run["key"],
        "name": run["name"],
        "jobKey": run["jobKey"],
        "jobName": run["name"],
        **lineage(run),
        "parentTaskRunKey": (run["parent"] or {}).get("task_run"),
        "tasks": rundocs.tasks_of(run),
        "createdBy": run["createdBy"],
        "createdByName": run["createdByName"],
        "runAs": run["runAs"],
        **{name: job.get(name) for name in ("maxConcurrentRuns", "gitConfig", "queue", "schedule")},
        "timeoutSeconds": job.get("timeoutSeconds"),
        "originalAttemptRunId": run["original"],
        "clusterSpec": None,
        "clusterInstance": _cluster(run),
        "repairMode": None,
        "state": state(run, trace=run.get("trace")),
        "parameters": run["given"],
        "unifiedJobAndJobRunParameters": parameters.listed(parameters.unified(run)),
        "systemParameters": parameters.system(sim, run),
        "repairKey": run["repair"],
        "repairHistory": [history(sim, one) for one in repairs(run)],
        "repairedTasks": run["repaired"],
        "startTime": time(sim, run.get("started")),
        "endTime": time(sim, run.get("ended")),
        **spent,
        "runDuration": sum(spent.values()),
        "timeCreated": wire.moment(sim, run["created"]),
        "timeUpdated": wire.moment(sim, run["updated"]),
        "launched": run["launched"],
        "version": run["version"],
        "taskToTaskRunMap": {key: task["key"] for key, task in rundocs.latest(run).items()},
        "taskRunSummaryMap": tasks if summaries else None,
        "lifecycleStates": states(sim, run),
    }


def _cluster(run: Run) -> dict[str, Any] | None:
    """Return the cluster of the first task that names one."""
    named = (task.get("cluster") or {} for task in rundocs.tasks_of(run))
    key = next((one["clusterKey"] for one in named if one.get("clusterKey")), None)
    return None if key is None else {"clusterKey": key, "sparkContextKey": None}


def repairs(run: Run) -> Items:
    """Return the repair history, the repair that goes on as it stands."""
    from agent.simulators.aidp import beginning

    found = list(run["history"])
    if found and run["phase"] != "ended":
        found[-1] = beginning.remembered(run) | {"type": "REPAIR"}
    return found


def history(sim: "Simulator", one: dict[str, Any]) -> dict[str, Any]:
    """Return an entry of the repair history."""
    spent = (one["ended"] or one["started"] or 0) - (one["started"] or 0)
    return {
        "type": one["type"],
        "key": one["key"],
        "state": state(one, trace=one["trace"]),
        "startTime": time(sim, one["started"]),
        "endTime": time(sim, one["ended"]),
        "taskToTaskRunMap": one["tasks"],
        "parameters": one["given"],
        "repairedTasks": one["repaired"],
        "lifecycleStates": states(sim, one),
        "executionDuration": spent,
        "parentTaskRunKey": one["parent_task"],
    }


def sorted_by(sim: "Simulator", request: Request, items: Items) -> Items:
    """Return rows as `sortBy` and `sortOrder` want them, the newest first where they do not say.

    Raises `ApiError` 400 for another or a missing key.
    """
    by = request.query.get("sortBy")
    if by is None and not sim.options.sort_by_required:
        by = "timeCreated"
    if by not in _SORTED:
        said = "WORKFLOW_0007: Failed to list runs. Possible cause: Invalid SortBy: "
        raise ApiError(400, "InvalidParameter", said + ("null" if by is None else by))
    order = request.query.get("sortOrder", "DESC")
    if order not in ("ASC", "DESC"):
        raise invalid(f"sortOrder must be one of ASC, DESC; found '{order}'")
    return sorted(items, key=lambda one: one[_SORTED[str(by)]], reverse=order == "DESC")


def with_status(request: Request, items: Items) -> Items:
    """Return the rows of the wanted statuses. Raises `ApiError` 400 for one that is no filter."""
    wanted = set(request.listed("status"))
    for status in wanted - set(FILTERED):
        raise invalid(f"status must be one of {', '.join(FILTERED)}; found '{status}'")
    return [one for one in items if not wanted or one["status"] in wanted]


def _list(sim: "Simulator", request: Request) -> Reply:
    """GET jobRuns."""
    found = with_status(request, [row for _, row in sim.store.items(rundocs.ROW)])
    keys, name = set(request.listed("jobKey")), request.query.get("displayName")
    found = [one for one in found if not keys or one["jobKey"] in keys]
    found = [one for one in found if name is None or one["name"] == name]
    for bound, sign in (
        ("timeCreatedGreaterThanOrEqualTo", 1),
        ("timeCreatedLessThanOrEqualTo", -1),
    ):
        if (said := request.query.get(bound)) is not None:
            at = wire.parsed_moment(bound, said)
            found = [one for one in found if sign * (one["created"] - at) >= 0]
    found = sorted_by(sim, request, found)
    return _page(sim, request, found)


def _recent(sim: "Simulator", request: Request) -> Reply:
    """GET recentJobRuns: the newest runs of each of the jobs."""
    keys = request.listed("jobKey")
    if not keys:
        raise invalid("query param jobKey must not be null")
    most = request.number("recordCount", _RECENT)
    rows = [row for _, row in sim.store.items(rundocs.ROW)]
    found: Items = []
    for key in dict.fromkeys(keys):
        own = [row for row in rows if row["jobKey"] == key]
        found += sorted(own, key=lambda row: row["created"], reverse=True)[:most]
    if "sortBy" in request.query:
        found = sorted_by(sim, request, found)
    return _page(sim, request, found)


def _page(sim: "Simulator", request: Request, rows: Items) -> Reply:
    reply = wire.paged(rows, request, sim)
    items = [summary(sim, row) for row in reply.body["items"]]
    return reply._replace(body={"items": items})


ROUTES = (
    Route("GET", "/jobRuns", _list),
    Route("GET", "/recentJobRuns", _recent),
)
