"""How an update is doing, as a run with its flows as tasks. Pure.

A flow's task is called by the last part of its name, or by the whole name where two flows share
that part; names are cut to their last 100 characters.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from agent.platforms.databricks import pipeline_events
from agent.platforms.databricks.pipeline_events import Flow, Log
from agent.platforms.databricks.pipeline_sources import short
from agent.platforms.databricks.pipeline_updates import Seen, identity
from agent.records import RunStatus, TaskState, TaskStatus

_QUIET_S = 1800.0
"""An update without a new event for this long may be stuck."""
_RUN_STATES: dict[str, Literal["succeeded", "failed", "cancelled"]] = {
    "COMPLETED": "succeeded",
    "FAILED": "failed",
    "CANCELED": "cancelled",
}


def doubtful(flows: Iterable[Flow]) -> frozenset[str]:
    """Return the last parts of names that several flows share."""
    counted = Counter(short(flow.name) for flow in flows)
    return frozenset(name for name, times in counted.items() if times > 1)


def task(name: str, shared: frozenset[str]) -> str:
    """Return the key under which a flow is shown."""
    return (name.replace("`", "") if short(name) in shared else short(name))[-100:]


def status(run: str, seen: Seen, log: Log, url: str, now: float, look_s: float) -> RunStatus:
    """Return an update as a run; `now` in seconds since the epoch."""
    flows = pipeline_events.flows(log.events)
    shared = doubtful(flows)
    ended = _RUN_STATES.get(seen.state) if not seen.running else None
    return RunStatus(
        run=run,
        state=ended or "running",
        native=seen.state or "UNKNOWN",
        tasks=tuple(_task(run, f, shared, ended, url, now, seen.retries + 1) for f in flows),
        url=url,
        look_s=None if ended else look_s,
        notes=tuple(_notes(seen, log, now, running=ended is None)),
    )


def _task(
    run: str,
    flow: Flow,
    shared: frozenset[str],
    ended: str | None,
    url: str,
    now: float,
    attempt: int,
) -> TaskStatus:
    key = task(flow.name, shared)
    until = now if ended is None and flow.state == "running" else seconds(flow.last)
    began = seconds(flow.began)
    return TaskStatus(
        task=key,
        state=_final(flow.state, ended),
        attempt=attempt if flow.began else 0,
        task_run=f"{run}/{key}" if flow.began else None,
        seconds=None if began is None or until is None else round(max(0.0, until - began), 3),
        exit_value={"flow": flow.name, "rows": flow.rows, "dropped": flow.dropped},
        message=flow.message if flow.state in ("failed", "cancelled", "upstream_failed") else "",
        url=url,
    )


def _final(state: TaskState, ended: str | None) -> TaskState:
    """Return a flow's state; what an ended update left open ended with it."""
    if ended is None or state not in ("pending", "running"):
        return state
    if ended == "succeeded":
        return "succeeded" if state == "running" else "skipped"
    return "upstream_failed" if state == "pending" and ended == "failed" else "cancelled"


def _notes(seen: Seen, log: Log, now: float, *, running: bool) -> Iterable[str]:
    if seen.retries:
        times = "once" if seen.retries == 1 else f"{seen.retries} times"
        yield (
            f"after a failure the platform itself started the update again, {times}; "
            f"the last one is {identity(seen.last)}"
        )
    elif seen.coming:
        yield "the update failed; the pipeline is not at rest, so the platform may start it again"
    if log.cut:
        yield log.cut
    newest = seconds(str(log.events[-1].get("timestamp") or "")) if log.events else None
    if running and newest is not None and now - newest > _QUIET_S:
        yield (
            f"no new event for {(now - newest) / 60:.0f} minutes: it may be stuck; "
            "cancelling the case stops it"
        )
    if running and not pipeline_events.flows(log.events) and seen.state:
        yield f"the update is {seen.state}"


def progressed(told: RunStatus, log: Log, now: float, wanted_s: float) -> bool:
    """Return whether an update has run for so many seconds with every flow alive or done."""
    if told.state != "running" or told.native != "RUNNING" or not told.tasks:
        return False
    if any(t.state not in ("running", "succeeded", "skipped") for t in told.tasks):
        return False
    began = [
        at
        for event in log.events
        if (at := seconds(str(event.get("timestamp") or ""))) is not None
        and pipeline_events.update_state(event) == "RUNNING"
    ]
    return bool(began) and now - began[-1] >= wanted_s


def seconds(timestamp: str | None) -> float | None:
    """Return an event's time in seconds since the epoch, None where it cannot be read."""
    try:
        return datetime.fromisoformat(timestamp or "").timestamp()
    except ValueError:
        return None
