"""Tasks run for real: an environment is built and the engine's processes run, in a folder a try.

    <place>/tree/          the files
            plan.json      what is run; its `requirements` make the environment
            prepared.json  the interpreter, or why there is none; written last
            run/           the engine's run folder

Rules kept here: what lies there decides, never who asks. After a restart of the simulator an
environment that was being built is built again, and a task that was running is found where it is.
"""

import re
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.engine import environments, request, runs
from agent.errors import Unavailable

if TYPE_CHECKING:
    from agent.simulators.service import Service

_EXIT = "NotebookExit"
_IMAGE = {
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "pandas": "pandas",
    "pyarrow": "pyarrow",
    "requests": "requests",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""Distributions that every cluster brings, by the module that code imports."""
_IMPORTS = re.compile(r"(?:^|[\n\"])\s*(?:import|from)\s+(" + "|".join(_IMAGE) + r")\b")
_READ_BYTES = 1 << 20

_building: "weakref.WeakKeyDictionary[Service[Any, Any], dict[Path, threading.Thread]]"
_building = weakref.WeakKeyDictionary()


class NoEnvironment(NamedTuple):
    """Why a task cannot be run."""

    message: str
    output: str
    """What the installer said."""


def image(tree: Path, main: str) -> list[str]:
    """Return the distributions that clusters bring and the code around a main file imports.

    Only those are installed: a whole image would take minutes.
    """
    found: set[str] = set()
    for file in (tree / main).parent.rglob("*"):
        if file.suffix in (".py", ".ipynb") and file.stat().st_size <= _READ_BYTES:
            found |= set(_IMPORTS.findall(file.read_text(encoding="utf-8", errors="replace")))
    return sorted(_IMAGE[name] for name in found)


def prepare(sim: "Service[Any, Any]", place: Path, plan: dict[str, Any]) -> None:
    """Keep what is run, its `requirements` among it, and begin to make the environment."""
    request.save(place / "plan.json", plan)
    _build(sim, place)


def plan(place: Path) -> dict[str, Any]:
    """Return what is run."""
    return dict(request.read(place / "plan.json"))


def _build(sim: "Service[Any, Any]", place: Path) -> None:
    """Make the environment in a thread, unless one is at it."""
    threads = _building.setdefault(sim, {})
    if place in threads:
        return
    cache, requirements = sim.cache, plan(place)["requirements"]

    def build() -> None:
        made = environments.prepare(cache, requirements, place / "tree")
        if isinstance(made, environments.NotBuilt):
            found = {"failed": made.message, "output": made.output}
        else:
            found = {"python": str(made.python)}
        request.save(place / "prepared.json", found)

    name = f"environment {place.name}"
    threads[place] = threading.Thread(target=build, name=name, daemon=True)
    threads[place].start()


def due(
    sim: "Service[Any, Any]", place: Path, task: Mapping[str, Any], now_ms: int, *, waits: bool
) -> int | None:
    """Return when a try can move on, None while it has to wait.

    `task`: when it was `launched`, may begin (`exec_at`) and ends if it was asked to (`stop_at`);
    `waits`: it was not started yet.
    """
    if waits:
        if (place / "prepared.json").exists():
            return max(int(task["exec_at"]), int(task["launched"]))
        _build(sim, place)
        return None
    if not started(place):
        return int(task["stop_at"])
    return None if ended(place) is None else now_ms


def interpreter(place: Path) -> str | NoEnvironment:
    """Return the interpreter of the environment, once it is made, or why there is none."""
    made = request.read(place / "prepared.json")
    if "failed" in made:
        message = f"Library installation failed: {made['failed']}"
        return NoEnvironment(message, str(made["output"]))
    return str(made["python"])


def started(place: Path) -> bool:
    """Say whether its processes were started, ever."""
    return (place / "run" / "request.json").exists()


def ended(place: Path) -> runs.Seen | None:
    """Return how its processes ended, None while they go on."""
    try:
        seen = runs.look(place / "run")
    except Unavailable:
        return None  # what is left of it cannot be ended yet; asked again at the next tick
    return None if seen.state == "running" else seen


def stop(place: Path) -> None:
    """Ask its processes to end; never waits for it."""
    if (place / "run").is_dir():
        (place / "run" / "cancel").touch()


def text(file: Path) -> str:
    """Return what a stream's file holds; empty where there is none."""
    try:
        return file.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def executed(place: Path, task: str) -> dict[str, Any] | None:
    """Return a notebook with its outputs as its last attempt left it, None where there is none."""
    found = sorted((place / "run" / "tasks" / task).glob("*/executed.ipynb"))
    content = request.read(found[-1]) if found else None
    return content if isinstance(content, dict) else None


def leaves(output: Mapping[str, Any]) -> bool:
    """Say whether an output of a cell is how a notebook that ends itself is left."""
    return output.get("ename") == _EXIT


def error_of(cell: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the error among a cell's outputs; leaving the notebook is none."""
    for output in cell.get("outputs") or ():
        if output.get("output_type") == "error" and not leaves(output):
            return dict(output)
    return None
