"""Notebooks and Python files that run for real, on tables, with their own words when they fail."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aidp_jobs_stage import task
from aidp_sim_real_stage import ended, put_file, put_notebook, python_task
from aidp_sim_runs_stage import cells, fetch, job_of, look, start, statuses, task_run
from aidp_sim_stage import client
from sim_shared import PAUSE, served

from agent.simulators.aidp import Simulator, runtime, tables

_LOAD = """
spark.sql("create table if not exists lake.bronze.events (id int, amount decimal(10,2))")
amount = oidlUtils.parameters.getParameter("amount", "0")
spark.sql(f"insert into lake.bronze.events values (1, 1.50), (2, {amount})")
"""
_LOOK = """
row = spark.sql("select count(*) as n, sum(amount) as total from lake.bronze.events").first()
print("<<<", row.n, row["total"], row.asDict(), ">>>")
oidlUtils.notebook.exit({"n": row.n})
"""


@pytest.fixture
def real(tmp_path: Path, cache: Path) -> Iterator[Simulator]:
    """Give a served workspace on the machine's own time."""
    with served(Simulator(tmp_path / "w", cache=cache)) as sim:
        yield sim


@pytest.mark.slow
def test_notebooks_and_files_run_for_real(real: Simulator) -> None:
    put_notebook(real, "load", "spark.sql('create schema if not exists lake.bronze')", _LOAD)
    put_notebook(real, "look", "import helper", _LOOK, "raise SystemError('not reached')")
    put_file(real, "helper.py", "VALUE = 1\n")
    script = "import sys\nprint('got', sys.argv[1:], spark.table('lake.bronze.events').count())\n"
    path = put_file(real, "tell.py", script)
    with client(real) as http:
        load = task(real, "load", parameters=[{"name": "amount", "value": "2.25"}])
        tell = python_task(real, "tell", path, "--date {{job.parameters.day}} 'a b'", "look")
        job = job_of(
            http,
            load,
            task(real, "look", "load"),
            tell,
            parameters=[{"name": "day", "value": "2026-07-01"}],
        )
        run = ended(http, start(http, job)["key"])
        assert statuses(run) == {"load": "SUCCESS", "look": "SUCCESS", "tell": "SUCCESS"}, run
        found = fetch(http, run["taskToTaskRunMap"]["look"])
        assert found["outputParameters"] == [{"name": "exitValue", "value": '{"n": 2}'}]
        text = cells(found)[1]["outputs"][0]["text"]
        assert text.startswith("<<< 2 3.75 {'n': 2, 'total': Decimal('3.75')} >>>")
        assert cells(found)[2]["outputs"] == []
        data = fetch(http, run["taskToTaskRunMap"]["tell"])["data"][0]
        assert data["type"] == "TEXT_PLAIN"
        assert data["value"] == "got ['--date', '2026-07-01', 'a b'] 2\n"


@pytest.mark.slow
def test_spark_takes_what_can_be_said_in_sql(tmp_path: Path) -> None:
    command = [sys.executable, "-I", str(Path(tables.__file__)), str(tmp_path / "tables")]
    spark = runtime.Spark(command)
    made = spark.createDataFrame([{"a": 1, "b": "it's"}, {"a": 2, "b": None}])
    made.write.mode("overwrite").saveAsTable("silver")
    made.limit(1).write.mode("append").saveAsTable("silver")
    assert spark.catalog.tableExists("silver")
    assert not spark.catalog.tableExists("gold")
    found = spark.table("silver").filter("b is not null").select("a", "upper(b) as big")
    assert [row.asDict() for row in found.collect()] == [{"a": 1, "big": "IT'S"}] * 2
    assert found.columns == ["a", "big"]
    found.createOrReplaceTempView("loud")
    assert spark.sql("select count(*) as n from loud where big = :w", {"w": "IT'S"}).first().n == 2
    assert spark.range(2, 5).orderBy("id desc").head(1)[0]["id"] == 4
    with pytest.raises(runtime.AnalysisException, match="TABLE_OR_VIEW_NOT_FOUND"):
        spark.table("gold")
    with pytest.raises(TypeError, match="SQL as text"):
        found.filter(found.count() == 1)  # type: ignore[arg-type]  # what pyspark's columns are
    spark.stop()


