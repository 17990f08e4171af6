"""Looks at tables, SQL, files and requirements: one throw-away job, and it is gone afterwards."""

import base64
import gzip
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aidp_failed_stage import ROOT, Stage, notebook
from aidp_workspace import Workspace

from agent.errors import Unavailable
from agent.platforms.aidp import checks, layout, looking, requirements
from agent.platforms.aidp.checks import Tables
from agent.platforms.aidp.looking import Question
from agent.platforms.aidp.outputs import BEGIN, END
from agent.platforms.aidp.payloads import listed
from agent.platforms.aidp.session import Session
from agent.playbook import Expectation, Requirement
from agent.records import Check
from agent.simulators.aidp import Simulator, filestore
from agent.simulators.aidp.options import Options
from agent.simulators.aidp.outcomes import ANY, Outcome
from agent.simulators.faults import Kind

DEADLINE_S = 240.0
PAUSE = threading.Event()
TABLE = Expectation(table="sales.orders", columns=("id", "amount"), rows=">= 1")
SQL = Expectation(sql="select count(*) > 0 from sales.orders", name="orders are there")


@pytest.fixture
def stage(workspace: Workspace) -> Stage:
    """Give a workspace with a source."""
    return Stage(workspace, load=["1"])


def told(*answers: dict[str, Any]) -> Outcome:
    """Return how a look goes that gives these answers, in the order of the questions."""
    lines = []
    for number, answer in enumerate(answers):
        said = base64.b64encode(json.dumps({"id": number, **answer}).encode()).decode()
        lines.append(f"{BEGIN} {said} {END}\n")
    stream = {"output_type": "stream", "name": "stdout", "text": "".join(lines)}
    return Outcome(seconds=30, notebook=notebook({"source": "look", "outputs": [stream]}))


def settled(workspace: Workspace, look: Callable[[], tuple[Check, ...]]) -> tuple[Check, ...]:
    """Ask until there is an answer, as the runner does."""
    for _ in range(30):
        try:
            return look()
        except Unavailable as later:
            workspace.pass_time(later.retry_after_s or 5)
    raise AssertionError("no answer after 30 looks")


def verified(
    stage: Stage, *wanted: Expectation, session: Session | None = None
) -> tuple[Check, ...]:
    one = session or stage.session
    tables = Tables(one, stage.workspace.now)
    there = layout.of(stage.tree, ROOT)
    return settled(stage.workspace, lambda: checks.verify(one, wanted, tables, there))


def left_over(workspace: Workspace) -> list[str]:
    """Return what is left of looks in the workspace: jobs, files."""
    jobs = [job["name"] for _, job in workspace.sim.store.items("job") if "checks" in job["name"]]
    return [*jobs, *(path for path in filestore.paths(workspace.sim) if "checks" in path)]


def test_one_job_answers_everything_and_is_gone_afterwards(stage: Stage) -> None:
    work = stage.workspace
    outcome = told(
        {"columns": ["id", "amount"], "rows": 3, "checksum": "42"},
        {"columns": ["x"], "values": [[True]]},
    )
    work.declare(ANY, "look", outcome)
    table, sql = verified(stage, TABLE, SQL)
    assert (table.name, table.outcome) == (
        "table sales.orders columns id, amount rows >= 1",
        "held",
    )
    assert table.measures == {"rows": 3, "columns": ["id", "amount"], "checksum": "42"}
    assert (sql.name, sql.outcome, sql.saw) == ("orders are there", "held", "true")
    assert len(work.called("POST", "/jobRuns")) == 1
    assert left_over(work) == []
    names = [file.name for file in listed(work.state, "case")]
    assert any("create-job-checks" in name for name in names)
    assert any("run-job-checks" in name for name in names)


