"""Which job of the workspace is ours: by the id we deployed last, or by our line in it.

Jobs have no tags, so a line of the description marks them; a name alone makes no job ours. Lists
are summaries without descriptions: the job of that name is looked at by itself. A job that was made
by a request of ours whose answer was lost has no line yet: it is known by its name, by who made it
and when, and by having nothing in it.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/op-jobs-get.html
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from agent.errors import UsageError
from agent.platforms.aidp import states
from agent.platforms.aidp.api import NotFound
from agent.platforms.aidp.jobrules import DESCRIPTION
from agent.platforms.aidp.session import Session
from agent.records import Deployment

_MARK = "managed by runmend: "
_SKEW_S = 300.0
_CREATING = "creating"
_CONTENT = ("tasks", "description", "schedule", "parameters", "jobClusters", "continuous")


class Job(NamedTuple):
    """A job as it is now."""

    key: str
    definition: dict[str, Any]
    """As the service shows it."""
    etag: str | None
    bare: bool = False
    """True where it was made by a request of ours, and nothing is in it yet."""


class Taken(NamedTuple):
    """The name is that of a job which is not ours."""

    why: str


def room() -> int:
    """Return how many characters of a description are the user's own, whatever the playbook."""
    return DESCRIPTION - len(_MARK) - 101  # the longest name of a playbook, and a line end


def marked(session: Session, definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition with our line at the end of its description."""
    own = str(definition.get("description") or "").rstrip("\n")
    line = f"{_MARK}{session.book.name}"
    said = own if line in own.splitlines() else f"{own}\n{line}".lstrip("\n")
    return {**definition, "description": said}


def is_marked(session: Session, definition: Mapping[str, Any]) -> bool:
    """Return whether a job has our line, for this playbook."""
    lines = str(definition.get("description") or "").splitlines()
    return f"{_MARK}{session.book.name}" in (line.strip() for line in lines)


def read(session: Session, key: str) -> Job:
    """Return a job by its key. Raises `NotFound`."""
    answer = session.api.read(f"/jobs/{key}")
    return Job(str(answer.body.get("key") or key), answer.body, answer.etag)


def given(session: Session, key: str) -> Job:
    """Return the job that the playbook gives. Raises `UsageError` where there is none."""
    try:
        return read(session, key)
    except NotFound as error:
        raise UsageError(
            f"there is no job {key} in the workspace, or we may not see it (job.id in the playbook)"
        ) from error


def by_name(session: Session, name: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the summaries of the jobs of exactly this name, and of those the service finds."""
    every = list(session.api.pages("/jobs", displayName=name))
    # A job without a place to be asked for by is none that we could go on with.
    every = [job for job in every if job.get("key")]
    return [job for job in every if job.get("name") == name], every


def find(session: Session, name: str, previous: Deployment | None) -> Job | Taken | None:
    """Return the job to deploy onto; None where there is none yet, `Taken` where it is not ours."""
    if (key := session.book.job.id) is not None:
        return given(session, str(key))
    if previous is not None:
        try:
            return read(session, previous.job)
        except NotFound:
            pass
    for summary in by_name(session, name)[0]:
        job = read(session, str(summary["key"]))
        if is_marked(session, job.definition):
            return job
        if _is_bare(session, job.definition):
            return job._replace(bare=True)
        return Taken(_taken(job))
    return None


def _taken(job: Job) -> str:
    by = job.definition.get("createdByName") or job.definition.get("createdBy") or "somebody"
    return (
        f'a job "{job.definition.get("name")}" is there already (key {job.key}, by {by}) and was '
        f"not made by this playbook; give job.id: {job.key} to deploy onto it, or another name"
    )


def _is_bare(session: Session, job: Mapping[str, Any]) -> bool:
    asked = creating(session, str(job.get("name")))
    if asked is None or any(job.get(name) for name in _CONTENT):
        return False
    made = states.moment(job.get("timeCreated"))
    me, by = _me(session), job.get("createdBy")
    by_us = me is None or by is None or by == me
    return by_us and (made is None or made >= float(asked["at"]) - _SKEW_S)


def _me(session: Session) -> str | None:
    """Return the OCID of the user that an API key belongs to; None where nobody can tell."""
    identity = session.api.auth.identity
    return identity.said.get("user") if identity.kind == "api_key" else None


def creating(session: Session, name: str) -> dict[str, Any] | None:
    """Return what is kept of a request of ours to make this job, None where there was none."""
    found = session.kept(_CREATING, name)
    return found if isinstance(found, dict) else None


def will_create(session: Session, name: str, token: str) -> None:
    """Remember, before it is sent, that we ask for this job to be made."""
    before = creating(session, name) or {}
    at = before.get("at") or session.context.now()
    session.keep(_CREATING, name, {"at": at, "token": token})
