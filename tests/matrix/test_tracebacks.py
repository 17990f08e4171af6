"""Tracebacks of every layout: the exception's name and the user's own line.

The files in `tracebacks/` hold one case after another: `%%%% name`, what is expected, `----`, the
text. ␛ stands for an escape, ␍ for a carriage return; `cell` counts from 0.
"""

from pathlib import Path
from typing import NamedTuple

import pytest

from agent import matrix
from agent.records import Diagnosis

FOLDER = Path(__file__).parent / "tracebacks"


class Case(NamedTuple):
    """One traceback, and what a person reads from it."""

    name: str
    text: str
    exception: str
    """The exception's short class, or a condition's name."""
    place: tuple[str | None, int | None, int | None]
    """Path, line, cell."""


def cases() -> list[Case]:
    return [
        case(f"{file.stem}: {part}")
        for file in sorted(FOLDER.glob("*.txt"))
        for part in file.read_text(encoding="utf-8").split("%%%% ")[1:]
    ]


def case(part: str) -> Case:
    head, _, text = part.partition("\n----\n")
    name, *lines = head.split("\n")
    said = dict(line.split(": ", 1) for line in lines)
    line, cell = (int(said[key]) if key in said else None for key in ("line", "cell"))
    text = text.replace("␛", "\x1b").replace("␍", "\r")
    return Case(name, text, said["exception"], (said.get("path"), line, cell))


def names(found: Diagnosis) -> set[str]:
    identity = found.identity
    return {identity.code, str(getattr(identity, "exception", None))} if identity else set()


@pytest.mark.parametrize("one", cases(), ids=lambda one: one.name)
def test_the_exception_and_the_users_line_are_read(shipped: matrix.Matrix, one: Case) -> None:
    found = shipped.diagnose_text(one.text, "x")
    where = found.location
    if one.exception != "None":
        assert one.exception in names(found)
    assert one.place == ((where.path, where.line, where.cell) if where else (None, None, None))
    for line in (*found.evidence, *found.worth_reading):
        assert line.text in one.text
