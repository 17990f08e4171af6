"""What runmend mends without a model: python benchmarks/healing.py [--only NAME]... [--json FILE]

Each job of `healing.yaml` is run by `runmend heal` (mode auto, model none), and by the baseline,
`retry only`: run again unchanged, up to three times. A job counts as healed when it was declared
well and has made exactly what it should. Declared well otherwise, and it is wrongly healed: a job
that a person must see, or a wrong result. `seconds` is how long runmend took until its answer,
divided by the same of the baseline, whose runs the same engine makes (mode observe, no reruns).
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml
from scorecard import Figure, arguments, finish, runmend, surroundings, table

JOBS = Path(__file__).with_name("healing.yaml")
RETRIES = 3
Outcome = Literal["healed", "left", "WRONG"]


class Broken(NamedTuple):
    """A broken job, and how it must end."""

    name: str
    expect: Literal["healed", "left"]
    job: str
    files: dict[str, str]
    makes: dict[str, str] = {}
    """What its files hold once it is truly well."""
    book: dict[str, Any] = {}
    online: bool = False
    """It needs a package index, the first time."""


class Ended(NamedTuple):
    """How one job ended under one of the two."""

    outcome: Outcome
    seconds: float
    tokens: int
    exit_code: int


class Row(NamedTuple):
    """A job, and how it ended under both."""

    broken: Broken
    own: Ended
    plain: Ended

    @property
    def ratio(self) -> float:
        """How long runmend took, divided by the baseline's time."""
        return self.own.seconds / self.plain.seconds


def main() -> int:
    """Run all jobs under both, print, return the exit code."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("--only", action="append", help="A job's name; may be said again.")
    parser.add_argument("--jobs", type=Path, default=JOBS, help="Another file of broken jobs.")
    parser.add_argument("--wrong-bound", type=float, default=0, help="Jobs wrongly healed.")
    parser.add_argument("--missed-bound", type=float, help="Jobs unhealed that could be healed.")
    given = parser.parse_args()
    jobs = [Broken(**row) for row in yaml.safe_load(given.jobs.read_text(encoding="utf-8"))]
    jobs = [job for job in jobs if not given.only or job.name in given.only]
    if not jobs:
        parser.error(f"no job of {given.jobs} has such a name")
    with tempfile.TemporaryDirectory() as folder:
        rows = [_both(job, Path(folder)) for job in jobs]
    heading = ("job", "expected", "runmend", "retry only", "seconds")
    lines = [
        (r.broken.name, r.broken.expect, r.own.outcome, r.plain.outcome, r.ratio) for r in rows
    ]
    table([heading, *lines])
    print()
    return finish(
        _figures(rows, given.wrong_bound, given.missed_bound),
        given.json,
        jobs=[_as_json(r) for r in rows],
    )


def _both(broken: Broken, folder: Path) -> Row:
    """Run a job under runmend and under the baseline, each in a folder of its own."""
    number = len(list(folder.iterdir()))
    cache = folder / "cache"
    own = _heal(broken, folder / f"{number}-runmend", cache)
    plain = _retry(broken, folder / f"{number}-retry", cache)
    return Row(broken, own, plain)


def _heal(broken: Broken, folder: Path, cache: Path) -> Ended:
    _lay_out(broken, folder, {})
    began = time.perf_counter()
    done = _run(folder, cache, "auto", "state")
    usage = json.loads(done.stdout)["usage"]
    return _ended(broken, folder, done.returncode, began, int(usage["tokens"]))


def _retry(broken: Broken, folder: Path, cache: Path) -> Ended:
    """Run the job as it is, again while it fails; the case folder is new each time."""
    _lay_out(broken, folder, {"limits": {"reruns": 0}})
    began = time.perf_counter()
    code = 1
    for number in range(1 + RETRIES):
        code = _run(folder, cache, "observe", f"state-{number}").returncode
        if code == 0:
            break
    return _ended(broken, folder, code, began, 0)


def _run(folder: Path, cache: Path, mode: str, state: str) -> "subprocess.CompletedProcess[str]":
    argv = [runmend(), "heal", "book.yaml", "--mode", mode, "--state", f"../{folder.name}.{state}"]
    return subprocess.run(
        [*argv, "-o", "json"],
        cwd=folder,
        env=surroundings(cache),
        capture_output=True,
        text=True,
        check=False,
    )


def _lay_out(broken: Broken, folder: Path, more: dict[str, Any]) -> None:
    book = {"platform": "local", "job": {"file": "job.yaml"}, "model": "none"}
    files = broken.files | {"book.yaml": json.dumps(book | broken.book | more)}
    files["job.yaml"] = broken.job if "data:" in broken.job else f"data: [data]\n{broken.job}"
    (folder / "data").mkdir(parents=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def _ended(broken: Broken, folder: Path, code: int, began: float, tokens: int) -> Ended:
    seconds = time.perf_counter() - began
    outcome: Outcome = "left"
    if code == 0:
        right = all(_holds(folder / name, text) for name, text in broken.makes.items())
        outcome = "healed" if right and broken.expect == "healed" else "WRONG"
    return Ended(outcome, seconds, tokens, code)


def _holds(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text(encoding="utf-8") == text


def _figures(rows: list[Row], wrong_bound: float, missed_bound: float | None) -> tuple[Figure, ...]:
    wanted = sum(row.broken.expect == "healed" for row in rows)
    own, plain = Counter(r.own.outcome for r in rows), Counter(r.plain.outcome for r in rows)
    missed = wanted - own["healed"], wanted - plain["healed"]
    return (
        Figure(f"healed, of {wanted}", own["healed"], f"retry only {plain['healed']}"),
        Figure("not healed that could be", missed[0], f"retry only {missed[1]}", missed_bound),
        Figure("wrongly healed", own["WRONG"], f"retry only {plain['WRONG']}", wrong_bound),
        Figure("model tokens", sum(row.own.tokens for row in rows), "retry only 0", 0),
        Figure("seconds, median ratio", statistics.median(r.ratio for r in rows), "retry only 1"),
    )


def _as_json(row: Row) -> dict[str, object]:
    own, plain = row.own, row.plain
    return {
        "name": row.broken.name,
        "expected": row.broken.expect,
        "runmend": {"outcome": own.outcome, "exit_code": own.exit_code, "tokens": own.tokens},
        "retry_only": {"outcome": plain.outcome, "exit_code": plain.exit_code},
        "seconds_ratio": round(row.ratio, 3),
    }


if __name__ == "__main__":
    sys.exit(main())
