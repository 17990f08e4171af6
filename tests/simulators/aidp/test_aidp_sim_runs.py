"""Runs on the virtual clock: begin, wait, end, are listed, cancelled and deleted."""

from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from aidp_jobs_stage import refused, task
from aidp_sim_runs_stage import (
    BAD,
    SORTED,
    chain,
    good,
    job_of,
    look,
    start,
    status,
    statuses,
    task_run,
    went,
)
from aidp_sim_stage import client

from agent.simulators.aidp import Simulator, VirtualClock, outcomes
from agent.simulators.aidp.outcomes import Outcome, Pass, declare


def test_a_run_goes_from_pending_to_success(sim: Simulator, http: httpx.Client) -> None:
    good(sim, "extract", "check")
    job = job_of(http, *chain(sim, "extract", "check"))
    answer = http.post("/jobRuns", json={"jobKey": job, "parameters": []})
    assert answer.status_code == 201
    first = answer.json()
    assert first["state"]["status"] == "PENDING"
    assert {"etag", "location", "opc-request-id"} <= set(answer.headers)
    sim.advance(1)
    run = look(http, first["key"])
    assert (run["state"]["status"], statuses(run)["check"]) == ("RUNNING", "PENDING")
    assert run["taskRunSummaryMap"][run["taskToTaskRunMap"]["check"]]["startTime"] is None
    sim.advance(60)
    run = look(http, first["key"])
    assert statuses(run) == {"extract": "SUCCESS", "check": "SUCCESS"}
    assert run["state"]["status"] == "SUCCESS"
    assert run["endTime"] - run["startTime"] == 20_000
    assert run["timeCreated"].endswith("Z")
    assert (run["launched"], run["repairKey"], run["repairHistory"]) == ("MANUAL", 0, [])
    assert run["systemParameters"]["job.run_id"] == run["key"]
    assert [s["status"] for s in run["lifecycleStates"]] == ["PENDING", "RUNNING", "SUCCESS"]
    without = look(http, first["key"], shouldIncludeTaskRunSummaries="false")
    assert without["taskRunSummaryMap"] is None
    assert "status" not in run


def test_what_cannot_be_started_is_refused(sim: Simulator, http: httpx.Client) -> None:
    assert "jobKey" in refused(http.post("/jobRuns", json={}))
    refused(http.post("/jobRuns", json={"jobKey": "nope"}), 404, "NotAuthorizedOrNotFound")
    job = job_of(http, task(sim, "a"))
    for wrong in ([{"key": "a", "value": "b"}], [{"name": "a", "value": 1}], {"a": "b"}):
        refused(http.post("/jobRuns", json={"jobKey": job, "parameters": wrong}))
    refused(http.post(f"/jobs/{job}/actions/run", json={}), 404, "NotAuthorizedOrNotFound")


def test_a_second_run_is_skipped_or_waits(sim: Simulator, http: httpx.Client) -> None:
    good(sim, "a")
    job = job_of(http, task(sim, "a"))
    first = start(http, job)
    second = start(http, job)
    assert second["state"]["status"] == "SKIPPED"
    assert second["taskToTaskRunMap"] == {}
    third = start(http, job, queue={"isEnabled": True})
    assert third["state"]["status"] == "QUEUED"
    sim.advance(5)
    assert (status(http, first["key"]), status(http, third["key"])) == ("RUNNING", "QUEUED")
    sim.advance(5)
    assert (status(http, first["key"]), status(http, third["key"])) == ("SUCCESS", "RUNNING")
    sim.advance(10)
    run = look(http, third["key"])
    assert run["startTime"] == look(http, first["key"])["endTime"]


def test_the_same_retry_token_starts_one_run(sim: Simulator, http: httpx.Client) -> None:
    good(sim, "a")
    job = job_of(http, task(sim, "a"), maxConcurrentRuns=5)
    keys = {
        http.post("/jobRuns", json={"jobKey": job}, headers={"opc-retry-token": "t1"}).json()["key"]
        for _ in range(3)
    }
    assert len(keys) == 1
    sim.advance(25 * 3600)
    again = http.post("/jobRuns", json={"jobKey": job}, headers={"opc-retry-token": "t1"})
    assert again.json()["key"] not in keys


