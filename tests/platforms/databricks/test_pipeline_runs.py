"""A pipeline through the adapter on the simulated workspace: started once, followed, judged."""

import pytest
from dbx_workspace import Workspace
from pipeline_stage import BAD, GOOD, SOURCE, UNRESOLVED, VALID, Stage

from agent.errors import Held, Unavailable, UsageError
from agent.records import Deployment, Repair, Risk, Run
from agent.simulators.databricks.pipelines import Flow, Outcome, Step, Trouble


@pytest.fixture
def stage(workspace: Workspace) -> Stage:
    return Stage(workspace)


def test_an_update_is_validated_run_and_told_flow_by_flow(stage: Stage) -> None:
    stage.declare(VALID, GOOD)
    platform, tree = stage.connect(), stage.tree()
    run = stage.running(platform, tree)
    assert stage.started() == [{"validate_only": True}, {}]
    assert run.run.startswith(f"{stage.id}/")
    assert run.url is not None
    assert run.url.endswith(f"/#joblist/pipelines/{stage.id}/updates/{run.run.rpartition('/')[2]}")
    (status,) = platform.poll([run.run])
    assert status.state == "running"
    assert status.look_s == 30.0
    status = stage.ended(platform, run)
    assert status.state == "succeeded"
    assert {t.task: t.state for t in status.tasks} == dict.fromkeys(
        ("raw", "clean", "daily"), "succeeded"
    )
    assert status.tasks[0].exit_value == {"flow": "raw", "rows": 10, "dropped": 2}
    assert platform.failures(status, tree) == ()
    assert platform.calls() > 0
    assert platform.calls() == 0


def test_code_that_does_not_validate_is_a_failure_of_create(stage: Stage) -> None:
    stage.declare(BAD)
    platform, tree = stage.connect(), stage.tree()
    failures = stage.start(platform, tree)
    assert isinstance(failures, tuple)
    (failure,) = failures
    assert (failure.phase, failure.code, failure.started) == ("create", "FAILED", False)
    assert failure.message == UNRESOLVED
    assert failure.location is not None
    assert (failure.location.path, failure.location.line) == ("silver.sql", 1)
    assert stage.started() == [{"validate_only": True}]
    assert stage.start(platform, tree) == failures
    assert len(stage.started()) == 1


def test_what_was_validated_is_not_validated_again(stage: Stage) -> None:
    stage.declare(VALID, GOOD)
    tree = stage.tree()
    stage.ended(platform := stage.connect(), stage.running(platform, tree))
    stage.running(stage.connect(), tree, key="s2")
    assert [b.get("validate_only", False) for b in stage.started()] == [True, False, False]


def test_the_same_key_is_the_same_update_alive_and_ended(stage: Stage) -> None:
    stage.declare(VALID, GOOD)
    platform, tree = stage.connect(), stage.tree()
    run = stage.running(platform, tree)
    assert stage.running(stage.connect(), tree) == run
    stage.ended(platform, run)
    assert stage.running(stage.connect(), tree) == run
    assert len(stage.started()) == 2


@pytest.mark.parametrize("fault", ["drop_after", "503_after", "500_after"])
def test_a_lost_reply_starts_no_second_update(stage: Stage, fault: str) -> None:
    stage.declare(VALID, GOOD)
    tree = stage.tree()
    platform = stage.connect()
    made = platform.deploy("d1", tree, None)
    assert isinstance(made, Deployment)
    where = f"POST /api/2.0/pipelines/{stage.id}/updates"
    stage.sim.faults.add(where, fault, times=1, after=1)
    with pytest.raises(Unavailable, match="not known"):
        stage.start(platform, tree, deployment=made)
    run = stage.connect().start("s1", made, tree, None)
    assert isinstance(run, Run)
    assert [b.get("validate_only", False) for b in stage.started()] == [True, False]
    assert stage.ended(platform, run).state == "succeeded"


@pytest.mark.parametrize("fault", ["drop_before", "503", "500", "429"])
def test_a_start_that_never_arrived_is_sent_again(stage: Stage, fault: str) -> None:
    stage.declare(VALID, GOOD)
    tree = stage.tree()
    platform = stage.connect()
    made = platform.deploy("d1", tree, None)
    assert isinstance(made, Deployment)
    stage.sim.faults.add(f"POST /api/2.0/pipelines/{stage.id}/updates", fault, times=1)
    with pytest.raises(Unavailable):
        platform.start("s1", made, tree, None)
    run = stage.running(stage.connect(), tree)
    assert stage.ended(platform, run).state == "succeeded"
    assert len(stage.workspace.called("GET", "/updates")) > 1


