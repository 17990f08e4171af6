"""A misspelling is told from a name that means something else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.code import spelling


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("amout", "amount"),
        ("ammount", "amount"),
        ("regoin", "region"),
        ("Region", "region"),
        ("unitPrice", "unit_price"),
        ("Label", " Label"),
        ("prodcut_id", "product_id"),
        ("trasaction_amount", "transaction_amount"),
        ("cust_id", "customer_id"),
        ("qty", "quantity"),
        ("sale", "sales"),
        ("task_kye", "task_key"),
    ],
)
def test_a_slip_an_abbreviation_or_another_case_is_the_same_name(written: str, meant: str) -> None:
    assert spelling.nearest(written, [meant, "something_else"]) == meant


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("price_usd", "price_eur"),
        ("sales_2023", "sales_2024"),
        ("start_day", "end_day"),
        ("created_at", "updated_at"),
        ("is_active", "inactive"),
        ("amount", "amount_usd"),
        ("lat", "lon"),
        ("user_id", "user_ip"),
        ("import", "export"),
        ("quality", "quantity"),
        ("source", "target"),
        ("cost", "cast"),
        ("step1", "step2"),
        ("zzz", "amount"),
    ],
)
def test_a_name_of_another_meaning_is_never_taken_for_a_slip(one: str, two: str) -> None:
    assert spelling.nearest(one, [two], renamed=True) is None
    assert spelling.nearest(two, [one], renamed=True) is None


def test_two_names_about_as_near_are_a_doubt() -> None:
    assert spelling.nearest("amout", ["amount", "amouts"]) is None


def test_a_name_with_more_words_counts_only_where_it_is_asked_for() -> None:
    assert spelling.nearest("name", ["customer_name", "city"]) is None
    assert spelling.nearest("name", ["customer_name", "city"], renamed=True) == "customer_name"
    assert spelling.nearest("name", ["customer_name", "shop_name"], renamed=True) is None


@given(st.text(max_size=20), st.text(max_size=20))
def test_the_score_is_a_share_and_the_same_both_ways(one: str, two: str) -> None:
    forth, back = spelling.score(one, two, renamed=True), spelling.score(two, one, renamed=True)
    assert 0 <= forth <= 1
    assert (forth > 0) == (back > 0)


@given(st.text(alphabet="abc", max_size=6), st.text(alphabet="abc", max_size=6))
def test_a_distance_is_zero_for_the_same_word_only(one: str, two: str) -> None:
    assert (spelling.distance(one, two) == 0) == (one == two)
    assert spelling.distance(one, two) == spelling.distance(two, one)
