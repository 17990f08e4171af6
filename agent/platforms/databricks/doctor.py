"""Look whether a playbook can work with its workspace, read-only: who we are, and what we may do.

Each finding is a level (`ok`, `note`, `problem`) and one sentence that says what follows from it.

Source: https://docs.databricks.com/api/workspace/jobs/getpermissions
"""

import shutil
from collections.abc import Iterator
from typing import Any, Literal

from agent.errors import RunmendError, Unauthorized, UsageError
from agent.platforms.databricks import compute
from agent.platforms.databricks.api import ApiRefused, Forbidden, NotFound
from agent.platforms.databricks.command import Command
from agent.platforms.databricks.session import Session

Finding = tuple[Literal["ok", "note", "problem"], str]
_LEVELS = {
    "IS_OWNER": "diagnose, run, repair, cancel and redeploy",
    "CAN_MANAGE": "diagnose, run, repair, cancel and redeploy",
    "CAN_MANAGE_RUN": "diagnose, rerun, repair and cancel, but not redeploy: fixes stay proposals",
    "CAN_VIEW": "diagnose only: we may neither run nor change it",
}
_ORDER = tuple(_LEVELS)
_COUNTED = 1_000


def findings(session: Session) -> list[Finding]:
    """Return what was found, the most basic first; what cannot be reached ends the list."""
    found: list[Finding] = []
    try:
        found.extend(_identity(session))
        found.extend(_jobs(session))
        found.extend(_own_job(session))
        found.extend(_warehouse(session))
    except (Unauthorized, UsageError, ApiRefused) as error:
        found.append(("problem", str(error)))
    except RunmendError as error:
        found.append(("problem", f"the workspace cannot be reached: {error}"))
    found.extend(_command(session))
    return found


def _identity(session: Session) -> Iterator[Finding]:
    auth = session.api.auth
    kind = str(auth.config.auth_type)
    profile = f", profile {auth.profile}" if auth.profile else ""
    yield "ok", f"Databricks {auth.host}: we are {session.me()} (login by {kind}{profile})"


def _jobs(session: Session) -> Iterator[Finding]:
    listed = session.api.pages("/api/2.2/jobs/list", "jobs", cap=_COUNTED, limit=100)
    count = sum(1 for _ in listed)
    more = " or more" if count == _COUNTED else ""
    yield "ok", f"{count}{more} {'job' if count == 1 else 'jobs'} of the workspace can be seen"


def _own_job(session: Session) -> Iterator[Finding]:
    job = session.book.job
    if session.context.any_job:
        return
    identity = str(job.id) if job.id is not None else None
    if identity is None and job.name is not None:
        query = {"name": job.name, "limit": 10}
        named = list(session.api.pages("/api/2.2/jobs/list", "jobs", cap=10, **query))
        if len(named) != 1:
            yield "problem", f"{len(named)} jobs have the name {job.name}; give the job's id"
            return
        identity = str(named[0]["job_id"])
    if identity is not None:
        yield from _permission(session, identity)


def _permission(session: Session, identity: str) -> Iterator[Finding]:
    try:
        said = session.api.get("/api/2.2/jobs/get", job_id=identity)
    except NotFound:
        yield "problem", f"job {identity} does not exist, or we may not see it"
        return
    except Forbidden as error:
        yield "problem", f"job {identity} is not ours to see: {error}"
        return
    name = (said.get("settings") or {}).get("name") or identity
    try:
        level = _level(session, identity)
    except (Forbidden, NotFound):
        yield "note", f"job {name}: we may see it; what else we may do it does not let us read"
        return
    if level is None:
        yield "note", f"job {name}: we may see it, and nothing else is granted to us by name"
        return
    mark: Literal["ok", "note"] = "ok" if level in ("IS_OWNER", "CAN_MANAGE") else "note"
    yield mark, f"job {name}: {level}, which is enough to {_LEVELS[level]}"


def _level(session: Session, identity: str) -> str | None:
    """Return the highest level that is granted to us or to a group of ours."""
    api = session.api
    listed = api.get(f"/api/2.0/permissions/jobs/{identity}").get("access_control_list") or ()
    me = session.me()
    groups = api.once("/api/2.0/preview/scim/v2/Me").get("groups") or ()
    names = {str(group.get("display")) for group in groups}
    levels = {
        str(permission.get("permission_level"))
        for entry in listed
        if _is_ours(entry, me, names)
        for permission in entry.get("all_permissions") or ()
    }
    return next((level for level in _ORDER if level in levels), None)


def _is_ours(entry: dict[str, Any], me: str, groups: set[str]) -> bool:
    ours = me in (entry.get("user_name"), entry.get("service_principal_name"))
    return ours or entry.get("group_name") in groups


def _warehouse(session: Session) -> Iterator[Finding]:
    name = session.book.databricks.warehouse
    if name is None:
        yield (
            "note",
            "no warehouse is named (databricks.warehouse): checks on tables stay unknown, and "
            "failures are diagnosed without looking at their tables",
        )
        return
    found = compute.warehouse(session, name)
    if isinstance(found, compute.Problem):
        yield "problem", found.why
    elif found.state == "RUNNING":
        yield "ok", f"{found} runs"
    else:
        yield "note", f"{found} is {found.state}: it is started when needed, and stopped again"


def _command(session: Session) -> Iterator[Finding]:
    """Say whether the user's command is there; bundles need it, nothing else does."""
    command = session.book.databricks.command
    needed = session.book.job.bundle is not None
    if not needed and shutil.which(command[0]) is None:
        yield "note", f"there is no command {command[0]!r}; only bundles need it"
        return
    try:
        yield "ok", f"the command {command[0]} is there, version {Command(session).version()}"
    except UsageError as error:
        yield "problem" if needed else "note", str(error)
