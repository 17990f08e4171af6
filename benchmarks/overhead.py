"""What runmend costs by itself: python benchmarks/overhead.py [--runs N] [--json FILE]

The unit is one start of the bare interpreter (`python -c pass`), measured in the same run: in each
round every command is run once, in turn, so that a busy machine slows all of them; medians count.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from scorecard import Figure, arguments, finish, runmend, surroundings

JOB = """\
tasks:
  - {task_key: only, spark_python_task: {python_file: only.py}}
"""
BOOK = "{platform: local, job: {file: job.yaml}, model: none}\n"


def main() -> int:
    """Measure, print, return the exit code."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("--runs", type=int, default=15, help="Rounds, after one to warm up.")
    parser.add_argument("--help-bound", type=float, default=15.0, help="Starts for --help.")
    parser.add_argument("--heal-bound", type=float, default=35.0, help="Starts for a healthy job.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        medians = _measure(Path(folder), given.runs)
    bare = medians["bare"]
    figures = (
        Figure("runmend --help", medians["help"] / bare, "1 bare start", given.help_bound),
        Figure(
            "healthy one-task job, more than its command",
            (medians["heal"] - medians["direct"]) / bare,
            f"its command: {medians['direct'] / bare:.2f} bare starts",
            given.heal_bound,
        ),
    )
    return finish(figures, given.json, unit="bare starts of the interpreter", runs=given.runs)


def _measure(folder: Path, runs: int) -> dict[str, float]:
    """Return the median of each command, seconds."""
    for name, text in (("job.yaml", JOB), ("book.yaml", BOOK), ("only.py", "print('done')\n")):
        (folder / name).write_text(text, encoding="utf-8")
    state = str(folder / "state")
    commands = {
        "bare": [sys.executable, "-c", "pass"],
        "help": [runmend(), "--help"],
        "direct": [sys.executable, "only.py"],
        "heal": [runmend(), "heal", "book.yaml", "--state", state],
    }
    env = surroundings(folder / "cache")

    def took(command: list[str]) -> float:
        began = time.perf_counter()
        subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True)
        return time.perf_counter() - began

    return _interleaved(commands, took, runs)


def _interleaved(
    commands: dict[str, list[str]], took: Callable[[list[str]], float], runs: int
) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(runs + 1):
        for name, command in commands.items():
            seconds = took(command)
            if number:  # the first round warms the caches
                times[name].append(seconds)
    return {name: statistics.median(found) for name, found in times.items()}


if __name__ == "__main__":
    sys.exit(main())
