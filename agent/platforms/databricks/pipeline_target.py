"""Which pipeline the playbook means and how its code gets there: a bundle's, or one by its id."""

from collections.abc import Sequence
from pathlib import Path

from agent.platforms.databricks import checks, compute, requirements
from agent.platforms.databricks.deploying import Deploying
from agent.platforms.databricks.layout import Layout
from agent.platforms.databricks.pipeline_files import PipelineFiles
from agent.platforms.databricks.questions import Questions
from agent.platforms.databricks.session import Session
from agent.platforms.databricks.sql import Statements
from agent.playbook import Expectation, Requirement
from agent.records import Check, Deployment, Effect, Failure, Tree


class Target:
    """The pipeline of one case."""

    def __init__(self, session: Session) -> None:
        self._session = session
        job = session.book.job
        self._bundle = Deploying(session) if job.bundle is not None else None
        self._files = PipelineFiles(session, job.pipeline or "")
        self._statements = Statements(session)
        self._questions = Questions(session)

    def is_production(self, source: Path) -> bool:
        """Return whether the target says of itself that it is production."""
        if self._bundle is not None:
            return self._bundle.is_production(source)
        return self._files.is_production()

    def pipeline(self, tree: Tree) -> str:
        """Return the pipeline's id. Raises `UsageError` where it is not deployed."""
        return self._session.book.job.pipeline or self.found(tree).job

    def layout(self, tree: Tree) -> Layout | None:
        """Return where the source's files lie, None where nobody can tell."""
        if self._bundle is not None:
            return self._bundle.layout(tree)
        return self._files.layout(tree)

    def job_file(self, tree: Tree) -> str | None:
        """Return the file of the tree that declares the pipeline; None without a bundle."""
        return self._bundle.job_file(tree) if self._bundle is not None else None

    def plan(self, tree: Tree, previous: Deployment | None) -> tuple[Effect, ...]:
        """Say what bringing the tree would delete, overwrite or change on production."""
        if self._bundle is not None:
            return self._bundle.plan(tree, previous)
        return self._files.plan(tree, previous)

    def deploy(
        self, key: str, tree: Tree, previous: Deployment | None
    ) -> Deployment | tuple[Failure, ...]:
        """Bring the tree; with the key of an earlier call return what that one made."""
        if self._bundle is None:
            return self._files.deploy(key, tree)
        return self._bundle.deploy(key, tree, previous)

    def found(self, tree: Tree) -> Deployment:
        """Return the pipeline as it is there. Raises `UsageError` where there is none."""
        return self._bundle.found(tree) if self._bundle is not None else self._files.found(tree)

    def asked(self, failure: Failure, code: str) -> Failure:
        """Return a failure with what the warehouse says about the tables it names."""
        if self._session.book.databricks.warehouse is None:
            return failure
        return self._questions.about(failure, code)

    def required(self, wanted: Sequence[Requirement], tree: Tree) -> tuple[Check, ...]:
        """Look whether what a playbook requires is there."""
        del tree  # everything that can be required is in the workspace
        return requirements.required(self._session, wanted, self._statements)

    def verify(self, tree: Tree, wanted: Sequence[Expectation]) -> tuple[Check, ...]:
        """Look at tables, files and SQL assertions, read-only."""
        del tree
        return checks.verify(self._session, wanted, self._statements)

    def close(self) -> tuple[str, ...]:
        """Stop the warehouse or cluster that we started."""
        return compute.close(self._session)
