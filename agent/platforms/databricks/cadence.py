"""When to look at a run again: pure functions, time is an argument.

Rules kept here: never below a second per run; without a history the pause doubles while nothing
changes, as is practice for each kind of job; with one, a run is looked at rarely while it cannot
have ended yet, and closely where its end is expected. What a playbook says goes before all of it.
"""

import functools
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from agent.playbook.records import Poll

Kind = Literal["job", "training", "pipeline"]

LEAST_S = 1.0
FEWEST = 3
"""Past runs it takes to expect anything of the next."""
FEW = 6
"""Looks that a short run with a history gets at least."""
SOON_S = 120.0
"""When a run that cannot have ended well yet is first looked at."""
_SPARING = 0.9
"""What a run takes longer than expected costs looks as well."""
_LONGEST = 4.0
"""Medians; the longest pause."""


class Cadence(NamedTuple):
    """An exponential schedule."""

    first_s: float
    max_s: float
    factor: float = 2.0


PRACTICE: dict[Kind, Cadence] = {
    "job": Cadence(30.0, 120.0),
    "training": Cadence(60.0, 300.0),
    "pipeline": Cadence(30.0, 30.0),
}


class Expected(NamedTuple):
    """What past runs say about how long one takes."""

    median_s: float
    spread: float
    """Of the logarithm of the duration: 0.05 = most lie within some 5 % of the median."""


def of(kind: Kind, poll: Poll) -> Cadence:
    """Return the schedule for a kind of job, where the playbook says nothing else."""
    usual = PRACTICE[poll.kind or kind]
    first = usual.first_s if poll.first is None else poll.first
    most = max(usual.max_s, first) if poll.max is None else poll.max
    return Cadence(max(LEAST_S, min(first, most)), max(LEAST_S, most), usual.factor)


def unchanged(cadence: Cadence, looks: int) -> float:
    """Return the pause in seconds after so many looks in a row that saw no change, 0 at first."""
    grown = cadence.first_s * cadence.factor ** min(looks, 30)
    return max(LEAST_S, min(grown, cadence.max_s))


def expected(durations_s: Sequence[float]) -> Expected | None:
    """Return what past durations say, None where there are too few to say anything.

    Median and median deviation, so that one run that hung for a day says nothing.
    """
    logs = sorted(math.log(d) for d in durations_s if d > 0)
    if len(logs) < FEWEST:
        return None
    middle = _median(logs)
    deviation = _median(sorted(abs(x - middle) for x in logs))
    # A handful of runs that happened to be alike prove no clockwork.
    least = 0.02 + 0.1 / len(logs)
    return Expected(math.exp(middle), max(1.4826 * deviation, least))


def _median(ordered: Sequence[float]) -> float:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def looks(cadence: Cadence, duration_s: float) -> int:
    """Return how often the schedule looks at a run of this duration in which nothing changes."""
    at, count = 0.0, 0
    while at < duration_s:
        at += unchanged(cadence, count)
        count += 1
    return count


def next_look(
    elapsed_s: float, known: Expected, looks: float, *, most_s: float = math.inf
) -> float:
    """Return the pause in seconds before the next look at a run that has taken `elapsed_s` so far.

    `looks`: about how many to spend on a run, more where it takes longer than expected; `most_s`:
    the longest pause once the end is likely.
    The looks lie at a density that goes with the root of the chance that a run which still goes on
    ends now: for a number of looks this makes the mean delay least. Until the end is likely, a
    fifth of them is spent on early failures, at times that double.
    Source: https://doi.org/10.1287/mnsc.21.3.256
    """
    early = known.median_s * math.exp(-2.0 * known.spread)
    spent = min(math.floor(math.log2(max(1.0, early / SOON_S))), math.floor(looks / 5.0))
    soon = early / 2**spent
    share = _whole(round(known.spread, 3)) / max(_SPARING * (looks - spent) - 0.5, 0.5)
    pause = _even(elapsed_s / known.median_s, known.spread, share) * known.median_s
    if elapsed_s < early:
        return max(LEAST_S, min(pause, max(soon, elapsed_s)) if spent else pause)
    return max(LEAST_S, min(pause, most_s))


def _even(begun: float, spread: float, share: float) -> float:
    """Return the pause, in medians, over which the root of the hazard adds up to `share`."""
    at = max(begun, math.exp(-4.0 * spread))
    gone = 0.0
    while at < begun + _LONGEST:
        step = 0.02 * spread * max(at, 0.2)
        density = math.sqrt(_hazard(at + step / 2.0, spread))
        if gone + density * step >= share:
            return at + (share - gone) / density - begun
        gone += density * step
        at += step
    return _LONGEST


@functools.cache
def _whole(spread: float) -> float:
    """Return what the root of the hazard adds up to over a run, in the mean."""
    total, before = 0.0, math.exp(-4.0 * spread)
    for i in range(1, 201):
        after = math.exp(spread * (i / 25.0 - 4.0))
        middle = (before + after) / 2.0
        left = 0.5 * math.erfc(math.log(middle) / spread / math.sqrt(2.0))
        total += math.sqrt(_hazard(middle, spread)) * left * (after - before)
        before = after
    return total


def _hazard(at: float, spread: float) -> float:
    """Return the rate at which runs end that still go on at `at` medians, per median."""
    z = math.log(at) / spread
    # It falls again for runs that take far longer than any before: nobody knows when they end.
    z = min(z, 3.0)
    left = 0.5 * math.erfc(z / math.sqrt(2.0))
    density = math.exp(-z * z / 2.0) / math.sqrt(2.0 * math.pi)
    return density / left / (at * spread)
