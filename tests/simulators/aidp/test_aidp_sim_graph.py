"""Tasks among themselves: conditions, branches, nested runs, missing clusters, schedules."""

from typing import Any

import httpx
import pytest
from aidp_jobs_stage import job, made, refused, task
from aidp_sim_runs_stage import (
    BAD,
    GOOD,
    SORTED,
    chain,
    good,
    job_of,
    look,
    start,
    statuses,
    task_run,
    went,
)

from agent.simulators.aidp import Simulator, computing, conditions, cron
from agent.simulators.aidp.outcomes import Outcome, declare

FRIDAY_MS = 1_789_992_000_000  # 2026-09-21 12:00 UTC


@pytest.mark.parametrize(
    ("run_if", "expected", "ends"),
    [
        ("ALL_SUCCESS", "UPSTREAM_FAILED", "FAILED"),
        ("ALL_DONE", "SUCCESS", "SUCCESS"),
        ("NONE_FAILED", "UPSTREAM_FAILED", "FAILED"),
        ("AT_LEAST_ONE_SUCCESS", "SUCCESS", "SUCCESS"),
        ("ALL_FAILED", "SKIPPED", "SUCCESS"),
        ("AT_LEAST_ONE_FAILED", "SUCCESS", "SUCCESS"),
    ],
)
def test_run_if_over_one_good_and_one_bad_task(
    sim: Simulator, http: httpx.Client, run_if: str, expected: str, ends: str
) -> None:
    good(sim, "good", "last")
    declare(sim, "*", "bad", BAD)
    tasks = [task(sim, "good"), task(sim, "bad"), task(sim, "last", "good", "bad", runIf=run_if)]
    run = went(http, sim, job_of(http, *tasks))
    assert (statuses(run)["last"], run["state"]["status"]) == (expected, ends)


def _gate(condition: str, **expressions: str) -> dict[str, Any]:
    listed = [{"key": key, "value": value} for key, value in expressions.items()]
    found: dict[str, Any] = {"type": "IF_ELSE_TASK", "taskKey": "gate", "runIf": "ALL_SUCCESS"}
    return found | {"expressions": listed, "condition": condition}


def test_only_the_branch_that_was_taken_runs(sim: Simulator, http: httpx.Client) -> None:
    good(sim, "yes", "no", "after")
    tasks = [
        _gate("A AND NOT B", A="{{job.parameters.rows}} > 9", B="x==y"),
        {**task(sim, "yes"), "dependsOn": [{"taskKey": "gate", "outcome": "true"}]},
        {**task(sim, "no"), "dependsOn": [{"taskKey": "gate", "outcome": "false"}]},
        task(sim, "after", "no"),
    ]
    key = job_of(http, *tasks, parameters=[{"name": "rows", "value": "1"}])
    run = start(http, key, parameters=[{"name": "rows", "value": "10"}])
    sim.advance(60)
    run = look(http, run["key"])
    expected = {"gate": "SUCCESS", "yes": "SUCCESS", "no": "EXCLUDED", "after": "EXCLUDED"}
    assert statuses(run) == expected
    assert run["state"]["status"] == "SUCCESS"
    run = went(http, sim, key)
    assert (statuses(run)["yes"], statuses(run)["no"]) == ("EXCLUDED", "SUCCESS")


def test_a_condition_that_cannot_be_read_fails(sim: Simulator, http: httpx.Client) -> None:
    run = went(http, sim, job_of(http, _gate("A AND C", A="1==1")))
    assert "no expression has the key 'C'" in task_run(http, run, "gate")["state"]["stateMessage"]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("A", True),
        ("NOT A", False),
        ("A OR B AND B", True),
        ("(A OR B) AND B", False),
        ("!B", True),
        ("a", None),
        ("A B", None),
        ("(A", None),
        ("", None),
    ],
)
def test_conditions(condition: str, expected: bool | None) -> None:
    values = {"A": conditions.holds("2 >= 10") is False, "B": conditions.holds("'x' == y")}
    if expected is None:
        with pytest.raises(conditions.Unclear):
            conditions.decide(condition, values)
    else:
        assert conditions.decide(condition, values) is expected


