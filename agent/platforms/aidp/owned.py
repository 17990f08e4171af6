"""The target that is a job file of the source: our own job, made and kept by REST.

Rules kept here: a job is made in two steps, from its name alone and then by putting the whole of
it; what is put lies over what is there. A request to make one is sent once for each token, and
never again after the service answered with an error of its own: it may refuse for a quarter of an
hour. Before a job is changed it is read again, and where somebody changed it since we looked,
nothing is sent: the next plan asks about it. Files come before the definition.
"""

import hashlib
from pathlib import Path
from typing import Any

from agent.errors import Unavailable, UsageError
from agent.platforms.aidp import (
    clusters,
    definitions,
    drift,
    files,
    layout,
    ours,
    planning,
    remote_job,
    schedules,
    sources,
    wanting,
)
from agent.platforms.aidp.api import ApiRefused, Conflict, ServerError, Stale
from agent.platforms.aidp.files import Files, Unlike
from agent.platforms.aidp.jobfile import Problem
from agent.platforms.aidp.layout import Layout
from agent.platforms.aidp.ours import Job, Taken
from agent.platforms.aidp.planning import Planner
from agent.platforms.aidp.session import Session
from agent.platforms.aidp.wanting import Wanted
from agent.records import Deployment, Effect, Failure, TaskKey, TaskSource, Tree
from agent.remote import failures, jobfiles
from agent.remote.drift import Compared

_PLANNED = "planned"
_MEANWHILE = "meanwhile"


