"""Jobs of the simulated workspace: create, get, list, update, delete.

Rules kept here: an update replaces the whole job, so that what it leaves out is gone; a job without
`path` or `maxConcurrentRuns` is answered with 500, and no job can be created for a while after
that; `runAs` counts only in an update; the list has summaries; names are unique.
Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/op-jobs-post.html
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import jobchecks, listing, permissions, schedules, wire
from agent.simulators.aidp.wire import Request
from agent.simulators.loopback import Reply
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

KIND = "job"
"""Documents by key: the Job as it goes over the wire with its times in ms, and `version`."""
_NAMES = "job_name"
"""Documents `{"key": ...}` by name: makes a duplicate cheap to find among thousands."""
_TIMES = ("timeCreated", "timeUpdated")
_SUMMARY = (
    "key",
    "name",
    "path",
    "schedule",
    "runAs",
    "createdBy",
    "createdByName",
    "updatedBy",
    "updatedByName",
    "timeCreated",
    "timeUpdated",
    "jobClusters",
)
_BROKEN = "Internal Server Error. Unknown error"

Job = dict[str, Any]


def find(sim: "Simulator", key: str) -> Job:
    """Return a job's document. Raises `ApiError` 404 where there is none."""
    job = sim.store.get(KIND, key)
    if job is None:
        raise wire.missing(f"Job {key} is not found or you are not authorized to access it.")
    return job


def named(sim: "Simulator", name: str) -> Job | None:
    """Return the document of the job of that name, None where there is none."""
    found = sim.store.get(_NAMES, name)
    return None if found is None else sim.store.get(KIND, found["key"])


def tag(job: Mapping[str, Any]) -> str:
    """Return a job's etag."""
    return wire.etag(job["key"], job["version"])


def shown(sim: "Simulator", job: Mapping[str, Any]) -> Job:
    """Return a job as it goes over the wire."""
    found = {k: v for k, v in job.items() if k != "version"}
    return found | {name: wire.moment(sim, job[name]) for name in _TIMES}


def _summary(sim: "Simulator", job: Job) -> Job:
    clusters = [c.get("clusterKey") for c in job.get("jobClusters") or ()]
    found = {name: job.get(name) for name in _SUMMARY}
    found |= {name: wire.moment(sim, job[name]) for name in _TIMES}
    return found | {"clusters": [key for key in clusters if key]}


def create(sim: "Simulator", request: Request) -> Reply:
    """POST jobs."""
    given = request.body
    jobchecks.check(sim, given, new=True)
    if (broken := _broken(sim, given)) is not None:
        return broken
    _refuse_twin(sim, given["name"], None)
    job = store(sim, {k: v for k, v in given.items() if k != "runAs"}, request.user)
    headers = wire.created(sim, request, f"/jobs/{job['key']}", tag(job))
    if not sim.options.etags:
        del headers["etag"]
    return Reply(201, shown(sim, job), headers)


def _broken(sim: "Simulator", given: Mapping[str, Any]) -> Reply | None:
    """Return 500 for a job without what is needed in practice, and for a while after one.

    It is a reply, not a refusal: what is noted here would be undone by an exception.
    """
    now = sim.clock.now_ms()
    bare = given.get("path") is None or given.get("maxConcurrentRuns") is None
    if bare:
        until = now + round(sim.options.create_cooldown_s * 1000)
        sim.store.put("simulator", "create_cooldown", {"until": until})
    down = sim.store.get("simulator", "create_cooldown")
    if not bare and (down is None or down["until"] <= now):
        return None
    return Reply(500, {"code": "InternalError", "message": _BROKEN})


def _refuse_twin(sim: "Simulator", name: str, own: str | None) -> None:
    found = sim.store.get(_NAMES, name)
    if found is not None and found["key"] != own:
        code = sim.options.duplicate_job_code
        raise wire.conflict(f"JOB_VALIDATE_0031 : Job with name {name} already exists.", code)


def store(sim: "Simulator", given: Mapping[str, Any], user: str) -> Job:
    """Keep a new job and return its document; `given` is checked already, its name is free."""
    now = sim.clock.now_ms()
    who = {"createdBy": user, "createdByName": permissions.called(sim, user)}
    job = {
        "key": sim.new_key(),
        **jobchecks.kept(sim, given),
        **who,
        "updatedBy": user,
        "updatedByName": who["createdByName"],
        "timeCreated": now,
        "timeUpdated": now,
        "version": 1,
    }
    _keep(sim, job)
    permissions.own(sim, KIND, job["key"], user)
    return job


