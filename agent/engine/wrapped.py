"""What the commands that runmend runs for a task (notebooks, SQL, dbt) read and leave behind.

They run as processes of their own: `python -I -m agent.engine.sql ATTEMPT_FOLDER`, with runmend's
interpreter. What went wrong goes to stderr for people, and to `error.json` for the failure.
"""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple


class Assignment(NamedTuple):
    """`task.json`: what the supervisor asks of a command."""

    folder: Path
    """The attempt's folder."""
    file: str
    """The task's main file, relative to the working folder."""
    parameters: dict[str, str]
    arguments: tuple[str, ...]
    python: str
    """The interpreter of the task's environment."""
    database: str | None
    values: dict[str, dict[str, Any]]
    """What tasks before this one set."""
    details: dict[str, Any]


class Wrong(NamedTuple):
    """`error.json`: what went wrong, and on which of the user's lines."""

    message: str
    """One line."""
    path: str | None = None
    line: int | None = None
    cell: int | None = None
    """0-based index of an .ipynb's cell; `line` is in the cell then."""
    code: str | None = None


def assignment() -> Assignment:
    """Return what this process was asked to do."""
    folder = Path(sys.argv[1])
    said = json.loads((folder / "task.json").read_text("utf-8"))
    return Assignment(
        folder=folder,
        file=said["file"],
        parameters=said["parameters"],
        arguments=tuple(said["arguments"]),
        python=said["python"],
        database=said.get("database"),
        values=said["values"],
        details=said,
    )


def say(text: str) -> None:
    """Print to the task's output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def fail(task: Assignment, wrong: Wrong, words: str) -> int:
    """Tell people and the failure what went wrong; return the exit code."""
    sys.stderr.write(words.rstrip() + "\n")
    sys.stderr.flush()
    (task.folder / "error.json").write_text(json.dumps(wrong._asdict()), "utf-8")
    return 1


def leave(task: Assignment, value: object) -> None:
    """Leave the task's exit value."""
    (task.folder / "value.json").write_text(json.dumps(value), "utf-8")
