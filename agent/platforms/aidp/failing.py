"""Why a run failed: a failure per task that failed by itself, with what it left behind.

Rules kept here: only the current attempt at a task counts, and only tasks that failed by
themselves; the cause of a task that runs a job is in that job's run; the state's message names no
cause, the task run's `errorTrace` and its output do; where these say nothing either, the cluster's
logs are looked into; whatever cannot be read is said and stops nothing.
"""

from collections.abc import Iterator
from typing import Any

from agent.platforms.aidp import facts, leftovers, locating, messages, nesting, runs, states
from agent.platforms.aidp.api import Api, ApiRefused, Forbidden, NotFound
from agent.platforms.aidp.computing import Computing
from agent.platforms.aidp.facts import Around
from agent.platforms.aidp.layout import Layout
from agent.platforms.aidp.leftovers import Left, Leftovers
from agent.platforms.aidp.nesting import DEPTH, Nested
from agent.platforms.aidp.session import Session
from agent.records import Failure, RunStatus, TaskKey, Tree
from agent.remote import evidence, failures, texts
from agent.remote.evidence import Section

_OWN = frozenset(("FAILED", "TIMED_OUT", "INTERNAL_ERROR"))
"""A task that ended so failed by itself."""
_STOPPED = frozenset(("CANCELED", states.BLOCKED))


