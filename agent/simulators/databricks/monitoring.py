"""Quality monitors of tables: their life, their refreshes, the metric tables they write.

Rules kept here: a monitor is PENDING before it is ACTIVE; its metric tables are made when it
becomes active and stay when it is deleted; a refresh computes row counts and the AGGREGATE metrics
of the whole table for real, so a metric that fails leaves Spark's own words.
Both APIs stand on this: `monitors` (unity-catalog paths) and `dataquality`.
"""

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.simulators.databricks import lakehouse, sqlerrors, statements
from agent.simulators.databricks.lakehouse import Name
from agent.simulators.databricks.querying import Result
from agent.simulators.databricks.wire import ApiError, invalid, missing

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

KIND = "monitor"
REFRESH = "monitor_refresh"
PENDING_S = 20.0
REFRESH_PENDING_S = 5.0
REFRESH_S = 30.0
_DECLARED = "monitor_outcome"
_TYPES = ("snapshot", "time_series", "inference_log")
_ENDED = ("SUCCESS", "FAILED", "CANCELED")
_METRICS = "(computed_at TIMESTAMP, column_name STRING, metric STRING, value DOUBLE)"
_DRIFT = "(computed_at TIMESTAMP, column_name STRING, drift_type STRING, value DOUBLE)"


class Declared(NamedTuple):
    """How a table's monitor goes."""

    status: str = "ACTIVE"
    """What it becomes after PENDING: ACTIVE, FAILED or ERROR."""
    message: str = ""
    """Why it failed."""
    pending_s: float = PENDING_S
    refused: str = ""
    """Creating it is refused with these words (400 INVALID_PARAMETER_VALUE)."""
    refresh_error: str = ""
    """Why its refreshes fail."""


def declare(sim: "Simulator", table: str, outcome: Declared | None) -> None:
    """Say how the monitor of a table (full name) goes from here on; None = by itself."""
    with sim.lock:
        if outcome is None:
            sim.store.delete(_DECLARED, table.lower())
        else:
            sim.store.put(_DECLARED, table.lower(), outcome._asdict())


def declared(sim: "Simulator", table: str) -> Declared:
    """Return what was declared for a table's monitor."""
    return Declared(**(sim.store.get(_DECLARED, table.lower()) or {}))


def need_table(sim: "Simulator", table: str) -> Name:
    """Return the table's name. Raises `ApiError` (404) where there is no such table."""
    name = lakehouse.full_name(table)
    if name is None or lakehouse.find(sim, name) is None:
        raise missing(f"Table '{table}' does not exist.")
    return name


def need(sim: "Simulator", table: str) -> dict[str, Any]:
    """Return a table's monitor. Raises `ApiError` (404) where there is none."""
    found = sim.store.get(KIND, table.lower())
    if found is None:
        raise missing(f"Monitor for table '{table}' does not exist.")
    return found


def create(
    sim: "Simulator", table: str, config: dict[str, Any], code: str = "ALREADY_EXISTS"
) -> dict[str, Any]:
    """Make a monitor; `config` in the words of the older API. Raises `ApiError`."""
    name = need_table(sim, table)
    outcome = declared(sim, table)
    if outcome.refused:
        raise invalid(outcome.refused)
    if sim.store.get(KIND, table.lower()) is not None:
        raise ApiError(409, code, f"Monitor for table '{table}' already exists.")
    check(sim, name, config)
    now = sim.clock.now_ms()
    document = {
        "table": str(name),
        "config": config,
        "version": 1,
        "status": "PENDING",
        "until_ms": now + round(outcome.pending_s * 1000),
        "message": "",
        "dashboard_id": lakehouse.identity(sim, "dashboard", str(name)).replace("-", ""),
    }
    sim.store.put(KIND, str(name), document)
    return document


def replace(sim: "Simulator", table: str, config: dict[str, Any]) -> dict[str, Any]:
    """Give a monitor a new configuration: what is left out is lost. Raises `ApiError`."""
    found = need(sim, table)
    check(sim, need_table(sim, table), config)
    found |= {"config": config, "version": found["version"] + 1}
    sim.store.put(KIND, found["table"], found)
    return found


def delete(sim: "Simulator", table: str) -> None:
    """Delete a monitor and its refreshes, not its metric tables. Raises `ApiError` (404)."""
    found = need(sim, table)
    sim.store.delete(KIND, found["table"])
    for key, refresh in sim.store.items(REFRESH):
        if refresh["table"] == found["table"]:
            sim.store.delete(REFRESH, key)


def check(sim: "Simulator", table: Name, config: dict[str, Any]) -> None:
    """Refuse a configuration that cannot work. Raises `ApiError`."""
    for field in ("assets_dir", "output_schema_name"):
        if not config.get(field):
            raise invalid(f"Missing required field: {field}")
    kinds = [one for one in _TYPES if config.get(one) is not None]
    if len(kinds) != 1:
        raise invalid(f"Exactly one of {', '.join(_TYPES)} must be set, found {len(kinds)}.")
    schema = str(config["output_schema_name"]).split(".")
    if len(schema) != 2 or not lakehouse.has_schema(sim, schema[0], schema[1]):
        raise ApiError(404, "SCHEMA_NOT_FOUND", sqlerrors.schema_missing(schema).message)
    known = {column.name.lower() for column in lakehouse.columns(sim, table)}
    for column in _columns(config):
        if column.lower() not in known:
            raise invalid(f"Column '{column}' does not exist in table '{table}'.")


