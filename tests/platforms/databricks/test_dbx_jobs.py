"""Jobs on a workspace: started once, watched to their end, diagnosed by their tasks' own output."""

import base64
from typing import Any

import pipeline_stage
import pytest
from dbx_workspace import Workspace, notebook, script

from agent.errors import Held, Unauthorized, Unavailable, UsageError
from agent.platforms import connect
from agent.platforms.databricks.jobs import Jobs
from agent.playbook import Job
from agent.records import Deployment, Failure, Repair, Run, RunStatus, Tree
from agent.simulators.databricks import identity, permissions
from agent.simulators.databricks.outcomes import Outcome

TREE = Tree(root="/nowhere", digest="")
GOOD = Outcome(seconds=60)
BAD = Outcome(
    result="FAILED",
    seconds=60,
    error="<span class='ansi-red-fg'>KeyError</span>: &#39;amout&#39;",
    error_trace=(
        "\x1b[0;31m---------\x1b[0m\n"
        "\x1b[0;31mKeyError\x1b[0m   Traceback (most recent call last)\n"
        "File \x1b[0;32m<command-73492251960982>, line 3\x1b[0m\n"
        "\x1b[0;32m----> 3\x1b[0m total = row[&#39;amout&#39;]\n"
        "KeyError: &#39;amout&#39;"
    ),
    printed="[Step 1/2] reading\n12 rows\n",
)


def jobs(workspace: Workspace, deployment: Deployment, case: str = "case", **book: Any) -> Jobs:
    """Connect to the job as a process of that case would."""
    return Jobs(workspace.session(int(deployment.job), case, **book), workspace.now)


def started(here: Jobs, deployment: Deployment, key: str = "r1", **more: Any) -> Run:
    """Start."""
    run = here.start(key, deployment, TREE, more.get("repair"))
    assert isinstance(run, Run), run
    return run


def ended(workspace: Workspace, here: Jobs, run: Run) -> RunStatus:
    """Let time pass until the run has ended."""
    for _ in range(100):
        (status,) = here.poll([run.run])
        if status.state != "running":
            return status
        workspace.pass_time(30)
    raise AssertionError(status)


def test_a_run_succeeds_with_the_values_its_notebooks_exit_with(workspace: Workspace) -> None:
    workspace.declare("load", Outcome(notebook_result={"rows": 12, "password": "hunter22"}))
    workspace.declare("tidy", Outcome(logs='working\n{"status": "ok"}\n'))
    made = workspace.job(
        notebook("load"), script("tidy", "load"), environments=[{"environment_key": "default"}]
    )
    here = jobs(workspace, made)
    status = ended(workspace, here, started(here, made))
    assert status.state == "succeeded"
    assert {t.task: t.exit_value for t in status.tasks} == {
        "load": {"rows": 12, "password": "[REDACTED:password]"},
        "tidy": {"status": "ok"},
    }
    assert here.failures(status, TREE) == ()
    asked = len(workspace.called("GET", "/runs/get-output"))
    assert here.poll([status.run]) == (status,)
    assert len(workspace.called("GET", "/runs/get-output")) == asked, "what has ended is read once"


def test_a_failed_task_is_told_by_its_own_output_though_its_run_is_an_internal_error(
    workspace: Workspace,
) -> None:
    workspace.declare("load", BAD)
    made = workspace.job(notebook("load"), notebook("use", "load"))
    here = jobs(workspace, made)
    run = started(here, made)
    status = ended(workspace, here, run)
    assert status.state == "failed"
    assert status.native == "INTERNAL_ERROR FAILED"
    assert {t.task: t.state for t in status.tasks} == {"load": "failed", "use": "upstream_failed"}
    (failure,) = here.failures(status, TREE)
    assert failure.message == "KeyError: 'amout'"
    assert (failure.code, failure.task, failure.started) == ("FAILED", "load", True)
    assert failure.url
    text = "\n".join(line.text for line in failure.log)
    assert "----> 3 total = row['amout']" in text
    assert "[Step 1/2] reading" in text
    assert "\x1b" not in text
    assert "span" not in failure.dump()
    assert run.run not in [q["run_id"] for q in workspace.called("GET", "/runs/get-output")]


