"""SQL statements on the simulated workspace, as databricks-sdk sends and reads them."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from databricks.sdk.errors import BadRequest, InvalidParameterValue, NotFound
from databricks.sdk.service import sql
from sim_sdk import client

from agent.simulators.databricks import (
    Options,
    Simulator,
    VirtualClock,
    describing,
    lakehouse,
    statements,
    warehouses,
)
from agent.simulators.databricks.querying import Result
from agent.simulators.databricks.sqlerrors import SqlError
from agent.simulators.databricks.statements import Declared


def ok(sim: Simulator, text: str) -> Result:
    result = statements.execute(sim, text)
    assert isinstance(result, Result), result
    return result


def failed(sim: Simulator, text: str) -> SqlError:
    result = statements.execute(sim, text)
    assert isinstance(result, SqlError), result
    return result


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Give tables to tests that only read."""
    with Simulator(tmp_path_factory.mktemp("shop"), clock=VirtualClock()) as simulator:
        yield fill(simulator)


@pytest.fixture
def orders(sim: Simulator) -> Simulator:
    return fill(sim)


def fill(sim: Simulator) -> Simulator:
    ok(sim, "CREATE SCHEMA main.gold")
    ok(
        sim,
        "CREATE TABLE main.gold.orders "
        "(order_id BIGINT NOT NULL, amount DECIMAL(10,2), who STRING)",
    )
    ok(sim, "INSERT INTO main.gold.orders VALUES (1, 10.5, 'ann'), (2, NULL, 'bob')")
    return sim


def test_the_sdk_reads_rows_types_and_nulls(shop: Simulator) -> None:
    reply = client(shop).statement_execution.execute_statement(
        "SELECT order_id, amount, who, amount > 1 AS big FROM orders ORDER BY order_id",
        warehouses.default_id(shop),
        catalog="main",
        schema="gold",
    )
    assert reply.status
    assert reply.manifest
    assert reply.manifest.schema
    assert reply.result
    assert reply.status.state is sql.StatementState.SUCCEEDED
    types = [(c.name, c.type_text, c.type_name) for c in reply.manifest.schema.columns or []]
    assert types == [
        ("order_id", "BIGINT", sql.ColumnInfoTypeName.LONG),
        ("amount", "DECIMAL(10,2)", sql.ColumnInfoTypeName.DECIMAL),
        ("who", "STRING", sql.ColumnInfoTypeName.STRING),
        ("big", "BOOLEAN", sql.ColumnInfoTypeName.BOOLEAN),
    ]
    assert reply.result.data_array == [["1", "10.50", "ann", "true"], ["2", None, "bob", None]]


def test_named_parameters_are_typed_and_null_without_a_value(shop: Simulator) -> None:
    reply = client(shop).statement_execution.execute_statement(
        "SELECT :n + 1 AS n, :t AS t, :none AS none FROM IDENTIFIER(:table) LIMIT 1",
        warehouses.default_id(shop),
        parameters=[
            sql.StatementParameterListItem(name="n", value="41", type="INT"),
            sql.StatementParameterListItem(name="t", value="it's"),
            sql.StatementParameterListItem(name="none"),
            sql.StatementParameterListItem(name="table", value="main.gold.orders"),
        ],
    )
    assert reply.result
    assert reply.result.data_array == [["42", "it's", None]]


def test_a_failed_statement_is_http_200_with_sparks_words(
    orders: Simulator, http: httpx.Client
) -> None:
    body = {
        "warehouse_id": warehouses.default_id(orders),
        "statement": "SELECT order_id,\n  amout FROM main.gold.orders",
    }
    reply = http.post("/api/2.0/sql/statements", json=body)
    assert reply.status_code == 200
    status = reply.json()["status"]
    assert status["state"] == "FAILED"
    assert status["sql_state"] == "42703"
    assert status["error"]["error_code"] == "BAD_REQUEST"
    assert status["error"]["message"] == (
        "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter with name "
        "`amout` cannot be resolved. Did you mean one of the following? [`amount`, `who`, "
        "`order_id`]. SQLSTATE: 42703; line 2 pos 2"
    )
    assert "manifest" not in reply.json()


