"""SHOW and DESCRIBE: what is there, in the columns that Databricks SQL gives.

Source: https://docs.databricks.com/sql/language-manual/ (each statement's page gives its columns).
"""

import datetime as dt
import json
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from agent.simulators.databricks import lakehouse, querying, sqlerrors
from agent.simulators.databricks.dialect import Session
from agent.simulators.databricks.lakehouse import Name
from agent.simulators.databricks.querying import Result
from agent.simulators.databricks.sqlerrors import SqlError
from agent.simulators.databricks.sqlvalues import Field

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

Found = re.Match[str]
METRICS = "metric_view"


def name_parts(text: str) -> list[str]:
    return [part.strip("`") for part in re.findall(r"`[^`]*`|[^.`\s]+", text)]


def table_of(*names: str, rows: list[tuple[Any, ...]]) -> Result:
    return Result([Field(name, "STRING") for name in names], rows)


def _schema(session: Session, text: str | None) -> tuple[str, str]:
    parts = [part.lower() for part in name_parts(text or "")]
    if not parts:
        return session.catalog, session.schema
    return (session.catalog, parts[0]) if len(parts) == 1 else (parts[0], parts[1])


def _fits(name: str, found: Found) -> bool:
    like = found["like"]
    return like is None or any(
        fnmatchcase(name.lower(), one.strip().lower().replace("%", "*")) for one in like.split("|")
    )


def show_tables(sim: "Simulator", session: Session, found: Found) -> Result | SqlError:
    catalog, schema = _schema(session, found["name"])
    if not lakehouse.has_schema(sim, catalog, schema):
        return sqlerrors.schema_missing([catalog, schema])
    views = found["kind"].upper() == "VIEWS"
    rows = [
        (one.name.schema, one.name.name, "false")
        for one in lakehouse.tables(sim, catalog, schema)
        if _fits(one.name.name, found) and (not views or one.kind == "VIEW")
    ]
    second = "viewName" if views else "tableName"
    first = "namespace" if views else "database"
    return table_of(first, second, "isTemporary", rows=rows)


def show_schemas(sim: "Simulator", session: Session, found: Found) -> Result | SqlError:
    catalog = name_parts(found["name"])[0].lower() if found["name"] else session.catalog
    if catalog not in lakehouse.catalogs(sim):
        return sqlerrors.catalog_missing(catalog)
    rows = [(name,) for name in lakehouse.schemas(sim, catalog) if _fits(name, found)]
    return table_of("databaseName", rows=rows)


def show_catalogs(sim: "Simulator", _: Session, found: Found) -> Result:
    rows = [(name,) for name in [*lakehouse.catalogs(sim), "system"] if _fits(name, found)]
    return table_of("catalog", rows=rows)


def show_columns(sim: "Simulator", session: Session, found: Found) -> Result | SqlError:
    name = session.whole(name_parts(found["name"]))
    columns = lakehouse.columns(sim, name)
    if not columns:
        return sqlerrors.table_missing(name_parts(found["name"]), None)
    return table_of("col_name", rows=[(column.name,) for column in columns])


def show_functions(sim: "Simulator", session: Session, found: Found) -> Result:
    catalog, schema = _schema(session, found["name"])
    own = [f for f in functions(sim) if (f.catalog, f.schema) == (catalog, schema)]
    return table_of("function", rows=[(str(f),) for f in own])


def functions(sim: "Simulator", *, of_tables: bool | None = None) -> list[Name]:
    """Return the SQL functions that users made; `of_tables`: only table functions, only others."""
    query = (
        "SELECT DISTINCT database_name, schema_name, function_name, function_type "
        "FROM duckdb_functions() WHERE function_type IN ('macro', 'table_macro') "
        "AND database_name LIKE 'lake@_%' ESCAPE '@'"
    )
    with lakehouse.connect(sim) as connection:
        rows = connection.execute(query).fetchall()
    return sorted(
        Name(lakehouse.named(row[0]), row[1], row[2])
        for row in rows
        if of_tables in (None, row[3] == "table_macro")
    )


def metric_views(sim: "Simulator") -> list[Name]:
    """Return the metric views, in the order in which they were made."""
    there = {one.name for one in lakehouse.tables(sim)}
    made = [Name(*key.split(".")) for key, _ in sim.store.items(METRICS)]
    return [name for name in made if name in there]


def describe(sim: "Simulator", session: Session, found: Found) -> Result | SqlError:
    parts = name_parts(found["name"])
    name = session.whole(parts)
    table = lakehouse.find(sim, name)
    if table is None:
        return sqlerrors.table_missing(parts, sqlerrors.position(found[0], parts[0]))
    columns = lakehouse.columns(sim, name)
    rows: list[tuple[Any, ...]] = [(c.name, c.type, c.comment or None) for c in columns]
    if found["more"]:
        made = querying.history(sim, name)
        created = _moment(made[0]["timestamp_ms"]) if made else ""
        rows += [
            ("", "", ""),
            ("# Detailed Table Information", "", ""),
            ("Catalog", name.catalog, ""),
            ("Database", name.schema, ""),
            ("Table", name.name, ""),
            ("Created Time", created, ""),
            ("Created By", "Spark", ""),
            ("Type", _kind(sim, table), ""),
            ("Comment", table.comment, ""),
            ("Provider", "delta", ""),
            ("Owner", sim.user, ""),
        ]
    return table_of("col_name", "data_type", "comment", rows=rows)


def _kind(sim: "Simulator", table: lakehouse.Table) -> str:
    return "METRIC_VIEW" if sim.store.get(METRICS, str(table.name)) else table.kind


def describe_history(sim: "Simulator", session: Session, found: Found) -> Result | SqlError:
    parts = name_parts(found["name"])
    name = session.whole(parts)
    if lakehouse.find(sim, name) is None:
        return sqlerrors.table_missing(parts, None)
    rows = [
        (
            one["version"],
            _moment(one["timestamp_ms"]),
            one["user"],
            one["operation"],
            json.dumps(one.get("parameters", {})),
            json.dumps(one.get("metrics", {})),
        )
        for one in reversed(querying.history(sim, name))
    ]
    names = ("timestamp", "userName", "operation", "operationParameters", "operationMetrics")
    kinds = ("TIMESTAMP", "STRING", "STRING", "MAP<STRING, STRING>", "MAP<STRING, STRING>")
    fields = [Field("version", "BIGINT"), *map(Field, names, kinds)]
    limit = int(found["limit"]) if found["limit"] else None
    return Result(fields, rows[:limit])


def _moment(ms: int) -> str:
    moment = dt.datetime.fromtimestamp(ms / 1000, dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def show_grants(sim: "Simulator", session: Session, found: Found) -> Result | SqlError:
    name = session.whole(name_parts(found["name"]))
    if lakehouse.find(sim, name) is None:
        return sqlerrors.table_missing(name_parts(found["name"]), None)
    rows = [(sim.user, "OWN", "TABLE", str(name))]
    return table_of("Principal", "ActionType", "ObjectType", "ObjectKey", rows=rows)


def describe_detail(sim: "Simulator", session: Session, found: Found) -> Result | SqlError:
    name = session.whole(name_parts(found["name"]))
    if lakehouse.find(sim, name) is None:
        return sqlerrors.table_missing(name_parts(found["name"]), None)
    made = querying.history(sim, name)
    times = [_moment(one["timestamp_ms"]) for one in made] or [""]
    identity = lakehouse.identity(sim, "table", str(name))
    rows = [("delta", identity, str(name), times[0], times[-1], len(made))]
    names = ("format", "id", "name", "createdAt", "lastModified", "numFiles")
    return table_of(*names, rows=rows)
