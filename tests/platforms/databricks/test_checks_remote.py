"""Checks on tables, SQL and files: the engine's words and measures, through the warehouse."""

import base64

from dbx_workspace import Workspace

from agent.platforms.databricks import checks
from agent.playbook import Databricks, Expectation
from agent.records import Check
from agent.simulators.databricks import Simulator, dbfs, statements

REHEARSAL = Databricks(warehouse="rehearsal")


def verified(workspace: Workspace, *wanted: Expectation) -> tuple[Check, ...]:
    return checks.verify(workspace.session(databricks=REHEARSAL), wanted)


def test_tables_are_measured_as_the_engine_measures_them(
    workspace: Workspace, sim: Simulator
) -> None:
    statements.execute(sim, "CREATE TABLE main.default.sales AS SELECT 1 AS id, 'a' AS name")
    held, wrong, gone = verified(
        workspace,
        Expectation(table="main.default.sales", columns=("ID", "name"), rows=1),
        Expectation(table="main.default.sales", columns=("id",), rows=">= 2"),
        Expectation(table="main.default.salez"),
    )
    assert held.name == "table main.default.sales columns ID, name rows == 1"
    assert (held.outcome, held.saw) == ("held", "1 rows; columns id, name")
    assert held.measures == {"rows": 1, "columns": ["id", "name"]}
    assert (wrong.outcome, wrong.saw) == (
        "failed",
        "columns id, name; expected id; 1 rows; expected >= 2",
    )
    assert gone.outcome == "failed"
    assert "TABLE_OR_VIEW_NOT_FOUND" in gone.saw


def test_sql_holds_where_it_is_one_true(workspace: Workspace) -> None:
    texts = ("SELECT 1 = 1", "SELECT 1 = 2", "SELECT 1", "SELECT 1, 2", "SELECT nothing")
    found = verified(workspace, *(Expectation(sql=text) for text in texts))
    assert [c.outcome for c in found] == ["held", "failed", "failed", "failed", "failed"]
    assert found[1].saw == "False; expected true"


def test_what_would_write_is_not_asked_and_stays_unknown(workspace: Workspace) -> None:
    (check,) = verified(workspace, Expectation(sql="DELETE FROM main.default.sales"))
    assert check.outcome == "unknown"
    assert workspace.called("POST", "/sql/statements") == []


def test_without_a_warehouse_tables_are_unknown_and_it_is_said_what_to_set(
    workspace: Workspace,
) -> None:
    session = workspace.session()
    (check,) = checks.verify(session, (Expectation(table="main.default.sales"),))
    assert (check.outcome, "databricks.warehouse" in check.saw) == ("unknown", True)


def test_without_rights_on_the_warehouse_tables_are_unknown(
    workspace: Workspace, sim: Simulator
) -> None:
    statements.declare(
        sim,
        "sales",
        statements.Declared(error="[INSUFFICIENT_PERMISSIONS] no SELECT", state="42501"),
    )
    (check,) = verified(workspace, Expectation(table="main.default.sales"))
    assert (check.outcome, "INSUFFICIENT_PERMISSIONS" in check.saw) == ("unknown", True)


def test_files_of_the_workspace_and_of_volumes_are_looked_at(
    workspace: Workspace, sim: Simulator
) -> None:
    api = workspace.session().api
    content = base64.b64encode(b"id,name\n1,a\n2,b\n").decode()
    body = {"path": "/Shared/out.csv", "content": content, "format": "RAW", "overwrite": True}
    api.post("/api/2.0/workspace/import", body)
    raw = {"catalog_name": "main", "schema_name": "default", "name": "raw"}
    api.post("/api/2.1/unity-catalog/volumes", {**raw, "volume_type": "MANAGED"})
    dbfs.write(sim, "/Volumes/main/default/raw/out.csv", b"id\n1\n")
    found = verified(
        workspace,
        Expectation(file="/Workspace/Shared/out.csv", columns=("id", "name"), rows=2),
        Expectation(file="/Workspace/Shared/none.csv"),
        Expectation(file="/Shared"),
        Expectation(file="dbfs:/Volumes/main/default/raw/out.csv", rows=1),
        Expectation(file="/Volumes/main/default/raw/none.csv"),
        Expectation(file="out.csv"),
    )
    outcomes = [c.outcome for c in found]
    assert outcomes == ["held", "failed", "failed", "held", "failed", "unknown"], found
    assert found[0].measures["rows"] == 2
    assert {"bytes", "checksum", "columns"} <= set(found[0].measures)
    assert "no absolute path" in found[5].saw
