"""Notebooks, SQL and dbt, run for real."""

import json
from pathlib import Path

import duckdb
import pytest
from contract import FINE, Stage, deployed, ended, started, states, values
from local_stage import Local, notebook

from agent.engine import environments
from agent.playbook import Expectation
from agent.records import Failure

EXTRACT = """# Databricks notebook source
# MAGIC %md
# MAGIC # Extract

# COMMAND ----------

# MAGIC %run ./lib/shared

# COMMAND ----------

day = dbutils.widgets.get("day")
print("[Step 1/1]", day)

# COMMAND ----------

# MAGIC %sql
# MAGIC create or replace table seen as
# MAGIC select :day as day

# COMMAND ----------

dbutils.jobs.taskValues.set("rows", double(2))
dbutils.notebook.exit('{"status": "ok", "rows": 4}')
raise RuntimeError("never reached")
"""
SHARED = "# Databricks notebook source\ndef double(n):\n    return 2 * n\n"


@pytest.fixture
def kernels(local: Local, site: str) -> Local:
    """Lends the environment for notebooks this interpreter's ipykernel: no index is asked."""
    ready = environments.prepare(local.cache, (), local.folder)
    assert isinstance(ready, environments.Ready)
    folder = environments.folder(local.cache, (environments.KERNEL,), local.folder)
    if not (folder / "complete").exists():
        import shutil

        shutil.copytree(ready.python.parents[1], folder, symlinks=True)
        (own,) = folder.glob("lib/python*/site-packages")
        (own / "lent.pth").write_text(site)
    return local


def task(key: str, kind: str, what: dict[str, object], *needs: str) -> dict[str, object]:
    return {"task_key": key, kind: what, "depends_on": [{"task_key": need} for need in needs]}


def failure(stage: Stage) -> Failure:
    status = ended(stage, started(stage))
    (found,) = stage.platform.failures(status, stage.tree)
    return found


def test_a_databricks_notebook_runs_with_its_sql_run_and_exit_value(kernels: Local) -> None:
    job = {
        "parameters": [{"name": "day", "default": "2026-07-01"}],
        "data": ["data"],
        "database": "data/n.duckdb",
        "tasks": [
            task("a", "notebook_task", {"notebook_path": "extract.py"}),
            task(
                "b",
                "spark_python_task",
                {"python_file": "b.py", "parameters": ["{{tasks.a.values.rows}}"]},
                "a",
            ),
        ],
    }
    text = "import json, sys\nprint(json.dumps({'got': sys.argv[1]}))\n"
    files = {"extract.py": EXTRACT, "lib/shared.py": SHARED, "b.py": text, "data/.keep": ""}
    stage = kernels.stage(job, files)
    status = ended(stage, started(stage))
    assert states(status) == {"a": "succeeded", "b": "succeeded"}
    assert values(status) == {"a": {"status": "ok", "rows": 4}, "b": {"got": "4"}}
    assert status.tasks[0].step == "[Step 1/1] 2026-07-01"
    database = kernels.folder / "source" / "data" / "n.duckdb"
    with duckdb.connect(str(database), read_only=True) as connection:
        assert connection.execute("select day from seen").fetchall() == [("2026-07-01",)]
    (first, _) = stage.platform.tasks(stage.tree)
    assert [path for path, _ in first.imports] == ["lib/shared.py"]
    changed = stage.change("lib/shared.py", SHARED + "\n")
    assert stage.platform.affected(stage.tree, changed) == ("a",)


def test_a_failing_cell_is_told_by_notebook_cell_and_line(kernels: Local) -> None:
    book = notebook("rows = [{'amount': 1}]", "import json\n\ntotal = rows[0]['amout']\n", "1 / 0")
    job = {"tasks": [task("a", "notebook_task", {"notebook_path": "n.ipynb"})]}
    found = failure(kernels.stage(job, {"n.ipynb": book}))
    assert found.message == "KeyError: 'amout'"
    assert found.location is not None
    assert (found.location.path, found.location.cell, found.location.line) == ("n.ipynb", 1, 3)
    assert found.location.code == "total = rows[0]['amout']"
    log = [line.text for line in found.log]
    assert "n.ipynb cell 1 line 3: total = rows[0]['amout']" in log
    assert '  File "n.ipynb", cell 1, line 3, in <module>' in log
    saved = json.loads((Path(found.url or "") / "executed.ipynb").read_text())
    assert saved["cells"][1]["outputs"][0]["ename"] == "KeyError"


