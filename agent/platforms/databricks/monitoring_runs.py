"""Runs over monitors, alerts and Genie spaces: which items, how far, and what a run says of itself.

The service has no job for this, so a run is ours: `start` writes what is to be done, and each look
at the run carries it on as far as it goes now. One process does that at a time, and nothing more
once the run was called off or the kill switch is on.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import JsonValue

from agent import redaction, settings
from agent.errors import Unavailable
from agent.platforms.databricks import monitoring_steps
from agent.platforms.databricks.monitoring_file import KEYS
from agent.platforms.databricks.monitoring_looks import Bench
from agent.platforms.databricks.monitoring_steps import Step
from agent.platforms.databricks.session import Session
from agent.platforms.databricks.sql import Statements
from agent.records import Record, RunStatus, TaskState, TaskStatus

_KIND = "monitoring"
_OFF = "monitoring-called-off"
_WAIT_S = 15.0
"""Between looks at what the service is making: a monitor takes minutes."""


class State(Record):
    """One run, as it is kept on the disk."""

    run: str
    tree: str
    """Digest of the tree it was started from."""
    file: str
    parameters: dict[str, str] = {}
    repairs: str | None = None
    begun: float
    """Seconds since the epoch."""
    ended: float | None = None
    lines: dict[str, int] = {}
    """Task: line of its key in the file."""
    steps: tuple[Step, ...] = ()

    def of(self, task: str) -> tuple[Step, ...]:
        """Return a task's steps."""
        return tuple(step for step in self.steps if step.task == task)

    def replaced(self, step: Step) -> "State":
        """Return the run with one step replaced."""
        steps = tuple(step if s.key == step.key else s for s in self.steps)
        return self.model_copy(update={"steps": steps})


def load(session: Session, run: str) -> State | None:
    """Return a run of this case, None where there is none."""
    kept = session.kept(_KIND, run)
    return None if kept is None else State.model_validate(kept)


def save(session: Session, state: State) -> None:
    """Keep a run; it is on the disk when this returns."""
    session.keep(_KIND, state.run, state.model_dump(mode="json"))


def index(session: Session) -> list[str]:
    """Return the runs of this case, the oldest first."""
    return list(session.kept(_KIND, "index") or ())


def begin(session: Session, state: State) -> None:
    """Keep a new run."""
    save(session, state)
    if state.run not in (known := index(session)):
        session.keep(_KIND, "index", [*known, state.run])


def called_off(session: Session, run: str) -> bool:
    """Say whether somebody stopped a run, or a start that may still come."""
    return session.kept(_OFF, run) is not None


def call_off(session: Session, run: str, now: float) -> None:
    """Let nothing more happen by this run.

    Raises `Unavailable` while another process is in the middle of a change by it.
    """
    session.keep(_OFF, run, {"at": now})
    with _alone(session, run) as alone:
        if not alone:
            raise Unavailable(f"run {run} is just being carried on elsewhere", retry_after_s=1.0)
        state = load(session, run)
        if state is None or all(s.ended for s in state.steps):
            return
        steps = tuple(s if s.ended else s.to(state="cancelled") for s in state.steps)
        save(session, state.model_copy(update={"steps": steps, "ended": now}))


@contextmanager
def _alone(session: Session, run: str) -> Iterator[bool]:
    """Hold a run for this process; yields False where another has it."""
    folder = session.context.folder / "databricks"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = hashlib.sha256(run.encode()).hexdigest()[:16]
    descriptor = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


def held(session: Session) -> str | None:
    """Return why nothing may be changed now: the kill switch of the state folder, or None."""
    # A case's folder lies in `cases` of the state folder.
    return settings.read_only(session.context.folder.parents[1])


def carry_on(session: Session, statements: Statements, run: str) -> State | None:
    """Take every item of a run as far as it goes now, and return where it then stands.

    Raises `Unavailable` where the service does not answer; what was done by then is kept.
    """
    with _alone(session, run) as alone:
        state = load(session, run)
        if state is None or not alone or all(s.ended for s in state.steps):
            return state
        if held(session) is not None:
            return state
        bench = Bench(session, statements, {})
        state = _pass(bench, state)
        statements.forget()
        if all(s.ended for s in state.steps):
            state = state.model_copy(update={"ended": time.time()})
        save(session, state)
        return state