class Failing:
    """Diagnoses the runs of one case."""

    def __init__(self, session: Session) -> None:
        self._api: Api = session.api
        self._computing = Computing(session)
        self._leftovers = Leftovers(session, self._computing)

    def around(
        self, status: RunStatus, tree: Tree, layout: Layout | None, job_file: str | None
    ) -> Around:
        """Read a run and its job; both are empty where they are gone or may not be read."""
        try:
            run = runs.get(self._api, status.run) if status.native != states.GONE else {}
        except NotFound:
            run = {}
        return Around(tree, layout, job_file, self._job(run), run)

    def of(self, status: RunStatus, around: Around) -> tuple[Failure, ...]:
        """Return what failed; empty only for a run that succeeded, or runs and no task failed."""
        if status.native == states.GONE or not around.run:
            return (self._gone(status, around),)
        over = status.state != "running"
        if status.state == "succeeded":
            return ()
        self._leftovers.afresh()
        found = tuple(self._within(around, "", over, DEPTH))
        if found or not over:
            return found
        stopped = tuple(self._stopped(around))
        return stopped or (self._whole(status, around),)

    def observed(self, status: RunStatus, around: Around, key: TaskKey) -> Failure:
        """Return what one task left behind, however it ended."""
        changes = {"phase": "verify", "code": "VERIFY_FAILED", "started": True}
        for one in nesting.nested(self._api, dict(around.run)):
            if one.key == key:
                return self._failure(one, around).model_copy(update=changes)
        return failures.no_task(status, key, facts.whole(around))

    def _within(self, around: Around, prefix: str, over: bool, depth: int) -> Iterator[Failure]:
        """Yield the failures of the tasks of one run."""
        for one in nesting.own(self._api, dict(around.run)):
            if states.status(one.task_run) not in _OWN or not (over or _for_good(one)):
                continue
            named = one._replace(key=nesting.short(f"{prefix}{one.key}"))
            causes: tuple[Failure, ...] = ()
            if nesting.runs_job(one.task) and depth > 0:
                causes = tuple(self._inner(named, around, depth))
            yield from causes
            if not causes:
                yield self._failure(named, around)

    def _inner(self, one: Nested, around: Around, depth: int) -> Iterator[Failure]:
        """Yield the causes inside the run that a task started."""
        child = nesting.child(self._api, one.run, one.task_run, one.task)
        found = nesting.read(self._api, child) if child is not None else None
        if found is None:
            return
        inner = around._replace(run=found, job=self._job(found))
        causes = tuple(self._within(inner, f"{one.key}/", True, depth - 1))
        yield from causes
        if not causes and states.verdict(found) != "succeeded":
            said = messages.telling(states.message(found)) or f"it ended as {states.status(found)}"
            failure = self._failure(one, around)
            name = found.get("jobName") or found.get("jobKey")
            message = texts.sentence(f"run {child} of job {name}: {said}")
            yield failure.model_copy(
                update={"message": message, "started": states.began(found) is not None}
            )

    def _stopped(self, around: Around) -> Iterator[Failure]:
        """Yield the tasks that were stopped, or that wait for ever, in a run that did not fail."""
        for one in nesting.own(self._api, dict(around.run)):
            if states.status(one.task_run) in _STOPPED:
                yield self._failure(one, around)

    def _failure(self, one: Nested, around: Around) -> Failure:
        task_run = self._task_run(one)
        declared = task_run.get("task")
        task = one.task or (declared if isinstance(declared, dict) else {})
        given = task_run.get("parameters")
        task = {**task, "parameters": given or task.get("parameters")}
        left = self._leftovers.of(one, task, task_run)
        clusters = self._computing.lines(task, left.said)
        named = [Section("workspace", clusters)] if clusters else []
        log = evidence.bounded([*named, *leftovers.sections(one.key, left)])
        return Failure(
            phase="run",
            code=states.status(task_run) or "FAILED",
            message=_message(left, task_run),
            task=one.key,
            run=str(one.run.get("key") or "") or None,
            task_run=str(task_run.get("key") or "") or None,
            log=log.lines,
            log_cut=(*left.missing, *log.cut),
            location=locating.location(around, around.main_file(task), left.cell, left.traceback),
            facts=facts.of(around, task),
            started=messages.started(task_run, left.said, left.output.kept),
        )

    def _task_run(self, one: Nested) -> dict[str, Any]:
        """Return a task run in full: only there is its `errorTrace`, and its `outputKey`."""
        key = str(one.task_run.get("key") or "")
        if not key:
            return one.task_run
        try:
            return self._api.get(f"/taskRuns/{key}")
        except (ApiRefused, Forbidden):
            return one.task_run

    def _whole(self, status: RunStatus, around: Around) -> Failure:
        """Return the failure of a run none of whose tasks is to blame."""
        run = around.run
        code = states.status(run) or status.native
        said = messages.telling(states.message(run)) or messages.telling(states.trace(run))
        return Failure(
            phase="run",
            code=code,
            message=texts.sentence(said or f"the run ended as {code} and no task says why"),
            run=status.run,
            url=status.url,
            facts=facts.whole(around),
            started=any(
                states.began(one.task_run) is not None for one in nesting.own(self._api, dict(run))
            ),
        )

    def _gone(self, status: RunStatus, around: Around) -> Failure:
        return Failure(
            phase="run",
            code="LOST",
            message=f"run {status.run} is gone: the workspace knows nothing of it any more",
            run=status.run,
            facts=facts.whole(around),
        )

    def _job(self, run: dict[str, Any]) -> dict[str, Any]:
        if not run.get("jobKey"):
            return {}
        try:
            return runs.job(self._api, str(run["jobKey"]))
        except (ApiRefused, Forbidden):
            return {}


def _for_good(one: Nested) -> bool:
    """Return whether no further try at a task follows by itself."""
    tries = int(one.task.get("maxRetries") or 0)
    if states.status(one.task_run) == "TIMED_OUT" and not one.task.get("isRetryOnTimeout"):
        return True
    return int(one.task_run.get("retryAttempt") or 0) >= tries


def _message(left: Left, task_run: dict[str, Any]) -> str:
    if states.status(task_run) == "TIMED_OUT":
        took = states.seconds(task_run, 0.0) or 0.0
        return f"timed out after {took:.0f} s"
    raised = messages.brief(left.raised.words) if left.raised is not None else ""
    said = messages.best(raised, left.trace, left.state)
    said = said or f"the task ended as {states.status(task_run) or 'failed'} without a word"
    return texts.sentence(said[: messages.LONGEST])
