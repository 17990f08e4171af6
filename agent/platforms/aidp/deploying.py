"""What a playbook's job is made from and how it comes to the workspace: one of two targets.

`Owned`: a job file of the source. `Present`: a job that is there, whose definition stays. What
differs between them is theirs; what is the same (a key deploys once, what a case leaves behind at
its end) is here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from agent.engine import values
from agent.errors import Unavailable, UsageError
from agent.platforms.aidp import cleaning, clusters, ours, remote_job, schedules
from agent.platforms.aidp.api import ApiRefused, NotFound
from agent.platforms.aidp.files import Files
from agent.platforms.aidp.jobrules import items
from agent.platforms.aidp.layout import Layout
from agent.platforms.aidp.owned import Owned
from agent.platforms.aidp.present import Present
from agent.platforms.aidp.session import Session
from agent.records import Deployment, Effect, Failure, TaskKey, TaskSource, Tree
from agent.remote import jobfiles


class Target(Protocol):
    """What each of the two can do; see `Deploying`."""

    def job_file(self, tree: Tree) -> str | None: ...
    def layout(self, tree: Tree) -> Layout | None: ...
    def tasks(self, tree: Tree) -> tuple[TaskSource, ...]: ...
    def affected(self, before: Tree, after: Tree) -> tuple[TaskKey, ...]: ...
    def plan(self, tree: Tree, previous: Deployment | None) -> tuple[Effect, ...]: ...
    def deploy(
        self, key: str, tree: Tree, previous: Deployment | None, parameters: dict[str, str]
    ) -> Deployment | tuple[Failure, ...]: ...
    def found(self, tree: Tree) -> Deployment: ...


class Deploying:
    """One case's target."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._files = Files(session)
        self._target = _target(session, self._files)

    def data(self, source: Path) -> tuple[str, ...]:
        """Return the folders of the source that a job file names as data: they are not brought."""
        file = self._session.book.job.file
        return jobfiles.data(source, file) if file is not None else ()

    def is_production(self, source: Path) -> bool:
        """Return False: a workspace does not say it. Unsaid, the playbook counts as production."""
        del source
        return False

    def plan(self, tree: Tree, previous: Deployment | None) -> tuple[Effect, ...]:
        """Say what a deploy and the run after it would send, delete and overwrite.

        Compared is with `previous`; without one, only what was never ours is asked for.
        """
        with _answered():
            return self._target.plan(tree, previous)

    def deploy(
        self, key: str, tree: Tree, previous: Deployment | None
    ) -> Deployment | tuple[Failure, ...]:
        """Deploy the tree; with the key of an earlier call return what that one made.

        Raises `Unavailable` while a cluster starts, and where the job was changed meanwhile.
        """
        if (made := self._session.kept("deploys", key)) is not None:
            return Deployment.model_validate(made)
        given = self._session.book.job.parameters
        texts = {name: values.as_text(value) for name, value in given.items()}
        with _answered():
            found = self._target.deploy(key, tree, previous, texts)
        if isinstance(found, Deployment):
            self._session.keep("deploys", key, found.model_dump(mode="json"))
        return found

    def found(self, tree: Tree) -> Deployment:
        """Return what somebody else deployed, as compared with the tree: differences show later.

        Raises `UsageError` where nothing is deployed.
        """
        with _answered():
            return self._target.found(tree)

    def ready(self, deployment: Deployment) -> Failure | None:
        """See that the clusters a job names are ACTIVE, before it is run.

        A stopped one is started where the playbook allows it; raises `Unavailable` until it runs.
        What cannot be found is left for the run to tell: not every cluster is in the list.
        """
        try:
            definition = ours.read(self._session, deployment.job).definition
        except NotFound:
            return None
        named = (task.get("cluster") for task in items(definition, "tasks"))
        keys = dict.fromkeys(c.get("clusterKey") for c in named if isinstance(c, dict))
        if not any(keys):
            return None
        there = {c.key: c for c in clusters.every(self._session) if c.usable}
        for key in keys:
            if key not in there:
                continue
            found = clusters.active(self._session, there[key])
            if isinstance(found, clusters.Problem):
                return Failure(phase="run", code=found.code, message=found.why, started=False)
        return None

    def tasks(self, tree: Tree) -> tuple[TaskSource, ...]:
        """Return the job's tasks in dependency order; empty where they cannot be read."""
        with _answered():
            return self._target.tasks(tree)

    def affected(self, before: Tree, after: Tree) -> tuple[TaskKey, ...]:
        """Return the tasks whose declaration, main file or own modules differ."""
        with _answered():
            return self._target.affected(before, after)

    def layout(self, tree: Tree) -> Layout | None:
        """Return where the tree's files lie in the workspace; None where nobody can tell."""
        return self._target.layout(tree)

    def job_file(self, tree: Tree) -> str | None:
        """Return the tree's file that declares the job, None where none does."""
        return self._target.job_file(tree)

    def cleanup(self) -> tuple[str, ...]:
        """Delete the job that this case made and the files it brought; see `cleaning`."""
        return cleaning.clean(self._session, self._files)

    def close(self, proved: bool) -> tuple[str, ...]:
        """End the case: what waited for the proof, what is to be deleted, clusters we started."""
        session = self._session
        cleaned = self.cleanup() if session.aidp.cleanup else ()
        if session.aidp.cleanup and remote_job.made_job(session) is not None:
            proved = False  # what is to be deleted starts nothing by itself, deleted or not
        settled = () if cleaning.is_clean(session) else schedules.settle(session, proved)
        return (*cleaned, *settled, *clusters.close(session))


@contextmanager
def _answered() -> Iterator[None]:
    """Turn the refusal of a question into "not now": what it asked for is not known."""
    try:
        yield
    except ApiRefused as error:
        raise Unavailable(f"the workspace cannot be looked at just now: {error}") from error


def _target(session: Session, files: Files) -> Target:
    job = session.book.job
    if job.file is not None:
        return Owned(session, job.file, files)
    if job.id is not None or job.name is not None:
        return Present(session, files)
    raise UsageError("the playbook names no job for AIDP: give job.file, job.id or job.name")
