"""Clusters of a workspace: found by their display names, started, stopped again if we started them.

Rules kept here: that we start something is on the disk before the call, so that a crash in between
leaves nothing running that nobody knows of; what somebody else started is never stopped; nothing
waits here: "it starts" is `Unavailable`, and what will not start is a `Problem`. A run on a cluster
that is not ACTIVE is accepted and fails minutes later, so ACTIVE is the only state to go on with.
The catalog's own compute is in no list, only the default: jobs cannot use it.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import re
from typing import Any, NamedTuple

from agent.engine.problems import nearest
from agent.errors import Unavailable
from agent.platforms.aidp.api import ApiRefused, Conflict, Forbidden, NotFound
from agent.platforms.aidp.session import Session
from agent.records import duration
from agent.remote.answers import clean

KEY = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LOOK_S = 15.0
"""Clusters take minutes to start: looking more often tells nothing."""
_STARTED = ("clusters", "started")
_IDLE = ("STOPPED", "FAILED")
_LOST = ("DELETING", "DELETED")
_NAMES = 20


class Problem(NamedTuple):
    """Why there is nothing to work with, in words, and the code of the failure it becomes."""

    why: str
    code: str
    """CLUSTER_NOT_FOUND, CLUSTER_NOT_ACTIVE or JOB_INVALID."""


class Cluster(NamedTuple):
    """A cluster as it is now."""

    key: str
    name: str
    """Its display name."""
    state: str
    """The service's word: ACTIVE, STARTING, STOPPED ..."""
    why: str = ""
    """What the service says of its state."""
    usable: bool = True
    """False for the catalog's own compute, which runs no jobs."""

    def __str__(self) -> str:
        return f'cluster "{self.name}" ({self.key})'


def listed(session: Session) -> list[dict[str, Any]]:
    """Return the workspace's clusters as the service shows them, of all pages."""
    return list(session.api.pages("/clusters"))


def every(session: Session) -> tuple[Cluster, ...]:
    """Return the clusters of the workspace, and last the default one where it is another."""
    found = [_cluster(document) for document in listed(session)]
    default = _default(session)
    if default is not None and default.key not in {cluster.key for cluster in found}:
        found.append(default._replace(usable=False))
    return tuple(found)


def _default(session: Session) -> Cluster | None:
    try:
        document = session.api.get("/defaultCluster", instance=True)
    except (ApiRefused, Forbidden):
        return None  # not every build has it, and it only makes a message better
    except Unavailable:
        return None
    return _cluster(document) if document.get("key") else None


def _cluster(document: dict[str, Any]) -> Cluster:
    key = str(document.get("key") or "")
    # Older answers say lifecycleState.
    state = str(document.get("state") or document.get("lifecycleState") or "UNKNOWN")
    why = clean(document.get("stateMessage") or document.get("stateDetails") or "")
    return Cluster(key, str(document.get("displayName") or key), state, why[:500])


def named(found: tuple[Cluster, ...], name: str, who: str) -> Cluster | Problem:
    """Return the cluster with a display name; `who` says where the name is written."""
    fits = [cluster for cluster in found if cluster.name == name]
    usable = [cluster for cluster in fits if cluster.usable]
    if len(usable) == 1:
        return usable[0]
    names = _names(found)
    if usable:
        keys = ", ".join(cluster.key for cluster in usable)
        why = f'{who} is "{name}", and {len(usable)} clusters are called so: {keys}'
        return Problem(f"{why}; say which with clusterKey", "JOB_INVALID")
    if fits:
        why = f'{who} is "{name}", the catalog\'s own compute, which jobs cannot use'
        return Problem(f"{why} (clusters: {names})", "JOB_INVALID")
    if (own := next((c for c in found if c.key == name), None)) is not None:
        why = f'{who} is "{name}", a cluster\'s key, not its display name'
        return Problem(f'{why}; did you mean "{own.name}"?', "JOB_INVALID")
    if KEY.fullmatch(name):
        why = f'{who} is "{name}", a key, not a display name, and no cluster has it'
        return Problem(f"{why} (clusters: {names})", "JOB_INVALID")
    near = nearest(name, [c.name for c in found if c.usable])
    why = f'{who} is "{name}", but there is no such cluster{near} (clusters: {names})'
    return Problem(why, "CLUSTER_NOT_FOUND")


def with_key(found: tuple[Cluster, ...], key: str, who: str) -> Cluster | Problem:
    """Return the cluster with a key; `who` says where the key is written."""
    fits = next((c for c in found if c.key == key), None)
    if fits is None:
        why = f'{who} is "{key}", but no cluster has it (clusters: {_names(found)})'
        return Problem(why, "CLUSTER_NOT_FOUND")
    if not fits.usable:
        why = f'{who} is "{key}", the catalog\'s own compute, which jobs cannot use'
        return Problem(f"{why} (clusters: {_names(found)})", "JOB_INVALID")
    return fits


