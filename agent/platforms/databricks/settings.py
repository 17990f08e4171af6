"""A job's or pipeline's settings as the platform has them, in a form that can be compared.

What the platform adds by itself, and what is as if it were not said, is left out; so two settings
are the same where a person would say so.

Source: https://docs.databricks.com/api/workspace/jobs/get
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from agent.platforms.databricks import runs
from agent.platforms.databricks.session import Session

_ADDED = frozenset(
    re.findall(
        r"\w+",
        """
        deployment edit_mode format run_as id url parent_path effective_budget permissions lifecycle
        modified_status
        """,
    )
)
"""At the root: told by the platform, kept by it whatever is sent, or a bundle's own."""
_DEFAULTS: dict[str, Any] = {
    "timeout_seconds": 0,
    "max_concurrent_runs": 1,
    "max_retries": 0,
    "min_retry_interval_millis": 0,
    "retry_on_timeout": False,
    "run_if": "ALL_SUCCESS",
    "source": "WORKSPACE",
    "pause_status": "UNPAUSED",
    "queue": {"enabled": True},
    "data_security_mode": "SINGLE_USER",
    "disable_auto_optimization": False,
    "no_alert_for_skipped_runs": False,
    "no_alert_for_canceled_runs": False,
    "alert_on_last_attempt": False,
    "performance_target": "PERFORMANCE_OPTIMIZED",
    "concurrency": 1,
    "development": False,
    "continuous": False,
    "photon": False,
    "channel": "CURRENT",
    "edition": "ADVANCED",
}
_KEYED = ("task_key", "job_cluster_key", "environment_key", "name")


def current(session: Session, kind: str, resource_id: str) -> dict[str, Any]:
    """Return the settings that a job or pipeline has now. Raises `NotFound`."""
    if kind == "pipeline":
        found: dict[str, Any] = session.api.get(f"/api/2.0/pipelines/{resource_id}")
        return normal(found.get("spec") or {})
    return normal(runs.job(session.api, resource_id).get("settings") or {})


def normal(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without what says nothing."""
    kept = {k: v for k, v in settings.items() if k not in _ADDED}
    made = _plain(kept)
    return made if isinstance(made, dict) else {}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        inner = {k: _plain(v) for k, v in value.items()}
        return {
            k: v
            for k, v in sorted(inner.items())
            if v not in (None, "", {}, []) and not (k in _DEFAULTS and v == _DEFAULTS[k])
        }
    if not isinstance(value, list):
        return value
    items = [_plain(v) for v in value]
    return sorted(items, key=_key) if any(_key(i) for i in items) else items


def _key(item: Any) -> str:
    """Return the name that orders a list whose order says nothing."""
    named = (item.get(k) for k in _KEYED) if isinstance(item, dict) else ()
    return next((str(n) for n in named if n), "")


def digest(settings: Mapping[str, Any]) -> str:
    """Return the SHA-256 of normal settings."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def remember(session: Session, settings: Mapping[str, Any]) -> str:
    """Keep settings beside the journal, to name later what changed; return their digest."""
    found = digest(settings)
    session.keep("settings", found, settings)
    return found


def differences(old: Any, new: Any, name: str = "") -> Iterator[str]:
    """Yield the dotted names of what differs; items of a list by their key."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from differences(old.get(key), new.get(key), f"{name}.{key}".strip("."))
    elif _keyed(old) and _keyed(new):
        ours, theirs = ({_key(i): i for i in items} for items in (old, new))
        for key in sorted(ours.keys() | theirs.keys()):
            yield from differences(ours.get(key), theirs.get(key), f"{name}[{key}]")
    elif old != new:
        yield name


def _keyed(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_key(item) for item in value)
