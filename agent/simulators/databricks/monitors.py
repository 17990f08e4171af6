"""Quality monitors as the unity-catalog paths show them (deprecated by the vendor, still served).

Source: https://docs.databricks.com/api/workspace/qualitymonitors
"""

from typing import TYPE_CHECKING, Any

from agent.simulators.databricks import dataquality, monitoring
from agent.simulators.databricks.monitoring import Declared, declare, tick
from agent.simulators.databricks.wire import Request, invalid
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

__all__ = ["ROUTES", "Declared", "declare", "tick"]

_FIELDS = (
    "assets_dir",
    "baseline_table_name",
    "custom_metrics",
    "data_classification_config",
    "inference_log",
    "notifications",
    "output_schema_name",
    "schedule",
    "slicing_exprs",
    "snapshot",
    "time_series",
)


def shown(found: dict[str, Any]) -> dict[str, Any]:
    """Return a monitor as this API has it."""
    profile, drift = monitoring.outputs(found)
    about = {
        "table_name": found["table"],
        "status": f"MONITOR_STATUS_{found['status']}",
        "monitor_version": found["version"],
        "profile_metrics_table_name": str(profile),
        "drift_metrics_table_name": str(drift),
        "dashboard_id": found["dashboard_id"],
    }
    if found["message"]:
        about["latest_monitor_failure_msg"] = found["message"]
    return {**found["config"], **about}


def _refresh(found: dict[str, Any]) -> dict[str, Any]:
    kept = ("refresh_id", "state", "start_time_ms", "end_time_ms", "message")
    return {k: found[k] for k in kept if found[k] not in (None, "")} | {"trigger": "MANUAL"}


def _config(request: Request) -> dict[str, Any]:
    return {name: request.body[name] for name in _FIELDS if request.body.get(name) is not None}


def _create(sim: "Simulator", request: Request) -> dict[str, Any]:
    code = "RESOURCE_ALREADY_EXISTS"
    return shown(monitoring.create(sim, request.args["table_name"], _config(request), code))


def _get(sim: "Simulator", request: Request) -> dict[str, Any]:
    monitoring.need_table(sim, request.args["table_name"])
    return shown(monitoring.need(sim, request.args["table_name"]))


def _edit(sim: "Simulator", request: Request) -> dict[str, Any]:
    table = request.args["table_name"]
    if not request.body.get("output_schema_name"):
        raise invalid("Missing required field: output_schema_name")
    kept = {"assets_dir": monitoring.need(sim, table)["config"]["assets_dir"]}
    return shown(monitoring.replace(sim, table, {**kept, **_config(request)}))


def _delete(sim: "Simulator", request: Request) -> dict[str, Any]:
    monitoring.delete(sim, request.args["table_name"])
    return {}


def _run(sim: "Simulator", request: Request) -> dict[str, Any]:
    return _refresh(monitoring.refresh(sim, request.args["table_name"]))


def _list(sim: "Simulator", request: Request) -> dict[str, Any]:
    found = monitoring.refreshes(sim, request.args["table_name"])
    return {"refreshes": [_refresh(one) for one in found]}


def _get_refresh(sim: "Simulator", request: Request) -> dict[str, Any]:
    number = request.number("refresh_id")
    return _refresh(monitoring.need_refresh(sim, request.args["table_name"], number))


def _cancel(sim: "Simulator", request: Request) -> dict[str, Any]:
    monitoring.cancel(sim, request.args["table_name"], request.number("refresh_id"))
    return {}


def _dashboard(sim: "Simulator", request: Request) -> dict[str, Any]:
    found = monitoring.need(sim, request.args["table_name"])
    folder = found["config"]["assets_dir"]
    return {"dashboard_id": found["dashboard_id"], "parent_folder": folder}


_PATH = "/api/2.{version}/unity-catalog/tables/{table_name}/monitor"
ROUTES = (
    Route("POST", _PATH, _create),
    Route("GET", _PATH, _get),
    Route("PUT", _PATH, _edit),
    Route("DELETE", _PATH, _delete),
    Route("POST", _PATH + "/refreshes", _run),
    Route("GET", _PATH + "/refreshes", _list),
    Route("GET", _PATH + "/refreshes/{refresh_id}", _get_refresh),
    Route("POST", _PATH + "/refreshes/{refresh_id}/cancel", _cancel),
    Route(
        "POST",
        "/api/2.{version}/quality-monitoring/tables/{table_name}/monitor/dashboard",
        _dashboard,
    ),
    *dataquality.ROUTES,
)
