"""How runs are doing: one look each, with the tasks of the jobs that tasks run.

Rules kept here: what a task left behind is read once it has ended, and once; only the current
attempt at a task counts; a word nobody knows keeps the run running and is told once; BLOCKED ends a
run when it has lasted as long as the playbook says; a run whose tasks go on after its end has not
ended, for a while; a run without an end has succeeded when its tasks have run well for as long as
was asked, and is left running: maintenance that pauses it is no failure.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

from agent.errors import Unavailable
from agent.platforms.aidp import asking, nesting, outputs, runs, states, writing
from agent.platforms.aidp.api import ApiRefused, Forbidden, NotFound
from agent.platforms.aidp.nesting import Nested
from agent.platforms.aidp.outputs import Value
from agent.platforms.aidp.session import Session
from agent.playbook.records import Poll
from agent.records import RunStatus, TaskStatus
from agent.remote.texts import sentence

RUNNING_FOR_S = 120.0
"""How long a run without an end must go well where the playbook does not say it, seconds."""
WEDGED_S = 900.0
"""After which a task that runs, but has no start, is told; starts take 5 to 6 minutes."""
_LOOK_S = 25.0
_TWICE = 2
"""Looks in a row that do not find a run, before it is gone."""
_TRIES = 4
"""Looks after which a value that cannot be fetched is not known: the run has ended all the same."""
_STEPS = 3
"""Running tasks whose last words are read at a look, and looks without any."""
_STEP = re.compile(r"\[Step \d+/\d+\][^\n]*")
_NEVER_RAN = ("skipped", "upstream_failed")


class _Seen(NamedTuple):
    """What one look saw."""

    run: dict[str, Any]
    tasks: tuple[Nested, ...]
    endless: bool


class Watching:
    """What one process has seen of the runs of a case."""

    def __init__(self, session: Session, now: Callable[[], float] = time.time) -> None:
        self._session = session
        self._api = session.api
        self._now = now
        self._values: dict[str, Value] = {}
        self._unread: Counter[str] = Counter()
        self._wordless: Counter[str] = Counter()
        self._told: set[tuple[str, str]] = set()
        self._looks: dict[str, tuple[object, int]] = {}
        self._missed: Counter[str] = Counter()
        self._continuous: dict[str, bool] = {}

    def look(self, run: str, newest: int = 0) -> RunStatus:
        """Return how a run is doing; `newest` is its newest repair that is known to be asked for.

        While the service does not show that one yet, the run counts as running.
        """
        found = self.read(run)
        if found is None:
            return RunStatus(run=run, state="failed", native=states.GONE)
        try:
            return self._looked(run, found, newest)
        except ApiRefused as error:
            raise Unavailable(f"run {run} cannot be looked at just now: {error}") from error

    def _looked(self, run: str, found: dict[str, Any], newest: int) -> RunStatus:
        tasks = tuple(nesting.nested(self._api, found))
        seen = _Seen(found, tasks, self._endless(found))
        state, notes = self._judged(seen, newest)
        over = state != "running"
        status = RunStatus(
            run=run,
            state=state,
            native=states.status(found) or "UNKNOWN",
            tasks=tuple(self._task(one, over, place) for place, one in enumerate(tasks)),
            notes=(*self._notes(seen), *notes),
            endless=seen.endless,
        )
        if over:
            return status
        return status.model_copy(update={"look_s": self._next(status)})

    def read(self, run: str) -> dict[str, Any] | None:
        """Return a run; None where it is gone, `Unavailable` the first time it is not found."""
        try:
            found = runs.get(self._api, run)
        except ApiRefused as error:
            # One such answer proves nothing: the service gives it for other reasons, too.
            self._missed[run] += isinstance(error, NotFound)
            if self._missed[run] < _TWICE:
                raise Unavailable(f"run {run} is not to be found just now: {error}") from error
            return None
        del self._missed[run]
        return found

    def _judged(self, seen: _Seen, newest: int) -> tuple[states.Verdict, list[str]]:
        """Return how a run stands, and why where its status alone would say something else."""
        run = seen.run
        state = states.verdict(run, blocked=self._blocked(run))
        if state == "running":
            well = self._ran_well(seen)
            return ("running", []) if well is None else ("succeeded", [well])
        told = run.get("repairKey") is not None or bool(run.get("repairHistory"))
        if told and runs.newest_repair(run) < newest:
            return "running", [f"repair {newest} does not show yet"]
        writers = writing.of(run, seen.tasks)
        if not writers:
            return state, []
        early = writing.settling(run, writers, self._now())
        if early or (state == "succeeded" and not all(writer.waits for writer in writers)):
            return "running", [f"the run has ended, but {writers[0].why}"]
        # What was to be stopped and could not be is no clean end.
        stuck = state == "cancelled" and not writers[0].settles
        return "failed" if stuck else state, [f"{writers[0].why}: it may still write"]

    def _blocked(self, run: dict[str, Any]) -> bool:
        """Return whether a run has been BLOCKED for as long as the playbook gives it."""
        if states.status(run) != states.BLOCKED:
            return False
        key, now = str(run["key"]), self._now()
        since = _since(run, states.BLOCKED) or self._session.kept("blocked", key)
        if since is None:
            self._session.keep("blocked", key, since := now)
        return now - float(since) >= self._session.aidp.blocked

    def _endless(self, run: dict[str, Any]) -> bool:
        """Return whether a run has no end: a task of it streams, or its job is continuous."""
        if any(states.streams(task) for task in run.get("tasks") or ()):
            return True
        job = str(run.get("jobKey") or "")
        if job and job not in self._continuous and not states.ended(run):
            try:
                self._continuous[job] = asking.goes_on(runs.job(self._api, job))
            except (ApiRefused, Forbidden):
                self._continuous[job] = False
        return self._continuous.get(job, False)

    def _ran_well(self, seen: _Seen) -> str | None:
        """Say that a run without an end has gone well for as long as was asked."""
        asked = self._session.book.poll.running_for
        wanted = asked if asked is not None else RUNNING_FOR_S if seen.endless else None
        if wanted is None or states.status(seen.run) != "RUNNING":
            return None
        streaming = any(states.streams(one.task) for one in seen.tasks)
        begun: list[float] = []
        for one in seen.tasks:
            word, start = states.status(one.task_run), states.began(one.task_run)
            if (
                word == "RUNNING"
                and start is not None
                and (states.streams(one.task) or not streaming)
            ):
                begun.append(start)
            elif word not in ("SUCCESS", "SKIPPED", "EXCLUDED"):
                return None
        begun.append(_since(seen.run, "RUNNING") or 0.0)  # what was paused has begun anew
        ran = self._now() - max(begun)
        if len(begun) == 1 or ran < wanted:
            return None
        return f"all tasks have run well for {ran:.0f} s: a success, and it is left running"

    def _task(self, one: Nested, over: bool, place: int) -> TaskStatus:
        run = one.task_run
        state = states.task_state(run, over)
        given = self._value(one) if over and state == "succeeded" else Value()
        running = state == "running" and not over and place < _STEPS * 10
        return TaskStatus(
            task=one.key,
            state=state,
            attempt=_attempt(run) + 1,
            task_run=str(run["key"]) if run.get("key") else None,
            seconds=None if state in _NEVER_RAN else states.seconds(run, self._now()),
            step=self._step(one) if running else None,
            exit_value=given.value,
            exit_value_known=given.known,
            message=sentence(states.message(run)),
        )

    def _value(self, one: Nested) -> Value:
        """Return what a task that ended well gave back."""
        key, kind = str(one.task_run.get("key") or ""), one.task.get("type")
        if not key:
            return Value()
        if key not in self._values:
            try:
                run = self._api.get(f"/taskRuns/{quote(key, safe='')}")
                kind = kind or (run.get("task") or {}).get("type")
                self._values[key] = outputs.exit_value(kind, outputs.fetch(self._api, run))
            except (ApiRefused, Forbidden):
                return Value(known=False)
            except Unavailable:
                self._unread[key] += 1
                if self._unread[key] < _TRIES:
                    raise
                return Value(known=False)
        return self._values[key]

    def _step(self, one: Nested) -> str | None:
        """Return the last `[Step N/M]` of a running task, where the service tells it yet."""
        key = str(one.task_run.get("key") or "")
        if not key or nesting.runs_job(one.task) or self._wordless[key] >= _STEPS:
            return None
        try:
            said = outputs.fetch(self._api, one.task_run).stdout
        except Unavailable:
            return None
        found = _STEP.findall(said)
        self._wordless[key] = 0 if found else self._wordless[key] + 1
        return sentence(found[-1]) if found else None

    def _notes(self, seen: _Seen) -> Iterator[str]:
        key = str(seen.run.get("key"))
        for where, item in ((f"run {key}", seen.run), *_named(seen.tasks)):
            word = states.status(item)
            if (strange := states.unknown(item)) and (where, strange) not in self._told:
                self._told.add((where, strange))
                yield f"{where} is in the state {strange!r}, unknown here: it counts as running"
            elif word == "QUEUED":
                yield f"{where} is queued{_because(item)}"
            elif word == "PAUSED_MAINTENANCE":
                yield f"{where} is paused for maintenance, which ends by itself{_because(item)}"
            elif word == states.BLOCKED:
                yield f"{where} is blocked{_because(item)}"
        for one in seen.tasks:
            if _attempt(one.task_run) > 0:
                yield f"task {one.key}: attempt {_attempt(one.task_run) + 1}"
            if self._wedged(one):
                yield (
                    f"task {one.key} is said to run, but has not begun: its cluster may hang, and "
                    "cancelling the run and starting another has helped"
                )

    def _wedged(self, one: Nested) -> bool:
        run = one.task_run
        if states.status(run) != "RUNNING" or states.began(run) is not None:
            return False
        begun = states.began(one.run) or states.moment(one.run.get("timeCreated"))
        return begun is not None and self._now() - begun > WEDGED_S

    def _next(self, status: RunStatus) -> float:
        """Return when to look again, in seconds."""
        seen = (status.native, [(t.task, t.state, t.attempt, t.step) for t in status.tasks])
        before, looks = self._looks.get(status.run, (None, -1))
        looks = looks + 1 if before == seen else 0
        self._looks[status.run] = (seen, looks)
        return pause(self._session.book.poll, looks)


def pause(poll: Poll, looks: int) -> float:
    """Return the seconds to the next look after so many in a row that saw no change, 0 at first.

    20 to 30 with the runner's jitter, where the playbook says nothing else.
    """
    spans = {"training": (60.0, 300.0), "pipeline": (30.0, 30.0), "job": (30.0, 120.0)}
    first, most = spans[poll.kind] if poll.kind else (_LOOK_S, _LOOK_S)
    if poll.first is not None:
        first, most = poll.first, max(most, poll.first)
    most = most if poll.max is None else poll.max
    return max(1.0, min(first * 2.0 ** min(looks, 30), most))


def _named(tasks: tuple[Nested, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((f"task {one.key}", one.task_run) for one in tasks)


def _because(item: dict[str, Any]) -> str:
    said = sentence(states.message(item))
    return f": {said}" if said else ""


def _attempt(task_run: dict[str, Any]) -> int:
    number = task_run.get("retryAttempt")
    return number if isinstance(number, int) else 0


def _since(run: dict[str, Any], word: str) -> float | None:
    """Return since when a run is in a state, where its life is told and that is its last."""
    lives = run.get("lifecycleStates")
    last = lives[-1] if isinstance(lives, list) and lives else None
    if not isinstance(last, dict) or last.get("status") != word:
        return None
    return states.moment(last.get("startTime"))
