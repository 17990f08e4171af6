"""What the warehouse tells about a failure: real columns, rows, last writes, similar names."""

import pytest
from dbx_workspace import Workspace

from agent.errors import Unavailable
from agent.platforms.databricks.questions import STATEMENTS, Questions, named
from agent.playbook import Databricks
from agent.records import Failure, Line
from agent.simulators.databricks import Simulator, statements
from agent.simulators.databricks.statements import Declared

_NOT_FOUND = (
    "[TABLE_OR_VIEW_NOT_FOUND] The table or view `main`.`default`.`salez` cannot be found. "
    "Verify the spelling and correctness of the schema and catalog. SQLSTATE: 42P01"
)


def failed(message: str, *log: str, run: str = "1") -> Failure:
    lines = tuple(Line(source="x", number=n, text=t) for n, t in enumerate(log, 1))
    return Failure(phase="run", code="FAILED", message=message, log=lines, run=run)


def questions(workspace: Workspace) -> Questions:
    return Questions(workspace.session(databricks=Databricks(warehouse="rehearsal")))


@pytest.fixture(autouse=True)
def _sales(sim: Simulator) -> None:
    statements.execute(sim, "CREATE TABLE main.default.sales AS SELECT 1 AS amount, 'a' AS region")
    statements.execute(sim, "INSERT INTO main.default.sales VALUES (2, 'b')")


def test_the_tables_a_failure_or_its_code_names_are_found() -> None:
    code = 'df = spark.read.table("main.gold.sales")\nspark.sql("select * from silver.orders o")\n'
    assert named(failed(_NOT_FOUND), code) == (
        "main.default.salez",
        "main.gold.sales",
        "silver.orders",
    )
    assert named(failed("No module named 'pandas.core'"), "import a.b\nfrom a.b import c\n") == ()
    assert named(failed("division by zero"), "x = 1 / 0\n") == ()


def test_a_missing_table_brings_its_neighbours_and_the_columns_of_the_one_meant(
    workspace: Workspace,
) -> None:
    told = questions(workspace).about(failed(_NOT_FOUND))
    texts = [line.text for line in told.log if line.source == "warehouse"]
    assert texts[0].startswith("table main.default.salez does not exist")
    assert "tables of main.default: sales" in texts
    assert "table main.default.sales: 2 rows; columns amount, region" in texts
    known = {d.name: d for d in told.facts.datasets}
    assert known["main.default.sales"].columns == ("amount", "region")
    assert known["main.default.sales"].rows == 2


def test_a_table_that_is_there_brings_columns_rows_and_last_writes(workspace: Workspace) -> None:
    message = "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column with name `amout` cannot be resolved."
    told = questions(workspace).about(failed(message), "select amout from main.default.sales")
    (known,) = told.facts.datasets
    assert (known.name, known.columns, known.rows) == (
        "main.default.sales",
        ("amount", "region"),
        2,
    )
    writes = [line.text for line in told.log if "last write" in line.text]
    assert len(writes) == 2
    assert "WRITE" in writes[0]


def test_no_more_than_the_allowed_statements_are_sent(workspace: Workspace, sim: Simulator) -> None:
    for name in ("a", "b", "c", "d"):
        statements.execute(sim, f"CREATE TABLE main.default.{name} AS SELECT 1 AS x")
    code = (
        "select * from main.default.a join main.default.b join main.default.c from main.default.d"
    )
    questions(workspace).about(failed("x"), code)
    assert 0 < len(workspace.called("POST", "/sql/statements")) <= STATEMENTS


def test_without_a_warehouse_or_a_table_nothing_is_asked(workspace: Workspace) -> None:
    plain = failed(_NOT_FOUND)
    assert Questions(workspace.session()).about(plain) == plain
    other = failed("division by zero")
    assert questions(workspace).about(other) == other
    assert workspace.sim.calls == []


def test_a_slow_warehouse_is_waited_for_and_then_done_without(
    workspace: Workspace, sim: Simulator
) -> None:
    statements.declare(sim, "LIMIT 0", Declared(seconds=100_000), Declared(seconds=100_000))
    clock = [0.0]
    session = workspace.session(databricks=Databricks(warehouse="rehearsal"))
    asking = Questions(session, now=lambda: clock[0])
    with pytest.raises(Unavailable):
        asking.about(failed(_NOT_FOUND))
    clock[0] = 121.0
    told = asking.about(failed(_NOT_FOUND))
    assert "did not answer in 120 s" in told.log[-1].text
    assert told.message == _NOT_FOUND


def test_a_run_with_many_failures_asks_about_the_first_ones_only(workspace: Workspace) -> None:
    asking = questions(workspace)
    told = [
        asking.about(failed(f"table main.default.t{chr(97 + n)} is bad", run="7")) for n in range(8)
    ]
    assert [bool(f.log) for f in told] == [True] * 5 + [False] * 3
