"""A small broken job, a driver that kills itself at a chosen moment, and what is seen afterwards.

Run as a program it forks one driver after another from a single-threaded process that has imported
everything once, prints one JSON object a line, and leaves judging to the tests.
"""

import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from agent import cases, playbook, verdicts
from agent.cases import Desk
from agent.console import Console
from agent.events import AnyEvent, Opened
from agent.journal import Journal
from agent.machine import Case

JOB = """\
name: two
data: [data]
tasks:
  - task_key: first
    spark_python_task: {python_file: first.py}
  - task_key: second
    depends_on: [{task_key: first}]
    spark_python_task: {python_file: second.py}
"""
TOLD = """\
import os, pathlib
with open("data/starts.log", "a") as log:
    log.write(f"{pathlib.Path(__file__).stem} {os.environ['RUNMEND_RUN']}\\n")
"""
FIRST = TOLD + 'pathlib.Path("data/out.csv").write_text("amount,day\\n1,2\\n3,4\\n")\n'
SECOND = (
    TOLD
    + """\
import csv
with open("data/out.csv", newline="") as file:
    print(sum(int(row["amuont"]) for row in csv.DictReader(file)))
"""
)
BOOK = """\
platform: local
job: {file: job.yaml}
approve: {mode: auto}
idempotent: true
model: none
verify:
  - {file: data/out.csv, rows: 2}
"""


def lay_out(folder: Path) -> Path:
    """Write the job into a new folder and return its playbook."""
    (folder / "data").mkdir(parents=True)
    texts = {"job.yaml": JOB, "first.py": FIRST, "second.py": SECOND, "book.yaml": BOOK}
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder / "book.yaml"


class Fatal(Journal):
    """A journal whose process dies by SIGKILL before, or right after, its n-th append."""

    def __init__(self, folder: Path, at: int, *, after: bool) -> None:
        super().__init__(folder)
        self._left = at
        self._after = after

    def _strike(self, *, after: bool) -> None:
        if self._left == 0 and after == self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= after

    def open_case(self, event: Opened) -> Case:
        self._strike(after=False)
        case = super().open_case(event)
        self._strike(after=True)
        return case

    def append(self, case: Case, event: AnyEvent) -> Case:
        self._strike(after=False)
        moved = super().append(case, event)
        self._strike(after=True)
        return moved


def heal(book: Path, state: Path, cache: Path, journal: Callable[[Path], Journal]) -> None:
    """Carry the job on as `runmend heal` does, with this journal."""
    with Path(os.devnull).open("w") as nowhere:
        desk = Desk(state, cache, journal(state), Console(nowhere, sys.stdin, quiet=True))
        cases.heal(desk, playbook.load(book))


def forked(work: Callable[[], None], kill_after_s: float | None = None) -> int:
    """Run `work` in a child process and return how it ended: 0, or the signal's negative number."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        try:
            work()
        except BaseException as error:  # noqa: BLE001  a forked child must not return
            sys.stderr.write(f"{error!r}\n")
            os._exit(1)
        os._exit(0)
    if kill_after_s is not None:
        deadline = time.monotonic() + kill_after_s
        while time.monotonic() < deadline:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)  # noqa: TID251  a clock is what this is about
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


_CHANGING = (
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    (re.compile(r'"(seconds|waited_s|wait_s)":[\d.e-]+'), r'"\1":0'),
    (re.compile(r"\b[0-9a-f]{8,64}\b"), "ID"),
    (re.compile(r"(ready \(cached\)|built in [\d.]+ s)"), "MADE"),
)


def seen(folder: Path, state: Path) -> dict[str, object]:
    """Return verdict, history without what differs by nature, starts by task and run, the chain."""
    journal = Journal(state)
    (summary,) = journal.cases()
    events = journal.events(summary.case)
    history = []
    for event in events:
        text = event.dump().replace(str(folder), "FOLDER").replace(str(state), "STATE")
        for pattern, word in _CHANGING:
            text = pattern.sub(word, text)
        history.append(text)
    problems = journal.verify()
    journal.close()
    log = folder / "data" / "starts.log"
    return {
        "verdict": verdicts.of(events),
        "history": history,
        "starts": sorted(log.read_text().splitlines()) if log.exists() else [],
        "problems": list(problems),
    }


def one(
    root: Path, name: str, cache: Path, crash: Callable[[Path, Path], int]
) -> dict[str, object]:
    """Crash one driver, carry the job on with further ones, and say what can be seen."""
    folder, state = root / name / "job", root / name / "state"
    book = lay_out(folder)
    state.mkdir(parents=True)
    ended = crash(book, state)
    drivers = 1
    while not _done(state):
        code = forked(lambda: heal(book, state, cache, Journal))
        drivers += 1
        if code != 0 or drivers > 5:
            raise SystemExit(f"{name}: driver {drivers} ended with {code}")
    found = seen(folder, state) | {"name": name, "killed": ended == -signal.SIGKILL}
    shutil.rmtree(root / name)
    return found


def _done(state: Path) -> bool:
    if not (state / "journal.sqlite").exists():
        return False
    journal = Journal(state)
    ended = [s.state for s in journal.cases()]
    journal.close()
    return bool(ended) and ended[-1] in ("done", "partial", "escalated", "cancelled")


def main() -> None:
    """`stage.py ROOT CACHE appends FROM STEP | moments COUNT SEED`: one JSON object a line."""
    root, cache, what = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    numbers = [int(n) for n in sys.argv[4:]]

    def whole(book: Path, state: Path) -> int:
        return forked(lambda: heal(book, state, cache, Journal))

    began = time.monotonic()
    first = one(root, "whole", cache, whole)
    took = time.monotonic() - began
    print(json.dumps(first), flush=True)  # noqa: T201  the tests read it
    if what == "appends":
        total = len(first["history"])  # type: ignore[arg-type]  # a list of events
        for number in range(numbers[0], 2 * total, numbers[1]):
            at, after = divmod(number, 2)

            def crash(book: Path, state: Path, at: int = at, after: int = after) -> int:
                return forked(
                    lambda: heal(book, state, cache, lambda s: Fatal(s, at, after=bool(after)))
                )

            name = f"{'after' if after else 'before'}-append-{at}"
            print(json.dumps(one(root, name, cache, crash)), flush=True)  # noqa: T201
        return
    import random

    chance = random.Random(numbers[1])  # noqa: S311  moments, no secrets
    for n in range(numbers[0]):
        moment = chance.uniform(0, took)

        def strike(book: Path, state: Path, moment: float = moment) -> int:
            return forked(lambda: heal(book, state, cache, Journal), moment)

        name = f"moment-{n}-{moment:.3f}s"
        print(json.dumps(one(root, name, cache, strike)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
