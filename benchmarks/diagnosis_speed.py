"""How fast a log is diagnosed, and in how much memory: the speed part of `diagnosis.py --speed`.

Rules kept here: only ratios of one run are told; logs are made in a pipe, never stored, so that any
size can be asked for; looping `re.search` is timed on a sample, and scaled by size.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from scorecard import Figure, runmend

from agent import matrix

_CHUNK = 1 << 20
_SAMPLE = 300_000
"""Bytes that the loop is timed on."""
_PLAIN = (
    b"2026-07-01 10:%02d:%02d,%03d INFO  [executor-%d] scheduler.TaskSetManager: Finished task"
    b" %d.0 in stage %d.0 (TID %d) in %d ms on 10.0.0.%d (executor 1) (%d/200)\n",
    b"26/07/01 10:%02d:%02d %03d WARN NativeCodeLoader: slow disk %d %d %d %d %d %d %d\n",
    b"%d %d %d processed rows=%d table=gold.sales_%d part=%d bytes=%d lag=%d host=%d ok%d\n",
)
_END = (
    b"Traceback (most recent call last):\n"
    b'  File "/srv/etl/load.py", line 7, in <module>\n    import cv2\n'
    b"ModuleNotFoundError: No module named 'cv2'\n"
)
"""What every log ends with, so that there is something to find."""
EXPECTED = "python.module-not-found"


class Run(NamedTuple):
    """One log that was diagnosed by `runmend diagnose --log -`."""

    kind: str
    size_mb: float
    seconds: float
    peak_mb: float
    answer: str
    """What it printed."""

    @property
    def per_mb(self) -> float:
        """Seconds a megabyte."""
        return self.seconds / self.size_mb


def _plain(rng: random.Random) -> bytes:
    lines = (rng.choice(_PLAIN) % tuple(rng.randrange(60) for _ in range(10)) for _ in range(9000))
    return b"".join(lines)


def _coloured(rng: random.Random) -> bytes:
    lines = _plain(rng).splitlines(keepends=True)
    return b"".join(b"\x1b[0;31m" + line.replace(b" ", b"\x1b[0m \x1b[1;32m") for line in lines)


def _failing(rng: random.Random) -> bytes:
    numbers = ((rng.randrange(60), rng.randrange(60), rng.randrange(10**9)) for _ in range(16000))
    return b"".join(b"2026-07-01 10:%02d:%02d ERROR batch %d went wrong\n" % n for n in numbers)


def _matching(rng: random.Random) -> bytes:
    numbers = ((rng.randrange(60), rng.randrange(60), rng.randrange(10**9)) for _ in range(9000))
    line = b"2026-07-01 10:%02d:%02d ERROR java.net.ConnectException: Connection refused: db%d\n"
    return b"".join(line % n for n in numbers)


def _long(rng: random.Random) -> bytes:
    words = [bytes(rng.choices(range(97, 123), k=rng.randrange(2, 12))) for _ in range(4000)]
    lines = (b" ".join(rng.choices(words, k=2100)) for _ in range(66))
    return b"".join(
        b"ERROR @@@@ " + line.replace(b" a", b" ERROR: no such table a") + b"\n" for line in lines
    )


def _records(rng: random.Random) -> bytes:
    lines = []
    for _ in range(120):
        name = bytes(rng.choices(range(97, 123), k=8))
        trace = b"\\n".join(
            b'  File \\"%b%d.py\\", line %d, in run' % (name, n, n) for n in range(200)
        )
        said = b"Traceback (most recent call last):\\n" + trace + b"\\nValueError: no " + name
        lines.append(b'{"level": "error", "job": "@@@@ %b", "trace": "%b"}\n' % (name, said))
    return b"".join(lines)


LOGS: dict[str, Callable[[random.Random], bytes]] = {
    "plain": _plain,
    "one line": lambda rng: _plain(rng).replace(b"\n", b" "),
    "all ANSI": _coloured,
    "NULs": lambda rng: _plain(rng).replace(b" ", b"\x00 "),
    "invalid UTF-8": lambda rng: _plain(rng).replace(b" ", b"\xff\xfe "),
    "only ERROR lines": _failing,
    "a match in every line": _matching,
    "long lines of errors": _long,
    "JSON records with traces": _records,
}
"""What a log can be made of; each is a block of about a megabyte that is repeated."""


def _seeded(number: int) -> random.Random:
    return random.Random(number)  # noqa: S311 - the same made-up log each time


def in_python(pattern: str) -> re.Pattern[str]:
    """Return a google-re2 pattern for `re`, which wants flags for all of it or none."""
    flags = re.IGNORECASE if "(?i)" in pattern else 0
    return re.compile(pattern.replace("(?i)", ""), flags)


def chunks(kind: str, size: int) -> Iterator[bytes]:
    """Yield a log of about `size` bytes."""
    blocks = [LOGS[kind](_seeded(seed)) for seed in (1, 2, 3)]
    words = _seeded(4)
    made = number = 0
    while made < size:
        block = blocks[number % 3].replace(b"@@@@", bytes(words.choices(range(97, 123), k=8)))
        yield block
        made, number = made + len(block), number + 1
    yield b"\n" + _END


def run(kind: str, size_mb: float) -> Run:
    """Diagnose a log through a pipe, as a user would."""
    started = time.perf_counter()
    argv = [runmend(), "diagnose", "--log", "-"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        given, told = child.stdin, child.stdout
        if given is None or told is None:
            raise SystemExit("no pipe to runmend")
        made = 0
        for chunk in chunks(kind, int(size_mb * 1e6)):
            given.write(chunk)
            made += len(chunk)
        given.close()
        answer = told.read().decode("utf-8", "replace")
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024
    seconds = time.perf_counter() - started
    return Run(kind, made / 1e6, seconds, used.ru_maxrss * unit / 1e6, answer)


def loop_per_mb(known: matrix.Matrix) -> float:
    """Return the seconds a megabyte of looping `re.search` over all patterns, whole or by line."""
    found = [in_python(p) for entry in known.entries.values() for p in entry.match]
    text = _plain(_seeded(1))[:_SAMPLE].decode()
    lines = text[: _SAMPLE // 4].splitlines()
    size = sum(map(len, lines)) / 1e6
    started = time.perf_counter()
    for pattern in found:
        pattern.search(text)
    whole = (time.perf_counter() - started) / (len(text) / 1e6)
    started = time.perf_counter()
    for line in lines:
        for pattern in found:
            pattern.search(line)
    return min(whole, (time.perf_counter() - started) / size)


def figures(known: matrix.Matrix, size_mb: float) -> tuple[list[Figure], list[list[object]]]:
    """Return the figures of issue 6, and a row for each kind of log."""
    runs = [run(kind, size_mb) for kind in LOGS]
    plain = runs[0]
    loop = loop_per_mb(known)
    count = sum(len(entry.match) for entry in known.entries.values())
    worst = max(runs[1:], key=lambda r: r.per_mb)
    said = [
        Figure("share of a re.search loop", plain.per_mb / loop, f"{count} patterns", 1 / 20),
        Figure("peak memory, MB", max(r.peak_mb for r in runs), "any log", 400.0),
        Figure("time per MB, times the plain log's", worst.per_mb / plain.per_mb, worst.kind, 5.0),
        Figure("logs whose end was missed", sum(EXPECTED not in r.answer for r in runs), "", 0.0),
    ]
    rows: list[list[object]] = [["log", "MB", "peak MB", "times plain", "times faster than a loop"]]
    for one in runs:
        ratio = one.per_mb / plain.per_mb
        rows.append([one.kind, one.size_mb, one.peak_mb, ratio, loop / one.per_mb])
    return said, rows


def quick_texts(known: Path) -> float:
    """Return how long `diagnose --jsonl` takes for a file of texts, in seconds, with its start."""
    started = time.perf_counter()
    argv = [runmend(), "diagnose", "--jsonl", str(known)]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _main() -> int:
    parser = argparse.ArgumentParser(description="Write one of the logs to the standard output.")
    parser.add_argument("kind", choices=list(LOGS))
    parser.add_argument("megabytes", type=float)
    given = parser.parse_args()
    for chunk in chunks(given.kind, int(given.megabytes * 1e6)):
        sys.stdout.buffer.write(chunk)
    return 0


if __name__ == "__main__":
    sys.exit(_main())