def test_two_updates_that_may_be_ours_are_nobodys_to_choose_from(stage: Stage) -> None:
    stage.declare(VALID, GOOD)
    tree = stage.tree()
    platform = stage.connect()
    stage.ended(platform, stage.running(platform, tree))
    made = platform.deploy("d1", tree, None)
    assert isinstance(made, Deployment)
    stage.sim.faults.add(f"POST /api/2.0/pipelines/{stage.id}/updates", "drop_after")
    with pytest.raises(Unavailable):
        platform.start("s2", made, tree, None)
    stage.workspace.pass_time(600)
    stage.theirs("API_CALL")
    with pytest.raises(Held, match="several updates"):
        stage.connect().start("s2", made, tree, None)


def test_an_update_of_somebody_else_is_waited_for_and_never_taken(stage: Stage) -> None:
    stage.declare(GOOD, VALID, GOOD)
    theirs = stage.theirs()
    tree = stage.tree()
    platform = stage.connect()
    made = platform.deploy("d1", tree, None)
    assert isinstance(made, Deployment)
    with pytest.raises(Unavailable, match=theirs):
        platform.start("s1", made, tree, None)
    assert stage.started() == []
    stage.workspace.pass_time(600)
    run = stage.running(platform, tree)
    assert theirs not in run.run


def test_a_newer_update_of_somebody_else_is_not_ours_to_watch(stage: Stage) -> None:
    stage.declare(VALID, GOOD, BAD)
    platform, tree = stage.connect(), stage.tree()
    run = stage.running(platform, tree)
    status = stage.ended(platform, run)
    stage.theirs()
    stage.workspace.pass_time(600)
    assert platform.poll([run.run]) == (status,)


def test_a_failed_flow_is_a_failure_with_its_deepest_cause(stage: Stage) -> None:
    stage.declare(VALID, BAD)
    platform, tree = stage.connect(), stage.tree()
    status = stage.ended(platform, stage.running(platform, tree))
    assert status.state == "failed"
    assert {t.task: t.state for t in status.tasks} == {
        "raw": "succeeded",
        "clean": "failed",
        "daily": "upstream_failed",
    }
    (failure,) = platform.failures(status, tree)
    assert (failure.phase, failure.code, failure.task) == ("run", "FAILED", "clean")
    assert failure.message == UNRESOLVED
    said = [line.text for line in failure.log]
    assert any("STREAM_FAILED" in text for text in said)
    assert any("at A.b(C.scala:9)" in text for text in said)
    assert failure.location is not None
    assert (failure.location.path, failure.location.line) == ("silver.sql", 1)
    assert failure.facts.task_file == "silver.sql"
    assert {d.name for d in failure.facts.datasets} == {"raw", "clean", "daily"}
    assert failure.run == status.run


def test_the_line_that_python_names_is_the_failures_place(stage: Stage) -> None:
    said = (
        "Traceback (most recent call last):\n"
        '  File "/Workspace/Shared/shop/bronze.py", line 6, in raw\n'
        "NameError: name 'spark' is not defined"
    )
    trouble = Trouble(class_name="pyspark.errors.PythonException", message=said)
    stage.declare(
        VALID,
        Outcome(result="FAILED", flows=(Flow(name="raw", status="FAILED", errors=(trouble,)),)),
    )
    platform, tree = stage.connect(), stage.tree()
    (failure,) = platform.failures(stage.ended(platform, stage.running(platform, tree)), tree)
    assert failure.location is not None
    assert (failure.location.path, failure.location.line) == ("bronze.py", 6)


def test_a_failure_without_any_error_event_asks_the_cluster(stage: Stage) -> None:
    stage.declare(VALID, Outcome(result="FAILED", silent=True, steps=(Step(state="INITIALIZING"),)))
    platform, tree = stage.connect(), stage.tree()
    (failure,) = platform.failures(stage.ended(platform, stage.running(platform, tree)), tree)
    assert failure.task is None
    assert "no event says why" in failure.message
    assert failure.log
    assert stage.workspace.called("POST", "/clusters/events")


def test_the_platforms_own_retries_belong_to_the_update(workspace: Workspace) -> None:
    stage = Stage(workspace, development=False)
    stage.declare(VALID, BAD, GOOD)
    platform, tree = stage.connect(), stage.tree()
    run = stage.running(platform, tree)
    notes: set[str] = set()
    for _ in range(60):
        (status,) = platform.poll([run.run])
        notes.update(status.notes)
        if status.state != "running":
            break
        stage.workspace.pass_time(5)
    assert status.state == "succeeded"
    assert status.run == run.run
    assert any("the platform may start it again" in note for note in notes)
    assert any("started the update again, once" in note for note in notes)
    assert {t.attempt for t in status.tasks} == {2}
    assert len(stage.started()) == 2


