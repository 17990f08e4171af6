"""Unity Catalog as it is read and created over REST: tables, functions, volumes, models.

Rules kept here: what SQL made in the lakehouse shows here; volumes, registered models and what was
declared over REST are documents; a name is case-insensitive.
Source: https://docs.databricks.com/api/workspace/tables
"""

from typing import TYPE_CHECKING, Any, NamedTuple

from agent.simulators.databricks import lakehouse, schemas
from agent.simulators.databricks.lakehouse import Name
from agent.simulators.databricks.wire import ApiError, Request, invalid, paged
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator


class Family(NamedTuple):
    """One type of securable that is kept as documents."""

    plural: str
    """In paths and in the answer to a list."""
    word: str
    """In messages."""
    code: str
    """`error_code` where there is none."""
    id: str | None
    """The field that holds its UUID."""
    listed: str


_TABLES = Family("tables", "Table", "TABLE_DOES_NOT_EXIST", "table_id", "tables")
_FUNCTIONS = Family("functions", "Function", "FUNCTION_DOES_NOT_EXIST", "function_id", "functions")
_VOLUMES = Family("volumes", "Volume", "VOLUME_DOES_NOT_EXIST", "volume_id", "volumes")
_MODELS = Family("models", "Registered model", "RESOURCE_DOES_NOT_EXIST", None, "registered_models")
_FAMILIES = (_TABLES, _FUNCTIONS, _VOLUMES, _MODELS)
_VERSIONS = "uc_model_version"
_ROOT = "/api/2.{version}/unity-catalog"


def tables(sim: "Simulator", catalog: str, schema: str) -> list[dict[str, Any]]:
    """Return the tables and views of a schema as the REST API shows them, sorted by name."""
    found = {
        str(one.name).lower(): _table(sim, one) for one in lakehouse.tables(sim, catalog, schema)
    }
    found |= {k: v for k, v in _declared(sim, _TABLES, catalog, schema).items() if k not in found}
    return [found[name] for name in sorted(found)]


def find(sim: "Simulator", plural: str, full_name: str) -> dict[str, Any] | None:
    """Return one table, function, volume or model by its three-part name; None where it is not.

    `plural`: `tables`, `functions`, `volumes` or `models`.
    """
    name = lakehouse.full_name(full_name)
    if name is None:
        return None
    if plural == "tables" and (table := lakehouse.find(sim, name)) is not None:
        return _table(sim, table)
    if plural == "functions":
        made = _functions(sim, name.catalog, name.schema).get(str(name))
        if made is not None:
            return made
    return sim.store.get(f"uc_{plural}", str(name))


def _declared(
    sim: "Simulator", family: Family, catalog: str, schema: str
) -> dict[str, dict[str, Any]]:
    start = f"{catalog}.{schema}.".lower()
    return {k: v for k, v in sim.store.items(f"uc_{family.plural}") if k.startswith(start)}


def _table(sim: "Simulator", table: lakehouse.Table) -> dict[str, Any]:
    name = table.name
    metric = sim.store.get("metric_view", str(name)) is not None
    view = table.kind == "VIEW"
    columns = [
        {
            "name": column.name,
            "type_text": column.type,
            "type_name": _type_name(column.type),
            "position": column.position,
            "nullable": column.nullable,
            **({"comment": column.comment} if column.comment else {}),
        }
        for column in lakehouse.columns(sim, name)
    ]
    shown = {
        **_about(sim, name),
        "table_type": "METRIC_VIEW" if metric else table.kind,
        "columns": columns,
        "table_id": lakehouse.identity(sim, "table", str(name)),
    }
    if table.comment:
        shown["comment"] = table.comment
    if not view and not metric:
        shown["data_source_format"] = "DELTA"
    return shown


_TYPES = {
    "bigint": "LONG",
    "int": "INT",
    "smallint": "SHORT",
    "tinyint": "BYTE",
    "timestamp_ntz": "TIMESTAMP_NTZ",
}


def _type_name(text: str) -> str:
    word = text.split("(")[0].split("<")[0].lower()
    return _TYPES.get(word, word.upper())


def _functions(sim: "Simulator", catalog: str, schema: str) -> dict[str, dict[str, Any]]:
    """Return the functions that SQL made, by full name."""
    query = (
        "SELECT DISTINCT function_name, function_type, parameters FROM duckdb_functions() "
        "WHERE concat('\"', database_name, '\"') = ? AND lower(schema_name) = ? "
        "AND function_type IN ('macro', 'table_macro') AND NOT internal"
    )
    with lakehouse.connect(sim) as connection:
        rows = connection.execute(query, [lakehouse.alias(catalog), schema.lower()]).fetchall()
    found = {}
    for word, kind, parameters in rows:
        name = Name(catalog.lower(), schema.lower(), word.lower())
        inputs = [{"name": one, "position": place} for place, one in enumerate(parameters)]
        found[str(name)] = {
            **_about(sim, name),
            "function_id": lakehouse.identity(sim, "function", str(name)),
            "input_params": {"parameters": inputs},
            "data_type": "TABLE_TYPE" if kind == "table_macro" else "STRING",
            "routine_body": "SQL",
        }
    return found


