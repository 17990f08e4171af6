"""What a run's JSON says, and what it does not."""

from typing import get_args

import pytest

from agent.platforms.aidp import parameters, runs, states
from agent.platforms.aidp.watching import pause
from agent.playbook.records import Poll
from agent.simulators.aidp.outcomes import Status


def of(status: str, **more: object) -> dict[str, object]:
    return {"state": {"status": status}, **more}


VERDICTS = {
    "SUCCESS": "succeeded",
    "CANCELED": "cancelled",
    "UPSTREAM_CANCELED": "cancelled",
    **dict.fromkeys(
        ("FAILED", "UPSTREAM_FAILED", "EXCLUDED", "TIMED_OUT", "SKIPPED", "INTERNAL_ERROR"),
        "failed",
    ),
    **dict.fromkeys(
        ("PENDING", "QUEUED", "RUNNING", "CANCELING", "PAUSED_MAINTENANCE", "BLOCKED"), "running"
    ),
}
TASKS = {
    "SUCCESS": "succeeded",
    "FAILED": "failed",
    "INTERNAL_ERROR": "failed",
    "TIMED_OUT": "timed_out",
    "CANCELED": "cancelled",
    "UPSTREAM_CANCELED": "cancelled",
    "UPSTREAM_FAILED": "upstream_failed",
    "EXCLUDED": "skipped",
    "SKIPPED": "skipped",
    "PENDING": "pending",
    "QUEUED": "pending",
    "BLOCKED": "pending",
    "RUNNING": "running",
    "CANCELING": "running",
    "PAUSED_MAINTENANCE": "running",
}


def test_all_fifteen_statuses_have_a_meaning() -> None:
    assert set(get_args(Status)) == set(VERDICTS) == set(TASKS)
    assert {word: states.verdict(of(word)) for word in VERDICTS} == VERDICTS
    assert {word: states.task_state(of(word)) for word in TASKS} == TASKS
    assert all(states.unknown(of(word)) is None for word in VERDICTS)


@pytest.mark.parametrize("word", ["SUCCEEDED", "COMPLETED", "CANCELLED", "UNKNOWN_ENUM_VALUE"])
def test_a_word_that_nobody_knows_ends_nothing(word: str) -> None:
    assert states.verdict(of(word)) == "running"
    assert states.unknown(of(word)) == word


def test_only_the_nested_status_counts() -> None:
    assert states.status({"status": "SUCCESS"}) == ""
    assert states.status({"status": "SUCCESS", "state": {"status": "RUNNING"}}) == "RUNNING"
    assert states.verdict({"status": "SUCCESS", "state": None}) == "running"


def test_blocked_is_an_end_only_once_it_has_lasted() -> None:
    assert states.verdict(of("BLOCKED"), blocked=True) == "failed"
    assert states.task_state(of("BLOCKED"), over=True) == "failed"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (1782900031000, 1782900031.0),
        ("1782900031000", 1782900031.0),
        ("2026-07-01T10:00:31.000Z", 1782900031.0),
        ("2026-07-01T12:00:31+02:00", 1782900031.0),
        ("2026-07-01T10:00:31", 1782900031.0),
        (None, None),
        (0, None),
        ("", None),
        (True, None),
        ("soon", None),
    ],
)
def test_times_come_in_two_forms(said: object, seconds: float | None) -> None:
    assert states.moment(said) == seconds


def test_a_run_takes_from_its_start_to_its_end_or_to_now() -> None:
    assert states.seconds(of("RUNNING", startTime=10_000), 15.5) == 5.5
    assert states.seconds(of("FAILED", startTime=10_000, endTime=12_000), 99) == 2.0
    assert states.seconds(of("PENDING", startTime=None), 99) is None
    assert states.seconds(of("FAILED", startTime=10_000), 99) is None


def test_repairs_are_told_by_number_and_by_history() -> None:
    history = [
        {"type": "ORIGINAL", "key": 0},
        {"type": "REPAIR", "key": 1, "repairedTasks": ["a"]},
        {"type": "REPAIR", "key": "2"},
    ]
    run = {"repairKey": 2, "repairedTasks": ["b"], "repairHistory": history}
    assert runs.repairs(run) == [(1, frozenset("a")), (2, frozenset("b"))]
    assert runs.newest_repair({"repairKey": 3, "repairHistory": None}) == 3
    assert runs.newest_repair({"repairKey": 0}) == runs.newest_repair({}) == 0


def test_a_run_has_what_the_service_resolved() -> None:
    run = {
        "parameters": [{"name": "day", "value": "7"}],
        "unifiedJobAndJobRunParameters": [{"name": "day", "value": "7"}, {"name": "x", "value": 1}],
    }
    assert parameters.carried(run) == {"day": "7", "x": "1"}
    assert parameters.same(run, {"day": "7"}, {"day": "7", "x": "1"})
    assert parameters.same(run, {"day": "7", "x": "1"}, {"day": "7", "x": "1"})
    assert not parameters.same(run, {"day": "8"}, {"day": "8", "x": "1"})
    assert not parameters.same(run, {}, {"x": "1"})
    assert parameters.anew({"id": "{{job.run_id}}", "day": "7"}) == (
        "parameter id: {{job.run_id}} is computed anew, it cannot be carried over",
    )


def test_runs_are_looked_at_every_20_to_30_seconds_unless_the_playbook_says_otherwise() -> None:
    plain = [pause(Poll(), looks) for looks in range(50)]
    assert min(plain) * 0.9 >= 20
    assert max(plain) * 1.1 <= 30
    assert [pause(Poll(first=5, max=30), n) for n in range(5)] == [5, 10, 20, 30, 30]
    assert [pause(Poll(first=60), n) for n in range(3)] == [60, 60, 60]
    assert [pause(Poll(max=10), n) for n in range(3)] == [10, 10, 10]
    assert pause(Poll(first=0.001, max=0.001), 9) == 1.0
    assert [pause(Poll(kind="training"), n) for n in range(4)] == [60, 120, 240, 300]
