"""Repairs: what is run again, with which settings, and how the run's history tells it."""

from datetime import timedelta

import httpx
from databricks.sdk.service import jobs as api
from sim_runs_stage import BAD, GOOD, create, look, quick, refused, results, start, task
from sim_sdk import client

from agent.simulators.databricks import Simulator
from agent.simulators.databricks.outcomes import Outcome, declare

REPAIR = "/api/2.2/jobs/runs/repair"


def failed_run(sim: Simulator, http: httpx.Client) -> tuple[int, int]:
    """Give a job and a run of it in which the second of three tasks failed."""
    quick(sim, "a", "c")
    declare(sim, "b", BAD, BAD, GOOD)
    job_id = create(http, task("a"), task("b", "a"), task("c", "b"))
    run_id = start(http, job_id)
    sim.clock.advance(30)
    assert results(look(http, run_id)) == {"a": "SUCCESS", "b": "FAILED", "c": "UPSTREAM_FAILED"}
    return job_id, run_id


def test_a_repair_runs_failed_and_skipped_tasks_again_in_the_same_run(
    sim: Simulator, http: httpx.Client
) -> None:
    _, run_id = failed_run(sim, http)
    declare(sim, "b", GOOD)
    before = look(http, run_id)
    body = {"run_id": run_id, "rerun_all_failed_tasks": True}
    repair = http.post(REPAIR, json=body).json()["repair_id"]
    assert look(http, run_id)["state"]["life_cycle_state"] in ("PENDING", "RUNNING")
    sim.clock.advance(30)
    run = look(http, run_id, include_history="true")
    assert run["state"]["result_state"] == "SUCCESS"
    assert [(t["task_key"], t["attempt_number"]) for t in run["tasks"]] == [
        ("a", 0),
        ("b", 0),
        ("c", 0),
        ("b", 1),
        ("c", 1),
    ]
    original, repaired = run["repair_history"]
    assert original["type"] == "ORIGINAL"
    assert original["state"]["result_state"] == "FAILED"
    assert original["task_run_ids"] == [t["run_id"] for t in before["tasks"]]
    assert (repaired["type"], repaired["id"]) == ("REPAIR", repair)
    assert repaired["state"]["result_state"] == "SUCCESS"
    assert repaired["task_run_ids"] == [t["run_id"] for t in run["tasks"][3:]]
    assert repaired["end_time"] == run["end_time"]


def test_the_second_repair_needs_the_id_of_the_first(sim: Simulator, http: httpx.Client) -> None:
    _, run_id = failed_run(sim, http)
    workspace = client(sim)
    first = workspace.jobs.repair_run(run_id, rerun_all_failed_tasks=True).response.repair_id
    sim.clock.advance(30)
    again = {"run_id": run_id, "rerun_tasks": ["b"]}
    assert refused(http.post(REPAIR, json=again)) == (
        "The latest repair ID needs to be provided in order to create a new repair"
    )
    assert "not the latest" in refused(http.post(REPAIR, json=again | {"latest_repair_id": 7}))
    declare(sim, "b", Outcome(seconds=0))
    run = workspace.jobs.repair_run(
        run_id, rerun_tasks=["b"], rerun_dependent_tasks=True, latest_repair_id=first
    ).result(timeout=timedelta(seconds=5))
    assert run.state is not None
    assert run.state.result_state is api.RunResultState.SUCCESS
    history = workspace.jobs.get_run(run_id, include_history=True).repair_history or []
    assert len(history) == 3
    assert history[1].id == first


def test_a_repair_uses_the_jobs_settings_of_now_and_no_old_parameters(
    sim: Simulator, http: httpx.Client
) -> None:
    quick(sim, "a")
    declare(sim, "b", BAD, GOOD)
    parameters = [{"name": "day", "default": "none"}]
    job_id = create(http, task("a"), task("b", "a"), parameters=parameters)
    run_id = start(http, job_id, job_parameters={"day": "monday"})
    sim.clock.advance(30)
    changed = task("b", "a")
    changed["notebook_task"]["notebook_path"] = "/n/fixed"
    new = {"job_id": job_id, "new_settings": {"tasks": [changed]}}
    assert http.post("/api/2.2/jobs/update", json=new).json() == {}
    http.post(REPAIR, json={"run_id": run_id, "rerun_tasks": ["b"]})
    sim.clock.advance(30)
    run = look(http, run_id, include_resolved_values="true")
    old, repaired = run["tasks"][1:]
    assert old["notebook_task"]["notebook_path"] == "/n/b"
    assert repaired["notebook_task"]["notebook_path"] == "/n/fixed"
    assert run["job_parameters"] == [{"name": "day", "default": "none"}]
    given = repaired["resolved_values"]["notebook_task"]["base_parameters"]
    assert given == {"day": "none"}


def test_what_cannot_be_repaired_is_refused(sim: Simulator, http: httpx.Client) -> None:
    _, run_id = failed_run(sim, http)
    both = {"run_id": run_id, "rerun_tasks": ["b"], "rerun_all_failed_tasks": True}
    assert "Exactly one" in refused(http.post(REPAIR, json=both))
    assert "Exactly one" in refused(http.post(REPAIR, json={"run_id": run_id}))
    strange = {"run_id": run_id, "rerun_tasks": ["zz"]}
    assert "zz" in refused(http.post(REPAIR, json=strange))
    part = {"run_id": look(http, run_id)["tasks"][0]["run_id"], "rerun_tasks": ["b"]}
    assert "is a task of run" in refused(http.post(REPAIR, json=part))
    declare(sim, "slow", Outcome(never_ends=True))
    active = start(http, create(http, task("slow")))
    answer = http.post(REPAIR, json={"run_id": active, "rerun_all_failed_tasks": True})
    assert "not ended" in refused(answer)


def test_a_repair_of_named_tasks_leaves_those_after_them_alone(
    sim: Simulator, http: httpx.Client
) -> None:
    _, run_id = failed_run(sim, http)
    declare(sim, "b", GOOD)
    http.post(REPAIR, json={"run_id": run_id, "rerun_tasks": ["b"]})
    sim.clock.advance(30)
    run = look(http, run_id)
    assert results(run) == {"a": "SUCCESS", "b": "SUCCESS", "c": "UPSTREAM_FAILED"}
    assert run["state"]["result_state"] == "FAILED"
