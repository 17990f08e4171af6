"""A run's tasks among themselves: which may begin, and how the whole ends.

Rules kept here: `runIf` over the direct dependencies, where one that was excluded or skipped counts
neither as good nor as bad (not established, taken from Databricks' rules); a dependency with an
`outcome` wants its IF_ELSE_TASK to have decided so. A run fails when a task that nothing waits for
failed or could not run. Source:
https://docs.oracle.com/en/cloud/paas/ai-data-platform/aidug/configure-tasks.html
"""

from typing import TYPE_CHECKING

from agent.engine import schedule
from agent.simulators.aidp import beginning, execution, rundocs, taskoutput
from agent.simulators.aidp.rundocs import Run, TaskRun

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

_WORDS = {"SUCCESS": "succeeded", "EXCLUDED": "skipped", "SKIPPED": "skipped"}


def settle(sim: "Simulator", run: Run, at_ms: int) -> None:
    """Start what may start, end what cannot run, end the run when all has ended."""
    moved = True
    while moved:
        moved = False
        for task in list(rundocs.latest(run).values()):
            if task["phase"] == "blocked":
                moved |= _unblock(sim, run, task, at_ms)
    last = rundocs.latest(run)
    if all(task["phase"] == "ended" for task in last.values()):
        finish(run, at_ms)
    elif run["phase"] == "running":
        _mirror(run, at_ms)


def _unblock(sim: "Simulator", run: Run, task: TaskRun, at_ms: int) -> bool:
    """Start or end a task whose dependencies have ended; return whether it moved."""
    if run["phase"] == "stopping":
        status = "UPSTREAM_CANCELED" if rundocs.upstream(task["spec"]) else "CANCELED"
        _never(task, status, at_ms)
        return True
    last = rundocs.latest(run)
    parents = [last[n["taskKey"]] for n in rundocs.upstream(task["spec"]) if n["taskKey"] in last]
    if any(other["phase"] != "ended" for other in parents):
        return False
    verdict = _verdict(task, last, parents)
    if verdict is not None:
        _never(task, verdict, at_ms)
    else:
        execution.launch(sim, run, task, at_ms)
        execution.again(sim, run, task, at_ms)
    return True


def _never(task: TaskRun, status: str, at_ms: int) -> None:
    rundocs.end(task, status, at_ms, taskoutput.message(task["spec"], status))


def _verdict(task: TaskRun, last: dict[str, TaskRun], parents: list[TaskRun]) -> str | None:
    """Return None where the task may run, else the status that it ends with."""
    for need in rundocs.upstream(task["spec"]):
        other, wanted = last.get(need["taskKey"]), need.get("outcome")
        decided = other is not None and other["status"] == "SUCCESS" and other.get("outcome")
        if wanted is not None and decided and decided != str(wanted).lower():
            return "EXCLUDED"
    states = [_WORDS.get(other["status"], "failed") for other in parents]
    if states and all(state == "skipped" for state in states):
        return "EXCLUDED"
    found = schedule.verdict(str(task["spec"].get("runIf") or "ALL_SUCCESS"), states)
    if found != "upstream_failed":
        return None if found is None else "SKIPPED"
    failed = any(other["status"] in rundocs.BAD for other in parents)
    return "UPSTREAM_FAILED" if failed else "UPSTREAM_CANCELED"


def _mirror(run: Run, at_ms: int) -> None:
    """Show a run blocked or in maintenance while that is all its tasks are."""
    busy = [t["status"] for t in rundocs.latest(run).values() if t["phase"] == "running"]
    waits = [s for s in busy if s in ("BLOCKED", "PAUSED_MAINTENANCE")]
    rundocs.enter(run, waits[0] if waits and len(waits) == len(busy) else "RUNNING", at_ms)


def finish(run: Run, at_ms: int) -> None:
    """End a run as its tasks ended."""
    last = rundocs.latest(run)
    waited_for = {key for t in last.values() for key in rundocs.needs([t["spec"]])[t["task_key"]]}
    leaves = [task for key, task in last.items() if key not in waited_for]
    bad = [task for task in leaves if task["status"] in rundocs.BAD]
    own = [task for task in last.values() if task["status"] in rundocs.OWN_FAILURES]
    asked = run.get("asked")
    if asked:
        rundocs.end(run, asked, at_ms, _ASKED[asked])
    elif bad:
        first = min(own or bad, key=lambda task: int(task["ended"]))
        kinds = {task["status"] for task in own}
        status = kinds.pop() if len(kinds) == 1 else "FAILED"
        rundocs.end(run, status, at_ms, f"Task {first['task_key']} {_ENDED[first['status']]}")
    elif any(task["status"] in rundocs.CANCELLED for task in leaves):
        rundocs.end(run, "CANCELED", at_ms, _ASKED["CANCELED"])
    else:
        rundocs.end(run, "SUCCESS", at_ms, "Job run completed successfully")
    beginning.note_end(run)


_ASKED = {"CANCELED": "Job run was canceled", "TIMED_OUT": "Job run timed out"}
_ENDED = {
    "FAILED": "failed",
    "TIMED_OUT": "timed out",
    "INTERNAL_ERROR": "ended with an internal error",
    "UPSTREAM_FAILED": "could not run",
}
