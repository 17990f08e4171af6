"""Where things are in a YAML text, and the smallest changes that add or rename something there.

Nothing is dumped again: comments, quotes, order and style of the user's file stay. A text with
anchors, merges or several documents is not read at all, because one place there stands for many.
"""

from itertools import accumulate
from typing import NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from agent.code.edits import Change

_LONGEST = 262_144
"""Characters; what is longer is no file that a person keeps, and takes too long to compose."""
_DEEPEST = 100
"""Nested brackets; PyYAML's time grows with the square of them."""


class Pair(NamedTuple):
    """One `key: value` of a mapping."""

    key: ScalarNode
    value: Node


def compose(text: str) -> MappingNode | None:
    """Return the root mapping with its positions; None where it cannot be read or edited safely."""
    if len(text) > _LONGEST or _depth(text) > _DEEPEST:
        return None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        shared = any(isinstance(t, yaml.AliasToken) for t in yaml.scan(text))
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
        return None
    return root if isinstance(root, MappingNode) and not shared else None


def pairs(node: Node | None) -> tuple[Pair, ...]:
    """Return a mapping's pairs with plain keys, in order; empty for what is no mapping."""
    if not isinstance(node, MappingNode):
        return ()
    return tuple(Pair(k, v) for k, v in node.value if isinstance(k, ScalarNode))


def pair(node: Node | None, key: str) -> Pair | None:
    """Return the pair of that key, the last one where it is written twice."""
    return next((p for p in reversed(pairs(node)) if p.key.value == key), None)


def get(node: Node | None, *path: str) -> Node | None:
    """Return the value at a path of keys."""
    for key in path:
        found = pair(node, key)
        node = found.value if found else None
    return node


def items(node: Node | None) -> tuple[Node, ...]:
    """Return a sequence's items; empty for what is no sequence."""
    return tuple(node.value) if isinstance(node, SequenceNode) else ()


def scalar(node: Node | None) -> str | None:
    """Return a scalar's text; None for a null and for what is no scalar."""
    if isinstance(node, ScalarNode) and node.tag != "tag:yaml.org,2002:null":
        return str(node.value)
    return None


def scalars(node: Node | None) -> tuple[ScalarNode, ...]:
    """Return all scalars below a node, keys left out, in the order of the text."""
    if isinstance(node, ScalarNode):
        return (node,)
    below = [p.value for p in pairs(node)] if isinstance(node, MappingNode) else items(node)
    return tuple(s for child in below for s in scalars(child))


def rename(node: ScalarNode, new: str) -> Change:
    """Return the change that replaces a scalar and keeps its quotes."""
    return Change(node.start_mark.index, node.end_mark.index, quoted(new, node.style))


def append(text: str, node: SequenceNode, *values: str) -> Change:
    """Return the change that adds items, written in flow style, at a sequence's end."""
    last = items(node)[-1] if items(node) else None
    if last is None:
        return Change(node.start_mark.index, node.end_mark.index, f"[{', '.join(values)}]")
    if node.flow_style:
        return Change(_end(last), _end(last), "".join(f", {value}" for value in values))
    dash = text.rfind("-", 0, last.start_mark.index)
    column = dash - (text.rfind("\n", 0, dash) + 1)
    return _lines_after(text, last, [f"{' ' * column}- {value}" for value in values])


def add(text: str, node: MappingNode, key: str, value: str, *, after: str | None = None) -> Change:
    """Return the change that adds `key: value`, the value in flow style.

    It goes after the pair `after` where there is one, else to the mapping's end.
    """
    anchor = (pair(node, after) if after else None) or (pairs(node)[-1] if pairs(node) else None)
    if anchor is None:
        return Change(node.start_mark.index, node.end_mark.index, f"{{{key}: {value}}}")
    last = anchor.value if _end(anchor.value) > _end(anchor.key) else anchor.key
    if node.flow_style:
        return Change(_end(last), _end(last), f", {key}: {value}")
    return _lines_after(text, last, [f"{' ' * anchor.key.start_mark.column}{key}: {value}"])


def fill(node: Node, value: str) -> Change:
    """Return the change that writes a value, in flow style, where there is only `key:`."""
    return Change(node.start_mark.index, node.end_mark.index, f" {value}")


def replace(node: Node, value: str) -> Change:
    """Return the change that writes another value, in flow style, in the place of one."""
    return Change(node.start_mark.index, _end(node), value)


def quoted(value: str, style: str | None = None) -> str:
    """Write a string so that YAML reads the same string, in that style where it can."""
    if style == "'" or ('"' not in value and "\\" not in value and style == '"'):
        mark = style or '"'
        return mark + value.replace("'", "''" if mark == "'" else "'") + mark
    if _plain(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _depth(text: str) -> int:
    """Return how deep brackets are nested at most, those in strings and comments counted too."""
    steps = ((c in "[{") - (c in "]}") for c in text if c in "[]{}")
    return max(accumulate(steps), default=0)


def _plain(value: str) -> bool:
    """Say whether a string is read back as itself without quotes, also inside `[...]`."""
    if any(c in value for c in ",[]{}\n"):
        return False
    try:
        return bool(yaml.safe_load(f"[{value}]") == [value])
    except yaml.YAMLError:
        return False


def _end(node: Node) -> int:
    """Return where a node's own text ends: a block collection's mark lies beyond comments."""
    if isinstance(node, ScalarNode) or getattr(node, "flow_style", True) or not node.value:
        return int(node.end_mark.index)
    if isinstance(node, SequenceNode):
        return _end(node.value[-1])
    key, value = node.value[-1]
    return max(_end(key), _end(value))


def _lines_after(text: str, node: Node, lines: list[str]) -> Change:
    """Insert whole lines below the one that a node ends on."""
    end = _end(node)
    while end > 0 and text[end - 1] in "\r\n":
        end -= 1
    stop = text.find("\n", end)
    newline = "\r\n" if "\r\n" in text else "\n"
    added = newline.join(lines)
    if stop < 0:
        return Change(len(text), len(text), newline + added)
    return Change(stop + 1, stop + 1, added + newline)
