"""What an IF_ELSE_TASK decides: comparisons with names, and a condition over the names.

Rules kept here: `==`, `!=`, `<`, `<=`, `>`, `>=` compare as numbers where both sides are some, as
text otherwise; AND binds before OR, NOT before AND; parentheses group. Only `1==1` has been seen in
use, the rest is inferred. Source:
https://docs.oracle.com/en/cloud/paas/ai-data-platform/aidug/configure-tasks.html
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
}
_COMPARED = re.compile(r"(?P<left>.*?)\s*(?P<sign>==|!=|<=|>=|<|>)\s*(?P<right>.*)", re.DOTALL)
_TOKEN = re.compile(r"\s*(\(|\)|!|[A-Za-z0-9_.-]+)")


class Unclear(ValueError):
    """An expression or a condition that cannot be read; the message says why."""


def holds(expression: str) -> bool:
    """Say whether one comparison is true. Raises `Unclear`."""
    text = expression.strip()
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    found = _COMPARED.fullmatch(text)
    if found is None:
        raise Unclear(f"'{expression}' is not a comparison")
    left, right = (found[side].strip().strip("\"'") for side in ("left", "right"))
    numbers = _number(left), _number(right)
    if None in numbers:
        return _OPERATORS[found["sign"]](left, right)
    return _OPERATORS[found["sign"]](*numbers)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def decide(condition: str, values: Mapping[str, bool]) -> bool:
    """Return what the condition comes to. Raises `Unclear`."""
    tokens = _tokens(condition)
    found = _any(tokens, values)
    if tokens:
        raise Unclear(f"'{tokens[0]}' is not expected in '{condition}'")
    return found


def _tokens(condition: str) -> list[str]:
    text = condition.replace("&&", " AND ").replace("||", " OR ").strip()
    tokens, at = [], 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise Unclear(f"'{text[at:]}' cannot be read in '{condition}'")
        tokens.append(found[1])
        at = found.end()
    return tokens


def _word(tokens: list[str], *words: str) -> bool:
    if tokens and tokens[0].upper() in words:
        tokens.pop(0)
        return True
    return False


def _any(tokens: list[str], values: Mapping[str, bool]) -> bool:
    found = _all(tokens, values)
    while _word(tokens, "OR"):
        other = _all(tokens, values)
        found = found or other
    return found


def _all(tokens: list[str], values: Mapping[str, bool]) -> bool:
    found = _one(tokens, values)
    while _word(tokens, "AND"):
        other = _one(tokens, values)
        found = found and other
    return found


def _one(tokens: list[str], values: Mapping[str, bool]) -> bool:
    if _word(tokens, "NOT", "!"):
        return not _one(tokens, values)
    if _word(tokens, "("):
        found = _any(tokens, values)
        if not _word(tokens, ")"):
            raise Unclear("a parenthesis is not closed")
        return found
    if not tokens:
        raise Unclear("the condition ends too early")
    name = tokens.pop(0)
    if name not in values:
        raise Unclear(f"no expression has the key '{name}'")
    return values[name]
