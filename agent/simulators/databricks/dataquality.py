"""Quality monitors as the data-quality API shows them: by the ids of tables and schemas.

Source: https://docs.databricks.com/api/workspace/dataquality
"""

import re
from typing import TYPE_CHECKING, Any

from agent.simulators.databricks import lakehouse, monitoring
from agent.simulators.databricks.wire import ApiError, Request, invalid, missing
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

SCHEMA_KIND = "schema_monitor"
_COLUMNS = {
    "timestamp_col": "timestamp_column",
    "prediction_col": "prediction_column",
    "model_id_col": "model_id_column",
    "label_col": "label_column",
}
"""Names of the older API and what this one calls the same."""
_SAME = ("assets_dir", "baseline_table_name", "slicing_exprs", "snapshot", "warehouse_id")
_METRIC = "DATA_PROFILING_"
_PAUSE = "CRON_SCHEDULE_PAUSE_STATUS_"
_GRANULARITY = "AGGREGATION_GRANULARITY_"
_PROBLEM = "INFERENCE_PROBLEM_TYPE_"
_MASKED = ("data_profiling_config", "anomaly_detection_config")


def _table(sim: "Simulator", request: Request) -> str:
    """Return the full name of the table that the path or the body names by id."""
    kind, wanted = request.text("object_type"), request.text("object_id")
    if kind != "table":
        raise invalid(f"object_type '{kind}' is not supported here; expected 'table'.")
    for one in lakehouse.tables(sim):
        if lakehouse.identity(sim, "table", str(one.name)) == wanted:
            return str(one.name)
    raise missing(f"Table with id '{wanted}' does not exist.")


def _schema_of(sim: "Simulator", wanted: str) -> str:
    for catalog in lakehouse.catalogs(sim):
        for schema in lakehouse.schemas(sim, catalog):
            if lakehouse.identity(sim, "schema", f"{catalog}.{schema}") == wanted:
                return f"{catalog}.{schema}"
    raise missing(f"Schema with id '{wanted}' does not exist.")


