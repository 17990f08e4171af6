"""Statements through the warehouse: read-only, never waiting, failures as values."""

import pytest
from dbx_workspace import Workspace

from agent.errors import Unavailable
from agent.platforms.databricks import compute, sql
from agent.platforms.databricks.session import Session
from agent.platforms.databricks.sql import Parameter, Rows, SqlFailed, Statements
from agent.playbook import Databricks
from agent.simulators.databricks import Simulator, statements
from agent.simulators.databricks.service import Options
from agent.simulators.databricks.statements import Declared

REHEARSAL = Databricks(warehouse="Rehearsal")


def asking(workspace: Workspace) -> tuple[Session, Statements]:
    session = workspace.session(databricks=REHEARSAL)
    return session, Statements(session)


@pytest.mark.parametrize(
    "text",
    [
        "select 1",
        "-- why\nwith a as (select 1) select * from a",
        "(select 1) union all (select 2)",
        "SHOW TABLES IN main.gold",
        "DESCRIBE TABLE EXTENDED main.gold.sales",
        "describe history main.gold.`sales 1` limit 3",
        "EXPLAIN FORMATTED select * from main.gold.sales",
        "values (1)",
        "select count(*) > 0 from main.gold.sales;",
    ],
)
def test_what_only_reads_passes(text: str) -> None:
    assert sql.refusal(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "drop table main.gold.sales",
        "select 1; drop table main.gold.sales",
        "with a as (select 1) insert into b select * from a",
        "explain drop table x",
        "explain select 1; drop table x",
        "describe history x; drop table y",
        "merge into a using b on a.x = b.x when matched then delete",
        "select http_request(conn => 'c', method => 'POST', path => '/')",
        "select 1 into x",
        "show tables; drop table x",
        "vacuum x",
        "grant select on table a to b",
        "use catalog x",
        "call f()",
        "selec 1",
        "",
    ],
)
def test_what_does_more_is_refused_before_anything_is_sent(text: str) -> None:
    assert sql.refusal(text) is not None


def test_a_refused_statement_makes_no_call(workspace: Workspace) -> None:
    session, asked = asking(workspace)
    answer = asked.run("drop table main.default.sales")
    assert isinstance(answer, SqlFailed)
    assert answer.error_code == "NOT_READ_ONLY"
    assert "DROP" in answer.message
    assert session.api.calls == 0


def test_answers_have_their_types_and_parameters(workspace: Workspace, sim: Simulator) -> None:
    statements.execute(sim, "CREATE TABLE main.default.sales AS SELECT 1 AS id, 'a' AS name")
    _, asked = asking(workspace)
    answer = asked.run(
        "SELECT id, name, id = 1 AS one FROM main.default.sales WHERE name = :name",
        (Parameter("name", "a"),),
    )
    assert answer == Rows(("id", "name", "one"), ((1, "a", True),))


def test_a_statement_that_fails_with_http_200_is_a_value(workspace: Workspace) -> None:
    _, asked = asking(workspace)
    answer = asked.run("SELECT * FROM main.default.salez")
    assert isinstance(answer, SqlFailed)
    assert answer.condition == "TABLE_OR_VIEW_NOT_FOUND"
    assert answer.sqlstate == "42P01"


def test_a_statement_that_runs_is_gone_on_with_and_not_sent_twice(
    workspace: Workspace, sim: Simulator
) -> None:
    statements.declare(sim, "42 AS slow", Declared(seconds=90))
    _, asked = asking(workspace)
    for _ in range(3):
        with pytest.raises(Unavailable) as caught:
            asked.run("SELECT 42 AS slow")
        assert caught.value.retry_after_s == 2.0
    workspace.pass_time(91)
    assert asked.run("SELECT 42 AS slow") == Rows(("slow",), ((42,),))
    assert len(workspace.called("POST", "/sql/statements")) == 1
    (sent,) = workspace.called("POST", "/sql/statements")
    assert (sent["wait_timeout"], sent["on_wait_timeout"]) == ("50s", "CONTINUE")


def test_all_chunks_are_read_up_to_the_bound(workspace: Workspace, sim: Simulator) -> None:
    statements.execute(sim, "CREATE TABLE main.default.many AS SELECT * FROM range(5000) t(id)")
    _, asked = asking(workspace)
    answer = asked.run("SELECT id FROM main.default.many ORDER BY id")
    assert isinstance(answer, Rows)
    assert [row[0] for row in answer.rows] == list(range(sql.ROWS))
    assert answer.cut


def test_an_answer_is_kept_until_it_is_forgotten(workspace: Workspace) -> None:
    _, asked = asking(workspace)
    asked.run("SELECT 1")
    asked.run("SELECT 1")
    assert len(workspace.called("POST", "/sql/statements")) == 1
    asked.forget()
    asked.run("SELECT 1")
    assert len(workspace.called("POST", "/sql/statements")) == 2


def test_secrets_in_an_answer_are_masked(workspace: Workspace) -> None:
    _, asked = asking(workspace)
    token = "dapi" + "0123456789abcdef" * 2
    answer = asked.run(f"SELECT '{token}' AS name")
    assert isinstance(answer, Rows)
    assert token not in str(answer.rows)


@pytest.mark.parametrize("named", [None, "nowhere", "0123456789abcdef"])
def test_without_a_warehouse_the_answer_says_what_to_set(
    workspace: Workspace, named: str | None
) -> None:
    session = workspace.session(databricks=Databricks(warehouse=named))
    answer = Statements(session).run("SELECT 1")
    assert isinstance(answer, SqlFailed)
    assert answer.error_code == "NO_WAREHOUSE"
    assert ("databricks.warehouse" if named is None else named) in answer.message


def test_a_stopped_warehouse_is_started_waited_for_and_stopped_at_the_end(
    workspace: Workspace, sim: Simulator
) -> None:
    sim.options = Options(realistic=True)
    session, asked = asking(workspace)
    for _ in range(2):
        with pytest.raises(Unavailable, match="rehearsal"):
            asked.run("SELECT 1")
    workspace.pass_time(121)
    assert isinstance(asked.run("SELECT 1"), Rows)
    assert len(workspace.called("POST", "/start")) == 1
    elsewhere = workspace.session(databricks=REHEARSAL)  # after a crash: the same folder
    began = session.kept("compute", "started")
    (entry,) = began.values()
    said = compute.close(elsewhere, now=lambda: entry["at"] + 3700)
    named = f"warehouse rehearsal ({sent_id(workspace)})"
    assert said == (f"stopped {named}, which we had started; it ran 1 h 1 min",)
    assert compute.close(session) == ()
    assert len(workspace.called("POST", "/stop")) == 1


def sent_id(workspace: Workspace) -> str:
    return str(workspace.called("POST", "/sql/statements")[0]["warehouse_id"])


def test_a_warehouse_that_somebody_else_started_is_not_stopped(workspace: Workspace) -> None:
    session, asked = asking(workspace)
    asked.run("SELECT 1")
    assert compute.close(session) == ()
    assert workspace.called("POST", "/stop") == []


def test_a_start_whose_reply_was_lost_is_stopped_too(workspace: Workspace, sim: Simulator) -> None:
    sim.options = Options(realistic=True)
    sim.faults.add("POST /api/*/start", "drop_after")
    session, asked = asking(workspace)
    with pytest.raises(Unavailable):
        asked.run("SELECT 1")
    assert len(compute.close(session)) == 1
    assert len(workspace.called("POST", "/stop")) == 1