def test_the_job_runs_on_the_named_cluster_only(stage: Stage) -> None:
    stage.workspace.declare(ANY, "look", told({"columns": [], "rows": 0}))
    verified(stage, TABLE)
    (put,) = [c for c in stage.workspace.sim.calls if c.method == "PUT" and "/jobs/" in c.path]
    assert isinstance(put.body, dict)
    sim = stage.workspace.sim
    cluster = {"clusterKey": sim.cluster_key, "clusterName": sim.cluster_name}
    assert put.body["tasks"][0]["cluster"] == cluster
    assert put.body["tasks"][0]["notebookPath"].startswith(f"{ROOT}/.runmend-checks/")
    assert "schedule" not in put.body


def test_what_does_not_hold_has_failed(stage: Stage) -> None:
    missing = "[TABLE_OR_VIEW_NOT_FOUND] The table or view `sales`.`orders` cannot be found."
    outcome = told(
        {"error": missing, "kind": "AnalysisException"},
        {"columns": ["x"], "values": [[False]]},
    )
    stage.workspace.declare(ANY, "look", outcome)
    table, sql = verified(stage, TABLE, SQL)
    assert (table.outcome, table.saw) == ("failed", missing)
    assert (sql.outcome, sql.saw) == ("failed", "False; expected true")


def test_what_cannot_be_looked_at_is_unknown(stage: Stage) -> None:
    answers = [
        {"error": "name 'spark' is not defined", "kind": "NameError"},
        {"error": "[INSUFFICIENT_PERMISSIONS] no privilege", "kind": "AnalysisException"},
        {"error": "connection reset", "kind": "Py4JNetworkError"},
    ]
    stage.workspace.declare(ANY, "look", told(*answers))
    seen = verified(stage, *(Expectation(table=name) for name in ("a", "b", "c")))
    assert [check.outcome for check in seen] == ["unknown", "unknown", "unknown"]


def test_what_the_service_did_not_keep_is_unknown(stage: Stage) -> None:
    stage.workspace.sim.options = Options(cell_outputs="none")
    stage.workspace.declare(ANY, "look", told({"columns": [], "rows": 3}))
    (table,) = verified(stage, TABLE)
    assert (table.outcome, "kept no output" in table.saw) == ("unknown", True)
    assert left_over(stage.workspace) == []


def test_a_cluster_that_cannot_run_it_leaves_it_unknown(stage: Stage) -> None:
    stage.workspace.declare(ANY, "look", Outcome(status="FAILED", error="OSError: no disk"))
    (table,) = verified(stage, TABLE)
    assert table.outcome == "unknown"
    assert "ended as FAILED: OSError: no disk" in table.saw
    assert left_over(stage.workspace) == []


@pytest.mark.parametrize(
    ("cluster", "words"), [(None, "no cluster is named"), ("nowhere", "there is no such cluster")]
)
def test_without_a_cluster_nothing_is_made(stage: Stage, cluster: str | None, words: str) -> None:
    session = stage.workspace.connect(aidp={"cluster": cluster})
    (table,) = verified(stage, TABLE, session=session)
    assert table.outcome == "unknown"
    assert words in table.saw
    assert stage.workspace.called("POST", "/jobs") == []


@pytest.mark.parametrize(
    "sql",
    [
        "drop table sales.orders",
        "insert into a select 1",
        "select 1; select 2",
        "select java_method('a', 'b')",
    ],
)
def test_only_what_reads_is_sent(stage: Stage, sql: str) -> None:
    (check,) = verified(stage, Expectation(sql=sql))
    assert check.outcome == "unknown"
    assert "only statements that read are sent" in check.saw
    assert stage.workspace.sim.calls == []


def test_a_crash_in_the_middle_makes_no_second_job(stage: Stage) -> None:
    work = stage.workspace
    work.declare(ANY, "look", told({"columns": ["id", "amount"], "rows": 3}))
    for _ in range(3):  # each is a process of its own that ends while the look goes on
        session = work.connect()
        with pytest.raises(Unavailable):
            checks.verify(session, [TABLE], Tables(session, work.now), layout.of(stage.tree, ROOT))
    work.pass_time(60)
    (table,) = verified(stage, TABLE, session=work.connect())
    assert table.outcome == "held"
    assert len(work.called("POST", "/jobs")) == 1
    assert len(work.called("POST", "/jobRuns")) == 1
    assert left_over(work) == []


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        pytest.param("POST */jobs", "drop_after", marks=pytest.mark.slow),
        pytest.param("PUT */jobs/*", "500_after", marks=pytest.mark.slow),
        ("POST */jobRuns", "drop_after"),
        pytest.param("DELETE */jobs/*", "drop_after", marks=pytest.mark.slow),
    ],
)
def test_a_lost_reply_makes_no_second_job_or_run(stage: Stage, where: str, kind: Kind) -> None:
    stage.workspace.sim.faults.add(where, kind)
    assert looked_well(stage)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "500_after", "html"])
