"""Who may do what in the simulated workspace, and what a refusal says.

Rules kept here: the owner of the workspace may do everything; anybody else only what an access list
says; who creates an object owns it; permission is checked before existence.
Source: https://docs.databricks.com/aws/en/security/auth/access-control/
"""

import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

from agent.simulators.databricks import files, permissions
from agent.simulators.databricks.wire import ApiError, Request
from agent.simulators.loopback import Reply

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator


class Need(NamedTuple):
    """What a call asks for."""

    method: str
    path: str
    """A pattern over the path behind `/api/2.x`."""
    family: str
    field: str
    """What names the object in path, query or body."""
    level: str
    words: str
    """The levels that would do, as the refusal lists them."""


_VIEW_JOB = "View or Admin or Manage Run or Owner"
_RUN_JOB = "Manage Run or Admin or Owner"
_OWN_JOB = "Admin or Owner"
NEEDS = (
    Need("GET", "/jobs/get", "jobs", "job_id", "CAN_VIEW", _VIEW_JOB),
    Need("POST", "/jobs/(reset|update)", "jobs", "job_id", "CAN_MANAGE", _OWN_JOB),
    Need("POST", "/jobs/delete", "jobs", "job_id", "CAN_MANAGE", _OWN_JOB),
    Need("POST", "/jobs/(run-now|runs/cancel-all)", "jobs", "job_id", "CAN_MANAGE_RUN", _RUN_JOB),
    Need("GET", "/jobs/runs/(get|get-output|export)", "jobs", "run_id", "CAN_VIEW", _VIEW_JOB),
    Need("POST", "/jobs/runs/(cancel|repair)", "jobs", "run_id", "CAN_MANAGE_RUN", _RUN_JOB),
    Need("POST", "/jobs/runs/delete", "jobs", "run_id", "CAN_MANAGE", _OWN_JOB),
    Need("GET", "/pipelines/{id}(/.*)?", "pipelines", "id", "CAN_VIEW", "View"),
    Need("POST", "/pipelines/{id}/(updates|stop)", "pipelines", "id", "CAN_RUN", "Run"),
    Need("(PUT|DELETE)", "/pipelines/{id}", "pipelines", "id", "CAN_MANAGE", "Manage"),
    Need("GET", "/clusters/get", "clusters", "cluster_id", "CAN_ATTACH_TO", "Attach"),
    Need("POST", "/clusters/events", "clusters", "cluster_id", "CAN_ATTACH_TO", "Attach"),
    Need(
        "POST",
        "/clusters/(start|restart|delete)",
        "clusters",
        "cluster_id",
        "CAN_RESTART",
        "Restart",
    ),
    Need(
        "POST",
        "/clusters/(edit|resize|update|permanent-delete)",
        "clusters",
        "cluster_id",
        "CAN_MANAGE",
        "Manage",
    ),
    Need("POST", "/sql/statements", "warehouses", "warehouse_id", "CAN_USE", "Use"),
    Need("GET", "/sql/warehouses/{id}", "warehouses", "id", "CAN_VIEW", "View"),
    Need("POST", "/sql/warehouses/{id}/start", "warehouses", "id", "CAN_USE", "Use"),
    Need("POST", "/sql/warehouses/{id}/(stop|edit)", "warehouses", "id", "CAN_MANAGE", "Manage"),
    Need("(PUT|PATCH|POST)", "/permissions/{family}/{id}", "", "id", "CAN_MANAGE", "Manage"),
    Need("GET", "/workspace/(export|get-status|list)", "", "path", "CAN_READ", "Read"),
    Need("GET", "/workspace-files/{path}", "", "path", "CAN_READ", "Read"),
    Need("POST", "/workspace/(import|mkdirs|delete)", "", "path", "CAN_EDIT", "Edit"),
    Need("POST", "/workspace-files/import-file/{path}", "", "path", "CAN_EDIT", "Edit"),
)

