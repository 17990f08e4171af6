"""Why a run failed: a failure per task that failed by itself, with what it left behind.

Rules kept here: the cause of a task that runs a job is in that job's run, of one that updates a
pipeline in that update's events, of a loop in its iterations; the state's message names no cause,
the task's own output does; whatever cannot be read is said and stops nothing.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from agent.errors import Unavailable
from agent.platforms.databricks import (
    clusters,
    exports,
    facts,
    outputs,
    pipeline_events,
    pipeline_failures,
    pipeline_updates,
    runs,
    states,
)
from agent.platforms.databricks.api import Api, ApiRefused, Forbidden, NotFound
from agent.platforms.databricks.facts import Around
from agent.platforms.databricks.outputs import Output
from agent.platforms.databricks.session import Session
from agent.platforms.databricks.watching import DEPTH, GONE, Watching, short
from agent.records import Failure, RunStatus
from agent.remote import evidence, failures
from agent.remote.evidence import Section

_ITEMS = 3
"""Iterations of one loop that become failures of their own, if they fail differently."""


class _Place(NamedTuple):
    """A task, and where it was found."""

    key: str
    task: dict[str, Any]
    around: Around
    item: str | None = None


class Failing:
    """Diagnoses the runs of one case."""

    def __init__(self, session: Session, watching: Watching) -> None:
        self._api: Api = session.api
        self._logs = session.book.databricks.logs
        self._watching = watching

    def of(self, status: RunStatus, around: Around) -> tuple[Failure, ...]:
        """Return what failed; empty only for a run that succeeded, or runs and no task failed."""
        if status.native == GONE:
            return (self._gone(status, around),)
        over = status.state != "running"
        found = tuple(self._within(around, "", over, DEPTH))
        if found or not over or status.state == "succeeded":
            return found
        stopped = tuple(self._stopped(around, ""))
        return stopped or (self._whole(status, around),)

    def observed(self, status: RunStatus, around: Around, key: str) -> Failure:
        """Return what one task left behind, however it ended."""
        for one in self._watching.nested(dict(around.run)):
            if one.key == key:
                failure = self._failure(_Place(key, one.task, around), status.run)
                changes = {"phase": "verify", "code": "VERIFY_FAILED", "started": True}
                return failure.model_copy(update=changes)
        return failures.no_task(status, key, facts.whole(around))

    def _within(self, around: Around, prefix: str, over: bool, depth: int) -> Iterator[Failure]:
        """Yield the failures of the tasks of one run."""
        for key, task in states.last(around.run).items():
            if states.task_state(task) not in ("failed", "timed_out"):
                continue
            if not over and states.comes_again(task):
                continue
            place = _Place(short(f"{prefix}{key}"), task, around)
            inner = tuple(self._inner(place, depth)) if depth > 0 else ()
            yield from inner or (self._failure(place, str(around.run.get("run_id"))),)

    def _stopped(self, around: Around, prefix: str) -> Iterator[Failure]:
        for key, task in states.last(around.run).items():
            if states.task_state(task) == "cancelled":
                place = _Place(short(f"{prefix}{key}"), task, around)
                yield self._failure(place, str(around.run.get("run_id")))

    def _inner(self, place: _Place, depth: int) -> Iterator[Failure]:
        """Yield the causes inside a task that only stands for others."""
        match states.task_type(place.task):
            case "run_job_task":
                yield from self._job(place, depth)
            case "pipeline_task":
                yield from self._pipeline(place)
            case "for_each_task":
                yield from self._loop(place)
            case _:
                return

    def _job(self, place: _Place, depth: int) -> Iterator[Failure]:
        run = runs.child(self._api, place.task["run_id"]) if place.task.get("run_id") else None
        found = self._watching.read(run) if run is not None else None
        if found is None or run is None:
            return
        try:
            settings = runs.job(self._api, found["job_id"]).get("settings") or {}
        except (ApiRefused, Forbidden, KeyError):
            settings = {}
        inner = place.around._replace(run=found, settings=settings)
        causes = tuple(self._within(inner, f"{place.key}/", True, depth - 1))
        yield from causes
        if not causes and states.verdict(found) != "succeeded":
            said = states.message(found) or states.native(found)
            failure = self._failure(place, str(run))
            message = f"run {run} of job {found.get('job_id')}: {outputs.sentence(said)}"
            yield failure.model_copy(
                update={
                    "code": states.code(found),
                    "message": message,
                    "url": runs.page(found) or failure.url,
                    "started": states.began(found),
                }
            )

    def _pipeline(self, place: _Place) -> Iterator[Failure]:
        """Yield what failed in the update that a task ran."""
        pipeline = str(place.task["pipeline_task"].get("pipeline_id") or "")
        try:
            update = _update(self._api, pipeline, place.task)
            if update is None:
                return
            log = pipeline_events.Log(pipeline, pipeline_updates.identity(update))
            log.refresh(self._api)
            scene = pipeline_failures.Scene(
                pipeline=pipeline,
                update=update,
                events=log.events,
                sources=(),
                layout=place.around.layout,
                facts=facts.of(place.around, place.task),
                url=runs.page(place.task) or "",
            )
            found = pipeline_failures.of(self._api, scene)
        except (ApiRefused, Forbidden, Unavailable):
            return
        for failure in found:
            name = f"{place.key}/{failure.task}" if failure.task else place.key
            ids = {"run": str(place.around.run.get("run_id")), "task": short(name)}
            yield failure.model_copy(update=ids)

    def _loop(self, place: _Place) -> Iterator[Failure]:
        """Yield one failure for each way in which iterations failed."""
        try:
            found = runs.get(self._api, place.task["run_id"])
        except (ApiRefused, Forbidden, KeyError):
            return
        seen: set[str] = set()
        for number, task in enumerate(states.iterations(found)):
            if states.task_state(task) not in ("failed", "timed_out") or len(seen) >= _ITEMS:
                continue
            full = {**place.task["for_each_task"].get("task", {}), **task}
            item = str(task.get("task_key") or number)
            one = place._replace(task=full, item=item)
            failure = self._failure(one, str(place.around.run.get("run_id")))
            if failure.fingerprint() not in seen:
                seen.add(failure.fingerprint())
                yield failure

    def _failure(self, place: _Place, run: str) -> Failure:
        task, around = place.task, place.around
        output = outputs.fetch(self._api, task["run_id"]) if task.get("run_id") else Output({})
        trace, sections, cut, cell = self._sections(place, output)
        log = evidence.bounded(sections)
        own = around.main_file(task)
        return Failure(
            phase="run",
            code=states.code(task),
            message=_message(task, output),
            task=place.key,
            run=run,
            task_run=str(task["run_id"]) if task.get("run_id") else None,
            url=runs.page(task) or runs.page(dict(around.run)),
            item=place.item,
            log=log.lines,
            log_cut=(*cut, *log.cut),
            location=evidence.location(trace, around.tree, around.local, own, cell),
            facts=facts.of(around, task),
            started=states.began(task),
        )

    def _sections(
        self, place: _Place, output: Output
    ) -> tuple[list[str], list[Section], list[str], int | None]:
        """Return trace, sections in reading order, what is missing, the cell that raised."""
        task, key = place.task, place.key
        cut = [f"{key} output: {output.missing}"] if output.missing else []
        sections: list[Section] = []

        def add(source: str, text: str) -> list[str]:
            lines, left = outputs.lines(text)
            if left:
                cut.append(f"{source}: {left}")
            if lines:
                sections.append(Section(source, lines))
            return lines

        for told in self._compute(task):
            for source, text in told.texts:
                add(source, text)
            cut.extend(told.missing)
        cell = None
        if states.task_type(task) == "notebook_task" and states.began(task):
            printed = exports.fetch(self._api, task["run_id"])
            cell = printed.failed_cell
            if printed.lines:
                sections.append(Section(f"{key} notebook", printed.lines))
            missing = printed.missing or printed.cut
            cut += [f"{key} notebook: what it printed: {missing}"] if missing else []
        document = output.document
        if isinstance(document.get("logs"), str):
            add(f"{key} stdout", document["logs"])
            if document.get("logs_truncated"):
                cut.append(f"{key} stdout: the service keeps only its last 5 MB")
        trace = str(document.get("error_trace") or "")
        error = str(document.get("error") or "")
        lines = add(f"{key} stderr", trace if error in trace else f"{trace}\n{error}".strip("\n"))
        return lines, sections, cut, cell

    def _compute(self, task: dict[str, Any]) -> Iterator[clusters.Told]:
        """Yield what the cluster of a task says, where its compute is to blame."""
        cluster = clusters.cluster_of(task)
        if cluster is None:
            return
        if states.about_compute(task):
            yield clusters.ended(self._api, cluster, task)
        yield clusters.driver_logs(self._api, cluster, task, self._logs)

    def _whole(self, status: RunStatus, around: Around) -> Failure:
        """Return the failure of a run none of whose tasks is to blame."""
        run = around.run
        said = states.message(run) or f"the run ended as {status.native} and no task says why"
        return Failure(
            phase="run",
            code=states.code(run),
            message=outputs.sentence(said),
            run=status.run,
            url=status.url,
            facts=facts.whole(around),
            started=states.began(run) and bool(states.last(run)),
        )

    def _gone(self, status: RunStatus, around: Around) -> Failure:
        return Failure(
            phase="run",
            code="LOST",
            message=f"run {status.run} is gone: the workspace knows nothing of it any more",
            run=status.run,
            facts=facts.whole(around),
        )


def _message(task: dict[str, Any], output: Output) -> str:
    error = output.document.get("error")
    if isinstance(error, str) and error.strip():
        return outputs.sentence(error)
    if states.result(task) == "TIMEDOUT":
        took = states.seconds(task, 0.0) or 0.0
        return f"timed out after {took:.0f} s"
    said = outputs.sentence(states.message(task) or states.end(task).message)
    return said or f"the task ended as {states.native(task)} without a word"


def _update(api: Api, pipeline: str, task: dict[str, Any]) -> dict[str, Any] | None:
    """Return the update that a task ran: the newest that began while it did."""
    start, end = int(task.get("start_time") or 0), int(task.get("end_time") or 0)
    try:
        found = pipeline_updates.newest(api, pipeline)
    except NotFound:
        return None
    for update in found:
        made = int(update.get("creation_time") or 0)
        if start - 5000 <= made and (not end or made <= end):
            return dict(update)
    return None