def test_a_fault_at_any_call_changes_no_verdict(stage: Stage, kind: Kind) -> None:
    faults = stage.workspace.sim.faults
    assert looked_well(stage)
    for number in range(len(stage.workspace.sim.calls)):
        faults.add("*", kind, after=number, seconds=0)
        assert looked_well(stage), f"{kind} at call {number}"
        faults.clear()


def looked_well(stage: Stage) -> bool:
    """Look at a table and say whether that came out well, by one job and one run."""
    work = stage.workspace
    before = {key for key, _ in work.sim.store.items("run")}
    work.declare(ANY, "look", told({"columns": ["id", "amount"], "rows": 3}))
    (table,) = verified(stage, TABLE, session=work.connect())
    made = [key for key, _ in work.sim.store.items("run") if key not in before]
    return table.outcome == "held" and len(made) == 1 and left_over(work) == []


def test_what_a_crash_left_is_deleted_at_the_end(stage: Stage) -> None:
    work = stage.workspace
    work.declare(ANY, "look", Outcome(seconds=5000))
    session = work.connect()
    tables = Tables(session, work.now)
    with pytest.raises(Unavailable):
        checks.verify(session, [TABLE], tables, layout.of(stage.tree, ROOT))
    assert left_over(work)
    again = Tables(work.connect(), work.now)
    assert settled(work, lambda: ([*again.close()] and ()) or ()) == ()
    assert left_over(work) == []
    assert again.close() == ()


def test_files_are_read_relative_to_the_source(stage: Stage) -> None:
    sim = stage.workspace.sim
    filestore.write(sim, f"{ROOT}/out/orders.csv", b"id,amount\n1,2\n3,4\n", "FILE")
    held, absent = verified(
        stage,
        Expectation(file="out/orders.csv", columns=("id", "amount"), rows=2),
        Expectation(file="/Workspace/Shared/nothing.csv"),
    )
    assert (held.outcome, held.saw) == ("held", "2 rows; columns id, amount")
    assert absent.outcome == "failed"
    assert stage.workspace.called("POST", "/jobs") == []


def test_files_of_a_volume_are_read_by_the_cluster(stage: Stage) -> None:
    content = base64.b64encode(gzip.compress(b"id,amount\n1,2\n")).decode()
    stage.workspace.declare(ANY, "look", told({"bytes": 14, "content": content}, {"bytes": 9**9}))
    small, large = verified(
        stage,
        Expectation(file="/Volumes/main/sales/raw/orders.csv", rows=1),
        Expectation(file="/Volumes/main/sales/raw/all.csv", rows=1),
    )
    assert (small.outcome, large.outcome) == ("held", "unknown")


def required(stage: Stage, *wanted: Requirement) -> tuple[Check, ...]:
    tables = Tables(stage.session, stage.workspace.now)
    there = layout.of(stage.tree, ROOT)
    return settled(
        stage.workspace, lambda: requirements.required(stage.session, wanted, tables, there)
    )


def test_what_a_playbook_requires_is_looked_at_together(stage: Stage) -> None:
    work = stage.workspace
    name = work.sim.cluster_name
    gone = "[SCHEMA_NOT_FOUND] The schema `lost` cannot be found."
    work.declare(
        ANY,
        "look",
        told(
            {"columns": ["id"]},
            {"error": gone, "kind": "AnalysisException"},
            {"folder": True},
        ),
    )
    seen = required(
        stage,
        Requirement(table="sales.orders"),
        Requirement(schema_="lost"),
        Requirement(volume="main.sales.raw"),
        Requirement(cluster=name),
        Requirement(cluster="nowhere"),
        Requirement(job="never_made.job"),
        Requirement(endpoint="chat"),
    )
    assert [check.outcome for check in seen] == [
        "held",
        "failed",
        "held",
        "held",
        "failed",
        "failed",
        "unknown",
    ]
    assert len(work.called("POST", "/jobRuns")) == 1


