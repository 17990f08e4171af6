"""A job's schedule waits for the proof: deployed paused, switched on once the job was verified.

What the file says counts, and unsaid is on. What we paused is kept in the state folder, so that a
later process, or a later case, finds it; what somebody else paused is theirs and stays so.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aidug/configure-jobs.html
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from agent.errors import Unavailable
from agent.platforms.aidp import definitions, ours
from agent.platforms.aidp.api import ApiRefused, Forbidden, NotFound
from agent.platforms.aidp.ours import Job
from agent.platforms.aidp.session import Session
from agent.remote.kept import Kept

_WAITS = ("schedule", "waits")
_KIND = "paused"
_PLACES = ("schedule", "continuous")
"""What starts runs by itself; both can be paused."""
_PRINCIPALS = {
    "instance_principal": "an instance principal",
    "resource_principal": "a resource principal",
}


def goes_on(job: Mapping[str, Any]) -> tuple[str, ...]:
    """Return which parts of a definition start runs by themselves and are not said to be paused."""
    found = ((name, job.get(name)) for name in _PLACES)
    return tuple(n for n, v in found if isinstance(v, dict) and v.get("pauseStatus") != "PAUSED")


def paused(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definition with everything paused that starts runs by itself."""
    made = copy.deepcopy(dict(job))
    for name in goes_on(job):
        made[name]["pauseStatus"] = "PAUSED"
    return made


def not_allowed(session: Session) -> str | None:
    """Say why a scheduled job without `runAs` would fail; None where nothing speaks against it.

    The service makes the login of a scheduled run from who made the job, which a principal's is
    not good for.
    """
    who = _PRINCIPALS.get(session.api.auth.identity.kind)
    if who is None:
        return None
    return (
        f"runAs of the job is missing: a scheduled job made by {who} fails when it is scheduled "
        "(WORKFLOW_EXECUTION_0055); give the key of a SERVICE_ACCOUNT credential"
    )


def wait(
    session: Session,
    job: Job,
    body: Mapping[str, Any],
    places: tuple[str, ...],
    *,
    tree: str,
    before: str | None,
) -> None:
    """Remember what is to be switched on once the job is proved; before `body` is put on it.

    `places`: what the job's file wants to be on; `tree`: what is deployed now; `before`: what was
    deployed before, None for nothing. What somebody else has paused stays theirs.
    """
    known = _known(session).read(_KIND, job.key) or {}
    was_on, stays_on = goes_on(job.definition), goes_on(body)
    off = [place for place in places if place not in stays_on]
    mine = [p for p in off if p in was_on or p in known.get("places", ()) or not _has(job, p)]
    session.keep(*_WAITS, {"job": job.key} if off else None)
    record = {
        "job": job.key,
        "name": body.get("name"),
        "places": mine,
        "theirs": [place for place in off if place not in mine],
        "tree": tree,
        "before": known.get("before") or {"places": list(was_on), "tree": before},
    }
    _known(session).write(_KIND, job.key, record if off else None)


def due(session: Session, job: Job) -> tuple[str, ...]:
    """Return what we paused in an earlier case and a proof would switch on now."""
    known = _known(session).read(_KIND, job.key) or {}
    return tuple(known.get("places", ()))


def settle(session: Session, proved: bool) -> tuple[str, ...]:
    """Switch on what waited for the proof, or say that it stays paused; once.

    Where the job was not proved, and what was deployed before is there again, what was on then is
    switched on again.
    """
    waits = session.kept(*_WAITS)
    known = _known(session).read(_KIND, waits["job"]) if isinstance(waits, dict) else None
    if not isinstance(known, dict):
        return ()
    before = known["before"]
    back = not proved and before["tree"] is not None and before["tree"] == known["tree"]
    places = known["places"] if proved else before["places"] if back else []
    why = "the job was proved" if proved else "what was deployed before is there again"
    said = [
        f"{_named(known['theirs'], known)} stays paused: somebody else paused it"
        for _ in known["theirs"][:1]
    ]
    if not places:
        session.keep(*_WAITS, None)
        if known["places"]:
            said.append(f"{_named(known['places'], known)} stays paused: the job was not proved")
        return tuple(said)
    name = _named(places, known)
    try:
        said.append(_switch(session, known["job"], known["name"], places, f"{name}: {why}"))
    except (ApiRefused, Forbidden, Unavailable) as error:
        return (*said, f"{name} is still paused and could not be switched on: {error}")
    session.keep(*_WAITS, None)
    _known(session).write(_KIND, known["job"], None)
    return tuple(said)


def _known(session: Session) -> Kept:
    """Return what outlives a case: a later one may prove the job."""
    context = session.context
    return Kept((context.state or context.folder) / "aidp")


def _has(job: Job, place: str) -> bool:
    return isinstance(job.definition.get(place), dict)


def _named(places: Sequence[str], known: Mapping[str, Any]) -> str:
    return f"the {' and '.join(places)} of job {known['name']}"


def _switch(session: Session, key: str, job_name: str, places: Sequence[str], what: str) -> str:
    try:
        job = ours.read(session, key)
    except NotFound:
        return f"not switched on, for the job is gone: {what}"
    body = definitions.stripped(job.definition)
    there = [place for place in places if isinstance(body.get(place), dict)]
    for place in there:
        body[place]["pauseStatus"] = "UNPAUSED"
    if not there:
        return f"not switched on, for somebody else took it away: {what}"
    put(session, job, body, job_name)
    return f"switched on {what}"


def put(session: Session, job: Job, body: Mapping[str, Any], name: str) -> None:
    """Replace a job's definition, provided that nobody changed it since `job` was read.

    Raises `Stale` where the service says that somebody did.
    """
    what = f"update-job-{name.removesuffix('.job')}"
    session.api.send("PUT", f"/jobs/{job.key}", body, what=what, etag=job.etag)
