"""Whole cases with something going wrong at each of their calls: the same end, nothing twice."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from dbx_cases import Shop, bad_column, fine
from faulty import RETRY, Room, ended

from agent import verdicts
from agent.simulators.databricks import Simulator, VirtualClock
from agent.simulators.databricks.options import Options
from agent.simulators.faults import KINDS, Kind

STORIES = ("file", "present", "healthy")
STRIDE = 9
SLOW = pytest.mark.slow
TELLING = ("429", "drop_after")
"""Kinds that are tried in the normal suite; the others are much like one of them."""


def shop(sim: Simulator, folder: Path, story: str) -> Shop:
    """Prepare a job that fails once (or not at all), made by us or there already."""
    folder.mkdir()
    made = Shop(sim, folder)
    made.declare("load", fine())
    made.declare("sales", *(() if story == "healthy" else (bad_column(),)), fine())
    made.declare("report", fine())
    if story == "bundle":
        made.bundle()
    if story == "present":
        root = f"/Workspace/Shared/{made.name}"
        job = made.job()
        for task in job["tasks"]:
            task["notebook_task"]["notebook_path"] = f"{root}/src/{task['task_key']}"
        number = made.ask("POST", "/api/2.2/jobs/create", job)["job_id"]
        made.write({"job.yaml": yaml.safe_dump({})})
        there: dict[str, Any] = {"job": {"id": number}, "production": False}
        made.book(**there, databricks={"root": root})
        made.root = root
    return made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    folder = tmp_path_factory.mktemp("room")
    with Simulator(folder / "workspace", clock=VirtualClock()) as simulator:
        yield Room(simulator, folder, shop)
    assert simulator.problems == []


@pytest.fixture
def room(shared: Room, monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setenv("DATABRICKS_HOST", shared.sim.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", shared.sim.token)
    shared.sim.faults.clear()
    return shared


def test_the_undisturbed_stories_come_to_what_they_should(room: Room) -> None:
    room.undisturbed(*STORIES)


@pytest.mark.parametrize(
    "kind", [k if k in TELLING else pytest.param(k, marks=SLOW) for k in KINDS]
)
def test_calls_all_over_a_heal_go_wrong(room: Room, kind: Kind) -> None:
    number = KINDS.index(kind)
    story = STORIES[number % 3]
    room.disturbed(story, kind, *range(number % STRIDE, len(room.calm(story).calls), STRIDE))


def test_the_time_that_the_workspace_asks_for_is_waited(room: Room) -> None:
    calm = room.calm("file")
    room.sim.faults.add("POST */run-now", 429, seconds=150)
    ran = room.run("file")
    assert ran.seen == calm.seen
    assert timedelta(seconds=150) <= ran.took - calm.took <= timedelta(seconds=160)


def test_a_workspace_that_stays_away_is_waited_for_five_minutes_and_then_later(room: Room) -> None:
    room.stays_away("file", "*/runs/repair")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("story", STORIES)
def test_any_one_call_goes_wrong(room: Room, story: str, kind: Kind) -> None:
    # The other stories share most of their calls with the first; kinds take turns there.
    step = STRIDE if kind == "slow" else 1 if story == "file" else 3
    for place in range(KINDS.index(kind) % step, len(room.calm(story).calls), step):
        room.disturbed(story, kind, place)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_bundles_heal_whose_commands_calls_go_wrong_ends_as_it_is(room: Room, kind: Kind) -> None:
    """The command sends changes again by itself and may leave its lock: told, never hidden."""
    calm = room.calm("bundle")
    for place in range(KINDS.index(kind) % STRIDE, len(calm.calls), STRIDE):
        made = room.shop("bundle")
        room.sim.faults.add("*", kind, after=place, seconds=0.01, retry_after=RETRY[place % 3])
        began = made.now()
        result = ended(made)
        room.sim.faults.clear()
        where = f"{kind} at call {place}"
        there = made.made()
        assert made.now() - began <= calm.took + timedelta(seconds=900), where
        if result.pause is not None:
            assert result.pause.verdict == "unreachable", where
            assert "holds the lock" in result.pause.message, where
        elif result.case.state == "done":
            assert (there.runs, there.repairs) == (1, 1), where
            assert made.text("src/sales.py") == calm.seen.text, where
        else:
            assert verdicts.of_case(result.case) == "escalated", where
            assert {f.phase for f in result.case.failures} == {"create"}, where
            assert there.runs <= 1, where
            assert not result.case.unrestored, where
        made.forget()


@pytest.mark.slow
@pytest.mark.parametrize("story", STORIES)
def test_five_calls_in_a_row_are_refused_as_too_many(room: Room, story: str) -> None:
    for place in range(0, len(room.calm(story).calls), 2):
        room.disturbed(story, "429", place, times=5)


@pytest.mark.parametrize(
    "option",
    [
        pytest.param({"unknown_id_status": 400, "integer_error_code": True}, marks=SLOW),
        {"failed_parent": "TERMINATED", "run_shape": "state"},
        {"run_shape": "status", "unknown_enum": True},
        pytest.param({"well_known": False, "realistic": True}, marks=SLOW),
    ],
    ids="-".join,
)
def test_a_workspace_that_answers_otherwise_comes_to_the_same(
    room: Room, option: dict[str, Any]
) -> None:
    calm = room.calm("file").seen
    room.sim.options = Options.model_validate(option)
    try:
        assert room.run("file").seen == calm
    finally:
        room.sim.options = Options()