ORDERS = "FROM main.gold.orders"
MALFORMED = 'the type "STRING" cannot be cast to "INT" because it is malformed.'
TOLD = (
    (
        "SELECT * FROM main.gold.nope",
        "42P01",
        "[TABLE_OR_VIEW_NOT_FOUND] The table or view `main`.",
    ),
    ("SELECT * FROM main.gold.nope", "42P01", "`gold`.`nope` cannot be found."),
    ("SELECT * FROM main.gold.nope", "42P01", "SQLSTATE: 42P01; line 1 pos 14"),
    (f"SELECT o.amout {ORDERS} o", "42703", "name `o`.`amout` cannot be resolved. Did you mean"),
    (f"SELECT o.amout {ORDERS} o", "42703", "one of the following? [`o`.`amount`"),
    (f"SELECT a b c {ORDERS}", "42601", "\n[PARSE_SYNTAX_ERROR] Syntax error at or near 'c'."),
    (f"SELECT a b c {ORDERS}", "42601", "SQLSTATE: 42601 (line 1, pos 11)\n\n== SQL ==\n"),
    ("SELECT 1 FROM", "42601", "Syntax error at or near end of input"),
    ("SELECT 1; SELECT 2", "42601", "at or near 'SELECT'. SQLSTATE: 42601 (line 1, pos 10)"),
    (f"SELECT order_id / 0 {ORDERS}", "22012", "[DIVIDE_BY_ZERO] Division by zero. Use `try_div"),
    ("SELECT 1 / 0", "22012", "== SQL (line 1, position 8) ==\nSELECT 1 / 0\n       ^^^^^"),
    (f"SELECT CAST(who AS INT) {ORDERS}", "22018", "[CAST_INVALID_INPUT] The value 'ann' of "),
    (f"SELECT CAST(who AS INT) {ORDERS}", "22018", MALFORMED),
    ("SELECT to_date('soon')", "22018", 'cannot be cast to "DATE"'),
    ("SELECT nofunction(1)", "42883", "[UNRESOLVED_ROUTINE] Cannot resolve routine `nofunction`"),
    ("CREATE SCHEMA main.gold", "42P06", "[SCHEMA_ALREADY_EXISTS]"),
    ("CREATE TABLE main.gold.orders (a INT)", "42P07", "[TABLE_OR_VIEW_ALREADY_EXISTS]"),
    (
        "CREATE TABLE main.silver.t (a INT)",
        "42704",
        "[SCHEMA_NOT_FOUND] The schema `main`.`silver`",
    ),
    ("DROP SCHEMA main.gold", "2BP01", "[SCHEMA_NOT_EMPTY]"),
    ("INSERT INTO main.gold.orders VALUES (NULL, 1, 'x')", "23502", "for column: order_id."),
    ("INSERT INTO main.gold.orders VALUES (3)", "21S01", "NOT_ENOUGH_DATA_COLUMNS]"),
    (f"SELECT who, count(*) {ORDERS}", "42803", "[MISSING_AGGREGATION]"),
    ("SELECT a FROM (SELECT 1 a), (SELECT 2 a)", "42704", "[AMBIGUOUS_REFERENCE]"),
    ("SELECT CAST(300 AS TINYINT)", "22003", "[ARITHMETIC_OVERFLOW]"),
    ("SELECT :missing", "42P02", "[UNBOUND_SQL_PARAMETER]"),
    ("SELECT raise_error('no rows today')", "P0001", "[USER_RAISED_EXCEPTION] no rows today"),
    ("SHOW TABLES IN main.silver", "42704", "[SCHEMA_NOT_FOUND]"),
)


@pytest.mark.parametrize(("text", "state", "message"), TOLD)
def test_duckdbs_errors_are_told_as_spark_tells_them(
    shop: Simulator, text: str, state: str, message: str
) -> None:
    error = failed(shop, text)
    assert error.state == state
    assert message in error.message
    assert ok(shop, "SELECT count(*) FROM main.gold.orders").rows == [(2,)]


