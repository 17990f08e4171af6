"""Documents of runs: a run with its task runs, as the simulator keeps them.

A run's and a task run's `status` is the service's own word, `phase` says where it stands for us.
Phases of a run: queued, pending, running, stopping, ended. Of a task run: blocked (it waits for
others), setup, running, stopping, waiting (for its next try), ended. A repair adds a task run per
task; another try after a failure stays in its task run. Times are milliseconds since the epoch.
Source of the words: aidp-python-client 5.1.1, models/state.py.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, get_args

from agent.simulators.aidp.outcomes import Status
from agent.simulators.aidp.wire import missing

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

Run = dict[str, Any]
TaskRun = dict[str, Any]

KIND = "run"
ROW = "run_row"
"""What lists need of a run."""
ACTIVE = "active_run"
TASK = "task_run"

STATUSES: tuple[Status, ...] = get_args(Status)
ENDED = frozenset(STATUSES) - {
    "PENDING",
    "QUEUED",
    "RUNNING",
    "BLOCKED",
    "CANCELING",
    "PAUSED_MAINTENANCE",
}
OWN_FAILURES = frozenset({"FAILED", "TIMED_OUT", "INTERNAL_ERROR"})
BAD = OWN_FAILURES | {"UPSTREAM_FAILED"}
CANCELLED = frozenset({"CANCELED", "UPSTREAM_CANCELED"})
STOPPED_BY_US = frozenset({"CANCELED", "TIMED_OUT"})


def enter(document: dict[str, Any], status: str, at_ms: int, message: str = "") -> None:
    """Give a run or a task run a status; `lifecycleStates` remembers the one before."""
    states = document.setdefault("states", [])
    if states and states[-1]["status"] == status:
        states[-1]["message"] = message or states[-1]["message"]
    else:
        if states:
            states[-1]["ended"] = at_ms
        states.append({"status": status, "message": message, "started": at_ms, "ended": None})
    document |= {"status": status, "message": message, "updated": at_ms}


def end(
    document: dict[str, Any], status: str, at_ms: int, message: str = "", trace: str | None = None
) -> None:
    """End a run or a task run."""
    enter(document, status, at_ms, message)
    document["states"][-1]["ended"] = at_ms
    document |= {"phase": "ended", "ended": at_ms, "trace": trace}
    if status in STOPPED_BY_US:
        document["stopped"] = True


def find(sim: "Simulator", key: str) -> Run:
    """Return a run. Raises `ApiError` 404."""
    run = sim.store.get(KIND, key)
    if run is None:
        raise missing(f"JobRun {key} not found or not authorized")
    return run


def find_task(sim: "Simulator", key: str) -> tuple[Run, TaskRun]:
    """Return a task run and the run it belongs to. Raises `ApiError` 404."""
    place = sim.store.get(TASK, key)
    run = None if place is None else sim.store.get(KIND, place["run"])
    for task in (run or {}).get("task_runs", ()):
        if run is not None and task["key"] == key:
            return run, task
    raise missing(f"TaskRun {key} not found or not authorized")


def save(sim: "Simulator", run: Run) -> None:
    """Keep a run, its row for lists, and whether it still moves."""
    run["version"] = run.get("version", 0) + 1
    sim.store.put(KIND, run["key"], run)
    names = ("key", "name", "jobKey", "status", "message", "stopped", "created", "updated")
    more = ("started", "ended", "launched", "createdBy", "createdByName", "runAs", "began")
    sim.store.put(ROW, run["key"], {name: run.get(name) for name in names + more})
    if run["phase"] == "ended":
        sim.store.delete(ACTIVE, run["key"])
    else:
        sim.store.put(ACTIVE, run["key"], {"jobKey": run["jobKey"], "phase": run["phase"]})


def delete(sim: "Simulator", run: Run) -> None:
    """Forget a run and its task runs."""
    for task in run["task_runs"]:
        sim.store.delete(TASK, task["key"])
    for kind in (ROW, ACTIVE, KIND):
        sim.store.delete(kind, run["key"])


def active(sim: "Simulator") -> Iterator[Run]:
    """Yield the runs that have not ended, oldest first."""
    for key, _ in sim.store.items(ACTIVE):
        run = sim.store.get(KIND, key)
        if run is not None:
            yield run


def new_task(sim: "Simulator", run: Run, spec: dict[str, Any], at_ms: int) -> TaskRun:
    """Add a task run to the run."""
    key = sim.new_key()
    task: TaskRun = {
        "key": key,
        "task_key": spec["taskKey"],
        "spec": spec,
        "phase": "blocked",
        "created": at_ms,
        "number": 0,
        "tries": [],
        "repair": run["repair"],
        "version": 0,
    }
    enter(task, "PENDING", at_ms)
    run["task_runs"].append(task)
    sim.store.put(TASK, key, {"run": run["key"]})
    return task


def latest(run: Run) -> dict[str, TaskRun]:
    """Return the newest task run of each task, in the order of the tasks."""
    return {task["task_key"]: task for task in run["task_runs"]}


def upstream(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a task's direct dependencies as objects; old clients write bare keys."""
    found = spec.get("dependsOn") or ()
    return [{"taskKey": one} if isinstance(one, str) else one for one in found]


def needs(tasks: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Return the keys of each task's direct dependencies."""
    return {task["taskKey"]: {n["taskKey"] for n in upstream(task)} for task in tasks}


def above(graph: dict[str, set[str]], key: str) -> set[str]:
    """Return everything a task needs, directly or not."""
    found: set[str] = set()
    left = list(graph.get(key, ()))
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left += graph.get(one, ())
    return found


def tasks_of(run: Run) -> list[dict[str, Any]]:
    """Return the tasks as the run's own copy of the job has them."""
    return list(run["job"].get("tasks") or ())
