"""A job file of the source as it is read for any service: opened and looked into.

What the local platform knows besides (`data`, `database`, `pass_env`) says nothing to a service.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent import document
from agent.document import Document
from agent.engine import problems
from agent.engine.problems import Problem, nearest
from agent.records import Tree

_LOCAL_ONLY = ("data", "database", "pass_env")


def opened(tree: Tree, path: str) -> Document | Problem:
    """Read a job file; a `Problem` where it cannot be read."""
    file = Path(tree.root) / path
    if not file.is_file():
        return Problem(0, f"the job file {path} does not exist{nearest(path, tree.files)}")
    return problems.opened(file)


def told(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a job file says to a service."""
    return {k: v for k, v in data.items() if k not in _LOCAL_ONLY}


def untold(data: Mapping[str, Any], service: str) -> tuple[str, ...]:
    """Say what of a job file is left out."""
    left = [name for name in _LOCAL_ONLY if data.get(name)]
    said = f"{', '.join(left)} of the job file say nothing on {service} and are left out"
    return (said,) if left else ()


def tolerant(tree: Tree, path: str) -> dict[str, Any]:
    """Return what a job file says as far as it can be read, for looking at its tasks."""
    try:
        return told(document.read(Path(tree.root) / path).data)
    except (OSError, document.Unreadable):
        return {}


def data(source: Path, path: str) -> tuple[str, ...]:
    """Return the folders of the source that a job file names as data; empty where it does not."""
    try:
        listed = document.read(source / path).data.get("data")
    except (OSError, document.Unreadable):
        return ()
    folders = [f for f in listed if isinstance(f, str)] if isinstance(listed, list) else []
    inside = (f.rstrip("/") for f in folders if problems.inside(f) and f.strip("./"))
    return tuple(dict.fromkeys(f for f in inside if (source / f).is_dir()))