def test_what_fails_through_all_retries_has_failed(workspace: Workspace) -> None:
    stage = Stage(
        workspace,
        development=False,
        configuration={"pipelines.numUpdateRetryAttempts": "2"},
    )
    stage.declare(VALID, BAD)
    platform, tree = stage.connect(), stage.tree()
    status = stage.ended(platform, stage.running(platform, tree))
    assert status.state == "failed"
    assert "2 times" in status.notes[0]
    assert [f.task for f in platform.failures(status, tree)] == ["clean"]


def test_after_a_fix_what_failed_and_what_reads_it_is_refreshed(stage: Stage) -> None:
    stage.declare(VALID, BAD, VALID, GOOD)
    platform, tree = stage.connect(parameters={"day": "2026-07-01"}), stage.tree()
    run = stage.running(platform, tree)
    stage.ended(platform, run)
    stage.write({"silver.sql": SOURCE["silver.sql"].replace("amout", "amount")})
    after = stage.tree()
    assert platform.affected(tree, after) == ("clean",)
    made = platform.deploy("d2", after, None)
    assert isinstance(made, Deployment)
    repair = Repair(run=run.run, tasks=("clean", "daily"))
    again = stage.running(platform, after, key="s2", repair=repair, deployment=made)
    assert again.repairs == run.run
    assert "main.shop.clean, main.shop.daily" in again.note
    assert again.parameters == run.parameters == {"day": "2026-07-01"}
    assert stage.started()[-1] == {
        "parameters": {"day": "2026-07-01"},
        "refresh_selection": ["main.shop.clean", "main.shop.daily"],
    }
    assert stage.ended(platform, again).state == "succeeded"


def test_a_dataset_that_the_failed_update_never_named_refreshes_everything(stage: Stage) -> None:
    stage.declare(VALID, Outcome(result="FAILED", errors=(Trouble(message="no graph"),)), GOOD)
    platform, tree = stage.connect(), stage.tree()
    run = stage.running(platform, tree)
    status = stage.ended(platform, run)
    (failure,) = platform.failures(status, tree)
    assert failure.message == "no graph"
    repair = Repair(run=run.run, tasks=("clean",))
    again = stage.running(platform, tree, key="s2", repair=repair)
    assert "refresh_selection" not in stage.started()[-1]
    assert again.repairs is None
    assert "whole pipeline" in again.note


def test_nothing_is_repaired_while_it_may_still_write(stage: Stage) -> None:
    stage.declare(VALID, GOOD)
    platform, tree = stage.connect(), stage.tree()
    run = stage.running(platform, tree)
    made = platform.deploy("d1", tree, None)
    assert isinstance(made, Deployment)
    with pytest.raises(Unavailable, match="cannot be repaired yet"):
        platform.start("s2", made, tree, Repair(run=run.run, tasks=("clean",)))
    assert len(stage.started()) == 2


@pytest.mark.parametrize(
    ("wanted", "body"),
    [
        (True, {"full_refresh": True}),
        (("clean",), {"full_refresh_selection": ["clean"]}),
    ],
)
def test_a_full_refresh_is_what_only_a_person_may_let_through(
    stage: Stage, wanted: bool | tuple[str, ...], body: dict[str, object]
) -> None:
    stage.declare(VALID, BAD, GOOD)
    platform, tree = stage.connect(full_refresh=wanted), stage.tree()
    (effect,) = platform.plan(tree, None)
    assert (effect.kind, effect.risk) == ("full_refresh", Risk.DESTRUCTIVE)
    run = stage.running(platform, tree)
    assert stage.started()[-1] == body
    stage.ended(platform, run)
    repair = Repair(run=run.run, tasks=("clean", "daily"))
    again = stage.running(platform, tree, key="s2", repair=repair)
    assert "full_refresh" not in str(stage.started()[-1])
    assert "emptied before" in again.note


def test_without_a_full_refresh_in_the_playbook_none_is_ever_sent(stage: Stage) -> None:
    stage.declare(VALID, BAD, GOOD)
    platform, tree = stage.connect(), stage.tree()
    assert platform.plan(tree, None) == ()
    run = stage.running(platform, tree)
    stage.ended(platform, run)
    stage.running(platform, tree, key="s2", repair=Repair(run=run.run, tasks=()))
    assert not any("full_refresh" in str(body) for body in stage.started())