def _about(sim: "Simulator", name: Name) -> dict[str, Any]:
    return {
        "name": name.name,
        "catalog_name": name.catalog,
        "schema_name": name.schema,
        "full_name": str(name),
        "owner": sim.user,
        "metastore_id": lakehouse.identity(sim, "metastore", ""),
    }


def _family(request: Request) -> Family:
    plural = request.args["family"]
    found = next((one for one in _FAMILIES if one.plural == plural), None)
    if found is None:
        path = f"/unity-catalog/{plural}"
        raise ApiError(404, "ENDPOINT_NOT_FOUND", f"No API found for '{request.method} {path}'")
    return found


def _list(sim: "Simulator", request: Request) -> dict[str, Any]:
    family = _family(request)
    whole = request.text("catalog_name", ""), request.text("schema_name", "")
    if family is _MODELS and not any(whole):
        return paged([v for _, v in sim.store.items("uc_models")], request, name=family.listed)
    catalog, schema = schemas.need(sim, request.text("catalog_name"), request.text("schema_name"))
    if family is _TABLES:
        found = tables(sim, catalog, schema)
    else:
        kept = _declared(sim, family, catalog, schema)
        if family is _FUNCTIONS:
            kept |= _functions(sim, catalog, schema)
        found = [kept[name] for name in sorted(kept)]
    if request.flag("omit_columns"):
        found = [{k: v for k, v in one.items() if k != "columns"} for one in found]
    return paged(found, request, name=family.listed)


def _get(sim: "Simulator", request: Request) -> dict[str, Any]:
    family, full = _family(request), request.args["name"]
    found = find(sim, family.plural, full)
    if found is None:
        name = lakehouse.full_name(full)
        if name is None:
            raise invalid(f"'{full}' is not a valid name; expected catalog.schema.name.")
        schemas.need(sim, name.catalog, name.schema)
        raise ApiError(404, family.code, f"{family.word} '{full}' does not exist.")
    return found


def _exists(sim: "Simulator", request: Request) -> dict[str, Any]:
    return {"table_exists": find(sim, "tables", request.args["name"]) is not None}


def _create(sim: "Simulator", request: Request) -> dict[str, Any]:
    family = _family(request)
    given = request.mapping("function_info") if family is _FUNCTIONS else request.body
    parts = [given.get(k) for k in ("catalog_name", "schema_name", "name")]
    if not all(isinstance(part, str) and part for part in parts):
        raise invalid("catalog_name, schema_name and name are required.")
    name = Name(*(str(part).lower() for part in parts))
    schemas.need(sim, name.catalog, name.schema)
    if find(sim, family.plural, str(name)) is not None:
        code = f"{family.word.upper().replace(' ', '_')}_ALREADY_EXISTS"
        raise ApiError(400, code, f"{family.word} '{name}' already exists")
    now = sim.clock.now_ms()
    document = {**given, **_about(sim, name), "created_at": now, "updated_at": now}
    if family.id is not None:
        document[family.id] = lakehouse.identity(sim, family.plural, str(name))
    sim.store.put(f"uc_{family.plural}", str(name), document)
    return document


def _delete(sim: "Simulator", request: Request) -> dict[str, Any]:
    family, found = _family(request), _get(sim, request)
    name = Name(found["catalog_name"], found["schema_name"], found["name"])
    sim.store.delete(f"uc_{family.plural}", str(name).lower())
    if family is _TABLES and (table := lakehouse.find(sim, name)) is not None:
        with lakehouse.connect(sim) as connection:
            word = "VIEW" if table.kind == "VIEW" else "TABLE"
            connection.execute(f"DROP {word} {name.quoted()}")
    return {}


def _list_versions(sim: "Simulator", request: Request) -> dict[str, Any]:
    found = _get(sim, request.but(args={**request.args, "family": "models"}))
    start = found["full_name"] + "/"
    versions = [v for k, v in sim.store.items(_VERSIONS) if k.startswith(start)]
    return paged(versions, request, name="model_versions")


def _create_version(sim: "Simulator", request: Request) -> dict[str, Any]:
    found = _get(sim, request.but(args={**request.args, "family": "models"}))
    start = found["full_name"] + "/"
    number = 1 + sum(k.startswith(start) for k, _ in sim.store.items(_VERSIONS))
    document = {
        "model_name": found["name"],
        "catalog_name": found["catalog_name"],
        "schema_name": found["schema_name"],
        "version": number,
        "status": "READY",
        "created_at": sim.clock.now_ms(),
        **request.body,
    }
    sim.store.put(_VERSIONS, f"{start}{number}", document)
    return document


ROUTES = (
    Route("GET", _ROOT + "/tables/{name}/exists", _exists),
    Route("GET", _ROOT + "/models/{name}/versions", _list_versions),
    Route("POST", _ROOT + "/models/{name}/versions", _create_version),
    Route("GET", _ROOT + "/{family}", _list),
    Route("POST", _ROOT + "/{family}", _create),
    Route("GET", _ROOT + "/{family}/{name}", _get),
    Route("DELETE", _ROOT + "/{family}/{name}", _delete),
)
