"""Variables and `${...}` references.

https://docs.databricks.com/dev-tools/bundles/variables.html: a variable's value comes from `--var`,
then `BUNDLE_VAR_<name>`, then the target, then its default. References to what only a deployment
knows (`${resources.jobs.x.id}`) stay as they are until then.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.simulators.bundle import tree
from agent.simulators.bundle.notes import Failed, Notes
from agent.simulators.bundle.tree import At, Node

_NAME = r"[a-zA-Z_][\w]*(?:-+[\w]+)*"
REFERENCE = re.compile(rf"\$\{{({_NAME}(?:\.{_NAME}|\[\d+\])*)\}}")


def assign(
    config: Node, given: Sequence[str], env: Mapping[str, str], root: Path, notes: Notes
) -> None:
    """Give every variable its value. Raises `Failed` for an assignment that cannot be read."""
    values = _given(given)
    for name in values:
        if config.get("variables", name) is None:
            raise Failed(f"variable {name} has not been defined")
    target = config.text("bundle", "target") or "default"
    overrides = _overrides(root / ".databricks" / "bundle" / target / "variable-overrides.json")
    for name, node in config.items("variables"):
        text = values.get(name, env.get(f"BUNDLE_VAR_{name}"))
        is_complex = node.text("type") == "complex"
        if text is not None:
            node.put(_complex(name, text) if is_complex else text, "value")
        elif name in overrides:
            node.put(overrides[name], "value")
        elif (default := node.get("default")) is not None and isinstance(node.value, dict):
            node.value["value"] = tree.copied(default)
        elif node.get("lookup") is not None:
            text = f"variable {name}: runmend's stand-in resolves no lookup; assign it with --var"
            notes.error(text, ("variables", name), node.key)
        else:
            notes.error(
                f"no value assigned to required variable {name}. Assignment can be done through "
                f'the "--var" flag or by setting the BUNDLE_VAR_{name} environment variable',
                ("variables", name),
                node.key,
            )


def _given(given: Sequence[str]) -> dict[str, str]:
    values = {}
    for text in given:
        # One --var may hold several assignments, as in --var="a=1,b=2".
        for part in re.split(r",(?=[A-Za-z_][\w-]*=)", text):
            name, equals, value = part.partition("=")
            if not equals or not name:
                raise Failed(f"unexpected flag value for variable assignment: {part}")
            values[name.strip()] = value.strip("\"'")
    return values


def _complex(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise Failed(f"failed to parse variable {name} of type complex as JSON: {text}") from None


def _overrides(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise Failed(f"failed to parse variables file {path.name}: {error}") from error
    return found if isinstance(found, dict) else {}


def resolve(config: Node, notes: Notes) -> Node:
    """Return the configuration with its references filled in, but those to resources."""
    return _Resolver(config, notes, lambda steps: steps[0] != "resources").node(config, ())


def resolve_resources(config: Node, notes: Notes) -> Node:
    """Return the configuration with what other resources say filled in; ids stay references."""
    return _Resolver(config, notes, lambda steps: steps[0] == "resources").node(config, ())


class _Resolver:
    def __init__(self, config: Node, notes: Notes, mine: Callable[[list[str | int]], bool]) -> None:
        self._config = config
        self._notes = notes
        self._mine = mine
        self._under_way: list[str] = []

    def node(self, node: Node, at: At) -> Node:
        if isinstance(node.value, dict):
            inner = {k: self.node(v, (*at, k)) for k, v in node.value.items()}
            return Node(inner, node.place, node.key)
        if isinstance(node.value, list):
            items = [self.node(v, (*at, i)) for i, v in enumerate(node.value)]
            return Node(items, node.place, node.key)
        if isinstance(node.value, str) and "${" in node.value:
            return self._text(node, node.value, at)
        return node

    def _text(self, node: Node, text: str, at: At) -> Node:
        whole = REFERENCE.fullmatch(text)
        if whole:
            found = self._found(whole[1], node, at)
            return node if found is None else _moved(found, node)

        def filled(match: re.Match[str]) -> str:
            found = self._found(match[1], node, at)
            if found is None:
                return match[0]
            if isinstance(found.value, dict | list):
                self._notes.error(
                    f"{match[0]} is no text; it cannot be part of one", at, node.place
                )
                return match[0]
            return found.value if isinstance(found.value, str) else json.dumps(found.value)

        return Node(REFERENCE.sub(filled, text), node.place, node.key)

    def _found(self, path: str, node: Node, at: At) -> Node | None:
        steps = steps_of(path)
        if not self._mine(steps):
            return None
        if path in self._under_way:
            cycle = " -> ".join((*self._under_way, path))
            self._notes.error(f"cycle detected in field resolution: {cycle}", at, node.place)
            return None
        real = ["variables", steps[1], "value", *steps[2:]] if _is_variable(steps) else steps
        found = self._config.get(*real)
        if found is None or (len(steps) < 4 and steps[0] == "resources"):
            if not self._is_left(steps):
                self._notes.error(f"reference does not exist: ${{{path}}}", at, node.place)
            return None
        self._under_way.append(path)
        try:
            return self.node(found, tuple(real))
        finally:
            self._under_way.pop()

    def _is_left(self, steps: list[str | int]) -> bool:
        """Say whether the reference has a meaning that is not known yet, or was complained of."""
        if _is_variable(steps) and len(steps) == 2:
            return self._config.get("variables", steps[1]) is not None
        return steps[0] == "resources" and self._config.get(*steps[:3]) is not None


def steps_of(path: str) -> list[str | int]:
    """Return `a.b[0]` as its steps."""
    parts = re.findall(rf"{_NAME}|\[\d+\]", path)
    return [int(part[1:-1]) if part.startswith("[") else part for part in parts]


def _is_variable(steps: list[str | int]) -> bool:
    return steps[0] == "var" and len(steps) > 1


def _moved(found: Node, node: Node) -> Node:
    """What was filled in counts as written where the reference stands."""
    if isinstance(found.value, dict):
        inner = {k: _moved(v, node) for k, v in found.value.items()}
        return Node(inner, node.place, node.key)
    if isinstance(found.value, list):
        return Node([_moved(v, node) for v in found.value], node.place, node.key)
    return Node(found.value, node.place, node.key)
