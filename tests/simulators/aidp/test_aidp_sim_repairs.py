"""Repairs: the same key, another repair, only what was chosen."""

import httpx
import pytest
from aidp_jobs_stage import job, refused, task
from aidp_sim_runs_stage import BAD, GOOD, SORTED, chain, good, job_of, look, start, statuses, went

from agent.simulators.aidp import Simulator
from agent.simulators.aidp.outcomes import declare


def test_a_repair_keeps_the_run_and_what_succeeded(sim: Simulator, http: httpx.Client) -> None:
    good(sim, "a", "c")
    declare(sim, "*", "b", BAD)
    declare(sim, "*", "b", GOOD)
    before = went(http, sim, job_of(http, *chain(sim, "a", "b", "c")))
    body = {"taskKeys": ["b", "c"], "parameters": [{"name": "x", "value": "2"}]}
    answer = http.post(f"/jobRuns/{before['key']}/actions/repair", json=body)
    assert answer.status_code == 202
    assert answer.json()["key"] == before["key"]
    assert (answer.json()["state"]["status"], answer.json()["repairKey"]) == ("PENDING", 1)
    sim.advance(60)
    run = look(http, before["key"])
    assert statuses(run) == {"a": "SUCCESS", "b": "SUCCESS", "c": "SUCCESS"}
    assert run["taskToTaskRunMap"]["a"] == before["taskToTaskRunMap"]["a"]
    assert run["taskToTaskRunMap"]["b"] != before["taskToTaskRunMap"]["b"]
    assert len(run["taskRunSummaryMap"]) == 5
    assert run["repairedTasks"] == ["b", "c"]
    assert run["systemParameters"]["job.repair_count"] == "1"
    assert [(h["type"], h["key"], h["state"]["status"]) for h in run["repairHistory"]] == [
        ("ORIGINAL", 0, "FAILED"),
        ("REPAIR", 1, "SUCCESS"),
    ]
    old = look(http, before["key"], repairKey=0)
    assert old["taskToTaskRunMap"] == before["taskToTaskRunMap"]
    assert old["state"]["status"] == "FAILED"
    listed = http.get("/taskRuns", params={**SORTED, "jobRunKey": run["key"]}).json()["items"]
    assert len(listed) == 5
    refused(http.post(f"/jobRuns/{run['key']}/actions/repair", json=body), 409, "IncorrectState")


def test_repair_tasks_bring_what_is_after_them(sim: Simulator, http: httpx.Client) -> None:
    good(sim, "a", "c")
    declare(sim, "*", "b", BAD)
    declare(sim, "*", "b", GOOD)
    run = went(http, sim, job_of(http, *chain(sim, "a", "b", "c")))
    tasks = [{"taskKey": "b", "shouldIncludeDownstream": True}]
    http.post(f"/jobRuns/{run['key']}/actions/repair", json={"repairTasks": tasks})
    sim.advance(60)
    run = look(http, run["key"])
    assert (run["repairedTasks"], run["state"]["status"]) == (["b", "c"], "SUCCESS")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"taskKeys": ["nope"]}, "nope"),
        ({"taskKeys": []}, "taskKeys size"),
        ({}, "taskKeys size"),
        ({"repairTasks": [{}]}, "repairTasks[0].taskKey must not be null"),
        ({"taskKeys": "a"}, "must be an array"),
    ],
)
def test_what_cannot_be_repaired(
    sim: Simulator, http: httpx.Client, body: dict[str, object], said: str
) -> None:
    declare(sim, "*", "a", BAD)
    run = went(http, sim, job_of(http, task(sim, "a")))
    assert said in refused(http.post(f"/jobRuns/{run['key']}/actions/repair", json=body))
    assert look(http, run["key"])["repairKey"] == 0


def test_an_active_or_skipped_run_is_not_repaired(sim: Simulator, http: httpx.Client) -> None:
    good(sim, "a")
    key = job_of(http, task(sim, "a"))
    for run in (start(http, key), start(http, key)):
        answer = http.post(f"/jobRuns/{run['key']}/actions/repair", json={"taskKeys": ["a"]})
        refused(answer, 409, "IncorrectState")


@pytest.mark.parametrize(("uses", "expected"), [("job", "SUCCESS"), ("run", "FAILED")])
def test_whose_definition_a_repair_runs(
    sim: Simulator, http: httpx.Client, uses: str, expected: str
) -> None:
    sim.options = sim.options.model_copy(update={"repair_uses": uses})
    good(sim, "a")
    wrong = {"clusterKey": sim.cluster_key, "clusterName": sim.cluster_key}
    key = job_of(http, task(sim, "a", cluster=wrong))
    run = went(http, sim, key)
    http.put(f"/jobs/{key}", json=job(tasks=[task(sim, "a")]))
    http.post(f"/jobRuns/{run['key']}/actions/repair", json={"taskKeys": ["a"]})
    sim.advance(60)
    assert look(http, run["key"])["state"]["status"] == expected


def test_a_stale_etag_stops_a_repair(sim: Simulator, http: httpx.Client) -> None:
    declare(sim, "*", "a", BAD)
    run = went(http, sim, job_of(http, task(sim, "a")))
    where = f"/jobRuns/{run['key']}/actions/repair"
    refused(
        http.post(where, json={"taskKeys": ["a"]}, headers={"if-match": "old"}), 412, "NoEtagMatch"
    )
    tag = http.get(f"/jobRuns/{run['key']}").headers["etag"]
    answer = http.post(where, json={"taskKeys": ["a"]}, headers={"if-match": tag})
    assert answer.status_code == 202
