"""What a call to a model costs, at most: the ground that hard budgets stand on.

Rules kept here: an estimate is never below the bill. A token is at least one byte of what was sent,
a model that is not in the table costs as much as the dearest, input is priced as if it were written
to the cache, and a cheaper band or cache price that a model may have is not counted on.
Source: https://platform.claude.com/docs/en/about-claude/pricing
"""

import re
from typing import NamedTuple

from agent.playbook import Model
from agent.records import Usage


class Price(NamedTuple):
    """US dollars per million tokens."""

    input_usd: float
    output_usd: float


TABLE: tuple[tuple[str, Price], ...] = (
    (r"fable-5|mythos-5", Price(10.0, 50.0)),
    (r"opus-5-5", Price(4.0, 20.0)),
    (r"opus-(4-[5-8]|5)(?!\d)", Price(5.0, 25.0)),
    (r"opus-4(?!\d)|3-opus", Price(15.0, 75.0)),
    (r"sonnet-5(?!\d)", Price(2.0, 10.0)),
    (r"sonnet-4(?!\d)|3-[57]-sonnet", Price(3.0, 15.0)),
    (r"haiku-5-5", Price(0.5, 2.5)),
    (r"haiku-4(?!\d)|3-5-haiku", Price(1.0, 5.0)),
)
"""Pattern found in a model's id: its price; the first that is found counts."""

DEAREST = Price(max(p.input_usd for _, p in TABLE), max(p.output_usd for _, p in TABLE))
CACHE_WRITE = 1.25
"""A token written to the cache, in input tokens."""
CACHE_READ = 0.1
"""A token read from the cache, in input tokens; newer models take less."""
ELSEWHERE = 1.1
"""Bedrock and Vertex charge a tenth more where data stays in a region."""
OVERHEAD_TOKENS = 2_000
"""What the service adds to a request by itself: the frame of messages and the schema."""


def price(settings: Model) -> Price:
    """Return the price of the playbook's model; what the playbook says wins over the table."""
    found = next((p for pattern, p in TABLE if re.search(pattern, settings.id)), DEAREST)
    factor = 1.0 if settings.provider == "anthropic" else ELSEWHERE
    return Price(
        found.input_usd * factor if settings.input_usd is None else settings.input_usd,
        found.output_usd * factor if settings.output_usd is None else settings.output_usd,
    )


def worst(price: Price, size_bytes: int, max_tokens: int) -> float:
    """Return the most that a request of this size can cost, US dollars."""
    tokens = size_bytes + OVERHEAD_TOKENS
    return (tokens * price.input_usd * CACHE_WRITE + max_tokens * price.output_usd) / 1e6


def cost(price: Price, usage: Usage) -> float:
    """Return what the counted tokens cost, US dollars."""
    tokens = (
        usage.input_tokens
        + usage.cache_write_tokens * CACHE_WRITE
        + usage.cache_read_tokens * CACHE_READ
    )
    return (tokens * price.input_usd + usage.output_tokens * price.output_usd) / 1e6
