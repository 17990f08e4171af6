"""Runs of the simulated workspace: start, get, delete, cancel.

Rules kept here: a run begins by POST jobRuns only; it is there (201) whatever becomes of it; cancel
answers at once and ends later; an active run cannot be deleted.
Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import beginning, jobs, parameters, rundocs, runviews, scheduling, wire
from agent.simulators.aidp.beginning import Wanted
from agent.simulators.aidp.rundocs import Run
from agent.simulators.aidp.wire import Request, invalid
from agent.simulators.loopback import Reply
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator


def tag(sim: "Simulator", run: Run) -> str:
    """Return a run's etag, empty where this build has none."""
    return wire.etag(run["key"], run["version"]) if sim.options.etags else ""


def tags(sim: "Simulator", run: Run) -> dict[str, str]:
    """Return the header with a run's etag."""
    return {"etag": tag(sim, run)} if sim.options.etags else {}


def match(sim: "Simulator", request: Request, run: Run) -> None:
    """Raise `ApiError` 412 where if-match names another version."""
    if sim.options.etags:
        wire.match(request, tag(sim, run))


def changed(sim: "Simulator", request: Request, run: Run, status: int) -> Reply:
    """Return a run that was made or changed, with the headers that go with it."""
    headers = wire.created(sim, request, f"/jobRuns/{run['key']}", tag(sim, run))
    return Reply(status, runviews.whole(sim, run, summaries=sim.options.summaries), headers)


def _create(sim: "Simulator", request: Request) -> Reply:
    """POST jobRuns."""
    key = request.body.get("jobKey")
    if key is None:
        raise invalid("jobKey must not be null")
    job = jobs.find(sim, str(key))
    wanted = Wanted(
        job=job,
        user=request.user,
        given=tuple(parameters.given(request)),
        queue=_queue(request),
        original=request.body.get("originalAttemptRunId"),
    )
    run = beginning.begin(sim, wanted, sim.clock.now_ms())
    return changed(sim, request, run, 201)


def _queue(request: Request) -> bool | None:
    queue = request.body.get("queue")
    if not isinstance(queue, dict | None):
        raise invalid("queue must be an object")
    if queue is None:
        return None
    if queue.get("isEnabled") is None:
        raise invalid("queue.isEnabled must not be null")
    return bool(queue["isEnabled"])


def load(sim: "Simulator", job_keys: list[str], count: int) -> list[str]:
    """Make that many ended runs, spread over the jobs, without a request each; give their keys."""
    now, found = sim.clock.now_ms(), []
    with sim.lock, sim.store.changes():
        for number in range(count):
            job = jobs.find(sim, job_keys[number % len(job_keys)])
            wanted = Wanted(job=job | {"maxConcurrentRuns": count + 1}, user=sim.user_id)
            run = beginning.begin(sim, wanted, now + number)
            run["started"] = now + number
            rundocs.end(run, "SUCCESS", now + number, "Job run completed successfully")
            rundocs.save(sim, run)
            found.append(str(run["key"]))
    return found


def _get(sim: "Simulator", request: Request) -> Reply:
    """GET jobRuns/{key}."""
    run = rundocs.find(sim, request.args["key"])
    summaries = request.flag("shouldIncludeTaskRunSummaries", sim.options.summaries)
    shown = runviews.whole(sim, run, summaries=summaries)
    wanted = request.number("repairKey", None)
    if wanted is not None and wanted != run["repair"]:
        shown |= _as_of(sim, run, wanted)
    return Reply(200, shown, tags(sim, run))


def _as_of(sim: "Simulator", run: Run, wanted: int) -> dict[str, Any]:
    """Return what a run was like when that repair ended; 0 = the original."""
    found = [one for one in run["history"] if one.get("key") == wanted]
    if not found:
        raise wire.missing(f"Repair {wanted} of job run {run['key']} not found")
    names = ("state", "startTime", "endTime", "taskToTaskRunMap", "parameters", "repairedTasks")
    shown = runviews.history(sim, found[0])
    return {"repairKey": wanted} | {name: shown[name] for name in (*names, "lifecycleStates")}


def _delete(sim: "Simulator", request: Request) -> Reply:
    """DELETE jobRuns/{key}."""
    run = rundocs.find(sim, request.args["key"])
    match(sim, request, run)
    if run["phase"] != "ended":
        message = f"Job run {run['key']} is {run['status']} and cannot be deleted"
        raise wire.conflict(message, "IncorrectState")
    rundocs.delete(sim, run)
    return Reply(204, b"")


def _cancel(sim: "Simulator", request: Request) -> Reply:
    """POST jobRuns/{key}/actions/cancel: answers at once, the run ends later."""
    run = rundocs.find(sim, request.args["key"])
    match(sim, request, run)
    if run["phase"] == "ended":
        message = f"Job run {run['key']} is {run['status']} and cannot be canceled"
        raise wire.conflict(message, "IncorrectState")
    scheduling.cancel(sim, run, sim.clock.now_ms())
    return changed(sim, request, run, 202)


def _cancel_all(sim: "Simulator", request: Request) -> Reply:
    """POST jobs/{key}/actions/cancelJobRuns: every active run of the job; no body."""
    job = jobs.find(sim, request.args["key"])
    jobs.match(sim, request, job)
    own = [run for run in rundocs.active(sim) if run["jobKey"] == job["key"]]
    # Queued ones first: else one would begin when a running one ends.
    for run in sorted(own, key=lambda run: run["phase"] != "queued"):
        scheduling.cancel(sim, run, sim.clock.now_ms())
    return Reply(202, b"", {"opc-work-request-id": sim.new_key()})


ROUTES = (
    Route("POST", "/jobRuns", _create),
    Route("GET", "/jobRuns/{key}", _get),
    Route("DELETE", "/jobRuns/{key}", _delete),
    Route("POST", "/jobRuns/{key}/actions/cancel", _cancel),
    Route("POST", "/jobs/{key}/actions/cancelJobRuns", _cancel_all),
)
