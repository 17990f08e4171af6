"""Starting and ending runs: run-now, submit, cancel, cancel-all, delete.

Sources: https://docs.databricks.com/api/workspace/jobs/runnow,
https://docs.databricks.com/api/workspace/jobs/submit
"""

from typing import TYPE_CHECKING, Any

from agent.simulators.databricks import jobs, jobsettings, parameters, rundocs, scheduling
from agent.simulators.databricks.jobsettings import Settings
from agent.simulators.databricks.wire import ApiError, Request, invalid
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

TOKEN = "run_token"  # noqa: S105  a kind of document
_LONGEST = 64


def _known(sim: "Simulator", request: Request) -> int | None:
    """Return the run that the request's idempotency token has, None where it has none yet."""
    token = request.text("idempotency_token", None)
    if not token:
        return None
    if len(token) > _LONGEST:
        raise invalid(
            f"The idempotency token has {len(token)} characters; "
            f"it can have at most {_LONGEST} characters."
        )
    found = sim.store.get(TOKEN, token)
    if found is None:
        return None
    if sim.store.get(rundocs.KIND, found["run_id"]) is None:
        raise invalid(f"The run {found['run_id']} with the given idempotency token was deleted.")
    return int(found["run_id"])


def _started(sim: "Simulator", request: Request, wanted: scheduling.Wanted) -> int:
    token = request.text("idempotency_token", None) or None
    run = scheduling.begin(sim, wanted._replace(token=token), sim.clock.now_ms())
    if token is not None:
        sim.store.put(TOKEN, token, {"run_id": run["run_id"]})
    return int(run["run_id"])


def run_now(sim: "Simulator", request: Request) -> dict[str, Any]:
    """POST jobs/run-now."""
    job = jobs.find(sim, request.number("job_id"))
    if (before := _known(sim, request)) is not None:
        return {"run_id": before, "number_in_job": before}
    settings = job["settings"]
    kinds, named = parameters.given(request)
    if named and kinds:
        raise invalid(f"job_parameters cannot be specified in conjunction with {min(kinds)}.")
    only = [str(word) for word in request.listed("only")]
    wanted = scheduling.Wanted(
        settings=settings,
        job_id=job["job_id"],
        name=str(settings.get("name")),
        user=request.user,
        given=kinds,
        job_parameters=named,
        only=_selected(settings, only) if only else None,
        queue=_queue(request),
    )
    run_id = _started(sim, request, wanted)
    return {"run_id": run_id, "number_in_job": run_id}


def _queue(request: Request) -> bool | None:
    queue = request.mapping("queue")
    return None if "enabled" not in queue else str(queue["enabled"]).lower() == "true"


def _selected(settings: Settings, words: list[str]) -> tuple[str, ...]:
    """Return the tasks that `only` names: `+a` also what a needs, `a+` also what needs a."""
    needs = {
        task["task_key"]: {n["task_key"] for n in jobsettings.listed(task, "depends_on")}
        for task in jobsettings.listed(settings, "tasks")
    }
    found: set[str] = set()
    for word in words:
        key = word.strip("+")
        if key not in needs:
            raise invalid(f"Task {key} given in 'only' does not exist in the job.")
        found.add(key)
        if word.startswith("+"):
            found |= upstream(needs, key)
        if word.endswith("+"):
            found |= {other for other in needs if key in upstream(needs, other)}
    return tuple(key for key in needs if key in found)


def upstream(needs: dict[str, set[str]], key: str) -> set[str]:
    """Return everything a task needs, directly or not. `needs`: each task's direct dependencies."""
    found: set[str] = set()
    left = list(needs.get(key, ()))
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left += needs.get(one, ())
    return found


def submit(sim: "Simulator", request: Request) -> dict[str, Any]:
    """POST jobs/runs/submit: a run without a job; also in the form before `tasks`."""
    if (before := _known(sim, request)) is not None:
        return {"run_id": before}
    skipped = ("idempotency_token", "run_name", "access_control_list")
    given = {k: v for k, v in request.body.items() if k not in skipped}
    name = request.text("run_name", "Untitled")
    single = jobsettings.one_task(given, "main")
    if single is not None:
        given = {k: v for k, v in given.items() if k not in single}
        given |= {"tasks": [single], "format": "SINGLE_TASK"}
    if not given.get("tasks"):
        raise invalid("At least one task must be specified: tasks is missing or empty.")
    jobsettings.check(given)
    kinds, _ = parameters.given(request)
    settings = jobsettings.filled(given | {"name": name}, queued=False)
    wanted = scheduling.Wanted(
        settings=settings,
        job_id=sim.store.number(),
        name=name,
        user=request.user,
        run_type="SUBMIT_RUN",
        given=kinds if single is not None else {},
    )
    return {"run_id": _started(sim, request, wanted)}


def cancel(sim: "Simulator", request: Request) -> dict[str, Any]:
    """POST jobs/runs/cancel: answers at once, the run ends later; an ended run stays as it is."""
    run, attempt = rundocs.find(sim, request.number("run_id"))
    now = sim.clock.now_ms()
    if attempt is None or len(run["attempts"]) == 1:
        scheduling.cancel(sim, run, now)
    else:
        scheduling.cancel_attempt(sim, run, attempt, now)
    return {}


def cancel_all(sim: "Simulator", request: Request) -> dict[str, Any]:
    """POST jobs/runs/cancel-all: every active run of a job, or every queued run of all jobs."""
    job_id = request.number("job_id", None)
    queued = request.flag("all_queued_runs")
    if job_id is None and not queued:
        raise invalid("Missing required field: job_id")
    if job_id is not None:
        jobs.find(sim, job_id)
    # Queued ones first: else one would begin when a running one ends.
    chosen = [r for r in rundocs.active(sim) if job_id in (None, r["job_id"])]
    for run in sorted(chosen, key=lambda run: run["state"] != "QUEUED"):
        if run["state"] == "QUEUED" or not queued:
            scheduling.cancel(sim, run, sim.clock.now_ms())
    return {}


def delete(sim: "Simulator", request: Request) -> dict[str, Any]:
    """POST jobs/runs/delete: an active run cannot be deleted."""
    run, attempt = rundocs.find(sim, request.number("run_id"))
    if attempt is not None:
        raise invalid(f"Run {attempt['run_id']} is a task of run {run['run_id']}: delete that one.")
    if run["state"] != "ENDED":
        message = f"Cannot delete run {run['run_id']} because it is still active."
        raise ApiError(400, "INVALID_STATE", message)
    sim.store.delete(rundocs.KIND, run["run_id"])
    for one in run["attempts"]:
        sim.store.delete(rundocs.TASK, one["run_id"])
    return {}


ROUTES = (
    Route("POST", "/api/2.{version}/jobs/run-now", run_now),
    Route("POST", "/api/2.{version}/jobs/runs/submit", submit),
    Route("POST", "/api/2.{version}/jobs/runs/cancel", cancel),
    Route("POST", "/api/2.{version}/jobs/runs/cancel-all", cancel_all),
    Route("POST", "/api/2.{version}/jobs/runs/delete", delete),
)