@pytest.mark.parametrize("shape", ["both", "state", "status"])
@pytest.mark.parametrize("parent", ["INTERNAL_ERROR", "TERMINATED"])
def test_either_model_of_a_runs_state_tells_failure_from_success(
    workspace: Workspace, shape: str, parent: str
) -> None:
    sim = workspace.sim
    sim.options = sim.options.model_copy(update={"run_shape": shape, "failed_parent": parent})
    workspace.declare("load", BAD, GOOD)
    made = workspace.job(notebook("load"))
    here = jobs(workspace, made)
    assert ended(workspace, here, started(here, made, "r1")).state == "failed"
    assert ended(workspace, here, started(here, made, "r2")).state == "succeeded"


def test_a_state_that_nobody_knows_keeps_the_run_running_and_is_told_once(
    workspace: Workspace,
) -> None:
    sim = workspace.sim
    sim.options = sim.options.model_copy(update={"unknown_enum": True})
    workspace.declare("load", GOOD)
    made = workspace.job(notebook("load"))
    here = jobs(workspace, made)
    run = started(here, made)
    told = []
    for _ in range(200):
        (status,) = here.poll([run.run])
        told += [note for note in status.notes if "not known" in note]
        if status.state != "running":
            break
        workspace.pass_time(1)
    assert status.state == "succeeded"
    assert len(told) == len(set(told)) > 0


def test_a_run_that_is_skipped_for_another_has_failed_without_beginning(
    workspace: Workspace,
) -> None:
    workspace.declare("load", Outcome(never_ends=True))
    made = workspace.job(notebook("load"), queue={"enabled": False})
    here = jobs(workspace, made)
    started(here, made, "r1")
    status = ended(workspace, here, started(here, made, "r2"))
    assert status.state == "failed"
    (failure,) = here.failures(status, TREE)
    assert failure.code == "MAXIMUM_CONCURRENT_RUNS_REACHED"
    assert not failure.started


def test_a_queued_run_says_what_it_waits_for(workspace: Workspace) -> None:
    workspace.declare("load", Outcome(never_ends=True))
    made = workspace.job(notebook("load"), queue={"enabled": True})
    here = jobs(workspace, made)
    started(here, made, "r1")
    (status,) = here.poll([started(here, made, "r2").run])
    assert status.state == "running"
    assert "maximum concurrent runs" in " ".join(status.notes)


@pytest.mark.parametrize("kind", ["503_after", "500_after", "drop_after", "drop_before", "503"])
def test_a_lost_reply_starts_no_second_run(workspace: Workspace, kind: str) -> None:
    workspace.declare("load", GOOD)
    made = workspace.job(notebook("load"), max_concurrent_runs=5)
    workspace.sim.faults.add("POST */run-now", kind)  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        jobs(workspace, made).start("r1", made, TREE, None)
    run = started(jobs(workspace, made), made)
    assert started(jobs(workspace, made), made) == run
    bodies = workspace.called("POST", "/run-now")
    assert len(bodies) == 2
    assert len({body["idempotency_token"] for body in bodies}) == 1
    assert len(bodies[0]["idempotency_token"]) <= 64
    listed = jobs(workspace, made)._api.get("/api/2.2/jobs/runs/list", job_id=made.job)
    assert [r["run_id"] for r in listed["runs"]] == [int(run.run)]


def test_another_key_or_another_case_is_another_run(workspace: Workspace) -> None:
    workspace.declare("load", BAD)
    made = workspace.job(notebook("load"), max_concurrent_runs=5)
    here, other = jobs(workspace, made), jobs(workspace, made, "other")
    runs = {started(here, made, "r1").run, started(here, made, "r2").run}
    assert len(runs | {started(other, made, "r1").run}) == 3


