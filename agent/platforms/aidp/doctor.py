"""Look whether a playbook can work with its workspace, read-only: who we are, and what is there.

Each finding is a level (`ok`, `note`, `problem`) and one sentence that says what follows from it.
Which version and prefix an instance answers to is only known by asking: where the configured pair
does not answer, the other one is tried, and used for what is looked at next.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import shutil
from collections.abc import Iterator
from typing import Literal

from agent.errors import RunmendError, Unauthorized, UsageError
from agent.platforms.aidp import clusters
from agent.platforms.aidp.api import Api, ApiRefused, NotFound
from agent.platforms.aidp.base import NEWER, OLDER
from agent.platforms.aidp.official import Official
from agent.platforms.aidp.session import Session

Finding = tuple[Literal["ok", "note", "problem"], str]
_COUNTED = 10_000
_SHORT_S = 600.0


def findings(session: Session) -> list[Finding]:
    """Return what was found, the most basic first; what cannot be reached ends the list."""
    found: list[Finding] = [_identity(session)]
    try:
        api = _answering(session, found)
        if api is not None:
            there = session._replace(api=api)
            for look in (_workspace, _cluster, _jobs, _own_job):
                found.extend(look(there))
    except (Unauthorized, UsageError, ApiRefused) as error:
        found.append(("problem", str(error)))
    except RunmendError as error:
        found.append(("problem", f"the instance cannot be reached: {error}"))
    found.append(_command(session))
    return found


def _identity(session: Session) -> Finding:
    auth = session.api.auth
    said = f"AIDP {session.api.base.host}: we sign with {auth.identity.who}"
    if auth.identity.profile is not None:
        said += f" of {auth.identity.file}"
    left = auth.lifetime_s()
    if left is None:
        return "ok", said
    if left <= 0:
        return (
            "note",
            f"{said}, which expired {_minutes(-left)} ago; it is renewed by `oci session refresh` "
            "where that still goes",
        )
    level: Literal["ok", "note"] = "ok" if left > _SHORT_S else "note"
    return level, f"{said}, which is good for {_minutes(left)}"


def _answering(session: Session, found: list[Finding]) -> Api | None:
    """Return the API by the version and prefix that answers, None where neither does."""
    pair = session.api.base.api
    here = session.api.by(pair)  # by REST: the official command may be what is missing
    if _answers(here):
        found.append(("ok", f"the instance answers to {pair}"))
        return here
    other = OLDER if pair == NEWER else NEWER
    there = here.by(other)
    if _answers(there):
        found.append(
            (
                "problem",
                f"the instance does not answer to {pair}, but to {other}: set `api: {other}` under "
                "`aidp:` in the playbook",
            )
        )
        return there
    found.append(
        (
            "problem",
            f"the instance answers neither to {NEWER} nor to {OLDER}: either the instance "
            f"{here.base.instance} or the region of {here.base.host} is wrong (aidp.instance, "
            "aidp.region, aidp.endpoint), or we may not see it: ask for READ on the instance",
        )
    )
    return None


def _answers(api: Api) -> bool:
    try:
        next(api.pages("/workspaces", instance=True, cap=1), None)
    except NotFound:
        if not api.base.has_key:
            return False
        try:  # who may not list workspaces may still see this one
            api.get(f"/workspaces/{api.base.workspace}", instance=True)
        except NotFound:
            return False
    return True


def _workspace(session: Session) -> Iterator[Finding]:
    key = session.workspace()
    name = session.api.get(f"/workspaces/{key}", instance=True).get("displayName")
    yield "ok", f'workspace "{name}" ({key}) is there' if name else f"workspace {key} is there"


def _cluster(session: Session) -> Iterator[Finding]:
    name = session.aidp.cluster
    if name is None:
        yield (
            "note",
            "no cluster is named (aidp.cluster): every task must name its own, and checks on "
            "tables stay unknown",
        )
        return
    found = clusters.named(clusters.every(session), name, "aidp.cluster")
    if isinstance(found, clusters.Problem):
        yield "problem", found.why
    elif found.state == "ACTIVE":
        yield "ok", f"{found} is ACTIVE"
    elif session.aidp.start_cluster:
        yield "note", f"{found} is {found.state}: it is started when needed, and stopped again"
    else:
        yield (
            "problem",
            f"{found} is {found.state}, and a run needs it ACTIVE: start it, or set "
            "`start_cluster: true` under `aidp:` in the playbook",
        )


def _jobs(session: Session) -> Iterator[Finding]:
    before = session.api.calls
    count = sum(1 for _ in session.api.pages("/jobs", cap=_COUNTED))
    more = " or more" if count == _COUNTED else ""
    calls = session.api.calls - before
    said = f"{count:,}{more} {'job' if count == 1 else 'jobs'} of the workspace can be seen"
    yield "ok", f"{said} ({calls} {'call' if calls == 1 else 'calls'})"


def _own_job(session: Session) -> Iterator[Finding]:
    job = session.book.job
    if session.context.any_job or (job.id is None and job.name is None):
        return
    if job.id is not None:
        try:
            said = session.api.get(f"/jobs/{job.id}")
        except NotFound as error:
            yield "problem", f"job.id {job.id}: {error.message}"
            return
        yield "ok", f"job {said.get('name')} ({job.id}) is there"
        return
    listed = session.api.pages("/jobs", displayName=job.name)
    fits = [found for found in listed if found.get("name") == job.name]
    if len(fits) == 1:
        yield "ok", f"job {job.name} ({fits[0].get('key')}) is there"
    elif fits:
        yield "problem", f"{len(fits)} jobs have the name {job.name}; give the job's key as job.id"
    elif job.file is not None:
        yield "note", f"no job has the name {job.name} yet: it is created"
    else:
        yield "problem", f"no job has the name {job.name}, or we may not see it"


def _command(session: Session) -> Finding:
    """Say whether the official command is there; only `engine: cli` needs it."""
    words = session.aidp.command
    needed = session.aidp.engine == "cli"
    if not needed and shutil.which(words[0]) is None:
        return "note", f"there is no command {words[0]!r}; only `engine: cli` needs it"
    try:
        version = Official(session.aidp, session.api.auth).version()
    except UsageError as error:
        return "problem" if needed else "note", str(error)
    return "ok", f"the command {words[0]} is there, version {version}"


def _minutes(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} {'minute' if minutes == 1 else 'minutes'}"
