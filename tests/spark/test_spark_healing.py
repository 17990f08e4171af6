"""Spark for real: its own messages, from a job and from a pipeline, are healed end to end."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from spark_stage import BESIDE, JAVA, PYTHON, Stage, workspace

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(not JAVA or not PYTHON, reason="needs Java 17 and pyspark[pipelines]"),
]

HEADER = "# Databricks notebook source\n"
SETUP = """\
# Databricks notebook source
# MAGIC %sql
# MAGIC CREATE SCHEMA IF NOT EXISTS shop;
# MAGIC CREATE TABLE IF NOT EXISTS shop.orders USING parquet AS
# MAGIC SELECT * FROM VALUES (1, 10.0D, 0, '5'), (2, 20.0D, 2, 'n/a') AS t(id, amount, parts, qty)
"""
FAULTS = {
    "column": ("amout", "SELECT id, amout FROM shop.orders"),
    "table": ("shop.oders", "SELECT count(*) FROM shop.oders"),
    "cast": ("cast(qty as int)", "SELECT id, cast(qty as int) AS qty FROM shop.orders"),
    "zero": ("amount / parts", "SELECT id, amount / parts AS each FROM shop.orders"),
}
MENDED = {
    "column": "SELECT id, amount FROM shop.orders",
    "table": "SELECT count(*) FROM shop.orders",
    "cast": "SELECT id, try_cast(qty as int) AS qty FROM shop.orders",
    "zero": "SELECT id, amount / NULLIF(parts, 0) AS each FROM shop.orders",
}
PLAYBOOK = """\
platform: databricks
source: src
production: false
job: {job}
poll: {{first: 1s, max: 2s}}
model: none
deliver: in-place
idempotent: true
approve:
  mode: approve
  rules:
    - {{author: deploy, then: approve}}
    - {{author: "fixer:*", then: approve}}
"""


@pytest.fixture
def stage(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with workspace(tmp_path / "workspace", cache, spark_python=PYTHON) as sim:
        yield Stage(tmp_path / "user", sim, monkeypatch)
    assert sim.problems == []


@pytest.mark.skipif(not BESIDE, reason="needs pyspark beside runmend")
def test_four_failing_tasks_are_healed_from_sparks_own_messages(stage: Stage) -> None:
    tasks = ["  - {task_key: setup, notebook_task: {notebook_path: setup.py}}\n"]
    files = {"src/setup.py": SETUP}
    for key, (_, sql) in FAULTS.items():
        files[f"src/{key}.py"] = f'{HEADER}spark.sql("{sql}").show()\n'
        tasks.append(
            f"  - task_key: {key}\n    depends_on: [{{task_key: setup}}]\n"
            f"    notebook_task: {{notebook_path: {key}.py}}\n"
        )
    stage.write({**files, "src/job.yaml": "name: shop\ntasks:\n" + "".join(tasks)})
    stage.write({"playbook.yaml": PLAYBOOK.format(job="{file: job.yaml}")})
    told = stage.heal()
    assert (told["verdict"], told["exit_code"]) == ("healed", 0), told
    for key, sql in MENDED.items():
        assert stage.read(f"src/{key}.py") == f'{HEADER}spark.sql("{sql}").show()\n'
    said = json.dumps(told)
    for words in ("UNRESOLVED_COLUMN", "TABLE_OR_VIEW_NOT_FOUND", "CAST_INVALID", "DIVIDE_BY_ZERO"):
        assert words in said
    assert said.count("error_to_null") >= 2


@pytest.mark.skipif(not BESIDE, reason="needs pyspark beside runmend")
def test_an_error_turned_into_null_waits_for_a_person(stage: Stage) -> None:
    task = "  - {task_key: zero, notebook_task: {notebook_path: zero.py}}\n"
    sql = "SELECT 1 / (id - id) FROM range(3)"
    stage.write({"src/zero.py": f'{HEADER}spark.sql("{sql}").show()\n'})
    stage.write({"src/job.yaml": f"name: shop\ntasks:\n{task}"})
    rules = PLAYBOOK.partition("  rules:")[0].replace("mode: approve", "mode: auto")
    stage.write({"playbook.yaml": rules.format(job="{file: job.yaml}")})
    told = stage.heal()
    assert (told["verdict"], told["exit_code"]) == ("waiting", 3), told
    assert "error_to_null" in json.dumps(told)
    assert "NULLIF" not in stage.read("src/zero.py")


SILVER = """\
from pyspark import pipelines as dp
from pyspark.sql import functions as F


@dp.materialized_view
def clean():
    return spark.table("main.bronze.orders").select("order_id", F.col("{column}").alias("amount"))


@dp.materialized_view
def totals():
    return spark.sql("SELECT sum(amount) / {divisor} AS each FROM clean")
"""


def test_a_pipeline_is_healed_before_and_after_it_runs(stage: Stage) -> None:
    headers = {"Authorization": f"Bearer {stage.sim.token}"}
    root = "/Workspace/Shared/shop"
    with httpx.Client(base_url=stage.sim.url, headers=headers, trust_env=False) as http:
        for sql in (
            "CREATE SCHEMA main.bronze",
            "CREATE TABLE main.bronze.orders AS "
            "SELECT * FROM VALUES (1, 5), (2, 7) AS t(order_id, amount)",
        ):
            body = {"statement": sql, "warehouse_id": _warehouse(http), "wait_timeout": "30s"}
            made = http.post("/api/2.0/sql/statements", json=body).json()
            assert made["status"]["state"] == "SUCCEEDED", made
        spec = {
            "name": "shop",
            "catalog": "main",
            "schema": "silver",
            "development": True,
            "libraries": [{"file": {"path": f"{root}/silver.py"}}],
        }
        pipeline = http.post("/api/2.0/pipelines", json=spec).json()["pipeline_id"]
    stage.write(
        {"src/silver.py": SILVER.format(column="amout", divisor="sum(order_id - order_id)")}
    )
    book = PLAYBOOK.format(job=f"{{pipeline: {pipeline}}}")
    stage.write({"playbook.yaml": f"{book}databricks: {{root: {root}}}\n"})
    told = stage.heal()
    assert (told["verdict"], told["exit_code"]) == ("healed", 0), told
    mended = SILVER.format(column="amount", divisor="NULLIF(sum(order_id - order_id), 0)")
    assert stage.read("src/silver.py") == mended


def _warehouse(http: httpx.Client) -> str:
    listed = http.get("/api/2.0/sql/warehouses").json().get("warehouses") or []
    if listed:
        return str(listed[0]["id"])
    body = {"name": "small", "cluster_size": "2X-Small"}
    return str(http.post("/api/2.0/sql/warehouses", json=body).json()["id"])