CREATED = {
    "/jobs/create": ("jobs", "job_id"),
    "/jobs/runs/submit": ("jobs", "run_id"),
    "/pipelines": ("pipelines", "pipeline_id"),
    "/clusters/create": ("clusters", "cluster_id"),
    "/sql/warehouses": ("warehouses", "id"),
}
"""What a successful POST brings into the world: its family, and where the answer names it."""


def check(sim: "Simulator", request: Request) -> None:
    """Raise `ApiError` (403) where the user may not do this."""
    if request.user == sim.user:
        return
    path = re.sub(r"^/api/\d+\.\d+", "", request.path)
    for need in NEEDS:
        pattern = re.sub(
            r"\{(\w+)\}", r"(?P<\1>.+)" if "path" in need.path else r"(?P<\1>[^/]+)", need.path
        )
        fits = re.fullmatch(pattern, path)
        if fits and re.fullmatch(need.method, request.method):
            _judge(sim, request, need, fits.groupdict())


def _judge(sim: "Simulator", request: Request, need: Need, found: dict[str, str]) -> None:
    if need.field == "path":
        where = files.normal("/" + str(request.value("path") or "").lstrip("/"))
        if not _reaches_path(sim, request.user, where, need.level):
            _refuse(f"User {request.user} does not have {need.words} permissions on {where}")
        return
    family = need.family or found["family"]
    number = str(request.value(need.field))
    if need.field == "run_id":
        number = _job_of(sim, number)
    held = [
        e["permission_level"]
        for e in permissions.entries(sim, family, number)
        if e.get("user_name") == request.user
    ]
    if not any(
        permissions.rank(family, level) >= permissions.rank(family, need.level) for level in held
    ):
        shown = permissions.FAMILIES[family].shown.removesuffix("s")
        who = f"User {request.user} does not have {need.words} permissions"
        _refuse(f"{who} on {shown} {number}")


def _refuse(message: str) -> None:
    raise ApiError(403, "PERMISSION_DENIED", message)


def _job_of(sim: "Simulator", run_id: str) -> str:
    """Return the id of the job of a run or task run; the run's own id where it is not known."""
    part = sim.store.get("task_run", run_id) or {"run_id": run_id}
    run = sim.store.get("run", part["run_id"]) or {}
    return str(run.get("job_id") or run_id)


def _reaches_path(sim: "Simulator", user: str, path: str, level: str) -> bool:
    if path == "/Shared" or path.startswith(("/Shared/", f"/Users/{user}/")):
        return True
    if path == f"/Users/{user}":
        return True
    while True:
        about = sim.store.get(files.OBJECT, path)
        for family in ("directories", "notebooks", "files") if about is not None else ():
            entries = (
                permissions.entries(sim, family, str(about["object_id"]))
                if about is not None
                else []
            )
            for entry in entries:
                mine = entry.get("user_name") == user
                if mine and permissions.rank(family, entry["permission_level"]) >= permissions.rank(
                    family, level
                ):
                    return True
        if path == "/":
            return False
        path = posixpath.dirname(path)


def note_creation(sim: "Simulator", request: Request, reply: Reply) -> None:
    """Make the user the owner of what a call brought into the world, and keep its access list."""
    path = re.sub(r"^/api/\d+\.\d+", "", request.path)
    found = CREATED.get(path) if request.method == "POST" else None
    if found is None or reply.status >= 300 or not isinstance(reply.body, dict):
        return
    family, field = found
    number = str(reply.body.get(field))
    if field == "run_id":
        number = _job_of(sim, number)
    if sim.store.get(permissions.KIND, f"{family}/{number}") is not None:
        return  # a repeated request with the same idempotency token
    top = permissions.FAMILIES[family].levels[-1]
    given = request.listed("access_control_list")
    owned = any(isinstance(e, dict) and e.get("permission_level") == top for e in given)
    mine = [] if owned else [{"user_name": request.user, "permission_level": top}]
    permissions.save(sim, family, number, permissions.merged(family, mine, given))
