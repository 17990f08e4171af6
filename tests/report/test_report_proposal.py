"""The matrix entry that an unknown failure proposes."""

import pytest
import report_histories as histories
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from agent import report
from agent.matrix.entries import Entry
from agent.matrix.patterns import encoded, groups, refusal
from agent.report.proposal import pattern


def entry(name):
    (found,) = yaml.safe_load(report.tell(histories.ALL[name]().events).proposed_entry)
    return Entry.model_validate(found)


def test_an_unknown_failure_proposes_an_entry_that_is_valid_and_matches_its_example():
    proposed = entry("escalated")
    assert proposed.id == "local.paginationerror-expected-cursor-after-page"
    assert proposed.examples == (histories.UNKNOWN,)
    named = groups(proposed.match[0], encoded(histories.UNKNOWN))
    assert list(named.values()) == ["abc17"]
    other = "PaginationError: expected cursor 'zz' after page 120, found none"
    assert list(groups(proposed.match[0], encoded(other)).values()) == ["zz"]
    assert groups(proposed.match[0], encoded("PaginationError: something else")) is None


def test_hostile_messages_still_make_a_valid_entry():
    proposed = entry("hostile")
    assert refusal(proposed.match[0]) is None
    assert groups(proposed.match[0], encoded(proposed.examples[0])) is not None


@pytest.mark.parametrize("name", ["healed", "exhausted", "rerun_healthy", "healthy"])
def test_a_known_failure_proposes_nothing(name):
    assert report.tell(histories.ALL[name]().events).proposed_entry == ""


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=80))
@example("\N{MATHEMATICAL BOLD DIGIT ZERO}")
def test_every_pattern_is_accepted_and_matches_what_it_was_made_from(message):
    made = pattern(message)
    assert refusal(made) is None
    assert groups(made, encoded(message)) is not None
