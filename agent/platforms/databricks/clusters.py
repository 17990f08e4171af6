"""Why a task's compute failed: its cluster's events, its end, and the driver's delivered logs.

Serverless tasks have no cluster, and rights to look at one are often missing: everything here is
best effort, and what could not be read is said.

Source: https://docs.databricks.com/api/workspace/clusters/events
"""

from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from agent.errors import Unavailable
from agent.platforms.databricks import outputs
from agent.platforms.databricks.api import Api, ApiRefused, Forbidden

_EVENTS = 50
_LARGEST = 256 * 1024
_BEFORE_MS = 15 * 60 * 1000
"""A cluster starts before its task does."""
_AFTER_MS = 5 * 60 * 1000


class Told(NamedTuple):
    """What was found, as text by source."""

    texts: tuple[tuple[str, str], ...] = ()
    """(source, text) pairs: `cluster events`, `driver stderr` ..."""
    missing: tuple[str, ...] = ()
    """What could not be read, in words."""


def cluster_of(task: dict[str, Any]) -> str | None:
    """Return the id of the cluster a task ran on, None on serverless."""
    instance = task.get("cluster_instance")
    found = instance.get("cluster_id") if isinstance(instance, dict) else None
    return str(found or task.get("existing_cluster_id") or "") or None


def ended(api: Api, cluster: str, task: dict[str, Any]) -> Told:
    """Return a cluster's events around a task, and why the cluster ended."""
    start = int(task.get("start_time") or 0)
    end = int(task.get("end_time") or 0)
    body: dict[str, Any] = {"cluster_id": cluster, "order": "DESC", "limit": _EVENTS}
    if start:
        body["start_time"] = start - _BEFORE_MS
    if end:
        body["end_time"] = end + _AFTER_MS
    texts, missing = [], []
    try:
        events = api.post("/api/2.1/clusters/events", body, changes=False).get("events") or []
        if events:
            said = "\n".join(_event(event) for event in reversed(events[:_EVENTS]))
            texts.append(("cluster events", said))
        reason = _reason(api.get("/api/2.1/clusters/get", cluster_id=cluster))
        if reason:
            texts.append(("cluster", reason))
    except (ApiRefused, Forbidden, Unavailable) as error:
        missing.append(f"cluster {cluster}: {outputs.sentence(str(error))}")
    return Told(tuple(texts), tuple(missing))


def _event(event: dict[str, Any]) -> str:
    when = datetime.fromtimestamp(int(event.get("timestamp") or 0) / 1000, UTC)
    details = event.get("details") if isinstance(event.get("details"), dict) else {}
    words = [f"{when:%Y-%m-%dT%H:%M:%SZ}", str(event.get("type") or "EVENT")]
    reason = details.get("reason") if details else None
    if isinstance(reason, dict):
        words.append(_terms(reason))
    telling = ("cause", "driver_state_message", "did_not_expand_reason", "user")
    more = (f"{key}={details[key]}" for key in telling if details and details.get(key))
    return " ".join((*words, *more))


def _reason(cluster: dict[str, Any]) -> str:
    reason = cluster.get("termination_reason")
    said = str(cluster.get("state_message") or "")
    if not isinstance(reason, dict):
        return f"{cluster.get('state')}: {said}" if said else ""
    return f"{cluster.get('state')}: {_terms(reason)} {said}".rstrip()


def _terms(reason: dict[str, Any]) -> str:
    inner = reason.get("parameters")
    parameters = [f"{k}={v}" for k, v in inner.items()] if isinstance(inner, dict) else []
    words = [str(reason.get(key)) for key in ("code", "type") if reason.get(key)]
    return " ".join((*words, *parameters))


def driver_logs(api: Api, cluster: str, task: dict[str, Any], configured: str | None) -> Told:
    """Return the driver's delivered stdout and stderr, where logs are delivered at all.

    `configured` is where the playbook says that logs lie, for clusters that do not say it.
    """
    try:
        place = _destination(api, cluster, task) or configured
    except (ApiRefused, Forbidden, Unavailable):
        place = configured
    if place is None:
        return Told()
    texts, missing = [], []
    for stream in ("stdout", "stderr"):
        path = f"{place.rstrip('/')}/{cluster}/driver/{stream}"
        try:
            text = _read(api, path)
        except (ApiRefused, Forbidden, Unavailable) as error:
            missing.append(f"driver {stream} at {path}: {outputs.sentence(str(error))}")
            continue
        if text is None:
            missing.append(f"driver {stream} at {path}: this place cannot be read by us")
        elif text:
            texts.append((f"driver {stream}", text))
    return Told(tuple(texts), tuple(missing))


def _destination(api: Api, cluster: str, task: dict[str, Any]) -> str | None:
    """Return the folder that a cluster delivers its logs to, as the task or the cluster says."""
    spec = task.get("new_cluster")
    if isinstance(spec, dict):
        return _log_conf(spec)
    return _log_conf(api.get("/api/2.1/clusters/get", cluster_id=cluster))


def _log_conf(spec: dict[str, Any]) -> str | None:
    conf = spec.get("cluster_log_conf")
    if not isinstance(conf, dict):
        return None
    named = (conf.get(kind) for kind in ("dbfs", "volumes", "s3"))
    return next((str(d["destination"]) for d in named if isinstance(d, dict)), None)


def _read(api: Api, path: str) -> str | None:
    """Return the end of a file; None where it is nowhere that the workspace serves."""
    if path.startswith("/Volumes/"):
        raw = api.raw("GET", f"/api/2.0/fs/files{quote(path)}")
        return raw[-_LARGEST:].decode("utf-8", "replace")
    if path.startswith("dbfs:/Volumes/"):
        return _read(api, path.removeprefix("dbfs:"))
    if path.startswith("dbfs:/"):
        return _dbfs(api, path.removeprefix("dbfs:"))
    return None


def _dbfs(api: Api, path: str) -> str:
    import base64

    size = int(api.get("/api/2.0/dbfs/get-status", path=path).get("file_size") or 0)
    start = max(0, size - _LARGEST)
    given = api.get("/api/2.0/dbfs/read", path=path, offset=start, length=_LARGEST)
    return base64.b64decode(given.get("data") or "").decode("utf-8", "replace")
