"""What a deployment would do to each resource.

`bundle plan -o json` prints one object: `plan_version` (2), `cli_version`, `lineage` and `serial`
(only once something was deployed) and `plan`, by `resources.<type>.<key>`, with `action` and, as
they apply, `depends_on`, `new_state.value`, `remote_state` and `changes` (by field, with `action`,
`old`, `new`, `remote`, `reason`). Source: tools of others that read it, such as the fixtures of
https://github.com/chinchyisbored/dagshund (plans of 0.294 to 1.10). Actions: skip, create, update,
update_id, resize, recreate, delete; one public reader also knows `replace`. Not established, and
therefore our guess: what 0.278 adds to the action (here: nothing at all) and how it says that
nothing has to be done (here: `skip`).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from agent.simulators.bundle import resources, tree
from agent.simulators.bundle.bundle import Bundle
from agent.simulators.bundle.interpolation import REFERENCE, steps_of
from agent.simulators.bundle.resources import KINDS
from agent.simulators.bundle.state import State

_OWN = ("permissions", "grants", "lifecycle", "file_path")
_DEFAULTS = {"notebook_task.source": "WORKSPACE", "run_if": "ALL_SUCCESS"}
Json = dict[str, Any]


class Action(NamedTuple):
    """What happens to one resource, or to its permissions."""

    name: str
    """`resources.jobs.x`, or with `.permissions` behind it."""
    action: str
    id: str | None
    """Of what exists."""
    new: Any = None
    """The settings to send, references to ids still in them; None for a deletion."""
    remote: Json | None = None
    changes: Json = {}
    needs: tuple[str, ...] = ()
    """Names of what must be there before."""

    @property
    def kind(self) -> str:
        """The type of resource."""
        return self.name.split(".")[1]

    @property
    def short(self) -> str:
        """The name as progress lines have it: `jobs.x`."""
        return self.name.removeprefix("resources.")

    @property
    def destroys(self) -> bool:
        """Whether data may be lost with it."""
        return self.action in ("delete", "recreate") and self.is_resource and KINDS[self.kind].data

    @property
    def is_resource(self) -> bool:
        """Whether this is a resource itself, not its permissions."""
        return self.name.count(".") == 2


def wanted(bundle: Bundle) -> dict[str, Any]:
    """Return the settings to send, by name, each after what it refers to."""
    found: dict[str, Any] = {}
    for kind, _ in bundle.config.items("resources"):
        if kind not in KINDS:
            continue
        for key, node in bundle.config.items("resources", kind):
            config = tree.plain(node)
            name = f"resources.{kind}.{key}"
            found[name] = {k: v for k, v in config.items() if k not in _OWN and v is not None}
            if config.get("permissions") and KINDS[kind].permits:
                found[f"{name}.permissions"] = config["permissions"]
    return _sorted(found)


def _sorted(found: dict[str, Any]) -> dict[str, Any]:
    """Return the same with what is referred to first; a circle is left as it stands."""
    done: dict[str, Any] = {}

    def visit(name: str, on_the_way: tuple[str, ...]) -> None:
        if name in done or name in on_the_way or name not in found:
            return
        for other in needs(name, found[name]):
            visit(other, (*on_the_way, name))
        done[name] = found[name]

    for name in sorted(found):
        visit(name, ())
    return done


def needs(name: str, config: Any) -> tuple[str, ...]:
    """Return the names of the resources that settings refer to."""
    found = dict.fromkeys([".".join(name.split(".")[:3])] if name.count(".") == 3 else [])
    for text in _texts(config):
        for match in REFERENCE.finditer(text):
            steps = steps_of(match[1])
            if steps[0] == "resources" and len(steps) > 3:
                found.setdefault(".".join(map(str, steps[:3])))
    return tuple(found)


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in _texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    return [value] if isinstance(value, str) else []


def filled(value: Any, state: Mapping[str, Json]) -> Any:
    """Return settings with the ids of what is deployed in place of references to them."""
    if isinstance(value, dict):
        return {k: filled(v, state) for k, v in value.items()}
    if isinstance(value, list):
        return [filled(v, state) for v in value]
    if not isinstance(value, str):
        return value

    def known(match: Any) -> str:
        steps = [str(step) for step in steps_of(match[1])]
        entry = state.get(".".join(steps[:3]))
        if entry is None:
            return str(match[0])
        if steps[3:] == ["id"]:
            return str(entry["__id__"])
        below = entry.get("state", {})
        for step in steps[3:]:
            below = below.get(step, {}) if isinstance(below, dict) else {}
        return str(below) if below not in ({}, None) else str(match[0])

    text = REFERENCE.sub(known, value)
    return int(text) if text != value and text.isdigit() and REFERENCE.fullmatch(value) else text


def planned(bundle: Bundle, state: State) -> list[Action]:
    """Return what is to be done, in order; deletions last. Raises `ApiRefused`."""
    new = wanted(bundle)
    actions: list[Action] = []
    for name, config in new.items():
        actions.append(_action(bundle, name, config, state, actions))
    gone = [name for name in state.resources if name not in new]
    for name in sorted(gone, key=lambda n: (n.count("."), n), reverse=True):
        if name.count(".") == 3 and name.rpartition(".")[0] in gone:
            continue
        actions.append(Action(name, "delete", str(state.resources[name]["__id__"])))
    return actions


def _action(bundle: Bundle, name: str, config: Any, state: State, before: list[Action]) -> Action:
    entry = state.resources.get(name)
    before_it = needs(name, config)
    config = filled(config, state.resources)
    if entry is None:
        return Action(name, "create", None, config, needs=before_it)
    key = str(entry["__id__"])
    if name.count(".") == 3:
        owner = next(a for a in before if a.name == name.rpartition(".")[0])
        same = entry.get("state") == config and owner.action in ("skip", "update")
        return Action(name, "skip" if same else "update", key, config, needs=before_it)
    kind = name.split(".")[1]
    remote = resources.read(bundle.workspace, kind, key)
    if remote is None:
        return Action(name, "create", None, config, needs=before_it)
    inner = KINDS[kind].inner
    settings = remote.get(inner, {}) if inner else remote
    changes = _changes(kind, entry.get("state", {}), config, settings)
    verbs = {change["action"] for change in changes.values()}
    action = next((verb for verb in ("recreate", "update") if verb in verbs), "skip")
    shown = {**settings, **{k: v for k, v in remote.items() if k != inner}} if inner else remote
    return Action(name, action, key, config, shown, changes, before_it)


def _changes(kind: str, old: Json, new: Json, remote: Json) -> Json:
    """Return what differs, by field: from what was sent last, or from what is there now."""
    ours, theirs, there = _flat(old), _flat(new), _flat(remote)
    changes: Json = {}
    for path in sorted({*ours, *theirs}):
        before, after = ours.get(path), theirs.get(path)
        now = there.get(path, _default(path)) if KINDS[kind].compares else before
        if before == after and (now == after or after is None):
            continue
        fixed = path.split(".")[0] in KINDS[kind].fixed
        change = {"action": "recreate" if fixed else "update"}
        values = {"old": before, "new": after, "remote": now}
        changes[path] = change | {k: v for k, v in values.items() if v is not None}
    for path in sorted(set(there) - set(theirs) - set(ours)) if KINDS[kind].compares else ():
        reason = "empty" if there[path] in ({}, [], 0, "", False) else "backend_default"
        changes[path] = {"action": "skip", "reason": reason, "remote": there[path]}
    return changes


def _default(path: str) -> Any:
    return next((v for k, v in _DEFAULTS.items() if path.endswith(k)), None)


def _flat(value: Any, path: str = "") -> Json:
    """Return the leaves by path; items of a list go by what names them, else by their place."""
    if isinstance(value, dict) and value:
        return {
            p: leaf
            for key, inner in value.items()
            for p, leaf in _flat(inner, f"{path}.{key}".removeprefix(".")).items()
        }
    if isinstance(value, list) and value:
        key = tree.naming(value)
        leaves: Json = {}
        for index, inner in enumerate(value):
            where = f"{path}[{key}='{inner[key]}']" if key else f"{path}[{index}]"
            leaves |= _flat(inner, where)
        return leaves
    return {path: value}


def as_json(actions: list[Action], state: State | None, version: str) -> Json:
    """Return the plan as `-o json` prints it."""
    if version.startswith("0.278"):
        return {"plan": {a.name: {"action": a.action} for a in actions}}
    document: Json = {"plan_version": 2, "cli_version": version}
    if state is not None:
        document |= {"lineage": state.lineage, "serial": state.serial}
    return document | {"plan": {action.name: _entry(action) for action in actions}}


def _entry(action: Action) -> Json:
    entry: Json = {}
    if action.needs:
        labels = [{"node": name, "label": f"${{{name}.id}}"} for name in action.needs]
        entry["depends_on"] = labels
    entry["action"] = action.action
    if action.action in ("create", "update", "recreate"):
        entry["new_state"] = {"value": action.new}
    if action.remote is not None:
        entry["remote_state"] = action.remote
    if action.changes:
        entry["changes"] = action.changes
    return entry


def as_text(actions: list[Action]) -> str:
    """Return the plan as it is printed for a person."""
    lines = [f"{a.action} {a.short}\n" for a in actions if a.action != "skip"]
    counts = {"add": 0, "change": 0, "delete": 0}
    for action in actions:
        counts["add"] += action.action in ("create", "recreate")
        counts["change"] += action.action == "update"
        counts["delete"] += action.action in ("delete", "recreate")
    unchanged = sum(a.action == "skip" for a in actions)
    parts = [f"{n} to {word}" for word, n in counts.items()]
    return (
        "".join(lines)
        + ("\n" if lines else "")
        + f"Plan: {', '.join(parts)}, {unchanged} unchanged\n"
    )
