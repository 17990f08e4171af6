"""Drivers that die by SIGKILL while they carry a case on a simulated workspace.

Run as a program it forks a driver for each line of its input, from a single-threaded process that
has imported everything once, and prints how the driver ended. The workspace is served by the test,
so that it outlives the drivers; where a driver is to die at a call, the workspace kills it.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from told import BaseShop, Made, Seen, seen

from agent.simulators.clock import VirtualClock
from agent.simulators.loopback import Reply

DURABILITY = Path(__file__).parents[1] / "durability"
KILLED = -9
MOST = 6
"""Drivers that a case may take after a crash."""
PASSES_S = 100.0
"""How much time goes by at each call: every task has ended when its run is looked at."""


class Deadly:
    """Mixed into a simulator, kills a driver before, or right after, its n-th call."""

    def __init__(self, folder: Path) -> None:
        # Drivers live in the machine's own time: what they ask for is not made before that.
        clock = VirtualClock(time.time_ns() // 1_000_000)
        super().__init__(folder, clock=clock)  # type: ignore[call-arg]  the simulator's
        self._left: int | None = None
        self._after = False
        self._pid = folder

    def aim(self, at: int, pid: Path, *, after: bool) -> None:
        """Kill the process whose number this file holds."""
        self._left, self._after, self._pid = at, after, pid

    def answer(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> Reply | None:
        """Answer, or kill whoever asks."""
        answered: Any = super()
        self.clock.advance(PASSES_S)  # type: ignore[attr-defined]  the simulator's
        if self._left is None:
            return answered.answer(method, target, headers, raw)
        self._left -= 1
        if self._left >= 0:
            return answered.answer(method, target, headers, raw)
        self._left = None
        if self._after:
            answered.answer(method, target, headers, raw)
        os.kill(int(self._pid.read_text()), signal.SIGKILL)
        return None


class Drivers:
    """The program of this module, running."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._ask: IO[str] = process.stdin
        self._told: IO[str] = process.stdout

    def drive(self, folder: Path, at: int | None = None, *, after: bool = False) -> int:
        """Carry the playbook in a folder on; return 0, or the signal's negative number.

        With `at` the driver dies before, or right after, its n-th append to the journal.
        """
        self._ask.write(json.dumps({"folder": str(folder), "at": at, "after": after}) + "\n")
        self._ask.flush()
        return int(self._told.readline())


@contextlib.contextmanager
def drivers(*modules: str) -> Iterator[Drivers]:
    """Start the program, which imports these modules once; its workspace is what the environment
    names by then."""
    more = [str(DURABILITY), str(Path(__file__).parent)]
    path = os.pathsep.join([*more, *filter(None, [os.environ.get("PYTHONPATH")])])
    with subprocess.Popen(
        [sys.executable, __file__, *modules],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        yield Drivers(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=30) == 0


class Scene:
    """A workspace, and drivers for the cases of a test."""

    def __init__(self, sim: Any, at: Drivers, shop: Callable[[str], BaseShop]) -> None:
        """`shop` prepares a job that fails once, by the name of a folder that is not there yet."""
        self.sim = sim
        self.shop = shop
        self._drivers = at

    def drive(self, shop: BaseShop, at: int | None = None, *, after: bool = False) -> int:
        """Carry its case on in a process of its own."""
        return self._drivers.drive(shop.folder, at, after=after)

    def to_its_end(self, shop: BaseShop) -> Seen:
        """Carry the case on until it has ended, and look."""
        for _ in range(MOST):
            if [summary.state for summary in shop.desk().journal.cases()] == ["done"]:
                break
            assert self.drive(shop) == 0
        journal = shop.desk().journal
        (summary,) = journal.cases()
        assert journal.verify() == ()
        found = seen(shop, tuple(journal.events(summary.case)))
        shop.forget()
        return found

    def killed(self, at: int, where: str, *, after: bool) -> Seen:
        """Kill a driver before, or right after, its n-th append or call; carry its case on."""
        shop = self.shop(f"{where}-{at}-{after}")
        if where == "call":
            self.sim.aim(at, shop.folder / "pid", after=after)
        assert self.drive(shop, at if where == "append" else None, after=after) == KILLED
        return self.to_its_end(shop)

    def undisturbed(self) -> tuple[Seen, list[str]]:
        """Return what an undisturbed case comes to, which is healed by a repair, and its calls."""
        shop = self.shop("whole")
        self.sim.calls.clear()
        assert self.drive(shop) == 0
        calls = [f"{call.method} {call.path}" for call in self.sim.calls]
        seen = self.to_its_end(shop)
        assert seen.verdict == "healed"
        assert seen.made == Made(jobs=1, runs=1, repairs=1, cancelled=0)
        return seen, calls

    def killed_anywhere(self, where: str, *, after: bool) -> None:
        """Kill drivers before, or right after, each append or call: all come to the same."""
        whole, calls = self.undisturbed()
        for at in range(len(whole.kinds if where == "append" else calls)):
            assert self.killed(at, where, after=after) == whole, at

    def killed_unknown(self, *endings: str) -> None:
        """Kill drivers right after calls whose paths end so, where the workspace knows more."""
        whole, calls = self.undisturbed()
        for word in endings:
            at = next(n for n, call in enumerate(calls) if call.endswith(word))
            assert self.killed(at, "call", after=True) == whole, word


def _prepared() -> None:
    """Import what drivers import, once."""
    import agent.effects
    import agent.fixers.rename_column
    import agent.remedy
    import agent.workspace  # noqa: F401
    from agent import matrix

    for name in sys.argv[1:]:
        importlib.import_module(name)
    matrix.load()


def main() -> None:
    """Fork a driver for each line of the input."""
    import stage

    from agent.journal import Journal

    _prepared()
    for line in sys.stdin:
        wanted: dict[str, Any] = json.loads(line)
        folder, at = Path(wanted["folder"]), wanted["at"]

        def journal(state: Path, at: int | None = at, after: bool = wanted["after"]) -> Journal:
            return Journal(state) if at is None else stage.Fatal(state, at, after=after)

        def work(folder: Path = folder, journal: Any = journal) -> None:
            (folder / "pid").write_text(str(os.getpid()))
            (folder / "state").mkdir(exist_ok=True)
            stage.heal(folder / "playbook.yaml", folder / "state", folder / "cache", journal)

        print(stage.forked(work), flush=True)  # noqa: T201  the test reads it


if __name__ == "__main__":
    main()
