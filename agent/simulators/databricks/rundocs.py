"""Documents of runs: a run with all attempts at its tasks, as the simulator keeps them.

A run's `state` is QUEUED, PENDING, RUNNING, TERMINATING or ENDED; an attempt's is BLOCKED, PENDING,
RUNNING, WAITING_FOR_RETRY, TERMINATING or ENDED. `runviews` makes the service's two models of them.
All times are milliseconds since the epoch.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from agent.simulators.databricks import jobsettings
from agent.simulators.databricks.jobsettings import Settings
from agent.simulators.databricks.wire import ApiError, invalid, missing

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

Run = dict[str, Any]
Attempt = dict[str, Any]

KIND = "run"
ACTIVE = "active_run"
TASK = "task_run"
KEPT_MS = 60 * 24 * 3600 * 1000
"""Runs are gone 60 days after they ended.

Source: https://docs.databricks.com/api/workspace/jobs/exportrun
"""
FAILED_TEXT = "Workload failed, see run output for details"

_RESULTS: dict[str, tuple[str, str, str]] = {
    "SUCCESS": ("TERMINATED", "SUCCESS", ""),
    "SUCCESS_WITH_FAILURES": ("TERMINATED", "SUCCESS_WITH_FAILURES", ""),
    "FAILED": ("TERMINATED", "RUN_EXECUTION_ERROR", FAILED_TEXT),
    "TIMEDOUT": ("TERMINATED", "RUN_EXECUTION_ERROR", "Run timed out."),
    "CANCELED": ("TERMINATED", "USER_CANCELED", "Run cancelled."),
    "EXCLUDED": ("SKIPPED", "SKIPPED", "The necessary conditions to run this task were not met."),
    "UPSTREAM_FAILED": ("SKIPPED", "SKIPPED", "An upstream task failed."),
    "UPSTREAM_CANCELED": ("SKIPPED", "SKIPPED", "An upstream task was canceled."),
    "DISABLED": ("SKIPPED", "DISABLED", "The task is disabled."),
    "MAXIMUM_CONCURRENT_RUNS_REACHED": (
        "SKIPPED",
        "MAX_CONCURRENT_RUNS_EXCEEDED",
        "An active run of this job is already in progress and the maximum number of concurrent "
        "runs has been reached.",
    ),
}
GOOD = frozenset({"SUCCESS", "SUCCESS_WITH_FAILURES"})
NEITHER = frozenset({"EXCLUDED", "DISABLED"})
OWN_FAILURES = frozenset({"FAILED", "TIMEDOUT", "CANCELED"})
_FAULT_OF = {
    "SUCCESS": "SUCCESS",
    "SUCCESS_WITH_FAILURES": "SUCCESS",
    "SKIPPED": "SUCCESS",
    "DISABLED": "SUCCESS",
    "CLOUD_FAILURE": "CLOUD_FAILURE",
    "INTERNAL_ERROR": "INTERNAL_ERROR",
    "DRIVER_ERROR": "INTERNAL_ERROR",
    "CLUSTER_ERROR": "INTERNAL_ERROR",
}


def unknown(sim: "Simulator", message: str) -> ApiError:
    """Return the refusal of an unknown id: 404, or 400 where the workspace is set to that."""
    return missing(message) if sim.options.unknown_id_status == 404 else invalid(message)


def ending(result: str, code: str | None, kind: str | None, message: str | None) -> dict[str, Any]:
    """Return the fields of a run or attempt that ended so; None = what goes with the result."""
    life, own, text = _RESULTS.get(result, ("TERMINATED", result, ""))
    code = code or own
    if result == "FAILED" and code != "RUN_EXECUTION_ERROR":
        life = "INTERNAL_ERROR"  # nothing of the user's own failed
    return {
        "state": "ENDED",
        "life": life,
        "result": result,
        "code": code,
        "type": kind or _FAULT_OF.get(code, "CLIENT_ERROR"),
        "message": text if message is None else message,
    }


def end(
    document: dict[str, Any],
    at_ms: int,
    result: str,
    *,
    code: str | None = None,
    kind: str | None = None,
    message: str | None = None,
) -> None:
    """End a run or an attempt."""
    document |= ending(result, code, kind, message) | {"ended": at_ms}


def find(sim: "Simulator", run_id: int) -> tuple[Run, Attempt | None]:
    """Return a run, and the attempt where the id is a task run's. Raises `ApiError`."""
    run = sim.store.get(KIND, run_id)
    attempt = None
    if run is None and (place := sim.store.get(TASK, run_id)) is not None:
        run = sim.store.get(KIND, place["run_id"])
        attempt = next((a for a in (run or {}).get("attempts", []) if a["run_id"] == run_id), None)
        run = run if attempt is not None else None
    if run is None or expired(sim, run):
        raise unknown(sim, f"Run {run_id} does not exist.")
    return run, attempt


