"""Unity Catalog's catalogs and schemas over REST; they are the lakehouse's own.

Source: https://docs.databricks.com/api/workspace/schemas
"""

from typing import TYPE_CHECKING, Any

from agent.simulators.databricks import lakehouse
from agent.simulators.databricks.wire import ApiError, Request, invalid, paged
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

DECLARED = ("uc_tables", "uc_functions", "uc_volumes", "uc_models")
"""Kinds of documents that lie in schemas, by their full name."""
_NOTES = "uc_notes"
"""What a catalog or schema was created with, by its full name."""
_ROOT = "/api/2.{version}/unity-catalog"
_GIVEN = (lakehouse.DEFAULT_SCHEMA, lakehouse.INFORMATION)


def _catalog(sim: "Simulator", name: str) -> dict[str, Any]:
    notes = sim.store.get(_NOTES, name) or {}
    return {
        "name": name,
        "full_name": name,
        "owner": sim.user,
        "catalog_type": "MANAGED_CATALOG",
        "metastore_id": lakehouse.identity(sim, "metastore", ""),
        **notes,
    }


def _schema(sim: "Simulator", catalog: str, name: str) -> dict[str, Any]:
    full = f"{catalog}.{name}"
    return {
        "name": name,
        "catalog_name": catalog,
        "full_name": full,
        "owner": sim.user,
        "schema_id": lakehouse.identity(sim, "schema", full),
        "metastore_id": lakehouse.identity(sim, "metastore", ""),
        **(sim.store.get(_NOTES, full) or {}),
    }


def need_catalog(sim: "Simulator", name: str) -> str:
    """Return a catalog's name in lower case. Raises `ApiError` (404) where there is none."""
    if name.lower() not in lakehouse.catalogs(sim):
        raise ApiError(404, "CATALOG_DOES_NOT_EXIST", f"Catalog '{name}' does not exist.")
    return name.lower()


def need(sim: "Simulator", catalog: str, schema: str) -> tuple[str, str]:
    """Return both names in lower case. Raises `ApiError` (404) where there is no such schema."""
    catalog = need_catalog(sim, catalog)
    if not lakehouse.has_schema(sim, catalog, schema):
        message = f"Schema '{catalog}.{schema}' does not exist."
        raise ApiError(404, "SCHEMA_DOES_NOT_EXIST", message)
    return catalog, schema.lower()


def _split(full: str) -> tuple[str, str]:
    catalog, _, schema = full.lower().partition(".")
    if not schema or "." in schema:
        raise invalid(f"'{full}' is not a valid name; expected catalog.schema.")
    return catalog, schema


def _list_catalogs(sim: "Simulator", request: Request) -> dict[str, Any]:
    found = [_catalog(sim, name) for name in lakehouse.catalogs(sim)]
    return paged(found, request, name="catalogs")


def _get_catalog(sim: "Simulator", request: Request) -> dict[str, Any]:
    return _catalog(sim, need_catalog(sim, request.args["name"]))


def _create_catalog(sim: "Simulator", request: Request) -> dict[str, Any]:
    name = request.text("name").lower()
    if name in lakehouse.catalogs(sim):
        raise ApiError(400, "CATALOG_ALREADY_EXISTS", f"Catalog '{name}' already exists")
    if not lakehouse.create_catalog(sim, name):
        raise invalid(f"'{name}' is not a valid name for a catalog.")
    _note(sim, name, request)
    return _catalog(sim, name)


def _delete_catalog(sim: "Simulator", request: Request) -> dict[str, Any]:
    name = need_catalog(sim, request.args["name"])
    inside = [one for one in lakehouse.schemas(sim, name) if one not in _GIVEN]
    if inside and not request.flag("force"):
        raise ApiError(400, "INVALID_STATE", f"Catalog '{name}' is not empty.")
    lakehouse.drop_catalog(sim, name)
    sim.store.delete(_NOTES, name)
    return {}


