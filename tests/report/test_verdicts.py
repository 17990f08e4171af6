"""Every ending has its word and its exit code."""

from typing import get_args

import case_histories as histories
import pytest

from agent import report, verdicts
from agent.events import EndVerdict

ENDINGS = {
    "healthy": ("done", "healthy", 0),
    "healed": ("done", "healed", 0),
    "undone": ("done", "healed", 0),
    "rerun_healthy": ("done", "healthy", 0),
    "escalated": ("escalated", "escalated", 1),
    "waiting": ("approve", "waiting", 3),
    "edited": ("approve", "waiting", 3),
    "suggested": ("escalated", "escalated", 1),
    "rejected": ("escalated", "rejected", 4),
    "expired": ("escalated", "expired", 5),
    "refused": ("escalated", "refused", 4),
    "exhausted": ("escalated", "exhausted", 8),
    "held": ("escalated", "held", 10),
    "partial": ("partial", "partial", 9),
    "cancelled": ("cancelled", "cancelled", 11),
    "create_failed": ("done", "healed", 0),
    "running": ("poll", None, None),
    "hostile": ("escalated", "rejected", 4),
}


def test_every_history_is_judged_here():
    assert set(ENDINGS) == set(histories.ALL)


@pytest.mark.parametrize("name", ENDINGS)
def test_the_verdict_and_the_exit_code_follow_from_the_events(name):
    events = histories.ALL[name]().events
    story = report.tell(events)
    assert (story.state, story.verdict, story.exit_code) == ENDINGS[name]
    assert verdicts.of(events) == story.verdict


def test_every_verdict_has_an_exit_code_and_every_end_a_verdict():
    assert set(verdicts.EXIT) == set(get_args(verdicts.Verdict))
    assert set(get_args(EndVerdict)) <= set(verdicts.EXIT)


def test_what_is_no_event_is_said_by_the_runner():
    events = histories.running().events
    context = report.Context(verdict="unauthorized", reason="the token expired at 10:02 UTC")
    story = report.tell(events, context)
    assert (story.verdict, story.exit_code, story.state) == ("unauthorized", 6, "poll")
    assert story.reason == "the token expired at 10:02 UTC"
    assert story.next == "runmend resume 7f3a"


def test_sigterm_has_its_own_exit_code():
    events = histories.running().events
    story = report.tell(events, report.Context(verdict="interrupted", exit_code=143))
    assert story.exit_code == 143
    assert report.tell(events, report.Context(verdict="interrupted")).exit_code == 130


def test_a_history_that_does_not_begin_at_its_beginning_is_refused():
    with pytest.raises(ValueError, match="begins with 'opened', found 'requested'"):
        verdicts.of(histories.healthy().events[1:])
