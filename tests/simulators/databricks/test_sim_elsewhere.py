"""Tasks that SQL warehouses and pipelines carry out for a job."""

import httpx
from sim_runs_stage import create, look, results, start
from sim_sdk import client

from agent.simulators.databricks import Simulator, lakehouse, pipeline_outcomes, workspace


def warehouse(http: httpx.Client) -> str:
    body = {"name": "w", "cluster_size": "2X-Small"}
    answer = http.post("/api/2.0/sql/warehouses", json=body)
    return str(answer.json()["id"])


def test_a_sql_file_runs_on_the_workspaces_tables_with_parameters(
    sim: Simulator, http: httpx.Client
) -> None:
    good = "CREATE TABLE main.default.t AS SELECT :day AS day;\nSELECT * FROM main.default.t;\n"
    workspace.put_file(sim, "/Shared/good.sql", good.encode())
    workspace.put_file(sim, "/Shared/bad.sql", b"SELECT amonut FROM main.default.t")
    spec = {"warehouse_id": warehouse(http), "parameters": {"day": "monday"}}
    job_id = create(
        http,
        {"task_key": "good", "sql_task": spec | {"file": {"path": "/Workspace/Shared/good.sql"}}},
        {
            "task_key": "bad",
            "depends_on": [{"task_key": "good"}],
            "sql_task": spec | {"file": {"path": "/Workspace/Shared/bad.sql"}},
        },
    )
    run = look(http, start(http, job_id))
    assert results(run) == {"good": "SUCCESS", "bad": "FAILED"}
    output = client(sim).jobs.get_run_output(run["tasks"][1]["run_id"])
    assert "UNRESOLVED_COLUMN" in (output.error or "")
    with lakehouse.connect(sim) as connection:
        assert connection.execute("SELECT day FROM lake_main.default.t").fetchall() == [("monday",)]


def test_a_sql_task_without_its_warehouse_or_file_fails_and_says_so(
    sim: Simulator, http: httpx.Client
) -> None:
    gone = {"warehouse_id": "0123456789abcdef", "file": {"path": "/Shared/x.sql"}}
    here = gone | {"warehouse_id": warehouse(http)}
    job_id = create(http, {"task_key": "a", "sql_task": gone}, {"task_key": "b", "sql_task": here})
    run = look(http, start(http, job_id))
    said = [t["state"]["state_message"] for t in run["tasks"]]
    assert said[0] == "SQL warehouse 0123456789abcdef does not exist."
    assert said[1] == "The SQL file /Shared/x.sql does not exist."
    assert sim.problems == []


def test_a_pipeline_task_ends_with_its_update(sim: Simulator, http: httpx.Client) -> None:
    made = client(sim).pipelines.create(name="silver", serverless=True)
    pipeline = str(made.pipeline_id)
    outcome = pipeline_outcomes.Outcome
    good, bad = outcome(seconds=30), outcome(result="FAILED", seconds=30)
    pipeline_outcomes.declare(sim, "silver", bad, good)
    job_id = create(http, {"task_key": "p", "pipeline_task": {"pipeline_id": pipeline}})
    first = start(http, job_id)
    assert results(look(http, first)) == {"p": "RUNNING"}
    sim.clock.advance(3600)
    run = look(http, first)
    assert results(run) == {"p": "FAILED"}
    assert client(sim).jobs.get_run_output(run["tasks"][0]["run_id"]).error
    second = start(http, job_id)
    sim.clock.advance(3600)
    assert results(look(http, second)) == {"p": "SUCCESS"}
    gone = create(http, {"task_key": "p", "pipeline_task": {"pipeline_id": "nothing"}})
    assert results(look(http, start(http, gone))) == {"p": "FAILED"}