class Owned:
    """A job that a file of the source declares."""

    def __init__(self, session: Session, path: str, file_store: Files) -> None:
        self._session = session
        self._path = path
        self._files = file_store
        self._planner = Planner(session)

    def job_file(self, tree: Tree) -> str | None:
        """Return the file that declares the job."""
        del tree
        return self._path

    def layout(self, tree: Tree) -> Layout:
        """Return where the tree's files lie in the workspace."""
        book = self._session.book
        own = f"/Workspace/Shared/runmend/{book.name}"
        return layout.of(tree, book.aidp.folder or own)

    def tasks(self, tree: Tree) -> tuple[TaskSource, ...]:
        """Return the job's tasks, as far as the file can be read."""
        return sources.of(*self._around(tree))

    def affected(self, before: Tree, after: Tree) -> tuple[TaskKey, ...]:
        """Return the tasks that a change between the trees concerns."""
        return sources.affected(self._around(before), self._around(after))

    def _around(self, tree: Tree) -> tuple[dict[str, Any], sources.Around]:
        there = self.layout(tree)

        def local(path: str) -> str | None:
            if path.startswith("/"):
                return there.local(path)
            path = path.removeprefix("./")
            return path if (Path(tree.root) / path).is_file() else None

        return jobfiles.tolerant(tree, self._path), sources.Around(tree, local)

    def _wanted(self, tree: Tree) -> Wanted | tuple[Problem, ...]:
        return wanting.read(self._session, tree, self._path, self.layout(tree))

    def _found(self, wanted: Wanted, previous: Deployment | None) -> Job | Problem | None:
        """Return the job to deploy onto, None where there is none yet."""
        job = ours.find(self._session, wanted.name, previous)
        if isinstance(job, Taken):
            return Problem(0, job.why, code="JOB_EXISTS")
        now = job.definition if job is not None else {}
        waits = bool(wanted.waits) and not wanted.job.get("runAs") and not now.get("runAs")
        if waits and (why := schedules.not_allowed(self._session)) is not None:
            return Problem(0, why)
        return job

    def _body(self, wanted: Wanted, job: Job | None, *, changed: bool) -> dict[str, Any]:
        """Return the whole definition to put.

        What runs by itself is paused only for something that is not proved yet.
        """
        if job is None:
            return wanted.job
        stays = self._session.book.job.id is not None
        body = definitions.laid_over(wanted.job, job.definition, stays=stays)
        same = definitions.normal(body) == definitions.normal(job.definition)
        if same and not changed:
            for name in wanted.waits:
                body[name]["pauseStatus"] = (job.definition.get(name) or {}).get("pauseStatus")
        return body

    def plan(self, tree: Tree, previous: Deployment | None) -> tuple[Effect, ...]:
        """Say what a deploy would send, and what somebody else changed and it would overwrite."""
        wanted = self._wanted(tree)
        if not isinstance(wanted, Wanted):
            return ()
        job = self._found(wanted, previous)
        if isinstance(job, Problem):
            return ()
        before = previous if job and previous and previous.job == job.key else None
        given = self._session.book.job.id is not None
        brought = before.files if before else {} if given else None
        compared = drift.of_files(self._files, wanted.there, wanted.files, brought)
        effects = [*compared.effects, *self._drifted(wanted, job, previous)]
        effects += self._sends(tree, wanted, job, compared)
        known = job.key if job is not None and (before or given) else None
        return (*effects, *self._planner.run(wanted.name, known))

    def _drifted(
        self, wanted: Wanted, job: Job | None, previous: Deployment | None
    ) -> tuple[Effect, ...]:
        """Return what somebody else made of the definition and would be replaced."""
        if job is None or job.bare:
            return (drift.gone(previous),) if previous is not None else ()
        now = definitions.normal(job.definition)
        target = definitions.normal(self._body(wanted, job, changed=True))
        seen = self._session.kept(_MEANWHILE, job.key)
        self._session.keep(_PLANNED, job.key, definitions.remember(self._session, now))
        label = f"{wanted.name} ({job.key})"
        if previous is not None and previous.job == job.key:
            found = drift.of_definition(self._session, previous, now, target)
        elif self._session.book.job.id is not None:
            found = drift.of_foreign(label, now, target)
        else:
            found = ()
        if not found and seen is not None:
            found = drift.of_meanwhile(self._session, label, seen, now, target)
        return found

    def _sends(
        self, tree: Tree, wanted: Wanted, job: Job | None, compared: Compared
    ) -> list[Effect]:
        """Return what is sent, in its order."""
        sent, effects = self._planner.sent, list[Effect]()
        for cluster in wanted.clusters:
            if cluster.state != "ACTIVE" and self._session.aidp.start_cluster:
                effects += sent(f"starts {cluster}", {})
        effects += self._planner.files(tree, wanted.there, compared)
        if job is None:
            effects += sent(f"makes job {wanted.name}", planning.creation(wanted.job))
        body = self._body(wanted, job, changed=bool(compared.changed))
        if job is None or not _is_as(body, job):
            after = ", paused until it is proved" if wanted.waits else ""
            effects += sent(f"gives job {wanted.name} its definition{after}", body, self._path)
        elif wanted.waits and (due := schedules.due(self._session, job)):
            what = " and ".join(due)
            effects += sent(f"switches on the {what} of {wanted.name} once it is proved", body)
        return effects

    def deploy(
        self, key: str, tree: Tree, previous: Deployment | None, parameters: dict[str, str]
    ) -> Deployment | tuple[Failure, ...]:
        """Bring the files that differ, then make the job or give it the file's definition."""
        wanted = self._wanted(tree)
        if not isinstance(wanted, Wanted):
            return remote_job.invalid(tree, wanted, self._path, parameters)
        job = self._found(wanted, previous)
        if isinstance(job, Problem):
            return remote_job.invalid(tree, (job,), self._path, parameters)
        stopped = tuple(self._stopped(wanted))
        if stopped:
            return remote_job.invalid(tree, stopped, self._path, parameters)
        try:
            brought = remote_job.bring(self._session, self._files, tree, wanted, previous)
            made = job or self._create(key, wanted)
            if made.bare:
                remote_job.made(self._session, made.key, wanted.name)
            self._put(wanted, made, tree, previous, changed=bool(brought))
            return self._record(tree, made.key, wanted)
        except (ApiRefused, NotMade, Unlike) as error:
            if remote_job.is_question(error):
                raise
            return (failures.refused(tree, error, self._path, parameters),)

    def _stopped(self, wanted: Wanted) -> list[Problem]:
        """Return which clusters cannot be had. Raises `Unavailable` while one starts."""
        active = (clusters.active(self._session, cluster) for cluster in wanted.clusters)
        return [Problem(0, c.why, code=c.code) for c in active if isinstance(c, clusters.Problem)]

    def _create(self, key: str, wanted: Wanted) -> Job:
        """Make the job from its name; it is looked for where the answer does not say enough.

        Raises `NotMade` after an error of the service, which must not be asked again.
        """
        token = hashlib.sha256(f"{self._session.context.folder.name}/{key}".encode()).hexdigest()
        ours.will_create(self._session, wanted.name, token)
        stem = wanted.name.removesuffix(".job")
        body = planning.creation(wanted.job)
        try:
            self._session.api.send("POST", "/jobs", body, what=f"create-job-{stem}", token=token)
        except (Conflict, ServerError) as error:
            found = self._made(wanted)
            if found is not None:
                return found
            if isinstance(error, ServerError) and error.status == 500:
                raise NotMade(str(error), error.status) from error
            raise
        found = self._made(wanted)
        if found is None:
            raise Unavailable(f"job {wanted.name} was made, and is not to be seen yet", works=True)
        return found

    def _made(self, wanted: Wanted) -> Job | None:
        found = ours.find(self._session, wanted.name, None)
        return found if isinstance(found, Job) else None

    def _put(
        self,
        wanted: Wanted,
        job: Job,
        tree: Tree,
        previous: Deployment | None,
        *,
        changed: bool,
    ) -> None:
        session = self._session
        now = ours.read(session, job.key)._replace(bare=job.bare)
        mark = definitions.remember(session, definitions.normal(now.definition))
        body = self._body(wanted, now, changed=changed)
        planned = session.kept(_PLANNED, job.key)
        is_as = _is_as(body, now)
        if not is_as and planned not in (None, mark) and not now.bare:
            raise self._changed(wanted.name, job.key, planned)
        then = previous.tree if previous is not None and previous.job == job.key else None
        schedules.wait(session, now, body, wanted.waits, tree=tree.digest, before=then)
        if not is_as:
            try:
                schedules.put(session, now, body, wanted.name)
            except Stale as error:
                raise self._changed(wanted.name, job.key, mark) from error
        session.keep(_MEANWHILE, job.key, None)
        session.keep(_PLANNED, job.key, None)

    def _changed(self, name: str, key: str, seen: str) -> Unavailable:
        """Return that a job was changed since it was `seen` so: the next plan asks about it."""
        self._session.keep(_MEANWHILE, key, seen)
        return Unavailable(
            f"job {name} was changed by somebody else since it was looked at; looking again",
            retry_after_s=1.0,
        )

    def _record(self, tree: Tree, key: str, wanted: Wanted) -> Deployment:
        now = ours.read(self._session, key).definition
        found = remote_job.record(
            self._session, tree, key, now, files=wanted.files, notes=wanted.notes
        )
        remote_job.left(self._session, key, found.settings)
        return found

    def found(self, tree: Tree) -> Deployment:
        """Return the job that is there, with the source's digests: a difference shows.

        Raises `UsageError` where it was never deployed.
        """
        wanted, there = self._wanted(tree), self.layout(tree)
        # A run may have failed of what is wrong with the file: that is told by the next deploy.
        file = wanted.job if isinstance(wanted, Wanted) else self._mistaken(tree, wanted)
        job = ours.find(self._session, str(file.get("name") or file.get("displayName")), None)
        if not isinstance(job, Job) or job.bare:
            why = job.why if isinstance(job, Taken) else f"there is no job {file.get('name')}"
            raise UsageError(f"{why}: it was never deployed by playbook {self._session.book.name}")
        stays = self._session.book.job.id is not None
        target = definitions.laid_over(file, job.definition, stays=stays)
        listed = self._files.listed(there)
        brought = files.wanted(Path(tree.root), there, tree.files)
        return remote_job.record(
            self._session,
            tree,
            job.key,
            job.definition,
            settings=definitions.remember(self._session, definitions.normal(target)),
            files={p: mark for p, mark in brought.items() if p in listed},
            notes=wanted.notes if isinstance(wanted, Wanted) else (),
        )

    def _mistaken(self, tree: Tree, wrong: tuple[Problem, ...]) -> dict[str, Any]:
        """Return what a file with mistakes asks for. Raises `UsageError` where it is none."""
        found = wanting.mistaken(self._session, tree, self._path, self.layout(tree))
        if found is None:
            said = (failures.said(self._path, p.line, p.message) for p in wrong)
            raise UsageError("; ".join(said))
        return found


class NotMade(ServerError):
    """The service answered with an error of its own to a request to make a job."""


def _is_as(body: dict[str, Any], job: Job) -> bool:
    """Return whether a job is already what would be put, and as paused."""
    now = job.definition
    same = definitions.normal(body) == definitions.normal(now)
    return same and set(schedules.goes_on(now)) <= set(schedules.goes_on(body))
