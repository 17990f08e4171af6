"""Costs: never below the bill."""

import pytest

from agent.model import prices
from agent.playbook import Model
from agent.records import Usage


@pytest.mark.parametrize(
    ("name", "usd"),
    [
        ("claude-opus-5-5", (4.0, 20.0)),
        ("claude-opus-5", (5.0, 25.0)),
        ("claude-opus-4-8", (5.0, 25.0)),
        ("claude-opus-4-5-20251101", (5.0, 25.0)),
        ("claude-opus-4-1-20250805", (15.0, 75.0)),
        ("claude-opus-4-20250514", (15.0, 75.0)),
        ("claude-sonnet-5-5", (2.0, 10.0)),
        ("claude-sonnet-4-6", (3.0, 15.0)),
        ("claude-haiku-5-5", (0.5, 2.5)),
        ("claude-haiku-4-5-20251001", (1.0, 5.0)),
        ("claude-fable-5-1", (10.0, 50.0)),
        ("claude-opus-6", (15.0, 75.0)),
        ("somebody-elses-model", (15.0, 75.0)),
    ],
)
def test_a_model_costs_what_its_family_costs_and_an_unknown_one_the_most(
    name: str, usd: tuple[float, float]
) -> None:
    assert prices.price(Model(id=name)) == usd


def test_the_names_of_bedrock_and_vertex_are_known_and_a_region_costs_a_tenth_more() -> None:
    bedrock = Model(id="us.anthropic.claude-sonnet-4-5-20250929-v1:0", provider="bedrock")
    vertex = Model(id="claude-opus-4-1@20250805", provider="vertex")
    assert prices.price(bedrock).input_usd == pytest.approx(3.3)
    assert prices.price(vertex).output_usd == pytest.approx(82.5)


def test_what_the_playbook_says_wins() -> None:
    assert prices.price(Model(input_usd=0.0, output_usd=1.5)) == (0.0, 1.5)
    assert prices.price(Model(output_usd=1.5)) == (4.0, 1.5)


def test_cached_tokens_are_priced_as_written_and_read() -> None:
    usage = Usage(
        input_tokens=1_000_000,
        output_tokens=1_000_000,
        cache_write_tokens=1_000_000,
        cache_read_tokens=1_000_000,
    )
    assert prices.cost(prices.Price(4.0, 20.0), usage) == pytest.approx(4 + 20 + 5 + 0.4)


def test_the_worst_case_holds_for_a_token_per_byte() -> None:
    price = prices.Price(4.0, 20.0)
    bill = Usage(cache_write_tokens=50_000, output_tokens=8_000)
    assert prices.worst(price, 50_000, 8_000) > prices.cost(price, bill)
