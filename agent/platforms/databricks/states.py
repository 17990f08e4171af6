"""What a run's JSON says: ended or not, how, and the state of each task. Pure.

Rules kept here: a run carries one or both of two models of its state (`state`, `status`); a task
that failed makes its run `INTERNAL_ERROR`, so the life cycle never tells infrastructure from user
code; only the last attempt at a task counts; a word nobody knows never ends a run and is never
success.

Source: https://docs.databricks.com/api/workspace/jobs/getrun
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from agent.records import TaskState

Document = Mapping[str, Any]
"""A run, a task of a run, or another object as the API gives it."""

ENDED = frozenset(("TERMINATED", "SKIPPED", "INTERNAL_ERROR"))
_ALIVE = frozenset(
    (
        "QUEUED",
        "PENDING",
        "RUNNING",
        "TERMINATING",
        "BLOCKED",
        "WAITING_FOR_RETRY",
        "WAITING",
    )
)
_MAY_WRITE = frozenset(("PENDING", "RUNNING", "TERMINATING"))
"""Of a task whose run has ended: it still has, or is about to get, a process."""
_TASK_RESULTS: Mapping[str, TaskState] = {
    "SUCCESS": "succeeded",
    "FAILED": "failed",
    "TIMEDOUT": "timed_out",
    "CANCELED": "cancelled",
    "UPSTREAM_CANCELED": "cancelled",
    "UPSTREAM_FAILED": "upstream_failed",
    "EXCLUDED": "skipped",
    "DISABLED": "skipped",
}
_CODES: Mapping[str, TaskState] = {
    "SUCCESS": "succeeded",
    "CANCELED": "cancelled",
    "USER_CANCELED": "cancelled",
    "SKIPPED": "skipped",
    "DISABLED": "skipped",
}
_COMPUTE = frozenset(
    (
        "BUDGET_POLICY_LIMIT_EXCEEDED",
        "CLOUD_FAILURE",
        "CLUSTER_ERROR",
        "CLUSTER_REQUEST_LIMIT_EXCEEDED",
        "CLUSTER_TERMINATED_BY_USER",
        "DRIVER_ERROR",
        "INTERNAL_ERROR",
        "INVALID_CLUSTER_REQUEST",
        "LIBRARY_INSTALLATION_ERROR",
        "MAX_SPARK_CONTEXTS_EXCEEDED",
        "STORAGE_ACCESS_ERROR",
        "WORKSPACE_RUN_LIMIT_EXCEEDED",
    )
)
"""Termination codes that are about the compute."""
_NEVER_BEGAN = frozenset(
    (
        "BUDGET_POLICY_LIMIT_EXCEEDED",
        "CLUSTER_REQUEST_LIMIT_EXCEEDED",
        "FEATURE_DISABLED",
        "INVALID_CLUSTER_REQUEST",
        "INVALID_RUN_CONFIGURATION",
        "LIBRARY_INSTALLATION_ERROR",
        "MAX_CONCURRENT_RUNS_EXCEEDED",
        "MAX_JOB_QUEUE_SIZE_EXCEEDED",
        "MAX_SPARK_CONTEXTS_EXCEEDED",
        "REPOSITORY_CHECKOUT_FAILED",
        "RESOURCE_NOT_FOUND",
        "SKIPPED",
        "UNAUTHORIZED_ERROR",
        "WORKSPACE_RUN_LIMIT_EXCEEDED",
    )
)
"""Termination codes of what ended before user code could begin."""

Verdict = Literal["running", "succeeded", "failed", "cancelled"]


class End(NamedTuple):
    """`termination_details`: why it ended; empty where the newer model is not sent."""

    code: str
    type: str
    message: str


def life(item: Document) -> str:
    """Return the life cycle's word, of the older model where it is sent; else empty."""
    old = item.get("state")
    if isinstance(old, dict) and old.get("life_cycle_state"):
        return str(old["life_cycle_state"])
    new = item.get("status")
    return str(new.get("state") or "") if isinstance(new, dict) else ""


def result(item: Document) -> str:
    """Return `result_state`, empty where there is none."""
    old = item.get("state")
    return str(old.get("result_state") or "") if isinstance(old, dict) else ""


def end(item: Document) -> End:
    """Return why it ended."""
    new = item.get("status")
    details = new.get("termination_details") if isinstance(new, dict) else None
    found = details if isinstance(details, dict) else {}
    return End(*(str(found.get(key) or "") for key in End._fields))


def message(item: Document) -> str:
    """Return the service's sentence about the state."""
    old = item.get("state")
    said = old.get("state_message") if isinstance(old, dict) else None
    return str(said or end(item).message or "")


def ended(item: Document) -> bool:
    """Return whether the life cycle is over, by the older model, else by the newer."""
    word = life(item)
    if word in ENDED or word in _ALIVE:
        return word in ENDED
    new = item.get("status")
    return isinstance(new, dict) and new.get("state") == "TERMINATED"


def unknown(item: Document) -> str | None:
    """Return a life-cycle word that nobody knows, None where it is known."""
    word = life(item)
    return word if word not in ENDED and word not in _ALIVE else None


