"""Drivers that die by SIGKILL while they carry a case on a simulated workspace.

Run as a program it forks a driver for each line of its input, from a single-threaded process that
has imported everything once, and prints how the driver ended. The workspace is served by the test,
so that it outlives the drivers; where a driver is to die at a call, the workspace kills it.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from agent.simulators.databricks import Simulator, VirtualClock
from agent.simulators.loopback import Reply

DURABILITY = Path(__file__).parents[2] / "durability"
PASSES_S = 100.0
"""How much time goes by at each call: every task has ended when its run is looked at."""


class Deadly(Simulator):
    """A workspace that kills a driver before, or right after, it carries out its n-th call."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, clock=VirtualClock())
        self._left: int | None = None
        self._after = False
        self._pid = folder

    def aim(self, at: int, pid: Path, *, after: bool) -> None:
        """Kill the process whose number this file holds."""
        self._left, self._after, self._pid = at, after, pid

    def answer(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> Reply | None:
        """Answer, or kill whoever asks."""
        self.clock.advance(PASSES_S)
        if self._left is None:
            return super().answer(method, target, headers, raw)
        self._left -= 1
        if self._left >= 0:
            return super().answer(method, target, headers, raw)
        self._left = None
        if self._after:
            super().answer(method, target, headers, raw)
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
def drivers() -> Iterator[Drivers]:
    """Start the program; its workspace is what the environment names by then."""
    path = os.pathsep.join([str(DURABILITY), *filter(None, [os.environ.get("PYTHONPATH")])])
    with subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        yield Drivers(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=30) == 0


def _prepared() -> None:
    """Import what drivers import, once."""
    import databricks.sdk.config
    import databricks.sdk.service.jobs  # noqa: F401
    import httpx  # noqa: F401

    import agent.effects
    import agent.fixers.rename_column
    import agent.platforms.databricks.jobs
    import agent.remedy
    import agent.workspace  # noqa: F401
    from agent import matrix

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