@pytest.mark.slow
def test_a_task_goes_on_while_the_simulator_is_away(tmp_path: Path, cache: Path) -> None:
    with Simulator(tmp_path / "w", cache=cache) as sim, client(sim) as http:
        put_notebook(sim, "a", "import time\ntime.sleep(4)\nprint('still here')")
        key = start(http, job_of(http, task(sim, "a")))["key"]
        while statuses(look(http, key)).get("a") != "RUNNING":
            PAUSE.wait(0.05)
    with Simulator(tmp_path / "w", cache=cache) as sim, client(sim) as http:
        run = ended(http, key)
        assert run["state"]["status"] == "SUCCESS"
        book = cells(fetch(http, run["taskToTaskRunMap"]["a"]))
        assert book[0]["outputs"][0]["text"] == "still here\n"


@pytest.mark.slow
def test_what_fails_says_why_and_a_repair_takes_the_new_file(real: Simulator) -> None:
    put_notebook(real, "a", "x = {'a': 1}", "print('before')\nx['b']", "print('after')")
    put_notebook(real, "leaves", "import sys\nsys.exit(0)")
    put_notebook(real, "sql", "spark.table('nowhere.at_all')")
    path = put_file(real, "bad.py", "def f():\n    return 1 / 0\n\nf()\n")
    with client(real) as http:
        others = [task(real, "leaves"), task(real, "sql"), task(real, "gone")]
        job = job_of(http, task(real, "a"), python_task(real, "bad", path, ""), *others)
        run = ended(http, start(http, job)["key"])
        assert set(statuses(run).values()) == {"FAILED"}
        one = task_run(http, run, "a")
        assert one["state"]["stateMessage"] == "Exception during execution of notebook"
        assert one["state"]["errorTrace"].splitlines()[-1] == "KeyError: 'b'"
        book = cells(fetch(http, one["key"]))
        assert [o["name"] for o in book[1]["outputs"]] == ["stdout", "stderr"]
        assert "Traceback (most recent call last)" in book[1]["outputs"][1]["text"]
        assert book[2]["outputs"] == []
        bad = fetch(http, run["taskToTaskRunMap"]["bad"])
        assert 'File "/Workspace/Shared/bad.py", line 2, in f' in bad["data"][0]["value"]
        assert bad["errorTrace"].endswith("ZeroDivisionError: division by zero\n")
        assert str(real.folder) not in bad["data"][0]["value"]
        assert "SystemExit" in task_run(http, run, "leaves")["state"]["errorTrace"]
        missing = task_run(http, run, "sql")["state"]["errorTrace"]
        assert "[TABLE_OR_VIEW_NOT_FOUND]" in missing
        assert "gone.ipynb does not exist" in task_run(http, run, "gone")["state"]["stateMessage"]
        put_notebook(real, "a", "print('mended')")
        http.post(f"/jobRuns/{run['key']}/actions/repair", json={"taskKeys": ["a"]})
        ended(http, run["key"])
        assert statuses(look(http, run["key"]))["a"] == "SUCCESS"


@pytest.mark.slow
def test_a_real_task_is_cancelled_and_timed_out(real: Simulator) -> None:
    put_notebook(real, "a", "import time\ntime.sleep(600)")
    put_notebook(real, "b", "import time\ntime.sleep(600)")
    with client(real) as http:
        job = job_of(http, task(real, "a"), task(real, "b", timeoutSeconds=3))
        key = start(http, job)["key"]
        while statuses(run := look(http, key)).get("b") != "TIMED_OUT":
            assert run["state"]["status"] in ("PENDING", "RUNNING")
        assert http.post(f"/jobRuns/{key}/actions/cancel").status_code == 202
        run = ended(http, key)
        assert run["state"]["status"] == "CANCELED"
        assert statuses(run) == {"a": "CANCELED", "b": "TIMED_OUT"}
