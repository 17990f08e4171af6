"""Repairs: tasks of an ended run are run again, with the job's settings as they are now.

Source: https://docs.databricks.com/api/workspace/jobs/repairrun
"""

from typing import TYPE_CHECKING, Any

from agent.simulators.databricks import jobsettings, parameters, rundocs, runs
from agent.simulators.databricks.jobsettings import Settings
from agent.simulators.databricks.rundocs import Run
from agent.simulators.databricks.wire import ApiError, Request, invalid
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

_KEPT = ("state", "life", "result", "code", "type", "message", "created", "ended")


def repair(sim: "Simulator", request: Request) -> dict[str, Any]:
    """POST jobs/runs/repair."""
    run, attempt = rundocs.find(sim, request.number("run_id"))
    if attempt is not None:
        raise invalid(f"Run {attempt['run_id']} is a task of run {run['run_id']}: repair that one.")
    _refuse(run, request)
    settings = _settings(sim, run)
    chosen = _chosen(run, settings, request)
    kinds, named = parameters.given(request)
    now = sim.clock.now_ms()
    if not run["repairs"]:
        run["original"] = {name: run[name] for name in _KEPT}
    number = sim.store.number()
    run["repairs"].append({"id": number, "state": "PENDING", "created": now})
    run |= {
        "settings": settings,
        "given": kinds,
        "parameters": rundocs.parameters_of(settings, named),
        "only": None,
        "state": "PENDING",
        "begin": now,
    }
    for name in ("ended", "life", "result", "code", "type", "message"):
        run.pop(name, None)
    last = rundocs.latest(run)
    for spec in jobsettings.listed(settings, "tasks"):
        if spec["task_key"] in chosen:
            rundocs.new_attempt(sim, run, spec, now, last.get(spec["task_key"]))
    rundocs.save(sim, run)
    return {"repair_id": number}


def _refuse(run: Run, request: Request) -> None:
    if run["state"] != "ENDED":
        message = f"Run {run['run_id']} cannot be repaired: it has not ended yet."
        raise ApiError(400, "INVALID_STATE", message)
    if run["result"] == "MAXIMUM_CONCURRENT_RUNS_REACHED":
        message = f"Run {run['run_id']} cannot be repaired: it was skipped."
        raise ApiError(400, "INVALID_STATE", message)
    if bool(request.listed("rerun_tasks")) == request.flag("rerun_all_failed_tasks"):
        raise invalid("Exactly one of rerun_tasks and rerun_all_failed_tasks has to be provided.")
    last = run["repairs"][-1]["id"] if run["repairs"] else None
    given = request.number("latest_repair_id", None)
    if last is not None and given is None:
        raise invalid("The latest repair ID needs to be provided in order to create a new repair")
    if given is not None and given != last:
        raise invalid(f"The repair ID {given} is not the latest repair of run {run['run_id']}.")


def _settings(sim: "Simulator", run: Run) -> Settings:
    """Return the settings to run with: the job's of today; a submitted run has its own."""
    job = sim.store.get("job", run["job_id"])
    settings: Settings = run["settings"] if job is None else job["settings"]
    return settings


def _chosen(run: Run, settings: Settings, request: Request) -> set[str]:
    """Return the tasks to run again."""
    needs = {
        task["task_key"]: {n["task_key"] for n in jobsettings.listed(task, "depends_on")}
        for task in jobsettings.listed(settings, "tasks")
    }
    last = rundocs.latest(run)
    if request.flag("rerun_all_failed_tasks"):
        fine = rundocs.GOOD
        found = {key for key in needs if key not in last or last[key]["result"] not in fine}
        if not found:
            message = f"Run {run['run_id']} has no failed tasks to rerun."
            raise ApiError(400, "INVALID_STATE", message)
        return found
    named = {str(key) for key in request.listed("rerun_tasks")}
    if strange := sorted(named - set(needs)):
        raise invalid(f"Task {strange[0]} given in rerun_tasks does not exist in the job.")
    if request.flag("rerun_dependent_tasks"):
        named |= {key for key in needs if runs.upstream(needs, key) & named}
    return named


ROUTES = (Route("POST", "/api/2.{version}/jobs/runs/repair", repair),)