def test_job_parameters_are_the_playbooks_over_the_jobs_own(workspace: Workspace) -> None:
    workspace.declare("load", GOOD)
    made = workspace.job(
        notebook("load"),
        parameters=[{"name": "day", "default": "1"}, {"name": "size", "default": "7"}],
    )
    here = jobs(workspace, made, with_job={"parameters": {"day": "2026-07-01"}})
    assert started(here, made).parameters == {"day": "2026-07-01", "size": "7"}
    wrong = jobs(workspace, made, "wrong", with_job={"parameters": {"dya": 1}})
    with pytest.raises(UsageError, match=r"no parameter 'dya'.*day, size"):
        wrong.start("r1", made, TREE, None)


def test_a_job_without_parameters_gets_what_its_task_types_take(workspace: Workspace) -> None:
    workspace.declare("load", GOOD)
    made = workspace.job(notebook("load"))
    here = jobs(workspace, made, with_job={"parameters": {"day": "2026-07-01"}})
    started(here, made)
    (body,) = workspace.called("POST", "/run-now")
    assert body["notebook_params"] == {"day": "2026-07-01"}
    assert "job_parameters" not in body


def failed(workspace: Workspace, **settings: Any) -> tuple[Deployment, Jobs, Run]:
    """Return a run of two notebooks whose second failed once, and would not again."""
    workspace.declare("load", GOOD)
    workspace.declare("use", BAD, GOOD)
    made = workspace.job(notebook("load"), notebook("use", "load"), **settings)
    here = jobs(workspace, made, with_job=settings and {"parameters": {"day": "2026-07-01"}})
    run = started(here, made)
    assert ended(workspace, here, run).state == "failed"
    return made, here, run


def test_a_repair_runs_what_failed_with_the_same_parameters(workspace: Workspace) -> None:
    made, here, run = failed(workspace, parameters=[{"name": "day", "default": "1"}])
    repair = Repair(run=run.run, tasks=("use",))
    mended = started(here, made, "r2", repair=repair)
    assert (mended.run, mended.repairs, mended.note) == (run.run, run.run, "")
    assert mended.parameters == {"day": "2026-07-01"}
    (body,) = workspace.called("POST", "/repair")
    assert body["job_parameters"] == {"day": "2026-07-01"}
    assert "latest_repair_id" not in body
    assert ended(workspace, here, mended).state == "succeeded"
    assert started(jobs(workspace, made), made, "r2", repair=repair) == mended
    assert here.overtaken(mended, made) is None


def test_a_second_repair_names_the_latest_one(workspace: Workspace) -> None:
    workspace.declare("load", BAD, BAD, GOOD)
    made = workspace.job(notebook("load"))
    here = jobs(workspace, made)
    run = started(here, made)
    for key, verdict in (("r2", "failed"), ("r3", "succeeded")):
        ended(workspace, here, run)
        run = started(here, made, key, repair=Repair(run=run.run, tasks=("load",)))
        assert ended(workspace, here, run).state == verdict
    first, second = workspace.called("POST", "/repair")
    assert "latest_repair_id" not in first
    assert second["latest_repair_id"]


@pytest.mark.parametrize("kind", ["503_after", "drop_after", "drop_before", "429"])
def test_a_lost_reply_repairs_once(workspace: Workspace, kind: str) -> None:
    made, here, run = failed(workspace)
    workspace.sim.faults.add("POST */repair", kind)  # type: ignore[arg-type]
    repair = Repair(run=run.run, tasks=("use",))
    with pytest.raises(Unavailable):
        here.start("r2", made, TREE, repair)
    again = jobs(workspace, made)
    mended = started(again, made, "r2", repair=repair)
    assert ended(workspace, again, mended).state == "succeeded"
    found = again._api.get("/api/2.2/jobs/runs/get", run_id=run.run, include_history=True)
    assert [item["type"] for item in found["repair_history"]] == ["ORIGINAL", "REPAIR"]
    assert again.overtaken(mended, made) is None


def test_a_repair_by_somebody_else_in_between_is_held(workspace: Workspace) -> None:
    made, here, run = failed(workspace)
    workspace.sim.faults.add("POST */repair", "drop_before")
    repair = Repair(run=run.run, tasks=("load", "use"))
    with pytest.raises(Unavailable):
        here.start("r2", made, TREE, repair)
    here._api.post("/api/2.2/jobs/runs/repair", {"run_id": run.run, "rerun_tasks": ["use"]})
    with pytest.raises(Held, match="repaired by somebody else"):
        here.start("r2", made, TREE, repair)
    assert "repaired by somebody else" in str(here.overtaken(run, made))


