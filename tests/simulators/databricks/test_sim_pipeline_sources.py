"""What real runs of pipelines are made from, and what their output is read as; no Spark needed."""

import base64
import json
from pathlib import Path

import httpx
import pytest

from agent.simulators.databricks import Simulator, pipeline_output, pipeline_sources, statements
from agent.simulators.databricks.pipeline_sources import NoSource

OUTPUT = """2026-11-22 23:56:18: Starting run...
2026-11-22 23:56:20: Flow spark_catalog.silver.totals is QUEUED.
2026-11-22 23:56:31: Flow 'spark_catalog.silver.totals' has FAILED.
Error: [DIVIDE_BY_ZERO] Division by zero. Use `try_divide` to tolerate. SQLSTATE: 22012
== SQL (line 1, position 1) ==
a / b
^^^^^

2026-11-22 23:56:50: Flow 'spark_catalog.silver.after' SKIPPED due to upstream failure(s).
2026-11-22 23:56:51: Failed to resolve flow due to upstream failure: 'spark_catalog.silver.late'.
Error: Failed to read dataset 'spark_catalog.silver.odd'.
2026-11-22 23:56:51: Failed to resolve flow: 'spark_catalog.silver.odd'.
Error: [TABLE_OR_VIEW_NOT_FOUND] The table or view `spark_catalog`.`silver`.`x` cannot be found. SQLSTATE: 42P01;
'UnresolvedRelation [x]
"""  # noqa: E501 - as Spark prints it
TRACE = """WARNING: something
Traceback (most recent call last):
  File "/opt/pyspark/cli.py", line 261, in register_definitions
    exec_module(module)
  File "/w/tree/Shared/a.py", line 10, in <module>
    import nosuchmodule
ModuleNotFoundError: No module named 'nosuchmodule'
"""


def write(http: httpx.Client, path: str, text: str) -> None:
    http.post("/api/2.0/workspace/mkdirs", json={"path": path.rpartition("/")[0]})
    content = base64.b64encode(text.encode()).decode()
    body = {"path": path, "content": content, "format": "AUTO"}
    assert http.post("/api/2.0/workspace/import", json=body).status_code == 200


def test_libraries_become_files_and_inputs(
    sim: Simulator, http: httpx.Client, tmp_path: Path
) -> None:
    statements.execute(sim, "CREATE SCHEMA main.bronze")
    statements.execute(sim, "CREATE TABLE main.bronze.orders AS SELECT 1 AS id")
    statements.execute(sim, "CREATE TABLE main.bronze.unused AS SELECT 1 AS id")
    head = "# Databricks notebook source\n"
    write(http, "/Shared/p/clean.py", head + 'spark.table("main.bronze.orders")\n')
    write(http, "/Shared/q/deep/big.sql", "CREATE OR REFRESH MATERIALIZED VIEW big AS SELECT 1;")
    spec = {
        "name": "p",
        "catalog": "main",
        "schema": "silver",
        "configuration": {"limit": 5},
        "libraries": [
            {"notebook": {"path": "/Workspace/Shared/p/clean"}},
            {"glob": {"include": "/Shared/q/**"}},
        ],
    }
    update = {"config": spec, "refresh_selection": ["big"]}
    pipeline_sources.lay_out(sim, update, tmp_path)
    tree = tmp_path / "tree"
    assert 'spark.table("bronze.orders")' in (tree / "Shared/p/clean.py").read_text()
    assert (tree / "Shared/q/deep/big.sql").read_text() == (
        "CREATE MATERIALIZED VIEW big AS SELECT 1;\n"
    )
    document = json.loads((tree / "spark-pipeline.yml").read_text())
    assert document["database"] == "silver"
    assert document["configuration"] == {"limit": "5"}
    assert [one["glob"]["include"] for one in document["libraries"]] == [
        "Shared/p/clean.py",
        "Shared/q/deep/big.sql",
    ]
    about = json.loads((tmp_path / "about.json").read_text())
    assert [one["name"] for one in about["tables"]] == ["orders"]
    assert Path(about["tables"][0]["path"]).stat().st_size > 0
    assert about["arguments"][-2:] == ["--refresh", "big"]
    assert about["schemas"] == ["bronze", "silver"]


def test_a_library_that_is_not_there_is_named(sim: Simulator, tmp_path: Path) -> None:
    spec = {"libraries": [{"notebook": {"path": "/Shared/none"}}]}
    with pytest.raises(NoSource, match="Notebook not found: /Shared/none"):
        pipeline_sources.lay_out(sim, {"config": spec}, tmp_path)


def test_sparks_output_is_read_entry_by_entry() -> None:
    entries = pipeline_output.entries(OUTPUT, ended=True)
    said = [pipeline_output.read(entry, "main") for entry in entries]
    assert [(one.flow, one.status) for one in said] == [
        ("", ""),
        ("main.silver.totals", "QUEUED"),
        ("main.silver.totals", "FAILED"),
        ("main.silver.after", "SKIPPED"),
        ("main.silver.late", "SKIPPED"),
        ("main.silver.odd", "FAILED"),
    ]
    divided, unresolved = said[2].error, said[5].error
    assert divided
    assert unresolved
    assert (divided["error_class"], divided["sql_state"]) == ("DIVIDE_BY_ZERO", "22012")
    assert divided["class_name"] == "org.apache.spark.SparkArithmeticException"
    assert divided["message"].endswith("a / b\n^^^^^")
    assert unresolved["message"].startswith(
        "[TABLE_OR_VIEW_NOT_FOUND] The table or view `main`.`silver`.`x` cannot be found."
    )
    assert said[5].message == "Failed to resolve flow: 'main.silver.odd'."


def test_the_last_entry_waits_until_it_is_whole() -> None:
    cut = OUTPUT[: OUTPUT.index("== SQL")]
    assert len(pipeline_output.entries(cut, ended=False)) == 2
    assert len(pipeline_output.entries(cut, ended=True)) == 3
    assert pipeline_output.entries("", ended=True) == []


def test_an_exception_outside_of_flows_keeps_file_and_line() -> None:
    found = pipeline_output.raised(TRACE, "/w/tree", "main")
    assert found
    assert found["class_name"] == "ModuleNotFoundError"
    assert found["message"] == "ModuleNotFoundError: No module named 'nosuchmodule'"
    assert [(one["file_name"], one["line_number"]) for one in found["stack"]] == [
        ("/Workspace/Shared/a.py", 10)
    ]
    assert pipeline_output.raised("all is well", "/w/tree", "main") is None