def test_lists_want_an_order_and_have_summaries(sim: Simulator, http: httpx.Client) -> None:
    good(sim, "a")
    jobs = [job_of(http, task(sim, "a"), name=f"job_{n}", maxConcurrentRuns=9) for n in range(3)]
    keys = []
    for _ in range(3):
        keys += [start(http, job)["key"] for job in jobs]
        sim.advance(1)
    message = refused(http.get("/jobRuns"))
    assert "WORKFLOW_0007" in message
    assert "Invalid SortBy: null" in message
    assert "startTime" in refused(http.get("/jobRuns", params={"sortBy": "startTime"}))
    found = http.get("/jobRuns", params=SORTED).json()["items"]
    assert [one["key"] for one in found] == keys
    assert "taskToTaskRunMap" not in found[0]
    assert found[0]["state"] == {
        "status": "RUNNING",
        "stateMessage": None,
        "errorTrace": None,
        "isUserCanceledOrTimedOut": False,
    }
    some = http.get("/jobRuns", params={**SORTED, "jobKey": jobs[:2]}).json()["items"]
    assert {one["jobKey"] for one in some} == set(jobs[:2])
    assert http.get("/jobRuns", params={**SORTED, "status": ["FAILED"]}).json()["items"] == []
    refused(http.get("/jobRuns", params={**SORTED, "status": "TIMED_OUT"}))
    pages, page = [], {"sortBy": "displayName", "limit": "4"}
    while True:
        answer = http.get("/jobRuns", params=page)
        pages += answer.json()["items"]
        if "opc-next-page" not in answer.headers:
            break
        page["page"] = answer.headers["opc-next-page"]
    assert len(pages) == 9
    since = found[3]["timeCreated"]
    late = http.get("/jobRuns", params={**SORTED, "timeCreatedGreaterThanOrEqualTo": since})
    assert [one["key"] for one in late.json()["items"]] == keys[3:]
    recent = http.get("/recentJobRuns", params={"jobKey": jobs[:2], "recordCount": 1})
    assert [one["key"] for one in recent.json()["items"]] == keys[6:8]
    refused(http.get("/recentJobRuns"))
    sim.options = sim.options.model_copy(update={"sort_by_required": False})
    assert len(http.get("/jobRuns").json()["items"]) == 9


def test_task_runs_are_listed_without_their_errors(sim: Simulator, http: httpx.Client) -> None:
    declare(sim, "*", "a", BAD)
    run = went(http, sim, job_of(http, *chain(sim, "a", "b")))
    assert run["state"]["status"] == "FAILED"
    assert run["state"]["stateMessage"] == "Task a failed"
    assert statuses(run) == {"a": "FAILED", "b": "UPSTREAM_FAILED"}
    refused(http.get("/taskRuns", params=SORTED))
    assert "WORKFLOW_0007" in refused(http.get("/taskRuns", params={"jobRunKey": run["key"]}))
    items = http.get("/taskRuns", params={**SORTED, "jobRunKey": run["key"]}).json()["items"]
    assert [one["taskKey"] for one in items] == ["a", "b"]
    assert "errorTrace" not in items[0]["state"]
    assert "outputKey" not in items[0]
    only = {**SORTED, "jobRunKey": run["key"], "status": ["UPSTREAM_FAILED", "SKIPPED"]}
    assert [one["taskKey"] for one in http.get("/taskRuns", params=only).json()["items"]] == ["b"]
    failed = task_run(http, run, "a")
    assert failed["state"]["stateMessage"] == "Exception during execution of notebook"
    assert failed["state"]["errorTrace"].endswith("KeyError: 'amount'")
    assert failed["outputKey"]
    assert failed["task"]["notebookPath"] == "/Workspace/Shared/a.ipynb"
    assert task_run(http, run, "b")["outputKey"] is None
    refused(http.get("/taskRuns/nope"), 404, "NotAuthorizedOrNotFound")


