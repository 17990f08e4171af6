"""Definitions of monitors and alerts compared: what is wanted, what is there, what was applied.

The service adds fields of its own to what it was given, so a definition counts as there when all
that was asked for is.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import JsonValue

from agent.platforms.databricks.monitoring_file import PROFILES
from agent.remote.paths import plain

PUT = (
    "assets_dir",
    "baseline_table_name",
    "custom_metrics",
    "data_classification_config",
    "inference_log",
    "notifications",
    "output_schema_name",
    "schedule",
    "slicing_exprs",
    "snapshot",
    "time_series",
)
"""What an update of a monitor replaces: what is left out of it is lost."""


_ONCE = {
    "monitors": ("table_name", "assets_dir", "warehouse_id", "skip_builtin_dashboard"),
    "alerts": ("parent_path",),
}
"""What names an item or only counts when it is made: later it is not changed, nor always shown."""


def lasting(task: str, wanted: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return what of a definition can be compared with what is there, and updated."""
    return {k: v for k, v in wanted.items() if k not in _ONCE.get(task, ())}


def covers(wanted: JsonValue, there: Any) -> bool:
    """Say whether all that is wanted is there; what is there besides does not count."""
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(covers(v, there.get(k)) for k, v in wanted.items())
    if isinstance(wanted, list):
        if not wanted and not there:
            return True
        if not isinstance(there, list) or len(there) != len(wanted):
            return False
        return all(covers(w, t) for w, t in zip(wanted, there, strict=True))
    if isinstance(wanted, bool) or wanted is None:
        return wanted == there or (not wanted and there is None)
    return bool(wanted == there) or (
        isinstance(wanted, str)
        and isinstance(there, str)
        and wanted.startswith("/")
        and plain(wanted) == plain(there)
    )


def lost(wanted: Mapping[str, JsonValue], there: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a monitor has that an update with `wanted` would take away."""
    return tuple(
        key
        for key in PUT
        if key not in wanted and there.get(key) and key not in (*PROFILES, "assets_dir")
    )


def leaves(value: JsonValue, at: str = "") -> Iterator[tuple[str, str]]:
    """Yield each value inside with its dotted path and its SHA-256; a list is one value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{at}.{key}" if at else key)
    else:
        text = json.dumps(_even(value), sort_keys=True)
        yield at, hashlib.sha256(text.encode()).hexdigest()


def _even(value: JsonValue) -> JsonValue:
    """Return the value with numbers written one way: 100 and 100.0 are the same threshold."""
    if isinstance(value, list):
        return [_even(v) for v in value]
    if isinstance(value, dict):
        return {k: _even(v) for k, v in value.items()}
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def at(value: Any, dotted: str) -> Any:
    """Return what lies at a dotted path, None where nothing does."""
    for part in dotted.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
