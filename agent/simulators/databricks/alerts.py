"""Alerts (V2) of the simulated workspace.

Rules kept here: a change names its fields in a mask; names that only the first version knew are
refused; a query is explained on the workspace's tables before it is kept; a `.dbalert.json` stands
beside the alert in the workspace; an alert in the trash is listed no more.
Source: https://docs.databricks.com/api/workspace/alertsv2
"""

import json
from typing import TYPE_CHECKING, Any

from agent.simulators.databricks import files, lakehouse, querying, warehouses
from agent.simulators.databricks.dialect import Session
from agent.simulators.databricks.pipeline_events import moment
from agent.simulators.databricks.wire import ApiError, Request, invalid, missing
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

KIND = "alert"
FIELDS = (
    "custom_description",
    "custom_summary",
    "custom_template_format",
    "display_name",
    "evaluation",
    "parameters",
    "parent_path",
    "query_text",
    "run_as",
    "run_as_user_name",
    "schedule",
    "warehouse_id",
)
_OUTPUT = (
    "id",
    "create_time",
    "update_time",
    "lifecycle_state",
    "owner_user_name",
    "effective_run_as",
)
_NEEDED = ("display_name", "query_text", "warehouse_id", "evaluation", "schedule")
_WITHIN = {
    "evaluation": (
        "source",
        "comparison_operator",
        "threshold",
        "empty_result_state",
        "notification",
        "state",
        "last_evaluated_at",
    ),
    "schedule": ("quartz_cron_schedule", "timezone_id", "pause_status"),
}
_OPERATORS = (
    "EQUAL",
    "GREATER_THAN",
    "GREATER_THAN_OR_EQUAL",
    "IS_NOT_NULL",
    "IS_NULL",
    "LESS_THAN",
    "LESS_THAN_OR_EQUAL",
    "NOT_EQUAL",
)


def _fields(given: dict[str, Any]) -> dict[str, Any]:
    """Return what a body says of an alert. Raises `ApiError` (400) for names V2 does not know."""
    for name in given:
        if name not in (*FIELDS, *_OUTPUT):
            raise _unknown(name, "AlertV2")
    for part, known in _WITHIN.items():
        for name in given.get(part) or {}:
            if name not in known:
                raise _unknown(name, f"AlertV2.{part}")
    return {name: given[name] for name in FIELDS if given.get(name) is not None}


def _unknown(name: str, where: str) -> ApiError:
    message = f"Could not parse request object: unknown field '{name}' in {where}."
    return ApiError(400, "MALFORMED_REQUEST", message)


def _check(sim: "Simulator", alert: dict[str, Any], own: str | None) -> None:
    for name in _NEEDED:
        if not alert.get(name):
            raise invalid(f"Missing required field: {name}")
    evaluation = alert["evaluation"]
    operator = evaluation.get("comparison_operator")
    if operator not in _OPERATORS:
        raise invalid(
            f"Invalid comparison_operator '{operator}'; expected one of {', '.join(_OPERATORS)}."
        )
    if not (evaluation.get("source") or {}).get("name"):
        raise invalid("Missing required field: evaluation.source.name")
    for name in ("quartz_cron_schedule", "timezone_id"):
        if not alert["schedule"].get(name):
            raise invalid(f"Missing required field: schedule.{name}")
    warehouses.refuse_unknown(sim, alert["warehouse_id"])
    _refuse_twins(sim, alert, own)
    session = Session(user=sim.user)
    if (trouble := querying.explain(sim, alert["query_text"], session)) is not None:
        raise invalid(trouble.message)


def _refuse_twins(sim: "Simulator", alert: dict[str, Any], own: str | None) -> None:
    for key, found in sim.store.items(KIND):
        same = found["display_name"] == alert["display_name"]
        if key != own and same and found["lifecycle_state"] == "ACTIVE":
            message = f"Alert with name '{alert['display_name']}' already exists"
            status = sim.options.duplicate_alert_status
            code = "ALREADY_EXISTS" if status == 409 else "INVALID_PARAMETER_VALUE"
            raise ApiError(status, code, message)


def _need(sim: "Simulator", key: str) -> dict[str, Any]:
    found = sim.store.get(KIND, key)
    if found is None:
        raise missing(f"Alert with id {key} does not exist.")
    return found


def _beside(alert: dict[str, Any]) -> str:
    return f"{alert['parent_path'].rstrip('/')}/{alert['display_name']}.dbalert.json"


