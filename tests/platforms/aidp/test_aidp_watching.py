"""How runs are seen to go: every status, current attempts, streams, and what is worth a note."""

import json
from typing import Any

import pytest
from aidp_runs_stage import Stage, failed, states

from agent.errors import Unavailable
from agent.platforms.aidp.states import GONE
from agent.records import Repair
from agent.simulators.aidp.outcomes import Outcome, Pass
from agent.simulators.faults import Kind


def test_a_run_is_seen_through_to_its_values(stage: Stage) -> None:
    value = {"status": "ok", "total": 3, "failed": 0}
    stage.make(stage.task("load"), stage.task("report", "load"))
    stage.declare("load", Outcome(seconds=90, setup_seconds=300, exit_value=value))
    run = stage.start()
    status = stage.look(run.run)
    assert (status.state, states(status)) == ("running", {"load": "pending", "report": "pending"})
    assert 20 <= (status.look_s or 0) <= 30
    stage.sim.advance(330)
    status = stage.look(run.run)
    assert (states(status)["load"], status.tasks[0].seconds) == ("running", 30)
    assert status.tasks[0].task_run
    status = stage.ended(run.run)
    assert (status.state, status.native, status.endless) == ("succeeded", "SUCCESS", False)
    assert status.tasks[0].exit_value == value
    assert status.tasks[0].seconds == 90


def test_a_value_that_the_service_did_not_keep_is_not_known(stage: Stage) -> None:
    stage.make()
    stage.declare("load", Outcome(exit_value={"failed": 0}, no_output=True))
    status = stage.ended(stage.start().run)
    assert (status.tasks[0].exit_value, status.tasks[0].exit_value_known) == (None, False)


def test_a_value_that_is_never_delivered_holds_nothing_up(stage: Stage) -> None:
    stage.make()
    stage.declare("load", Outcome(exit_value={"failed": 0}))
    run = stage.start()
    stage.sim.advance(600)
    stage.sim.faults.add("POST */actions/fetchOutput", "500", times=None)
    status = stage.patiently(lambda: stage.look(run.run))
    assert (status.state, status.tasks[0].exit_value_known) == ("succeeded", False)


def test_values_are_read_once_and_only_at_the_end(stage: Stage) -> None:
    stage.make()
    stage.declare("load", Outcome(exit_value={"failed": 0}))
    run = stage.start()
    stage.ended(run.run)
    before = stage.posted("/actions/fetchOutput")
    stage.look(run.run)
    assert stage.posted("/actions/fetchOutput") == before


def test_steps_are_shown_while_a_task_runs(stage: Stage) -> None:
    stage.make()
    stage.declare("load", Outcome(seconds=600, printed="[Step 1/2] read\n[Step 2/2] write\n"))
    run = stage.start()
    stage.sim.advance(30)
    status = stage.look(run.run)
    assert status.tasks[0].step in (None, "[Step 2/2] write")


@pytest.mark.parametrize(
    ("status", "state", "task"),
    [
        ("FAILED", "failed", "failed"),
        ("INTERNAL_ERROR", "failed", "failed"),
        ("TIMED_OUT", "failed", "timed_out"),
    ],
)
def test_what_failed_stops_what_needs_it(stage: Stage, status: Any, state: str, task: str) -> None:
    stage.make(stage.task("load"), stage.task("report", "load"))
    stage.declare("load", Outcome(status=status))
    found = stage.ended(stage.start().run)
    assert found.state == state
    assert states(found) == {"load": task, "report": "upstream_failed"}
    assert [t.seconds is None for t in found.tasks] == [False, True]


@pytest.mark.parametrize("word", ["PAUSED_MAINTENANCE", "SOMETHING_NEW", "CANCELLED"])
def test_maintenance_and_unknown_words_are_no_end(stage: Stage, word: str) -> None:
    stage.make()
    run = stage.start()
    stage.sim.advance(5)
    stage.tamper(run.run, "", status=word)
    status = stage.look(run.run)
    assert (status.state, status.native) == ("running", word)
    said = "maintenance" if word == "PAUSED_MAINTENANCE" else f"{word!r}"
    assert any(said in note for note in status.notes)
    again = [note for note in stage.look(run.run).notes if "unknown" in note]
    assert again == []  # told once


def test_blocked_ends_a_run_after_its_grace(stage: Stage) -> None:
    stage.again(aidp={"blocked": 300})
    stage.make()
    stage.declare("", Outcome(status="BLOCKED", seconds=10))
    run = stage.start()
    stage.sim.advance(100)
    status = stage.look(run.run)
    assert (status.state, status.native) == ("running", "BLOCKED")
    stage.again()
    stage.sim.advance(250)
    assert stage.look(run.run).state == "failed"


def test_native_tries_are_told_and_only_the_current_one_counts(stage: Stage) -> None:
    stage.make(stage.task("load", maxRetries=1, minRetryIntervalMillis=1000))
    stage.declare("load", Outcome(status="FAILED", seconds=10), Outcome(seconds=100))
    run = stage.start()
    stage.sim.advance(20)
    status = stage.look(run.run)
    assert status.state == "running"
    assert (status.tasks[0].attempt, status.tasks[0].state) == (2, "running")
    assert "task load: attempt 2" in status.notes
    assert stage.ended(run.run).state == "succeeded"


def test_failures_before_a_repair_count_for_nothing(stage: Stage) -> None:
    run = failed(stage, also=["report"])
    stage.start("r2", Repair(run=run.run, tasks=("load", "report")))
    status = stage.look(run.run)
    assert status.state == "running"
    assert "failed" not in states(status).values()
    assert states(stage.ended(run.run)) == {"load": "succeeded", "report": "succeeded"}


