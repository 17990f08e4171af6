"""The transition table is complete, and nothing moves a case but the table."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from pydantic import TypeAdapter

from agent import events, runner
from agent.errors import ImpossibleEvent
from agent.events import Approved, Deployed, Escalated, Failed, Opened, Proposed, Started
from agent.machine import ENDED, TRANSITIONS, WORKING, Case, advance, opened
from agent.playbook import Job, Loaded, Playbook
from agent.records import Decision, Deployment, Edit, Failure, Patch, Run

AT = datetime(2026, 7, 1, 2, 14, tzinfo=UTC)
LOADED = Loaded(path="/p/nightly.yaml", playbook=Playbook(platform="local", job=Job(file="j.yaml")))
KINDS = {cls.model_fields["kind"].default for cls in get_args(get_args(events.AnyEvent)[0])}


def begun() -> Case:
    return opened(Opened(at=AT, case="7f3a", loaded=LOADED, by="ana@host"))


def test_every_working_state_has_a_step_a_way_in_and_a_way_out() -> None:
    assert set(runner.STEPS) == set(WORKING)
    for state in WORKING:
        assert state in TRANSITIONS.values()
        assert {after for (before, _), after in TRANSITIONS.items() if before == state} - {state}


def test_every_ended_state_can_be_reached_from_the_start() -> None:
    reached, frontier = set(), {TRANSITIONS[None, "opened"]}
    while frontier:
        reached |= frontier
        frontier = {a for (b, _), a in TRANSITIONS.items() if b in reached} - reached
    assert reached == {*WORKING, *ENDED}


def test_every_event_is_in_the_table_and_every_row_is_an_event() -> None:
    assert {kind for _, kind in TRANSITIONS} == KINDS


def test_an_ended_case_goes_nowhere() -> None:
    for (before, _), after in TRANSITIONS.items():
        if before in ENDED:
            assert after == before


def test_an_event_that_does_not_belong_is_one_named_error() -> None:
    started = Started(at=AT, run=Run(run="r", key="k"))
    with pytest.raises(ImpossibleEvent, match="'started' cannot happen in state 'create'"):
        advance(begun(), started)


def test_every_working_case_can_be_escalated() -> None:
    case = advance(begun(), Escalated(at=AT, verdict="escalated", reason="no"))
    assert case.ended
    assert case.state == "escalated"


def waiting(edits: tuple[Edit, ...]) -> Case:
    failure = Failure(phase="run", code="FAILED", message="boom", task="t")
    deployment = Deployment(job="j", name="j", tree="d")
    case = advance(begun(), Deployed(at=AT, key="k", deployment=deployment))
    case = advance(case, Started(at=AT, run=Run(run="r", key="k")))
    case = advance(case, Failed(at=AT, failures=(failure,)))
    case = advance(case, events.Diagnosed(at=AT, diagnoses=()))
    patch = Patch(edits=edits, rationale="why", author="fixer:x", rerun=("t",), wait_s=30)
    return advance(case, Proposed(at=AT, patch=patch, result="abc", expires_at=AT))


def approved(case: Case) -> Case:
    decision = Decision(outcome="approved", patch="p", by="ana", at=AT)
    return advance(case, Approved(at=AT + timedelta(seconds=10), decision=decision))


def test_a_patch_with_edits_counts_as_an_iteration_and_is_remembered() -> None:
    case = approved(waiting((Edit(path="a.py", old="x", new="y"),)))
    assert (case.iterations, case.reruns) == (1, 0)
    assert case.edits == (Edit(path="a.py", old="x", new="y"),)
    assert case.results == ("", "abc")
    assert case.mended == (case.failures[0].fingerprint(),)


def test_a_plain_rerun_is_no_iteration_and_waits() -> None:
    case = approved(waiting(()))
    assert (case.iterations, case.reruns) == (0, 1)
    assert case.due_at == AT + timedelta(seconds=40)
    assert case.waited_s == 10


def test_a_fingerprint_ignores_what_differs_from_run_to_run() -> None:
    def failure(message: str) -> Failure:
        return Failure(phase="run", code="FAILED", message=message, task="t")

    first, second = failure("no row at 0x7f12, run 17"), failure("no row at 0x7f34, run 18")
    assert first.fingerprint() == second.fingerprint()
    assert first.fingerprint() != failure("no column at 0x7f12").fingerprint()


def test_events_survive_json() -> None:
    adapter: TypeAdapter[events.AnyEvent] = events.EVENT
    event = Opened(at=AT, case="7f3a", loaded=LOADED, by="ana@host")
    assert adapter.validate_json(event.dump()) == event
