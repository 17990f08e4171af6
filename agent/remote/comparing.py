"""Settings of a service compared: without what says nothing, what differs by its dotted name.

A platform says what its defaults are and what its lists' items are called by.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_EMPTY: tuple[Any, ...] = (None, "", [], {})


def bare(value: Any, defaults: Mapping[str, Any], names: Sequence[str]) -> Any:
    """Return settings without empty values and defaults, so that what is the same looks the same.

    A list whose items all have one of `names` is ordered by it: its order says nothing.
    """
    if isinstance(value, dict):
        inner = {k: bare(v, defaults, names) for k, v in value.items()}
        return {
            k: v
            for k, v in sorted(inner.items())
            if v not in _EMPTY and not (k in defaults and v == defaults[k])
        }
    if not isinstance(value, list):
        return value
    items = [bare(v, defaults, names) for v in value]
    return sorted(items, key=lambda i: _name(i, names)) if _named(items, names) else items


def digest(settings: Mapping[str, Any]) -> str:
    """Return the SHA-256 of settings."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def differences(old: Any, new: Any, names: Sequence[str], at: str = "") -> Iterator[str]:
    """Yield the dotted names of what differs; items of a list by which of `names` they have."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from differences(old.get(key), new.get(key), names, f"{at}.{key}".strip("."))
    elif _named(old, names) and _named(new, names):
        ours, theirs = ({_name(i, names): i for i in items} for items in (old, new))
        for key in sorted(ours.keys() | theirs.keys()):
            yield from differences(ours.get(key), theirs.get(key), names, f"{at}[{key}]")
    elif old != new:
        yield at


def _named(value: Any, names: Sequence[str]) -> bool:
    return isinstance(value, list) and bool(value) and all(_name(item, names) for item in value)


def _name(item: Any, names: Sequence[str]) -> str:
    found = (item.get(n) for n in names) if isinstance(item, dict) else ()
    return next((str(n) for n in found if n), "")
