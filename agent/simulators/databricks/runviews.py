"""Runs as the service gives them out: two models of their state, pages, lists.

Sources: https://docs.databricks.com/api/workspace/jobs/getrun,
https://docs.databricks.com/api/workspace/jobs/listruns
"""

from typing import TYPE_CHECKING, Any

from agent.simulators.databricks import graph, jobs, jobsettings, parameters, rundocs
from agent.simulators.databricks.rundocs import Attempt, Run
from agent.simulators.databricks.wire import Request, invalid
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

_MOST = 26
_DEFAULT = 20
_ACTIVE = frozenset({"QUEUED", "PENDING", "RUNNING", "TERMINATING"})
_CUT = ("tasks", "job_clusters", "job_parameters", "repair_history", "iterations")
_WAITING = {"WAITING_FOR_RETRY": "WAITING"}
_UNKNOWN = "HIBERNATING"


def states(sim: "Simulator", document: dict[str, Any], life: str | None = None) -> dict[str, Any]:
    """Return `state` and `status` of a run, an attempt or an item of a repair history."""
    now = life or str(document["state"])
    if sim.options.unknown_enum and now == "RUNNING":
        now = _UNKNOWN
    if now == "ENDED":
        old, new = _ended(document)
    else:
        waits = "Waiting for cluster" if now == "PENDING" else ""
        old = {
            "life_cycle_state": now,
            "state_message": waits,
            "user_cancelled_or_timedout": now == "TERMINATING",
        }
        new = {"state": _WAITING.get(now, now)}
        if queue := document.get("queue"):
            old["queue_reason"] = queue["message"]
            new["queue_details"] = queue
    found = {"state": old, "status": new}
    shape = sim.options.run_shape
    return found if shape == "both" else {shape: found[shape]}


