"""What tasks say of themselves is read in all its usual shapes, and nothing is guessed."""

import pytest
from pydantic import JsonValue

from agent import verification
from agent.errors import PlaybookError
from agent.playbook import Expectation
from agent.records import Check, RunStatus, TaskStatus


def status(value: JsonValue, *, known: bool = True) -> RunStatus:
    task = TaskStatus(task="load", state="succeeded", exit_value=value, exit_value_known=known)
    return RunStatus(run="r", state="succeeded", tasks=(task,))


GOOD: list[JsonValue] = [
    {"status": "SUCCESS", "total": 3, "successful": 3, "failed": 0},
    {"status": "ok", "total_items": 3, "successful": 3, "failed": 0, "failed_items": []},
    {"total": 3, "successful": 3, "failed": [], "errors": {}},
    {"success": True},
    {"status": "COMPLETED", "errors": []},
]
BAD: list[tuple[JsonValue, tuple[str, ...], float | None]] = [
    (
        {
            "status": "PARTIAL_SUCCESS",
            "total": 30,
            "successful": 27,
            "failed": 3,
            "failed_items": ["a", "b", "c"],
            "errors": {"a": "boom"},
        },
        ("a", "b", "c"),
        0.9,
    ),
    ({"total": 4, "successful": 3, "failed": 1}, (), 0.75),
    ({"total": 4, "successful": 3}, (), 0.75),
    ({"status": "FAILED", "total": 3, "successful": 3, "failed": 0}, (), None),
    ({"success": False}, (), None),
    ({"total": 2, "failed": [{"item": "x", "error": "KeyError: 'y'"}]}, ("x",), 0.5),
    ({"total": 2, "errors": [{"table": "t", "message": "gone"}]}, ("t",), 0.5),
    ({"status": "error", "error": "no such table"}, (), None),
    ({"succeeded": 9, "failed": 1}, (), 0.9),
]


@pytest.mark.parametrize("value", GOOD)
def test_a_good_exit_value_holds(value: JsonValue) -> None:
    assert [c.outcome for c in verification.of_tasks(status(value))] == ["held"]


@pytest.mark.parametrize(("value", "items", "share"), BAD)
def test_a_green_task_that_reports_failed_items_is_no_success(
    value: JsonValue, items: tuple[str, ...], share: float | None
) -> None:
    (check,) = verification.of_tasks(status(value))
    assert check.outcome == "failed"
    assert check.items == items
    assert check.share_good == share
    assert check.evidence


@pytest.mark.parametrize("value", [None, "done", 7, {"rows": 12}, ["a"]])
def test_a_value_that_says_nothing_about_success_is_not_judged(value: JsonValue) -> None:
    assert verification.of_tasks(status(value)) == ()


def test_a_value_that_was_not_delivered_is_unknown() -> None:
    (check,) = verification.of_tasks(status(None, known=False))
    assert check.outcome == "unknown"
    wanted = Expectation(task="load", expect="failed == 0")
    assert verification.of_expectation(wanted, status(None, known=False)).outcome == "unknown"


@pytest.mark.parametrize(
    ("expect", "held"),
    [
        ("failed == 0", True),
        ("failed != 0", False),
        ("total >= 3", True),
        ("total < 3", False),
        ('status == "SUCCESS"', True),
        ("parts[1].rows > 5", True),
        ("deep.share <= 0.9", True),
        ("missing == 1", False),
        ('total > "three"', False),
    ],
)
def test_an_expectation_is_compared(expect: str, held: bool) -> None:
    value: JsonValue = {
        "status": "SUCCESS",
        "total": 3,
        "failed": 0,
        "parts": [{"rows": 1}, {"rows": 9}],
        "deep": {"share": 0.9},
    }
    check = verification.of_expectation(Expectation(task="load", expect=expect), status(value))
    assert (check.outcome == "held") == held


def test_an_expectation_on_a_task_that_is_not_there_fails() -> None:
    wanted = Expectation(task="gone", expect="failed == 0")
    check = verification.of_expectation(wanted, status({}))
    assert check.outcome == "failed"
    assert "no task 'gone'" in check.saw


@pytest.mark.parametrize("text", ["failed", "failed = 0", "failed == zero", "== 3", ""])
def test_a_wrong_expectation_says_how_it_is_written(text: str) -> None:
    with pytest.raises(PlaybookError, match="not an expectation"):
        verification.parse(text)


def seen(rows: int, *columns: str) -> Check:
    measures: dict[str, JsonValue] = {"rows": rows, "columns": list(columns)}
    return Check(name="table t", outcome="held", saw=f"{rows} rows", measures=measures)


@pytest.mark.parametrize(
    ("now", "before", "flag"),
    [
        (seen(100, "a"), None, "no baseline"),
        (seen(100, "a"), seen(110, "a"), None),
        (seen(60, "a"), seen(100, "a"), "60 rows, last good run 100"),
        (seen(150, "a"), seen(100, "a"), "150 rows, last good run 100"),
        (seen(100, "a"), seen(100, "a", "b"), "columns differ: without b"),
        (seen(5, "a"), seen(0, "a"), "5 rows, last good run 0"),
    ],
)
def test_a_run_that_differs_from_the_last_good_one_is_flagged(
    now: Check, before: Check | None, flag: str | None
) -> None:
    (check,) = verification.with_baseline([now], None if before is None else [before])
    assert check.flag == flag
