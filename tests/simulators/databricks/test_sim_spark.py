"""Spark for real, where Java and pyspark are: its own messages, and tables that stay."""

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sim_real_stage import FOLDER, HEADER, ended, put, wire
from sim_runs_stage import create, results, start
from sim_sdk import client

from agent.simulators.databricks import Simulator

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(
        importlib.util.find_spec("pyspark") is None or shutil.which("java") is None,
        reason="needs Java and pyspark beside runmend",
    ),
]


@pytest.fixture
def real(tmp_path: Path, cache: Path) -> Iterator[Simulator]:
    """Give a served workspace on the machine's own time."""
    with Simulator(tmp_path / "workspace", cache=cache) as simulator:
        yield simulator
    assert simulator.problems == []


def test_spark_fails_with_its_own_words_and_its_tables_stay(real: Simulator) -> None:
    http = wire(real)
    make = (
        f"{HEADER}# MAGIC %sql\n# MAGIC CREATE SCHEMA IF NOT EXISTS sales;\n"
        "# MAGIC CREATE TABLE sales.orders USING parquet AS SELECT 1 AS id, 'x' AS who\n"
    )
    use = f"{HEADER}print(spark.table('sales.orders').count(), 'row')\n"
    broken = {
        "column": "SELECT amonut FROM sales.orders",
        "table": "SELECT * FROM sales.nowhere",
        "cast": "SELECT CAST(who AS INT) FROM sales.orders",
        "zero": "SELECT id / 0 FROM sales.orders",
    }
    put(http, f"{FOLDER}/make.py", make)
    put(http, f"{FOLDER}/use.py", use)
    tasks: list[dict[str, Any]] = [
        {"task_key": "make", "notebook_task": {"notebook_path": f"{FOLDER}/make"}}
    ]
    for key, sql in broken.items():
        put(http, f"{FOLDER}/{key}.py", f'{HEADER}spark.sql("{sql}").show()\n')
    for key in ("use", *broken):
        book = {"notebook_path": f"{FOLDER}/{key}"}
        after = [{"task_key": "make"}]
        tasks.append({"task_key": key, "notebook_task": book, "depends_on": after})
    run = ended(http, start(http, create(http, *tasks)), within_s=300)
    jobs = client(real).jobs
    output = {t["task_key"]: jobs.get_run_output(t["run_id"]) for t in run["tasks"]}
    wanted = {"make": "SUCCESS", "use": "SUCCESS"} | dict.fromkeys(broken, "FAILED")
    assert results(run) == wanted, {key: found.error for key, found in output.items()}
    said = {key: str(output[key].error) for key in broken}
    assert "[UNRESOLVED_COLUMN" in said["column"]
    assert "[TABLE_OR_VIEW_NOT_FOUND]" in said["table"]
    assert "[CAST_INVALID_INPUT]" in said["cast"]
    assert "[DIVIDE_BY_ZERO]" in said["zero"]
    http.close()
