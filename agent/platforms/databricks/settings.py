"""A job's or pipeline's settings as the platform has them, in a form that can be compared.

What the platform adds by itself, and what is as if it were not said, is left out; so two settings
are the same where a person would say so.

Source: https://docs.databricks.com/api/workspace/jobs/get
"""

import re
from collections.abc import Mapping
from typing import Any

from agent.platforms.databricks import runs
from agent.platforms.databricks.session import Session
from agent.remote import comparing

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
NAMES = ("task_key", "job_cluster_key", "environment_key", "name")
"""What the items of a list are told apart by."""


def current(session: Session, kind: str, resource_id: str) -> dict[str, Any]:
    """Return the settings that a job or pipeline has now. Raises `NotFound`."""
    if kind == "pipeline":
        found: dict[str, Any] = session.api.get(f"/api/2.0/pipelines/{resource_id}")
        return normal(found.get("spec") or {})
    return normal(runs.job(session.api, resource_id).get("settings") or {})


def normal(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without what says nothing."""
    kept = {k: v for k, v in settings.items() if k not in _ADDED}
    made = comparing.bare(kept, _DEFAULTS, NAMES)
    return made if isinstance(made, dict) else {}


def remember(session: Session, settings: Mapping[str, Any]) -> str:
    """Keep settings beside the journal, to name later what changed; return their digest."""
    found = comparing.digest(settings)
    session.keep("settings", found, settings)
    return found
