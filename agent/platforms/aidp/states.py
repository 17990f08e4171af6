"""What a run's or a task run's JSON says: ended or not, how, and when. Pure.

Rules kept here: only `state.status` says how something is doing, never a `status` beside it; a word
nobody knows never ends anything and is never success; BLOCKED is an end only once it has lasted;
times come as epoch milliseconds and as RFC 3339, and both are read; a task whose cancel failed may
still write, whatever its status says.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from agent.records import TaskState

Document = Mapping[str, Any]
"""A run, a task run or a summary of one, as the API gives it."""

TERMINAL = frozenset(
    (
        "SUCCESS",
        "FAILED",
        "CANCELED",
        "UPSTREAM_CANCELED",
        "UPSTREAM_FAILED",
        "EXCLUDED",
        "TIMED_OUT",
        "SKIPPED",
        "INTERNAL_ERROR",
    )
)
ACTIVE = frozenset(("PENDING", "QUEUED", "RUNNING", "CANCELING", "PAUSED_MAINTENANCE"))
BLOCKED = "BLOCKED"
"""Neither: clients disagree about it. It may go on, or never."""
GONE = "GONE"
"""`RunStatus.native` of a run that the service knows nothing of any more."""

_TASKS: Mapping[str, TaskState] = {
    "SUCCESS": "succeeded",
    "FAILED": "failed",
    "INTERNAL_ERROR": "failed",
    "TIMED_OUT": "timed_out",
    "CANCELED": "cancelled",
    "UPSTREAM_CANCELED": "cancelled",
    "UPSTREAM_FAILED": "upstream_failed",
    "EXCLUDED": "skipped",
    "SKIPPED": "skipped",
    "": "pending",
    "PENDING": "pending",
    "QUEUED": "pending",
}
_FAILED_CANCEL = "failed to cancel task run"

Verdict = Literal["running", "succeeded", "failed", "cancelled"]


def status(item: Document) -> str:
    """Return `state.status`, empty where there is none."""
    return str(_state(item).get("status") or "")


def message(item: Document) -> str:
    """Return `state.stateMessage` as it came, empty where there is none."""
    return str(_state(item).get("stateMessage") or "")


def trace(item: Document) -> str:
    """Return `state.errorTrace` as it came; lists leave it out."""
    return str(_state(item).get("errorTrace") or "")


def ended(item: Document) -> bool:
    """Return whether the status is one of those that end something."""
    return status(item) in TERMINAL


def unknown(item: Document) -> str | None:
    """Return a status that nobody knows, None where it is known or missing."""
    word = status(item)
    return (
        word if word and word not in TERMINAL and word not in ACTIVE and word != BLOCKED else None
    )


def verdict(run: Document, *, blocked: bool = False) -> Verdict:
    """Return how a run stands by its own status; `blocked`: it was BLOCKED for long enough."""
    match status(run):
        case "SUCCESS":
            return "succeeded"
        case "CANCELED" | "UPSTREAM_CANCELED":
            return "cancelled"
        case word if word in TERMINAL or (word == BLOCKED and blocked):
            return "failed"
    return "running"


def task_state(item: Document, over: bool = False) -> TaskState:
    """Return the state of a task run in our words; `over`: its run has ended for us."""
    word = status(item)
    if word == BLOCKED:
        return "failed" if over else "pending"
    return _TASKS.get(word, "running")


def failed_cancel(item: Document) -> bool:
    """Return whether the service could not stop it: it may write until its runtime is gone."""
    return _FAILED_CANCEL in f"{message(item)}\n{trace(item)}".lower()


def streams(task: Document) -> bool:
    """Return whether a task of a job or run has no end."""
    return task.get("isStreaming") is True


def moment(value: object) -> float | None:
    """Return a time as seconds since the epoch; None where there is none or it cannot be read."""
    if isinstance(value, bool) or value in (None, "", 0):
        return None
    text = str(value).strip()
    if isinstance(value, int | float) or text.isdecimal():
        return float(text) / 1000 or None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def written(moment_s: float) -> str:
    """Return seconds since the epoch as the service writes them: `2026-07-01T10:00:00.000Z`."""
    when = datetime.fromtimestamp(moment_s, UTC)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03}Z"


def began(item: Document) -> float | None:
    """Return when it began, in seconds since the epoch; None where it has not."""
    return moment(item.get("startTime"))


def finished(item: Document) -> float | None:
    """Return when it ended, in seconds since the epoch, as well as the service tells it."""
    return moment(item.get("endTime")) or (moment(item.get("timeUpdated")) if ended(item) else None)


def seconds(item: Document, now_s: float) -> float | None:
    """Return how long it has run, so far or in all; None where it has not begun."""
    start = began(item)
    if start is None:
        return None
    until = finished(item) or (None if ended(item) else now_s)
    return None if until is None else round(max(0.0, until - start), 3)


def _state(item: Document) -> Mapping[str, Any]:
    found = item.get("state")
    return found if isinstance(found, dict) else {}
