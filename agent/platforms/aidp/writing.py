"""Whether anything of an ended run may still write: then nothing may take its place.

Rules kept here: a run's own status ends nothing while a task run of it, of an earlier attempt or of
a run that it started is still active; a task said to be running whose start nobody knows may begin
at any time; a task whose cancel failed runs on until its runtime is gone, which only a person can
see. What may settle by itself is waited for, for a while.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from agent.errors import Held, Unavailable
from agent.platforms.aidp import nesting, runs, states
from agent.platforms.aidp.api import Api

SETTLING_S = 120.0
"""How long after a run's end its tasks may take to end without that being wrong, seconds."""
_AGAIN_S = 10.0
_WAITING = ("PENDING", "QUEUED")


class Writer(NamedTuple):
    """A task run that may still write."""

    why: str
    """In words: `task load is still RUNNING, with no start time`."""
    settles: bool
    """Whether it may end by itself; False where only a person can tell that it has."""
    waits: bool = False
    """Whether it has not begun."""


def ended(api: Api, key: str, now_s: float) -> dict[str, Any] | None:
    """Return a run once nothing of it can write any more; None where it is gone.

    Raises `Unavailable` while it may settle by itself, `Held` where only a person can tell.
    """
    run = runs.found(api, key)
    if run is None:
        return None
    word = states.status(run)
    endless = any(states.streams(task) for task in run.get("tasks") or ())
    if not states.ended(run):
        if word == states.BLOCKED or endless:
            raise Held(f"run {key} is {word} and may go on: cancel it, then start again")
        said = f"run {key} is {word or 'not ended'}: nothing takes its place yet"
        raise Unavailable(said, retry_after_s=_AGAIN_S, works=True)
    if (why := lasting(api, run, now_s)) is not None:
        raise Held(why)
    return run


def lasting(api: Api, run: dict[str, Any], now_s: float) -> str | None:
    """Say why an ended run may still write for good, None where it cannot.

    Raises `Unavailable` while it may settle by itself.
    """
    writers = anywhere(api, run)
    if not writers:
        return None
    said = f"run {run['key']} has ended, but {writers[0].why}: it may still write"
    if settling(run, writers, now_s):
        raise Unavailable(said, retry_after_s=_AGAIN_S, works=True)
    return f"{said}. See on its cluster that it is dead before anything runs in its place"


def of(run: dict[str, Any], tasks: Sequence[nesting.Nested]) -> list[Writer]:
    """Return which current task runs of a run may still write; empty while the run goes on."""
    if not states.ended(run):
        return []
    found = (_writer(one.key, one.task_run) for one in tasks)
    return _sorted(writer for writer in found if writer is not None)


def anywhere(api: Api, run: dict[str, Any]) -> list[Writer]:
    """Return the same of an ended run and of its earlier attempts: asks the service for all."""
    tasks = tuple(nesting.nested(api, run))
    current = {one.task_run.get("key") for one in tasks}
    return _sorted((*of(run, tasks), *_earlier(api, run, current)))


def settling(run: dict[str, Any], writers: Sequence[Writer], now_s: float) -> bool:
    """Return whether it is early enough to wait for them to end by themselves."""
    end = states.finished(run)
    return all(w.settles for w in writers) and end is not None and now_s - end <= SETTLING_S


def _sorted(writers: Iterator[Writer] | tuple[Writer, ...]) -> list[Writer]:
    """Return writers with those that never settle first: theirs is the reason to give."""
    return sorted(writers, key=lambda writer: writer.settles)


def _earlier(api: Api, run: dict[str, Any], current: set[Any]) -> Iterator[Writer]:
    for item in runs.task_runs(api, str(run["key"])):
        if item.get("key") in current:
            continue
        name = f"{item.get('taskKey') or item.get('name')} (an earlier attempt)"
        if (writer := _writer(name, item)) is not None and writer.settles:
            yield writer


def _writer(name: str, task_run: dict[str, Any]) -> Writer | None:
    if states.failed_cancel(task_run):
        return Writer(f"task {name} could not be cancelled", settles=False)
    word = states.status(task_run)
    if not word or word in states.TERMINAL or word == states.BLOCKED:
        return None
    waits = word in _WAITING
    start = "" if waits or states.began(task_run) else ", with no start time"
    return Writer(f"task {name} is still {word}{start}", settles=True, waits=waits)