def _keep(sim: "Simulator", job: Job) -> None:
    sim.store.put(KIND, job["key"], job)
    sim.store.put(_NAMES, job["name"], {"key": job["key"]})
    schedules.changed(sim, job)


def load(sim: "Simulator", count: int, prefix: str = "bulk") -> list[str]:
    """Make that many jobs at once without a request each, and return their keys.

    Each has one notebook task on the workspace's cluster.
    """
    cluster = {"clusterKey": sim.cluster_key, "clusterName": sim.cluster_name}
    task = {
        "type": "NOTEBOOK_TASK",
        "taskKey": "main",
        "runIf": "ALL_SUCCESS",
        "notebookPath": f"/Workspace/Shared/{prefix}.ipynb",
        "cluster": cluster,
    }
    rest = {"path": "/Workspace/Shared", "maxConcurrentRuns": 1, "jobClusters": [cluster]}
    with sim.lock, sim.store.changes():
        return [
            store(sim, {"name": f"{prefix}_{n}", **rest, "tasks": [task]}, sim.user_id)["key"]
            for n in range(count)
        ]


def _get(sim: "Simulator", request: Request) -> Reply:
    job = find(sim, request.args["key"])
    return Reply(200, shown(sim, job), _etags(sim, job))


def update(sim: "Simulator", request: Request) -> Reply:
    """PUT jobs/{key}: the whole job; what is left out is gone."""
    job = find(sim, request.args["key"])
    match(sim, request, job)
    given = request.body
    jobchecks.check(sim, given, new=False)
    _refuse_twin(sim, given["name"], job["key"])
    if sim.options.runs_as_admin_only and given.get("runAs") != job.get("runAs"):
        permissions.expect(sim, KIND, job["key"], request.user, "ADMIN")
    sim.store.delete(_NAMES, job["name"])
    changed = {
        **{k: job[k] for k in jobchecks.READ_ONLY},
        **jobchecks.kept(sim, given),
        "updatedBy": request.user,
        "updatedByName": permissions.called(sim, request.user),
        "timeUpdated": sim.clock.now_ms(),
        "version": job["version"] + 1,
    }
    _keep(sim, changed)
    return Reply(sim.options.update_status, shown(sim, changed), _etags(sim, changed))


def _delete(sim: "Simulator", request: Request) -> Reply:
    job = find(sim, request.args["key"])
    match(sim, request, job)
    sim.store.delete(KIND, job["key"])
    sim.store.delete(_NAMES, job["name"])
    permissions.forget(sim, KIND, job["key"])
    schedules.forget(sim, job["key"])
    return Reply(204, b"")


def match(sim: "Simulator", request: Request, job: Mapping[str, Any]) -> None:
    """Raise `ApiError` 412 where if-match names another version; builds without etags never do."""
    if sim.options.etags:
        wire.match(request, tag(job))


def _etags(sim: "Simulator", job: Job) -> dict[str, str]:
    return {"etag": tag(job)} if sim.options.etags else {}


def _list(sim: "Simulator", request: Request) -> Reply:
    found = [job for _, job in sim.store.items(KIND)]
    fields = {"displayName": "name", "jobKey": "key", "path": "path"}
    fields |= {name: name for name in ("createdBy", "updatedBy")}
    found = listing.filtered(found, request, fields)
    by = {"timeCreated": "timeCreated", "displayName": "name", "status": "status"}
    found = listing.ordered(found, request, by)
    page = wire.paged(found, request, sim, totals=True)
    return page._replace(body={"items": [_summary(sim, job) for job in page.body["items"]]})


def _permissions(sim: "Simulator", request: Request) -> Reply:
    job = find(sim, request.args["key"])
    return wire.paged(permissions.listed(sim, KIND, job["key"]), request, sim)


def _manage(sim: "Simulator", request: Request) -> Reply:
    job = find(sim, request.args["key"])
    match(sim, request, job)
    permissions.manage(sim, KIND, job["key"], request, "JobPermissionDetails")
    return Reply(200, {})


ROUTES = (
    Route("POST", "/jobs", create),
    Route("GET", "/jobs", _list),
    Route("GET", "/jobs/{key}", _get),
    Route("PUT", "/jobs/{key}", update),
    Route("DELETE", "/jobs/{key}", _delete),
    Route("GET", "/jobs/{key}/permissions", _permissions),
    Route("POST", "/jobs/{key}/actions/managePermission", _manage),
)
