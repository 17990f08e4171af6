"""Lakeflow pipelines: updates are runs, their flows are tasks.

A run's id is `<pipeline id>/<update id>`. Before an update the pipeline is validated, once for each
tree that is deployed: what does not validate is a failure of create. Nothing is computed afresh
(full refresh) that the playbook does not name, and that always asks a person.

Source: https://docs.databricks.com/aws/en/ldp/updates
"""

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from agent.errors import Unavailable, UsageError
from agent.platforms.databricks import (
    cadence,
    pipeline_events,
    pipeline_failures,
    pipeline_progress,
    pipeline_sources,
    pipeline_starts,
    pipeline_updates,
)
from agent.platforms.databricks.api import ApiRefused
from agent.platforms.databricks.pipeline_events import Log, Logs
from agent.platforms.databricks.pipeline_failures import Scene
from agent.platforms.databricks.pipeline_sources import Dataset, short
from agent.platforms.databricks.pipeline_starts import Starts
from agent.platforms.databricks.pipeline_target import Target
from agent.platforms.databricks.pipeline_updates import Document, Seen, identity
from agent.platforms.databricks.session import Session
from agent.playbook import Expectation, Requirement
from agent.records import (
    Check,
    Deployment,
    Effect,
    Facts,
    Failure,
    Repair,
    Risk,
    Run,
    RunStatus,
    TaskKey,
    TaskSource,
    Tree,
)

_ID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_RUN = re.compile(
    rf"(?:.*\bpipelines/)?(?P<pipeline>{_ID})/(?:updates/)?(?P<update>{_ID})(?:\W.*)?"
)
_LOOK_S = 15.0
"""Between two looks at a validation that runs."""


