"""What tests of every simulated service do: serve it, start its command, wait for a run."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from agent.simulators.service import Service

DEADLINE_S = 240.0
PAUSE = threading.Event()

SimT = TypeVar("SimT", bound=Service[Any, Any])


@contextmanager
def served(sim: SimT) -> Iterator[SimT]:
    """Serve it; a bug in the simulator itself fails the test."""
    with sim:
        yield sim
    assert sim.problems == []


def started(platform: str, *arguments: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """Start `runmend simulate` and return its process and what its first line says."""
    code = "import sys; from agent.cli import main; sys.argv[0] = 'runmend'; main()"
    command = [sys.executable, "-c", code, "simulate", platform, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = process.stdout.readline()
    return process, json.loads(first) if first else {}


def once(
    look: Callable[[], dict[str, Any]],
    ended: Callable[[dict[str, Any]], bool],
    within_s: float = DEADLINE_S,
) -> dict[str, Any]:
    """Return what `look` sees, once it has ended."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if ended(seen := look()):
            return seen
        PAUSE.wait(0.05)
    raise AssertionError(f"it has not ended: {seen}")
