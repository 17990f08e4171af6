"""The target that is a resource of the user's bundle: a job or a pipeline.

Rules kept here: what deletes, makes anew, or cannot be told is never deployed by us, a person gets
the command; what `plan` says is asked for again right before each deploy.
"""

from pathlib import Path
from typing import Any

from agent.errors import PersonNeeded, UsageError
from agent.platforms.databricks import drift, files, planned, settings, sources
from agent.platforms.databricks.bundles import Bundle, Resolved
from agent.platforms.databricks.files import Files
from agent.platforms.databricks.layout import Layout
from agent.platforms.databricks.messages import Message
from agent.platforms.databricks.planned import Planned
from agent.platforms.databricks.session import Session
from agent.records import Deployment, Effect, Failure, TaskKey, TaskSource, Tree
from agent.remote import failures
from agent.remote.drift import Compared

_APPROVAL = "requires destructive actions"


class Bundled:
    """A bundle's job or pipeline."""

    def __init__(self, session: Session, key: str) -> None:
        self._session = session
        self._key = key
        self._files = Files(session)
        self.bundle = Bundle(session)

    def is_production(self, source: Path) -> bool:
        """Return whether the bundle's files give the target `mode: production`."""
        found = self.bundle.declared(source)
        return found is not None and found.mode == "production"

    def resource(self, tree: Tree) -> tuple[str, dict[str, Any]] | None:
        """Return kind and settings of the resource, resolved where that is possible.

        A tree without a digest is the user's own folder: the command does not run there.
        """
        resolved = self._resolved(tree)
        if resolved is not None:
            return resolved.resource(self._key)
        said = self.bundle.declared(Path(tree.root))
        kind = said.kind(self._key) if said else None
        return (kind, said.resources[f"{kind}s"][self._key]) if said and kind else None

    def _resolved(self, tree: Tree) -> Resolved | None:
        if not tree.digest:
            return None
        found = self.bundle.resolve(tree)
        return found if isinstance(found, Resolved) else None

    def job_file(self, tree: Tree) -> str | None:
        """Return the file of the tree that declares the resource."""
        said = self.bundle.declared(Path(tree.root))
        kind = said.kind(self._key) if said else None
        place = said.place("resources", f"{kind}s", self._key) if said and kind else None
        return place[0] if place else None

    def layout(self, tree: Tree) -> Layout | None:
        """Return where the tree's files lie in the workspace; None where nobody can tell."""
        resolved = self._resolved(tree)
        return None if resolved is None else resolved.layout(tree)

    def tasks(self, tree: Tree) -> tuple[TaskSource, ...]:
        """Return the job's tasks; none for a pipeline, or where they cannot be read."""
        found = self._job(tree, self._resolved(tree))
        return () if found is None else sources.of(*found)

    def affected(self, before: Tree, after: Tree) -> tuple[TaskKey, ...]:
        """Return the tasks that a change between the trees concerns."""
        resolved = self._resolved(before), self._resolved(after)
        if None in resolved:  # only what was read in the same way can be compared
            resolved = None, None
        then, now = self._job(before, resolved[0]), self._job(after, resolved[1])
        if now is None:
            return ()
        if then is None:
            return tuple(task["task_key"] for task in sources.ordered(now[0]))
        return sources.affected(then, now)

    def _job(
        self, tree: Tree, resolved: Resolved | None
    ) -> tuple[dict[str, Any], sources.Around] | None:
        if resolved is not None:
            found = resolved.resource(self._key)
            there = resolved.layout(tree)
            around = sources.Around(tree, there.local, resolved.config.get("resources") or {})
        else:
            said = self.bundle.declared(Path(tree.root))
            declared = said.resources if said else {}
            job = declared.get("jobs", {}).get(self._key)
            found = ("job", job) if job is not None else None
            around = sources.Around(tree, lambda path: _file(tree, path), declared)
        return (found[1], around) if found is not None and found[0] == "job" else None

    def plan(self, tree: Tree, previous: Deployment | None) -> tuple[Effect, ...]:
        """Say what a deploy would delete, overwrite, or change on production."""
        resolved = self.bundle.resolve(tree)
        if not isinstance(resolved, Resolved) or resolved.resource(self._key) is None:
            return ()
        found = self.bundle.plan(tree)
        if not isinstance(found, Planned):
            return ()
        effects = planned.destroying(found, self._where())
        there = resolved.layout(tree)
        before = _ours(previous, there)
        production = self._on_production(tree)
        if before is not None or production:
            wanted = files.wanted(Path(tree.root), there, tree.files)
            compared = drift.of_files(self._files, there, wanted, before.files if before else None)
            effects += compared.effects
            if production:
                brings = _brings(compared, there, tree, before)
                effects += planned.on_production(found, self._where(), brings=brings)
        kind, key = self._kind(resolved), self._key
        if before is not None and found.of(f"{kind}s.{key}") is not None:
            effects += drift.of_settings(self._session, kind, before, None)
        return tuple(effects)

    def _kind(self, resolved: Resolved) -> str:
        found = resolved.resource(self._key)
        return found[0] if found else "job"

    def _on_production(self, tree: Tree) -> bool:
        said = self._session.book.production
        return self.is_production(Path(tree.root)) if said is None else said

    def _where(self) -> str:
        return self._session.book.target or "the default target"

    def deploy(
        self, tree: Tree, previous: Deployment | None, parameters: dict[str, str]
    ) -> Deployment | tuple[Failure, ...]:
        """Validate, plan and deploy. Raises `PersonNeeded` where something would be lost."""
        del previous  # the bundle's own state says what there is
        resolved = self.bundle.resolve(tree)
        if not isinstance(resolved, Resolved):
            return self.bundle.failures(tree, resolved, "BUNDLE_INVALID", parameters)
        self._expect(resolved)
        found = self.bundle.plan(tree)
        if not isinstance(found, Planned):
            return self.bundle.failures(tree, found, "DEPLOY_FAILED", parameters)
        if found.unclear is not None:
            raise self._person(tree, f"`bundle plan` cannot be understood ({found.unclear})")
        if found.destructive:
            raise self._person(tree, f"this deploy {planned.listed(found.destructive)}")
        wrong = self.bundle.deploy(tree)
        if any(_APPROVAL in m.text for m in wrong):
            raise self._person(tree, "the `databricks` command asks before this deploy")
        if wrong:
            return self.bundle.failures(tree, wrong, "DEPLOY_FAILED", parameters)
        made = self._deployed(tree, resolved)
        if isinstance(made, Deployment):
            return made
        return self.bundle.failures(tree, made, "DEPLOY_FAILED", parameters)

    def _expect(self, resolved: Resolved) -> None:
        if resolved.resource(self._key) is not None:
            return
        declared = resolved.config.get("resources") or {}
        keys = [key for kind in ("jobs", "pipelines") for key in declared.get(kind) or {}]
        raise UsageError(
            f"the bundle has no job or pipeline {self._key!r} (job.bundle in the playbook); "
            f"there is {', '.join(sorted(keys)) or 'none'}"
        )

    def _person(self, tree: Tree, why: str) -> PersonNeeded:
        folder = str(self._session.context.loaded.source)
        if not failures.same(tree, Path(folder)):
            folder = tree.root
        command = self.bundle.command.printed("bundle", "deploy", folder=folder)
        return PersonNeeded(
            f"{why}, so it is not deployed by runmend. After reviewing it run: {command} "
            "(it asks before it deletes data), then let runmend go on"
        )

    def _deployed(self, tree: Tree, resolved: Resolved) -> Deployment | tuple[Message, ...]:
        """Return what is deployed now, as ours."""
        summary = self.bundle.summary(tree)
        if not isinstance(summary, Resolved):
            return summary
        kind, found = self._found(summary)
        there = resolved.layout(tree)
        brought = self._files.know(there, files.wanted(Path(tree.root), there, tree.files))
        now = settings.current(self._session, kind, str(found["id"]))
        return self._record(
            tree,
            found,
            digest=settings.remember(self._session, now),
            brought=brought,
        )

    def _found(self, summary: Resolved) -> tuple[str, dict[str, Any]]:
        self._expect(summary)
        kind, found = summary.resource(self._key) or ("job", {})
        if not found.get("id"):
            raise UsageError(
                f"the bundle's {kind} {self._key!r} is not deployed on "
                f"{self._where()}: deploy it first, by "
                "`runmend heal` without --run"
            )
        return kind, found

    def found(self, tree: Tree) -> Deployment:
        """Return what somebody else deployed, with the source's digests: a difference shows.

        Raises `UsageError` where it is not deployed, or the bundle cannot be read.
        """
        resolved = self.bundle.resolve(tree)
        summary = self.bundle.summary(tree) if isinstance(resolved, Resolved) else resolved
        if not isinstance(summary, Resolved) or not isinstance(resolved, Resolved):
            said = "; ".join(m.text for m in summary if isinstance(m, Message))
            raise UsageError(f"the bundle at {self._session.context.loaded.source}: {said}")
        kind, found = self._found(summary)
        there = resolved.layout(tree)
        listed = self._files.listed(there)
        wanted = files.wanted(Path(tree.root), there, tree.files)
        return self._record(
            tree,
            found,
            digest=self._source_settings(tree, resolved, kind, str(found["id"])),
            brought={path: mark for path, mark in wanted.items() if path in listed},
        )

    def _source_settings(self, tree: Tree, resolved: Resolved, kind: str, job: str) -> str:
        """Return the digest of the settings there where they are the source's, else the source's.

        The plan of the untouched source tells: what it would not change is the same.
        """
        found = self.bundle.plan(tree)
        if _leaves(found, f"{kind}s.{self._key}"):
            return settings.remember(self._session, settings.current(self._session, kind, job))
        declared = resolved.resource(self._key)
        return settings.remember(self._session, settings.normal(declared[1] if declared else {}))

    def _record(
        self, tree: Tree, found: dict[str, Any], *, digest: str, brought: dict[str, str]
    ) -> Deployment:
        return Deployment(
            job=str(found["id"]),
            name=str(found.get("name") or self._key),
            tree=tree.digest,
            settings=digest,
            url=found.get("url") if isinstance(found.get("url"), str) else None,
            tasks=tuple(task["task_key"] for task in sources.ordered(found)),
            files=brought,
            kept=True,
        )


def _file(tree: Tree, path: str) -> str | None:
    return path if path in tree.files or not tree.files else None


def _ours(previous: Deployment | None, there: Layout) -> Deployment | None:
    """Return what was deployed last if it lies where this deploy would bring its files."""
    if previous is None or not any(there.inside(path) is not None for path in previous.files):
        return None
    return previous


def _leaves(found: Planned | tuple[Message, ...], resource: str) -> bool:
    """Return whether a plan says that a resource is as it should be."""
    return isinstance(found, Planned) and found.unclear is None and found.of(resource) is None


def _brings(compared: Compared, there: Layout, tree: Tree, before: Deployment | None) -> bool:
    """Return whether files would change; one that was left out last time does not count."""
    if any(there.remote(path) in compared.now for path in compared.changed):
        return True
    return bool(compared.changed) and (before is None or before.tree != tree.digest)
