"""A job's schedule waits for the proof: deployed paused, switched on once the job was verified.

What the file says counts, and unsaid is on. It is kept beside the journal what waits, so that a
later process of the case finds it.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aidug/configure-jobs.html
"""

import copy
from collections.abc import Mapping
from typing import Any

from agent.errors import Unavailable
from agent.platforms.aidp import definitions, ours
from agent.platforms.aidp.api import ApiRefused, Forbidden, NotFound
from agent.platforms.aidp.ours import Job
from agent.platforms.aidp.session import Session

_WAITS = ("schedule", "waits")
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


def wait(session: Session, key: str, name: str, places: tuple[str, ...]) -> None:
    """Remember what is to be switched on once the job is proved."""
    session.keep(*_WAITS, {"job": key, "name": name, "places": list(places)} if places else None)


def settle(session: Session, proved: bool) -> tuple[str, ...]:
    """Switch on what waited for the proof, or say that it stays paused; once."""
    waits = session.kept(*_WAITS)
    if not isinstance(waits, dict):
        return ()
    what = " and ".join(waits["places"])
    name = f"the {what} of job {waits['name']}"
    if not proved:
        session.keep(*_WAITS, None)
        return (f"{name} stays paused: the job was not proved",)
    try:
        said = _switch(session, waits, name)
    except (ApiRefused, Forbidden, Unavailable) as error:
        return (f"{name} is still paused and could not be switched on: {error}",)
    session.keep(*_WAITS, None)
    return (said,)


def _switch(session: Session, waits: Mapping[str, Any], name: str) -> str:
    try:
        job = ours.read(session, waits["job"])
    except NotFound:
        return f"{name} is not switched on: the job is gone"
    body = definitions.stripped(job.definition)
    there = [place for place in waits["places"] if isinstance(body.get(place), dict)]
    for place in there:
        body[place]["pauseStatus"] = "UNPAUSED"
    if not there:
        return f"{name} is not switched on: somebody else took it away"
    put(session, job, body, waits["name"])
    return f"switched on {name}, which had waited for the proof"


def put(session: Session, job: Job, body: Mapping[str, Any], name: str) -> None:
    """Replace a job's definition, provided that nobody changed it since `job` was read.

    Raises `Stale` where the service says that somebody did.
    """
    what = f"update-job-{name.removesuffix('.job')}"
    session.api.send("PUT", f"/jobs/{job.key}", body, what=what, etag=job.etag)
