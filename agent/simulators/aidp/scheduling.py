"""What moves runs on: what is due in each, and what follows from it at once."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from agent.simulators import timeline
from agent.simulators.aidp import (
    beginning,
    declared,
    execution,
    graph,
    nested,
    outcomes,
    rundocs,
    schedules,
)
from agent.simulators.aidp.outcomes import Outcome
from agent.simulators.aidp.rundocs import Run
from agent.simulators.timeline import Event

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator


def prepare(sim: "Simulator") -> None:
    """Begin where the clock stands."""
    schedules.skip_missed(sim)


def tick(sim: "Simulator") -> None:
    """Handle every event up to now."""
    timeline.catch_up(sim, _coming)


def _coming(sim: "Simulator", now_ms: int) -> Iterator[Event]:
    if (start := schedules.due(sim)) is not None:
        yield Event(start[0], partial(schedules.fire, sim, start[1]))
    for run in rundocs.active(sim):
        if (at := due(sim, run, now_ms)) is not None:
            yield Event(at, partial(step, sim, run))


def due(sim: "Simulator", run: Run, now_ms: int) -> int | None:
    """Return when the run moves on next; None = nobody knows yet."""
    if run["phase"] in ("queued", "pending"):
        return None if run["begin"] is None else int(run["begin"])
    times = [execution.due(sim, task, now_ms) for task in run["task_runs"]]
    if run["phase"] == "running":
        times.append(declared.due(run))
        limit = _limit_ms(run)
        times.append(int(run["started"]) + limit if limit else None)
    elif "declared" in run:
        times.append(run["stop_at"])
    return min((at for at in times if at is not None), default=None)


def _limit_ms(run: Run) -> int:
    return int(run["job"].get("timeoutSeconds") or 0) * 1000


def step(sim: "Simulator", run: Run, at_ms: int) -> None:
    """Handle what is due in a run at that time, and what follows from it at once."""
    if run["phase"] in ("queued", "pending"):
        _start(sim, run, at_ms)
    limit = _limit_ms(run)
    if limit and run["phase"] == "running" and at_ms >= run["started"] + limit:
        stop(sim, run, at_ms, "TIMED_OUT")
    if "declared" in run:
        _go_on(run, at_ms)
    elif run["phase"] != "ended":
        for task in list(run["task_runs"]):
            at = execution.due(sim, task, at_ms)
            if at is not None and at <= at_ms:
                execution.progress(sim, run, task, at_ms)
                execution.again(sim, run, task, at_ms)
        graph.settle(sim, run, at_ms)
    rundocs.save(sim, run)
    _stop_children(sim, run, at_ms)
    if run["phase"] == "ended":
        _ended(sim, run, at_ms)


def _start(sim: "Simulator", run: Run, at_ms: int) -> None:
    run |= {"phase": "running", "started": at_ms}
    run.setdefault("began", at_ms)
    rundocs.enter(run, "RUNNING", at_ms)
    said = outcomes.take(sim, run["name"], "")
    if said is not None:
        run["declared"] = said.model_dump(mode="json")
        declared.begin(run, said, at_ms)
    elif not run["repair"]:
        for spec in rundocs.tasks_of(run):
            rundocs.new_task(sim, run, spec, at_ms)


def _go_on(run: Run, at_ms: int) -> None:
    """Move a run that goes as declared as a whole."""
    said = Outcome.model_validate(run["declared"])
    if run["phase"] == "stopping":
        if at_ms >= run["stop_at"]:
            rundocs.end(run, run["asked"], at_ms)
            beginning.note_end(run)
    elif declared.due(run) is not None:
        status = declared.progress(run, at_ms)
        if status is not None:
            rundocs.end(run, status, at_ms, said.message or "", said.error_trace or None)
            beginning.note_end(run)


def stop(sim: "Simulator", run: Run, at_ms: int, why: str) -> None:
    """Begin to end a run: CANCELED or TIMED_OUT; an ended one stays. The caller saves it."""
    if run["phase"] in ("ended", "stopping"):
        return
    if run["phase"] in ("queued", "pending"):
        for task in run["task_runs"]:
            if task["phase"] == "blocked":
                rundocs.end(task, "CANCELED", at_ms)
        rundocs.end(run, why, at_ms, f"Job run {why.lower().replace('_', ' ')} before it began")
        beginning.note_end(run)
        return
    wait = round(sim.options.stopping_s * 1000)
    run |= {"phase": "stopping", "asked": why, "stop_at": at_ms + wait}
    if why == "CANCELED":
        rundocs.enter(run, "CANCELING", at_ms)
    for task in run["task_runs"]:
        execution.stop(sim, task, at_ms, why)


def cancel(sim: "Simulator", run: Run, at_ms: int) -> None:
    """Cancel a run and what is nested in it; it ends a moment later, a waiting one at once."""
    stop(sim, run, at_ms, "CANCELED")
    if run["phase"] == "stopping" and "declared" not in run:
        graph.settle(sim, run, at_ms)
    rundocs.save(sim, run)
    _stop_children(sim, run, at_ms)
    if run["phase"] == "ended":
        _ended(sim, run, at_ms)


def _stop_children(sim: "Simulator", run: Run, at_ms: int) -> None:
    for task in run["task_runs"]:
        if task.get("way") == "nested" and task["phase"] == "stopping":
            child = nested.child(sim, task)
            if child is not None and child["phase"] not in ("ended", "stopping"):
                cancel(sim, child, at_ms)


def _ended(sim: "Simulator", run: Run, at_ms: int) -> None:
    """Let the next queued run of the job begin, and a continuous job run again."""
    job = sim.store.get("job", run["jobKey"]) or run["job"]
    for other in list(rundocs.active(sim)):
        waits = other["phase"] == "queued" and other["jobKey"] == run["jobKey"]
        if waits and beginning.room(sim, job):
            other |= {"begin": at_ms, "phase": "pending"}
            rundocs.enter(other, "PENDING", at_ms)
            rundocs.save(sim, other)
    schedules.ended(sim, run["jobKey"], at_ms)
