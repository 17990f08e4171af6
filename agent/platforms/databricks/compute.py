"""SQL warehouses and clusters: found, started, waited for, and stopped again if we started them.

Rules kept here: that we start something is on the disk before the call, so that a crash in between
leaves nothing running that nobody knows of; what somebody else started is never stopped; nothing
waits here: "it starts" is `Unavailable`, and what will not start is a `Problem`.

Sources: https://docs.databricks.com/api/workspace/warehouses/start
https://docs.databricks.com/api/workspace/clusters/start
"""

import re
import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from agent import redaction
from agent.errors import Unavailable
from agent.platforms.databricks.api import ApiRefused, Forbidden, NotFound
from agent.platforms.databricks.session import Session
from agent.records import duration

Kind = Literal["warehouse", "cluster"]
_WAREHOUSES = "/api/2.0/sql/warehouses"
_LOOK_S = 15.0
"""Compute takes minutes to start: looking more often tells nothing."""
_STARTED = ("compute", "started")
_IDLE = ("STOPPED", "TERMINATED")
_GONE = ("DELETED", "DELETING")


class Problem(NamedTuple):
    """Why there is nothing to work with, in words."""

    why: str


class Compute(NamedTuple):
    """A warehouse or a cluster as it is now."""

    kind: Kind
    id: str
    name: str
    state: str
    """The service's word: RUNNING, STARTING, PENDING, STOPPED, TERMINATED ..."""
    why: str
    """What the service says of its state, empty where it says nothing."""

    def __str__(self) -> str:
        return (
            f"{self.kind} {self.name}"
            if self.name == self.id
            else f"{self.kind} {self.name} ({self.id})"
        )


def warehouse(session: Session, name: str) -> Compute | Problem:
    """Find a warehouse by its id (16 hexadecimal digits) or its name, in any case of letters."""
    if re.fullmatch(r"[0-9a-f]{16}", name):
        try:
            return _warehouse(session.api.get(f"{_WAREHOUSES}/{name}"))
        except NotFound:
            return Problem(f"there is no warehouse with the id {name}")
    found = [_warehouse(w) for w in session.api.pages(_WAREHOUSES, "warehouses")]
    fits = [w for w in found if w.name.casefold() == name.casefold()]
    if len(fits) == 1:
        return fits[0]
    if fits:
        ids = ", ".join(w.id for w in fits)
        return Problem(f"{len(fits)} warehouses are named {name}: {ids}; name one by its id")
    there = ", ".join(sorted(w.name for w in found)) or "none that we may see"
    return Problem(f"there is no warehouse {name!r}; there is {there}")


def cluster(session: Session, identity: str) -> Compute | Problem:
    """Find a cluster by its id."""
    try:
        said = session.api.get("/api/2.1/clusters/get", cluster_id=identity)
    except NotFound:
        return Problem(f"there is no cluster with the id {identity}")
    return Compute(
        "cluster",
        identity,
        str(said.get("cluster_name") or identity),
        str(said.get("state") or "UNKNOWN"),
        _clean(_termination(said) or str(said.get("state_message") or "")),
    )


def _warehouse(said: dict[str, Any]) -> Compute:
    health = said.get("health") or {}
    why = str(health.get("summary") or health.get("message") or "")
    identity = str(said.get("id") or "")
    name = str(said.get("name") or identity)
    return Compute("warehouse", identity, name, str(said.get("state") or "UNKNOWN"), _clean(why))


def _termination(said: dict[str, Any]) -> str:
    reason = said.get("termination_reason") or {}
    if not reason.get("code"):
        return ""
    parameters = ", ".join(f"{k}: {v}" for k, v in (reason.get("parameters") or {}).items())
    words = f"{reason['code']} ({reason.get('type', 'of an unknown type')})"
    return f"{words} {parameters}" if parameters else words


def _clean(text: str) -> str:
    return redaction.printable(redaction.mask(" ".join(text.split())))[:500]