def test_cancel_answers_at_once_and_ends_later(sim: Simulator, http: httpx.Client) -> None:
    good(sim, "a", "b")
    key = start(http, job_of(http, *chain(sim, "a", "b")))["key"]
    sim.advance(5)
    answer = http.post(f"/jobRuns/{key}/actions/cancel")
    assert (answer.status_code, answer.json()["state"]["status"]) == (202, "CANCELING")
    run = look(http, key)
    assert statuses(run) == {"a": "CANCELING", "b": "UPSTREAM_CANCELED"}
    sim.advance(3)
    run = look(http, key)
    assert run["state"]["status"] == "CANCELED"
    assert run["state"]["isUserCanceledOrTimedOut"] is True
    assert statuses(run)["a"] == "CANCELED"
    refused(http.post(f"/jobRuns/{key}/actions/cancel"), 409, "IncorrectState")
    assert http.delete(f"/jobRuns/{key}").status_code == 204
    refused(http.get(f"/jobRuns/{key}"), 404, "NotAuthorizedOrNotFound")


def test_a_cancel_may_fail_to_reach_the_task(sim: Simulator, http: httpx.Client) -> None:
    declare(sim, "*", "a", Outcome(seconds=900, cancel_fails=True))
    key = start(http, job_of(http, task(sim, "a")))["key"]
    sim.advance(5)
    http.post(f"/jobRuns/{key}/actions/cancel")
    sim.advance(3)
    one = task_run(http, look(http, key), "a")
    assert one["state"]["stateMessage"] == "Failed to cancel task run execution"


def test_all_runs_of_a_job_are_cancelled(sim: Simulator, http: httpx.Client) -> None:
    good(sim, "a")
    job = job_of(http, task(sim, "a"), queue={"isEnabled": True})
    keys = [start(http, job)["key"] for _ in range(3)]
    sim.advance(1)
    refused(http.delete(f"/jobRuns/{keys[0]}"), 409, "IncorrectState")
    answer = http.post(f"/jobs/{job}/actions/cancelJobRuns")
    assert (answer.status_code, answer.content) == (202, b"")
    sim.advance(5)
    assert {status(http, key) for key in keys} == {"CANCELED"}


def test_tries_and_time_limits(sim: Simulator, http: httpx.Client) -> None:
    declare(sim, "*", "a", BAD, times=2)
    declare(sim, "*", "a", Outcome(seconds=900))
    limits = {"maxRetries": 3, "minRetryIntervalMillis": 30_000, "timeoutSeconds": 60}
    run = went(http, sim, job_of(http, task(sim, "a", **limits)), 200)
    one = task_run(http, run, "a")
    assert (one["state"]["status"], one["retryAttempt"]) == ("TIMED_OUT", 2)
    assert [r["retryNumber"] for r in one["retries"]] == [0, 1, 2]
    assert [r["state"]["status"] for r in one["retries"]] == ["FAILED", "FAILED", "TIMED_OUT"]
    starts = [r["startTime"] for r in one["retries"]]
    assert [b - a for a, b in pairwise(starts)] == [30_000, 30_000]
    assert run["state"]["stateMessage"] == "Task a timed out"
    listed = http.get(f"/taskRuns/{one['key']}/retries", params=SORTED).json()["items"]
    assert {r["taskRunId"] for r in listed} == {one["key"]}
    first = http.post(
        f"/taskRuns/{one['key']}/actions/fetchOutput",
        json={"outputKey": one["retries"][0]["outputKey"]},
    )
    assert "KeyError" in first.json()["errorTrace"]


