"""Configuration as a tree in which every value knows the file, line and column it came from."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from agent import document

At = tuple[str | int, ...]
"""Where a value is in the configuration: keys and 0-based indexes from the root."""
Value: TypeAlias = "dict[str, Node] | list[Node] | str | int | float | bool | None"

_KEYS = ("task_key", "job_cluster_key", "environment_key", "label", "name", "key")
"""What tells the items of a list apart, the first that all of them have."""


class Place(NamedTuple):
    """A position in a file of the bundle."""

    file: str
    """Relative to the bundle's root, with forward slashes."""
    line: int
    """1-based."""
    column: int
    """1-based."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


NOWHERE = Place("", 0, 0)
"""The place of what no file says."""


@dataclass(slots=True)
class Node:
    """One value with its surroundings."""

    value: Value
    place: Place = NOWHERE
    """Of the value; of the key where the value is a map or a list."""
    key: Place = NOWHERE
    """Of the key or item that holds the value."""

    def get(self, *at: str | int) -> "Node | None":
        """Return what lies below, None where there is nothing."""
        found: Node | None = self
        for step in at:
            if found is None:
                return None
            found = found._below(step)
        return found

    def _below(self, step: str | int) -> "Node | None":
        if isinstance(self.value, dict) and isinstance(step, str):
            return self.value.get(step)
        if isinstance(self.value, list) and isinstance(step, int) and step < len(self.value):
            return self.value[step]
        return None

    def items(self, *at: str) -> list[tuple[str, "Node"]]:
        """Return the entries of the map below; empty where there is none."""
        below = self.get(*at)
        if below is None or not isinstance(below.value, dict):
            return []
        return list(below.value.items())

    def members(self, *at: str) -> list["Node"]:
        """Return the items of the list below; empty where there is none."""
        below = self.get(*at)
        return below.value if below is not None and isinstance(below.value, list) else []

    def text(self, *at: str) -> str | None:
        """Return the text below, None where there is none."""
        below = self.get(*at)
        return below.value if below is not None and isinstance(below.value, str) else None

    def flag(self, *at: str) -> bool | None:
        """Return the boolean below, None where there is none."""
        below = self.get(*at)
        return below.value if below is not None and isinstance(below.value, bool) else None

    def put(self, value: Any, *at: str) -> None:
        """Set what lies below to plain values, making maps on the way."""
        holder = self
        for step in at[:-1]:
            inner = holder.get(step)
            if inner is None or not isinstance(inner.value, dict):
                inner = Node({}, holder.place, holder.key)
                holder._map()[step] = inner
            holder = inner
        holder._map()[at[-1]] = grown(value, holder.place)

    def setdefault(self, value: Any, *at: str) -> None:
        """Set what lies below unless it is there."""
        below = self.get(*at)
        if below is None or below.value is None:
            self.put(value, *at)

    def _map(self) -> dict[str, "Node"]:
        if not isinstance(self.value, dict):
            self.value = {}
        return self.value


def plain(node: Node) -> Any:
    """Return the values alone."""
    if isinstance(node.value, dict):
        return {key: plain(inner) for key, inner in node.value.items()}
    if isinstance(node.value, list):
        return [plain(inner) for inner in node.value]
    return node.value


def grown(value: Any, place: Place = NOWHERE) -> Node:
    """Return plain values as a tree, all of it at one place."""
    if isinstance(value, dict):
        return Node({k: grown(v, place) for k, v in value.items()}, place, place)
    if isinstance(value, list):
        return Node([grown(v, place) for v in value], place, place)
    return Node(value, place, place)


def copied(node: Node) -> Node:
    """Return the same tree, to be changed freely."""
    if isinstance(node.value, dict):
        return Node({k: copied(v) for k, v in node.value.items()}, node.place, node.key)
    if isinstance(node.value, list):
        return Node([copied(v) for v in node.value], node.place, node.key)
    return Node(node.value, node.place, node.key)


def walk(node: Node, at: At = ()) -> Iterator[tuple[At, Node]]:
    """Yield every value with where it is, the outer before the inner."""
    yield at, node
    if isinstance(node.value, dict):
        for key, inner in node.value.items():
            yield from walk(inner, (*at, key))
    elif isinstance(node.value, list):
        for index, inner in enumerate(node.value):
            yield from walk(inner, (*at, index))


def dotted(at: At) -> str:
    """Return a place in the configuration as messages name it: `resources.jobs.x.tasks[0]`."""
    text = ""
    for step in at:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def merged(base: Node, over: Node) -> Node:
    """Return `base` with `over` on top: maps by key, lists by what names their items, else joined.

    Tasks, clusters and parameters of a target override those of the same key:
    https://docs.databricks.com/dev-tools/bundles/job-task-override.html
    """
    if isinstance(base.value, dict) and isinstance(over.value, dict):
        both = dict(base.value)
        for key, inner in over.value.items():
            both[key] = merged(both[key], inner) if key in both else inner
        return Node(both, base.place, base.key)
    if isinstance(base.value, list) and isinstance(over.value, list):
        return Node(_joined(base.value, over.value), base.place, base.key)
    return over


def naming(items: list[Any]) -> str | None:
    """Return the field that tells these (plain) items apart, None where there is none."""
    if not items or not all(isinstance(item, dict) for item in items):
        return None
    return next((key for key in _KEYS if all(key in item for item in items)), None)


def _joined(base: list[Node], over: list[Node]) -> list[Node]:
    key = naming([plain(node) for node in (*base, *over)])
    if key is None:
        return [*base, *over]
    found: dict[Any, Node] = {}
    for node in (*base, *over):
        name = node.text(key)
        found[name] = merged(found[name], node) if name in found else node
    return list(found.values())


def read(path: Path, name: str) -> Node:
    """Return a YAML file as a tree whose places name the file `name`.

    Raises `document.Unreadable` for what is in it, `OSError` where it cannot be opened.
    """
    parsed = document.read(path)
    return _Reader(parsed, name, path.read_text("utf-8-sig").splitlines()).node(parsed.data, ())


class _Reader:
    def __init__(self, parsed: document.Document, name: str, lines: list[str]) -> None:
        self._parsed = parsed
        self._name = name
        self._lines = lines

    def node(self, value: Any, at: At) -> Node:
        key, own = self._places(value, at)
        if isinstance(value, dict):
            return Node({k: self.node(v, (*at, k)) for k, v in value.items()}, own, key)
        if isinstance(value, list):
            return Node([self.node(v, (*at, i)) for i, v in enumerate(value)], own, key)
        return Node(value, own, key)

    def _places(self, value: Any, at: At) -> tuple[Place, Place]:
        line = self._parsed.line(at)
        text = self._lines[line - 1] if line <= len(self._lines) else ""
        first = len(text) - len(text.lstrip()) + 1
        if at and isinstance(at[-1], str):
            # A value may stand on the line after its key: then both are where the line begins.
            word = re.escape(at[-1])
            found = re.search(rf"(?:^|(?<=[\s{{,\-]))([\"']?{word}[\"']?)\s*:\s*", text)
            if found:
                key = Place(self._name, line, found.start(1) + 1)
                inner = found.end() + 1 if found.end() < len(text) else len(text.rstrip()) + 1
                return key, key if isinstance(value, dict | list) else key._replace(column=inner)
        dash = re.match(r"\s*-\s+", text)
        column = dash.end() + 1 if dash and at and isinstance(at[-1], int) else first
        place = Place(self._name, line, column)
        return place, place
