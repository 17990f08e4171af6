"""What a playbook's job is made from and how it comes to the workspace: one of three targets.

`Bundled`: a job or pipeline of the user's bundle, by the user's command. `Owned`: a job file of the
source, by REST. `Present`: a job that is there, whose settings stay. What differs between them is
theirs; what is the same (a key deploys once) is here.
"""

from pathlib import Path
from typing import Any, Protocol

from agent.engine import values
from agent.errors import UsageError
from agent.platforms.databricks import declared
from agent.platforms.databricks.layout import Layout
from agent.platforms.databricks.session import Session
from agent.playbook import Playbook
from agent.records import Deployment, Effect, Failure, TaskKey, TaskSource, Tree


class Target(Protocol):
    """What each of the three can do; see `Deploying`."""

    def resource(self, tree: Tree) -> tuple[str, dict[str, Any]] | None: ...
    def job_file(self, tree: Tree) -> str | None: ...
    def layout(self, tree: Tree) -> Layout | None: ...
    def tasks(self, tree: Tree) -> tuple[TaskSource, ...]: ...
    def affected(self, before: Tree, after: Tree) -> tuple[TaskKey, ...]: ...
    def plan(self, tree: Tree, previous: Deployment | None) -> tuple[Effect, ...]: ...
    def deploy(
        self, tree: Tree, previous: Deployment | None, parameters: dict[str, str]
    ) -> Deployment | tuple[Failure, ...]: ...
    def found(self, tree: Tree) -> Deployment: ...


class Deploying:
    """One case's target."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._target = _target(session)

    def data(self, source: Path) -> tuple[str, ...]:
        """Return the folders of the source that a job file names as data: they are not brought."""
        from agent.remote import jobfiles

        file = self._session.book.job.file
        return jobfiles.data(source, file) if file is not None else ()

    def is_production(self, source: Path) -> bool:
        """Return whether the bundle's target says that it is production, read statically."""
        book = self._session.book
        if book.job.bundle is None:
            return False
        found = declared.read(source, book.target, book.databricks.variables)
        return found is not None and found.mode == "production"

    def plan(self, tree: Tree, previous: Deployment | None) -> tuple[Effect, ...]:
        """Say what a deploy would delete, overwrite, or change on production.

        Compared is with `previous`; without one, only what was never ours is asked for.
        """
        return self._target.plan(tree, previous)

    def deploy(
        self, key: str, tree: Tree, previous: Deployment | None
    ) -> Deployment | tuple[Failure, ...]:
        """Deploy the tree; with the key of an earlier call return what that one made.

        Raises `PersonNeeded` where something would be deleted or made anew.
        """
        if (made := self._session.kept("deploys", key)) is not None:
            return Deployment.model_validate(made)
        given = self._session.book.job.parameters
        texts = {name: values.as_text(value) for name, value in given.items()}
        found = self._target.deploy(tree, previous, texts)
        if isinstance(found, Deployment):
            self._session.keep("deploys", key, found.model_dump(mode="json"))
        return found

    def found(self, tree: Tree) -> Deployment:
        """Return what somebody else deployed, as compared with the tree: differences show later.

        Raises `UsageError` where nothing is deployed.
        """
        return self._target.found(tree)

    def tasks(self, tree: Tree) -> tuple[TaskSource, ...]:
        """Return the job's tasks in dependency order; empty where they cannot be read."""
        return self._target.tasks(tree)

    def affected(self, before: Tree, after: Tree) -> tuple[TaskKey, ...]:
        """Return the tasks whose declaration, main file or own modules differ."""
        return self._target.affected(before, after)

    def layout(self, tree: Tree) -> Layout | None:
        """Return where the tree's files lie in the workspace; None where nobody can tell."""
        return self._target.layout(tree)

    def resource(self, tree: Tree) -> tuple[str, dict[str, Any]] | None:
        """Return the kind (`job`, `pipeline`) and the settings in Databricks' words.

        Paths are the workspace's where the target is resolved, else the tree's.
        """
        return self._target.resource(tree)

    def job_file(self, tree: Tree) -> str | None:
        """Return the tree's file that declares the job or pipeline, None where none does."""
        return self._target.job_file(tree)

    def job_id(self, deployment: Deployment) -> int:
        """Return the job's id."""
        return int(deployment.job)


def _target(session: Session) -> Target:
    from agent.platforms.databricks.bundled import Bundled
    from agent.platforms.databricks.owned import Owned
    from agent.platforms.databricks.present import Present

    job = session.book.job
    if job.bundle is not None:
        return Bundled(session, job.bundle)
    if job.file is not None:
        return Owned(session, job.file)
    if job.id is not None or job.name is not None:
        return Present(session)
    raise UsageError("the playbook names no job: give job.bundle, job.file, job.id or job.name")


def resource_kind(book: Playbook, source: Path) -> str:
    """Return whether a bundle's key is a `job` or a `pipeline`, read statically.

    What only Python code declares is taken for a job.
    """
    found = declared.read(source, book.target, book.databricks.variables)
    kind = found.kind(book.job.bundle or "") if found else None
    return kind or "job"
