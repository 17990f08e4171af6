"""Whole cases with something going wrong at some of their calls: the same end, nothing twice."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from told import BaseShop, Made, Seen, seen

from agent import verdicts
from agent.cases import Result
from agent.simulators.faults import Kind, RetryAfter

RETRY: tuple[RetryAfter, ...] = ("seconds", "none", "date")


WELL = (200, 201, 202, 204, 404)
"""Statuses that are seen where nothing goes wrong, too."""


class Ran(NamedTuple):
    """One case, from its beginning to its end."""

    seen: Seen
    calls: tuple[Any, ...]
    took: timedelta


def ended(made: Any) -> Result:
    """Carry a case as far as it goes; log in again wherever it waits for that."""
    result = made.heal()
    for _ in range(10):
        if result.pause is None or result.pause.verdict != "unauthorized":
            break
        result = made.resume(result.case)
    return result


def drive(made: Any) -> Ran:
    """Carry a case to its end, and look."""
    began = made.now()
    made.sim.calls.clear()
    result = ended(made)
    assert result.pause is None, result.pause
    made.sim.faults.clear()
    calls = tuple(made.sim.calls)
    events = made.events(result.case)
    found = seen(made, events)
    took = made.now() - began
    made.forget()  # lists of jobs and runs stay short for those that come after
    return Ran(found, calls, took)


class Room:
    """One workspace for all the variants of a test."""

    def __init__(self, sim: Any, folder: Path, shop: Callable[[Any, Path, str], BaseShop]) -> None:
        """`shop` prepares a story in a folder that is not there yet."""
        self.sim = sim
        self._shop = shop
        self._folder = folder
        self._calm: dict[str, Ran] = {}
        self._count = 0

    def run(self, story: str) -> Ran:
        """Run a story on a job of its own, with the faults that are set when it begins."""
        return drive(self.shop(story))

    def shop(self, story: str) -> Any:
        """Prepare a story once more."""
        self._count += 1
        return self._shop(self.sim, self._folder / f"{story}{self._count}", story)

    def calm(self, story: str) -> Ran:
        """Return what happens where nothing goes wrong."""
        if story not in self._calm:
            self._calm[story] = self.run(story)
        return self._calm[story]

    def disturbed(self, story: str, kind: Kind, *places: int, times: int = 1) -> None:
        """Let a kind of fault strike at these calls of a story; see that it comes to the same."""
        calm = self.calm(story)
        made = self.shop(story)
        for place in places:
            way = RETRY[place % 3]
            self.sim.faults.add("*", kind, after=place, times=times, seconds=0.01, retry_after=way)
        ran = drive(made)
        where = f"{story}: {kind} at call {places}"
        assert ran.seen == calm.seen, where
        assert ran.took <= calm.took + timedelta(seconds=120 * times * len(places)), where
        if kind not in ("slow", "404"):
            struck = [call for call in ran.calls if call.status not in WELL]
            assert len(struck) >= len(places), where

    def undisturbed(self, *stories: str) -> None:
        """See what stories come to where nothing goes wrong: `healthy` needs no healing."""
        for story in stories:
            seen = self.calm(story).seen
            assert seen.verdict == ("healthy" if story == "healthy" else "healed")
            repairs = 0 if story == "healthy" else 1
            assert seen.made == Made(jobs=1, runs=1, repairs=repairs, cancelled=0)
            assert seen.causes == [("sales", "schema.column-unresolved")] * repairs

    def stays_away(self, story: str, path: str) -> None:
        """Let a call fail until the case is left for later; see that it comes to the same then."""
        calm = self.calm(story)
        shop = self.shop(story)
        self.sim.faults.add(path, 503, times=None, retry_after="none")
        began = shop.now()
        result = shop.heal()
        assert result.pause is not None
        assert result.pause.verdict == "unreachable"
        assert verdicts.EXIT["unreachable"] == 7
        assert shop.now() - began < calm.took + timedelta(seconds=400)
        self.sim.faults.clear()
        shop.sim.clock.advance(1800)
        assert drive(shop).seen == calm.seen