def _to_config(sim: "Simulator", given: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration of this API in the words of the older one."""
    config = {name: given[name] for name in _SAME if given.get(name) is not None}
    if not given.get("output_schema_id"):
        raise invalid("Missing required field: data_profiling_config.output_schema_id")
    config["output_schema_name"] = _schema_of(sim, str(given["output_schema_id"]))
    if metrics := given.get("custom_metrics"):
        config["custom_metrics"] = [
            one | {"type": str(one.get("type", "")).removeprefix(_METRIC)} for one in metrics
        ]
    for kind in ("time_series", "inference_log"):
        if given.get(kind) is not None:
            config[kind] = _older(given[kind])
    if schedule := given.get("schedule"):
        status = str(schedule.get("pause_status", "")).removeprefix(_PAUSE)
        config["schedule"] = schedule | ({"pause_status": status} if status else {})
    if given.get("notification_settings") is not None:
        config["notifications"] = given["notification_settings"]
    return config


def _older(given: dict[str, Any]) -> dict[str, Any]:
    names = {new: old for old, new in _COLUMNS.items()}
    found = {names.get(key, key): value for key, value in given.items()}
    found["granularities"] = [
        str(one).removeprefix(_GRANULARITY).replace("_", " ").lower()
        for one in given.get("granularities") or []
    ]
    if "problem_type" in found:
        problem = str(found["problem_type"]).removeprefix(_PROBLEM)
        found["problem_type"] = f"PROBLEM_TYPE_{problem}"
    return found


def _newer(given: dict[str, Any]) -> dict[str, Any]:
    found = {_COLUMNS.get(key, key): value for key, value in given.items()}
    found["granularities"] = [
        _GRANULARITY + str(one).upper().replace(" ", "_")
        for one in given.get("granularities") or []
    ]
    if "problem_type" in found:
        problem = re.sub(r"^PROBLEM_TYPE_", "", str(found["problem_type"]))
        found["problem_type"] = _PROBLEM + problem
    return found


def shown(sim: "Simulator", found: dict[str, Any]) -> dict[str, Any]:
    """Return a table's monitor as this API has it."""
    config = found["config"]
    profile, drift = monitoring.outputs(found)
    about: dict[str, Any] = {name: config[name] for name in _SAME if name in config}
    about |= {
        "output_schema_id": lakehouse.identity(sim, "schema", config["output_schema_name"]),
        "monitored_table_name": found["table"],
        "status": f"DATA_PROFILING_STATUS_{found['status']}",
        "monitor_version": found["version"],
        "profile_metrics_table_name": str(profile),
        "drift_metrics_table_name": str(drift),
        "dashboard_id": found["dashboard_id"],
    }
    if found["message"]:
        about["latest_monitor_failure_message"] = found["message"]
    if "custom_metrics" in config:
        about["custom_metrics"] = [
            one | {"type": _METRIC + str(one["type"])} for one in config["custom_metrics"]
        ]
    about |= {k: _newer(config[k]) for k in ("time_series", "inference_log") if k in config}
    if schedule := config.get("schedule"):
        status = schedule.get("pause_status")
        about["schedule"] = schedule | ({"pause_status": _PAUSE + status} if status else {})
    if "notifications" in config:
        about["notification_settings"] = config["notifications"]
    table = lakehouse.identity(sim, "table", found["table"])
    return {"object_type": "table", "object_id": table, "data_profiling_config": about}


def _create(sim: "Simulator", request: Request) -> dict[str, Any]:
    if request.text("object_type") == "schema":
        return _create_schema(sim, request)
    config = _to_config(sim, request.mapping("data_profiling_config"))
    return shown(sim, monitoring.create(sim, _table(sim, request), config))


def _create_schema(sim: "Simulator", request: Request) -> dict[str, Any]:
    wanted = request.text("object_id")
    name = _schema_of(sim, wanted)
    if sim.store.get(SCHEMA_KIND, wanted) is not None:
        raise ApiError(409, "ALREADY_EXISTS", f"Monitor for schema '{name}' already exists.")
    found = {
        "object_type": "schema",
        "object_id": wanted,
        "anomaly_detection_config": request.mapping("anomaly_detection_config"),
    }
    sim.store.put(SCHEMA_KIND, wanted, found)
    return found


def _need_schema(sim: "Simulator", request: Request) -> dict[str, Any] | None:
    if request.text("object_type") != "schema":
        return None
    found = sim.store.get(SCHEMA_KIND, request.text("object_id"))
    if found is None:
        raise missing(f"Monitor for schema with id '{request.text('object_id')}' does not exist.")
    return found


def _get(sim: "Simulator", request: Request) -> dict[str, Any]:
    found = _need_schema(sim, request)
    return found or shown(sim, monitoring.need(sim, _table(sim, request)))


def _edit(sim: "Simulator", request: Request) -> dict[str, Any]:
    """Change what the mask names; a whole configuration replaces the former one."""
    mask = [one for one in request.text("update_mask", "").split(",") if one]
    if not mask:
        raise invalid("Update mask is required")
    for one in mask:
        if one != "*" and one.split(".")[0] not in _MASKED:
            raise invalid(f"Invalid update mask '{one}'.")
    found = _need_schema(sim, request)
    if found is not None:
        found |= {"anomaly_detection_config": request.mapping("anomaly_detection_config")}
        sim.store.put(SCHEMA_KIND, found["object_id"], found)
        return found
    table = _table(sim, request)
    given = request.mapping("data_profiling_config")
    parts = [one.partition(".")[2] for one in mask]
    if all(parts):
        before = shown(sim, monitoring.need(sim, table))["data_profiling_config"]
        for part in parts:
            before.pop(part, None)
            before |= {part: given[part]} if part in given else {}
        given = before
    return shown(sim, monitoring.replace(sim, table, _to_config(sim, given)))


def _delete(sim: "Simulator", request: Request) -> dict[str, Any]:
    if _need_schema(sim, request) is not None:
        sim.store.delete(SCHEMA_KIND, request.text("object_id"))
        return {}
    monitoring.delete(sim, _table(sim, request))
    return {}


def _list(sim: "Simulator", request: Request) -> dict[str, Any]:
    found = [shown(sim, one) for _, one in sim.store.items(monitoring.KIND)]
    found += [one for _, one in sim.store.items(SCHEMA_KIND)]
    return _page(request, "monitors", found)


def _page(request: Request, name: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    size = request.number("page_size", default=20) or 20
    begin = int(request.page() or 0)
    more = {"next_page_token": str(begin + size)} if begin + size < len(found) else {}
    return {name: found[begin : begin + size], **more}


def _refresh(sim: "Simulator", found: dict[str, Any]) -> dict[str, Any]:
    kept = ("refresh_id", "start_time_ms", "end_time_ms", "message")
    return {
        "object_type": "table",
        "object_id": lakehouse.identity(sim, "table", found["table"]),
        "state": f"MONITOR_REFRESH_STATE_{found['state']}",
        "trigger": "MONITOR_REFRESH_TRIGGER_MANUAL",
        **{key: found[key] for key in kept if found[key] not in (None, "")},
    }


def _run(sim: "Simulator", request: Request) -> dict[str, Any]:
    return _refresh(sim, monitoring.refresh(sim, _table(sim, request)))


def _list_refreshes(sim: "Simulator", request: Request) -> dict[str, Any]:
    found = monitoring.refreshes(sim, _table(sim, request))
    return _page(request, "refreshes", [_refresh(sim, one) for one in found])


def _get_refresh(sim: "Simulator", request: Request) -> dict[str, Any]:
    number = request.number("refresh_id")
    return _refresh(sim, monitoring.need_refresh(sim, _table(sim, request), number))


def _cancel(sim: "Simulator", request: Request) -> dict[str, Any]:
    number = request.number("refresh_id")
    return {"refresh": _refresh(sim, monitoring.cancel(sim, _table(sim, request), number))}


_PATH = "/api/data-quality/v1/monitors"
_ONE = _PATH + "/{object_type}/{object_id}"
ROUTES = (
    Route("POST", _PATH, _create),
    Route("GET", _PATH, _list),
    Route("GET", _ONE, _get),
    Route("PATCH", _ONE, _edit),
    Route("DELETE", _ONE, _delete),
    Route("POST", _ONE + "/refreshes", _run),
    Route("GET", _ONE + "/refreshes", _list_refreshes),
    Route("GET", _ONE + "/refreshes/{refresh_id}", _get_refresh),
    Route("POST", _ONE + "/refreshes/{refresh_id}/cancel", _cancel),
)
