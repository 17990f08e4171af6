"""An existing pipeline by its id: run only, or with its source's files imported before each update.

Rules kept here: the pipeline itself is never changed. Its files are, where the playbook says in
which workspace folder (`databricks.root`) the source lies; what somebody else changed there since
we last looked, and what never was the source's, is an effect that asks.
"""

from pathlib import Path
from typing import Any

from agent.errors import UsageError
from agent.platforms.databricks import files, layout, settings
from agent.platforms.databricks.api import ApiRefused, NotFound
from agent.platforms.databricks.layout import Layout
from agent.platforms.databricks.pipeline_updates import path
from agent.platforms.databricks.session import Session
from agent.records import Deployment, Effect, Facts, Failure, Risk, Tree
from agent.remote import comparing


class PipelineFiles:
    """What is deployed of a pipeline that the playbook names by its id."""

    def __init__(self, session: Session, pipeline: str) -> None:
        self._session = session
        self._pipeline = pipeline
        self._files = files.Files(session)

    def document(self) -> dict[str, Any]:
        """Return the pipeline. Raises `UsageError` where there is none."""
        try:
            return self._session.api.get(path(self._pipeline))
        except NotFound as error:
            raise UsageError(
                f"there is no pipeline {self._pipeline} on {self._session.api.auth.host}; "
                "job.pipeline is the id that the pipeline's page shows"
            ) from error

    def is_production(self) -> bool:
        """Return whether the pipeline runs in production mode: it does unless it says otherwise."""
        return not (self.document().get("spec") or {}).get("development", False)

    def layout(self, tree: Tree) -> Layout | None:
        """Return where the source lies; None where the playbook does not say it."""
        root = self._session.book.databricks.root
        return layout.of(tree, root) if root and tree.files else None

    def plan(self, tree: Tree, previous: Deployment | None) -> tuple[Effect, ...]:
        """Say which files somebody else changed that bringing ours would overwrite."""
        there = self.layout(tree)
        if there is None:
            return ()
        ours = files.wanted(Path(tree.root), there, tree.files)
        now = self._now(there, ours)
        last = previous.files if previous else {}
        found = []
        for remote, digest in sorted(now.items()):
            if digest == ours.get(remote) or digest == last.get(remote):
                continue
            since = "was changed since we deployed it" if remote in last else "is not the source's"
            says = f"{remote} {since} (now {digest[:12]}) and would be overwritten"
            found.append(Effect(kind="remote_overwrite", risk=Risk.ASK, detail=says))
        return tuple(found)

    def deploy(self, key: str, tree: Tree) -> Deployment | tuple[Failure, ...]:
        """Bring the files that differ; the pipeline stays as it is."""
        if (kept := self._session.kept("pipeline-deploys", key)) is not None:
            return Deployment.model_validate(kept)
        there = self.layout(tree)
        ours = files.wanted(Path(tree.root), there, tree.files) if there else {}
        if there is not None:
            now = self._now(there, ours)
            changed = [p for p in tree.files if now.get(r := there.remote(p)) != ours.get(r)]
            try:
                self._files.bring(Path(tree.root), there, changed)
            except ApiRefused as error:
                return (self._refused(tree, error),)
        made = self.deployment(tree, ours)
        self._session.keep("pipeline-deploys", key, made.model_dump(mode="json"))
        return made

    def found(self, tree: Tree) -> Deployment:
        """Return the deployment as it is: files with the digests they have there now."""
        there = self.layout(tree)
        ours = files.wanted(Path(tree.root), there, tree.files) if there else {}
        # What lies there and is not the source's was never ours: it is left out, so that it asks.
        now = self._now(there, ours) if there else {}
        return self.deployment(tree, {k: v for k, v in now.items() if ours.get(k) == v})

    def deployment(self, tree: Tree, brought: dict[str, str]) -> Deployment:
        """Return the record of the pipeline with these files."""
        document = self.document()
        spec = settings.normal(document.get("spec") or {})
        notes = () if brought else ("its files are not ours to bring: databricks.root is not said",)
        return Deployment(
            job=self._pipeline,
            name=str(document.get("name") or self._pipeline),
            tree=tree.digest,
            settings=comparing.digest(spec),
            url=f"{self._session.api.auth.host}/#joblist/pipelines/{self._pipeline}",
            notes=notes,
            files=brought,
            kept=bool(brought),
        )

    def _now(self, there: Layout, ours: dict[str, str]) -> dict[str, str]:
        listed = self._files.listed(there)
        return self._files.digests((e for p, e in listed.items() if p in ours), there)

    def _refused(self, tree: Tree, error: ApiRefused) -> Failure:
        return Failure(
            phase="create",
            code=error.code or str(error.status),
            message=str(error),
            facts=Facts(files=tree.files),
            started=False,
        )
