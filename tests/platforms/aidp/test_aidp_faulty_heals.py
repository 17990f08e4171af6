"""Whole cases with something going wrong at each of their calls: the same end, nothing twice."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from aidp_cases import Shop
from faulty import Room
from told import Made

from agent import verdicts
from agent.simulators.aidp import Options, Simulator, VirtualClock
from agent.simulators.aidp.outcomes import Outcome
from agent.simulators.faults import KINDS, Kind

STORIES = ("broken", "healthy")
STRIDE = 29
SLOW = pytest.mark.slow
TELLING = (pytest.param("429", marks=SLOW), pytest.param("503_after", marks=SLOW), "drop_after")
"""Kinds that strike many calls of one case; the last is tried in the normal suite."""


def shop(sim: Simulator, folder: Path, story: str) -> Shop:
    """Prepare a job that fails once, or not at all."""
    folder.mkdir()
    made = Shop(sim, folder)
    if story == "healthy":
        for task in ("load", "sales", "report"):
            made.declare(task, Outcome(seconds=60))
    else:
        made.declare_broken()
    return made


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    folder = tmp_path_factory.mktemp("room")
    with Simulator(folder / "workspace", clock=VirtualClock()) as simulator:
        yield Room(simulator, folder, shop)
    assert simulator.problems == []


@pytest.fixture(autouse=True)
def calm(room: Room) -> None:
    room.sim.faults.clear()
    room.sim.options = Options()


def test_the_undisturbed_stories_come_to_what_they_should(room: Room) -> None:
    room.undisturbed(*STORIES)


@pytest.mark.parametrize("kind", TELLING)
def test_calls_all_over_a_heal_go_wrong(room: Room, kind: Kind) -> None:
    begin = KINDS.index(kind) % STRIDE
    room.disturbed("broken", kind, *range(begin, len(room.calm("broken").calls), STRIDE))


def test_a_workspace_that_stays_away_is_waited_for_and_then_left_for_later(room: Room) -> None:
    room.stays_away("broken", "POST */actions/repair")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("story", STORIES)
def test_any_one_call_goes_wrong(room: Room, story: str, kind: Kind) -> None:
    # What loses an answer is tried at each call; the other kinds take turns.
    telling = kind in ("drop_after", "503_after")
    step = STRIDE if kind == "slow" or story == "healthy" else 1 if telling else 3
    calls = room.calm(story).calls
    for place in range(KINDS.index(kind) % step, len(calls), step):
        if kind != "500" or not makes_the_job(calls[place]):
            room.disturbed(story, kind, place)


def makes_the_job(call: Any) -> bool:
    """Say whether a call makes the job."""
    return bool((call.method, call.path) == ("POST", "/jobs"))


def test_making_a_job_that_ends_in_an_error_of_the_service_is_not_hurried(room: Room) -> None:
    """It refuses for a quarter of an hour then, longer where it is asked meanwhile."""
    shop = room.shop("broken")
    room.sim.faults.add("POST /jobs", "500", times=2)
    began = shop.now()
    room.sim.calls.clear()
    result = shop.heal()
    assert result.case.state == "done"
    asked = [event.at for event in shop.events(result.case) if event.kind in ("failed", "deployed")]
    first, second, third, *_ = ((at - began).total_seconds() for at in asked)
    assert first < 60
    assert second - first >= 900
    assert third - second >= 1800
    assert sum(makes_the_job(call) for call in room.sim.calls) == 3
    assert shop.made() == Made(jobs=1, runs=1, repairs=1, cancelled=0)


@pytest.mark.slow
def test_five_calls_in_a_row_are_refused_as_too_many(room: Room) -> None:
    for place in range(0, len(room.calm("broken").calls), 3):
        room.disturbed("broken", "429", place, times=5)


DIFFERENT = (
    {"epoch_times": True, "epoch_run_times": True},
    {"epoch_run_times": False, "page_size": 25, "summaries": False},
    {"objects_get_404": True, "contents_down": "500"},
    {"contents_down": "404", "leading_slash_400": True},
    {"error_trace": "none", "cell_outputs": "failed_only"},
    {"error_trace": "generic"},
    {"repair_status": 200, "families": ("GA",)},
)


@pytest.mark.slow
@pytest.mark.parametrize("option", DIFFERENT)
def test_a_workspace_that_answers_otherwise_comes_to_the_same(
    room: Room, option: dict[str, object]
) -> None:
    calm = room.calm("broken").seen
    room.sim.options = Options.model_validate(option)
    assert room.run("broken").seen == calm


@pytest.mark.parametrize("hours", [pytest.param(1, marks=SLOW), 25])
def test_a_start_whose_answer_is_lost_is_found_within_and_after_a_day(
    room: Room, hours: int
) -> None:
    shop = room.shop("broken")
    shop.book(limits={"wall_clock": "3d"})
    listed = sum(
        call.path == "/jobRuns" and call.method == "GET"
        for call in until_the_run(room.calm("broken").calls)
    )
    room.sim.faults.add("POST /jobRuns", "drop_after", times=None)
    room.sim.faults.add("GET /jobRuns", 503, times=None, after=listed)
    result = shop.heal()
    assert result.pause is not None
    assert verdicts.EXIT[result.pause.verdict] == 7
    assert shop.made().runs == 1
    room.sim.faults.clear()
    shop.sim.clock.advance(hours * 3600)
    assert shop.resume(result.case).case.state == "done"
    assert shop.made() == Made(jobs=1, runs=1, repairs=1, cancelled=0)


def until_the_run(calls: Sequence[Any]) -> Iterator[Any]:
    """Yield the calls before the one that starts a run."""
    for call in calls:
        if (call.method, call.path) == ("POST", "/jobRuns"):
            return
        yield call
