"""`bundle deploy` and `bundle destroy`.

Progress goes to stderr. The order: lock, plan, ask, upload, resources, state, unlock; a resource
that fails keeps what depends on it from being made, and nothing else.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from agent.simulators.bundle import planning, resources, state, syncing
from agent.simulators.bundle.bundle import Bundle
from agent.simulators.bundle.connection import ApiRefused
from agent.simulators.bundle.notes import Failed
from agent.simulators.bundle.planning import Action
from agent.simulators.bundle.resources import KINDS
from agent.simulators.bundle.state import State

_DONE = {"create": "Created", "update": "Updated", "recreate": "Recreated", "delete": "Deleted"}
_FAILS = {"create": "create", "update": "update", "recreate": "recreate", "delete": "delete"}
_UNASKED = (
    "the deployment requires destructive actions, but the current console does not support "
    "prompting.\nDeleting data assets such as schemas, pipelines, or volumes may cause permanent "
    "data loss and should be carefully reviewed.\nTo proceed, use --auto-approve after reviewing "
    "the plan above."
)
Say = Callable[[str], object]


class Options(NamedTuple):
    """What the command line says about how to deploy."""

    version: str
    """Which generation of the command to speak like: `1.13.0`."""
    auto_approve: bool = False
    force_lock: bool = False
    fail_on_active_runs: bool = False
    quiet: int = 0

    @property
    def older(self) -> bool:
        """Whether the output is that of 1.12 and before."""
        return tuple(map(int, self.version.split(".")[:2])) < (1, 13)


def deploy(bundle: Bundle, options: Options, say: Say) -> int:
    """Bring the workspace to what the bundle says; `say` writes a piece of progress.

    Raises `Failed` where it is refused or could not be done whole, and `ApiRefused`.
    """
    with state.locked(bundle, force=options.force_lock):
        before = state.read(bundle) or state.first()
        actions = planning.planned(bundle, before)
        if options.fail_on_active_runs:
            _refuse_active(bundle, before)
        _ask(actions, options, say)
        news: Say = (lambda _: None) if options.quiet else say
        news(f"Uploading bundle files to {bundle.text('workspace', 'file_path')}...\n")
        synced = syncing.upload(bundle.workspace, bundle.root, bundle.config, state.files(bundle))
        state.write_files(bundle, synced.files, options.version, before.serial + 1)
        if options.older:
            news("Deploying resources...\n")
        work = _Work(bundle, before, options, news)
        try:
            failures = work.all(actions)
        finally:
            # What was made must not be forgotten, or the next deployment makes it again.
            if options.older:
                news("Updating deployment state...\n")
            after = State(before.lineage, before.serial + 1, work.resources)
            state.write_metadata(bundle, after)
            state.write(bundle, after, options.version)
    if failures:
        raise Failed("\nError: ".join(failures))
    if options.older:
        news("Deployment complete!\n")
    elif options.quiet < 2:
        say(f"Files: {synced.uploaded} uploaded, {synced.deleted} deleted\n")
        say(f"Resources: {work.counted()}\n")
    return 0


def _refuse_active(bundle: Bundle, before: State) -> None:
    for name, entry in before.resources.items():
        key = str(entry["__id__"])
        if name.startswith("resources.jobs.") and name.count(".") == 2:
            query = {"job_id": key, "active_only": True}
            if bundle.workspace.get("/api/2.2/jobs/runs/list", **query).get("runs"):
                raise Failed(f"job {key} is running")
        elif name.startswith("resources.pipelines.") and name.count(".") == 2:
            found = resources.read(bundle.workspace, "pipelines", key) or {}
            if found.get("state") in ("RUNNING", "STARTING", "RESETTING", "DEPLOYING"):
                raise Failed(f"pipeline {key} is running")


def _ask(actions: list[Action], options: Options, say: Say) -> None:
    destructive = [action for action in actions if action.destroys]
    if not destructive:
        return
    say("\nThis action will result in the deletion or recreation of the following resources:\n")
    for action in destructive:
        say(f"  {action.action} {action.name}\n")
    say("\n")
    if not options.auto_approve:
        raise Failed(_UNASKED)


class _Work:
    """One deployment's way through its plan."""

    def __init__(self, bundle: Bundle, before: State, options: Options, say: Say) -> None:
        self._bundle = bundle
        self._options = options
        self._say = say
        self.resources = dict(before.resources)
        self._failed: set[str] = set()
        self._count = {"created": 0, "changed": 0, "deleted": 0, "unchanged": 0}

    def all(self, actions: list[Action]) -> list[str]:
        """Do everything that can be done and return what failed, in words."""
        failures = []
        for action in actions:
            lost = next((name for name in action.needs if name in self._failed), None)
            if lost is not None:
                self._failed.add(action.name)
                verb = _FAILS.get(action.action, "update")
                failures.append(f"cannot {verb} {action.name}: dependency failed: {lost}")
                continue
            try:
                self._one(action)
            except ApiRefused as error:
                self._failed.add(action.name)
                failures.append(f"cannot {_FAILS[action.action]} {action.name}: {error}")
        return failures

    def counted(self) -> str:
        """Return `1 created, 0 changed, 0 deleted, 0 unchanged`."""
        return ", ".join(f"{number} {word}" for word, number in self._count.items())

    def _one(self, action: Action) -> None:
        if action.action == "skip":
            self._count["unchanged"] += action.is_resource
            return
        if action.action == "delete":
            self._delete(action)
        else:
            config = planning.filled(action.new, self.resources)
            self._make(action, config)
        if action.is_resource:
            words = {"create": "created", "delete": "deleted"}
            self._count[words.get(action.action, "changed")] += 1
            if not self._options.older:
                self._say(f"{_DONE[action.action]} {action.short}\n")

    def _delete(self, action: Action) -> None:
        if action.is_resource:
            resources.delete(self._bundle.workspace, action.kind, str(action.id))
        else:
            key = str(action.id)
            resources.permit(self._bundle.workspace, action.kind, key, [], self._bundle.me)
        for name in [
            n for n in self.resources if n == action.name or n.startswith(f"{action.name}.")
        ]:
            del self.resources[name]

    def _make(self, action: Action, config: Any) -> None:
        workspace, kind = self._bundle.workspace, action.kind
        if not action.is_resource:
            key = str(self.resources[action.name.rpartition(".")[0]]["__id__"])
            resources.permit(workspace, kind, key, config, self._bundle.me)
        elif action.action == "update":
            key = str(action.id)
            resources.update(workspace, kind, key, config)
        else:
            if action.action == "recreate":
                resources.delete(workspace, kind, str(action.id))
                self.resources.pop(action.name, None)
            key = resources.create(workspace, kind, config)
        self.resources[action.name] = {"__id__": key, "state": config}


