"""Repairs: tasks of an ended run are run again, under the same key.

Rules kept here: an active run, a skipped one and one that succeeded are 409 IncorrectState; an
unknown task key is 400; a nested run is repaired through its root only; the history has at most ten
entries. The statuses are inferred. Source: aidp-python-client 5.1.1,
models/repair_job_run_details.py.
"""

from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import beginning, choosing, parameters, rundocs, runs
from agent.simulators.aidp.rundocs import Run
from agent.simulators.aidp.wire import Request, conflict, invalid
from agent.simulators.loopback import Reply
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

_NOT_REPAIRED = ("SUCCESS", "SKIPPED")


def repair(sim: "Simulator", request: Request) -> Reply:
    """POST jobRuns/{key}/actions/repair."""
    run = rundocs.find(sim, request.args["key"])
    runs.match(sim, request, run)
    if run["parent"] is not None:
        said = f"Job run {run['key']} is nested: repair its root job run {run['parent']['root']}"
        raise invalid(said)
    if run["phase"] != "ended" or run["status"] in _NOT_REPAIRED:
        said = f"Job run {run['key']} is {run['status']} and cannot be repaired"
        raise conflict(said, "IncorrectState")
    if len(run["history"]) >= beginning.HISTORY:
        raise invalid(f"repairHistory size must be between 0 and {beginning.HISTORY}")
    chosen = choosing.chosen(run, request.body, _tasks(sim, run))
    given = parameters.given(request) if "parameters" in request.body else None
    beginning.again(sim, run, chosen, given, sim.clock.now_ms())
    return runs.changed(sim, request, run, sim.options.repair_status)


def _tasks(sim: "Simulator", run: Run) -> list[dict[str, Any]] | None:
    """Return the tasks to choose from; None = as the run has them."""
    job = sim.store.get("job", run["jobKey"])
    if sim.options.repair_uses == "run" or job is None:
        return None
    return list(job.get("tasks") or ())


ROUTES = (Route("POST", "/jobRuns/{key}/actions/repair", repair),)