def test_cancelling_stops_the_update_and_waits_until_the_pipeline_rests(stage: Stage) -> None:
    stage.declare(VALID, Outcome(never_ends=True, flows=(Flow(name="raw", status="RUNNING"),)))
    platform, tree = stage.connect(), stage.tree()
    run = stage.running(platform, tree)
    stage.workspace.pass_time(60)
    with pytest.raises(Unavailable, match="stopping"):
        platform.cancel("c1", run.run)
    stage.workspace.pass_time(5)
    status = stage.connect().cancel("c1", run.run)
    assert (status.state, status.native) == ("cancelled", "CANCELED")
    assert platform.cancel("c1", run.run) == status
    assert len(stage.workspace.called("POST", "/stop")) == 1
    (failure,) = platform.failures(status, tree)
    assert failure.code == "CANCELED"


def test_cancelling_an_ended_update_stops_nobody_elses(stage: Stage) -> None:
    stage.declare(VALID, GOOD)
    platform, tree = stage.connect(), stage.tree()
    run = stage.running(platform, tree)
    stage.ended(platform, run)
    stage.theirs()
    assert platform.cancel("c1", run.run).state == "succeeded"
    assert stage.workspace.called("POST", "/stop") == []


def test_nothing_starts_by_a_key_that_was_cancelled(stage: Stage) -> None:
    stage.declare(VALID, GOOD)
    platform, tree = stage.connect(), stage.tree()
    made = platform.deploy("d1", tree, None)
    assert isinstance(made, Deployment)
    status = platform.cancel("c1", "s1")
    assert (status.run, status.state) == ("s1", "cancelled")
    with pytest.raises(Held, match="cancelled"):
        stage.connect().start("s1", made, tree, None)
    assert stage.started() == []


def test_a_start_of_unknown_outcome_is_found_and_stopped(stage: Stage) -> None:
    stage.declare(VALID, Outcome(never_ends=True))
    tree = stage.tree()
    platform = stage.connect()
    made = platform.deploy("d1", tree, None)
    assert isinstance(made, Deployment)
    stage.sim.faults.add(f"POST /api/2.0/pipelines/{stage.id}/updates", "drop_after", after=1)
    with pytest.raises(Unavailable, match="not known"):
        stage.start(platform, tree, deployment=made)
    with pytest.raises(Unavailable, match="stopping"):
        platform.cancel("c1", "s1")
    stage.workspace.pass_time(10)
    assert stage.connect().cancel("c1", "s1").state == "cancelled"


def test_a_continuous_pipeline_succeeds_by_running(workspace: Workspace) -> None:
    stage = Stage(workspace, continuous=True)
    flows = (Flow(name="raw", status="RUNNING", output_rows=5),)
    stage.declare(VALID, Outcome(never_ends=True, flows=flows))
    platform = stage.connect(poll={"running_for": "10m"})
    tree = stage.tree()
    run = stage.running(platform, tree)
    stage.workspace.pass_time(300)
    assert platform.poll([run.run])[0].state == "running"
    stage.workspace.pass_time(600)
    (status,) = platform.poll([run.run])
    assert status.state == "succeeded"
    assert "left running" in status.notes[-1]
    assert stage.workspace.called("POST", "/stop") == []


def test_an_update_without_new_events_may_be_stuck_and_that_is_said(stage: Stage) -> None:
    stage.declare(VALID, Outcome(seconds=7200, flows=(Flow(name="raw"),)))
    platform, tree = stage.connect(), stage.tree()
    run = stage.running(platform, tree)
    stage.workspace.pass_time(3000)
    (status,) = platform.poll([run.run])
    assert status.state == "running"
    assert any("it may be stuck" in note for note in status.notes)


def test_a_state_that_nobody_knows_keeps_running(stage: Stage) -> None:
    steps = (Step(state="REARRANGING", seconds=600),)
    stage.declare(VALID, Outcome(seconds=900, steps=steps))
    platform, tree = stage.connect(), stage.tree()
    run = stage.running(platform, tree)
    stage.workspace.pass_time(60)
    (status,) = platform.poll([run.run])
    assert (status.state, status.native) == ("running", "REARRANGING")
    assert stage.ended(platform, run).state == "succeeded"


def test_an_update_that_is_gone_has_failed_without_a_word(stage: Stage) -> None:
    platform, tree = stage.connect(), stage.tree()
    run = f"{stage.id}/00000000-0000-0000-0000-000000000000"
    (status,) = platform.poll([run])
    assert (status.state, status.native) == ("failed", "LOST")
    (failure,) = platform.failures(status, tree)
    assert failure.code == "LOST"