def _columns(config: dict[str, Any]) -> list[str]:
    named = []
    for kind in ("time_series", "inference_log"):
        for field, value in (config.get(kind) or {}).items():
            if field.endswith("_col") and value:
                named.append(str(value))
    for metric in config.get("custom_metrics") or []:
        named += [one for one in metric.get("input_columns") or [] if one != ":table"]
    return named


def outputs(found: dict[str, Any]) -> tuple[Name, Name]:
    """Return the names of a monitor's metric tables: profile, drift."""
    catalog, schema = str(found["config"]["output_schema_name"]).split(".")
    table = found["table"].rpartition(".")[2]
    return (
        Name(catalog, schema, f"{table}_profile_metrics"),
        Name(catalog, schema, f"{table}_drift_metrics"),
    )


def tick(sim: "Simulator") -> None:
    """Let monitors become active and refreshes end."""
    now = sim.clock.now_ms()
    for key, found in sim.store.items(KIND):
        if found["status"] == "PENDING" and found["until_ms"] <= now:
            outcome = declared(sim, key)
            found |= {"status": outcome.status, "message": outcome.message}
            if outcome.status == "ACTIVE":
                for name, columns in zip(outputs(found), (_METRICS, _DRIFT), strict=True):
                    statements.execute(sim, f"CREATE TABLE IF NOT EXISTS {name} {columns}")
            sim.store.put(KIND, key, found)
    for key, refresh in sim.store.items(REFRESH):
        if refresh["state"] not in _ENDED:
            _move(sim, key, refresh, now)


def refresh(sim: "Simulator", table: str) -> dict[str, Any]:
    """Queue a refresh and return it. Raises `ApiError` (404)."""
    found = need(sim, table)
    number = sim.store.number()
    document = {
        "table": found["table"],
        "refresh_id": number,
        "state": "PENDING",
        "start_time_ms": sim.clock.now_ms(),
        "end_time_ms": None,
        "message": "",
    }
    sim.store.put(REFRESH, number, document)
    return document


def refreshes(sim: "Simulator", table: str) -> list[dict[str, Any]]:
    """Return the refreshes of a table's monitor, the newest first. Raises `ApiError` (404)."""
    name = need(sim, table)["table"]
    return [one for _, one in reversed(sim.store.items(REFRESH)) if one["table"] == name]


def need_refresh(sim: "Simulator", table: str, number: int) -> dict[str, Any]:
    """Return one refresh. Raises `ApiError` (404)."""
    found = sim.store.get(REFRESH, number)
    if found is None or found["table"] != need(sim, table)["table"]:
        raise missing(f"Refresh {number} of table '{table}' does not exist.")
    return found


def cancel(sim: "Simulator", table: str, number: int) -> dict[str, Any]:
    """Cancel a refresh that has not ended. Raises `ApiError` (404)."""
    found = need_refresh(sim, table, number)
    if found["state"] not in _ENDED:
        found |= {"state": "CANCELED", "end_time_ms": sim.clock.now_ms()}
        sim.store.put(REFRESH, number, found)
    return found


def _move(sim: "Simulator", key: str, found: dict[str, Any], now: int) -> None:
    begins = found["start_time_ms"] + round(REFRESH_PENDING_S * 1000)
    ends = found["start_time_ms"] + round(REFRESH_S * 1000)
    if now >= ends:
        why = declared(sim, found["table"]).refresh_error or _profile(sim, found["table"])
        state = "FAILED" if why else "SUCCESS"
        found |= {"state": state, "end_time_ms": ends, "message": why}
    elif now >= begins:
        found |= {"state": "RUNNING"}
    sim.store.put(REFRESH, key, found)


def _profile(sim: "Simulator", table: str) -> str:
    """Compute a table's metrics and write them; return why that failed, empty where it did not."""
    monitor = need(sim, table)
    if monitor["status"] != "ACTIVE":
        return f"The monitor is {monitor['status']}."
    name = lakehouse.full_name(table)
    profile = outputs(monitor)[0]
    wanted = [(":table", "count", "count(*)")]
    wanted += [
        (column.name, "num_nulls", f"count_if(`{column.name}` IS NULL)")
        for column in (lakehouse.columns(sim, name) if name else [])
    ]
    for metric in monitor["config"].get("custom_metrics") or []:
        if str(metric.get("type", "")).endswith("AGGREGATE"):
            wanted += [
                (column, metric["name"], _filled(metric["definition"], column))
                for column in metric.get("input_columns") or [":table"]
            ]
    for column, metric, formula in wanted:
        insert = (
            f"INSERT INTO {profile} SELECT current_timestamp(), '{column}', '{metric}', "  # noqa: S608 - the tables are the user's own
            f"CAST({formula} AS DOUBLE) FROM {table}"
        )
        result = statements.execute(sim, insert)
        if not isinstance(result, Result):
            return result.message
    return ""


def _filled(definition: str, column: str) -> str:
    return re.sub(r"\{\{\s*input_column\s*\}\}", f"`{column}`", definition)