def test_a_merge_with_two_rows_for_one_changes_nothing(orders: Simulator) -> None:
    merge = (
        "MERGE INTO main.gold.orders t USING (SELECT 1 AS order_id, 'x' AS who UNION ALL "
        "SELECT {second}, 'y') s ON t.order_id = s.order_id "
        "WHEN MATCHED THEN UPDATE SET t.who = s.who "
        "WHEN NOT MATCHED THEN INSERT (order_id, who) VALUES (s.order_id, s.who)"
    )
    error = failed(orders, merge.format(second=1))
    assert error.condition == "DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE"
    assert ok(orders, "SELECT who FROM main.gold.orders WHERE order_id = 1").rows == [("ann",)]
    counts = ok(orders, merge.format(second=9))
    assert [field.name for field in counts.fields] == [
        "num_affected_rows",
        "num_updated_rows",
        "num_deleted_rows",
        "num_inserted_rows",
    ]
    assert counts.rows == [(2, 1, 0, 1)]


def test_what_a_diagnosis_asks_is_answered(orders: Simulator) -> None:
    assert ok(orders, "SHOW TABLES IN main.gold").rows == [("gold", "orders", "false")]
    assert ("gold",) in ok(orders, "SHOW SCHEMAS IN main").rows
    described = ok(orders, "DESCRIBE TABLE EXTENDED main.gold.orders").rows
    assert described[:3] == [
        ("order_id", "bigint", None),
        ("amount", "decimal(10,2)", None),
        ("who", "string", None),
    ]
    assert ("Type", "MANAGED", "") in described
    ok(orders, "DELETE FROM main.gold.orders WHERE order_id = 2")
    history = ok(orders, "DESCRIBE HISTORY main.gold.orders").rows
    assert [(row[0], row[3]) for row in history] == [
        (2, "DELETE"),
        (1, "WRITE"),
        (0, "CREATE TABLE"),
    ]
    columns = "SELECT column_name FROM main.information_schema.columns WHERE table_name = 'orders'"
    assert len(ok(orders, columns).rows) == 3
    assert ok(orders, "SELECT current_user()").rows == [(orders.user,)]
    assert "Physical Plan" in ok(orders, "EXPLAIN SELECT * FROM main.gold.orders").rows[0][0]


def test_functions_and_views_of_users_can_be_queried(orders: Simulator) -> None:
    table = "RETURNS TABLE (id BIGINT) RETURN SELECT order_id FROM main.gold.orders"
    ok(orders, f"CREATE FUNCTION main.gold.above(low INT) {table} WHERE order_id > low")
    ok(orders, "CREATE FUNCTION main.gold.twice(n INT) RETURNS INT RETURN n * 2")
    ok(orders, "CREATE VIEW main.gold.people AS SELECT who FROM main.gold.orders")
    assert ok(orders, "SELECT * FROM main.gold.above(1)").rows == [(2,)]
    assert ok(orders, "SELECT main.gold.twice(4)").rows == [(8,)]
    assert len(ok(orders, "SELECT * FROM main.gold.people").rows) == 2


def test_keys_are_taken_and_not_enforced_as_in_unity_catalog(sim: Simulator) -> None:
    columns = "id BIGINT GENERATED ALWAYS AS IDENTITY, k INT, PRIMARY KEY (k)"
    ok(sim, f"CREATE TABLE t ({columns}) USING DELTA CLUSTER BY (k)")
    ok(sim, "INSERT INTO t (k) VALUES (7), (7)")
    assert ok(sim, "SELECT * FROM main.default.t ORDER BY id").rows == [(1, 7), (2, 7)]


