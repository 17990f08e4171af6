"""Unity Catalog over REST, driven by databricks-sdk; tables are the lakehouse's own."""

import httpx
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, NotFound
from databricks.sdk.service.catalog import ColumnTypeName, TableType, VolumeType

from agent.simulators.databricks import Simulator, lakehouse

UC = "/api/2.1/unity-catalog"


def run(sim: Simulator, *statements: str) -> None:
    with lakehouse.connect(sim) as connection:
        for statement in statements:
            connection.execute(statement)


def test_catalogs_and_schemas_are_made_listed_and_dropped(sdk: WorkspaceClient) -> None:
    sdk.catalogs.create("sales", comment="for sale")
    assert sdk.catalogs.get("sales").comment == "for sale"
    assert {one.name for one in sdk.catalogs.list()} == {"main", "sales"}
    sdk.schemas.create("Gold", "sales", comment="shiny")
    names = {one.name for one in sdk.schemas.list("sales")}
    assert names == {"default", "gold", "information_schema"}
    sdk.schemas.update("sales.gold", comment="dull")
    found = sdk.schemas.get("sales.GOLD")
    assert (found.full_name, found.comment) == ("sales.gold", "dull")
    with pytest.raises(BadRequest, match="already exists"):
        sdk.schemas.create("gold", "sales")
    with pytest.raises(BadRequest, match="not empty"):
        sdk.catalogs.delete("sales")
    sdk.schemas.delete("sales.gold")
    sdk.catalogs.delete("sales")
    with pytest.raises(NotFound, match="Catalog 'sales' does not exist"):
        sdk.catalogs.get("sales")


def test_tables_that_sql_made_are_seen_with_their_columns(
    sim: Simulator, sdk: WorkspaceClient
) -> None:
    run(
        sim,
        "CREATE TABLE lake_main.default.orders "
        "(id BIGINT NOT NULL, amount DECIMAL(10,2), day DATE)",
        "CREATE VIEW lake_main.default.big AS SELECT id FROM lake_main.default.orders",
    )
    found = sdk.tables.get("main.default.orders")
    assert (found.table_type, found.owner) == (TableType.MANAGED, sim.user)
    columns = [
        (one.name, one.type_text, one.type_name, one.nullable) for one in found.columns or []
    ]
    assert columns == [
        ("id", "bigint", ColumnTypeName.LONG, False),
        ("amount", "decimal(10,2)", ColumnTypeName.DECIMAL, True),
        ("day", "date", ColumnTypeName.DATE, True),
    ]
    listed = {one.name: one.table_type for one in sdk.tables.list("main", "default")}
    assert listed == {"orders": TableType.MANAGED, "big": TableType.VIEW}
    assert sdk.tables.exists("main.default.ORDERS").table_exists is True
    assert sdk.tables.exists("main.default.nothing").table_exists is False
    with pytest.raises(NotFound, match=r"Table 'main\.default\.nothing' does not exist"):
        sdk.tables.get("main.default.nothing")
    with pytest.raises(BadRequest, match="not empty"):
        sdk.schemas.delete("main.default")
    sdk.tables.delete("main.default.orders")
    assert sdk.tables.exists("main.default.orders").table_exists is False


def test_missing_parents_are_named(http: httpx.Client) -> None:
    def told(path: str) -> tuple[int, str]:
        answer = http.get(UC + path)
        return answer.status_code, answer.json()["message"]

    assert told("/tables/main.nowhere.x") == (404, "Schema 'main.nowhere' does not exist.")
    assert told("/tables/nowhere.x.y") == (404, "Catalog 'nowhere' does not exist.")
    assert told("/tables?catalog_name=main&schema_name=no")[0] == 404
    assert told("/tables/justone")[0] == 400
    assert told("/spoons/a.b.c")[0] == 404


def test_tables_come_in_pages_and_without_columns_where_asked(
    sim: Simulator, http: httpx.Client
) -> None:
    run(sim, *(f"CREATE TABLE lake_main.default.t{n} (x INT)" for n in range(5)))
    query: dict[str, str | int] = {
        "catalog_name": "main",
        "schema_name": "default",
        "max_results": 2,
    }
    names, token = [], ""
    while True:
        answer = http.get(
            f"{UC}/tables", params={**query, "page_token": token, "omit_columns": "True"}
        )
        page = answer.json()
        names += [one["name"] for one in page["tables"]]
        assert all("columns" not in one for one in page["tables"])
        token = page.get("next_page_token", "")
        if not token:
            break
    assert names == ["t0", "t1", "t2", "t3", "t4"]


def test_functions_that_sql_made_are_seen(sim: Simulator, sdk: WorkspaceClient) -> None:
    run(
        sim,
        "CREATE MACRO lake_main.default.double(x) AS 2 * x",
        "CREATE MACRO lake_main.default.three(lowest) AS TABLE SELECT lowest AS n",
    )
    found = sdk.functions.get("main.default.three")
    assert found.data_type == ColumnTypeName.TABLE_TYPE
    assert found.input_params is not None
    assert [one.name for one in found.input_params.parameters or []] == ["lowest"]
    assert {one.name for one in sdk.functions.list("main", "default")} == {"double", "three"}
    with pytest.raises(NotFound, match="does not exist"):
        sdk.functions.get("main.default.four")


def test_volumes_and_models_are_declared_over_rest(sdk: WorkspaceClient) -> None:
    sdk.volumes.create("main", "default", "landing", VolumeType.MANAGED)
    assert sdk.volumes.read("main.default.landing").volume_type == VolumeType.MANAGED
    assert [one.name for one in sdk.volumes.list("main", "default")] == ["landing"]
    with pytest.raises(BadRequest, match="already exists"):
        sdk.volumes.create("main", "default", "landing", VolumeType.MANAGED)
    sdk.registered_models.create(catalog_name="main", schema_name="default", name="churn")
    assert sdk.registered_models.get("main.default.churn").full_name == "main.default.churn"
    assert [one.name for one in sdk.registered_models.list()] == ["churn"]
    assert list(sdk.model_versions.list("main.default.churn")) == []
    version = f"{UC}/models/main.default.churn/versions"
    sdk.api_client.do("POST", version, body={"source": "dbfs:/m"})
    assert [one.version for one in sdk.model_versions.list("main.default.churn")] == [1]
    sdk.registered_models.delete("main.default.churn")
    with pytest.raises(NotFound, match="Registered model"):
        sdk.registered_models.get("main.default.churn")


def test_dropping_a_schema_by_force_takes_what_is_in_it(
    sim: Simulator, sdk: WorkspaceClient
) -> None:
    sdk.schemas.create("tmp", "main")
    run(sim, "CREATE TABLE lake_main.tmp.t (x INT)")
    sdk.volumes.create("main", "tmp", "v", VolumeType.MANAGED)
    sdk.schemas.delete("main.tmp", force=True)
    sdk.schemas.create("tmp", "main")
    assert list(sdk.tables.list("main", "tmp")) == []
    assert list(sdk.volumes.list("main", "tmp")) == []
