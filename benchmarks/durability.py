"""What a crash costs a case: python benchmarks/durability.py [--moments N] [--json FILE]

A small broken job is healed once undisturbed, which is the baseline. Then it is healed N times by
a driver that is killed (SIGKILL) at a random moment, and carried on by a new one. Counted is what
differs from the baseline afterwards: the verdict, the history apart from ids, times and waits,
tasks that were started twice in one run, breaks in the journal's chain.
"""

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from scorecard import Figure, arguments, finish, surroundings

STAGE = Path(__file__).parents[1] / "tests" / "durability" / "stage.py"
Seen = dict[str, Any]


def main() -> int:
    """Crash, carry on, compare, print, return the exit code."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("--moments", type=int, default=50, help="How often to kill.")
    parser.add_argument(
        "--seed", type=int, help="Of the random moments; unsaid: another each time."
    )
    parser.add_argument("--bound", type=float, default=0, help="Cases that may differ.")
    given = parser.parse_args()
    seed = random.randrange(1 << 30) if given.seed is None else given.seed  # noqa: S311  no secret
    whole, *crashed = _observed(given.moments, seed)
    return finish(
        _figures(whole, crashed, given.bound),
        given.json,
        seed=seed,
        differing=[row["name"] for row in crashed if _differs(row, whole)],
    )


def _observed(moments: int, seed: int) -> list[Seen]:
    """Return what was seen of the undisturbed case, and of each that was crashed."""
    with tempfile.TemporaryDirectory() as folder:
        root, cache = Path(folder, "cases"), Path(folder, "cache")
        root.mkdir()
        argv = [
            sys.executable,
            str(STAGE),
            str(root),
            str(cache),
            "moments",
            str(moments),
            str(seed),
        ]
        done = subprocess.run(
            argv, env=surroundings(cache), stdout=subprocess.PIPE, text=True, check=False
        )
    if done.returncode != 0:
        raise SystemExit(f"{STAGE} ended with {done.returncode}: a case could not be carried on")
    return [json.loads(line) for line in done.stdout.splitlines()]


def _figures(whole: Seen, crashed: list[Seen], bound: float) -> tuple[Figure, ...]:
    def count(key: str) -> int:
        return sum(row[key] != whole[key] for row in crashed)

    events = len(whole["history"])
    return (
        Figure("crashed cases", len(crashed), "1 undisturbed"),
        Figure("killed before they ended", sum(row["killed"] for row in crashed), "0"),
        Figure("another verdict", count("verdict"), f"{whole['verdict']}", bound),
        Figure("another history", count("history"), f"{events} events", bound),
        Figure(
            "other starts",
            sum(_tasks(r) != _tasks(whole) for r in crashed),
            f"{len(_tasks(whole))} starts",
            bound,
        ),
        Figure("double starts", sum(map(_doubled, crashed)), f"{_doubled(whole)}", bound),
        Figure("broken chains", count("problems"), f"{len(whole['problems'])}", bound),
    )


def _differs(row: Seen, whole: Seen) -> bool:
    same = all(row[key] == whole[key] for key in ("verdict", "history", "problems"))
    return not same or _tasks(row) != _tasks(whole) or _doubled(row) > 0


def _tasks(row: Seen) -> list[str]:
    return sorted(line.split()[0] for line in row["starts"])


def _doubled(row: Seen) -> int:
    """Return how many starts repeat a task of the same run."""
    return len(row["starts"]) - len(set(row["starts"]))


if __name__ == "__main__":
    sys.exit(main())