def test_a_repair_that_is_refused_becomes_a_new_run_and_says_so(workspace: Workspace) -> None:
    made, here, run = failed(workspace)
    repair = Repair(run=run.run, tasks=("use", "no_such_task"))
    mended = started(here, made, "r2", repair=repair)
    assert mended.run != run.run
    assert mended.repairs is None
    assert "no repair was possible" in mended.note
    assert started(jobs(workspace, made), made, "r2", repair=repair) == mended
    assert len(workspace.called("POST", "/run-now")) == 2


def test_a_new_run_in_an_old_ones_place_keeps_times_of_its_start(workspace: Workspace) -> None:
    workspace.declare("load", BAD)
    made = workspace.job(
        notebook("load", notebook_task={"base_parameters": {"day": "{{job.start_time.iso_date}}"}})
    )
    here = jobs(workspace, made)
    run = started(here, made)
    ended(workspace, here, run)
    day = here._api.get("/api/2.2/jobs/runs/get", run_id=run.run, include_resolved_values=True)
    said = day["tasks"][0]["resolved_values"]["notebook_task"]["base_parameters"]["day"]
    workspace.pass_time(3 * 86400)
    started(here, made, "r2", repair=Repair(run=run.run, tasks=()))
    body = workspace.called("POST", "/run-now")[-1]
    assert body["notebook_params"] == {"day": said}


def test_nothing_takes_the_place_of_a_run_whose_tasks_may_still_write(
    workspace: Workspace,
) -> None:
    workspace.declare("load", BAD)
    workspace.declare("slow", Outcome(never_ends=True))
    made = workspace.job(notebook("load"), notebook("slow"))
    here = jobs(workspace, made)
    run = started(here, made)
    workspace.pass_time(120)
    (status,) = here.poll([run.run])
    assert status.state == "running"
    (failure,) = here.failures(status, TREE)
    assert failure.task == "load", "told at once, though the run goes on"
    for tasks in (("load",), ()):
        with pytest.raises(Unavailable, match="still runs"):
            here.start("r2", made, TREE, Repair(run=run.run, tasks=tasks))
    assert not workspace.called("POST", "/repair")


def test_only_the_last_attempt_at_a_task_counts(workspace: Workspace) -> None:
    workspace.declare("load", BAD, GOOD)
    made = workspace.job(notebook("load", max_retries=1))
    here = jobs(workspace, made)
    run = started(here, made)
    status = ended(workspace, here, run)
    assert status.state == "succeeded"
    assert [(t.task, t.attempt) for t in status.tasks] == [("load", 2)]


def test_the_cause_is_followed_through_the_jobs_that_tasks_run(workspace: Workspace) -> None:
    workspace.declare("load", BAD)
    atomic = workspace.job(notebook("load"), name="atomic")
    middle = workspace.job(runs(atomic, "silver"), name="middle")
    top = workspace.job(runs(middle, "gold"), notebook("last", "gold"), name="top")
    here = jobs(workspace, top)
    run = started(here, top)
    status = ended(workspace, here, run)
    assert status.state == "failed"
    assert {t.task for t in status.tasks} == {"gold", "gold/silver", "gold/silver/load", "last"}
    (failure,) = here.failures(status, TREE)
    assert failure.task == "gold/silver/load"
    assert failure.message == "KeyError: 'amout'"
    repair = Repair(run=run.run, tasks=("gold/silver/load", "last"))
    started(here, top, "r2", repair=repair)
    assert workspace.called("POST", "/repair")[0]["rerun_tasks"] == ["gold", "last"]


def runs(job: Deployment, key: str) -> dict[str, Any]:
    """Return a task that runs a job."""
    return {"task_key": key, "run_job_task": {"job_id": int(job.job)}}


