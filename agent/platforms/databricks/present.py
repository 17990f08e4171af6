"""The target that is a job which is there, by id or exact name: its settings stay as they are.

With `databricks.root` the files below that workspace folder are the source's, and those that differ
are brought there. Without it a job can be run, diagnosed, repaired and cancelled, not mended.
"""

from pathlib import Path
from typing import Any

from agent.errors import Refused
from agent.platforms.databricks import drift, files, layout, remote_job, runs, settings, sources
from agent.platforms.databricks.api import ApiRefused, NotFound
from agent.platforms.databricks.files import Files
from agent.platforms.databricks.layout import Layout
from agent.platforms.databricks.session import Session
from agent.records import Deployment, Effect, Failure, Risk, TaskKey, TaskSource, Tree
from agent.remote import failures, named

_RUN_ONLY = (
    "its code is not deployed from here (no databricks.root): it can be diagnosed, run again, "
    "repaired and cancelled"
)


class Present:
    """A job that is there."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._files = Files(session)
        self._found: dict[str, Any] | None = None

    def resource(self, tree: Tree) -> tuple[str, dict[str, Any]] | None:
        """Return kind and settings, as the workspace has them."""
        del tree
        return "job", self._job().get("settings") or {}

    def job_file(self, tree: Tree) -> str | None:
        """Return None: no file declares it."""
        del tree
        return None

    def _job(self) -> dict[str, Any]:
        """Return the job. Raises `UsageError` where its name or id leads to none, or several."""
        if self._found is None:
            job = self._session.book.job
            if job.id is not None:
                self._found = remote_job.existing(self._session, job.id)
            else:
                self._found = self._named(str(job.name))
        return self._found

    def _named(self, name: str) -> dict[str, Any]:
        api = self._session.api
        # The service compares names without regard to case.
        every = list(api.pages("/api/2.2/jobs/list", "jobs", limit=100, name=name))
        same = [j for j in every if (j.get("settings") or {}).get("name") == name]
        if len(same) == 1:
            return runs.job(api, same[0]["job_id"])
        ids = [str(j["job_id"]) for j in same]
        others = [(str(j["settings"]["name"]), str(j["job_id"])) for j in every if j["settings"]]
        raise named.unclear(name, ids, others, f"on {api.auth.host}")

    def layout(self, tree: Tree) -> Layout | None:
        """Return where the source lies; None where the playbook does not say it."""
        root = self._session.book.databricks.root
        return layout.of(tree, root) if root else None

    def tasks(self, tree: Tree) -> tuple[TaskSource, ...]:
        """Return the job's tasks; their files where the source has them."""
        return sources.of(*self._around(tree))

    def affected(self, before: Tree, after: Tree) -> tuple[TaskKey, ...]:
        """Return the tasks whose files differ between the trees."""
        return sources.affected(self._around(before), self._around(after))

    def _around(self, tree: Tree) -> tuple[dict[str, Any], sources.Around]:
        there = self.layout(tree)
        local = there.local if there else lambda _: None
        return self._job().get("settings") or {}, sources.Around(tree, local)

    def plan(self, tree: Tree, previous: Deployment | None) -> tuple[Effect, ...]:
        """Say which files of somebody else would be overwritten."""
        there = self.layout(tree)
        if there is None:
            return ()
        wanted = files.wanted(Path(tree.root), there, tree.files)
        # What is there and not ours may be newer than the source: without a record all of it asks.
        compared = drift.of_files(self._files, there, wanted, previous.files if previous else {})
        book = self._session.book
        production = book.job.id is not None if book.production is None else book.production
        effects = [*compared.effects]
        if production and compared.changed:
            detail = f"brings changed files for {book.name} to production"
            effects.append(Effect(kind="production_deploy", risk=Risk.ASK, detail=detail))
        return tuple(effects)

    def deploy(
        self, tree: Tree, previous: Deployment | None, parameters: dict[str, str]
    ) -> Deployment | tuple[Failure, ...]:
        """Bring the files that differ, where the playbook says where they lie.

        Raises `Refused` for a patch that could not reach the job.
        """
        there = self.layout(tree)
        if there is None:
            if not failures.same(tree, self._session.context.loaded.source):
                raise Refused(f"job {self._job()['job_id']} cannot be given the patch: {_RUN_ONLY}")
            return self._record(tree, {})
        wanted = files.wanted(Path(tree.root), there, tree.files)
        try:
            remote_job.bring(self._files, tree, there, wanted, previous)
        except ApiRefused as error:
            return (failures.refused(tree, error, None, parameters),)
        return self._record(tree, wanted)

    def found(self, tree: Tree) -> Deployment:
        """Return the job that is there, with the source's digests: a difference shows."""
        there = self.layout(tree)
        if there is None:
            return self._record(tree, {})
        listed = self._files.listed(there)
        wanted = files.wanted(Path(tree.root), there, tree.files)
        return self._record(tree, {p: mark for p, mark in wanted.items() if p in listed})

    def _record(self, tree: Tree, brought: dict[str, str]) -> Deployment:
        job = self._job()
        now = settings.normal(job.get("settings") or {})
        notes = () if self._session.book.databricks.root else (_RUN_ONLY, *self._may())
        made = remote_job.record(
            self._session,
            tree,
            job,
            digest=settings.remember(self._session, now),
            brought=brought,
            notes=notes,
        )
        return made.model_copy(update={"kept": bool(self._session.book.databricks.root)})

    def _may(self) -> tuple[str, ...]:
        """Say where we may run the job only; nothing where that cannot be told."""
        path = f"/api/2.0/permissions/jobs/{self._job()['job_id']}"
        try:
            entries = self._session.api.get(path).get("access_control_list") or ()
        except (ApiRefused, NotFound):
            return ()
        me = self._session.me()
        levels = {
            str(level.get("permission_level"))
            for entry in entries
            if me in (entry.get("user_name"), entry.get("service_principal_name"))
            for level in entry.get("all_permissions") or ()
        }
        if not levels or levels & {"IS_OWNER", "CAN_MANAGE"}:
            return ()
        return (f"you have {', '.join(sorted(levels))} on this job",)