def _note(sim: "Simulator", full: str, request: Request) -> None:
    now = sim.clock.now_ms()
    kept = {k: request.body[k] for k in ("comment", "properties") if k in request.body}
    sim.store.put(_NOTES, full, {**kept, "created_at": now, "updated_at": now})


def _list_schemas(sim: "Simulator", request: Request) -> dict[str, Any]:
    catalog = need_catalog(sim, request.text("catalog_name"))
    found = [_schema(sim, catalog, name) for name in lakehouse.schemas(sim, catalog)]
    return paged(found, request, name="schemas")


def _get_schema(sim: "Simulator", request: Request) -> dict[str, Any]:
    return _schema(sim, *need(sim, *_split(request.args["name"])))


def _create_schema(sim: "Simulator", request: Request) -> dict[str, Any]:
    catalog = need_catalog(sim, request.text("catalog_name"))
    name = request.text("name").lower()
    if lakehouse.has_schema(sim, catalog, name):
        message = f"Schema '{catalog}.{name}' already exists"
        raise ApiError(400, "SCHEMA_ALREADY_EXISTS", message)
    with lakehouse.connect(sim) as connection:
        connection.execute(f"CREATE SCHEMA {lakehouse.alias(catalog)}.{lakehouse.quote(name)}")
    _note(sim, f"{catalog}.{name}", request)
    return _schema(sim, catalog, name)


def _update_schema(sim: "Simulator", request: Request) -> dict[str, Any]:
    catalog, name = need(sim, *_split(request.args["name"]))
    notes = sim.store.get(_NOTES, f"{catalog}.{name}") or {}
    kept = {k: request.body[k] for k in ("comment", "properties") if k in request.body}
    sim.store.put(_NOTES, f"{catalog}.{name}", {**notes, **kept, "updated_at": sim.clock.now_ms()})
    return _schema(sim, catalog, name)


def _delete_schema(sim: "Simulator", request: Request) -> dict[str, Any]:
    catalog, name = need(sim, *_split(request.args["name"]))
    start = f"{catalog}.{name}."
    declared = [
        (kind, key)
        for kind in DECLARED
        for key, _ in sim.store.items(kind)
        if key.startswith(start)
    ]
    inside = bool(declared) or bool(lakehouse.tables(sim, catalog, name))
    if inside and not request.flag("force"):
        message = f"Schema '{catalog}.{name}' is not empty."
        raise ApiError(400, "INVALID_STATE", message)
    with lakehouse.connect(sim) as connection:
        place = f"{lakehouse.alias(catalog)}.{lakehouse.quote(name)}"
        connection.execute(f"DROP SCHEMA {place} CASCADE")
    for kind, key in declared:
        sim.store.delete(kind, key)
    sim.store.delete(_NOTES, f"{catalog}.{name}")
    return {}


def _assignment(sim: "Simulator", request: Request) -> dict[str, Any]:
    del request
    return {
        "metastore_id": lakehouse.identity(sim, "metastore", ""),
        "workspace_id": sim.workspace_id,
        "default_catalog_name": lakehouse.DEFAULT_CATALOG,
    }


ROUTES = (
    Route("GET", _ROOT + "/current-metastore-assignment", _assignment),
    Route("GET", _ROOT + "/catalogs", _list_catalogs),
    Route("POST", _ROOT + "/catalogs", _create_catalog),
    Route("GET", _ROOT + "/catalogs/{name}", _get_catalog),
    Route("DELETE", _ROOT + "/catalogs/{name}", _delete_catalog),
    Route("GET", _ROOT + "/schemas", _list_schemas),
    Route("POST", _ROOT + "/schemas", _create_schema),
    Route("GET", _ROOT + "/schemas/{name}", _get_schema),
    Route("PATCH", _ROOT + "/schemas/{name}", _update_schema),
    Route("DELETE", _ROOT + "/schemas/{name}", _delete_schema),
)
