"""What a cluster's document holds and how its state follows from it and the clock.

Rules kept here: a document lists when the cluster is in which state, the future included, and the
events that go with it; reading it at a later time shows a later state, nothing has to be moved on.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agent.simulators.databricks.wire import ApiError, invalid, missing

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

KIND = "cluster"
STARTS_S = 240
STOPS_S = 30
"""How long starting and stopping take where the workspace is realistic."""

Document = dict[str, Any]


def launch(sim: "Simulator", spec: Mapping[str, Any], user: str, *, source: str = "API") -> str:
    """Create a cluster that starts now, and return its id. `source`: API, UI, JOB or PIPELINE."""
    now = sim.clock.now_ms()
    at = datetime.fromtimestamp(now / 1000, UTC)
    number = f"{at:%m%d-%H%M%S}-{uuid.uuid4().hex[:8]}"
    document: Document = {
        "id": number,
        "spec": dict(spec),
        "user": user,
        "source": source,
        "states": [],
        "events": [],
        "libraries": [],
        "termination_reason": None,
        "pinned": False,
        "start_time": now,
    }
    document["spec"].setdefault("cluster_name", "")
    _begin(sim, document, "CREATING", user)
    save(sim, document)
    return number


def terminate(
    sim: "Simulator",
    number: str,
    code: str = "USER_REQUEST",
    kind: str = "SUCCESS",
    parameters: Mapping[str, str] | None = None,
) -> None:
    """End a cluster with a reason, such as `SPOT_INSTANCE_TERMINATION`, `CLOUD_FAILURE`.

    `kind`: SUCCESS, CLIENT_ERROR, SERVICE_FAULT or CLOUD_FAILURE. Raises `ApiError` where there is
    no such cluster.
    """
    with sim.lock:
        document = find(sim, number)
        now = sim.clock.now_ms()
        reason = {"code": code, "type": kind, "parameters": dict(parameters or {})}
        _forget_future(document, now)
        ends = now + _takes(sim, STOPS_S)
        document["states"] += [[now, "TERMINATING"], [ends, "TERMINATED"]]
        document["termination_reason"] = reason
        document["terminated_time"] = ends
        add_event(document, now, "TERMINATING", {"reason": reason})
        save(sim, document)


def declare_event(
    sim: "Simulator",
    number: str,
    kind: str,
    details: Mapping[str, Any] | None = None,
    at_ms: int | None = None,
) -> None:
    """Add an event to a cluster's history, such as `DRIVER_NOT_RESPONDING`; now if not said."""
    with sim.lock:
        document = find(sim, number)
        add_event(document, at_ms or sim.clock.now_ms(), kind, dict(details or {}))
        save(sim, document)


def find(sim: "Simulator", number: str) -> Document:
    """Return a cluster's document. Raises `ApiError` (400 or 404) where there is none."""
    found = sim.store.get(KIND, number)
    if found is None:
        message = f"Cluster {number} does not exist"
        raise missing(message) if sim.options.unknown_id_status == 404 else invalid(message)
    return found


def save(sim: "Simulator", document: Document) -> None:
    """Keep a cluster's document."""
    sim.store.put(KIND, document["id"], document)


def state(document: Document, now: int) -> str:
    """Return a cluster's state at a time."""
    past = [name for at, name in document["states"] if at <= now]
    return str(past[-1]) if past else "PENDING"


def start(sim: "Simulator", document: Document, user: str) -> None:
    """Start a cluster that ended. Raises `ApiError` (400) in any other state."""
    expect_state(sim, document, "TERMINATED")
    document["start_time"] = sim.clock.now_ms()
    document["termination_reason"] = None
    _begin(sim, document, "STARTING", user)
    save(sim, document)


def restart(sim: "Simulator", document: Document, user: str) -> None:
    """Restart a cluster that runs. Raises `ApiError` (400) in any other state."""
    expect_state(sim, document, "RUNNING")
    now = sim.clock.now_ms()
    document["last_restarted_time"] = now
    _forget_future(document, now)
    ready = now + _takes(sim, STARTS_S)
    document["states"] += [[now, "RESTARTING"], [ready, "RUNNING"]]
    add_event(document, now, "RESTARTING", {"user": user})
    add_event(document, ready, "RUNNING", {"current_num_workers": workers(document)})
    save(sim, document)


def resize(sim: "Simulator", document: Document, user: str) -> None:
    """Note that a running cluster got another size; its spec says which."""
    expect_state(sim, document, "RUNNING")
    now = sim.clock.now_ms()
    size = {"target_num_workers": workers(document), "cause": "USER_REQUEST", "user": user}
    add_event(document, now, "RESIZING", size)
    add_event(document, now, "UPSIZE_COMPLETED", {"current_num_workers": workers(document)})
    save(sim, document)


def expect_state(sim: "Simulator", document: Document, *wanted: str) -> None:
    """Raise `ApiError` (400 INVALID_STATE) unless the cluster is in one of these states."""
    now = state(document, sim.clock.now_ms())
    if now not in wanted:
        message = f"Cluster {document['id']} is in unexpected state {now.capitalize()}."
        raise ApiError(400, "INVALID_STATE", message)


def workers(document: Document) -> int:
    """Return how many workers the cluster is to have, the least of an autoscaling one."""
    spec = document["spec"]
    return int(spec.get("num_workers") or (spec.get("autoscale") or {}).get("min_workers") or 0)


def events(document: Document, now: int) -> list[dict[str, Any]]:
    """Return what has happened to a cluster so far, the oldest first."""
    past = [one for one in document["events"] if one["timestamp"] <= now]
    return sorted(past, key=lambda one: int(one["timestamp"]))


def add_event(document: Document, at: int, kind: str, details: dict[str, Any]) -> None:
    """Add an event to a document."""
    one = {"cluster_id": document["id"], "timestamp": at, "type": kind, "details": details}
    document["events"].append(one)


def _begin(sim: "Simulator", document: Document, event: str, user: str) -> None:
    now = sim.clock.now_ms()
    ready = now + _takes(sim, STARTS_S)
    document["states"] += [[now, "PENDING"], [ready, "RUNNING"]]
    add_event(document, now, event, {"user": user, "cluster_size": {}})
    add_event(document, ready, "RUNNING", {"current_num_workers": workers(document)})
    add_event(document, ready, "DRIVER_HEALTHY", {})


def _forget_future(document: Document, now: int) -> None:
    document["states"] = [one for one in document["states"] if one[0] <= now]
    document["events"] = [one for one in document["events"] if one["timestamp"] <= now]


def _takes(sim: "Simulator", seconds: int) -> int:
    return seconds * 1000 if sim.options.realistic else 0
