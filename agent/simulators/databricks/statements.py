"""SQL statement execution: what the service answers around a statement on the workspace's tables.

Rules kept here: a statement that fails is HTTP 200 with state FAILED; it runs when its warehouse
runs and its declared seconds are over, so a cancelled one has written nothing; a statement whose
tables another process holds stays PENDING; a reply never waits: what is not done by then is PENDING
or RUNNING, as if `wait_timeout` were over.
Source: https://docs.databricks.com/api/workspace/statementexecution
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.simulators.databricks import (
    lakehouse,
    querying,
    sqlvalues,
    statement_results,
    warehouses,
)
from agent.simulators.databricks.dialect import Parameter, Session
from agent.simulators.databricks.lakehouse import connect
from agent.simulators.databricks.querying import Result
from agent.simulators.databricks.sqlerrors import SqlError
from agent.simulators.databricks.wire import Request, invalid
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

__all__ = ["ROUTES", "connect", "declare", "execute", "split", "tick"]

KIND = statement_results.KIND
_OPEN = "statement_open"
"""Keys of the statements that have not ended."""
_DECLARED = "statement_outcome"
_FORMATS = {"INLINE": ("JSON_ARRAY",), "EXTERNAL_LINKS": ("JSON_ARRAY", "CSV")}


class Declared(NamedTuple):
    """How statements go that hold a text."""

    seconds: float = 0.0
    error: str = ""
    """The whole message, as Spark words it; empty = the statement runs for real."""
    state: str = "XX000"
    """SQLSTATE that goes with the error."""


def declare(sim: "Simulator", part: str, *outcomes: Declared) -> None:
    """Say how the next statements go that contain `part`, one outcome each; none = forget it."""
    with sim.lock:
        listed = [outcome._asdict() for outcome in outcomes]
        if listed:
            sim.store.put(_DECLARED, part, {"outcomes": listed})
        else:
            sim.store.delete(_DECLARED, part)


def execute(
    sim: "Simulator",
    sql: str,
    *,
    catalog: str | None = None,
    schema: str | None = None,
    parameters: Mapping[str, Parameter] | None = None,
    row_limit: int | None = None,
) -> Result | SqlError:
    """Run one statement at once, as a SQL task or a check does.

    Raises `lakehouse.Busy` while another process holds the tables.
    """
    session = Session(
        (catalog or lakehouse.DEFAULT_CATALOG).lower(),
        (schema or lakehouse.DEFAULT_SCHEMA).lower(),
        sim.user,
    )
    return querying.run(sim, sql, session, parameters or {}, row_limit)


def split(sql: str) -> list[str]:
    """Return the statements of a SQL file; a text that cannot be taken apart comes back whole."""
    import sqlglot
    from sqlglot.errors import TokenError

    try:
        tokens = sqlglot.tokenize(sql, read="databricks")
    except TokenError:
        return [sql]
    cuts = [token.start for token in tokens if token.token_type.name == "SEMICOLON"]
    parts = [sql[a + 1 : b] for a, b in zip([-1, *cuts], [*cuts, len(sql)], strict=True)]
    return [part.strip() for part in parts if sqlglot.tokenize(part, read="databricks")]


def close(sim: "Simulator") -> None:
    """Let go of the tables."""
    lakehouse.release(sim)


def tick(sim: "Simulator") -> None:
    """Run what is due."""
    lakehouse.release(sim, idle_s=lakehouse.IDLE_S)
    warehouses.tick(sim)
    for key, _ in sim.store.items(_OPEN):
        if (found := sim.store.get(KIND, key)) is not None:
            _move(sim, key, found)


def _move(sim: "Simulator", key: str, found: dict[str, Any]) -> dict[str, Any]:
    """Bring one statement up to the clock and return it."""
    now = sim.clock.now_ms()
    if found["ready_ms"] is None:
        warehouse = sim.store.get(warehouses.KIND, found["warehouse_id"])
        if warehouse is None or warehouse["state"] not in ("RUNNING", "STARTING"):
            return _save(sim, key, found | {"state": "CANCELED"})
        if warehouse["state"] == "STARTING":
            return found
        began = max(found["sent_ms"], warehouse["used_ms"])
        found = found | {"ready_ms": began + round(found["seconds"] * 1000), "state": "RUNNING"}
    if found["cancel_ms"] is not None and found["cancel_ms"] < found["ready_ms"]:
        due = now >= found["cancel_ms"]
        return _save(sim, key, found | ({"state": "CANCELED"} if due else {}))
    if now < found["ready_ms"]:
        return _save(sim, key, found)
    return _save(sim, key, _run(sim, found))


def _save(sim: "Simulator", key: str, found: dict[str, Any]) -> dict[str, Any]:
    sim.store.put(KIND, key, found)
    if found["state"] in statement_results.ENDED:
        sim.store.delete(_OPEN, key)
    else:
        sim.store.put(_OPEN, key, {})
    return found


def _run(sim: "Simulator", found: dict[str, Any]) -> dict[str, Any]:
    if found["error"]:
        error = {"message": found["error"], "sql_state": found["error_state"]}
        return found | {"state": "FAILED", "failure": error}
    given = {name: Parameter(*pair) for name, pair in found["parameters"].items()}
    try:
        result = execute(
            sim,
            found["sql"],
            catalog=found["catalog"],
            schema=found["schema"],
            parameters=given,
            row_limit=found["row_limit"],
        )
    except lakehouse.Busy:
        return found | {"state": "PENDING"}
    if isinstance(result, SqlError):
        error = {"message": result.message, "sql_state": result.state}
        return found | {"state": "FAILED", "failure": error}
    rows = [[sqlvalues.text(value) for value in row] for row in result.rows]
    columns = [sqlvalues.column_info(field, place) for place, field in enumerate(result.fields)]
    return found | {
        "state": "SUCCEEDED",
        "rows": rows,
        "columns": columns,
        "truncated": result.truncated,
    }


def _wait_s(text: str) -> int:
    found = re.fullmatch(r"(\d+)s", text)
    if found and (int(found[1]) == 0 or 5 <= int(found[1]) <= 50):
        return int(found[1])
    raise invalid(
        f"Invalid wait_timeout '{text}': the wait timeout must be 0s or between 5s and 50s."
    )


def _chosen(request: Request, name: str, known: Sequence[str]) -> str:
    value = request.text(name, known[0])
    if value not in known:
        raise invalid(f"Invalid value '{value}' for {name}; expected one of {', '.join(known)}.")
    return value


def _parameters(request: Request) -> dict[str, tuple[str | None, str]]:
    found: dict[str, tuple[str | None, str]] = {}
    for one in request.listed("parameters"):
        if not isinstance(one, dict) or not one.get("name"):
            raise invalid("Every parameter needs a name; positional parameters are not supported.")
        value = one.get("value")
        found[str(one["name"])] = (
            None if value is None else str(value),
            str(one.get("type") or "STRING"),
        )
    return found


def _take(sim: "Simulator", sql: str) -> Declared:
    for part, found in sim.store.items(_DECLARED):
        if part in sql and found["outcomes"]:
            first, *rest = found["outcomes"]
            sim.store.put(_DECLARED, part, {"outcomes": rest})
            return Declared(**first)
    return Declared()


def _execute(sim: "Simulator", request: Request) -> dict[str, Any]:
    sql, warehouse = request.text("statement"), request.text("warehouse_id")
    wait_s = _wait_s(request.text("wait_timeout", "10s"))
    disposition = _chosen(request, "disposition", tuple(_FORMATS))
    kind = _chosen(request, "format", _FORMATS[disposition])
    on_timeout = _chosen(request, "on_wait_timeout", ("CONTINUE", "CANCEL"))
    if wait_s == 0 and on_timeout == "CANCEL":
        raise invalid("on_wait_timeout=CANCEL needs a wait_timeout of 5s to 50s.")
    warehouses.refuse_unknown(sim, warehouse)
    warehouses.start(sim, warehouse)
    number = sim.store.number()
    key = lakehouse.identity(sim, "statement", str(number))
    now = sim.clock.now_ms()
    outcome = _take(sim, sql)
    found = {
        "sql": sql,
        "warehouse_id": warehouse,
        "catalog": request.text("catalog", None),
        "schema": request.text("schema", None),
        "parameters": _parameters(request),
        "row_limit": request.number("row_limit", None),
        "disposition": disposition,
        "format": kind,
        "state": "PENDING",
        "sent_ms": now,
        "ready_ms": None,
        "seconds": outcome.seconds,
        "error": outcome.error,
        "error_state": outcome.state,
        "cancel_ms": now + wait_s * 1000 if on_timeout == "CANCEL" else None,
    }
    if wait_s == 0:
        return statement_results.shown(sim, key, _save(sim, key, found))
    return statement_results.shown(sim, key, _move(sim, key, _save(sim, key, found)))


def _get(sim: "Simulator", request: Request) -> dict[str, Any]:
    key = request.text("statement_id")
    return statement_results.shown(sim, key, statement_results.need(sim, key))


def _cancel(sim: "Simulator", request: Request) -> dict[str, Any]:
    key = request.text("statement_id")
    found = statement_results.need(sim, key)
    if found["state"] not in statement_results.ENDED:
        _save(sim, key, found | {"state": "CANCELED"})
    return {}


_PATH = "/api/2.{version}/sql/statements"
ROUTES = (
    Route("POST", _PATH, _execute),
    Route("GET", _PATH + "/{statement_id}", _get),
    Route("POST", _PATH + "/{statement_id}/cancel", _cancel),
    *statement_results.ROUTES,
)
