"""What a change of SQL, notebooks, job files, requirements and other files does."""

import json

import pytest

from agent import effects
from agent.records import Risk

JOB = """\
name: nightly
tasks:
  - task_key: extract
    spark_python_task: {python_file: src/extract.py}
    environment_key: default
    timeout_seconds: 600
  - task_key: load
    depends_on: [{task_key: extract}]
    sql_task: {file: {path: load.sql}}
    run_if: ALL_SUCCESS
environments:
  - {environment_key: default, spec: {dependencies: [pandas]}}
parameters: [{name: run_date, default: 2026-01-01}]
database: data/nightly.duckdb
"""
SCHEDULE = "schedule: {quartz_cron_expression: 0 0 * * * ?, pause_status: "


def kinds(path: str, before: str | None, after: str | None) -> set[str]:
    return {e.kind for e in effects.of_change(path, before, after) if e.risk > Risk.SAFE}


def worst(path: str, before: str | None, after: str | None) -> Risk:
    return max((e.risk for e in effects.of_change(path, before, after)), default=Risk.SAFE)


SQL_DESTROYS = {
    "11 drop": ("", "drop table x", "table_drop"),
    "11 drop of a schema": ("", "drop schema s cascade", "table_drop"),
    "11 truncate": ("", "truncate table x", "table_truncate"),
    "11 delete": ("", "delete from x where a = 1", "rows_delete"),
    "11 delete in a merge": (
        "",
        "merge into t using s on t.a = s.a when matched then delete",
        "rows_delete",
    ),
    "11 another delete": ("delete from x where a = 1", "delete from x", "rows_delete"),
    "12 overwrite": ("insert into t select 1", "insert overwrite t select 1", "table_overwrite"),
    "12 replace": (
        "create table t as select 1",
        "create or replace table t as select 1",
        "table_overwrite",
    ),
    "12 replace where": ("", "insert into t replace where a = 1 select 1", "table_overwrite"),
    "14 vacuum": ("", "vacuum t retain 0 hours", "vacuum"),
    "15 grant": ("", "grant all privileges on catalog x to `account users`", "grant_change"),
    "15 owner": ("", "alter table t owner to x", "grant_change"),
    "23 another catalog": ("", "use catalog prod", "target_change"),
    "a dropped column": ("", "alter table t drop column a", "column_drop"),
    "25 a drop that cannot be parsed": ("", "drop !! table x ((", "table_drop"),
    "32 after a good statement": ("select 1", "select 1; drop table x", "table_drop"),
    "an update of all rows": ("", "update t set a = 1", "rows_update"),
    "a restore": ("", "restore table t to version as of 1", "table_overwrite"),
    "16 dbt full refresh": ("select 1", "{{ config(full_refresh=true) }} select 1", "full_refresh"),
}


@pytest.mark.parametrize(("before", "after", "kind"), SQL_DESTROYS.values(), ids=SQL_DESTROYS)
def test_sql_that_destroys_is_destructive(before: str, after: str, kind: str) -> None:
    """Cases 11, 12, 14, 15, 16, 23, 25 and 32."""
    assert kind in kinds("load.sql", before, after)
    assert worst("load.sql", before, after) is Risk.DESTRUCTIVE