@pytest.mark.slow
def test_a_missing_widget_and_a_syntax_error_have_their_own_words(kernels: Local) -> None:
    job = {
        "tasks": [
            task("a", "notebook_task", {"notebook_path": "a.py"}),
            task("b", "notebook_task", {"notebook_path": "b.ipynb"}),
        ]
    }
    ask = "# Databricks notebook source\nx = 1\n\n# COMMAND ----------\n"
    ask += "x = dbutils.widgets.get('day')\n"
    stage = kernels.stage(job, {"a.py": ask, "b.ipynb": notebook("x = 1", "y = (\nz")})
    status = ended(stage, started(stage))
    widget, syntax = stage.platform.failures(status, stage.tree)
    assert widget.message == (
        "com.databricks.dbutils_v1.InputWidgetNotDefined: No input widget named day is defined"
    )
    assert widget.location is not None
    assert (widget.location.path, widget.location.line, widget.location.cell) == ("a.py", 5, None)
    assert syntax.message.startswith("SyntaxError: ")
    assert syntax.location is not None
    assert (syntax.location.path, syntax.location.cell) == ("b.ipynb", 1)


def test_a_kernel_that_dies_is_a_failure(kernels: Local) -> None:
    job = {"tasks": [task("a", "notebook_task", {"notebook_path": "n.ipynb"})]}
    found = failure(kernels.stage(job, {"n.ipynb": notebook("import os\nos._exit(1)")}))
    assert found.message == "the notebook's kernel died"


@pytest.mark.usefixtures("installer")
def test_what_a_notebook_installs_belongs_to_its_environment(kernels: Local) -> None:
    text = "# Databricks notebook source\n# MAGIC %pip install --quiet tiny==1 -r more.txt\n"
    job = {"tasks": [task("a", "notebook_task", {"notebook_path": "n.py"})]}
    stage = kernels.stage(job, {"n.py": text, "more.txt": "# none\nno-such\n"})
    made = stage.platform.deploy("d", stage.tree, None)
    assert isinstance(made, tuple)
    assert made[0].code == "ENVIRONMENT_FAILED"
    assert made[0].facts.distributions == ("tiny==1", "-r more.txt", "ipykernel")


def sql(local: Local, text: str, **parameters: str) -> Stage:
    job = {
        "data": ["data"],
        "database": "data/n.duckdb",
        "tasks": [
            task("load", "sql_task", {"file": {"path": "load.sql"}, "parameters": parameters})
        ],
    }
    return local.stage(job, {"load.sql": text, "data/.keep": ""})


def test_sql_runs_statement_by_statement_with_parameters(local: Local) -> None:
    stage = sql(
        local,
        "-- load; all of it\ncreate table t as select date '2026-07-01' as day, ':day' as raw;\n"
        "select * from t where day = :day and raw <> :odd;\n",
        day="2026-07-01",
        odd="it's; drop table t",
    )
    status = ended(stage, started(stage))
    assert values(status)["load"] == {"statements": 2, "rows": 1}
    assert status.tasks[0].step is not None
    assert status.tasks[0].step.startswith("[Step 2/2] select * from t where day = ")


def test_a_failing_statement_is_told_by_file_line_and_the_databases_words(local: Local) -> None:
    text = "create table t as select 1 as amount;\n\n/* now */\nselect\n  amout\nfrom t;\n"
    found = failure(sql(local, text))
    assert found.message.startswith('Binder Error: Referenced column "amout" not found')
    assert found.location is not None
    assert (found.location.path, found.location.line) == ("load.sql", 5)
    assert any(line.text == "load.sql:5: statement 2: select" for line in found.log)
    assert {d.name: d.columns for d in found.facts.datasets} == {"t": ("amount",)}


def test_sql_that_does_not_parse_runs_nothing(local: Local) -> None:
    found = failure(sql(local, "create table t as select 1 as a;\nselect from where;\n"))
    assert found.message.startswith("Parser Error: ")
    assert found.facts.datasets == ()


def test_a_sql_parameter_that_nobody_gave_is_named(local: Local) -> None:
    found = failure(sql(local, "select 1::int;\nselect :day;\n", run_date="x"))
    assert found.message == (
        "Parameter Error: no value is given for parameter :day (given: run_date)"
    )
    assert found.location is not None
    assert found.location.line == 2


