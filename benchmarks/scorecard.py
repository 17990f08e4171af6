"""What every benchmark does at its end: print a table, write the JSON, say whether its bounds hold.

Rules kept: a bound is on a ratio or a count, never on a time; every figure stands beside its
baseline; a missed bound is exit code 1.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Figure(NamedTuple):
    """One measured figure."""

    name: str
    value: float
    baseline: str
    """What it is compared with, in words or as that one's own figure."""
    bound: float | None = None
    """The value may be at most this; None = told only."""

    @property
    def holds(self) -> bool:
        """Whether the figure is within its bound."""
        return self.bound is None or self.value <= self.bound


def arguments(what: str) -> argparse.ArgumentParser:
    """Return a parser with the option that all benchmarks have."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--json", type=Path, help="Write the figures here.")
    return parser


def table(rows: Sequence[Sequence[object]]) -> None:
    """Print rows in columns; the first row is the heading."""
    texts = [[_text(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        print("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip())


def finish(figures: Sequence[Figure], file: Path | None, **more: Any) -> int:
    """Print the figures, write them and `more` as JSON where asked, return the exit code."""
    heading = ("figure", "value", "baseline", "bound", "")
    said = [(*f[:3], "" if f.bound is None else f"<= {f.bound:g}", _word(f)) for f in figures]
    table([heading, *said])
    holds = all(figure.holds for figure in figures)
    if file is not None:
        rows = [figure._asdict() | {"holds": figure.holds} for figure in figures]
        content = {"schema_version": 1, "holds": holds, "figures": rows} | more
        file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return 0 if holds else 1


def runmend() -> str:
    """Return the `runmend` command beside this interpreter."""
    command = Path(sys.executable).with_name("runmend")
    if not command.exists():
        raise SystemExit(f"there is no {command}; install runmend first: make setup")
    return str(command)


def surroundings(cache: Path) -> dict[str, str]:
    """Return the environment of what is measured: nobody's settings, byte code kept as usual."""
    own = ("RUNMEND_", "ANTHROPIC_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return kept | {"RUNMEND_CACHE": str(cache), "NO_COLOR": "1"}


def _text(cell: object) -> str:
    return f"{cell:.2f}".rstrip("0").rstrip(".") if isinstance(cell, float) else str(cell)


def _word(figure: Figure) -> str:
    if figure.bound is None:
        return ""
    return "holds" if figure.holds else "MISSED"