SQL_ASKS = {
    "20 where": ("select a from t", "select a from t where 1 = 0", "rows_dropped"),
    "20 a stricter where": (
        "select a from t where a > 1",
        "select a from t where a > 9",
        "rows_dropped",
    ),
    "20 limit": ("select a from t", "select a from t limit 0", "rows_dropped"),
    "20 distinct": ("select a from t", "select distinct a from t", "rows_dropped"),
    "20 inner join": (
        "select * from a left join b on a.x = b.x",
        "select * from a inner join b on a.x = b.x",
        "rows_dropped",
    ),
    "an insert": ("select 1", "insert into t select 1", "table_append"),
    "33 another table": (
        "create table a as select 1",
        "create table b as select 1",
        "output_removed",
    ),
    "25 SQL by name": ("", "execute immediate 'drop table x'", "exec_dynamic"),
    "broken": ("select 1", "selec a frm", "unparsed"),
    "23 another schema": ("select a from dev.t", "select a from prod.t", "source_change"),
    "a credential": ("", "create secret s (type s3, key_id 'x')", "secret_written"),
    "18 a constraint": (
        "create table t (a int not null)",
        "create table t (a int)",
        "check_weakened",
    ),
    "a statement in a template": (
        "select 1",
        "{% do run_query('drop table x') %} select 1",
        "unparsed",
    ),
    "another build": (
        "{{ config(materialized='table') }} select 1",
        "{{ config(materialized='incremental') }} select 1",
        "table_write",
    ),
}


@pytest.mark.parametrize(("before", "after", "kind"), SQL_ASKS.values(), ids=SQL_ASKS)
def test_sql_that_may_harm_asks(before: str, after: str, kind: str) -> None:
    """Cases 18, 20, 23, 25 and 33."""
    assert kind in kinds("load.sql", before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("select amout from t where amout > 1", "select amount from t where amount > 1"),
        (
            "create or replace table t as select sum(amuont) as a from x group by all",
            "create or replace table t as select sum(amount) as a from x group by all",
        ),
        ("select a from {{ ref('x') }}", "select b from {{ ref('x') }}"),
        ("select 1", "select 1 -- drop table x"),
        ("select 'a'", "select 'drop table x'"),
        ("insert into t select a from s", "insert into t select b from s"),
        ("select a from s", "select coalesce(a, 0) as a from s"),
    ],
)
def test_sql_that_only_names_a_column_right_has_no_effect(before: str, after: str) -> None:
    assert effects.of_change("models/load.sql", before, after) == ()


JOB_ASKS = {
    "6 an unknown package": (JOB.replace("[pandas]", "[pandas, pyspork]"), "dependency_add"),
    "6 a typing error": (JOB.replace("[pandas]", "[pandsa]"), "dependency_add"),
    "6 a package from elsewhere": (
        JOB.replace("[pandas]", '[pandas, "duckdb @ http://x/y.whl"]'),
        "dependency_add",
    ),
    "22 more time": (JOB.replace("600", "6000"), "limit_raised"),
    "22 endless time": (JOB.replace("600", "0"), "limit_raised"),
    "22 no time limit": (JOB.replace("    timeout_seconds: 600\n", ""), "limit_raised"),
    "22 retries": (JOB.replace("600", "600\n    max_retries: 9"), "limit_raised"),
    "23 permissions": (
        JOB + "permissions: [{user_name: x, level: CAN_MANAGE}]\n",
        "permission_change",
    ),
    "23 run as": (JOB + "run_as: {user_name: x}\n", "permission_change"),
    "24 a schedule": (JOB + SCHEDULE + "UNPAUSED}\n", "schedule_on"),
    "24 a cluster": (
        JOB + "job_clusters: [{job_cluster_key: c, num_workers: 99}]\n",
        "cost_raised",
    ),
    "21 a task less": (
        JOB[: JOB.index("  - task_key: load")] + JOB[JOB.index("environments") :],
        "task_remove",
    ),
    "21 run if": (JOB.replace("ALL_SUCCESS", "ALL_DONE"), "check_weakened"),
    "a dependency less": (
        JOB.replace("    depends_on: [{task_key: extract}]\n", ""),
        "check_weakened",
    ),
    "28 a file outside": (JOB.replace("src/extract.py", "../x.py"), "setting_change"),
    "a setting nobody knows": (JOB + "frobnicate: true\n", "setting_change"),
    "a secret to pass on": (JOB + "pass_env: [AWS_SECRET_ACCESS_KEY]\n", "permission_change"),
    "broken": (JOB + "  :::\n\t-", "unparsed"),
    "a command": (JOB + "commands: [rm -rf /]\n", "shell_run"),
}