def test_a_nested_run_is_part_of_its_root(sim: Simulator, http: httpx.Client) -> None:
    declare(sim, "child.job", "one", GOOD, times=None)
    declare(sim, "child.job", "two", BAD)
    declare(sim, "child.job", "two", GOOD)
    child = job_of(http, *chain(sim, "one", "two"), name="child.job")
    step = {"type": "JOB_TASK", "taskKey": "nest", "runIf": "ALL_SUCCESS", "jobKey": child}
    run = went(http, sim, job_of(http, step))
    assert statuses(run) == {"nest": "FAILED"}
    inner = http.get("/jobRuns", params={**SORTED, "jobKey": child}).json()["items"][0]
    inner = look(http, inner["key"])
    assert (inner["rootJobRunKey"], inner["parentJobRunKey"]) == (run["key"], run["key"])
    assert inner["parentTaskRunKey"] == run["taskToTaskRunMap"]["nest"]
    body = {"taskKeys": ["two"]}
    message = refused(http.post(f"/jobRuns/{inner['key']}/actions/repair", json=body))
    assert "root" in message
    http.post(f"/jobRuns/{run['key']}/actions/repair", json={"taskKeys": ["nest"]})
    sim.advance(60)
    again = look(http, inner["key"])
    assert look(http, run["key"])["state"]["status"] == "SUCCESS"
    assert (again["repairKey"], again["state"]["status"]) == (1, "SUCCESS")
    assert again["taskToTaskRunMap"]["one"] == inner["taskToTaskRunMap"]["one"]


def test_a_repair_may_say_what_of_a_nested_run(sim: Simulator, http: httpx.Client) -> None:
    good(sim, "one")
    declare(sim, "child.job", "two", BAD)
    declare(sim, "child.job", "two", GOOD)
    child = job_of(http, task(sim, "one"), task(sim, "two"), name="child.job")
    step = {"type": "JOB_TASK", "taskKey": "nest", "runIf": "ALL_SUCCESS", "jobKey": child}
    run = went(http, sim, job_of(http, step))
    where = f"/jobRuns/{run['key']}/actions/repair"
    refused(http.post(where, json={"repairTasks": [_nested("x")]}))
    http.post(where, json={"repairTasks": [_nested({"taskKeys": ["nope"]})]})
    sim.advance(60)
    run = look(http, run["key"])
    assert "'nope' does not exist" in task_run(http, run, "nest")["state"]["stateMessage"]
    http.post(where, json={"repairTasks": [_nested({"taskKeys": ["one", "two"]})]})
    sim.advance(60)
    assert look(http, run["key"])["state"]["status"] == "SUCCESS"
    inner = http.get("/jobRuns", params={**SORTED, "jobKey": child}).json()["items"]
    assert look(http, inner[0]["key"])["repairedTasks"] == ["one", "two"]


def _nested(details: Any) -> dict[str, Any]:
    return {"taskKey": "nest", "nestedRepairJobRunDetails": details}


def test_cancelling_a_root_cancels_what_is_nested(sim: Simulator, http: httpx.Client) -> None:
    good(sim, "one")
    child = job_of(http, task(sim, "one"), name="child.job")
    step = {"type": "JOB_TASK", "taskKey": "nest", "runIf": "ALL_SUCCESS", "jobKey": child}
    run = start(http, job_of(http, step))
    sim.advance(5)
    http.post(f"/jobRuns/{run['key']}/actions/cancel")
    sim.advance(5)
    found = http.get("/jobRuns", params=SORTED).json()["items"]
    assert [one["state"]["status"] for one in found] == ["CANCELED", "CANCELED"]


def test_what_does_not_run_here_says_so(sim: Simulator, http: httpx.Client) -> None:
    agent = {"type": "AGENT_TASK", "taskKey": "ask", "runIf": "ALL_SUCCESS"}
    agent |= {"agentKey": "k", "prompt": "p"}
    jar = {**task(sim, "jar"), "type": "JAR_TASK", "mainClass": "x.Y"}
    run = went(http, sim, job_of(http, agent, jar))
    for key in ("ask", "jar"):
        assert "declare an outcome" in task_run(http, run, key)["state"]["stateMessage"]


@pytest.mark.parametrize(
    ("cluster", "code"),
    [
        ({"clusterName": "11111111-2222-4333-8444-555555555555"}, "0049: Cluster not found"),
        ({"clusterKey": "11111111-2222-4333-8444-555555555555"}, "0049: Cluster not found"),
        ({"clusterName": "nowhere"}, "0049: Cluster not found"),
        ({"clusterName": computing.DEFAULT_NAME}, "0055: Cluster Default Master Catalog Compute"),
    ],
)
def test_a_wrong_cluster_shows_when_the_task_begins(
    sim: Simulator, http: httpx.Client, cluster: dict[str, str], code: str
) -> None:
    run = went(http, sim, job_of(http, task(sim, "a", cluster=cluster)))
    one = task_run(http, run, "a")
    assert one["state"]["status"] == "FAILED"
    assert f"WORKFLOW_EXECUTION_{code}" in one["state"]["stateMessage"]


def test_the_cluster_key_in_place_of_its_name(sim: Simulator, http: httpx.Client) -> None:
    cluster = {"clusterKey": sim.cluster_key, "clusterName": sim.cluster_key}
    run = went(http, sim, job_of(http, task(sim, "a", cluster=cluster)))
    assert "0049" in task_run(http, run, "a")["state"]["stateMessage"]


