"""Patterns made of one failure: what stays open, what is kept, and that they are always sound."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.learning.generalising import candidates, pattern, words
from agent.matrix.patterns import encoded, found, groups, refusal

SAID = "PaginationError: expected cursor 'abc17' after page 3 of gold.sales_eu, found none"


def test_numbers_and_names_stay_open_and_words_are_kept() -> None:
    made = pattern(SAID)
    assert groups(made, encoded(SAID)) == {"name": "abc17", "name2": "gold.sales_eu"}
    other = "PaginationError: expected cursor 'zz' after page 120 of main.x.y_z, found none"
    assert found(made, encoded(other))
    assert not found(made, encoded("PaginationError: something else"))
    assert not found(pattern(SAID, names=True), encoded(other))


@pytest.mark.parametrize(
    "line",
    [
        "2026-07-01 02:14:33,120 ERROR ledger.close - LedgerError: shard 0x1f3a9c2b77 is late",
        "E   ledger.errors.LedgerError: shard 0x1f3a9c2b77 is late",
        "LedgerError: shard 0x1f3a9c2b77 is late; widen the window",
        "LedgerError: shard 0x1f3a9c2b77 is late",
    ],
)
def test_the_same_failure_in_another_coat_has_the_same_widest_pattern(line: str) -> None:
    widest = next(candidates(line, None)).match
    assert found(widest, encoded("LedgerError: shard 0x00ff12ab99 is late")), widest
    assert "2026" not in widest


def test_what_is_masked_stays_open() -> None:
    made = pattern("LoginError: token [REDACTED:token] of https://host/x?y was refused")
    assert found(made, encoded("LoginError: token abc of https://other/z was refused"))


def test_the_narrowest_candidate_needs_the_users_own_file() -> None:
    *_, last = candidates(SAID, "/srv/jobs/pages.py")
    assert last.requires == (r"pages\.py",)
    assert words("E       KeyError: 'x'") == "KeyError: 'x'"


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=80))
@example("\N{MATHEMATICAL BOLD DIGIT ZERO}")
@example(":\N{SUPERSCRIPT ONE}.a")
@example("it's 1.2.3 a/b/c 'x")
def test_every_pattern_is_accepted_and_matches_what_it_was_made_from(message: str) -> None:
    for made in (pattern(message), pattern(message, names=True)):
        assert refusal(made) is None
        assert found(made, encoded(message))