@pytest.mark.parametrize(("after", "kind"), JOB_ASKS.values(), ids=JOB_ASKS)
def test_a_job_file_that_hides_costs_or_grants_asks(after: str, kind: str) -> None:
    """Cases 6, 21-24 and 28."""
    assert kind in kinds("job.yaml", JOB, after)


@pytest.mark.parametrize(
    ("after", "kind"),
    [
        (JOB.replace("nightly.duckdb", "prod.duckdb"), "target_change"),
        (JOB + "target: prod\n", "target_change"),
        (JOB + "parameters: [{name: catalog, default: prod}]\n", "target_change"),
        (JOB + "full_refresh: true\n", "full_refresh"),
        (JOB + "grants: [{principal: account users, privileges: [ALL]}]\n", "grant_change"),
        (JOB + "checkpoint_location: /new\n", "checkpoint_change"),
        (JOB + "lifecycle: {prevent_destroy: false}\n", "protection_removed"),
    ],
)
def test_a_job_file_that_aims_elsewhere_is_destructive(after: str, kind: str) -> None:
    """Cases 15, 16, 17 and 23."""
    assert kind in kinds("job.yaml", JOB, after)
    assert worst("job.yaml", JOB, after) is Risk.DESTRUCTIVE


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (JOB, JOB.replace("[pandas]", "[pandas, duckdb==1.4.0]")),
        (JOB, JOB.replace("[{task_key: extract}]", "[{task_key: extract}, {task_key: other}]")),
        (JOB, JOB.replace("src/extract.py", "src/jobs/extract.py")),
        (JOB, JOB.replace("2026-01-01}]", "2026-01-01}, {name: day, default: x}]")),
        (JOB, JOB.replace("600", "60")),
        (JOB.replace("depends_on", "dependson"), JOB),
        (JOB.replace("timeout_seconds", "timeout_second"), JOB),
        (JOB.replace("[{task_key: extract}]", "[{task_key: extarct}]"), JOB),
    ],
)
def test_a_job_file_that_is_mended_is_safe(before: str, after: str) -> None:
    assert worst("job.yaml", before, after) is Risk.SAFE


def test_a_second_document_of_a_settings_file_counts_too() -> None:
    """Case 32."""
    assert kinds("job.yaml", JOB, JOB + "---\ntarget: prod\n") == {"target_change"}


def test_tests_of_dbt_may_not_go() -> None:
    """Case 18."""
    before = "models: [{name: m, columns: [{name: id, data_tests: [not_null, unique]}]}]"
    assert kinds("schema.yml", before, before.replace(", unique", "")) == {"check_weakened"}
    assert kinds("schema.yml", before, before + "\nseverity: warn") == {"check_weakened"}


def notebook(*cells: str) -> str:
    return json.dumps(
        {"cells": [{"cell_type": "code", "source": cell, "outputs": []} for cell in cells]}
    )


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("!rm -rf /", "file_delete"),
        ("x = !ls", "shell_run"),
        ("%%bash\ncurl x | sh", "shell_run"),
        ("%sh\nls", "shell_run"),
        ("%sql\ndrop table x", "table_drop"),
        ("%sql drop table x", "table_drop"),
        ("%pip install duckdb\n%pip install evil", "dependency_add"),
        ("%pip install git+https://x/y", "dependency_add"),
        ("!pip install duckdb; rm x", "file_delete"),
        ("%run ./other", "job_run"),
        ("%fs rm -r /x", "file_delete"),
        ("%scala\nx", "unparsed"),
        ("import os\nos.remove('x')", "file_delete"),
        ("%%time\nimport os\nos.remove('x')", "file_delete"),
        ("f('x')", "file_delete"),
    ],
)
def test_a_cell_is_judged_in_its_own_language(cell: str, kind: str) -> None:
    """Case 25."""
    first = "import os\nimport pandas as pd\nf = os.remove if x else print"
    before, after = notebook(first, "1"), notebook(first, "1", cell)
    assert kind in kinds("n.ipynb", before, after)
    source = "# Databricks notebook source\n" + first
    if not cell.startswith(("!", "x = !", "%%")):
        marked = cell
        if cell.startswith("%"):
            marked = "\n".join(f"# MAGIC {line}" for line in cell.split("\n"))
        added = f"{source}\n\n# COMMAND ----------\n\n{marked}\n"
        assert kind in kinds("n.py", source, added)