def test_a_stopped_cluster_and_a_wrong_run_as(sim: Simulator, http: httpx.Client) -> None:
    good(sim, "a")
    key = job_of(http, task(sim, "a"))
    http.post(f"/clusters/{sim.cluster_key}/actions/stop", json={})
    run = went(http, sim, key)
    message = task_run(http, run, "a")["state"]["stateMessage"]
    assert "0055" in message
    assert "is not in Active state in workspace" in message
    http.post(f"/clusters/{sim.cluster_key}/actions/start", json={})
    sim.advance(600)
    assert statuses(went(http, sim, key)) == {"a": "SUCCESS"}
    whole = job(tasks=[task(sim, "a")], runAs="svc_account")
    assert http.put(f"/jobs/{key}", json=whole).is_success
    run = went(http, sim, key)
    assert "WORKFLOW_EXECUTION_0036" in task_run(http, run, "a")["state"]["stateMessage"]


def test_a_schedule_starts_runs_by_the_clock(sim: Simulator, http: httpx.Client) -> None:
    declare(sim, "*", "a", Outcome(seconds=1_900))
    good(sim, "a")
    when = {"quartzCronExpression": "0 0/30 * * * ?", "timezoneId": "Europe/Berlin"}
    key = job_of(http, task(sim, "a"), schedule={**when, "pauseStatus": "UNPAUSED"})
    sim.advance(2 * 3600)
    found = http.get("/jobRuns", params={**SORTED, "jobKey": key}).json()["items"]
    assert {one["launched"] for one in found} == {"SCHEDULED"}
    ended = [one["state"]["status"] for one in found]
    assert ended[:4] == ["SUCCESS", "SKIPPED", "SUCCESS", "SUCCESS"]
    assert all(one["startTime"] % 1_800_000 == 0 for one in found if one["startTime"])
    paused = job(tasks=[task(sim, "a")], schedule={**when, "pauseStatus": "PAUSED"})
    http.put(f"/jobs/{key}", json=paused)
    sim.advance(2 * 3600)
    assert len(http.get("/jobRuns", params=SORTED).json()["items"]) == len(found)


def test_a_scheduled_run_may_need_a_run_as(sim: Simulator, http: httpx.Client) -> None:
    sim.options = sim.options.model_copy(update={"scheduled_need_run_as": True})
    good(sim, "a")
    when = {"quartzCronExpression": "0 0 * * * ?", "timezoneId": "UTC"}
    key = job_of(http, task(sim, "a"), schedule=when)
    assert statuses(went(http, sim, key)) == {"a": "SUCCESS"}
    sim.advance(3600)
    query = {"sortBy": "timeCreated", "jobKey": key}
    last = look(http, http.get("/jobRuns", params=query).json()["items"][0]["key"])
    assert last["launched"] == "SCHEDULED"
    message = task_run(http, last, "a")["state"]["stateMessage"]
    assert "WORKFLOW_EXECUTION_0055" in message
    assert "RBAC check failed" in message


def test_a_continuous_job_always_has_one_run(sim: Simulator, http: httpx.Client) -> None:
    good(sim, "a")
    made(http, tasks=[task(sim, "a")], continuous={"pauseStatus": "UNPAUSED"})
    sim.advance(45)
    found = http.get("/jobRuns", params=SORTED).json()["items"]
    assert [one["state"]["status"] for one in found] == ["SUCCESS", "SUCCESS", "RUNNING"]


@pytest.mark.parametrize(
    ("expression", "zone", "hours"),
    [
        ("0 0 6 * * ?", "UTC", 18),
        ("0 30 14 ? * MON-FRI", "Europe/Berlin", 0.5),
        ("0 0 0 L * ?", "UTC", 9 * 24 - 12),
        ("0 0 12 ? * 2#4", "UTC", 7 * 24),
        ("0 0 12 LW * ? 2026", "UTC", 9 * 24),
        ("0 0 12 1 1 ? 2020", "UTC", None),
        ("0 0/30 * * * ?", "GMT+05:30", 0.5),
    ],
)
def test_cron(expression: str, zone: str, hours: float | None) -> None:
    found = cron.after(cron.parse(expression, zone), FRIDAY_MS)
    assert (None if found is None else (found - FRIDAY_MS) / 3_600_000) == hours


@pytest.mark.parametrize(
    "wrong", ["0 0 6 * * *", "0 0 6 ? * ?", "0 0 25 * * ?", "x", "0 0/0 * * * ?"]
)
def test_cron_refuses(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        cron.parse(wrong, "UTC")
