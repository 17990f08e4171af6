"""The target that is a job which is there, by key or exact name: its definition stays as it is.

With `aidp.folder` the files below that workspace folder are the source's, and those that differ are
brought there. Without it a job can be run, diagnosed, repaired and cancelled, not mended.
"""

from pathlib import Path
from typing import Any, NamedTuple

from agent.errors import Refused
from agent.platforms.aidp import drift, files, layout, ours, remote_job, sources
from agent.platforms.aidp.api import ApiRefused
from agent.platforms.aidp.files import Files, Unlike
from agent.platforms.aidp.layout import Layout
from agent.platforms.aidp.ours import Job
from agent.platforms.aidp.planning import Planner
from agent.platforms.aidp.session import Session
from agent.records import Deployment, Effect, Failure, TaskKey, TaskSource, Tree
from agent.remote import failures, named

_RUN_ONLY = (
    "its code is not deployed from here (no aidp.folder): it can be diagnosed, run again, repaired "
    "and cancelled"
)


class Wanted(NamedTuple):
    """What a deploy would bring."""

    there: Layout
    files: dict[str, str]
    """Digest by workspace path."""


class Present:
    """A job that is there."""

    def __init__(self, session: Session, file_store: Files) -> None:
        self._session = session
        self._files = file_store
        self._planner = Planner(session)
        self._job: Job | None = None

    def job_file(self, tree: Tree) -> str | None:
        """Return None: no file declares it."""
        del tree
        return None

    def layout(self, tree: Tree) -> Layout | None:
        """Return where the source lies; None where the playbook does not say it."""
        folder = self._session.aidp.folder
        return layout.of(tree, folder) if folder else None

    def tasks(self, tree: Tree) -> tuple[TaskSource, ...]:
        """Return the job's tasks; their files where the source has them."""
        return sources.of(*self._around(tree))

    def affected(self, before: Tree, after: Tree) -> tuple[TaskKey, ...]:
        """Return the tasks whose files differ between the trees."""
        return sources.affected(self._around(before), self._around(after))

    def _around(self, tree: Tree) -> tuple[dict[str, Any], sources.Around]:
        there = self.layout(tree)
        local = there.local if there else lambda _: None
        return self._found().definition, sources.Around(tree, local)

    def _found(self) -> Job:
        """Return the job. Raises `UsageError` where its name or key leads to none, or several."""
        if self._job is None:
            job = self._session.book.job
            if job.id is not None:
                self._job = ours.given(self._session, str(job.id))
            else:
                self._job = self._named(str(job.name))
        return self._job

    def _named(self, name: str) -> Job:
        same, every = ours.by_name(self._session, name)
        if len(same) == 1:
            return ours.read(self._session, str(same[0]["key"]))
        keys = [str(job["key"]) for job in same]
        others = [(str(job.get("name")), str(job["key"])) for job in every]
        raise named.unclear(name, keys, others, "of the workspace")

    def _wanted(self, tree: Tree) -> Wanted | None:
        there = self.layout(tree)
        if there is None:
            return None
        return Wanted(there, files.wanted(Path(tree.root), there, tree.files))

    def plan(self, tree: Tree, previous: Deployment | None) -> tuple[Effect, ...]:
        """Say which files would be brought, and which of somebody else would be overwritten."""
        job = self._found()
        name = str(job.definition.get("name") or job.key)
        wanted = self._wanted(tree)
        effects: list[Effect] = []
        if wanted is not None:
            # What is there and not ours may be newer than the source: unrecorded, all of it asks.
            before = previous.files if previous else {}
            compared = drift.of_files(self._files, wanted.there, wanted.files, before)
            effects += compared.effects
            effects += self._planner.files(tree, wanted.there, compared)
        return (*effects, *self._planner.run(name, job.key))

    def deploy(
        self, key: str, tree: Tree, previous: Deployment | None, parameters: dict[str, str]
    ) -> Deployment | tuple[Failure, ...]:
        """Bring the files that differ, where the playbook says where they lie.

        Raises `Refused` for a patch that could not reach the job.
        """
        del key  # bringing files twice is bringing them once
        wanted = self._wanted(tree)
        if wanted is None:
            if not failures.same(tree, self._session.context.loaded.source):
                raise Refused(f"job {self._found().key} cannot be given the patch: {_RUN_ONLY}")
            return self._record(tree, {})
        try:
            remote_job.bring(self._session, self._files, tree, wanted, previous)
        except (ApiRefused, Unlike) as error:
            if remote_job.is_question(error):
                raise
            return (failures.refused(tree, error, None, parameters),)
        return self._record(tree, wanted.files)

    def found(self, tree: Tree) -> Deployment:
        """Return the job that is there, with the source's digests: a difference shows."""
        wanted = self._wanted(tree)
        if wanted is None:
            return self._record(tree, {})
        listed = self._files.listed(wanted.there)
        return self._record(tree, {p: mark for p, mark in wanted.files.items() if p in listed})

    def _record(self, tree: Tree, brought: dict[str, str]) -> Deployment:
        job = self._found()
        runs_only = self._session.aidp.folder is None
        notes = (_RUN_ONLY,) if runs_only else ()
        made = remote_job.record(
            self._session, tree, job.key, job.definition, files=brought, notes=notes
        )
        return made.model_copy(update={"kept": not runs_only})