def test_a_cell_that_only_computes_has_no_effect() -> None:
    before = notebook(
        "import pandas as pd\n%matplotlib inline", "d = pd.DataFrame()\nd.amout.sum()"
    )
    after = notebook(
        "import pandas as pd\n%matplotlib inline", "d = pd.DataFrame()\nd.amount.sum()"
    )
    assert effects.of_change("n.ipynb", before, after) == ()
    more = json.loads(after)
    more["cells"][0]["outputs"] = [{"text": "drop table x"}]
    more["cells"].append({"cell_type": "markdown", "source": "!rm -rf /"})
    assert effects.of_change("n.ipynb", after, json.dumps(more)) == ()
    assert worst("n.ipynb", after, notebook("%pip install duckdb", "1")) is Risk.SAFE


def test_an_effect_names_the_line_and_the_cell() -> None:
    found = effects.of_change(
        "n.ipynb", notebook("x = 1"), notebook("x = 1", "\n\nimport os\nos.remove('x')")
    )
    assert [(e.line, e.detail) for e in found] == [
        (4, "n.ipynb:4 (cell 1) deletes files: os.remove('x')")
    ]
    before = "# Databricks notebook source\nx = 1\n"
    after = before + "\n# COMMAND ----------\n\nimport os\nos.remove('x')\n"
    assert [e.line for e in effects.of_change("n.py", before, after)] == [7]


def test_requirements_are_safe_by_name_only() -> None:
    """Case 6."""
    after = "pandas\nduckdb>=1.0\nPyYAML==6.0 ; python_version > '3'\n# evil\n"
    assert worst("requirements.txt", "pandas\n", after) is Risk.SAFE
    for line in (
        "evil",
        "--index-url http://x",
        "-e .",
        "pandas @ http://x",
        "./x.whl",
        "pandas; rm x",
    ):
        assert kinds("requirements.txt", "", line + "\n") >= {"dependency_add"} or "; rm" in line


@pytest.mark.parametrize(
    "path", ["run.sh", "pyproject.toml", "x.cfg", "data.csv", "Makefile", "a.js"]
)
def test_a_kind_of_file_that_cannot_be_judged_asks(path: str) -> None:
    assert kinds(path, "a", "b") == {"file_change"}


def test_prose_has_no_effect_but_a_secret_in_it_asks() -> None:
    """Case 26."""
    assert effects.of_change("README.md", "a", "drop table x") == ()
    assert kinds("README.md", "a", "password: hunter2x") == {"secret_written"}


@pytest.mark.parametrize(
    ("argv", "kind", "risk"),
    [
        (("databricks", "bundle", "destroy", "--auto-approve"), "target_change", Risk.DESTRUCTIVE),
        (("rm", "-rf", "x"), "file_delete", Risk.DESTRUCTIVE),
        (("dbt", "run", "--full-refresh"), "full_refresh", Risk.DESTRUCTIVE),
        (("make", "x"), "shell_run", Risk.ASK),
    ],
)
def test_a_command_asks_at_least(argv: tuple[str, ...], kind: str, risk: Risk) -> None:
    """Case 1: what a log suggests is judged by what it does."""
    assert [(e.kind, e.risk) for e in effects.of_command(argv)] == [(kind, risk)]
