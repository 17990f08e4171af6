"""How soon a run's end is seen, for how many calls: python benchmarks/polling.py [--json FILE]

Simulated runs: medians from a minute to six hours, logarithms of the durations normal with spreads
of 5, 20 and 50 %. For each baseline ours gets as many looks to spend, or a little fewer, and twenty
past durations to learn from, another twenty in each round. A row says `yes` where a setting of ours
takes no more calls in the mean and has the smaller median delay; where there is none, it says `no`.
"""

import bisect
import math
import random
import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

from scorecard import Figure, arguments, finish, table

from agent.platforms.databricks import cadence

MEDIANS_S = {"1 min": 60.0, "10 min": 600.0, "1 h": 3600.0, "6 h": 21600.0}
SPREADS = (0.05, 0.2, 0.5)
PAST = 20
SHARES = (1.0, 0.9, 0.8, 0.6)
"""Settings of ours: looks to spend, as a share of what the baseline spends on a median run."""
Pause = Callable[[int], float]
"""The pause after so many looks, seconds."""


class Seen(NamedTuple):
    """What a schedule did over many runs."""

    calls: float
    """Per run, mean."""
    median_s: float
    p95_s: float
    """Delays between a run's end and the look that sees it."""


def baselines(random_: random.Random) -> dict[str, Pause]:
    """Return the schedules that others use."""
    return {
        "fixed 30 s": lambda _: 30.0,
        "fixed 60 s": lambda _: 60.0,
        "fixed 120 s": lambda _: 120.0,
        "SDK waiter": lambda n: min(n + 1, 10) + random_.random(),
        "2 -> 15 s": lambda n: (2.0, 5.0, 10.0, 15.0)[min(n, 3)],
    }


def looks(pause: Pause, until_s: float) -> list[float]:
    """Return the times of the looks up to the first at or after `until_s`."""
    times = [pause(0)]
    while times[-1] < until_s:
        times.append(times[-1] + pause(len(times)))
    return times


def ours(known: cadence.Expected, budget: float, until_s: float) -> list[float]:
    """Return the times of our looks up to the first at or after `until_s`."""
    times = [cadence.next_look(0.0, known, budget)]
    while times[-1] < until_s:
        times.append(times[-1] + cadence.next_look(times[-1], known, budget))
    return times


def seen(ends: Sequence[tuple[int, float]]) -> Seen:
    """Return the figures of (calls, delay) pairs."""
    delays = sorted(delay for _, delay in ends)
    p95 = delays[min(len(delays) - 1, math.ceil(0.95 * len(delays)) - 1)]
    return Seen(statistics.mean(n for n, _ in ends), statistics.median(delays), p95)


def at_end(times: Sequence[float], durations: Sequence[float]) -> list[tuple[int, float]]:
    """Return calls and delay for each duration under a fixed plan of looks."""
    found = [bisect.bisect_left(times, d) for d in durations]
    return [(i + 1, times[i] - d) for i, d in zip(found, durations, strict=True)]


def measure(median_s: float, spread: float, rounds: int, seed: int) -> dict[str, tuple[Seen, Seen]]:
    """Return name of the baseline: what it did, what ours did with as many looks."""
    random_ = random.Random(seed)  # noqa: S311  simulated durations
    theirs: dict[str, list[tuple[int, float]]] = {}
    mine: dict[tuple[str, float], list[tuple[int, float]]] = {}

    def draw(count: int) -> list[float]:
        return [median_s * math.exp(random_.gauss(0.0, spread)) for _ in range(count)]

    for _ in range(rounds):
        known = cadence.expected(draw(PAST))
        if known is None:
            raise AssertionError("twenty past runs are enough to expect something")
        runs = draw(30)
        for name, pause in baselines(random_).items():
            for duration in runs:
                times = looks(pause, duration)
                theirs.setdefault(name, []).append((len(times), times[-1] - duration))
            budget = len(looks(pause, known.median_s))
            for share in SHARES:
                plan = ours(known, share * budget, max(runs))
                mine.setdefault((name, share), []).extend(at_end(plan, runs))
    return {
        name: (base := seen(theirs[name]), _best(base, [seen(mine[name, s]) for s in SHARES]))
        for name in theirs
    }


def better(base: Seen, our: Seen) -> bool:
    """Return whether ours takes no more calls and sees the end sooner."""
    return our.calls <= base.calls and our.median_s < base.median_s


def _best(base: Seen, settings: Sequence[Seen]) -> Seen:
    """Return the first setting that is better, else the first."""
    return next((our for our in settings if better(base, our)), settings[0])


def main() -> int:
    """Measure, print, return the exit code."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument(
        "--rounds", type=int, default=20, help="Histories of 20 runs, 30 runs each."
    )
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rows: list[tuple[object, ...]] = [
        ("median", "spread", "baseline", "calls", "delay", "p95", "ours: calls", "delay", "p95", "")
    ]
    ratios = []
    for name, median_s in MEDIANS_S.items():
        for spread in SPREADS:
            found = measure(median_s, spread, given.rounds, given.seed)
            for baseline, (base, our) in found.items():
                word = "yes" if better(base, our) else "no"
                word += ", p95 too" if word == "yes" and our.p95_s <= base.p95_s else ""
                figures = [round(figure, 1) for figure in (*base, *our)]
                rows.append((name, f"{spread:.0%}", baseline, *figures, word))
                ratios.append((better(base, our), our.median_s / base.median_s))
    table(rows)
    print()
    missed = sum(not yes for yes, _ in ratios)
    middle = statistics.median(ratio for _, ratio in ratios)
    return finish(
        (
            Figure("median delay, ours / baseline", middle, "1, the baseline's own", 1.0),
            Figure(
                f"rows of {len(ratios)} where ours is not better", float(missed), "see the table"
            ),
        ),
        given.json,
        rows=[[str(cell) for cell in row] for row in rows],
        rounds=given.rounds,
        seed=given.seed,
    )


if __name__ == "__main__":
    raise SystemExit(main())