def test_twenty_five_tasks_of_which_three_fail_have_three_causes(workspace: Workspace) -> None:
    names = [f"t{n:02}" for n in range(25)]
    for name in names:
        workspace.declare(name, BAD if name in ("t03", "t11", "t24") else GOOD)
    made = workspace.job(*[notebook(n) for n in names])
    here = jobs(workspace, made)
    status = ended(workspace, here, started(here, made))
    found = here.failures(status, TREE)
    assert [f.task for f in found] == ["t03", "t11", "t24"]
    assert len({f.task_run for f in found}) == 3
    assert sum(t.state == "succeeded" for t in status.tasks) == 22


def test_compute_that_failed_is_known_by_its_code_not_by_the_life_cycle(
    workspace: Workspace,
) -> None:
    outcome = Outcome(
        result="FAILED",
        seconds=0,
        code="LIBRARY_INSTALLATION_ERROR",
        type="CLIENT_ERROR",
        message="Library installation failed for library due to user error.",
    )
    workspace.declare("load", outcome)
    made = workspace.job(notebook("load"))
    here = jobs(workspace, made)
    (failure,) = here.failures(ended(workspace, here, started(here, made)), TREE)
    assert failure.code == "LIBRARY_INSTALLATION_ERROR"
    assert not failure.started


def test_a_run_is_cancelled_once_and_only_then_ended(workspace: Workspace) -> None:
    workspace.declare("load", Outcome(never_ends=True))
    made = workspace.job(notebook("load"), notebook("use", "load"))
    here = jobs(workspace, made)
    run = started(here, made)
    workspace.pass_time(30)
    with pytest.raises(Unavailable, match="being cancelled"):
        here.cancel("c1", run.run)
    workspace.pass_time(60)
    status = here.cancel("c1", run.run)
    assert status.state == "cancelled"
    assert {t.state for t in status.tasks} == {"cancelled"}
    assert here.failures(status, TREE)[0].code in ("CANCELED", "USER_CANCELED")
    assert len(workspace.called("POST", "/cancel")) == 1


def test_cancelling_an_ended_run_leaves_it_as_it_ended(workspace: Workspace) -> None:
    workspace.declare("load", GOOD)
    made = workspace.job(notebook("load"))
    here = jobs(workspace, made)
    run = started(here, made)
    ended(workspace, here, run)
    assert here.cancel("c1", run.run).state == "succeeded"
    assert not workspace.called("POST", "/cancel")


def test_a_start_whose_reply_was_lost_is_found_and_cancelled_without_another(
    workspace: Workspace,
) -> None:
    workspace.declare("load", Outcome(never_ends=True))
    made = workspace.job(notebook("load"))
    workspace.sim.faults.add("POST */run-now", "drop_after")
    here = jobs(workspace, made)
    with pytest.raises(Unavailable):
        here.start("r1", made, TREE, None)
    with pytest.raises(Unavailable, match="being cancelled"):
        jobs(workspace, made).cancel("c1", "r1")
    workspace.pass_time(60)
    assert jobs(workspace, made).cancel("c1", "r1").state == "cancelled"
    assert len(workspace.called("POST", "/run-now")) == 1
    with pytest.raises(Held, match="called off"):
        here.start("r1", made, TREE, None)


def test_a_start_that_never_came_through_is_cancelled_by_never_starting(
    workspace: Workspace,
) -> None:
    made = workspace.job(notebook("load"))
    workspace.sim.faults.add("POST */run-now", "drop_before")
    here = jobs(workspace, made)
    with pytest.raises(Unavailable):
        here.start("r1", made, TREE, None)
    assert here.cancel("c1", "r1").state == "cancelled"


def test_a_run_is_adopted_by_id_and_by_both_addresses_of_its_page(workspace: Workspace) -> None:
    made, here, run = failed(workspace)
    host = here._api.auth.host
    for said in (
        run.run,
        f"{host}/?o=123456#job/{made.job}/run/{run.run}",
        f"{host}/jobs/{made.job}/runs/{run.run}?o=2567941339669575",
        f"Run URL: {host}/jobs/{made.job}/runs/{run.run}?o=2567941339669575",
    ):
        deployment, adopted = here.adopt(said, TREE)
        assert (deployment.job, adopted.run) == (made.job, run.run)
    other = workspace.job(notebook("load"), name="other")
    with pytest.raises(UsageError, match=f"not of job {other.job}"):
        jobs(workspace, other, "second").adopt(run.run, TREE)
    with pytest.raises(UsageError, match="there is no run 7 "):
        here.adopt("7", TREE)
    with pytest.raises(UsageError, match="is no run"):
        here.adopt("yesterday's", TREE)


