"""Which tasks a repair runs again.

Rules kept here: `repairTasks` or the older `taskKeys`; a key may bring what is before or after it;
an unknown key refuses the whole repair. Source: aidp-python-client 5.1.1,
models/repair_job_run_details.py.
"""

from typing import Any

from agent.simulators.aidp import rundocs
from agent.simulators.aidp.rundocs import Run
from agent.simulators.aidp.wire import invalid

Chosen = dict[str, dict[str, Any] | None]
"""For each task None, or what of its nested run is repaired."""
_MOST = 100


def chosen(run: Run, details: dict[str, Any], tasks: list[dict[str, Any]] | None = None) -> Chosen:
    """Return the tasks that a request names. `tasks`: the job's, None = as the run has them.

    Raises `ApiError` 400.
    """
    wanted = _wanted(details)
    graph = rundocs.needs(rundocs.tasks_of(run) if tasks is None else tasks)
    found: Chosen = {}
    for one in wanted:
        key = one["taskKey"]
        if key not in graph:
            raise invalid(f"Task key '{key}' does not exist in job run {run['key']}")
        found[key] = one.get("nestedRepairJobRunDetails")
        more: set[str] = set()
        if one.get("shouldIncludeUpstream"):
            more |= rundocs.above(graph, key)
        if one.get("shouldIncludeDownstream"):
            more |= {other for other in graph if key in rundocs.above(graph, other)}
        for other in more:
            found.setdefault(other, None)
    return {key: found[key] for key in graph if key in found}


def _wanted(details: dict[str, Any]) -> list[dict[str, Any]]:
    tasks, keys = details.get("repairTasks"), details.get("taskKeys")
    for name, value in (("repairTasks", tasks), ("taskKeys", keys)):
        if not isinstance(value, list | None):
            raise invalid(f"{name} must be an array")
    found = list(tasks or [{"taskKey": key} for key in keys or ()])
    if not 1 <= len(found) <= _MOST:
        raise invalid(f"taskKeys size must be between 1 and {_MOST}")
    for place, one in enumerate(found):
        if not isinstance(one, dict) or not isinstance(one.get("taskKey"), str):
            raise invalid(f"repairTasks[{place}].taskKey must not be null")
        if not isinstance(one.get("nestedRepairJobRunDetails"), dict | None):
            raise invalid(f"repairTasks[{place}].nestedRepairJobRunDetails must be an object")
    return found


def by_default(run: Run) -> Chosen:
    """Return what is repaired of a nested run when nobody says: what failed, else everything."""
    last = rundocs.latest(run)
    keys = [task["taskKey"] for task in rundocs.tasks_of(run)]
    bad = [key for key in keys if key not in last or last[key]["status"] != "SUCCESS"]
    return dict.fromkeys(keys if run["status"] == "SUCCESS" else bad)
