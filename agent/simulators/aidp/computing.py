"""What a cluster's document holds and how its state follows from it and the clock.

Rules kept here: a document lists when the cluster is in which state, the future included; reading
it at a later time shows a later state, nothing has to be moved on. A cluster that is idle is not
stopped by itself here, whatever `autoTerminationMinutes` says.
Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import wire

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

KIND = "cluster"
DEFAULT_NAME = "Default Master Catalog Compute"
STARTS_S = (180, 300)
"""Least and most seconds that a start takes where the workspace is realistic."""
_STOPS_S = 30.0
_STARTING = ("STARTING", "CREATING", "RESTARTING")

Document = dict[str, Any]


def launch(
    sim: "Simulator", key: str, spec: Mapping[str, Any], user: str, *, at_once: bool = False
) -> Document:
    """Create a cluster that starts now and return its document. `at_once`: it is ACTIVE already."""
    now = sim.clock.now_ms()
    document: Document = {
        "key": key,
        "spec": {**spec},
        "user": user,
        "changed_by": user,
        "stopped_by": None,
        "created": now,
        "updated": now,
        "states": [[now, "ACTIVE"]],
        "details": None,
        "libraries": [],
        "version": 1,
    }
    if not at_once:
        document["states"] = [[now, "CREATING"], [now + starts_ms(sim, key), "ACTIVE"]]
    save(sim, document)
    return document


def default_key(sim: "Simulator") -> str:
    """Return the key of the compute that every instance has and that no list shows."""
    digest = hashlib.sha256(f"default/{sim.instance_id}".encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


def by_key(sim: "Simulator", key: str) -> Document | None:
    """Return a cluster's document, the default compute's included; None where there is none."""
    document = sim.store.get(KIND, key)
    gone = document is None or state(sim, document) == "DELETED"
    return None if gone else document


def by_name(sim: "Simulator", name: str) -> Document | None:
    """Return the cluster of that display name, the default compute included."""
    found = (by_key(sim, key) for key, one in sim.store.items(KIND) if name_of(one) == name)
    return next((one for one in found if one is not None), None)


def name_of(document: Mapping[str, Any]) -> str:
    """Return a cluster's display name."""
    return str(document["spec"].get("displayName"))


def is_default(document: Mapping[str, Any]) -> bool:
    """Say whether it is the default compute, on which no job runs."""
    return bool(document.get("default"))


def find(sim: "Simulator", key: str) -> Document:
    """Return a cluster's document. Raises `ApiError` 404 where there is none."""
    document = by_key(sim, key)
    if document is None:
        raise wire.missing(f"Cluster {key} is not found or you are not authorized to access it.")
    return document


def save(sim: "Simulator", document: Document) -> None:
    """Keep a cluster's document."""
    sim.store.put(KIND, document["key"], document)


def state(sim: "Simulator", document: Mapping[str, Any]) -> str:
    """Return a cluster's state now."""
    now = sim.clock.now_ms()
    past = [name for at, name in document["states"] if at <= now]
    return str(past[-1]) if past else "ACCEPTED"


def move(
    sim: "Simulator", key: str, passing: str, then: str, *, user: str = "", details: str = ""
) -> tuple[Document, float]:
    """Send a cluster through one state into another; return it and how many seconds that takes.

    `passing`: STARTING, STOPPING ...; a state that takes no time is skipped. `details`: why.
    """
    document = find(sim, key)
    now = sim.clock.now_ms()
    takes = starts_ms(sim, key, document["version"]) if passing in _STARTING else stops_ms(sim)
    document["states"] = [one for one in document["states"] if one[0] <= now]
    document["states"] += [[now, passing], [now + takes, then]]
    document |= {"updated": now, "version": document["version"] + 1, "details": details or None}
    document |= {"changed_by": user or document["changed_by"]}
    document["stopped_by"] = user or None if then == "STOPPED" else None
    save(sim, document)
    return document, takes / 1000


def put_in(sim: "Simulator", key: str, name: str, details: str = "") -> None:
    """Put a cluster into a state at once, such as STOPPED or FAILED, for tests and rehearsals.

    Raises `ApiError` 404 where there is no such cluster.
    """
    with sim.lock:
        document = find(sim, key)
        now = sim.clock.now_ms()
        document["states"] = [one for one in document["states"] if one[0] < now] + [[now, name]]
        document |= {"updated": now, "version": document["version"] + 1, "details": details or None}
        save(sim, document)


def starts_ms(sim: "Simulator", key: str, turn: int = 0) -> int:
    """Return how long a start takes: 3 to 5 minutes for real, the same for the same start."""
    if not sim.options.realistic:
        return round(sim.options.cluster_start_s * 1000)
    low, high = STARTS_S
    chance = hashlib.sha256(f"{key}/{turn}".encode()).digest()[0] / 255
    return round((low + (high - low) * chance) * 1000)


def stops_ms(sim: "Simulator") -> int:
    """Return how long a cluster takes to stop, to change or to go."""
    return round(_STOPS_S * 1000) if sim.options.realistic else 0
