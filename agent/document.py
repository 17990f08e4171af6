"""A YAML file as plain values, with the line of each.

Rules kept here: a word means what its writer typed, so `on`, `yes`, `007`, `1:30` and dates stay
text and only `true` and `false` are booleans; a key given twice is an error; anchors, aliases and
merge keys work, but a file that unfolds to far more than it shows is refused.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import JsonValue

At = tuple[str | int, ...]
"""Where a value is: keys and 0-based indexes from the root."""

_MAX_BYTES = 1 << 20
_MAX_VALUES = 50_000
_MAX_DEPTH = 50
_TAGS = ("str", "null", "bool", "int", "float", "timestamp", "merge", "value", "map", "seq")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?")
_WORDS: dict[str, JsonValue] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class Problem(NamedTuple):
    """One thing that is wrong with a file."""

    line: int
    """1-based."""
    message: str


class Document(NamedTuple):
    """A file's content and where it stands."""

    data: dict[str, JsonValue]
    lines: dict[At, int]
    """1-based line of each key and item."""

    def line(self, at: At) -> int:
        """Return the line of a value, or of the nearest thing around it that the file has."""
        while at and at not in self.lines:
            at = at[:-1]
        return self.lines.get(at, 1)


class Unreadable(ValueError):
    """The file is no document at all; `problem` says where and why."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(line, message)


def read(path: Path) -> Document:
    """Read a file. Raises `Unreadable` for what is in it, `OSError` where it cannot be opened."""
    with path.open("rb") as file:
        raw = file.read(_MAX_BYTES + 1)
    if len(raw) > _MAX_BYTES:
        raise Unreadable(1, f"larger than {_MAX_BYTES} bytes; expected a short file")
    try:
        return parse(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Unreadable(line, "not UTF-8 text; save the file as UTF-8") from None


def parse(text: str) -> Document:
    """Return what YAML text says. Raises `Unreadable`."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_depth(yaml.parse(text, Loader=loader))
        root = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        said = error.problem or error.context or "not valid YAML"
        raise Unreadable(line, f"not valid YAML: {said}") from None
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise Unreadable(1, f"not valid YAML: {said}") from None
    if root is None:
        raise Unreadable(1, "the file is empty")
    walk = _Walk()
    data = walk.value(root, ())
    if not isinstance(data, dict):
        raise Unreadable(root.start_mark.line + 1, f"expected keys and values, found {kind(data)}")
    return Document(data, walk.lines)


def _check_depth(events: Iterator[Any]) -> None:
    """Refuse deep nesting before it is composed: the C composer recurses without a limit."""
    import yaml

    depth = 0
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            raise Unreadable(event.start_mark.line + 1, f"nested deeper than {_MAX_DEPTH} levels")


def kind(value: JsonValue) -> str:
    """Return what a value is, in a person's words."""
    if isinstance(value, dict):
        return "keys and values"
    return "a list" if isinstance(value, list) else repr(value)


class _Walk:
    """One pass over a file's nodes."""

    def __init__(self) -> None:
        self.lines: dict[At, int] = {}
        self.seen = 0

    def value(self, node: Any, at: At) -> JsonValue:
        line: int = node.start_mark.line + 1
        self.lines.setdefault(at, line)
        self.seen += 1
        if self.seen > _MAX_VALUES or len(at) > _MAX_DEPTH:
            raise Unreadable(line, "aliases unfold to too much, or contain themselves")
        if node.tag.rpartition(":")[2] not in _TAGS:
            raise Unreadable(line, f"the tag {node.tag} has no meaning here; remove it")
        match node.id:
            case "mapping":
                return self._mapping(node, at)
            case "sequence":
                return [self.value(item, (*at, i)) for i, item in enumerate(node.value)]
        return self._scalar(node, at)

    def _mapping(self, node: Any, at: At) -> JsonValue:
        own: dict[str, JsonValue] = {}
        merged: dict[str, JsonValue] = {}
        for key_node, value_node in node.value:
            line: int = key_node.start_mark.line + 1
            key = key_node.value
            if not isinstance(key, str):
                raise Unreadable(line, "a key must be one word, found a list or a mapping")
            if key == "<<" and not key_node.style:
                for name, value in self._merged(value_node, at, line).items():
                    merged.setdefault(name, value)
                continue
            if key in own:
                first = self.lines[(*at, key)]
                raise Unreadable(line, f'key "{key}" is given twice (first in line {first})')
            self.lines[(*at, key)] = line
            own[key] = self.value(value_node, (*at, key))
            if value_node.id == "scalar":
                self.lines[(*at, key)] = value_node.start_mark.line + 1
        return {**merged, **own}

    def _merged(self, node: Any, at: At, line: int) -> dict[str, JsonValue]:
        found: dict[str, JsonValue] = {}
        for source in node.value if node.id == "sequence" else [node]:
            if source.id != "mapping":
                raise Unreadable(line, "`<<` merges a mapping or a list of mappings")
            inner = self.value(source, (*at, "<<"))
            if isinstance(inner, dict):
                for name, value in inner.items():
                    self.lines.setdefault((*at, name), line)
                    found.setdefault(name, value)
        return found

    def _scalar(self, node: Any, at: At) -> JsonValue:
        text = str(node.value)
        if node.style:  # quoted, or a block
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INT.fullmatch(text) and len(text) < 20:
            return int(text)
        if _FLOAT.fullmatch(text):
            number = float(text)
            if not math.isfinite(number):
                raise Unreadable(self.lines[at], f"{text} is too large a number")
            return number
        return text