def test_a_repair_that_does_not_show_yet_keeps_the_run_running(stage: Stage) -> None:
    run = failed(stage)
    status = stage.watching.look(run.run, 1)
    assert status.state == "running"
    assert any("repair 1 does not show yet" in note for note in status.notes)


def test_a_run_whose_tasks_go_on_has_not_ended_for_a_while(stage: Stage) -> None:
    run = failed(stage, also=["report"])
    stage.tamper(run.run, "report", status="RUNNING", started=None, ended=None)
    status = stage.look(run.run)
    assert status.state == "running"
    assert any("no start time" in note for note in status.notes)
    stage.sim.advance(600)
    status = stage.look(run.run)
    assert status.state == "failed"
    assert any("may still write" in note for note in status.notes)


def test_a_task_that_is_said_to_run_but_never_begins_is_told(stage: Stage) -> None:
    stage.make()
    stage.declare("load", Outcome(seconds=9000))
    run = stage.start()
    stage.sim.advance(1000)
    stage.tamper(run.run, "load", started=None)
    status = stage.look(run.run)
    assert status.state == "running"
    assert any("has not begun" in note for note in status.notes)


def test_a_stream_succeeds_by_running(stage: Stage) -> None:
    stage.make(stage.task("load", isStreaming=True))
    stage.declare("load", Outcome(status="RUNNING", setup_seconds=60))
    run = stage.start()
    stage.sim.advance(100)
    status = stage.look(run.run)
    assert (status.state, status.endless) == ("running", True)
    stage.sim.advance(100)
    status = stage.look(run.run)
    assert (status.state, status.endless) == ("succeeded", True)
    assert any("left running" in note for note in status.notes)
    assert stage.posted("/actions/cancel") == 0


def test_a_stream_runs_for_as_long_as_the_playbook_says(stage: Stage) -> None:
    stage.again(poll={"running_for": 600})
    stage.make(stage.task("load", isStreaming=True), stage.task("once"))
    stage.declare("load", Outcome(status="RUNNING"))
    stage.declare("once", Outcome(seconds=700))
    run = stage.start()
    stage.sim.advance(610)
    assert stage.look(run.run).state == "running"  # the task with an end goes on
    stage.sim.advance(100)
    assert stage.look(run.run).state == "succeeded"


def test_a_stream_paused_for_maintenance_is_waited_for(stage: Stage) -> None:
    stage.make(stage.task("load", isStreaming=True))
    passes = (Pass(status="RUNNING", seconds=60), Pass(status="PAUSED_MAINTENANCE", seconds=3600))
    stage.declare("load", Outcome(status="RUNNING", passes=passes))
    run = stage.start()
    stage.sim.advance(300)
    status = stage.look(run.run)
    assert (status.state, status.endless) == ("running", True)
    assert any("maintenance" in note for note in status.notes)
    stage.sim.advance(3400)
    assert stage.look(run.run).state == "running"  # what was before the pause does not count
    stage.sim.advance(200)
    assert stage.look(run.run).state == "succeeded"


def test_a_stream_that_fails_has_failed(stage: Stage) -> None:
    stage.make(stage.task("load", isStreaming=True))
    stage.declare("load", Outcome(status="FAILED", seconds=30, error="ValueError: no"))
    assert stage.ended(stage.start().run).state == "failed"


def test_the_tasks_of_a_nested_run_are_seen(stage: Stage) -> None:
    inner = stage.make(name="inner.job")
    stage.make({"type": "JOB_TASK", "taskKey": "child", "runIf": "ALL_SUCCESS", "jobKey": inner})
    run = stage.start()
    stage.sim.advance(30)
    assert states(stage.look(run.run)) == {"child": "running", "child/load": "running"}
    found = stage.ended(run.run)
    assert states(found) == {"child": "succeeded", "child/load": "succeeded"}


def test_a_run_is_gone_only_when_it_stays_away(stage: Stage) -> None:
    stage.make()
    run = stage.start()
    stage.sim.faults.add("GET */jobRuns/*", "404", times=1)
    with pytest.raises(Unavailable, match="not to be found"):
        stage.look(run.run)
    assert stage.look(run.run).state == "running"
    stage.ended(run.run)
    stage.api.send("DELETE", f"/jobRuns/{run.run}", what="delete")
    with pytest.raises(Unavailable):
        stage.look(run.run)
    status = stage.look(run.run)
    assert (status.state, status.native) == ("failed", GONE)


def test_no_answer_is_never_an_end(stage: Stage) -> None:
    run = failed(stage, also=["report"])
    stage.start("r2", Repair(run=run.run, tasks=("load", "report")))
    kinds: tuple[Kind, ...] = ("html", "404", "409", "503", "drop_after")
    for kind in kinds:
        stage.sim.faults.add("GET */jobRuns/*", kind, times=1)
        status = stage.patiently(lambda: stage.look(run.run), step_s=0)
        assert (status.state, len(status.tasks)) == ("running", 2)


def test_messages_are_masked_and_on_one_line(stage: Stage) -> None:
    stage.make()
    text = "Exception during execution\npassword=hunter2hunter2\nTimestamp: now"
    stage.declare("load", Outcome(status="FAILED", message=text))
    status = stage.ended(stage.start().run)
    assert "\n" not in status.tasks[0].message
    assert "hunter2" not in json.dumps(status.model_dump(mode="json"))
