"""Access lists of the simulated workspace: their levels, reading and writing them over REST.

Rules kept here: an object without a list belongs to the owner of the workspace; a job and a
pipeline have one owner.
Source: https://docs.databricks.com/api/workspace/permissions
"""

from typing import TYPE_CHECKING, Any, NamedTuple

from agent.simulators.databricks import files
from agent.simulators.databricks.wire import Request, invalid
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

KIND = "acl"
"""Documents `{"entries": [{"user_name": ..., "permission_level": ...}]}` by `type/id`."""


Entry = dict[str, Any]
"""One of `user_name`, `group_name`, `service_principal_name`, and `permission_level`."""


class Family(NamedTuple):
    """One type of object: its name in answers and its levels, the weakest first."""

    shown: str
    levels: tuple[str, ...]


_NODES = ("CAN_READ", "CAN_RUN", "CAN_EDIT", "CAN_MANAGE")
FAMILIES = {
    "jobs": Family("job", ("CAN_VIEW", "CAN_MANAGE_RUN", "CAN_MANAGE", "IS_OWNER")),
    "pipelines": Family("pipelines", ("CAN_VIEW", "CAN_RUN", "CAN_MANAGE", "IS_OWNER")),
    "clusters": Family("cluster", ("CAN_ATTACH_TO", "CAN_RESTART", "CAN_MANAGE")),
    "warehouses": Family(
        "warehouses", ("CAN_VIEW", "CAN_USE", "CAN_MONITOR", "CAN_MANAGE", "IS_OWNER")
    ),
    "directories": Family("directory", _NODES),
    "notebooks": Family("notebook", _NODES),
    "files": Family("file", _NODES),
    "experiments": Family("mlflowExperiment", ("CAN_READ", "CAN_EDIT", "CAN_MANAGE")),
    "registered-models": Family("registered-model", ("CAN_READ", "CAN_EDIT", "CAN_MANAGE")),
    "serving-endpoints": Family("inference-endpoint", ("CAN_VIEW", "CAN_QUERY", "CAN_MANAGE")),
    "alertsv2": Family("alertsv2", _NODES),
    "dashboards": Family("dashboard", _NODES),
    "genie": Family("genie", ("CAN_READ", "CAN_RUN", "CAN_EDIT", "CAN_MANAGE")),
    "queries": Family("query", ("CAN_VIEW", "CAN_RUN", "CAN_EDIT", "CAN_MANAGE")),
}


def grant(sim: "Simulator", user: str, what: str, level: str) -> None:
    """Let a user do what a level allows. `what`: `jobs/123` or a workspace path such as `/Shared`.

    Raises `ApiError` (400) for a type or level that is not known.
    """
    family, _, number = what.partition("/")
    if what.startswith("/"):
        about = files.expect(sim, what)
        family, number = "directories", str(about["object_id"])
    entry = {"user_name": user, "permission_level": level}
    with sim.lock:
        save(sim, family, number, merged(family, entries(sim, family, number), [entry]))


def entries(sim: "Simulator", family: str, number: str) -> list[Entry]:
    """Return an object's access list; empty where there is none."""
    found = sim.store.get(KIND, f"{family}/{number}")
    return list(found["entries"]) if found is not None else []


def rank(family: str, level: str) -> int:
    """Return how strong a level is. Raises `ApiError` (400) for a type or level not known."""
    if family not in FAMILIES:
        raise invalid(f"'{family}' is not a supported object type; there is {', '.join(FAMILIES)}.")
    levels = FAMILIES[family].levels
    if level not in levels:
        known = ", ".join(levels)
        raise invalid(f"'{level}' is not a valid permission level for {family}; there is {known}.")
    return levels.index(level)


def _read(sim: "Simulator", request: Request) -> dict[str, Any]:
    family, number = request.args["family"], request.args["id"]
    top = FAMILIES[family].levels[-1] if family in FAMILIES else ""
    rank(family, top)
    held = entries(sim, family, number)
    if not any(e["permission_level"] == top for e in held):
        held.insert(0, {"user_name": sim.user, "permission_level": top})
    shown = [_shown(e, inherited=False) for e in held]
    admins = {"group_name": "admins", "permission_level": "CAN_MANAGE"}
    return {
        "object_id": f"/{'sql/' if family == 'warehouses' else ''}{family}/{number}",
        "object_type": FAMILIES[family].shown,
        "access_control_list": [*shown, _shown(admins, inherited=True)],
    }


def _shown(entry: dict[str, Any], *, inherited: bool) -> dict[str, Any]:
    who = {k: v for k, v in entry.items() if k != "permission_level"}
    given = {"permission_level": entry["permission_level"], "inherited": inherited}
    return {**who, "all_permissions": [given]}


def _replace(sim: "Simulator", request: Request) -> dict[str, Any]:
    return _written(sim, request, [])


def _update(sim: "Simulator", request: Request) -> dict[str, Any]:
    return _written(sim, request, entries(sim, request.args["family"], request.args["id"]))


def _written(sim: "Simulator", request: Request, kept: list[Entry]) -> dict[str, Any]:
    family, number = request.args["family"], request.args["id"]
    save(sim, family, number, merged(family, kept, request.listed("access_control_list")))
    return _read(sim, request)


def _levels(sim: "Simulator", request: Request) -> dict[str, Any]:
    del sim
    family = request.args["family"]
    rank(family, FAMILIES[family].levels[0] if family in FAMILIES else "")
    levels = [{"permission_level": level} for level in FAMILIES[family].levels]
    return {"permission_levels": levels}


def merged(family: str, kept: list[Entry], given: list[Any]) -> list[Entry]:
    """Return an access list with these entries put in. Raises `ApiError` (400) for a wrong one."""
    for entry in given:
        names = ("user_name", "group_name", "service_principal_name")
        who = {k: entry[k] for k in names if isinstance(entry, dict) and entry.get(k)}
        if len(who) != 1:
            raise invalid("Each entry needs one of user_name, group_name, service_principal_name.")
        level = str(entry.get("permission_level"))
        rank(family, level)
        kept = [e for e in kept if {k: e[k] for k in names if k in e} != who]
        kept.append({**who, "permission_level": level})
    owners = sum(e["permission_level"] == "IS_OWNER" for e in kept)
    if family in ("jobs", "pipelines") and owners > 1:
        raise invalid(f"The {FAMILIES[family].shown} must have exactly one owner.")
    return kept


def save(sim: "Simulator", family: str, number: str, held: list[Entry]) -> None:
    """Keep an object's access list."""
    sim.store.put(KIND, f"{family}/{number}", {"entries": held})


_PATHS = (
    "/api/2.{version}/permissions/{family}/{id}",
    "/api/2.{version}/permissions/sql/{family}/{id}",
)
ROUTES = tuple(
    Route(method, path + more, handler)
    for path in _PATHS
    for method, more, handler in (
        ("GET", "", _read),
        ("PUT", "", _replace),
        ("PATCH", "", _update),
        ("POST", "", _replace),
        ("GET", "/permissionLevels", _levels),
    )
)
