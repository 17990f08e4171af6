"""The texts that `diagnosis.py` scores: labelled failures, tracebacks of ours, AIDP, conditions.

Rules kept here: a row says what is known of it and nothing else; what is absent (the shared texts,
an installed pyspark) is left out and said.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from agent import matrix

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared" / "corpus" / "failures.jsonl"
AIDP = HERE / "diagnosis_aidp.jsonl"
TRACEBACKS = HERE.parent / "tests" / "matrix" / "tracebacks"


class Case(NamedTuple):
    """One text and what is known of it."""

    id: str
    text: str
    category: str | None
    """None = not said."""
    is_failure: bool = True
    platform: str = "unknown"
    exception: str | None = None
    """Short class, or the condition's code."""
    place: tuple[str | None, int | None] | None = None
    """Path and line of the user's own code."""


def labelled(path: Path) -> list[Case]:
    """Return the rows of a JSONL file: `id`, `text`, `category`, and what else they say."""
    return [_case(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def _case(row: dict[str, object]) -> Case:
    place = row.get("location")
    where = (place.get("path"), place.get("line")) if isinstance(place, dict) else None
    category = row.get("category")
    return Case(
        id=str(row.get("id", "")),
        text=str(row["text"]),
        category=str(category) if category else None,
        is_failure=bool(row.get("is_failure", True)),
        platform=str(row.get("platform", "unknown")),
        exception=str(row["exception"]) if row.get("exception") else None,
        place=where,
    )


def examples(known: matrix.Matrix) -> list[Case]:
    """Return the matrix's own examples, which only show that it is sound."""
    return [
        Case(entry.id, text, entry.category)
        for entry in known.entries.values()
        for text in (entry.examples if entry.match else ())
    ]


def tracebacks() -> list[Case]:
    """Return our own tracebacks, over all layouts; `tests/matrix/test_tracebacks.py` says how."""
    files = sorted(TRACEBACKS.glob("*.txt"))
    return [case for file in files for case in _traces(file)]


def _traces(file: Path) -> Iterator[Case]:
    for part in file.read_text(encoding="utf-8").split("%%%% ")[1:]:
        head, _, text = part.partition("\n----\n")
        name, *lines = head.split("\n")
        said = dict(line.split(": ", 1) for line in lines)
        exception = said["exception"] if said.get("exception") != "None" else None
        line = int(said["line"]) if "line" in said else None
        text = text.replace("␛", "\x1b").replace("␍", "\r")
        where = (said.get("path"), line) if line is not None else None
        yield Case(
            f"{file.stem}: {name}", text, None, platform=file.stem, exception=exception, place=where
        )
