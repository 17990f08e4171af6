"""Monitors, alerts and Genie spaces as they are now; read-only.

Sources: https://docs.databricks.com/api/workspace/qualitymonitors/get
https://docs.databricks.com/api/workspace/alertsv2/listalerts
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from agent.platforms.databricks.api import NotFound
from agent.platforms.databricks.monitoring_file import PROFILES
from agent.platforms.databricks.session import Session
from agent.platforms.databricks.sql import Statements
from agent.remote.paths import plain


class Bench(NamedTuple):
    """What a step works with."""

    session: Session
    statements: Statements
    alerts: dict[str, list[dict[str, Any]]]
    """The workspace's alerts, listed once a pass, under the key `all`."""


def monitor_path(table: str) -> str:
    """Return the path of a table's monitor."""
    return f"/api/2.1/unity-catalog/tables/{quote(table, safe='')}/monitor"


def found(bench: Bench, task: str, wanted: Mapping[str, Any]) -> dict[str, Any] | str | None:
    """Return the item as it is now, None where it is not there, or why that cannot be said."""
    if task == "monitors":
        try:
            return bench.session.api.get(monitor_path(str(wanted["table_name"])))
        except NotFound:
            return None
    if task == "genie":
        return _found_space(bench.session, wanted)
    return _found_alert(bench, wanted)


def _found_alert(bench: Bench, wanted: Mapping[str, Any]) -> dict[str, Any] | str | None:
    if "all" not in bench.alerts:
        query = {"page_size": 100}
        bench.alerts["all"] = list(bench.session.api.pages("/api/2.0/alerts", "alerts", **query))
    named = [
        alert
        for alert in bench.alerts["all"]
        if alert.get("display_name") == wanted["display_name"]
        and alert.get("lifecycle_state") != "DELETED"
    ]
    if parent := wanted.get("parent_path"):
        named = [a for a in named if plain(a.get("parent_path") or "/") == plain(parent)]
    if len(named) > 1:
        ids = ", ".join(str(alert.get("id")) for alert in named)
        return (
            f"{len(named)} alerts are named {wanted['display_name']!r} ({ids}): which one is meant "
            "is not certain; give its parent_path, or delete the others"
        )
    return named[0] if named else None


def _found_space(session: Session, wanted: Mapping[str, Any]) -> dict[str, Any] | str | None:
    spaces = list(session.api.pages("/api/2.0/genie/spaces", "spaces"))
    key = "space_id" if wanted.get("space_id") else "title"
    named = [space for space in spaces if space.get(key) == wanted[key]]
    if len(named) > 1:
        ids = ", ".join(str(space.get("space_id")) for space in named)
        return f"{len(named)} Genie spaces have the title {wanted[key]!r}: {ids}"
    return named[0] if named else None


def only_anew(wanted: Mapping[str, Any], there: Mapping[str, Any], *, recreate: bool) -> str | None:
    """Say why only deleting and making anew would give the monitor that is wanted, else None.

    `recreate`: the item allows it, so that it also mends a monitor that is broken.
    """
    kind = next((p for p in PROFILES if p in wanted), None)
    has = next((p for p in PROFILES if there.get(p) is not None), None)
    if has is not None and kind != has:
        return f"it is a {has} monitor and {kind} is wanted, which an update cannot change"
    status = str(there.get("status") or "")
    if status in ("MONITOR_STATUS_FAILED", "MONITOR_STATUS_ERROR") and recreate:
        return f"it is {status}: {there.get('latest_monitor_failure_msg') or 'no reason is given'}"
    return None
