"""What histories say of an entry: hits, heals, failed fixes, and the right to act by itself."""

from datetime import timedelta
from typing import Any

import case_histories as histories
import pytest
from case_histories import CASE, History, known, rename

from agent.events import Cancelled, Delivered, Escalated, Finished, Learned, Misled, Trusted, Undone
from agent.experience import Track, tracks
from agent.records import Line

ENTRY = "python.column-missing"
AMOUT, QTY = "KeyError: 'amout'", "KeyError: 'qtty'"


def failed(history: History, message: str = AMOUT, task: str = "transform") -> History:
    return history.start().fail(task, message, **{task: "failed"}).diagnose(known(task, message))


def fixed(history: History, by: str = "policy", **patch: Any) -> History:
    return history.propose(rename(**patch)).decide(by=by).deploy()


def healed(history: History) -> History:
    history.start().add(Finished, status=history.status("succeeded", transform="succeeded"))
    return history.add(Delivered, how="nothing")


def ended(history: History) -> History:
    return history.add(Escalated, verdict="escalated", reason="no progress")


def track(*found: History) -> Track:
    return tracks([one.events for one in found])[ENTRY]


def test_a_proved_fix_counts_as_healed_and_keeps_the_right() -> None:
    seen = track(healed(fixed(failed(History().deploy()))))
    assert (seen.hits, seen.healed, seen.failed, seen.open) == (1, 1, 0, 0)
    assert seen.distrusted is None
    assert seen.cases == {CASE}


def test_two_faults_of_one_entry_in_one_healed_case_cost_nothing() -> None:
    twice = fixed(failed(fixed(failed(History().deploy())), QTY))
    seen = track(healed(twice))
    assert (seen.hits, seen.healed, seen.failed) == (2, 2, 0)
    assert seen.distrusted is None


@pytest.mark.parametrize(
    ("by", "author", "lost"),
    [
        ("policy", "fixer:rename_column", True),
        ("rule 2", "fixer:rename_column+fixer:rename_table", True),
        ("ana@host", "fixer:rename_column", False),
        ("policy", "model:claude-opus-5-5", False),
    ],
)
def test_the_same_failure_after_the_fix_costs_the_right_where_nobody_was_asked(
    by: str, author: str, *, lost: bool
) -> None:
    seen = track(ended(failed(fixed(failed(History().deploy()), by, author=author))))
    assert (seen.hits, seen.healed, seen.failed) == (2, 0, 1)
    assert (seen.distrusted is not None) is lost


def test_a_case_that_ends_badly_with_the_entry_again_in_that_line_costs_the_right() -> None:
    again = failed(fixed(failed(History().deploy())), QTY)
    lost = track(ended(again)).distrusted
    assert lost is not None
    assert (lost.case, lost.why) == (CASE, "the same line failed of it again")
    elsewhere = failed(fixed(failed(History().deploy())), QTY, task="load")
    assert track(ended(elsewhere)).distrusted is None


def test_a_proved_fix_that_a_person_takes_back_has_not_failed() -> None:
    done = healed(fixed(failed(History().deploy())))
    seen = track(done.add(Undone, by="ana@host", what="taken back"))
    assert (seen.healed, seen.failed, seen.distrusted) == (1, 0, None)


def test_a_rerun_that_does_not_help_is_counted_and_costs_no_right() -> None:
    rerun = failed(History().deploy()).propose(histories.RERUN).decide(by="policy")
    seen = track(ended(failed(rerun)))
    assert (seen.failed, seen.distrusted) == (1, None)


def test_a_person_restores_the_right_until_the_next_failure() -> None:
    first = ended(failed(fixed(failed(History().deploy()))))
    first.add(Trusted, by="ana@host", entry=ENTRY)
    assert track(first).distrusted is None
    second = History()
    second.at = first.at + timedelta(days=1)
    assert track(first, ended(failed(fixed(failed(second.deploy()))))).distrusted is not None


def test_what_misled_is_kept_with_its_signal() -> None:
    line = Line(source="transform stderr", number=31, text=AMOUT)
    misled = Misled(entry=ENTRY, evidence=(line,), why="ana@host says it was config")
    case = ended(failed(History().deploy()))
    seen = track(case.add(Learned, by="ana@host", note="the share was off", misled=(misled,)))
    assert seen.misled == [misled]


def test_a_case_on_its_way_or_cancelled_is_open() -> None:
    going = fixed(failed(History().deploy()))
    assert (track(going).open, track(going).failed) == (1, 0)
    assert track(going.add(Cancelled, by="ana@host")).distrusted is None