def test_sql_tasks_on_one_database_take_turns(local: Local) -> None:
    tasks = [task(k, "sql_task", {"file": {"path": f"{k}.sql"}}) for k in ("a", "b", "c")]
    job = {"data": ["data"], "database": "data/n.duckdb", "tasks": tasks}
    files = {f"{k}.sql": f"create table {k} as select 1 as x;" for k in ("a", "b", "c")}
    stage = local.stage(job, {**files, "data/.keep": ""})
    assert set(states(ended(stage, started(stage))).values()) == {"succeeded"}


@pytest.mark.slow
def test_dbt_tells_which_model_failed(local: Local) -> None:
    pytest.importorskip("dbt.adapters.duckdb", exc_type=ImportError)
    profile = "p:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: data/n.duckdb}\n"
    job = {
        "data": ["data"],
        "tasks": [
            task("d", "dbt_task", {"project_directory": "shop", "commands": ["dbt run"]}),
        ],
    }
    files = {
        "shop/dbt_project.yml": "name: shop\nversion: '1.0.0'\nprofile: p\nmodel-paths: [models]\n",
        "shop/profiles.yml": profile,
        "shop/models/good.sql": "select 1 as amount",
        "shop/models/bad.sql": "select amout from {{ ref('good') }}",
        "data/.keep": "",
    }
    stage = local.stage(job, files)
    found = failure(stage)
    assert found.message.startswith("model.shop.bad: Runtime Error in model bad")
    assert 'column "amout" not found' in found.message
    assert found.location is not None
    assert found.location.path == "shop/models/bad.sql"
    assert stage.platform.affected(
        stage.tree, stage.change("shop/models/bad.sql", "select 1 as x")
    ) == ("d",)


def test_verification_measures_tables_files_and_sql(local: Local) -> None:
    stage = sql(local, "create table sales as select i as id, 2 * i as amount from range(5) r(i);")
    status = ended(stage, started(stage))
    (Path(stage.tree.root) / "data" / "out.csv").write_text("id,name\n1,a\n2,b\n")
    wanted = (
        Expectation(table="sales", columns=("amount", "id"), rows=">= 5"),
        Expectation(table="main.sales", rows=6),
        Expectation(table='sales"; drop table sales; --'),
        Expectation(file="data/out.csv", columns=("id",), rows="== 2"),
        Expectation(file="data/out.csv", rows=2),
        Expectation(file="../nightly.yaml"),
        Expectation(sql="select count(*) = 5 from sales"),
        Expectation(sql="select count(*) from sales"),
        Expectation(sql="select nothing from sales"),
        Expectation(sql="delete from sales"),
    )
    checks = stage.platform.verify(status, stage.tree, wanted)
    assert [check.outcome for check in checks] == [
        "held",
        "failed",
        "failed",
        "failed",
        "held",
        "unknown",
        "held",
        "failed",
        "failed",
        "failed",
    ]
    assert checks[0].measures["rows"] == 5
    assert checks[0].measures["columns"] == ["id", "amount"]
    assert checks[0].name == "table sales columns amount, id rows >= 5"
    assert checks[1].saw == "5 rows; expected == 6"
    assert checks[3].saw == "columns id, name; expected id"
    again = stage.platform.verify(status, stage.tree, wanted)
    assert [c.measures for c in again] == [c.measures for c in checks]
    assert all(check.evidence for check in checks if check.outcome != "held")


def test_a_database_that_is_not_there_or_no_database_is_told(local: Local) -> None:
    stage = sql(local, "select 1;")
    status = ended(stage, started(stage))
    (local.folder / "source" / "data" / "n.duckdb").write_bytes(b"no database at all")
    (broken,) = stage.platform.verify(status, stage.tree, (Expectation(table="t"),))
    assert broken.outcome == "unknown"
    (local.folder / "source" / "data" / "n.duckdb").unlink()
    (missing,) = stage.platform.verify(status, stage.tree, (Expectation(table="t"),))
    assert (missing.outcome, missing.saw) == ("failed", "the database n.duckdb does not exist")


def test_a_job_without_a_database_note_has_none(local: Local) -> None:
    job = {
        "database": "n.duckdb",
        "tasks": [task("a", "spark_python_task", {"python_file": "m.py"})],
    }
    notes = deployed(local.stage(job, {"m.py": FINE})).notes
    assert (
        "database n.duckdb lies outside the data folders: each redeploy starts it afresh" in notes
    )