def _pass(bench: Bench, state: State) -> State:
    """Move every item once; one that gets no answer does not keep the others waiting."""
    silent: Unavailable | None = None
    for key in [s.key for s in state.steps]:
        try:
            state = _moved(bench, state, key)
        except Unavailable as error:
            if silent is not None:  # it is not the item, it is the service
                raise
            silent = error
            state = load(bench.session, state.run) or state
    if silent is not None:
        raise silent
    return state


def _moved(bench: Bench, state: State, key: str) -> State:
    """Move one item; each needs the kinds before it: alerts read what monitors write."""
    step = next(s for s in state.steps if s.key == key)
    before = _before(step.task)
    waits = any(not s.ended for s in state.steps if s.task in before)
    if step.ended or waits or called_off(bench.session, state.run):
        return state
    latest = [state]

    def keep(kept: Step) -> None:
        latest[0] = latest[0].replaced(kept)
        save(bench.session, latest[0])

    moved = monitoring_steps.go(bench, step, keep)
    keep(moved)
    return latest[0]


def _before(task: str) -> tuple[str, ...]:
    tasks = tuple(KEYS.values())
    return tasks[: tasks.index(task)]


def needs(task: str, tasks: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of the run's tasks come before one."""
    return tuple(t for t in _before(task) if t in tasks)


def status(session: Session, run: str, state: State | None) -> RunStatus:
    """Say how a run is doing."""
    if state is None:
        off = called_off(session, run)
        native = "CANCELED" if off else "LOST"
        return RunStatus(run=run, state="cancelled" if off else "failed", native=native)
    tasks = tuple(_task(state, task) for task in KEYS.values() if task in state.lines)
    states = {t.state for t in tasks}
    going = not all(s.ended for s in state.steps)
    ended = (
        "cancelled" if "cancelled" in states else "failed" if "failed" in states else "succeeded"
    )
    why = held(session) if going else None
    return RunStatus.model_validate(
        {
            "run": run,
            "state": "running" if going else ended,
            "native": "RUNNING" if going else ended.upper(),
            "tasks": tasks,
            "url": session.api.auth.host,
            "look_s": _WAIT_S if going else None,
            "notes": () if why is None else (f"nothing is done meanwhile: {why}",),
        }
    )


def _task(state: State, task: str) -> TaskStatus:
    steps = state.of(task)
    done = [s for s in steps if s.ended]
    going = len(done) < len(steps)
    value = None if going else exit_value(steps)
    waiting = next((s.message for s in steps if not s.ended and s.message), "")
    return TaskStatus(
        task=task,
        state=_task_state(steps),
        task_run=f"{state.run}/{task}",
        seconds=max(0.0, (state.ended or time.time()) - state.begun),
        step=f"[Step {len(done)}/{len(steps)}] {waiting}".rstrip(),
        exit_value=value,
        message="; ".join(f"{s.name}: {s.message}" for s in steps if s.state == "failed")[:2000],
    )


def _task_state(steps: tuple[Step, ...]) -> TaskState:
    states = {s.state for s in steps}
    if "cancelled" in states:
        return "cancelled"
    if all(s.ended for s in steps):
        # Some good ones make a partial success, which the exit value tells.
        return "failed" if states == {"failed"} else "succeeded"
    return "pending" if states == {"waiting"} else "running"


def exit_value(steps: tuple[Step, ...]) -> JsonValue:
    """Return what a task says of its items, in the shape of a monitorable job."""
    failed = [s for s in steps if s.state == "failed"]
    words = "SUCCESS" if not failed else "PARTIAL_SUCCESS" if len(failed) < len(steps) else "FAILED"
    value: dict[str, Any] = {
        "status": words,
        "total": len(steps),
        "successful": len(steps) - len(failed),
        "failed": len(failed),
        "failed_items": [s.name for s in failed],
        "errors": {s.name: "\n".join(said(s)) for s in failed},
    }
    return redaction.mask_json(value)


def said(step: Step) -> list[str]:
    """Return why an item failed, line by line; the last line is the message's last."""
    what = {"monitors": "monitor of", "alerts": "alert", "genie": "Genie space"}[step.task]
    return [f"{what} {step.name}, line {step.line}, {step.code}", *step.message.splitlines()]