def _names(found: tuple[Cluster, ...]) -> str:
    names = [cluster.name for cluster in found if cluster.usable]
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return (", ".join(names[:_NAMES]) or "none that we may see") + more


def running(session: Session, name: str, *, may_start: bool | None = None) -> Cluster | Problem:
    """Return the cluster with this display name or key once it is ACTIVE.

    `may_start`: whether a stopped one may be started; None = what `aidp.start_cluster` says.
    Raises `Unavailable` while it starts.
    """
    there = every(session)
    found = next((c for c in there if c.key == name and c.usable), None)
    cluster = found or named(there, name, "the name of a cluster")
    return cluster if isinstance(cluster, Problem) else active(session, cluster, may_start)


def active(session: Session, found: Cluster, may_start: bool | None = None) -> Cluster | Problem:
    """Return a cluster that is ACTIVE; see `running`."""
    allowed = session.aidp.start_cluster if may_start is None else may_start
    ours = _read(session).get(found.key)
    if found.state == "ACTIVE":
        if ours is not None and not ours["seen"]:
            _note(session, found.key, ours | {"seen": True})
        return found
    said = f"{found} is {found.state}, expected ACTIVE"
    if found.state in _LOST:
        return Problem(said, "CLUSTER_NOT_ACTIVE")
    if found.state not in _IDLE:
        if found.state == "STOPPING" and not allowed:
            return Problem(f"{said}; {_help()}", "CLUSTER_NOT_ACTIVE")
        raise Unavailable(f"{found} is {found.state}", retry_after_s=_LOOK_S, works=True)
    if not allowed:
        why = f" ({found.why})" if found.why and found.state == "FAILED" else ""
        return Problem(f"{said}{why}; {_help()}", "CLUSTER_NOT_ACTIVE")
    if ours is not None and ours["sure"] and not ours["seen"]:
        _note(session, found.key, None)
        why = found.why or f"it is {found.state} again"
        return Problem(f"{found} did not start: {why}", "CLUSTER_NOT_ACTIVE")
    return _start(session, found)


def _help() -> str:
    return "start it, or allow that with aidp.start_cluster: true"


def _start(session: Session, found: Cluster) -> Problem:
    entry = {"at": session.context.now(), "sure": False, "seen": False, "name": found.name}
    _note(session, found.key, entry)
    try:
        # The service refuses an action without a body.
        path = f"/clusters/{found.key}/actions/start"
        session.api.send("POST", path, {}, what=f"start-cluster-{found.name}")
    except Conflict as error:
        # Somebody else started it between our look and our call: it is theirs.
        _note(session, found.key, None)
        raise Unavailable(f"{found}: {error}", retry_after_s=_LOOK_S, works=True) from error
    except (ApiRefused, Forbidden) as error:
        _note(session, found.key, None)
        why = f"{found} is {found.state} and cannot be started: {error}"
        return Problem(why, "CLUSTER_NOT_ACTIVE")
    _note(session, found.key, entry | {"sure": True})
    raise Unavailable(
        f"{found} was {found.state} and is being started", retry_after_s=_LOOK_S, works=True
    )


def close(session: Session) -> tuple[str, ...]:
    """Stop what we started and say how long it ran; the same again finds nothing to stop."""
    said = []
    for key, entry in _read(session).items():
        found = Cluster(key, entry["name"], "")
        said.append(_stop(session, found, session.context.now() - entry["at"]))
        _note(session, key, None)
    return tuple(said)


def _stop(session: Session, found: Cluster, ran_s: float) -> str:
    try:
        there = _cluster(session.api.get(f"/clusters/{found.key}"))
    except NotFound:
        return f"{found}, which we started, is gone"
    if there.state in (*_IDLE, *_LOST, "STOPPING"):
        return f"{there}, which we started, is {there.state} already"
    try:
        path = f"/clusters/{found.key}/actions/stop"
        session.api.send("POST", path, {}, what=f"stop-cluster-{found.name}")
    except (ApiRefused, Forbidden) as error:
        return f"{there}, which we started, still runs and cannot be stopped by us: {error}"
    return f"stopped {there}, which we had started; it ran {duration(ran_s)}"


def _read(session: Session) -> dict[str, dict[str, Any]]:
    return session.kept(*_STARTED) or {}


def _note(session: Session, key: str, entry: dict[str, Any] | None) -> None:
    """Remember what we started; None = it is no longer ours."""
    others = {k: v for k, v in _read(session).items() if k != key}
    session.keep(*_STARTED, others if entry is None else others | {key: entry})