def running(session: Session, kind: Kind, name: str) -> Compute | Problem:
    """Return the compute once it runs; where it is stopped, start it.

    Raises `Unavailable` while it starts. A `Problem` is what cannot be found, is being deleted, may
    not be started by us, or did not come up.
    """
    found = warehouse(session, name) if kind == "warehouse" else cluster(session, name)
    if isinstance(found, Problem):
        return found
    started = _read(session)
    ours = started.get(_key(found))
    if found.state in ("RUNNING", "RESIZING"):
        if ours is not None and not ours["seen"]:
            _write(session, started | {_key(found): ours | {"seen": True}})
        return found
    if found.state in _GONE:
        return Problem(f"{found} is being deleted")
    if found.state == "ERROR":
        return Problem(f"{found} is in state ERROR: {found.why or 'no reason is given'}")
    if found.state not in _IDLE:
        raise Unavailable(f"{found} is {found.state}", retry_after_s=_LOOK_S, works=True)
    if ours is not None and ours["sure"] and not ours["seen"]:
        _write(session, {k: v for k, v in started.items() if k != _key(found)})
        return Problem(f"{found} did not start: {found.why or f'it is {found.state} again'}")
    return _start(session, found)


def _start(session: Session, found: Compute) -> Problem:
    entry = {"at": session.context.now(), "sure": False, "seen": False, "name": found.name}
    _write(session, _read(session) | {_key(found): entry})
    try:
        if found.kind == "warehouse":
            session.api.post(f"{_WAREHOUSES}/{found.id}/start")
        else:
            session.api.post("/api/2.1/clusters/start", {"cluster_id": found.id})
    except (ApiRefused, Forbidden) as error:
        # Somebody else may have started it between our look and our call.
        _write(session, {k: v for k, v in _read(session).items() if k != _key(found)})
        now = _again(session, found)
        if isinstance(now, Compute) and now.state not in _IDLE:
            raise Unavailable(f"{now} is {now.state}", retry_after_s=_LOOK_S, works=True) from error
        return Problem(f"{found} is {found.state} and cannot be started: {error}")
    _write(session, _read(session) | {_key(found): entry | {"sure": True}})
    raise Unavailable(
        f"{found} was {found.state} and is being started", retry_after_s=_LOOK_S, works=True
    )


def close(session: Session, now: Callable[[], float] = time.time) -> tuple[str, ...]:
    """Stop what we started and say how long it ran; the same again finds nothing to stop.

    `now` gives seconds since the epoch.
    """
    said = []
    for key, entry in _read(session).items():
        kind, _, identity = key.partition(":")
        found = Compute(
            "cluster" if kind == "cluster" else "warehouse", identity, entry["name"], "", ""
        )
        said.append(_stop(session, found, now() - entry["at"]))
        _write(session, {k: v for k, v in _read(session).items() if k != key})
    return tuple(said)


def _stop(session: Session, found: Compute, ran_s: float) -> str:
    there = _again(session, found)
    if isinstance(there, Problem):
        return f"{found}, which we started, is gone: {there.why}"
    if there.state in _IDLE:
        return f"{there}, which we started, had stopped by itself"
    try:
        if found.kind == "warehouse":
            session.api.post(f"{_WAREHOUSES}/{found.id}/stop")
        else:
            session.api.post("/api/2.1/clusters/delete", {"cluster_id": found.id})
    except (ApiRefused, Forbidden) as error:
        return f"{there}, which we started, still runs and cannot be stopped by us: {error}"
    return f"stopped {there}, which we had started; it ran {duration(ran_s)}"


def _again(session: Session, found: Compute) -> Compute | Problem:
    look = warehouse if found.kind == "warehouse" else cluster
    return look(session, found.id)


def _key(found: Compute) -> str:
    return f"{found.kind}:{found.id}"


def _read(session: Session) -> dict[str, dict[str, Any]]:
    return session.kept(*_STARTED) or {}


def _write(session: Session, started: dict[str, dict[str, Any]]) -> None:
    session.keep(*_STARTED, started)