def test_rows_come_in_chunks_and_a_limit_is_said(shop: Simulator) -> None:
    api = client(shop).statement_execution
    warehouse = warehouses.default_id(shop)
    reply = api.execute_statement("SELECT * FROM range(12000)", warehouse)
    assert reply.manifest
    assert reply.result
    assert reply.statement_id
    assert reply.manifest.total_chunk_count == 3
    rows, chunk = list(reply.result.data_array or []), reply.result
    while chunk.next_chunk_index is not None:
        chunk = api.get_statement_result_chunk_n(reply.statement_id, chunk.next_chunk_index)
        rows += chunk.data_array or []
    assert [int(row[0]) for row in rows] == list(range(12000))
    limited = api.execute_statement("SELECT * FROM range(12000)", warehouse, row_limit=10)
    assert limited.manifest
    assert (limited.manifest.total_row_count, limited.manifest.truncated) == (10, True)


def test_external_links_need_no_token(shop: Simulator) -> None:
    reply = client(shop).statement_execution.execute_statement(
        "SELECT 1 AS a, 'x' AS b",
        warehouses.default_id(shop),
        disposition=sql.Disposition.EXTERNAL_LINKS,
        format=sql.Format.CSV,
    )
    assert reply.result
    assert reply.result.external_links
    link = reply.result.external_links[0].external_link
    assert httpx.get(link or "", trust_env=False).text.split() == ["a,b", "1,x"]


@pytest.mark.parametrize("wait", ["300s", "4s", "51s", "10", "1m"])
def test_a_wait_that_the_service_refuses_is_refused(shop: Simulator, wait: str) -> None:
    api = client(shop).statement_execution
    with pytest.raises(InvalidParameterValue, match="between 5s and 50s"):
        api.execute_statement("SELECT 1", warehouses.default_id(shop), wait_timeout=wait)


def test_unknown_warehouses_and_statements_are_refused(shop: Simulator) -> None:
    api = client(shop).statement_execution
    with pytest.raises(BadRequest, match="0123456789abcdef is not a valid endpoint id"):
        api.execute_statement("SELECT 1", "0123456789abcdef")
    with pytest.raises(NotFound):
        api.get_statement("01f0-none")


def test_a_stopped_warehouse_starts_by_itself_and_the_statement_waits(tmp_path: Path) -> None:
    clock = VirtualClock()
    with Simulator(tmp_path, clock=clock, options=Options(realistic=True)) as sim:
        api = client(sim)
        warehouse = warehouses.default_id(sim)
        assert api.warehouses.get(warehouse).state is sql.State.STOPPED
        sent = api.statement_execution.execute_statement("SELECT 1", warehouse)
        assert sent.status
        assert sent.statement_id
        assert sent.status.state is sql.StatementState.PENDING
        assert api.warehouses.get(warehouse).state is sql.State.STARTING
        clock.advance(warehouses.START_S)
        done = api.statement_execution.get_statement(sent.statement_id)
        assert done.status
        assert done.status.state is sql.StatementState.SUCCEEDED
        clock.advance(11 * 60)
        assert api.warehouses.get(warehouse).state is sql.State.STOPPED


def test_a_cancelled_statement_has_written_nothing(orders: Simulator) -> None:
    statements.declare(orders, "INSERT", Declared(seconds=30), Declared(seconds=30))
    api = client(orders).statement_execution
    insert = "INSERT INTO main.gold.orders VALUES (3, 3, 'cy')"
    first = api.execute_statement(insert, warehouses.default_id(orders), wait_timeout="0s")
    second = api.execute_statement(insert, warehouses.default_id(orders), wait_timeout="5s")
    assert first.statement_id
    assert second.statement_id
    assert second.status
    assert second.status.state is sql.StatementState.RUNNING
    api.cancel_execution(first.statement_id)
    orders.clock.advance(31)
    states = [api.get_statement(s).status.state for s in (first.statement_id, second.statement_id)]  # type: ignore[union-attr]
    assert states == [sql.StatementState.CANCELED, sql.StatementState.SUCCEEDED]
    assert ok(orders, "SELECT count(*) FROM main.gold.orders").rows == [(3,)]


