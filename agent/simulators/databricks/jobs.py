"""Jobs of the simulated workspace: create, reset, update, delete, get, list.

Sources: https://docs.databricks.com/api/workspace/jobs
"""

import base64
import binascii
from typing import TYPE_CHECKING, Any

from agent.simulators.databricks import jobsettings, rundocs, scheduling
from agent.simulators.databricks.jobsettings import Settings
from agent.simulators.databricks.wire import Request, invalid
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

KIND = "job"
_LIST = 100
_LIST_DEFAULT = 20


def find(sim: "Simulator", job_id: int) -> dict[str, Any]:
    """Return a job's document. Raises `ApiError` as the service says it (400 or 404)."""
    job = sim.store.get(KIND, job_id)
    if job is None:
        raise rundocs.unknown(sim, f"Job {job_id} does not exist.")
    return job


def page(given: str | None) -> int:
    """Return where a page begins. Raises `ApiError` for a token that is none of ours."""
    if given is None:
        return 0
    try:
        word = base64.urlsafe_b64decode(given.encode()).decode()
        return int(word.removeprefix("at:"))
    except (binascii.Error, ValueError) as error:
        raise invalid(f"Invalid page token: {given}") from error


def token(start: int) -> str:
    """Return the token of the page that begins there."""
    return base64.urlsafe_b64encode(f"at:{start}".encode()).decode()


def create(sim: "Simulator", request: Request) -> dict[str, Any]:
    """POST jobs/create."""
    job_id = store(sim, _settings(request.body, request), request.user)
    return {"job_id": job_id}


def store(sim: "Simulator", settings: Settings, user: str) -> int:
    """Keep a new job and return its id. `settings` are checked already."""
    job_id = sim.store.number()
    who = (settings.get("run_as") or {}).get("user_name") or user
    now = sim.clock.now_ms()
    job = {
        "job_id": job_id,
        "creator_user_name": user,
        "run_as_user_name": who,
        "created_time": now,
        "settings": {k: v for k, v in settings.items() if k != "access_control_list"},
        "access_control_list": settings.get("access_control_list") or [],
    }
    sim.store.put(KIND, job_id, job)
    scheduling.changed(sim, job, now)
    return job_id


def _settings(given: dict[str, Any], request: Request) -> Settings:
    """Return checked settings with their defaults; the form before `tasks` gets its task."""
    settings = {k: v for k, v in given.items() if k != "job_id"}
    single = jobsettings.one_task(settings, "main")
    if single is not None:
        old = set(single) - {"task_key"}
        settings = {k: v for k, v in settings.items() if k not in old}
        settings |= {"tasks": [single], "format": "SINGLE_TASK"}
    jobsettings.check(settings)
    return jobsettings.filled(settings, queued="/api/2.2/" in request.path)


def reset(sim: "Simulator", request: Request) -> dict[str, Any]:
    """POST jobs/reset: the settings as a whole; who it runs as is kept where it is left out."""
    job = find(sim, request.number("job_id"))
    given = request.mapping("new_settings")
    if not given:
        raise invalid("Missing required field: new_settings")
    settings = _settings(given, request)
    if "run_as" in job["settings"]:
        settings.setdefault("run_as", job["settings"]["run_as"])
    return _changed(sim, job, settings)


def update(sim: "Simulator", request: Request) -> dict[str, Any]:
    """POST jobs/update: some settings, arrays merged by key; then fields to remove."""
    job = find(sim, request.number("job_id"))
    settings = jobsettings.merged(job["settings"], request.mapping("new_settings"))
    settings = jobsettings.without(settings, [str(f) for f in request.listed("fields_to_remove")])
    jobsettings.check(settings)
    queued = bool((job["settings"].get("queue") or {}).get("enabled"))
    return _changed(sim, job, jobsettings.filled(settings, queued=queued))


def _changed(sim: "Simulator", job: dict[str, Any], settings: Settings) -> dict[str, Any]:
    job |= {"settings": settings}
    if who := (settings.get("run_as") or {}).get("user_name"):
        job["run_as_user_name"] = who
    sim.store.put(KIND, job["job_id"], job)
    scheduling.changed(sim, job, sim.clock.now_ms())
    return {}


def delete(sim: "Simulator", request: Request) -> dict[str, Any]:
    """POST jobs/delete: its runs stay and go on."""
    job = find(sim, request.number("job_id"))
    sim.store.delete(KIND, job["job_id"])
    sim.store.delete(scheduling.CONTINUOUS, job["job_id"])
    return {}


def shown(job: dict[str, Any]) -> dict[str, Any]:
    """Return a job as the service gives it out."""
    return {k: v for k, v in job.items() if k not in ("access_control_list", "continuous")}


def get(sim: "Simulator", request: Request) -> dict[str, Any]:
    """GET jobs/get: arrays of more than 100 items come in pages."""
    job = shown(find(sim, request.number("job_id")))
    names = tuple(jobsettings.ARRAYS)
    if "/api/2.2/" not in request.path:
        return job
    start = page(request.page())
    settings, more = jobsettings.cut(job["settings"], start, names)
    job["settings"] = settings
    if more:
        job |= {"next_page_token": token(start + jobsettings.PAGE)}
    if more or start:
        job |= {"has_more": more}
    return job


def list_(sim: "Simulator", request: Request) -> dict[str, Any]:
    """GET jobs/list: newest first; without tasks unless they are asked for."""
    limit = request.number("limit", _LIST_DEFAULT)
    if not 0 <= limit <= _LIST:
        raise invalid(f"Invalid limit {limit} - it has to be between 1 and {_LIST}.")
    limit = limit or _LIST
    name = request.text("name", None)
    found = [job for _, job in reversed(sim.store.items(KIND)) if _called(job, name)]
    start = page(request.page()) or request.number("offset", 0)
    expand = request.flag("expand_tasks")
    jobs = [_item(job, expand=expand) for job in found[start : start + limit]]
    more = len(found) > start + limit
    answer: dict[str, Any] = {"has_more": more}
    if jobs:
        answer["jobs"] = jobs
    if more:
        answer["next_page_token"] = token(start + limit)
    if start:
        answer["prev_page_token"] = token(max(0, start - limit))
    return answer


def _called(job: dict[str, Any], name: str | None) -> bool:
    return name is None or str(job["settings"].get("name", "")).lower() == name.lower()


def _item(job: dict[str, Any], *, expand: bool) -> dict[str, Any]:
    item = shown(job)
    settings, more = jobsettings.cut(item["settings"], 0, tuple(jobsettings.ARRAYS))
    hidden = () if expand else ("tasks", "job_clusters", "environments", "parameters")
    item["settings"] = {k: v for k, v in settings.items() if k not in hidden}
    return item | {"has_more": True} if expand and more else item


ROUTES = (
    Route("POST", "/api/2.{version}/jobs/create", create),
    Route("POST", "/api/2.{version}/jobs/reset", reset),
    Route("POST", "/api/2.{version}/jobs/update", update),
    Route("POST", "/api/2.{version}/jobs/delete", delete),
    Route("GET", "/api/2.{version}/jobs/get", get),
    Route("GET", "/api/2.{version}/jobs/list", list_),
)
