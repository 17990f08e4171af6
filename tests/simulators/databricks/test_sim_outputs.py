"""get-output and export: whose output is given, how it is cut, what a page holds."""

from typing import Any

import httpx
import pytest
from databricks.sdk.errors import InvalidParameterValue
from sim_runs_stage import BAD, create, look, model, quick, refused, start, task
from sim_sdk import client

from agent.simulators.databricks import Simulator
from agent.simulators.databricks.outcomes import Outcome, declare


def ended(sim: Simulator, http: httpx.Client, *tasks: dict[str, Any]) -> dict[str, Any]:
    """Give a run of a new job with those tasks, a minute later."""
    run_id = start(http, create(http, *tasks))
    sim.clock.advance(60)
    return look(http, run_id)


def test_the_output_of_a_job_run_is_refused_and_that_of_its_task_is_given(
    sim: Simulator, http: httpx.Client
) -> None:
    declare(sim, "a", BAD)
    quick(sim, "b")
    run = ended(sim, http, task("a"), task("b"))
    with pytest.raises(InvalidParameterValue) as caught:
        client(sim).jobs.get_run_output(run["run_id"])
    assert str(caught.value) == (
        "Retrieving the output of runs with multiple tasks is not supported. "
        "Please retrieve the output of each individual task run instead."
    )
    output = http.get(
        "/api/2.2/jobs/runs/get-output", params={"run_id": run["tasks"][0]["run_id"]}
    ).json()
    assert output["error"] == "KeyError: 'amount'"
    assert output["error_trace"].startswith("\x1b[0;31mKeyError")
    assert output["notebook_output"] == {}
    metadata = output["metadata"]
    assert metadata["parent_run_id"] == metadata["job_run_id"] == run["run_id"]
    assert [t["run_id"] for t in metadata["tasks"]] == [metadata["run_id"]]
    assert metadata["state"]["state_message"] == "Workload failed, see run output for details"


def test_a_notebooks_result_is_cut_and_its_prints_are_not_returned(
    sim: Simulator, http: httpx.Client
) -> None:
    long = "x" * (5 * 1024 * 1024 + 7)
    declare(sim, "a", Outcome(seconds=0, notebook_result=long, printed="hello", logs="no"))
    run = ended(sim, http, task("a"))
    output = client(sim).jobs.get_run_output(run["tasks"][0]["run_id"])
    assert output.notebook_output is not None
    assert len(output.notebook_output.result or "") == 5 * 1024 * 1024
    assert output.notebook_output.truncated is True
    assert output.logs is None


def test_a_scripts_logs_keep_their_end(sim: Simulator, http: httpx.Client) -> None:
    declare(sim, "a", Outcome(seconds=0, logs="begin" + "y" * (5 * 1024 * 1024)))
    script = {"task_key": "a", "spark_python_task": {"python_file": "/Workspace/x.py"}}
    run = ended(sim, http, script)
    output = client(sim).jobs.get_run_output(run["tasks"][0]["run_id"])
    assert len(output.logs or "") == 5 * 1024 * 1024
    assert set(output.logs or "") == {"y"}
    assert output.logs_truncated is True
    assert output.notebook_output is None
    answer = http.get("/api/2.2/jobs/runs/export", params={"run_id": run["tasks"][0]["run_id"]})
    assert "not a notebook" in refused(answer)


def test_an_exported_notebook_has_what_it_printed_and_its_error(
    sim: Simulator, http: httpx.Client
) -> None:
    said = BAD.model_copy(update={"printed": "[Step 2/5] loading — ok\n100% done\n"})
    declare(sim, "a", said)
    run = ended(sim, http, task("a"))
    exported = client(sim).jobs.export_run(run["tasks"][0]["run_id"])
    assert exported.views is not None
    assert exported.views[0].name == "a"
    commands = model(exported.views[0].content or "")["commands"]
    shown = commands[-1]["results"]["data"][0]
    assert (shown["type"], shown["name"], shown["data"]) == ("ansi", "stdout", said.printed)
    assert "KeyError" in commands[-1]["errorSummary"]