def test_on_wait_timeout_cancel_ends_what_takes_longer(sim: Simulator) -> None:
    statements.declare(sim, "SELECT", Declared(seconds=30))
    api = client(sim).statement_execution
    sent = api.execute_statement(
        "SELECT 1",
        warehouses.default_id(sim),
        wait_timeout="5s",
        on_wait_timeout=sql.ExecuteStatementRequestOnWaitTimeout.CANCEL,
    )
    sim.clock.advance(6)
    status = api.get_statement(sent.statement_id or "").status
    assert status
    assert status.state is sql.StatementState.CANCELED


def test_statements_of_several_threads_do_not_lose_rows(orders: Simulator) -> None:
    api = client(orders).statement_execution
    warehouse = warehouses.default_id(orders)

    def insert(number: int) -> None:
        value = sql.StatementParameterListItem(name="n", value=str(number), type="BIGINT")
        insert = "INSERT INTO main.gold.orders VALUES (:n, 1, 'x')"
        api.execute_statement(insert, warehouse, parameters=[value])

    threads = [threading.Thread(target=insert, args=(number,)) for number in range(10, 16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ok(orders, "SELECT count(*) FROM main.gold.orders").rows == [(8,)]


def test_tables_survive_a_restart(tmp_path: Path) -> None:
    with Simulator(tmp_path, clock=VirtualClock()) as first:
        ok(first, "CREATE TABLE main.default.kept AS SELECT 1 AS a")
        assert lakehouse.create_catalog(first, "dev")
    with Simulator(tmp_path, clock=VirtualClock()) as second:
        assert ok(second, "SELECT * FROM kept").rows == [(1,)]
        assert ("dev",) in ok(second, "SHOW CATALOGS").rows


def test_a_file_of_statements_is_split_outside_strings_and_comments() -> None:
    text = "-- a; b\nSELECT ';' ;\n\n/* ; */ SELECT 2;\n;"
    assert statements.split(text) == ["-- a; b\nSELECT ';'", "/* ; */ SELECT 2"]


def test_warehouses_are_made_edited_stopped_and_deleted(sim: Simulator) -> None:
    api = client(sim).warehouses
    made = api.create(name="etl", cluster_size="2X-Small", max_num_clusters=1).result()
    assert made.id
    assert made.state is sql.State.RUNNING
    api.edit(made.id, name="etl", cluster_size="Medium").result()
    assert api.get(made.id).cluster_size == "Medium"
    assert api.stop(made.id).result().state is sql.State.STOPPED
    assert api.start(made.id).result().state is sql.State.RUNNING
    assert [one.name for one in api.list()] == ["rehearsal", "etl"]
    with pytest.raises(InvalidParameterValue, match="with name `etl` already exists"):
        api.create(name="etl")
    api.delete(made.id)
    with pytest.raises(NotFound, match="does not exist"):
        api.get(made.id)


def test_a_metric_view_is_kept_and_says_what_it_is(orders: Simulator) -> None:
    made = "CREATE VIEW main.gold.sales WITH METRICS LANGUAGE YAML AS $$ {body} $$"
    ok(orders, made.replace("{body}", "{version: '1.1', source: main.gold.orders}"))
    assert ("Type", "METRIC_VIEW", "") in ok(orders, "DESCRIBE EXTENDED main.gold.sales").rows
    assert describing.metric_views(orders) == [lakehouse.Name("main", "gold", "sales")]
    error = failed(orders, made.replace("{body}", "{version: '1.1'}"))
    assert "Missing required creator property 'source'" in error.message
    ok(orders, "DROP VIEW main.gold.sales")
    assert describing.metric_views(orders) == []


def test_a_statement_waits_while_another_process_holds_the_tables(orders: Simulator) -> None:
    api = client(orders).statement_execution
    lakehouse.release(orders)
    hold = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print(flush=True); input()"
    command = [sys.executable, "-c", hold, str(lakehouse.database(orders))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True) as holder:  # type: ignore[call-overload]
        holder.stdout.readline()
        sent = api.execute_statement("SELECT 1", warehouses.default_id(orders))
        assert sent.status.state is sql.StatementState.PENDING
        holder.communicate("\n")
    status = api.get_statement(sent.statement_id or "").status
    assert status.state is sql.StatementState.SUCCEEDED