class Pipelines:
    """One case's updates of one pipeline."""

    repairs_whole = False

    def __init__(self, session: Session, now: Callable[[], float] = time.time) -> None:
        """`now` returns seconds since the epoch, as the workspace counts them."""
        self._session = session
        self._api = session.api
        self._book = session.book
        self._now = now
        self._target = Target(session)
        self._logs = Logs(session.api)
        self._counted = 0

    def data(self, source: Path) -> tuple[str, ...]:
        """Return no folders: a pipeline's data is in the workspace."""
        del source
        return ()

    def is_production(self, source: Path) -> bool:
        """Return whether the bundle's target, or the pipeline itself, is in production mode."""
        return self._target.is_production(source)

    def required(self, wanted: Sequence[Requirement], tree: Tree) -> tuple[Check, ...]:
        """Look whether what a playbook requires is there."""
        return self._target.required(wanted, tree)

    def plan(self, tree: Tree, previous: Deployment | None) -> tuple[Effect, ...]:
        """Say what deploying would do, and that tables are computed afresh where they are."""
        full = self._book.job.full_refresh
        refreshed: tuple[Effect, ...] = ()
        if full:
            tables = f"tables {', '.join(full)}" if isinstance(full, tuple) else "all tables"
            says = f"full refresh: empties and recomputes {tables} of the pipeline"
            refreshed = (Effect(kind="full_refresh", risk=Risk.DESTRUCTIVE, detail=says),)
        return (*self._target.plan(tree, previous), *refreshed)

    def deploy(
        self, key: str, tree: Tree, previous: Deployment | None
    ) -> Deployment | tuple[Failure, ...]:
        """Deploy the bundle, or bring the files of a pipeline that is there."""
        made = self._target.deploy(key, tree, previous)
        if not isinstance(made, Deployment):
            return made
        return made.model_copy(update={"tasks": tuple(t.task for t in self.tasks(tree))})

    def start(
        self, key: str, deployment: Deployment, tree: Tree, repair: Repair | None
    ) -> Run | tuple[Failure, ...]:
        """Validate, then start an update; with the key of an earlier call return that one's.

        Raises `Unavailable` while the validation, or another update, runs.
        """
        if (made := self._session.kept("runs", key)) is not None:
            return Run.model_validate(made)
        starts = Starts(self._session, self._logs, self._sources(tree))
        try:
            unsound = starts.validate(key, deployment, tree)
            if unsound is not None:
                scene = self._scene(deployment.job, unsound, tree)
                found = pipeline_failures.of(self._api, scene._replace(phase="create"))
                return tuple(_placed(f, tree) for f in found)
            body, note = starts.body(deployment, repair)
            update = pipeline_updates.start(self._session, key, deployment.job, body)
        except ApiRefused as error:
            return (self._refused(deployment, tree, error),)
        run = Run(
            run=f"{deployment.job}/{update}",
            key=key,
            url=self._url(deployment.job, update),
            repairs=repair.run if repair is not None and "refresh_selection" in body else None,
            parameters={k: str(v) for k, v in (body.get("parameters") or {}).items()},
            note=note,
        )
        self._session.keep("runs", key, run.model_dump(mode="json"))
        return run

    def adopt(self, run: str, tree: Tree) -> tuple[Deployment, Run]:
        """Return an update by `pipeline/update`, its page's URL, or its id alone."""
        pipeline = self._target.pipeline(tree)
        found = _RUN.fullmatch(run.strip())
        update = found["update"] if found else run.strip()
        if not re.fullmatch(_ID, update):
            raise UsageError(
                f"{run!r} names no update; give PIPELINE/UPDATE, or the URL of the update's page"
            )
        if found and found["pipeline"] != pipeline:
            raise UsageError(f"{run} is an update of another pipeline than {pipeline}")
        seen = pipeline_updates.follow(self._api, pipeline, update)
        if seen is None:
            raise UsageError(f"pipeline {pipeline} has no update {update}")
        deployment = self._target.found(tree)
        deployment = deployment.model_copy(
            update={"tasks": tuple(t.task for t in self.tasks(tree))}
        )
        named = f"{pipeline}/{update}"
        given = {str(k): str(v) for k, v in (seen.first.get("parameters") or {}).items()}
        url = self._url(pipeline, update)
        return deployment, Run(run=named, key=named, url=url, parameters=given)

    def overtaken(self, run: Run, deployment: Deployment) -> str | None:
        """Say whether another update is active, or a newer one has succeeded."""
        del deployment
        pipeline, update = self._ids(run.run)
        seen = pipeline_updates.follow(self._api, pipeline, update)
        last = identity(seen.last) if seen else update
        return pipeline_updates.later(self._api, pipeline, last)

    def poll(self, runs: Sequence[str]) -> tuple[RunStatus, ...]:
        """Ask once how the updates are doing, retries that the platform started included."""
        return tuple(self._status(run) for run in runs)

    def _status(self, run: str) -> RunStatus:
        pipeline, update = self._ids(run)
        seen = pipeline_updates.follow(self._api, pipeline, update)
        if seen is None:
            return RunStatus(
                run=run, state="failed", native="LOST", url=self._url(pipeline, update)
            )
        log = self._logs.of(pipeline, identity(seen.last))
        return self._told(run, seen, log)

    def _told(self, run: str, seen: Seen, log: Log) -> RunStatus:
        pipeline, _ = self._ids(run)
        url = self._url(pipeline, identity(seen.last))
        look_s = cadence.of("pipeline", self._book.poll).first_s
        told = pipeline_progress.status(run, seen, log, url, self._now(), look_s)
        running_for = self._book.poll.running_for
        if running_for is not None and pipeline_progress.progressed(
            told, log, self._now(), running_for
        ):
            note = f"it has run and progressed for {running_for:.0f} s; it is left running"
            return told.model_copy(update={"state": "succeeded", "notes": (*told.notes, note)})
        return told

    def failures(self, status: RunStatus, tree: Tree) -> tuple[Failure, ...]:
        """Return a failure per flow that failed by itself, else one for the update."""
        if status.state in ("running", "succeeded"):
            # A flow of a running update that failed is tried again.
            return ()
        pipeline, update = self._ids(status.run)
        seen = pipeline_updates.follow(self._api, pipeline, update)
        if seen is None:
            message = f"pipeline {pipeline} no longer has update {update}"
            return (
                Failure(phase="run", code="LOST", message=message, run=status.run, url=status.url),
            )
        scene = self._scene(pipeline, seen.last, tree)
        found = (_placed(f, tree) for f in pipeline_failures.of(self._api, scene))
        return tuple(
            self._target.asked(
                f.model_copy(update={"run": status.run}), pipeline_failures.code(scene, f.task)
            )
            for f in found
        )

    def observed(self, status: RunStatus, tree: Tree, task: TaskKey) -> Failure:
        """Return what a flow left behind as a `VERIFY_FAILED` failure."""
        pipeline, update = self._ids(status.run)
        seen = pipeline_updates.follow(self._api, pipeline, update)
        last = seen.last if seen else {"update_id": update}
        return pipeline_failures.observed(self._scene(pipeline, last, tree), task)

    def _scene(self, pipeline: str, update: Document, tree: Tree) -> Scene:
        log = self._logs.of(pipeline, identity(update))
        sources = self._sources(tree)
        scene = Scene(
            pipeline=pipeline,
            update=update,
            events=log.events,
            sources=sources,
            layout=self._target.layout(tree),
            facts=Facts(
                files=tree.files,
                job_file=self._target.job_file(tree),
                parameters=pipeline_starts.parameters(self._book, update),
            ),
            url=self._url(pipeline, identity(update)),
            cut=log.cut,
            doubtful=pipeline_progress.doubtful(pipeline_events.flows(log.events)),
        )
        known = pipeline_failures.datasets(scene)
        return scene._replace(facts=scene.facts.model_copy(update={"datasets": known}))

    def tasks(self, tree: Tree) -> tuple[TaskSource, ...]:
        """Return the datasets that the source declares, with what they read."""
        sources = self._sources(tree)
        texts = {d.path: _text(tree, d.path) for d in sources}
        return tuple(
            TaskSource(
                task=short(d.name)[-100:],
                type="pipeline_task",
                path=d.path,
                text=texts[d.path],
                depends_on=tuple(short(u)[-100:] for u in pipeline_sources.upstream(d, sources)),
            )
            for d in sources
        )

    def affected(self, before: Tree, after: Tree) -> tuple[TaskKey, ...]:
        """Return the datasets whose declaration differs between the trees."""
        paths = {*before.files, *after.files}
        changed = frozenset(p for p in paths if _text(before, p) != _text(after, p))
        found = pipeline_sources.affected(self._sources(before), self._sources(after), changed)
        return tuple(short(name)[-100:] for name in found)

    def verify(
        self, status: RunStatus, tree: Tree, checks: Sequence[Expectation]
    ) -> tuple[Check, ...]:
        """Look at tables and SQL assertions through the named warehouse, read-only."""
        del status
        return self._target.verify(tree, checks)

    def cancel(self, key: str, run: str) -> RunStatus:
        """Stop an update and return its status once the pipeline is at rest.

        `run` may be the key of a start: what it made is stopped, and nothing starts by it later.
        """
        del key  # stopping twice is stopping once
        if not _RUN.fullmatch(run):
            return self._forbidden(run)
        pipeline, update = self._ids(run)
        seen = pipeline_updates.follow(self._api, pipeline, update)
        if seen is None or not seen.running:
            return self._status(run)
        if seen.state != "STOPPING":
            self._api.post(pipeline_updates.path(pipeline, "/stop"))
            seen = pipeline_updates.follow(self._api, pipeline, update)
        if seen is None or seen.running or not pipeline_updates.at_rest(self._api, pipeline):
            raise Unavailable(f"pipeline {pipeline} is stopping", retry_after_s=5.0, works=True)
        return self._status(run)

    def _forbidden(self, key: str) -> RunStatus:
        """Stop what a start made whose outcome nobody knows, its validation too."""
        last: RunStatus | None = None
        for asked in (f"{key}-validate", key):
            update = pipeline_updates.recover(self._session, asked)
            pipeline = pipeline_updates.asked(self._session, asked).get("pipeline")
            if update is not None and pipeline:
                last = self.cancel(asked, f"{pipeline}/{update}")
            pipeline_updates.forbid(self._session, asked)
        if last is None or last.state == "succeeded":
            return RunStatus(run=key, state="cancelled", native="NEVER_STARTED")
        return last

    def close(self, proved: bool) -> tuple[str, ...]:
        """Stop what was started besides updates."""
        del proved  # nothing waits for the proof
        return self._target.close()

    def calls(self) -> int:
        """Return how many API calls were made since this was asked last."""
        made = self._api.calls - self._counted
        self._counted = self._api.calls
        return made

    def _sources(self, tree: Tree) -> tuple[Dataset, ...]:
        return pipeline_sources.declared(tree.files, lambda path: _text(tree, path))

    def _ids(self, run: str) -> tuple[str, str]:
        found = _RUN.fullmatch(run)
        if found is None:
            raise Unavailable(f"{run!r} is no run of this case")
        return found["pipeline"], found["update"]

    def _url(self, pipeline: str, update: str) -> str:
        return f"{self._api.auth.host}/#joblist/pipelines/{pipeline}/updates/{update}"

    def _refused(self, deployment: Deployment, tree: Tree, error: ApiRefused) -> Failure:
        return Failure(
            phase="create",
            code=error.code or str(error.status),
            message=str(error),
            url=deployment.url,
            facts=Facts(files=tree.files, job_file=self._target.job_file(tree)),
            started=False,
        )


def _placed(failure: Failure, tree: Tree) -> Failure:
    """Return the failure with the line of code that its location names."""
    place = failure.location
    lines = (_text(tree, place.path) or "").splitlines() if place is not None else []
    if place is None or place.line is None or not 0 < place.line <= len(lines):
        return failure
    code = pipeline_events.clean(lines[place.line - 1].strip())
    return failure.model_copy(update={"location": place.model_copy(update={"code": code})})


def _text(tree: Tree, path: str) -> str | None:
    if path not in tree.files:
        return None
    try:
        return Path(tree.root, path).read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None
