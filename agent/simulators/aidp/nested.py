"""JOB_TASK: a run of another job inside a run.

Rules kept here: the nested run has its own limit, and is SKIPPED where that is reached; a repair of
the root repairs the nested run it had before: its unsuccessful tasks where it failed, all tasks
where it succeeded, unless the request says which.
Source: aidp-python-client 5.1.1, models/repair_task_details.py.
"""

from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import beginning, choosing, parameters, rundocs
from agent.simulators.aidp.beginning import Parent, Wanted
from agent.simulators.aidp.rundocs import Run, TaskRun
from agent.simulators.aidp.wire import ApiError

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

_DEEPEST = 10


def launch(sim: "Simulator", run: Run, task: TaskRun, at_ms: int) -> str | None:
    """Begin the nested run, or repair the one before; return why it cannot be done."""
    before = task.pop("child_before", None)
    child = None if before is None else sim.store.get(rundocs.KIND, before)
    if child is not None and child["phase"] == "ended" and child["status"] != "SKIPPED":
        details = task.get("nested") or {}
        task["child"] = child["key"]
        try:
            chosen = choosing.chosen(child, details) if details else choosing.by_default(child)
        except ApiError as refused:
            return f"Nested job run {child['key']} cannot be repaired: {refused.message}"
        given = details.get("parameters")
        child["parent"] |= {"task_run": task["key"]}
        beginning.again(sim, child, chosen, given, at_ms)
        return None
    job = sim.store.get("job", str(task["spec"]["jobKey"]))
    if job is None:
        return f"Job {task['spec']['jobKey']} not found or not authorized"
    if _depth(sim, run) >= _DEEPEST:
        return f"Jobs are nested more than {_DEEPEST} deep"
    root = (run["parent"] or {}).get("root") or run["key"]
    words = parameters.known(sim, run, task)
    own = parameters.named(task["spec"].get("parameters"))
    given = parameters.listed({k: parameters.fill(v, words) for k, v in own.items()})
    wanted = Wanted(
        job=job,
        user=run["createdBy"],
        launched=run["launched"],
        given=tuple(given),
        parent=Parent(run["key"], task["key"], root),
    )
    task["child"] = beginning.begin(sim, wanted, at_ms)["key"]
    return None


def _depth(sim: "Simulator", run: Run) -> int:
    depth, one = 0, run
    while one["parent"] is not None and depth < _DEEPEST:
        above = sim.store.get(rundocs.KIND, one["parent"]["run"])
        if above is None:
            break
        depth, one = depth + 1, above
    return depth


def child(sim: "Simulator", task: TaskRun) -> dict[str, Any] | None:
    """Return the nested run of a task, None where it has none."""
    return sim.store.get(rundocs.KIND, task["child"]) if task.get("child") else None


def due(sim: "Simulator", task: TaskRun) -> int | None:
    """Return when the nested run ended, None while it goes on."""
    found = child(sim, task)
    if found is None:
        return int(task["started"])
    return int(found["ended"]) if found["phase"] == "ended" else None


def result(sim: "Simulator", task: TaskRun) -> tuple[str, str]:
    """Return the status and the message that the task ends with."""
    found = child(sim, task)
    if found is None:
        return "FAILED", "The nested run was deleted."
    if found["status"] == "SUCCESS":
        return "SUCCESS", f"Nested job run {found['key']} succeeded"
    status = "CANCELED" if found["status"] in rundocs.CANCELLED else "FAILED"
    return status, f"Nested job run {found['key']} ended {found['status']}: {found['message']}"
