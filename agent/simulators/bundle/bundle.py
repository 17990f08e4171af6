"""One bundle, ready for a command: read, resolved, checked and with its workspace at hand."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from agent.simulators.bundle import (
    checking,
    connection,
    interpolation,
    loading,
    paths,
    presets,
)
from agent.simulators.bundle.connection import Workspace
from agent.simulators.bundle.notes import Failed, Notes
from agent.simulators.bundle.tree import NOWHERE, Node, dotted

RESTRICTED = "DATABRICKS_BUNDLE_RESTRICTED_CODE_EXECUTION"
_HOOKS_AT_LOAD = ("preinit", "postinit")


class Asked(NamedTuple):
    """What the command line says about which bundle is meant."""

    target: str | None
    profile: str | None
    variables: tuple[str, ...]
    opened: ExitStack
    """Closes the connection when the command has ended."""


class Bundle(NamedTuple):
    """A bundle and where it is deployed."""

    root: Path
    config: Node
    workspace: Workspace
    notes: Notes
    me: str
    """The user name of whoever asks."""

    def text(self, *at: str) -> str:
        """Return a text of the configuration, empty where there is none."""
        return self.config.text(*at) or ""

    @property
    def target(self) -> str:
        """The target's name."""
        return self.text("bundle", "target")

    @property
    def root_path(self) -> str:
        """Where everything of the bundle lies in the workspace."""
        return self.text("workspace", "root_path")

    @property
    def state_path(self) -> str:
        """Where the deployment's state lies in the workspace."""
        return self.text("workspace", "state_path")


def prepared(
    cwd: Path, env: Mapping[str, str], asked: Asked, notes: Notes, *, builds: bool = False
) -> Bundle:
    """Return the bundle around `cwd`; what is wrong with it is noted.

    `builds` says that the command would build artifacts. Raises `Failed` where nothing can be said
    about it at all: no file, no target, no way to the workspace.
    """
    root = loading.root_of(cwd)
    config = loading.loaded(root, notes)
    checking.check_top(config, notes)
    target = loading.target_of(config, asked.target, env)
    config = loading.targeted(config, target)
    _code(config, env, notes, builds=builds)
    interpolation.assign(config, asked.variables, env, root, notes)
    workspace = _workspace(config, env, asked)
    asked.opened.callback(workspace.close)
    me = workspace.me()
    presets.place(config, me, workspace.login.host, notes)
    config = interpolation.resolve(config, notes)
    checking.check_resources(config, notes)
    presets.apply(config, notes)
    config = interpolation.resolve_resources(config, notes)
    sync = paths.Sync(root, config.text("workspace", "file_path") or "")
    paths.translate(config, sync, notes)
    return Bundle(root, config, workspace, notes, str(me.get("userName", "")))


def _workspace(config: Node, env: Mapping[str, str], asked: Asked) -> Workspace:
    host = config.text("workspace", "host")
    if host is not None and "${" in host:
        raise Failed("variable interpolation is not supported for fields that configure auth: host")
    host = host.rstrip("/") if host else None
    profile = asked.profile or config.text("workspace", "profile")
    return Workspace(connection.login(env, host, profile))


def _code(config: Node, env: Mapping[str, str], notes: Notes, *, builds: bool) -> None:
    """Refuse or mention code of the project that the real command would run here."""
    found: list[tuple[str, tuple[str, ...], Node]] = []
    both: tuple[tuple[str, ...], ...] = (("python",), ("experimental", "python"))
    for at in both:
        node = config.get(*at)
        if node is not None and (node.members("mutators") or node.members("resources")):
            found.append(("Running Python code", at, node))
    for hook, node in config.items("experimental", "scripts"):
        if builds or hook in _HOOKS_AT_LOAD:
            found.append(("Running scripts", ("experimental", "scripts", hook), node))
    for name, node in config.items("artifacts"):
        if builds and node.get("build") is not None:
            found.append(("Building artifacts", ("artifacts", name, "build"), node))
    for what, at, node in found:
        if env.get(RESTRICTED):
            raise Failed(f"{what} is not allowed when {RESTRICTED} is set")
        text = f"{dotted(at)} is not run: runmend's stand-in only rehearses, it executes no code"
        notes.warn(text, at, node.key if node.key else NOWHERE)


def api_place(kind: str, key: str) -> str:
    """Return a resource's name in plans and messages."""
    return f"resources.{kind}.{key}"


def plain_without(config: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return a resource's settings without what is the bundle's own business."""
    return {key: value for key, value in config.items() if key not in names and value is not None}
