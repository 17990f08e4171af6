"""Kill a driver at each append and each call: the same history, and nothing twice in the workspace.

Safety case 61, on a workspace that goes on without us.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from dbx_cases import Made, Shop, bad_column, fine
from dbx_crash_stage import Deadly, Drivers, drivers

from agent import verdicts

RUNMEND = Path(sys.executable).with_name("runmend")
KILLED = -9
MOST = 6
"""Drivers that a case may take after a crash."""


class Seen(NamedTuple):
    """What a case came to."""

    verdict: str | None
    kinds: list[str]
    made: Made
    text: str
    problems: list[str]


class Scene:
    """A workspace, and drivers for the cases of a test."""

    def __init__(self, sim: Deadly, folder: Path, at: Drivers) -> None:
        self.sim = sim
        self._folder = folder
        self._drivers = at

    def shop(self, name: str) -> Shop:
        """Prepare a job that fails once."""
        folder = self._folder / name
        folder.mkdir()
        shop = Shop(self.sim, folder)
        for task in ("load", "report"):
            shop.declare(task, fine(1))
        shop.declare("sales", bad_column(1), fine(1))
        return shop

    def drive(self, shop: Shop, at: int | None = None, *, after: bool = False) -> int:
        """Carry its case on in a process of its own."""
        return self._drivers.drive(shop.folder, at, after=after)

    def to_its_end(self, shop: Shop) -> Seen:
        """Carry the case on until it has ended, and look."""
        for _ in range(MOST):
            if [summary.state for summary in shop.desk().journal.cases()] == ["done"]:
                break
            assert self.drive(shop) == 0
        journal = shop.desk().journal
        (summary,) = journal.cases()
        events = tuple(journal.events(summary.case))
        seen = Seen(
            verdict=verdicts.of(events),
            kinds=[event.kind for event in events],
            made=shop.made(),
            text=shop.text("src/sales.py"),
            problems=[str(problem) for problem in journal.verify()],
        )
        shop.forget()
        return seen

    def killed(self, at: int, where: str, *, after: bool) -> Seen:
        """Kill a driver before, or right after, its n-th append or call; carry its case on."""
        shop = self.shop(f"{where}-{at}-{after}")
        if where == "call":
            self.sim.aim(at, shop.folder / "pid", after=after)
        assert self.drive(shop, at if where == "append" else None, after=after) == KILLED
        return self.to_its_end(shop)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with Deadly(tmp_path / "workspace") as sim:
        monkeypatch.setenv("DATABRICKS_HOST", sim.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", sim.token)
        with drivers() as at:
            yield Scene(sim, tmp_path, at)
    assert sim.problems == []


class Whole(NamedTuple):
    """An undisturbed case."""

    seen: Seen
    calls: list[str]


def undisturbed(scene: Scene) -> Whole:
    """Return what an undisturbed case comes to, and its calls."""
    shop = scene.shop("whole")
    scene.sim.calls.clear()
    assert scene.drive(shop) == 0
    calls = [f"{call.method} {call.path}" for call in scene.sim.calls]
    seen = scene.to_its_end(shop)
    assert seen.verdict == "healed"
    assert seen.made == Made(jobs=1, runs=1, repairs=1, cancelled=0)
    assert seen.problems == []
    return Whole(seen, calls)


@pytest.mark.slow
def test_killed_where_the_workspace_knows_and_we_do_not(scene: Scene) -> None:
    whole = undisturbed(scene)
    for word in ("jobs/create", "jobs/run-now", "runs/repair"):
        (at,) = (n for n, call in enumerate(whole.calls) if call.endswith(word))
        assert scene.killed(at, "call", after=True) == whole.seen, word


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("where", ["append", "call"])
def test_killed_anywhere(scene: Scene, where: str, after: bool) -> None:
    whole = undisturbed(scene)
    for at in range(len(whole.seen.kinds if where == "append" else whole.calls)):
        assert scene.killed(at, where, after=after) == whole.seen, at


@pytest.mark.slow
def test_the_command_itself_killed_goes_on_when_it_is_called_again(scene: Scene) -> None:
    whole = undisturbed(scene)
    for number, word in enumerate(("jobs/create", "jobs/run-now", "runs/get", "runs/repair")):
        shop = scene.shop(f"command-{number}")
        at = next(n for n, call in enumerate(whole.calls) if call.endswith(word))
        command = [RUNMEND, "heal", shop.folder / "playbook.yaml", "--state", shop.folder / "state"]
        pid = shop.folder / "pid"
        (shop.folder / "state").mkdir()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            pid.write_text(str(process.pid))
            scene.sim.aim(at, pid, after=True)
            process.communicate()
        assert process.returncode == KILLED, word
        again = subprocess.run(command, capture_output=True, text=True, check=False)
        assert again.returncode == 0, again.stderr
        assert scene.to_its_end(shop) == whole.seen, word