@pytest.mark.parametrize(
    "named",
    [
        "{pipeline}/{update}",
        "{update}",
        "{host}/#joblist/pipelines/{pipeline}/updates/{update}",
        "{host}/pipelines/{pipeline}/updates/{update}?o=123456",
    ],
)
def test_an_update_that_failed_before_us_is_adopted(stage: Stage, named: str) -> None:
    stage.declare(BAD)
    update = stage.theirs(parameters={"day": "1"})
    stage.workspace.pass_time(600)
    platform, tree = stage.connect(), stage.tree()
    asked = named.format(pipeline=stage.id, update=update, host=stage.sim.url)
    deployment, run = platform.adopt(asked, tree)
    assert (deployment.job, deployment.name) == (stage.id, "shop")
    assert deployment.tasks == ("raw", "clean", "daily")
    assert (run.run, run.parameters) == (f"{stage.id}/{update}", {"day": "1"})
    (status,) = platform.poll([run.run])
    assert [f.task for f in platform.failures(status, tree)] == ["clean"]
    assert stage.started() == []


def test_what_is_no_update_of_this_pipeline_is_not_adopted(stage: Stage) -> None:
    platform, tree = stage.connect(), stage.tree()
    nobody = "00000000-0000-0000-0000-000000000000"
    for asked, words in (
        ("12345", "names no update"),
        (f"{nobody}/{nobody}", "another pipeline"),
        (f"{stage.id}/{nobody}", "has no update"),
    ):
        with pytest.raises(UsageError, match=words):
            platform.adopt(asked, tree)


def test_what_others_did_meanwhile_is_said(stage: Stage) -> None:
    stage.declare(VALID, BAD, BAD, GOOD)
    platform, tree = stage.connect(), stage.tree()
    run = stage.running(platform, tree)
    stage.ended(platform, run)
    made = platform.deploy("d1", tree, None)
    assert isinstance(made, Deployment)
    assert platform.overtaken(run, made) is None
    stage.theirs()
    assert "is active" in str(platform.overtaken(run, made))
    stage.workspace.pass_time(600)
    assert platform.overtaken(run, made) is None
    stage.theirs("JOB_TASK")
    stage.workspace.pass_time(600)
    assert "has succeeded" in str(platform.overtaken(run, made))


def test_secrets_in_events_do_not_leave_the_platform(stage: Stage) -> None:
    secret = "dapi" + "0123456789abcdef" * 2
    trouble = Trouble(message=f"cannot log in with {secret}")
    flow = Flow(name="raw", status="FAILED", errors=(trouble,))
    stage.declare(VALID, Outcome(result="FAILED", flows=(flow,)))
    platform, tree = stage.connect(), stage.tree()
    status = stage.ended(platform, stage.running(platform, tree))
    said = "".join(f.dump() for f in platform.failures(status, tree)) + status.dump()
    assert "cannot log in with" in said
    assert secret not in said


def test_source_files_are_brought_where_the_playbook_says_and_foreign_changes_ask(
    stage: Stage,
) -> None:
    stage.declare(VALID, GOOD)
    root = "/Workspace/Shared/shop"
    platform, tree = stage.connect(databricks={"root": root}), stage.tree()
    assert platform.plan(tree, None) == ()
    made = platform.deploy("d1", tree, None)
    assert isinstance(made, Deployment)
    assert set(made.files) == {f"{root}/bronze.py", f"{root}/silver.sql"}
    assert platform.plan(tree, made) == ()
    api = stage.workspace.session(1).api
    body = {"path": f"{root}/silver.sql", "format": "AUTO", "overwrite": True, "content": "c2Vs"}
    api.post("/api/2.0/workspace/import", body)
    (effect,) = stage.connect(databricks={"root": root}).plan(tree, made)
    assert (effect.kind, effect.risk) == ("remote_overwrite", Risk.ASK)
    assert "silver.sql was changed since we deployed it" in effect.detail


def test_a_tasks_green_end_with_a_failed_check_shows_its_events(stage: Stage) -> None:
    stage.declare(VALID, GOOD)
    platform, tree = stage.connect(), stage.tree()
    status = stage.ended(platform, stage.running(platform, tree))
    failure = platform.observed(status, tree, "raw")
    assert (failure.phase, failure.code, failure.task) == ("verify", "VERIFY_FAILED", "raw")
    assert any("'raw' has COMPLETED" in line.text for line in failure.log)


def test_the_datasets_are_the_tasks_in_the_order_of_what_they_read(stage: Stage) -> None:
    tasks = {t.task: t for t in stage.connect().tasks(stage.tree())}
    assert list(tasks) == ["raw", "clean", "daily"]
    assert tasks["daily"].depends_on == ("clean",)
    assert tasks["clean"].path == "silver.sql"