def destroy(bundle: Bundle, options: Options, say: Say) -> int:
    """Delete everything that the bundle has in the workspace.

    Raises `Failed` without `auto_approve`, and `ApiRefused`.
    """
    before = state.read(bundle)
    if before is None:
        say("No active deployment found to destroy!\n")
        return 0
    names = sorted(name for name in before.resources if name.count(".") == 2)
    say("The following resources will be deleted:\n")
    say("".join(f"  delete {name}\n" for name in names) + "\n")
    where = bundle.root_path
    say(f"All files and directories at the following location will be deleted: {where}\n\n")
    if not options.auto_approve:
        raise Failed(
            "please specify --auto-approve to skip interactive confirmation checks for non tty "
            "consoles"
        )
    with state.locked(bundle, force=options.force_lock):
        order = sorted(names, key=lambda n: KINDS[n.split(".")[1]].data)
        for name in order:
            entry = before.resources[name]
            kind = name.split(".")[1]
            try:
                resources.delete(bundle.workspace, kind, str(entry["__id__"]))
            except ApiRefused as error:
                raise Failed(f"cannot delete {name}: {error}") from error
        if options.older:
            say("Deleting files...\n")
        body = {"path": where, "recursive": True}
        bundle.workspace.call("POST", "/api/2.0/workspace/delete", body)
    _forget(bundle)
    say("Destroy complete!\n" if options.older else f"Destroy: {len(names)} deleted\n")
    return 0


def _forget(bundle: Bundle) -> None:
    folder = syncing.folder(bundle.root, bundle.target) / "sync-snapshots"
    for path in folder.glob("*.json"):
        path.unlink()
