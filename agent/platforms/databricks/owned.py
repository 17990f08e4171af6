"""The target that is a job file of the source: our own job, made and kept by REST.

Rules kept here: a job is ours by the id we deployed last or by our tag, never by its name; with
`job.id` the file is laid over exactly that job. Making a job has no idempotency token: our tag is
looked for before one is made, so that a lost answer does not make two. Files come before settings.
"""

from pathlib import Path
from typing import Any, NamedTuple

from agent.engine.problems import Problem
from agent.errors import UsageError
from agent.platforms.databricks import (
    compute,
    drift,
    files,
    jobfile,
    layout,
    remote_job,
    runs,
    sources,
)
from agent.platforms.databricks import settings as comparing
from agent.platforms.databricks.api import ApiRefused, NotFound
from agent.platforms.databricks.compute import Compute
from agent.platforms.databricks.files import Files
from agent.platforms.databricks.layout import Layout
from agent.platforms.databricks.session import Session
from agent.records import (
    Deployment,
    Effect,
    Failure,
    Risk,
    TaskKey,
    TaskSource,
    Tree,
)
from agent.remote import failures, jobfiles

TAG = "runmend"


class Wanted(NamedTuple):
    """What a deploy would make of the job."""

    settings: dict[str, Any]
    notes: tuple[str, ...]
    there: Layout
    files: dict[str, str]
    """Digest by workspace path."""


