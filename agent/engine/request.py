"""What a run is asked to do, and the files of its folder.

    runs/<key>/request.json                  the request, written once
               claim                         held locked by the supervisor for all its life
               status.json                   where each task is, replaced as it goes
               cancel                        somebody wants the run to stop
               end.json                      how it ended; written last
               tasks/<task>/<attempt>/       task.json stdout stderr
                                             values.json value.json exit.json

Only the standard library is used: the supervisor reads and writes these.
"""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple


class Spec(NamedTuple):
    """One task as the supervisor runs it. Dynamic values are not filled in yet."""

    task: str
    argv: tuple[str, ...]
    """The command as far as it is fixed."""
    arguments: tuple[str, ...] = ()
    """Further arguments, dynamic values to be filled in."""
    wrapped: bool = False
    """True where the command is ours: it is given the attempt's folder and reads its task.json."""
    named: dict[str, str] = {}
    """Named parameters for task.json, dynamic values to be filled in."""
    details: dict[str, Any] = {}
    """What else a command of ours finds in task.json."""
    env: dict[str, str] = {}
    """Variables besides the run's own."""
    needs: tuple[str, ...] = ()
    run_if: str = "ALL_SUCCESS"
    retries: int = 0
    retry_wait_s: float = 0.0
    retry_on_timeout: bool = False
    timeout_s: float = 0.0
    """0 = none."""
    lock: str | None = None
    """Tasks with the same word here run one at a time."""


class Request(NamedTuple):
    """A whole run."""

    run: str
    mark: str
    """A word that no other run has; see `processes`."""
    root: str
    """Working folder of the tasks."""
    tasks: tuple[Spec, ...]
    """In dependency order."""
    known: dict[str, str]
    """Dynamic values that are known when the run starts."""
    carried: dict[str, dict[str, Any]] = {}
    """States of tasks that are not run again, as status.json has them."""
    values: dict[str, dict[str, Any]] = {}
    """Task values of carried tasks."""
    repairs: str | None = None
    pass_env: tuple[str, ...] = ()
    """Names, never values, of the variables that tasks get besides the usual ones."""
    timeout_s: float = 0.0
    grace_s: float = 5.0
    """Between asking a task to stop and killing it."""
    paths: tuple[str, ...] = ()
    """Folders on which the supervisor finds what is not in the standard library."""


def save(file: Path, content: object, *, durable: bool = False) -> None:
    """Replace a JSON file in one step; `durable` waits until it is on the disk."""
    beside = file.with_name(f"{file.name}.{os.getpid()}")
    with beside.open("w", encoding="utf-8") as out:
        json.dump(content, out)
        if durable:
            out.flush()
            os.fsync(out.fileno())
    beside.replace(file)
    if durable:
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def save_first(file: Path, content: object) -> bool:
    """Write a JSON file unless there is one already; return whether this call wrote it."""
    beside = file.with_name(f"{file.name}.{os.getpid()}.first")
    save(beside, content, durable=True)
    try:
        os.link(beside, file)
    except FileExistsError:
        return False
    finally:
        beside.unlink()
    return True


def task_values(folder: Path) -> dict[str, Any]:
    """Return the values an attempt set; the keys of its exit value are values too."""
    found: dict[str, Any] = {}
    for name in ("value.json", "values.json"):
        said = read(folder / name)
        found |= said if isinstance(said, dict) else {}
    return found


def read(file: Path) -> Any:
    """Return a JSON file's content, None where it is not there or not JSON."""
    try:
        return json.loads(file.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError):
        return None


def as_json(request: Request) -> dict[str, Any]:
    """Return the request as plain values."""
    return request._asdict() | {"tasks": [spec._asdict() for spec in request.tasks]}


def load(folder: Path) -> Request | None:
    """Return a run folder's request, None where there is none."""
    found = read(folder / "request.json")
    if found is None:
        return None
    specs = tuple(
        Spec(**(s | {k: tuple(s[k]) for k in ("argv", "arguments", "needs")}))
        for s in found["tasks"]
    )
    lists = {k: tuple(found[k]) for k in ("paths", "pass_env")}
    return Request(**(found | lists | {"tasks": specs}))