def _ended(document: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    result, message = document["result"], document["message"]
    old = {
        "life_cycle_state": document["life"],
        "result_state": result,
        "state_message": message,
        "user_cancelled_or_timedout": result in ("CANCELED", "TIMEDOUT"),
    }
    details = {"code": document["code"], "type": document["type"], "message": message}
    return old, {"state": "TERMINATED", "termination_details": details}


def _life(run: Run) -> str:
    """Return a run's state: it is pending until the first of its tasks runs."""
    began = any("exec_start" in a or a["state"] == "ENDED" for a in run["attempts"])
    if run["state"] == "RUNNING" and run["attempts"] and not began:
        return "PENDING"
    return str(run["state"])


def _times(document: dict[str, Any]) -> dict[str, int]:
    began = document.get("launched", document["created"])
    found = {"start_time": began, "setup_duration": 0, "execution_duration": 0}
    found |= {"cleanup_duration": 0}
    end = document.get("ended")
    if "exec_start" in document:
        found["setup_duration"] = document["exec_start"] - began
        if end is not None:
            found["execution_duration"] = end - document["exec_start"]
    return found | ({"end_time": end} if end is not None else {})


def task(sim: "Simulator", run: Run, attempt: Attempt, *, resolved: bool = False) -> dict[str, Any]:
    """Return an attempt as an item of `tasks`."""
    spec = attempt["spec"]
    found = {k: v for k, v in spec.items() if k != "health"}
    found |= {
        "run_id": attempt["run_id"],
        "attempt_number": attempt["number"],
        "run_page_url": rundocs.url(sim, run, attempt),
    }
    life = "QUEUED" if run["state"] == "QUEUED" and attempt["state"] == "BLOCKED" else None
    if life is None and attempt["state"] == "BLOCKED" and not spec.get("depends_on"):
        life = "PENDING"
    found |= states(sim, attempt, life) | _times(attempt)
    found |= _compute(attempt)
    if "condition_task" in found and "outcome" in attempt:
        found["condition_task"] = found["condition_task"] | {"outcome": attempt["outcome"]}
    if "for_each_task" in found:
        loop = found["for_each_task"]
        found["for_each_task"] = loop | {"stats": graph.iteration_stats(run, attempt)}
    if resolved and (values := parameters.shown(attempt)):
        found["resolved_values"] = values
    return found


def _compute(attempt: Attempt) -> dict[str, Any]:
    spec = attempt["spec"]
    kind = jobsettings.type_of(spec)
    if kind in (None, "condition_task", "for_each_task", "run_job_task", "pipeline_task"):
        return {}
    named = ("existing_cluster_id", "new_cluster", "job_cluster_key")
    if not any(spec.get(name) for name in named):
        return (
            {"effective_performance_target": "PERFORMANCE_OPTIMIZED"} if kind != "sql_task" else {}
        )
    if "exec_start" not in attempt:
        return {}
    number = str(attempt["run_id"])
    cluster = spec.get("existing_cluster_id") or f"0101-{number[-6:]}-{int(number):x}"[:21]
    return {"cluster_instance": {"cluster_id": cluster, "spark_context_id": str(int(number) * 7)}}


def base(sim: "Simulator", run: Run) -> dict[str, Any]:
    """Return a run without its tasks."""
    found: dict[str, Any] = {
        "job_id": run["job_id"],
        "run_id": run["run_id"],
        "creator_user_name": run["creator"],
        "number_in_job": run["run_id"],
        "original_attempt_run_id": run["run_id"],
        "start_time": run["created"],
        "setup_duration": 0,
        "execution_duration": 0,
        "cleanup_duration": 0,
        "trigger": run["trigger"],
        "run_name": run["name"],
        "run_page_url": rundocs.url(sim, run),
        "run_type": run["run_type"],
        "format": run["format"],
        "job_run_id": run["run_id"],
    }
    found |= states(sim, run, _life(run))
    queued = run.get("first", run.get("ended", sim.clock.now_ms())) - run["created"]
    if queued or run["state"] == "QUEUED":
        found["queue_duration"] = queued
    if run["state"] == "ENDED":
        found |= {"end_time": run["ended"], "run_duration": run["ended"] - run["created"]}
    if run["format"] == "SINGLE_TASK" and run["attempts"]:
        found |= _times(run["attempts"][-1])
        found["attempt_number"] = run["attempts"][-1]["number"]
    if run["given"]:
        found["overriding_parameters"] = run["given"]
    if run["parameters"]:
        found["job_parameters"] = run["parameters"]
    if run["parent"]:
        found["trigger_info"] = {"run_id": run["parent"]["run_id"]}
    for name in ("schedule", "git_source", "job_clusters", "description"):
        if run["settings"].get(name):
            found[name] = run["settings"][name]
    return found


def whole(sim: "Simulator", run: Run, *, resolved: bool = False) -> dict[str, Any]:
    """Return a run with every attempt at its tasks, oldest first."""
    attempts = [a for a in run["attempts"] if "within" not in a]
    tasks = [task(sim, run, attempt, resolved=resolved) for attempt in attempts]
    return base(sim, run) | ({"tasks": tasks} if tasks else {})


def of_task(
    sim: "Simulator", run: Run, attempt: Attempt, *, resolved: bool = False
) -> dict[str, Any]:
    """Return a task's own run: it has a parent, and itself among its tasks."""
    item = task(sim, run, attempt, resolved=resolved)
    found = base(sim, run) | {
        "run_id": attempt["run_id"],
        "number_in_job": attempt["run_id"],
        "original_attempt_run_id": attempt["original"],
        "run_page_url": rundocs.url(sim, run, attempt),
        "parent_run_id": attempt.get("within", run["run_id"]),
        "job_run_id": run["run_id"],
        "task_key": attempt["task_key"],
        "attempt_number": attempt["number"],
        "tasks": [item],
    }
    for name in ("state", "status", "end_time", "run_duration", "queue_duration"):
        found.pop(name, None)
    found |= {k: item[k] for k in ("state", "status", "cluster_instance") if k in item}
    if inner := rundocs.iterations(run, attempt):
        found["iterations"] = [task(sim, run, one, resolved=resolved) for one in inner]
    return found | _times(attempt)


def history(sim: "Simulator", run: Run) -> list[dict[str, Any]]:
    """Return the original run and its repairs, oldest first."""
    items = [run.get("original") or run | {"task_run_ids": _made(run, 0)}, *run["repairs"]]
    found = []
    for number, item in enumerate(items):
        whose = states(sim, item, None if item["state"] == "ENDED" else _life(run))
        shown = {"type": "REPAIR" if number else "ORIGINAL", "start_time": item["created"]}
        shown |= {"end_time": item["ended"]} if "ended" in item else {}
        shown |= {"id": item["id"]} if number else {"id": run["run_id"]}
        found.append(shown | whose | {"task_run_ids": _made(run, number)})
    return found


def _made(run: Run, repair: int) -> list[int]:
    return [a["run_id"] for a in run["attempts"] if a["repair"] == repair]


def get(sim: "Simulator", request: Request) -> dict[str, Any]:
    """GET jobs/runs/get, of a run or of one of its tasks."""
    run, attempt = rundocs.find(sim, request.number("run_id"))
    resolved = request.flag("include_resolved_values")
    if attempt is not None:
        found = of_task(sim, run, attempt, resolved=resolved)
    else:
        found = whole(sim, run, resolved=resolved)
    if request.flag("include_history"):
        found["repair_history"] = history(sim, run)
    if "/api/2.2/" not in request.path:
        return found
    start = jobs.page(request.page())
    found, more = jobsettings.cut(found, start, _CUT)
    if more:
        found["next_page_token"] = jobs.token(start + jobsettings.PAGE)
    return found


def list_(sim: "Simulator", request: Request) -> dict[str, Any]:
    """GET jobs/runs/list: newest first, without tasks unless they are asked for."""
    limit = request.number("limit", _DEFAULT)
    if limit > _MOST:
        raise invalid(f"Invalid limit {limit} - it has to be no more than {_MOST}.")
    if limit < 0:
        raise invalid(f"Invalid limit {limit} - it has to be positive.")
    limit = limit or _MOST
    found = _chosen(sim, request)
    start = jobs.page(request.page()) or request.number("offset", 0)
    expand = request.flag("expand_tasks")
    shown = [_item(sim, run, expand=expand) for run in found[start : start + limit]]
    more = len(found) > start + limit
    answer: dict[str, Any] = {"has_more": more}
    if shown:
        answer["runs"] = shown
    if more:
        answer["next_page_token"] = jobs.token(start + limit)
    if start:
        answer["prev_page_token"] = jobs.token(max(0, start - limit))
    return answer


def _chosen(sim: "Simulator", request: Request) -> list[Run]:
    active, ended = request.flag("active_only"), request.flag("completed_only")
    if active and ended:
        raise invalid("Only one of active_only and completed_only can be set.")
    job, kind = request.number("job_id", None), request.text("run_type", None)
    since, until = request.number("start_time_from", None), request.number("start_time_to", None)
    found = []
    for _, run in reversed(sim.store.items(rundocs.KIND)):
        if rundocs.expired(sim, run) or (active and run["state"] not in _ACTIVE):
            continue
        fits = (
            (not ended or run["state"] == "ENDED")
            and (job is None or run["job_id"] == job)
            and (kind is None or run["run_type"] == kind)
            and (since is None or run["created"] >= since)
            and (until is None or run["created"] <= until)
        )
        if fits:
            found.append(run)
    return found


def _item(sim: "Simulator", run: Run, *, expand: bool) -> dict[str, Any]:
    item, more = jobsettings.cut(whole(sim, run), 0, _CUT)
    if not expand:
        for name in ("tasks", "job_clusters"):
            item.pop(name, None)
        return item
    return item | {"has_more": True} if more else item


ROUTES = (
    Route("GET", "/api/2.{version}/jobs/runs/get", get),
    Route("GET", "/api/2.{version}/jobs/runs/list", list_),
)