class Owned:
    """A job that a file of the source declares."""

    def __init__(self, session: Session, path: str) -> None:
        self._session = session
        self._path = path
        self._files = Files(session)

    def resource(self, tree: Tree) -> tuple[str, dict[str, Any]] | None:
        """Return kind and settings as the file has them; None where it cannot be read."""
        found = jobfiles.tolerant(tree, self._path)
        return ("job", found) if found else None

    def job_file(self, tree: Tree) -> str | None:
        """Return the file that declares the job."""
        del tree
        return self._path

    def layout(self, tree: Tree) -> Layout:
        """Return where the tree's files lie in the workspace."""
        book = self._session.book
        own = f"/Workspace/Users/{self._session.me()}/.runmend/{book.name}"
        return layout.of(tree, book.databricks.root or own)

    def tasks(self, tree: Tree) -> tuple[TaskSource, ...]:
        """Return the job's tasks, as far as the file can be read."""
        return sources.of(*self._around(tree))

    def affected(self, before: Tree, after: Tree) -> tuple[TaskKey, ...]:
        """Return the tasks that a change between the trees concerns."""
        return sources.affected(self._around(before), self._around(after))

    def _around(self, tree: Tree) -> tuple[dict[str, Any], sources.Around]:
        def local(path: str) -> str | None:
            path = path.removeprefix("./")
            return path if (Path(tree.root) / path).is_file() else None

        return jobfiles.tolerant(tree, self._path), sources.Around(tree, local)

    def _wanted(self, tree: Tree) -> Wanted | tuple[Problem, ...]:
        large = tuple(Problem(0, said) for said in jobfile.too_large(tree))
        if large:
            return large
        given = self._session.book.job.parameters
        read = jobfile.read(tree, self._path, given, self._warehouse())
        if not isinstance(read, jobfile.Read):
            return read
        there = self.layout(tree)
        made = jobfile.remote(read.settings, there)
        if self._session.book.job.id is None:
            made["tags"] = {**(made.get("tags") or {}), TAG: self._session.book.name}
        brought = files.wanted(Path(tree.root), there, tree.files)
        return Wanted(made, read.notes, there, brought)

    def _warehouse(self) -> str | None:
        name = self._session.book.databricks.warehouse
        if name is None:
            return None
        found = compute.warehouse(self._session, name)
        return found.id if isinstance(found, Compute) else name

    def _job(self, name: str, previous: Deployment | None) -> dict[str, Any] | None:
        """Return the job to deploy onto; None where there is none yet."""
        given = self._session.book.job.id
        if given is not None:
            return remote_job.existing(self._session, given)
        if previous is not None:
            try:
                found = runs.job(self._session.api, previous.job)
            except NotFound:
                found = {}
            if found and self._tagged(found):
                return found
        return self._by_tag(name)

    def _tagged(self, job: dict[str, Any]) -> bool:
        tags = (job.get("settings") or {}).get("tags") or {}
        return bool(tags.get(TAG) == self._session.book.name)

    def _by_tag(self, name: str) -> dict[str, Any] | None:
        """Return the job that carries our tag; those of the same name are looked at first."""
        api, path = self._session.api, "/api/2.2/jobs/list"
        for wanted in (name, None):
            every = api.pages(path, "jobs", limit=100, name=wanted)
            ours = [job for job in every if self._tagged(job)]
            if len(ours) > 1:
                ids = ", ".join(str(j["job_id"]) for j in ours)
                raise UsageError(
                    f"several jobs carry the tag {TAG}={self._session.book.name} ({ids}): delete "
                    "all but one, or say which with job.id in the playbook"
                )
            if ours:
                return runs.job(api, ours[0]["job_id"])
        return None

    def plan(self, tree: Tree, previous: Deployment | None) -> tuple[Effect, ...]:
        """Say what somebody else changed and a deploy would overwrite."""
        wanted = self._wanted(tree)
        if not isinstance(wanted, Wanted):
            return ()
        job = self._job(wanted.settings["name"], previous)
        before = previous if job and previous and previous.job == str(job["job_id"]) else None
        foreign = before is None and job is not None and self._foreign(job)
        brought = before.files if before else {} if foreign else None
        compared = drift.of_files(self._files, wanted.there, wanted.files, brought)
        now = comparing.normal((job or {}).get("settings") or {})
        target = comparing.normal(wanted.settings)
        effects = [*compared.effects]
        if before is not None:
            effects += drift.of_settings(self._session, "job", before, target)
        elif foreign and job is not None:
            effects += drift.of_foreign(f"job {job['job_id']}", now, target)
        elif job is None and previous is not None:
            effects.append(drift.gone("job", previous))
        if self._on_production():
            effects += self._production(settings=now != target, brings=bool(compared.changed))
        return tuple(effects)

    def _foreign(self, job: dict[str, Any]) -> bool:
        """Return whether a job that we did not deploy last is somebody else's work."""
        given = self._session.book.job.id is not None
        return given or job.get("creator_user_name") not in (None, self._session.me())

    def _on_production(self) -> bool:
        book = self._session.book
        return book.job.id is not None if book.production is None else book.production

    def _production(self, *, settings: bool, brings: bool) -> list[Effect]:
        name = self._session.book.name
        details = [f"sets the job of {name} on production"] if settings else []
        details += [f"brings changed files for {name} to production"] if brings else []
        return [Effect(kind="production_deploy", risk=Risk.ASK, detail=d) for d in details]

    def deploy(
        self, tree: Tree, previous: Deployment | None, parameters: dict[str, str]
    ) -> Deployment | tuple[Failure, ...]:
        """Bring the files that differ, then make the job or give it the file's settings."""
        wanted = self._wanted(tree)
        if not isinstance(wanted, Wanted):
            return (failures.invalid(tree, wanted, self._path, parameters),)
        try:
            job = self._job(wanted.settings["name"], previous)
            remote_job.bring(self._files, tree, wanted.there, wanted.files, previous)
            job_id = self._set(wanted.settings, job)
        except ApiRefused as error:
            return (failures.refused(tree, error, self._path, parameters),)
        return self._record(tree, job_id, wanted)

    def _set(self, settings: dict[str, Any], job: dict[str, Any] | None) -> int:
        api = self._session.api
        if job is None:
            return int(api.post("/api/2.2/jobs/create", settings)["job_id"])
        job_id = int(job["job_id"])
        if comparing.normal(job.get("settings") or {}) != comparing.normal(settings):
            body = {"job_id": job_id, "new_settings": settings}
            api.post("/api/2.2/jobs/reset", body)
        return job_id

    def _record(self, tree: Tree, job_id: int, wanted: Wanted) -> Deployment:
        now = comparing.current(self._session, "job", str(job_id))
        return remote_job.record(
            self._session,
            tree,
            {"job_id": job_id, "settings": wanted.settings},
            digest=comparing.remember(self._session, now),
            brought=wanted.files,
            notes=wanted.notes,
        )

    def found(self, tree: Tree) -> Deployment:
        """Return the job that is there, with the source's digests: a difference shows."""
        wanted = self._wanted(tree)
        if not isinstance(wanted, Wanted):
            said = "; ".join(f"{self._path}:{p.line}: {p.message}" for p in wanted)
            raise UsageError(said)
        job = self._job(wanted.settings["name"], None)
        if job is None:
            raise UsageError(
                f"no job carries the tag {TAG}={self._session.book.name}: it was never deployed"
            )
        listed = self._files.listed(wanted.there)
        return remote_job.record(
            self._session,
            tree,
            job,
            digest=comparing.remember(self._session, comparing.normal(wanted.settings)),
            brought={p: mark for p, mark in wanted.files.items() if p in listed},
            notes=wanted.notes,
        )
