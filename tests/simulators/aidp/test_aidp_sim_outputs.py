"""What tasks leave: fetchOutput, export, and the options of builds that keep less."""

import base64
import gzip
import json
from typing import Any

import httpx
import pytest
from aidp_jobs_stage import refused, task
from aidp_sim_runs_stage import BAD, cells, chain, fetch, job_of, task_run, went

from agent.simulators.aidp import Simulator, filestore, logs
from agent.simulators.aidp.outcomes import Outcome, declare

FILE = "/Workspace/Shared/a.ipynb"
BOOK = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {},
    "cells": [
        {"cell_type": "markdown", "source": "# Title", "metadata": {}},
        {"cell_type": "code", "source": "x['amount']", "metadata": {}, "outputs": []},
    ],
}


def _failed(sim: Simulator, http: httpx.Client, **options: Any) -> dict[str, Any]:
    """Let notebook `a` fail and return its task run."""
    sim.options = sim.options.model_copy(update=options)
    filestore.write(sim, FILE, json.dumps(BOOK).encode(), "NOTEBOOK")
    declare(sim, "*", "a", BAD.model_copy(update={"printed": "before\n"}))
    return task_run(http, went(http, sim, job_of(http, *chain(sim, "a", "b"))), "a")


def test_a_traceback_is_in_a_stream_of_stderr(sim: Simulator, http: httpx.Client) -> None:
    one = _failed(sim, http)
    for body in ({}, {"outputKey": ""}, {"outputKey": one["outputKey"]}):
        found = fetch(http, one["key"], body)
        assert (found["key"], found["taskType"]) == (one["outputKey"], "NOTEBOOK_TASK")
        assert found["errorTrace"] == one["state"]["errorTrace"]
        assert found["isTruncated"] is False
        outputs = cells(found)[1]["outputs"]
        assert [(o["output_type"], o["name"]) for o in outputs] == [
            ("stream", "stdout"),
            ("stream", "stderr"),
        ]
        assert "KeyError: 'amount'" in outputs[1]["text"]
    where = f"/taskRuns/{one['key']}/actions/fetchOutput"
    message = refused(http.post(where, json={"outputKey": "x"}), 404, "NotAuthorizedOrNotFound")
    assert one["key"] in message


def test_a_task_that_never_began_has_nothing_but_nulls(sim: Simulator, http: httpx.Client) -> None:
    declare(sim, "*", "a", BAD)
    run = went(http, sim, job_of(http, *chain(sim, "a", "b")))
    found = fetch(http, run["taskToTaskRunMap"]["b"], {"outputKey": ""})
    assert found["taskType"] == "NOTEBOOK_TASK"
    assert [found[name] for name in ("key", "errorTrace", "data")] == [None, None, None]


def test_builds_that_say_less(sim: Simulator, http: httpx.Client) -> None:
    one = _failed(sim, http, error_trace="generic", tracebacks="error")
    assert one["state"]["errorTrace"] == "Exception during execution of notebook"
    output = cells(fetch(http, one["key"]))[1]["outputs"][1]
    assert (output["output_type"], output["ename"]) == ("error", "KeyError")
    sim.options = sim.options.model_copy(update={"error_trace": "none", "cell_outputs": "none"})
    found = fetch(http, one["key"])
    assert found["errorTrace"] is None
    assert cells(found)[1]["outputs"] == []


@pytest.mark.parametrize("form", ["base64", "gzip"])
def test_values_may_be_coded(sim: Simulator, http: httpx.Client, form: str) -> None:
    one = _failed(sim, http, output_form=form)
    data = fetch(http, one["key"])["data"][0]
    raw = base64.b64decode(data["value"])
    text = gzip.decompress(raw) if data["compression"] == "GZIP" else raw
    assert data["isBase64"] is True
    assert len(json.loads(text)["cells"]) == 2


def test_what_is_too_long_is_cut_off(sim: Simulator, http: httpx.Client) -> None:
    found = fetch(http, _failed(sim, http, output_limit=100)["key"])
    assert found["isTruncated"] is True
    assert len(found["data"][0]["value"]) == 100


def test_successful_notebooks_may_lose_their_outputs(sim: Simulator, http: httpx.Client) -> None:
    declare(sim, "*", "a", Outcome(printed="hello\n", exit_value={"rows": 3}))
    one = task_run(http, went(http, sim, job_of(http, task(sim, "a")), 99), "a")
    assert one["state"]["stateMessage"].startswith("Successfully executed notebook")
    found = fetch(http, one["key"])
    assert cells(found)[0]["outputs"][0]["text"] == "hello\n"
    assert found["outputParameters"] == [{"name": "exitValue", "value": '{"rows": 3}'}]
    less = {"cell_outputs": "failed_only", "exit_values": False}
    sim.options = sim.options.model_copy(update=less)
    found = fetch(http, one["key"])
    assert cells(found)[0]["outputs"] == []
    assert found["outputParameters"] == []


def test_export_gives_a_page_or_the_notebook(sim: Simulator, http: httpx.Client) -> None:
    one = _failed(sim, http)
    where = f"/taskRuns/{one['key']}/outputs/{one['outputKey']}/actions/export"
    page = http.post(where, json={}).json()
    assert (page["format"], page["name"], page["path"]) == ("HTML", "a.html", FILE)
    assert "KeyError: &#x27;amount&#x27;" in page["content"]
    book = http.post(where, json={"format": "IPYNB"}).json()
    assert len(json.loads(book["content"])["cells"]) == 2
    refused(http.post(where, json={"format": "PDF"}))
    wrong = f"/taskRuns/{one['key']}/outputs/nope/actions/export"
    refused(http.post(wrong, json={}), 404, "NotAuthorizedOrNotFound")


def test_what_tasks_print_is_in_the_logs_of_their_cluster(
    sim: Simulator, http: httpx.Client
) -> None:
    declare(sim, "*", "a", BAD.model_copy(update={"executor_log": "OOMKilled, exit code 137"}))
    run = went(http, sim, job_of(http, task(sim, "a")))
    lines = [one["text"] for _, one in sim.store.items(logs.KIND)]
    assert any("KeyError: 'amount'" in text for text in lines)
    assert "OOMKilled, exit code 137" in lines
    assert run["state"]["status"] == "FAILED"
