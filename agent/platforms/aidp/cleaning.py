"""Delete what a case made only to rehearse or validate: its job and the files it brought.

Rules kept here: a job that was there before the case stays, with all files; so does a job or file
that somebody else changed since, a file that was there before, and a job one of whose runs is
active. What stays is said.
"""

from agent.errors import Unavailable
from agent.platforms.aidp import definitions, ours, remote_job, runs, states
from agent.platforms.aidp.api import ApiRefused, Forbidden, NotFound
from agent.platforms.aidp.files import Files, digest
from agent.platforms.aidp.ours import Job
from agent.platforms.aidp.session import Session
from agent.remote import comparing

_CLEAN = ("made", "cleaned")


def is_clean(session: Session) -> bool:
    """Return whether the case's job was deleted by us: nothing of it goes on."""
    return bool(session.kept(*_CLEAN))


def clean(session: Session, files: Files) -> tuple[str, ...]:
    """Delete it and say what was deleted; the same again finds nothing to do."""
    made = remote_job.made_job(session)
    if made is None:
        return ()
    try:
        return _clean(session, files, made["key"], made["name"], made.get("digest"))
    except (ApiRefused, Forbidden, Unavailable) as error:
        return (f"job {made['name']} ({made['key']}) could not be deleted: {error}",)


def _clean(
    session: Session, files: Files, key: str, name: str, digest: str | None
) -> tuple[str, ...]:
    label = f"job {name} ({key})"
    said = f"{label} was deleted by somebody else already"
    try:
        job = ours.read(session, key)
        if (why := _stays(session, job, digest)) is not None:
            return (f"{label}, made by this case, stays: {why}",)
        session.api.send("DELETE", f"/jobs/{key}", what=f"delete-job-{name}", etag=job.etag)
        said = f"deleted {label}, which this case had made"
    except NotFound:
        pass
    session.keep(*_CLEAN, True)
    brought = remote_job.new_files(session)
    deleted, left = _delete(files, brought)
    remote_job.forget(session)
    if deleted:
        said += f", and {len(deleted)} {'file' if len(deleted) == 1 else 'files'} it had brought"
    more = tuple(f"{path} stays: somebody changed it since" for path in left)
    return (said, *more)


def _stays(session: Session, job: Job, digest: str | None) -> str | None:
    """Return why a job is not deleted, None where it is; `digest`: how we left it."""
    if digest is not None and digest != comparing.digest(definitions.normal(job.definition)):
        return "somebody changed it since"
    for run in runs.listed(session.api, job.key):
        if states.status(run) in states.ACTIVE:
            return f"run {run.get('key')} of it is active"
    return None


def _delete(files: Files, brought: dict[str, str]) -> tuple[list[str], list[str]]:
    deleted: list[str] = []
    left: list[str] = []
    for path, mark in brought.items():
        try:
            same = digest(path, files.read(path)) == mark
        except NotFound:
            continue
        if same:
            deleted += files.remove([path])
        else:
            left.append(path)
    return deleted, left