def test_an_adopted_runs_earlier_repairs_are_nobodys_interference(workspace: Workspace) -> None:
    made, here, run = failed(workspace)
    workspace.declare("use", BAD)
    post = here._api.post
    post("/api/2.2/jobs/runs/repair", {"run_id": run.run, "rerun_tasks": ["use"]})
    ended(workspace, here, run)
    fresh = jobs(workspace, made, "fresh")
    _, adopted = fresh.adopt(run.run, TREE)
    assert fresh.overtaken(adopted, made) is None
    workspace.declare("use", GOOD)
    started(fresh, made, "r2", repair=Repair(run=run.run, tasks=("use",)))
    assert workspace.called("POST", "/repair")[-1]["latest_repair_id"]


def test_a_newer_success_or_an_active_run_overtakes(workspace: Workspace) -> None:
    made, here, run = failed(workspace)
    assert here.overtaken(run, made) is None
    other = jobs(workspace, made, "other")
    workspace.pass_time(5)
    newer = started(other, made)
    assert f"run {newer.run} of the job is active" in str(here.overtaken(run, made))
    ended(workspace, other, newer)
    assert f"run {newer.run} of the job has succeeded since" in str(here.overtaken(run, made))


def test_a_streaming_job_has_succeeded_once_it_ran_well_for_long_enough(
    workspace: Workspace,
) -> None:
    workspace.declare("load", BAD, Outcome(never_ends=True))
    made = workspace.job(notebook("load", max_retries=-1))
    here = jobs(workspace, made, poll={"running_for": "10m"})
    run = started(here, made)
    workspace.pass_time(620)
    (status,) = here.poll([run.run])
    assert status.state == "running", "the second attempt has not run for ten minutes yet"
    workspace.pass_time(120)
    (status,) = here.poll([run.run])
    assert status.state == "succeeded"
    assert "left running" in " ".join(status.notes)
    assert not workspace.called("POST", "/cancel")


def test_the_active_run_of_a_continuous_job_is_taken(workspace: Workspace) -> None:
    workspace.declare("load", Outcome(never_ends=True))
    made = workspace.job(notebook("load"), continuous={"pause_status": "UNPAUSED"})
    workspace.pass_time(30)
    here = jobs(workspace, made)
    run = started(here, made)
    assert "continuous" in run.note
    assert not workspace.called("POST", "/run-now")
    assert here.poll([run.run])[0].state == "running"


def test_a_run_that_is_gone_has_failed_without_a_word(workspace: Workspace) -> None:
    made, here, run = failed(workspace)
    workspace.pass_time(61 * 86400)
    (status,) = here.poll([run.run])
    assert status.state == "failed"
    (failure,) = here.failures(status, TREE)
    assert failure.code == "LOST"
    with pytest.raises(UsageError, match="60 days"):
        here.adopt(run.run, TREE)
    again = started(here, made, "r2", repair=Repair(run=run.run, tasks=("use",)))
    assert "is gone" in again.note


@pytest.mark.slow
def test_a_job_with_many_tasks_is_read_page_by_page(workspace: Workspace) -> None:
    names = [f"t{n:03}" for n in range(102)]
    workspace.declare("t101", BAD)
    for name in names:
        if name != "t101":
            workspace.declare(name, Outcome(seconds=1))
    made = workspace.job(*[script(n) for n in names], environments=[{"environment_key": "default"}])
    here = jobs(workspace, made)
    run = started(here, made)
    workspace.pass_time(600)
    (status,) = here.poll([run.run])
    assert len(status.tasks) == 102
    assert [f.task for f in here.failures(status, TREE)] == ["t101"]


