"""Reads databricks.yml and what it includes, and chooses the target.

https://docs.databricks.com/dev-tools/bundles/settings.html and
https://docs.databricks.com/dev-tools/bundles/reference.html
"""

from collections.abc import Mapping
from pathlib import Path

from agent import document
from agent.simulators.bundle import tree
from agent.simulators.bundle.notes import Failed, Note, Notes
from agent.simulators.bundle.tree import NOWHERE, Node, Place

_FILES = ("databricks.yml", "databricks.yaml", "bundle.yml", "bundle.yaml")
_OVER = ("workspace", "resources", "run_as", "permissions", "presets", "sync", "artifacts")


def root_of(cwd: Path) -> Path:
    """Return the folder of the bundle around `cwd`. Raises `Failed` where there is none."""
    for folder in (cwd, *cwd.parents):
        if any((folder / name).is_file() for name in _FILES):
            return folder
    raise Failed("unable to locate bundle root: databricks.yml not found")


def loaded(root: Path, notes: Notes) -> Node:
    """Return the configuration of all files together, targets not yet applied.

    Raises `Failed` where a file cannot be read; what is doubtful is noted.
    """
    name = next(name for name in _FILES if (root / name).is_file())
    config = _read(root, name, notes)
    for path in _included(root, name, config, notes):
        part = _read(root, path, notes)
        if part.get("include") is not None and isinstance(part.value, dict):
            place = part.value.pop("include").key
            notes.warn("Include section is defined outside root file", ("include",), place)
        _note_duplicates(config, part, notes)
        config = tree.merged(config, part)
    _note_same_keys(config, notes)
    if config.text("bundle", "name") is None:
        notes.error("bundle name is not defined", (), Place(name, 1, 1))
    return config


def _read(root: Path, name: str, notes: Notes) -> Node:
    try:
        return tree.read(root / name, name)
    except document.Unreadable as error:
        line, message = error.problem
        notes.error(
            f"failed to load {name}: yaml: line {line}: {message}", (), Place(name, line, 1)
        )
        return Node({}, Place(name, 1, 1), NOWHERE)
    except OSError as error:
        raise Failed(f"failed to load {name}: {error.strerror}") from error


def _included(root: Path, main: str, config: Node, notes: Notes) -> list[str]:
    found: dict[str, None] = {}
    for index, node in enumerate(config.members("include")):
        pattern = str(node.value)
        files = sorted(p for p in root.glob(pattern.removeprefix("./")) if p.is_file())
        names = [p.relative_to(root).as_posix() for p in files]
        if not names and not any(c in pattern for c in "*?["):
            text = f"{pattern} defined in 'include' section does not match any files"
            notes.error(text, ("include", index), node.place)
        for name in names:
            if not name.endswith((".yml", ".yaml", ".json")):
                text = f"Files in the 'include' configuration section must be YAML or JSON: {name}"
                notes.error(text, ("include", index), node.place)
            elif name != main:
                found.setdefault(name)
    return list(found)


def _note_duplicates(config: Node, part: Node, notes: Notes) -> None:
    for kind, group in part.items("resources"):
        for key, node in part.items("resources", kind):
            first = config.get("resources", kind, key)
            if first is not None and group.value:
                _note_same(key, [(kind, first), (kind, node)], notes)


def _note_same_keys(config: Node, notes: Notes) -> None:
    owners: dict[str, list[tuple[str, Node]]] = {}
    for kind, _ in config.items("resources"):
        for key, node in config.items("resources", kind):
            owners.setdefault(key, []).append((kind, node))
    for key, nodes in owners.items():
        if len(nodes) > 1:
            _note_same(key, nodes, notes)


def _note_same(key: str, nodes: list[tuple[str, Node]], notes: Notes) -> None:
    paths = dict.fromkeys(("resources", kind, key) for kind, _ in nodes)
    places = tuple(node.key for _, node in nodes)
    text = f"multiple resources or scripts have been defined with the same key: {key}"
    notes.add(Note("Error", text, tuple(paths), places))


def target_of(config: Node, asked: str | None, env: Mapping[str, str]) -> str:
    """Return the name of the target to use. Raises `Failed` where none can be chosen."""
    names = [name for name, _ in config.items("targets")]
    asked = asked or env.get("DATABRICKS_BUNDLE_TARGET") or env.get("DATABRICKS_BUNDLE_ENV")
    if asked:
        if asked not in names:
            raise Failed(f"{asked}: no such target. Available targets: {', '.join(sorted(names))}")
        return asked
    if not names:
        return "default"
    defaults = [name for name in names if config.flag("targets", name, "default")]
    if len(defaults) > 1:
        raise Failed(f"multiple targets are marked as default ({', '.join(sorted(defaults))})")
    if defaults:
        return defaults[0]
    if len(names) == 1:
        return names[0]
    raise Failed("please specify target")


def targeted(config: Node, target: str) -> Node:
    """Return the configuration with one target's settings on top, and no targets any more."""
    chosen = config.get("targets", target)
    config = tree.copied(config)
    if isinstance(config.value, dict):
        config.value.pop("targets", None)
    config.put(target, "bundle", "target")
    config.put(target, "bundle", "environment")
    if chosen is None:
        return config
    for key in _OVER:
        over = chosen.get(key)
        if over is not None:
            config = tree.merged(config, Node({key: tree.copied(over)}))
    for name, place in (("mode", "mode"), ("git", "git"), ("cluster_id", "cluster_id")):
        over = chosen.get(name)
        if over is not None:
            config = tree.merged(config, Node({"bundle": Node({place: tree.copied(over)})}))
    if (over := chosen.get("bundle")) is not None:
        config = tree.merged(config, Node({"bundle": tree.copied(over)}))
    for name, node in chosen.items("variables"):
        _assign(config, name, node)
    return config


def _assign(config: Node, name: str, node: Node) -> None:
    """A target's variable is a value, or a new definition with `default` or `lookup`."""
    given: Node | None = node
    if isinstance(node.value, dict):
        complete = {"default", "lookup", "description", "type"}
        if node.value and set(node.value) <= complete:
            given = node.get("default")
    holder = config.get("variables", name)
    if holder is None:
        config.put({}, "variables", name)
        holder = config.get("variables", name)
    if given is not None and holder is not None and isinstance(holder.value, dict):
        holder.value["default"] = tree.copied(given)
    elif holder is not None and isinstance(holder.value, dict) and (n := node.get("lookup")):
        holder.value["lookup"] = tree.copied(n)
