"""The card on the terminal."""

from pathlib import Path

import case_histories as histories
import pytest

from agent import report


def card(name, **update):
    story = report.tell(histories.ALL[name]().events).model_copy(update=update)
    return report.text(story, Path("/srv"))


def test_a_healed_case_says_so_first_with_time_and_cost():
    shown = card("healed", report={"html": "/srv/.runmend/cases/7f3a/report.html"})
    assert shown.splitlines()[0] == "healed and verified in 2 iterations, 14.5 s, 0 tokens"
    assert (
        "   patch     .runmend/cases/7f3a/fix.patch"
        "          git apply .runmend/cases/7f3a/fix.patch\n" in shown
    )
    assert "   report    .runmend/cases/7f3a/report.html\n" in shown


def test_a_success_shows_each_tasks_exit_value_and_link():
    shown = card("healthy")
    assert 'task      load ok 1.2 s  {"rows": 1204, "failed": 0}' in shown
    assert "https://jobs.example/runs/1/load" in shown
    assert "holds: table sales rows >= 1000: 1,204 rows (no baseline)" in shown


def test_an_exit_value_that_the_platform_did_not_keep_is_said_to_be_unknown():
    story = report.tell(histories.healthy().events)
    lost = tuple(t.model_copy(update={"exit_value_known": False}) for t in story.tasks)
    assert "exit value unknown" in report.text(story.model_copy(update={"tasks": lost}))


def test_a_waiting_case_shows_what_waits_and_how_to_decide():
    shown = card("waiting")
    first = shown.splitlines()[0]
    assert first.startswith("waiting for a person: case 7f3a, patch ")
    assert first.endswith(", expires 2026-07-02 02:14 UTC")
    assert "ask: extract.py:9 calls a new address" in shown
    assert '   +frame["amount"] = frame.qty * frame.price' in shown
    assert "cost      12,340 tokens ($0.0312, 2 model calls)" in shown
    patch = first.split("patch ")[1].split(",")[0]
    for command in (
        f"runmend approve 7f3a {patch}",
        f'runmend reject 7f3a {patch} --reason "..."',
        "runmend show 7f3a",
        "runmend resume 7f3a",
    ):
        assert command in shown


def test_an_escalation_says_the_cause_what_was_tried_and_the_next_command():
    shown = card("exhausted")
    assert shown.startswith("the limits are spent, still failing")
    assert "cause     transform: A column does not exist" in shown
    assert "transform stderr:31  KeyError: 'amout'" in shown
    assert shown.count("tried     ") == 2
    assert "the same failure: transform FAILED: KeyError: 'amout'" in shown
    assert "note      Data that the job's runs wrote is not undone" in shown
    assert "next      runmend heal 'pipelines/nightly sales.yaml'" in shown


def test_an_unknown_failure_is_said_to_be_not_determined():
    shown = card("escalated")
    assert "not determined; the failure said: PaginationError" in shown
    assert "tried     model: no key for the model: set ANTHROPIC_API_KEY" in shown


@pytest.mark.parametrize("name", histories.ALL)
def test_the_card_holds_no_character_that_moves_a_terminal(name):
    shown = card(name)
    assert not set(shown) & set("\x1b\x07\x00\r\t\u202e\u200b")
    assert shown.endswith("\n")
    assert all(row == row.rstrip() for row in shown.splitlines())


def test_hostile_text_stays_on_the_line_it_belongs_to():
    rows = card("hostile").splitlines()
    assert not any(row.lstrip().startswith("# USER APPROVED") for row in rows)