def test_a_job_has_a_time_limit_and_streams_have_none(sim: Simulator, http: httpx.Client) -> None:
    declare(sim, "*", "a", Outcome(seconds=900))
    run = went(http, sim, job_of(http, *chain(sim, "a", "b"), timeoutSeconds=30), 60)
    assert run["state"]["status"] == "TIMED_OUT"
    assert statuses(run) == {"a": "TIMED_OUT", "b": "UPSTREAM_CANCELED"}
    passes = (Pass(status="RUNNING", seconds=60), Pass(status="PAUSED_MAINTENANCE", seconds=60))
    declare(sim, "*", "s", Outcome(passes=passes))
    stream = task(sim, "s", isStreaming=True, timeoutSeconds=5)
    key = start(http, job_of(http, stream, name="stream.job"))["key"]
    found = []
    for _ in range(3):
        sim.advance(50)
        found.append(status(http, key))
    assert found == ["RUNNING", "PAUSED_MAINTENANCE", "RUNNING"]
    sim.advance(9_000)
    assert status(http, key) == "RUNNING"


@pytest.mark.parametrize(
    "wanted",
    ["BLOCKED", "INTERNAL_ERROR", "EXCLUDED", "UPSTREAM_FAILED", "UPSTREAM_CANCELED", "QUEUED"],
)
def test_a_run_goes_as_declared(sim: Simulator, http: httpx.Client, wanted: str) -> None:
    outcome = Outcome.model_validate({"status": wanted, "seconds": 5, "message": "why"})
    declare(sim, "etl_daily.job", "", outcome)
    run = went(http, sim, job_of(http, task(sim, "a")), 30)
    assert run["state"]["status"] == wanted
    assert run["state"]["stateMessage"] == "why"
    assert (run["endTime"] is None) == (wanted in ("BLOCKED", "QUEUED"))
    assert run["taskToTaskRunMap"] == {}


def test_a_blocked_task_blocks_its_run_until_it_is_cancelled(
    sim: Simulator, http: httpx.Client
) -> None:
    declare(sim, "*", "a", Outcome(status="BLOCKED", seconds=5))
    run = went(http, sim, job_of(http, task(sim, "a")), 30)
    assert (run["state"]["status"], statuses(run)) == ("BLOCKED", {"a": "BLOCKED"})
    http.post(f"/jobRuns/{run['key']}/actions/cancel")
    sim.advance(5)
    assert status(http, run["key"]) == "CANCELED"


def test_outcomes_are_declared_over_http(
    sim: Simulator, http: httpx.Client, plain: httpx.Client
) -> None:
    outcome = {"status": "FAILED", "seconds": 1, "error": "ValueError: no"}
    where = "/__simulator/outcomes"
    body = {"job": "etl_daily.job", "task": "a", "times": None, "outcome": outcome}
    assert plain.post(where, json=body).status_code == 200
    key = job_of(http, task(sim, "a"))
    for _ in range(2):
        assert statuses(went(http, sim, key)) == {"a": "FAILED"}
    wrong = plain.post(where, json={"task": "a", "outcome": {"status": "SUCCEEDED"}})
    assert "status" in refused(wrong)
    refused(plain.post(where, json={"task": 1}))
    assert plain.post(where, json={**body, "outcome": None}).status_code == 200
    assert outcomes.take(sim, "etl_daily.job", "a") is None


def test_runs_survive_a_restart(tmp_path: Path) -> None:
    clock = VirtualClock()
    with Simulator(tmp_path / "w", clock=clock) as sim, client(sim) as http:
        good(sim, "a", "b")
        run = start(http, job_of(http, *chain(sim, "a", "b")))
        sim.advance(5)
    clock.advance(12)
    with Simulator(tmp_path / "w", clock=clock) as sim, client(sim) as http:
        found = look(http, run["key"])
        assert statuses(found) == {"a": "SUCCESS", "b": "RUNNING"}
        sim.advance(5)
        found = look(http, run["key"])
        assert found["state"]["status"] == "SUCCESS"
        assert found["endTime"] - found["startTime"] == 20_000
