"""Runs of the simulated workspace: states, tokens, limits, ends, as the real service has them."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from databricks.sdk.errors import NotFound, OperationFailed
from databricks.sdk.service import jobs as api
from sim_runs_stage import BAD, GOOD, create, look, quick, refused, results, start, task
from sim_sdk import client

from agent.simulators.databricks import Options, Simulator, VirtualClock
from agent.simulators.databricks.outcomes import Outcome, declare, declare_json
from agent.simulators.databricks.wire import ApiError

MINUTE = 60.0
ONCE = "0123456789abcdef"


def test_a_failed_task_leaves_its_run_as_the_service_does(
    sim: Simulator, http: httpx.Client
) -> None:
    declare(sim, "main", BAD)
    run_id = start(http, create(http, task("main")))
    assert look(http, run_id)["state"]["life_cycle_state"] == "RUNNING"
    sim.clock.advance(10)
    run = look(http, run_id)
    assert run["state"] == {
        "life_cycle_state": "INTERNAL_ERROR",
        "result_state": "FAILED",
        "state_message": "Task main failed with message: Workload failed, see run output for "
        "details.",
        "user_cancelled_or_timedout": False,
    }
    assert run["status"]["state"] == "TERMINATED"
    assert run["status"]["termination_details"]["code"] == "RUN_EXECUTION_ERROR"
    assert run["status"]["termination_details"]["type"] == "CLIENT_ERROR"
    failed = run["tasks"][0]
    assert failed["state"]["life_cycle_state"] == "TERMINATED"
    assert failed["state"]["state_message"] == "Workload failed, see run output for details"
    assert failed["execution_duration"] == 10_000
    page = f"{sim.url}/?o={sim.workspace_id}#job/{run['job_id']}/run/{run_id}"
    assert run["run_page_url"] == page


def test_the_waiter_raises_for_a_failed_task_and_returns_for_one_that_is_terminated(
    tmp_path: Path,
) -> None:
    for shape in ("INTERNAL_ERROR", "TERMINATED"):
        options = Options(failed_parent=shape)
        with Simulator(tmp_path / shape, clock=VirtualClock(), options=options) as sim:
            declare(sim, "main", BAD.model_copy(update={"seconds": 0}))
            workspace = client(sim)
            tasks = [api.Task(task_key="main")]
            job_id = workspace.jobs.create(name="j", tasks=tasks).job_id
            assert job_id is not None
            waiter = workspace.jobs.run_now(job_id)
            if shape == "INTERNAL_ERROR":
                with pytest.raises(OperationFailed, match=r"got RunLifeCycleState\.INTERNAL_ERROR"):
                    waiter.result(timeout=timedelta(seconds=5))
            else:
                state = waiter.result(timeout=timedelta(seconds=5)).state
                assert state is not None
                assert state.result_state is api.RunResultState.FAILED


def test_the_same_token_finds_the_same_run_in_any_state(sim: Simulator, http: httpx.Client) -> None:
    declare(sim, "main", BAD)
    job_id = create(http, task("main"))
    first = start(http, job_id, idempotency_token="k" * 64)
    assert start(http, job_id, idempotency_token="k" * 64) == first
    sim.clock.advance(MINUTE)
    assert start(http, job_id, idempotency_token="k" * 64) == first
    assert start(http, job_id, idempotency_token="o" + "k") != first
    long = {"job_id": job_id, "idempotency_token": "k" * 65}
    assert "64 characters" in refused(http.post("/api/2.2/jobs/run-now", json=long))
    assert http.post("/api/2.2/jobs/runs/delete", json={"run_id": first}).json() == {}
    gone = {"job_id": job_id, "idempotency_token": "k" * 64}
    assert "deleted" in refused(http.post("/api/2.2/jobs/run-now", json=gone))


def test_a_lost_reply_and_a_second_request_make_one_run(sim: Simulator) -> None:
    workspace = client(sim)
    job_id = workspace.jobs.create(name="j", tasks=[api.Task(task_key="a")]).job_id
    assert job_id is not None
    sim.faults.add("POST */jobs/run-now", "drop_after")
    waiter = workspace.jobs.run_now(job_id, idempotency_token=ONCE)
    runs = list(workspace.jobs.list_runs(job_id=job_id))
    assert [run.run_id for run in runs] == [waiter.response.run_id]


def test_a_run_above_the_limit_waits_or_is_skipped(sim: Simulator, http: httpx.Client) -> None:
    declare(sim, "main", Outcome(seconds=100))
    job_id = create(http, task("main"))
    first, second = start(http, job_id), start(http, job_id)
    queued = look(http, second)
    assert queued["state"]["life_cycle_state"] == "QUEUED"
    assert queued["status"]["queue_details"]["code"] == "MAX_CONCURRENT_RUNS_REACHED"
    third = start(http, job_id, queue={"enabled": False})
    skipped = look(http, third)["state"]
    assert skipped["life_cycle_state"] == "SKIPPED"
    assert skipped["result_state"] == "MAXIMUM_CONCURRENT_RUNS_REACHED"
    sim.clock.advance(250)
    began = look(http, second)
    assert look(http, first)["end_time"] == began["tasks"][0]["start_time"]
    assert began["queue_duration"] == 100_000
    assert began["state"]["result_state"] == "SUCCESS"
    assert began["end_time"] - began["start_time"] == 200_000


def test_tasks_begin_when_those_before_them_ended_however_far_the_clock_jumps(
    sim: Simulator, http: httpx.Client
) -> None:
    declare(sim, "a", GOOD)
    declare(sim, "b", Outcome(seconds=20))
    declare(sim, "c", GOOD)
    run_id = start(http, create(http, task("a"), task("b", "a"), task("c", "a", "b")))
    assert look(http, run_id)["tasks"][1]["state"]["life_cycle_state"] == "BLOCKED"
    sim.clock.advance(3600)
    run = look(http, run_id)
    began = run["start_time"]
    assert [t["start_time"] - began for t in run["tasks"]] == [0, 10_000, 30_000]
    assert run["end_time"] - began == 40_000
    assert run["state"]["result_state"] == "SUCCESS"


def test_what_depends_on_a_failure_is_skipped_and_a_cleanup_runs(
    sim: Simulator, http: httpx.Client
) -> None:
    declare(sim, "load", BAD)
    for key in ("alone", "cleanup"):
        declare(sim, key, GOOD)
    run_id = start(
        http,
        create(
            http,
            task("load"),
            task("alone"),
            task("merge", "load"),
            task("publish", "merge"),
            task("cleanup", "merge", run_if="ALL_DONE"),
            task("only_bad", "alone", run_if="AT_LEAST_ONE_FAILED"),
        ),
    )
    sim.clock.advance(MINUTE)
    run = look(http, run_id)
    assert results(run) == {
        "load": "FAILED",
        "alone": "SUCCESS",
        "merge": "UPSTREAM_FAILED",
        "publish": "UPSTREAM_FAILED",
        "cleanup": "SUCCESS",
        "only_bad": "EXCLUDED",
    }
    said = run["state"]["state_message"]
    assert said.startswith("Task load failed with message: Workload failed")
    assert said.endswith("This caused all downstream tasks to get skipped..")


def test_failures_that_every_leaf_survives_are_a_success_with_failures(
    sim: Simulator, http: httpx.Client
) -> None:
    declare(sim, "load", BAD)
    declare(sim, "tell", GOOD)
    run_id = start(http, create(http, task("load"), task("tell", "load", run_if="ALL_DONE")))
    sim.clock.advance(MINUTE)
    run = look(http, run_id)
    assert run["state"]["life_cycle_state"] == "TERMINATED"
    assert run["state"]["result_state"] == "SUCCESS_WITH_FAILURES"
    assert run["status"]["termination_details"]["code"] == "SUCCESS_WITH_FAILURES"


def test_each_retry_is_another_entry_with_a_higher_number(
    sim: Simulator, http: httpx.Client
) -> None:
    declare(sim, "main", BAD, BAD, GOOD)
    spec = task("main", max_retries=2, min_retry_interval_millis=30_000)
    run_id = start(http, create(http, spec))
    sim.clock.advance(15)
    waiting = look(http, run_id)
    assert [t["state"]["life_cycle_state"] for t in waiting["tasks"]] == [
        "TERMINATED",
        "WAITING_FOR_RETRY",
    ]
    assert waiting["state"]["life_cycle_state"] == "RUNNING"
    sim.clock.advance(5 * MINUTE)
    run = look(http, run_id)
    assert [t["attempt_number"] for t in run["tasks"]] == [0, 1, 2]
    assert len({t["run_id"] for t in run["tasks"]}) == 3
    assert results(run) == {"main": "SUCCESS"}
    assert run["state"]["result_state"] == "SUCCESS"


def test_serverless_tasks_are_tried_once_more_where_the_workspace_does_that(
    tmp_path: Path,
) -> None:
    options = Options(serverless_retry=True)
    with Simulator(tmp_path / "w", clock=VirtualClock(), options=options) as sim:
        http = httpx.Client(base_url=sim.url, headers={"Authorization": f"Bearer {sim.token}"})
        for key in ("again", "once", "cluster"):
            declare(sim, key, BAD)
        tasks = (
            task("again"),
            task("once", disable_auto_optimization=True),
            task("cluster", existing_cluster_id="c"),
        )
        run_id = start(http, create(http, *tasks))
        sim.clock.advance(MINUTE)
        assert [t["task_key"] for t in look(http, run_id)["tasks"]].count("again") == 2
        assert len(look(http, run_id)["tasks"]) == 4
        http.close()


def test_cancelling_takes_a_moment_and_a_second_time_changes_nothing(
    sim: Simulator, http: httpx.Client
) -> None:
    declare(sim, "main", Outcome(never_ends=True))
    declare(sim, "after", GOOD)
    run_id = start(http, create(http, task("main"), task("after", "main")))
    sim.clock.advance(3600)
    assert look(http, run_id)["state"]["life_cycle_state"] == "RUNNING"
    assert http.post("/api/2.2/jobs/runs/cancel", json={"run_id": run_id}).json() == {}
    assert look(http, run_id)["state"]["life_cycle_state"] == "TERMINATING"
    sim.clock.advance(2)
    run = look(http, run_id)
    assert run["state"]["life_cycle_state"] == "TERMINATED"
    assert run["state"]["result_state"] == "CANCELED"
    assert run["state"]["user_cancelled_or_timedout"] is True
    assert run["status"]["termination_details"]["code"] == "USER_CANCELED"
    assert results(run) == {"main": "CANCELED", "after": "UPSTREAM_CANCELED"}
    http.post("/api/2.2/jobs/runs/cancel", json={"run_id": run_id})
    assert look(http, run_id) == run


def test_cancel_all_ends_running_and_queued_runs(sim: Simulator, http: httpx.Client) -> None:
    declare(sim, "main", Outcome(never_ends=True))
    job_id = create(http, task("main"))
    runs = [start(http, job_id) for _ in range(3)]
    http.post("/api/2.2/jobs/runs/cancel-all", json={"job_id": job_id})
    sim.clock.advance(2)
    assert [look(http, r)["state"]["result_state"] for r in runs] == ["CANCELED"] * 3


def test_time_limits_of_tasks_and_runs_end_them(sim: Simulator, http: httpx.Client) -> None:
    declare(sim, "main", Outcome(never_ends=True))
    slow = start(http, create(http, task("main", timeout_seconds=60, max_retries=1)))
    whole = start(http, create(http, task("main"), timeout_seconds=90))
    tried = task("main", timeout_seconds=60, max_retries=1, retry_on_timeout=True)
    again = start(http, create(http, tried))
    sim.clock.advance(300)
    run = look(http, slow)
    assert results(run) == {"main": "TIMEDOUT"}
    assert run["tasks"][0]["execution_duration"] == 60_000
    assert look(http, whole)["state"]["result_state"] == "TIMEDOUT"
    assert look(http, whole)["tasks"][0]["execution_duration"] == 91_000
    assert [t["attempt_number"] for t in look(http, again)["tasks"]] == [0, 1]


def test_infrastructure_failures_say_so(sim: Simulator, http: httpx.Client) -> None:
    declare(sim, "main", Outcome(result="FAILED", seconds=1, code="CLUSTER_ERROR"))
    run_id = start(http, create(http, task("main")))
    sim.clock.advance(5)
    failed = look(http, run_id)["tasks"][0]
    assert failed["state"]["life_cycle_state"] == "INTERNAL_ERROR"
    assert failed["status"]["termination_details"]["type"] == "INTERNAL_ERROR"


def test_runs_are_listed_by_state_time_and_job_within_the_limit(
    sim: Simulator, http: httpx.Client
) -> None:
    quick(sim, "main")
    declare(sim, "slow", Outcome(never_ends=True))
    done, busy = create(http, task("main")), create(http, task("slow"))
    runs = []
    for _ in range(30):
        runs.append(start(http, done))
        sim.clock.advance(1)
    active = start(http, busy)
    path = "/api/2.2/jobs/runs/list"
    first = http.get(path, params={"job_id": done}).json()
    assert (len(first["runs"]), first["has_more"]) == (20, True)
    assert len(http.get(path, params={"limit": 0}).json()["runs"]) == 26
    assert refused(http.get(path, params={"limit": 27})) == (
        "Invalid limit 27 - it has to be no more than 26."
    )
    both = {"active_only": "True", "completed_only": "true"}
    assert "active_only" in refused(http.get(path, params=both))
    workspace = client(sim)
    assert [r.run_id for r in workspace.jobs.list_runs(job_id=done, limit=7)] == runs[::-1]
    assert [r.run_id for r in workspace.jobs.list_runs(active_only=True)] == [active]
    began = look(http, runs[3])["start_time"]
    found = workspace.jobs.list_runs(start_time_from=began, start_time_to=began + 999)
    assert [r.run_id for r in found] == [runs[3]]
    offset = http.get("/api/2.1/jobs/runs/list", params={"offset": 28, "job_id": done}).json()
    assert [r["run_id"] for r in offset["runs"]] == [runs[1], runs[0]]


def test_a_run_with_many_tasks_comes_in_pages_that_the_sdk_joins(sim: Simulator) -> None:
    workspace = client(sim)
    tasks = [api.SubmitTask(task_key=f"t{n}") for n in range(130)]
    waiter = workspace.jobs.submit(run_name="wide", tasks=tasks)
    run = waiter.result(timeout=timedelta(seconds=5))
    assert run.tasks is not None
    assert [t.task_key for t in run.tasks] == [t.task_key for t in tasks]
    item = next(iter(workspace.jobs.list_runs(expand_tasks=True)))
    assert item.tasks is not None
    assert len(item.tasks) == 130


@pytest.mark.parametrize("shape", ["state", "status"])
def test_runs_can_carry_one_model_of_their_state_only(tmp_path: Path, shape: Any) -> None:
    options = Options(run_shape=shape)
    with Simulator(tmp_path / "w", clock=VirtualClock(), options=options) as sim:
        http = httpx.Client(base_url=sim.url, headers={"Authorization": f"Bearer {sim.token}"})
        quick(sim, "a")
        run = look(http, start(http, create(http, task("a"))))
        other = {"state": "status", "status": "state"}[shape]
        assert shape in run
        assert other not in run
        assert other not in run["tasks"][0]
        http.close()


def test_a_state_that_no_client_knows_is_passed_on(tmp_path: Path) -> None:
    with Simulator(tmp_path / "w", clock=VirtualClock(), options=Options(unknown_enum=True)) as sim:
        declare(sim, "a", Outcome(seconds=60))
        workspace = client(sim)
        job_id = workspace.jobs.create(name="j", tasks=[api.Task(task_key="a")]).job_id
        assert job_id is not None
        run_id = workspace.jobs.run_now(job_id).response.run_id
        assert run_id is not None
        state = workspace.jobs.get_run(run_id).state
        assert state is not None
        assert state.life_cycle_state is None
        sim.clock.advance(61)
        state = workspace.jobs.get_run(run_id).state
        assert state is not None
        assert state.result_state is api.RunResultState.SUCCESS


def test_a_job_that_runs_another_follows_its_run(sim: Simulator, http: httpx.Client) -> None:
    declare(sim, "inner", BAD)
    child = create(http, task("inner"), name="child", parameters=[{"name": "day", "default": "1"}])
    call = {"task_key": "call", "run_job_task": {"job_id": child, "job_parameters": {"day": "7"}}}
    parent = start(http, create(http, call, name="parent"))
    sim.clock.advance(20)
    run = look(http, parent)
    assert results(run) == {"call": "FAILED"}
    output = client(sim).jobs.get_run_output(run["tasks"][0]["run_id"])
    assert output.run_job_output is not None
    inner = look(http, int(output.run_job_output.run_id or 0))
    assert inner["job_id"] == child
    assert inner["trigger"] == "RUN_JOB_TASK"
    assert inner["job_parameters"] == [{"name": "day", "default": "1", "value": "7"}]
    assert inner["end_time"] == run["end_time"]


def test_conditions_choose_a_branch(sim: Simulator, http: httpx.Client) -> None:
    declare(sim, "count", Outcome(seconds=1, values={"rows": 12}))
    for key in ("many", "few", "join"):
        declare(sim, key, GOOD)
    check = {"op": "GREATER_THAN", "left": "{{tasks.count.values.rows}}", "right": "10"}
    yes = {"depends_on": [{"task_key": "check", "outcome": "true"}]}
    no = {"depends_on": [{"task_key": "check", "outcome": "false"}]}
    job_id = create(
        http,
        task("count"),
        {
            "task_key": "check",
            "condition_task": check,
            "depends_on": [{"task_key": "count"}],
        },
        task("many") | yes,
        task("few") | no,
        task("join", "many", "few", run_if="NONE_FAILED"),
    )
    run_id = start(http, job_id)
    sim.clock.advance(MINUTE)
    run = look(http, run_id, include_resolved_values="true")
    assert results(run) == {
        "count": "SUCCESS",
        "check": "SUCCESS",
        "many": "SUCCESS",
        "few": "EXCLUDED",
        "join": "SUCCESS",
    }
    checked = next(t for t in run["tasks"] if t["task_key"] == "check")
    assert checked["condition_task"]["outcome"] == "true"
    assert checked["resolved_values"]["condition_task"] == {"left": "12", "right": "10"}
    assert run["state"]["result_state"] == "SUCCESS"


def test_a_loop_runs_its_task_for_each_input(sim: Simulator, http: httpx.Client) -> None:
    declare(sim, "one", GOOD, BAD, GOOD)
    inner = task("one")
    inner["notebook_task"]["base_parameters"] = {"region": "{{input.region}}"}
    inputs = '[{"region": "eu"}, {"region": "us"}, {"region": "ap"}]'
    loop = {
        "task_key": "all",
        "for_each_task": {"inputs": inputs, "concurrency": 2, "task": inner},
    }
    run_id = start(http, create(http, loop))
    sim.clock.advance(MINUTE)
    run = look(http, run_id)
    assert results(run) == {"all": "FAILED"}
    stats = run["tasks"][0]["for_each_task"]["stats"]["task_run_stats"]
    assert (stats["total_iterations"], stats["failed_iterations"]) == (3, 1)
    whole = look(http, run["tasks"][0]["run_id"], include_resolved_values="true")
    began = [item["start_time"] - run["start_time"] for item in whole["iterations"]]
    assert began == [0, 0, 10_000]
    given = [i["resolved_values"]["notebook_task"]["base_parameters"] for i in whole["iterations"]]
    assert [g["region"] for g in given] == ["eu", "us", "ap"]
    failed = next(i for i in whole["iterations"] if i["state"]["result_state"] == "FAILED")
    output = client(sim).jobs.get_run_output(failed["run_id"])
    assert output.error == "KeyError: 'amount'"


def test_parameters_of_the_run_reach_the_task_and_are_shown(
    sim: Simulator, http: httpx.Client
) -> None:
    quick(sim, "main")
    spec = task("main")
    spec["notebook_task"]["base_parameters"] = {
        "table": "{{job.parameters.schema}}.sales",
        "run": "{{job.run_id}}",
        "odd": "{{nobody.knows}}",
    }
    defaults = [
        {"name": "schema", "default": "dev"},
        {"name": "day", "default": "{{job.start_time.iso_date}}"},
    ]
    job_id = create(http, spec, parameters=defaults)
    run_id = start(http, job_id, job_parameters={"schema": "prod"})
    run = look(http, run_id, include_resolved_values="true")
    assert run["job_parameters"] == [
        {"name": "schema", "default": "dev", "value": "prod"},
        {"name": "day", "default": "{{job.start_time.iso_date}}"},
    ]
    assert run["tasks"][0]["resolved_values"]["notebook_task"]["base_parameters"] == {
        "table": "prod.sales",
        "run": str(run_id),
        "odd": "{{nobody.knows}}",
        "schema": "prod",
        "day": "2026-09-21",
    }
    old = create(http, spec, name="old")
    run = look(
        http, start(http, old, notebook_params={"run": "mine"}), include_resolved_values=True
    )
    assert run["overriding_parameters"] == {"notebook_params": {"run": "mine"}}
    found = run["tasks"][0]["resolved_values"]["notebook_task"]["base_parameters"]
    assert found["run"] == "mine"
    both = {"job_id": old, "job_parameters": {"a": "1"}, "notebook_params": {"a": "1"}}
    assert "conjunction" in refused(http.post("/api/2.2/jobs/run-now", json=both))


def test_a_task_value_that_nobody_set_fails_the_task(sim: Simulator, http: httpx.Client) -> None:
    quick(sim, "a")
    spec = task("b", "a")
    spec["notebook_task"]["base_parameters"] = {"rows": "{{tasks.a.values.rows}}"}
    run = look(http, start(http, create(http, task("a"), spec)))
    assert results(run) == {"a": "SUCCESS", "b": "FAILED"}
    assert "Task value with key 'rows'" in run["tasks"][1]["state"]["state_message"]


def test_only_the_named_tasks_run(sim: Simulator, http: httpx.Client) -> None:
    quick(sim, "a", "b", "c")
    job_id = create(http, task("a"), task("b", "a"), task("c", "b"))
    run = look(http, start(http, job_id, only=["b+"]))
    assert results(run) == {"a": "DISABLED", "b": "SUCCESS", "c": "SUCCESS"}
    run = look(http, start(http, job_id, only=["+b"]))
    assert results(run) == {"a": "SUCCESS", "b": "SUCCESS", "c": "DISABLED"}
    assert run["state"]["result_state"] == "SUCCESS"
    strange = {"job_id": job_id, "only": ["zz"]}
    assert "zz" in refused(http.post("/api/2.2/jobs/run-now", json=strange))


def test_a_continuous_job_always_has_a_run_and_restarts_after_a_failure(
    sim: Simulator, http: httpx.Client
) -> None:
    declare(sim, "stream", BAD, Outcome(never_ends=True))
    job_id = create(http, task("stream"), continuous={"pause_status": "UNPAUSED"})
    first = list(client(sim).jobs.list_runs(job_id=job_id, active_only=True))
    assert [run.trigger for run in first] == [api.TriggerType.CONTINUOUS]
    sim.clock.advance(MINUTE)
    runs = list(client(sim).jobs.list_runs(job_id=job_id))
    assert len(runs) == 2
    assert runs[0].state is not None
    assert runs[0].state.life_cycle_state is api.RunLifeCycleState.RUNNING
    paused = {"job_id": job_id, "new_settings": {"continuous": {"pause_status": "PAUSED"}}}
    http.post("/api/2.2/jobs/update", json=paused)
    http.post("/api/2.2/jobs/runs/cancel-all", json={"job_id": job_id})
    sim.clock.advance(3600)
    assert len(list(client(sim).jobs.list_runs(job_id=job_id))) == 2


def test_runs_are_gone_after_sixty_days(sim: Simulator, http: httpx.Client) -> None:
    quick(sim, "a")
    run_id = start(http, create(http, task("a")))
    look(http, run_id)
    sim.clock.advance(59 * 86_400)
    look(http, run_id)
    sim.clock.advance(2 * 86_400)
    workspace = client(sim)
    with pytest.raises(NotFound, match=f"Run {run_id} does not exist"):
        workspace.jobs.get_run(run_id)
    assert list(workspace.jobs.list_runs()) == []


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    with Simulator(tmp_path / "w", clock=VirtualClock()) as sim:
        http = httpx.Client(base_url=sim.url, headers={"Authorization": f"Bearer {sim.token}"})
        declare(sim, "a", Outcome(seconds=60), Outcome(seconds=7))
        job_id = create(http, task("a"))
        run_id = start(http, job_id, idempotency_token=ONCE)
        look(http, run_id)
        http.close()
    with Simulator(tmp_path / "w", clock=VirtualClock()) as sim:
        http = httpx.Client(base_url=sim.url, headers={"Authorization": f"Bearer {sim.token}"})
        assert start(http, job_id, idempotency_token=ONCE) == run_id
        sim.clock.advance(60)
        assert look(http, run_id)["state"]["result_state"] == "SUCCESS"
        other = start(http, job_id)
        assert other > run_id
        sim.clock.advance(7)
        assert look(http, other)["state"]["result_state"] == "SUCCESS"
        http.close()


def test_an_active_run_cannot_be_deleted(sim: Simulator, http: httpx.Client) -> None:
    declare(sim, "a", Outcome(never_ends=True))
    run_id = start(http, create(http, task("a")))
    answer = http.post("/api/2.2/jobs/runs/delete", json={"run_id": run_id})
    assert "still active" in refused(answer)
    assert answer.json()["error_code"] == "INVALID_STATE"


def test_compute_takes_its_time_where_the_workspace_is_realistic(tmp_path: Path) -> None:
    with Simulator(tmp_path / "w", clock=VirtualClock(), options=Options(realistic=True)) as sim:
        http = httpx.Client(base_url=sim.url, headers={"Authorization": f"Bearer {sim.token}"})
        declare(sim, "a", GOOD)
        run_id = start(http, create(http, task("a", new_cluster={"num_workers": 1})))
        run = look(http, run_id)
        assert run["state"]["life_cycle_state"] == "PENDING"
        assert run["tasks"][0]["state"]["state_message"] == "Waiting for cluster"
        sim.clock.advance(3600)
        run = look(http, run_id)
        assert run["tasks"][0]["setup_duration"] == 240_000
        assert run["tasks"][0]["cluster_instance"]["cluster_id"]
        http.close()


def test_outcomes_are_declared_over_the_wire_too(sim: Simulator, http: httpx.Client) -> None:
    listed = [{"result": "FAILED", "seconds": 1, "error": "ValueError: x"}]
    declare_json(sim, {"task": "a", "job": "etl", "outcomes": listed})
    declare(sim, "a", GOOD)
    mine, other = create(http, task("a")), create(http, task("a"), name="other")
    runs = [start(http, mine), start(http, other)]
    sim.clock.advance(MINUTE)
    assert [look(http, r)["state"]["result_state"] for r in runs] == ["FAILED", "SUCCESS"]
    with pytest.raises(ApiError, match="outcome"):
        declare_json(sim, {"task": "a", "outcomes": [{"nonsense": 1}]})


def test_a_submitted_run_in_the_old_form_has_one_task(sim: Simulator, http: httpx.Client) -> None:
    declare(sim, "main", BAD.model_copy(update={"notebook_result": {"rows": 1}}))
    body = {
        "run_name": "once",
        "existing_cluster_id": "0101-000000-abcdefgh",
        "notebook_task": {"notebook_path": "/n/x"},
        "idempotency_token": "s",
    }
    run_id = http.post("/api/2.0/jobs/runs/submit", json=body).json()["run_id"]
    assert http.post("/api/2.1/jobs/runs/submit", json=body).json()["run_id"] == run_id
    sim.clock.advance(MINUTE)
    run = look(http, run_id)
    assert (run["run_type"], run["format"]) == ("SUBMIT_RUN", "SINGLE_TASK")
    assert run["state"]["life_cycle_state"] == "TERMINATED"
    assert run["state"]["result_state"] == "FAILED"
    assert run["run_page_url"].endswith(f"#job/run/{run_id}")
    output = http.get("/api/2.0/jobs/runs/get-output", params={"run_id": run_id}).json()
    assert output["error"] == "KeyError: 'amount'"
    assert output["notebook_output"] == {"result": '{"rows": 1}', "truncated": False}
    empty = http.post("/api/2.2/jobs/runs/submit", json={"run_name": "x"})
    assert "tasks" in refused(empty)


def test_an_unknown_run_is_the_sdks_not_found_whatever_the_status(tmp_path: Path) -> None:
    options = Options(unknown_id_status=400)
    with Simulator(tmp_path / "w", clock=VirtualClock(), options=options) as sim:
        with pytest.raises(NotFound):
            client(sim).jobs.get_run(5)
        answer = httpx.get(
            f"{sim.url}/api/2.2/jobs/runs/get",
            params={"run_id": 5},
            headers={"Authorization": f"Bearer {sim.token}"},
        )
        assert refused(answer) == "Run 5 does not exist."
