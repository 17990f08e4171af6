"""Stopping: asked for once, waited for until nothing can write any more."""

import pytest
from aidp_runs_stage import Stage, failed, states

from agent.errors import Held, Unavailable
from agent.simulators.aidp.outcomes import Outcome


def test_a_run_is_cancelled_when_all_of_it_has_ended(stage: Stage) -> None:
    stage.make(stage.task("load"), stage.task("report", "load"))
    run = stage.start()
    stage.sim.advance(10)
    with pytest.raises(Unavailable, match="being cancelled") as waits:
        stage.cancelling.cancel("c1", run.run)
    assert waits.value.works
    status = stage.patiently(lambda: stage.cancelling.cancel("c1", run.run))
    assert (status.state, status.native) == ("cancelled", "CANCELED")
    assert not {"running", "pending"} & set(states(status).values())
    assert stage.posted("/actions/cancel") == 1
    assert stage.cancelling.cancel("c1", run.run).state == "cancelled"


def test_a_run_that_has_ended_stays_as_it_ended(stage: Stage) -> None:
    run = failed(stage)
    assert stage.cancelling.cancel("c1", run.run).state == "failed"
    assert stage.posted("/actions/cancel") == 0


def test_a_cancel_that_failed_is_never_an_end(stage: Stage) -> None:
    stage.make()
    stage.declare("load", Outcome(seconds=600, cancel_fails=True))
    run = stage.start()
    stage.sim.advance(10)
    for _ in range(20):
        with pytest.raises(Unavailable) as refused:
            stage.cancelling.cancel("c1", run.run)
        stage.sim.advance(30)
    assert "could not be cancelled" in str(refused.value)
    assert not refused.value.works
    status = stage.look(run.run)
    assert (status.state, status.native) == ("failed", "CANCELED")
    assert any("may still write" in note for note in status.notes)


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "503", "503_after", "409", "404"])
def test_a_lost_cancel_is_asked_for_again(stage: Stage, kind: str) -> None:
    stage.make()
    run = stage.start()
    stage.sim.advance(10)
    stage.sim.faults.add("POST */actions/cancel", kind, times=1)  # type: ignore[arg-type]  # one of the kinds
    status = stage.patiently(lambda: stage.cancelling.cancel("c1", run.run))
    assert status.state == "cancelled"


def test_a_start_that_nobody_knows_the_outcome_of_is_found_and_stopped(stage: Stage) -> None:
    stage.make()
    stage.sim.faults.add("POST */jobRuns", "drop_after", times=1)
    with pytest.raises(Unavailable):
        stage.start("a" * 32)
    stage.again()
    status = stage.patiently(lambda: stage.cancelling.cancel("c1", "a" * 32))
    assert (status.run, status.state) == (stage.runs()[0], "cancelled")
    with pytest.raises(Held, match="called off"):
        stage.start("a" * 32)


@pytest.mark.parametrize("asked", [True, False])
def test_a_start_that_started_nothing_is_called_off(stage: Stage, asked: bool) -> None:
    stage.make()
    key = "b" * 32
    if asked:
        stage.sim.faults.add("POST */jobRuns", "drop_before", times=1)
        with pytest.raises(Unavailable):
            stage.start(key)
    assert stage.cancelling.cancel("c1", key).native == "NEVER STARTED"
    with pytest.raises(Held, match="called off"):
        stage.start(key)
    assert stage.runs() == []


def test_a_blocked_run_is_stopped(stage: Stage) -> None:
    stage.make()
    stage.declare("", Outcome(status="BLOCKED", seconds=1))
    run = stage.start()
    stage.sim.advance(5000)
    assert stage.look(run.run).state in ("running", "failed")
    status = stage.patiently(lambda: stage.cancelling.cancel("c1", run.run))
    assert status.state == "cancelled"