def expired(sim: "Simulator", run: Run) -> bool:
    """Say whether the run is older than runs are kept."""
    return run["state"] == "ENDED" and sim.clock.now_ms() - int(run["ended"]) > KEPT_MS


def save(sim: "Simulator", run: Run) -> None:
    """Keep a run, and note whether it still moves."""
    sim.store.put(KIND, run["run_id"], run)
    if run["state"] == "ENDED":
        sim.store.delete(ACTIVE, run["run_id"])
    else:
        sim.store.put(ACTIVE, run["run_id"], {"job_id": run["job_id"]})


def active(sim: "Simulator") -> Iterator[Run]:
    """Yield the runs that have not ended, oldest first."""
    for key, _ in sim.store.items(ACTIVE):
        run = sim.store.get(KIND, key)
        if run is not None:
            yield run


def new_attempt(
    sim: "Simulator", run: Run, spec: Settings, at_ms: int, before: Attempt | None = None
) -> Attempt:
    """Add an attempt at a task to the run; `before` is the one it follows."""
    run_id = sim.store.number()
    attempt: Attempt = {
        "run_id": run_id,
        "task_key": spec["task_key"],
        "number": 0 if before is None else before["number"] + 1,
        "original": run_id if before is None else before["original"],
        "spec": spec,
        "state": "BLOCKED",
        "created": at_ms,
        "repair": len(run["repairs"]),
        "output": {},
        "values": {},
    }
    run["attempts"].append(attempt)
    sim.store.put(TASK, run_id, {"run_id": run["run_id"]})
    return attempt


def latest(run: Run) -> dict[str, Attempt]:
    """Return the last attempt at each task of the run, in the order of the tasks."""
    found: dict[str, Attempt] = {}
    for attempt in run["attempts"]:
        if "within" not in attempt:
            found[attempt["task_key"]] = attempt
    return found


def iterations(run: Run, attempt: Attempt) -> list[Attempt]:
    """Return the attempts made inside a for-each attempt."""
    return [a for a in run["attempts"] if a.get("within") == attempt["run_id"]]


def leaves(run: Run) -> set[str]:
    """Return the tasks that no other task waits for."""
    specs = [attempt["spec"] for attempt in latest(run).values()]
    needed = {n["task_key"] for spec in specs for n in jobsettings.listed(spec, "depends_on")}
    return {spec["task_key"] for spec in specs} - needed


def parameters_of(settings: Mapping[str, Any], given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the job parameters as `runs/get` shows them: name, default, and value where given."""
    found: dict[str, dict[str, Any]] = {}
    for item in jobsettings.listed(settings, "parameters"):
        found[item["name"]] = {"name": item["name"], "default": str(item.get("default") or "")}
    for name, value in given.items():
        found[name] = found.get(name, {"name": name}) | {"value": str(value)}
    return list(found.values())


def url(sim: "Simulator", run: Run, attempt: Attempt | None = None) -> str:
    """Return the page of a run in the form that the API gives out."""
    run_id = run["run_id"] if attempt is None else attempt["run_id"]
    job = "" if run["run_type"] == "SUBMIT_RUN" else f"/{run['job_id']}"
    return f"{sim.url}/?o={sim.workspace_id}#job{job}/run/{run_id}"
