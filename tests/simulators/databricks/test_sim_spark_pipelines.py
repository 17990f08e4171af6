"""Pipelines of the simulated workspace, run by Spark itself.

Needs Java and pyspark[pipelines], beside runmend or in the interpreter that the variable
RUNMEND_TEST_SPARK_PYTHON names.
"""

import base64
import importlib.util
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from agent.simulators.databricks import Options, Simulator, VirtualClock, statements
from agent.simulators.databricks.querying import Result

PYTHON = os.environ.get("RUNMEND_TEST_SPARK_PYTHON") or (
    sys.executable if importlib.util.find_spec("pyspark") else ""
)
pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(
        not PYTHON or shutil.which("java") is None, reason="needs Java and pyspark[pipelines]"
    ),
]

SOURCE = """# Databricks notebook source
import dlt
from pyspark.sql import functions as F

# COMMAND ----------

@dlt.table
@dlt.expect_or_drop("positive", "amount > 0")
def clean():
    return spark.table("main.bronze.orders").select("order_id", F.col("{column}").alias("amount"))

@dlt.table
def totals():
    return spark.table("clean").selectExpr("sum(amount{divided}) AS total")
"""


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    options = Options(spark_python=PYTHON)
    folder = tmp_path_factory.mktemp("spark")
    with Simulator(folder, clock=VirtualClock(), options=options) as simulator:
        for text in (
            "CREATE SCHEMA main.bronze",
            "CREATE TABLE main.bronze.orders AS "
            "SELECT * FROM VALUES (1, 5), (2, -1) t(order_id, amount)",
        ):
            assert isinstance(statements.execute(simulator, text), Result)
        yield simulator
        assert simulator.problems == []


def http(sim: Simulator) -> httpx.Client:
    headers = {"Authorization": f"Bearer {sim.token}"}
    return httpx.Client(base_url=sim.url, headers=headers, trust_env=False)


def write(client: httpx.Client, path: str, text: str) -> None:
    content = base64.b64encode(text.encode()).decode()
    body = {"path": path, "content": content, "format": "AUTO", "overwrite": True}
    assert client.post("/api/2.0/workspace/import", json=body).status_code == 200


def ended(client: httpx.Client, pipeline: str, **wanted: bool) -> tuple[str, str]:
    """Start an update; return its id and the state in which it ended."""
    started = client.post(f"/api/2.0/pipelines/{pipeline}/updates", json=wanted).json()
    update = started["update_id"]
    until = time.monotonic() + 240
    while time.monotonic() < until:
        found = client.get(f"/api/2.0/pipelines/{pipeline}/updates/{update}").json()["update"]
        if found["state"] in ("COMPLETED", "FAILED", "CANCELED"):
            return update, found["state"]
        threading.Event().wait(1)
    pytest.fail("the update did not end")


def errors(client: httpx.Client, pipeline: str, update: str) -> list[dict]:  # type: ignore[type-arg]
    query = {"filter": f"update_id = '{update}' AND level = 'ERROR'", "max_results": "100"}
    return list(client.get(f"/api/2.0/pipelines/{pipeline}/events", params=query).json()["events"])


def test_a_pipeline_fails_in_sparks_own_words_and_succeeds_when_it_is_mended(
    sim: Simulator,
) -> None:
    path = "/Shared/silver.py"
    with http(sim) as client:
        write(client, path, SOURCE.format(column="amout", divided=""))
        spec = {
            "name": "silver",
            "catalog": "main",
            "schema": "silver",
            "development": True,
            "libraries": [{"notebook": {"path": "/Shared/silver"}}],
        }
        pipeline = client.post("/api/2.0/pipelines", json=spec).json()["pipeline_id"]
        update, state = ended(client, pipeline, validate_only=True)
        assert state == "FAILED"
        flow = errors(client, pipeline, update)[-1]
        exception = flow["error"]["exceptions"][0]
        assert flow["origin"]["flow_name"] == "main.silver.clean"
        assert exception["error_class"] == "UNRESOLVED_COLUMN.WITH_SUGGESTION"
        assert exception["sql_state"] == "42703"
        assert "`amout` cannot be resolved" in exception["message"]

        write(client, path, SOURCE.format(column="amount", divided=" / (order_id - order_id)"))
        update, state = ended(client, pipeline)
        assert state == "FAILED"
        write(client, path, SOURCE.format(column="amount", divided=""))
        update, state = ended(client, pipeline)
        assert state == "COMPLETED"
        result = statements.execute(sim, "SELECT total FROM main.silver.totals")
        assert isinstance(result, Result)
        assert result.rows == [(5,)]


def test_two_at_once_both_name_the_file_and_line_of_a_missing_module(sim: Simulator) -> None:
    with http(sim) as client:
        write(client, "/Shared/odd.py", "import dlt\n\nimport nosuchmodule\n")
        spec = {"name": "odd", "development": True, "catalog": "main", "schema": "silver"}
        spec["libraries"] = [{"file": {"path": "/Shared/odd.py"}}]
        pipeline = client.post("/api/2.0/pipelines", json=spec).json()["pipeline_id"]
        other = client.post("/api/2.0/pipelines", json=spec | {"name": "b"}).json()["pipeline_id"]
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda one: ended(client, one), (pipeline, other)))
        assert [state for _, state in found] == ["FAILED", "FAILED"]
        last = [
            errors(client, one, update)[0]["error"]["exceptions"][0]
            for one, (update, _) in zip((pipeline, other), found, strict=True)
        ]
        exception = last[0]
        message = "ModuleNotFoundError: No module named 'nosuchmodule'"
        assert [one["message"] for one in last] == [message, message]
        assert exception["stack"][-1]["file_name"] == "/Workspace/Shared/odd.py"
        assert exception["stack"][-1]["line_number"] == 3


def test_a_stopped_update_leaves_no_process(sim: Simulator, tmp_path: Path) -> None:
    import psutil

    del tmp_path
    with http(sim) as client:
        write(client, "/Shared/long.py", "import time\n\ntime.sleep(600)\n")
        spec = {"name": "long", "development": True, "catalog": "main", "schema": "silver"}
        spec["libraries"] = [{"file": {"path": "/Shared/long.py"}}]
        pipeline = client.post("/api/2.0/pipelines", json=spec).json()["pipeline_id"]
        started = client.post(f"/api/2.0/pipelines/{pipeline}/updates", json={}).json()
        update = started["update_id"]
        client.post(f"/api/2.0/pipelines/{pipeline}/stop")
        sim.clock.advance(2)
        found = client.get(f"/api/2.0/pipelines/{pipeline}/updates/{update}").json()["update"]
        assert found["state"] == "CANCELED"
        until = time.monotonic() + 60
        while any(
            update in " ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"])
        ):
            assert time.monotonic() < until
            threading.Event().wait(0.5)