def _save(sim: "Simulator", key: str, alert: dict[str, Any]) -> dict[str, Any]:
    """Keep an alert and write its file in the workspace."""
    sim.store.put(KIND, key, alert)
    content = json.dumps({name: alert[name] for name in FIELDS if name in alert}, indent=2)
    files.make_folder(sim, alert["parent_path"])
    files.write(sim, _beside(alert), content.encode(), "FILE", overwrite=True)
    return alert


def _create(sim: "Simulator", request: Request) -> dict[str, Any]:
    alert = _fields(request.body)
    _check(sim, alert, None)
    key = lakehouse.identity(sim, "alert", str(sim.store.number()))
    now = moment(sim.clock.now_ms())
    parent = str(alert.get("parent_path") or f"/Users/{request.user}").removeprefix("/Workspace")
    evaluation = {"empty_result_state": "UNKNOWN", **alert["evaluation"], "state": "UNKNOWN"}
    run_as = alert.get("run_as") or {"user_name": request.user}
    alert |= {
        "id": key,
        "parent_path": parent,
        "evaluation": evaluation,
        "schedule": {"pause_status": "UNPAUSED", **alert["schedule"]},
        "create_time": now,
        "update_time": now,
        "lifecycle_state": "ACTIVE",
        "owner_user_name": request.user,
        "effective_run_as": run_as,
        "run_as_user_name": next(iter(run_as.values())),
    }
    return _save(sim, key, alert)


def _get(sim: "Simulator", request: Request) -> dict[str, Any]:
    return _need(sim, request.args["id"])


def _list(sim: "Simulator", request: Request) -> dict[str, Any]:
    found = [one for _, one in sim.store.items(KIND) if one["lifecycle_state"] == "ACTIVE"]
    size = request.number("page_size", default=25) or 25
    begin = int(request.page() or 0)
    more = {"next_page_token": str(begin + size)} if begin + size < len(found) else {}
    return {"alerts": found[begin : begin + size], **more}


def _edit(sim: "Simulator", request: Request) -> dict[str, Any]:
    key = request.args["id"]
    alert = _need(sim, key)
    if alert["lifecycle_state"] != "ACTIVE":
        raise invalid(f"Alert {key} is in the trash.")
    given = _fields(request.body)
    changed = _masked(alert, given, request.text("update_mask", "").split(","))
    _check(sim, changed, key)
    files_before = _beside(alert)
    changed["update_time"] = moment(sim.clock.now_ms())
    if _beside(changed) != files_before and files.find(sim, files_before) is not None:
        files.remove(sim, files_before, recursive=False)
    return _save(sim, key, changed)


def _masked(alert: dict[str, Any], given: dict[str, Any], mask: list[str]) -> dict[str, Any]:
    """Return the alert with what the mask names taken from the body."""
    if mask in ([""], []):
        raise invalid("Update mask is required")
    if mask == ["*"]:
        kept = {name: value for name, value in alert.items() if name in (*_OUTPUT, "parent_path")}
        return {**kept, "run_as_user_name": alert["run_as_user_name"], **given}
    changed = dict(alert)
    for path in mask:
        first, _, rest = path.partition(".")
        if first not in FIELDS or (rest and rest.split(".")[0] not in _WITHIN.get(first, (rest,))):
            raise invalid(f"Invalid update mask: unknown field '{path}'.")
        if not rest:
            changed.pop(first, None)
            changed |= {first: given[first]} if first in given else {}
            continue
        inner = rest.split(".")[0]
        part = {k: v for k, v in (changed.get(first) or {}).items() if k != inner}
        new = given.get(first) or {}
        changed[first] = part | ({inner: new[inner]} if inner in new else {})
    return changed


def _trash(sim: "Simulator", request: Request) -> dict[str, Any]:
    key = request.args["id"]
    alert = _need(sim, key)
    if files.find(sim, _beside(alert)) is not None:
        files.remove(sim, _beside(alert), recursive=False)
    if request.flag("purge"):
        sim.store.delete(KIND, key)
    else:
        sim.store.put(KIND, key, alert | {"lifecycle_state": "DELETED"})
    return {}


_PATH = "/api/2.{version}/alerts"
ROUTES = (
    Route("POST", _PATH, _create),
    Route("GET", _PATH, _list),
    Route("GET", _PATH + "/{id}", _get),
    Route("PATCH", _PATH + "/{id}", _edit),
    Route("DELETE", _PATH + "/{id}", _trash),
)