def may_write(item: Document) -> bool:
    """Return whether a task still has a process."""
    return life(item) in _MAY_WRITE


def native(item: Document) -> str:
    """Return the platform's own words: life cycle and result, or the termination code."""
    words = (life(item), result(item) or end(item).code)
    return " ".join(dict.fromkeys(w for w in words if w)) or "UNKNOWN"


def verdict(run: Document) -> Verdict:
    """Return how a run stands; it runs while one of its tasks does, whatever it says itself."""
    if not ended(run) or any(may_write(task) for task in last(run).values()):
        return "running"
    found = task_state(run)
    if found == "cancelled":
        return "cancelled"
    return "succeeded" if found == "succeeded" else "failed"


def task_state(item: Document) -> TaskState:
    """Return the state of one attempt at a task (or of a run) in our words."""
    if not ended(item):
        return "running" if life(item) in ("RUNNING", "TERMINATING") else "pending"
    word = result(item)
    if word in _TASK_RESULTS:
        return _TASK_RESULTS[word]
    why = end(item)
    if not word and why.code in _CODES:
        return _CODES[why.code]
    if not word and life(item) == "SKIPPED" and item.get("task_key"):
        return "skipped"
    # A result of a newer service than this: the other model may still call it a success.
    newer = (
        word and word != "SUCCESS_WITH_FAILURES" and why == End("SUCCESS", "SUCCESS", why.message)
    )
    return "succeeded" if newer else "failed"


def last(run: Document) -> dict[str, dict[str, Any]]:
    """Return the last attempt at each task, by task key, in the run's order."""
    found: dict[str, dict[str, Any]] = {}
    for task in run.get("tasks") or ():
        key = str(task.get("task_key") or "")
        if key and (key not in found or _order(task) >= _order(found[key])):
            found[key] = task
    return found


def _order(task: Document) -> tuple[int, int]:
    return int(task.get("attempt_number") or 0), int(task.get("start_time") or 0)


def code(item: Document) -> str:
    """Return the one word a failure is known by: the result, or the code where it says more."""
    word, why = result(item), end(item)
    if word in ("", "FAILED") and why.code not in ("", "RUN_EXECUTION_ERROR", "SUCCESS"):
        return why.code
    return word or why.code or life(item) or "FAILED"


def about_compute(item: Document) -> bool:
    """Return whether it ended for its compute's sake; the life cycle never says so."""
    why = end(item)
    return why.code in _COMPUTE or why.type in ("INTERNAL_ERROR", "CLOUD_FAILURE")


def began(item: Document) -> bool:
    """Return whether user code may have begun; False only where it is known that none did."""
    if end(item).code in _NEVER_BEGAN:
        return False
    if life(item) == "SKIPPED" or result(item) == "MAXIMUM_CONCURRENT_RUNS_REACHED":
        return False
    timed = item.get("execution_duration")
    never = timed == 0 and about_compute(item) and bool(item.get("end_time"))
    return not never


def queued_behind(run: Document) -> str | None:
    """Return why a run waits in a queue, in the service's words; None where it does not."""
    old, new = run.get("state"), run.get("status")
    if isinstance(new, dict) and isinstance(new.get("queue_details"), dict):
        details = new["queue_details"]
        return str(details.get("message") or details.get("code") or "queued")
    if isinstance(old, dict) and old.get("queue_reason"):
        return str(old["queue_reason"])
    return "queued" if life(run) == "QUEUED" else None


def seconds(item: Document, now_ms: float) -> float | None:
    """Return how long it has run, so far or in all; None where it has not begun."""
    start = item.get("start_time")
    if not start:
        return None
    until = item.get("end_time") or (None if ended(item) else now_ms)
    if not until:
        took = sum(int(item.get(k) or 0) for k in ("setup_duration", "execution_duration"))
        return round(took / 1000, 3)
    return round(max(0.0, float(until) - float(start)) / 1000, 3)


def task_type(task: Document) -> str | None:
    """Return `notebook_task`, `spark_python_task` ...; None where the task names none."""
    return next((k for k, v in task.items() if k.endswith("_task") and isinstance(v, dict)), None)


def comes_again(task: Document) -> bool:
    """Return whether the service may try a failed task again by itself."""
    attempt, most = int(task.get("attempt_number") or 0), int(task.get("max_retries") or 0)
    if most == -1 or attempt < most:
        return True
    compute = ("cluster_instance", "existing_cluster_id", "new_cluster", "job_cluster_key")
    serverless = not any(task.get(name) for name in compute)
    return serverless and attempt == 0 and not task.get("disable_auto_optimization")


def iterations(run: Document) -> list[dict[str, Any]]:
    """Return the iterations of a loop's run, the last attempt at each."""
    last: dict[str, dict[str, Any]] = {}
    for number, task in enumerate(run.get("iterations") or ()):
        key = str(task.get("task_key") or number)
        if key not in last or int(task.get("attempt_number") or 0) >= int(
            last[key].get("attempt_number") or 0
        ):
            last[key] = task
    return list(last.values())
