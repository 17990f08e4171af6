"""How runs are doing: one look each, with the tasks of the jobs that tasks run.

Rules kept here: what a task left behind is read once it has ended, and once; a task of a run that
a task started is called `parent/child`; a word nobody knows keeps the run running and is told once;
a job that never ends has succeeded when all of its tasks have run well for as long as was asked,
and is left running.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pydantic import JsonValue

from agent.errors import Unavailable
from agent.platforms.databricks import cadence, exports, outputs, runs, states
from agent.platforms.databricks.api import ApiRefused, Forbidden, NotFound
from agent.platforms.databricks.cadence import Expected, Kind
from agent.platforms.databricks.outputs import Value
from agent.platforms.databricks.session import Session
from agent.records import RunStatus, TaskStatus

DEPTH = 5
"""How deep jobs that run jobs are followed."""
_STEPS = 3
"""Running tasks whose last words are read at a look."""
_NEVER_RAN = ("skipped", "upstream_failed")
GONE = "GONE"
"""`native` of a run that the service knows nothing of any more."""


class Nested(NamedTuple):
    """One task, at whatever depth, by its last attempt."""

    key: str
    task: dict[str, Any]
    run: int | None
    """The run that it started, of a task that runs a job."""


class Watching:
    """What one process has seen of the runs of a case."""

    def __init__(self, session: Session, now: Callable[[], float] = time.time) -> None:
        self._session = session
        self._api = session.api
        self._now = now
        self._children: dict[int, int] = {}
        self._ended: dict[int, dict[str, Any]] = {}
        self._values: dict[int, Value] = {}
        self._wordless: set[int] = set()
        self._told: set[tuple[str, str]] = set()
        self._looks: dict[str, tuple[object, int]] = {}
        self._past: dict[int, Expected | None] = {}

    def look(self, run: str, ours: set[int]) -> RunStatus:
        """Return how a run is doing; `ours` are the repairs of it that are known to be asked for.

        While the service does not show the newest of those yet, the run counts as running.
        """
        try:
            found = runs.get(self._api, run, history=bool(ours))
        except NotFound:
            return RunStatus(run=run, state="failed", native=GONE)
        tasks = tuple(self.nested(found))
        state = states.verdict(found)
        shown = {int(item["id"]) for item in runs.repairs(found)}
        notes = list(self._notes(run, found))
        if ours and max(ours) not in shown and state != "running":
            state = "running"
            notes.append(f"repair {max(ours)} does not show yet")
        if state == "running" and (well := self._ran_well(tasks)) is not None:
            state = "succeeded"
            notes.append(well)
        over = state != "running"
        status = RunStatus(
            run=run,
            state=state,
            native=states.native(found),
            tasks=tuple(self._task(one, over, place) for place, one in enumerate(tasks)),
            url=runs.page(found),
            notes=tuple(notes),
        )
        if over:
            return status
        return status.model_copy(update={"look_s": self._next(run, found, status)})

    def nested(self, run: dict[str, Any], prefix: str = "", depth: int = DEPTH) -> Iterator[Nested]:
        """Yield the tasks of a run, each followed by those of the run that it started."""
        for key, task in states.last(run).items():
            name = short(f"{prefix}{key}")
            child = self._child(task)
            yield Nested(name, task, child)
            if child is not None and depth > 0 and (inner := self.read(child)) is not None:
                yield from self.nested(inner, f"{name}/", depth - 1)

    def read(self, run: int) -> dict[str, Any] | None:
        """Return a run that a task started, None where it may not be read or is gone."""
        if run in self._ended:
            return self._ended[run]
        try:
            found = runs.get(self._api, run)
        except (ApiRefused, Forbidden):
            return None
        if states.verdict(found) != "running":
            self._ended[run] = found
        return found

    def value(self, task: dict[str, Any]) -> Value:
        """Return what a task gave back; None while it has not succeeded."""
        run = int(task.get("run_id") or 0)
        kind = states.task_type(task)
        if not run or states.task_state(task) != "succeeded" or kind == "run_job_task":
            return Value()
        if run not in self._values:
            given = outputs.Output({}) if kind is None else outputs.fetch(self._api, run)
            self._values[run] = outputs.exit_value(kind, given)
        return self._values[run]

    def _child(self, task: dict[str, Any]) -> int | None:
        run = int(task.get("run_id") or 0)
        if states.task_type(task) != "run_job_task" or not run:
            return None
        if run not in self._children and states.task_state(task) not in ("pending", "skipped"):
            found = runs.child(self._api, run)
            if found is None:
                return None
            self._children[run] = found
        return self._children.get(run)

    def _task(self, one: Nested, over: bool, place: int) -> TaskStatus:
        task = one.task
        state = states.task_state(task)
        given = self.value(task) if over else Value()
        running = state == "running" and not over and place < 100
        return TaskStatus(
            task=one.key,
            state=state,
            attempt=int(task.get("attempt_number") or 0) + 1,
            task_run=str(task["run_id"]) if task.get("run_id") else None,
            seconds=None if state in _NEVER_RAN else states.seconds(task, self._now() * 1000),
            waited_s=int(task.get("setup_duration") or 0) / 1000 or None,
            step=self._step(task) if running else None,
            exit_value=given.value,
            exit_value_known=given.known,
            message=_message(task),
            url=runs.page(task),
        )

    def _step(self, task: dict[str, Any]) -> str | None:
        """Return the last `[Step N/M]` of a running task, where the service tells it yet."""
        run, kind = int(task.get("run_id") or 0), states.task_type(task)
        if not run or run in self._wordless or len(self._wordless) > 200:
            return None
        try:
            if kind == "notebook_task":
                said = exports.fetch(self._api, run)
                lines, missing = said.lines, said.missing
            elif kind in ("spark_python_task", "python_wheel_task"):
                given = outputs.fetch(self._api, run)
                text = str(given.document.get("logs") or "")
                lines = tuple(outputs.lines(text)[0])
                missing = given.missing or (None if lines else "nothing is given before its end")
            else:
                return None
        except Unavailable:
            return None
        if missing:
            self._wordless.add(run)
        return exports.step(lines)

    def _notes(self, run: str, found: dict[str, Any]) -> Iterator[str]:
        if (why := states.queued_behind(found)) is not None and not states.ended(found):
            yield f"queued: {outputs.sentence(why)}"
        for item in (found, *states.last(found).values()):
            word = states.unknown(item)
            where = f"task {item['task_key']}" if item.get("task_key") else f"run {run}"
            if word and not states.ended(item) and (where, word) not in self._told:
                self._told.add((where, word))
                yield f"{where} is in the state {word!r}, which is not known; it counts as running"
        for key, task in states.last(found).items():
            if int(task.get("attempt_number") or 0) > 0 and not runs.repairs(found):
                yield f"task {key}: attempt {int(task['attempt_number']) + 1}"

    def _ran_well(self, tasks: tuple[Nested, ...]) -> str | None:
        """Say that a job without an end has run well for as long as the playbook asks."""
        wanted = self._session.book.poll.running_for
        if wanted is None or not tasks:
            return None
        fine = {states.task_state(one.task) for one in tasks}
        if not fine <= {"running", "succeeded", "skipped"} or "running" not in fine:
            return None
        going = [one.task for one in tasks if states.life(one.task) == "RUNNING"]
        since = [int(t.get("start_time") or 0) + int(t.get("setup_duration") or 0) for t in going]
        ran = self._now() - max(since, default=0) / 1000
        if not going or not all(since) or ran < wanted:
            return None
        return f"all tasks have run well for {ran:.0f} s: a success, and it is left running"

    def _next(self, run: str, found: dict[str, Any], status: RunStatus) -> float:
        """Return when to look again, in seconds."""
        poll = self._session.book.poll
        plan = cadence.of(_kind(found), poll)
        seen = (status.native, [(t.task, t.state, t.attempt, t.step) for t in status.tasks])
        before, looks = self._looks.get(run, (None, -1))
        looks = looks + 1 if before == seen else 0
        self._looks[run] = (seen, looks)
        told = poll.first is not None or poll.max is not None
        if not told and poll.history and (known := self._expected(found)) is not None:
            begun = int(found.get("start_time") or 0) / 1000
            elapsed = max(0.0, self._now() - begun)
            spent = max(cadence.FEW, cadence.looks(plan, known.median_s))
            return cadence.next_look(elapsed, known, spent, most_s=plan.max_s)
        return cadence.unchanged(plan, looks)

    def _expected(self, run: dict[str, Any]) -> Expected | None:
        """Return what the job's past runs say of this one; asked once per process."""
        job = int(run.get("job_id") or 0)
        repaired = any(int(t.get("attempt_number") or 0) for t in states.last(run).values())
        if not job or repaired or states.life(run) not in ("RUNNING", "PENDING"):
            return None
        if job not in self._past:
            try:
                past = [*runs.listed(self._api, job, completed_only=True)]
            except (ApiRefused, Forbidden, Unavailable):
                past = []
            took = [states.seconds(r, 0) for r in past if states.result(r) == "SUCCESS"]
            self._past[job] = cadence.expected([t for t in took if t])
        return self._past[job]


def short(key: str) -> str:
    """Return a task's name in at most 100 characters, still its own."""
    if len(key) <= 100:
        return key
    return f"{key[:87]}~{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def _kind(run: dict[str, Any]) -> Kind:
    kinds = {states.task_type(task) for task in states.last(run).values()}
    return "pipeline" if kinds == {"pipeline_task"} else "job"


def _message(task: dict[str, Any]) -> str:
    loop = task.get("for_each_task")
    stats = loop.get("stats") if isinstance(loop, dict) else None
    counts: JsonValue = stats.get("task_run_stats") if isinstance(stats, dict) else None
    said = outputs.sentence(states.message(task))
    if not isinstance(counts, dict):
        return said
    done, total = counts.get("completed_iterations", 0), counts.get("total_iterations", 0)
    bad = counts.get("failed_iterations") or 0
    told = f"{done} of {total} items done{f', {bad} failed' if bad else ''}"
    return f"{told}; {said}" if said else told