def test_a_run_that_the_service_refuses_is_a_failure(workspace: Workspace) -> None:
    made = workspace.job(notebook("load"))
    here = jobs(workspace, made)
    here._api.post("/api/2.2/jobs/delete", {"job_id": int(made.job)})
    (failure,) = found if isinstance(found := here.start("r1", made, TREE, None), tuple) else ()
    assert isinstance(failure, Failure)
    assert "does not exist" in failure.message
    assert not failure.started


def test_past_durations_say_when_to_look_again(workspace: Workspace) -> None:
    workspace.declare("load", Outcome(seconds=3600))
    made = workspace.job(notebook("load"), max_concurrent_runs=20)
    here = jobs(workspace, made)
    for n in range(5):
        started(here, made, f"past{n}")
    workspace.pass_time(3600)
    fresh = jobs(workspace, made)
    run = started(fresh, made, "now")
    workspace.pass_time(2000)
    (early,) = fresh.poll([run.run])
    workspace.pass_time(1590)
    (close,) = fresh.poll([run.run])
    assert early.look_s is not None
    assert close.look_s is not None
    assert early.look_s > 600 > 60 > close.look_s >= 1
    assert len(workspace.called("GET", "/runs/list")) == 1
    plain = jobs(workspace, made, poll={"history": False})
    assert [plain.poll([run.run])[0].look_s for _ in range(4)] == [30, 60, 120, 120]


def test_compute_that_broke_is_told_by_its_events_and_the_drivers_own_words(
    workspace: Workspace,
) -> None:
    api = workspace.session().api
    cluster = api.post(
        "/api/2.1/clusters/create",
        {
            "cluster_name": "shared",
            "spark_version": "15.4.x-scala2.12",
            "num_workers": 1,
            "cluster_log_conf": {"dbfs": {"destination": "dbfs:/logs"}},
        },
    )["cluster_id"]
    stderr = "java.lang.OutOfMemoryError: Java heap space\n"
    put = {"path": f"/logs/{cluster}/driver/stderr", "overwrite": True}
    coded = base64.b64encode(stderr.encode()).decode()
    api.post("/api/2.0/dbfs/put", put | {"contents": coded})
    outcome = Outcome(result="FAILED", seconds=30, code="DRIVER_ERROR", message="Driver crashed")
    workspace.declare("load", outcome)
    task = notebook("load", existing_cluster_id=cluster)
    made = workspace.job(task)
    here = jobs(workspace, made)
    (failure,) = here.failures(ended(workspace, here, started(here, made)), TREE)
    assert failure.code == "DRIVER_ERROR"
    text = "\n".join(f"{line.source}: {line.text}" for line in failure.log)
    assert "driver stderr: java.lang.OutOfMemoryError" in text
    assert "cluster events: " in text
    assert any(cut.startswith("driver stdout at dbfs:/logs/") for cut in failure.log_cut)


def test_a_loop_fails_once_for_each_way_in_which_its_items_fail(workspace: Workspace) -> None:
    workspace.declare("each", BAD)
    loop = {
        "task_key": "loop",
        "for_each_task": {"inputs": '["a", "b"]', "task": notebook("each")},
    }
    made = workspace.job(loop)
    here = jobs(workspace, made)
    status = ended(workspace, here, started(here, made))
    assert status.tasks[0].message.startswith("2 of 2 items done, 2 failed")
    found = here.failures(status, TREE)
    assert {(f.task, f.message) for f in found} == {("loop", "KeyError: 'amout'")}
    assert all(f.item for f in found)


def test_who_may_only_run_a_job_can_run_diagnose_repair_and_cancel_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.declare("load", BAD, Outcome(never_ends=True))
    made = workspace.job(notebook("load"))
    permissions.grant(workspace.sim, "ana@example.com", f"jobs/{made.job}", "CAN_MANAGE_RUN")
    token = identity.issue_token(workspace.sim, "ana@example.com")
    monkeypatch.setenv("DATABRICKS_TOKEN", token)
    here = jobs(workspace, made)
    run = started(here, made)
    status = ended(workspace, here, run)
    assert here.failures(status, TREE)[0].message == "KeyError: 'amout'"
    started(here, made, "r2", repair=Repair(run=run.run, tasks=("load",)))
    workspace.pass_time(30)
    with pytest.raises(Unavailable):
        here.cancel("c1", run.run)
    workspace.pass_time(60)
    assert here.cancel("c1", run.run).state == "cancelled"