def test_a_required_job_must_have_ended_well(stage: Stage) -> None:
    work = stage.workspace
    job = stage.job(stage.task("load"))
    work.declare("etl_daily.job", "load", Outcome(), Outcome(status="FAILED"))
    (never,) = required(stage, Requirement(job="etl_daily.job"))
    assert (never.outcome, "no run that has ended" in never.saw) == ("failed", True)
    stage.run(job)
    (well,) = required(stage, Requirement(job=job))
    assert well.outcome == "held"
    stage.run(job)
    (badly,) = required(stage, Requirement(job="etl_daily.job"))
    assert "ended as FAILED" in badly.saw


def test_the_notebook_writes_nothing_and_survives_what_it_asks() -> None:
    asked = [Question("sql", 'select \'""" {x}\' -- \\ \n'), Question("table", "`a`.`b`")]
    (cell,) = json.loads(looking.notebook(asked))["cells"]
    code = "".join(cell["source"])
    compile(code, "look", "exec")
    spark = _Spark()
    printed: list[str] = []
    exec(code, {"spark": spark, "print": printed.append})  # noqa: S102  what a cluster does
    assert spark.asked[0] == asked[0].what
    assert len(printed) == 2


class _Frame:
    """What the look asks of a frame."""

    columns = ("x",)

    def take(self, most: int) -> list[tuple[int]]:
        assert most == 2
        return [(1,)]

    def collect(self) -> list[tuple[int]]:
        return [(1,)]


class _Spark:
    """A session that takes down what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def sql(self, text: str) -> _Frame:
        self.asked.append(text)
        return _Frame()


@pytest.mark.slow
def test_a_look_and_a_failure_run_for_real(tmp_path: Path, cache: Path) -> None:
    with Simulator(tmp_path / "w", cache=cache) as sim:
        stage = Stage(
            Workspace(sim, tmp_path),
            load=[
                "spark.sql('create schema if not exists lake.bronze')",
                "spark.sql('create table lake.bronze.events as select 1 as id, 2.5 as amount')",
                "rows = 0\nshare = 1 / rows",
            ],
        )
        run = stage.run(stage.job(stage.task("load")), seconds=0)
        await_end(stage, run)
        (failure,) = stage.failures(run)
        assert failure.message == "ZeroDivisionError: division by zero"
        assert failure.location is not None
        assert failure.location.place == "load.ipynb cell 3:2"
        assert failure.location.code == "share = 1 / rows"
        wanted = [
            Expectation(table="lake.bronze.events", columns=("id", "amount"), rows=1),
            Expectation(table="lake.bronze.nothing"),
            Expectation(sql="select count(*) = 1 from lake.bronze.events"),
            Expectation(sql="select lost from lake.bronze.events"),
            Expectation(sql="show tables in lake.bronze"),
        ]
        tables = Tables(stage.session, stage.workspace.now)
        seen = None
        until = time.monotonic() + DEADLINE_S
        while seen is None and time.monotonic() < until:
            try:
                seen = checks.verify(stage.session, wanted, tables, layout.of(stage.tree, ROOT))
            except Unavailable:
                PAUSE.wait(0.2)
        assert seen is not None
        outcomes = [check.outcome for check in seen]
        assert outcomes == ["held", "failed", "held", "failed", "failed"], seen
        assert left_over(stage.workspace) == []


def await_end(stage: Stage, run: str) -> None:
    """Wait for a run on the machine's own time."""
    until = time.monotonic() + DEADLINE_S
    while stage.status(run).state == "running" and time.monotonic() < until:
        PAUSE.wait(0.2)