def test_who_may_not_even_look_is_told_what_is_missing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = workspace.job(notebook("load"))
    token = identity.issue_token(workspace.sim, "bob@example.com")
    monkeypatch.setenv("DATABRICKS_TOKEN", token)
    with pytest.raises(Unauthorized, match=r"bob@example\.com does not have .* permissions"):
        jobs(workspace, made).start("r1", made, TREE, None)
    assert not workspace.called("POST", "/run-now")


def test_a_task_that_updates_a_pipeline_fails_with_the_flows_own_error(
    workspace: Workspace,
) -> None:
    stage = pipeline_stage.Stage(workspace)
    stage.declare(pipeline_stage.BAD)
    task = {"task_key": "silver", "pipeline_task": {"pipeline_id": stage.id}}
    made = workspace.job(task)
    here = jobs(workspace, made)
    run = started(here, made)
    (status,) = here.poll([run.run])
    assert status.look_s == 30, "pipelines have a cadence of their own"
    (failure,) = here.failures(ended(workspace, here, run), TREE)
    assert failure.task == "silver/clean"
    assert "UNRESOLVED_COLUMN.WITH_SUGGESTION" in failure.message
    assert failure.run == run.run


def test_any_jobs_run_can_be_looked_at_without_a_playbook(workspace: Workspace) -> None:
    made, _, run = failed(workspace)
    context = workspace.session(int(made.job), "look").context._replace(any_job=True)
    book = context.loaded.playbook.model_copy(update={"job": Job(id="any")})
    loaded = context.loaded.model_copy(update={"playbook": book})
    here = connect(context._replace(loaded=loaded))
    deployment, adopted = here.adopt(run.run, TREE)
    assert (deployment.job, adopted.run) == (made.job, run.run)
    (status,) = here.poll([adopted.run])
    assert [f.task for f in here.failures(status, TREE)] == ["use"]


def test_each_kind_of_playbook_has_its_platform(workspace: Workspace) -> None:
    source = workspace.folder / "source"
    source.mkdir()
    (source / "job.yaml").write_text("name: x\ntasks: []\n")
    (source / "monitors.yaml").write_text("monitors: []\n")
    for job, kind in (
        (Job(id=7), "Jobs"),
        (Job(pipeline="p"), "Pipelines"),
        (Job(file="job.yaml"), "Jobs"),
        (Job(file="monitors.yaml"), "Monitoring"),
        (Job(file="not-there.yaml"), "Jobs"),
    ):
        assert type(connect(workspace.session(job=job).context)).__name__ == kind


def test_what_a_green_task_left_behind_is_there_for_a_check_that_fails(
    workspace: Workspace,
) -> None:
    workspace.declare("load", Outcome(printed="12 rows\n", notebook_result={"rows": 12}))
    made = workspace.job(notebook("load"))
    here = jobs(workspace, made)
    status = ended(workspace, here, started(here, made))
    failure = here.observed(status, TREE, "load")
    assert (failure.phase, failure.code, failure.task) == ("verify", "VERIFY_FAILED", "load")
    assert "12 rows" in [line.text for line in failure.log]


def test_an_output_that_cannot_be_read_is_said(workspace: Workspace) -> None:
    workspace.declare("load", BAD)
    made = workspace.job(notebook("load"))
    here = jobs(workspace, made)
    status = ended(workspace, here, started(here, made))
    workspace.sim.store.delete("task_run", int(status.tasks[0].task_run or 0))
    (failure,) = here.failures(status, TREE)
    assert any("load output: " in cut for cut in failure.log_cut)


def test_calls_are_counted_from_one_question_to_the_next(workspace: Workspace) -> None:
    _, here, run = failed(workspace)
    assert here.calls() > 5
    assert here.calls() == 0
    here.poll([run.run])
    assert here.calls() >= 1
