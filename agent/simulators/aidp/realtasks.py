"""Tasks run for real: the workspace's files in a private folder, the engine's processes on them.

A try's folder is `task_runs/<task run key>/<try>`. A file's content is the one it has when the task
begins. What else lies there, and what a restart finds: `agent.simulators.processes`.
"""

import contextlib
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.engine import cells, commands, environments, request, runs
from agent.engine.job import Job, NotebookTask, SparkPythonTask, Task
from agent.errors import Unavailable
from agent.simulators import processes
from agent.simulators.aidp import filestore, parameters, realoutput
from agent.simulators.aidp.realoutput import TASK, Ended
from agent.simulators.aidp.rundocs import Run, TaskRun
from agent.simulators.processes import NoEnvironment

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

KINDS = ("NOTEBOOK_TASK", "PYTHON_TASK")
RUNTIME = Path(__file__).with_name("runtime")
_TABLES = Path(__file__).with_name("tables.py")
_LOAD = """import importlib.util, sys
spec = importlib.util.spec_from_file_location(
    "aidp_runtime", {file!r}, submodule_search_locations=[{folder!r}]
)
sys.modules["aidp_runtime"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
NotebookExit = module.NotebookExit
made = module.make({given!r}, {tables!r}, globals().get("leave"))
"""
_PRELUDE = """__aidp__ = {{'__name__': 'aidp', 'leave': dbutils.notebook.exit}}
exec(compile({side!r}, 'aidp', 'exec'), __aidp__)
globals().update(__aidp__['made'])
del dbutils, getArgument, __aidp__"""
"""Gives a notebook what it finds on a cluster; what Databricks has is not there."""


class Plan(NamedTuple):
    """What is run, as `plan.json` keeps it."""

    kind: str
    file: str
    """Relative to the tree."""
    requirements: list[str]


def folder(sim: "Simulator", task: TaskRun, number: int | None = None) -> Path:
    """Return where everything of a try lies; None = of the newest."""
    which = task["number"] if number is None else number
    return sim.folder / "task_runs" / str(task["key"]) / str(which)


def prepare(sim: "Simulator", run: Run, task: TaskRun) -> str | None:
    """Lay out the files and begin to make the environment; return why it cannot be done."""
    del run
    place = folder(sim, task)
    tree = place / "tree"
    tree.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in filestore.paths(sim):
        content = filestore.read(sim, path)
        if content is not None:
            target = tree / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    spec = task["spec"]
    named = str(spec.get("notebookPath") or spec.get("filePath") or "")
    notebook = spec["type"] == "NOTEBOOK_TASK"
    file = _file(tree, named, ".ipynb" if notebook else ".py")
    if file is None:
        return f"Unexpected error: file {named} does not exist in the workspace"
    needs = processes.image(tree, file)
    if notebook:
        # What is wrong with the notebook shows when it runs, with its own words.
        with contextlib.suppress(OSError, ValueError):
            needs += cells.installs(cells.read(tree, file))
        needs.append(environments.KERNEL)
    plan = Plan(spec["type"], file, list(dict.fromkeys(needs)))
    processes.prepare(sim, place, plan._asdict())
    return None


def _file(tree: Path, named: str, suffix: str) -> str | None:
    if not named.startswith("/") or ".." in named.split("/"):
        return None
    for name in (named.lstrip("/"), named.lstrip("/") + suffix):
        if (tree / name).is_file():
            return name
    return None


def due(sim: "Simulator", task: TaskRun, now_ms: int) -> int | None:
    """Return now where the try can move on, None while it has to wait."""
    waits = task["phase"] == "setup"
    return processes.due(sim, folder(sim, task), task, now_ms, waits=waits)


def start(sim: "Simulator", run: Run, task: TaskRun) -> Ended | None:
    """Start the try, whose environment is made; return how it ended where it cannot begin."""
    place = folder(sim, task)
    python = processes.interpreter(place)
    if isinstance(python, NoEnvironment):
        left = {"error": python.message, "trace": python.output}
        return Ended("INTERNAL_ERROR", python.message, left)
    wanted = _request(sim, run, task, Plan(**processes.plan(place)), python)
    try:
        runs.start(place / "run", wanted, runs.environment((), os.environ))
    except Unavailable as error:
        return Ended("INTERNAL_ERROR", str(error), {"error": str(error), "trace": str(error)})
    return None


def _request(sim: "Simulator", run: Run, task: TaskRun, plan: Plan, python: str) -> request.Request:
    """Return what the engine is asked to do."""
    place = folder(sim, task)
    tree = place / "tree"
    side = _LOAD.format(
        file=str(RUNTIME / "__init__.py"),
        folder=str(RUNTIME),
        given=task["values"],
        tables=[sys.executable, "-I", str(_TABLES), str((sim.folder / "tables").resolve())],
    )
    if plan.kind == "NOTEBOOK_TASK":
        one = Task(task_key=TASK, notebook_task=NotebookTask(notebook_path=plan.file))
    else:
        words = parameters.known(sim, run, task)
        line = parameters.fill(str(task["spec"].get("commandLineArguments") or ""), words)
        script = place / "script.json"
        told = {"file": str(tree / plan.file), "arguments": _words(line), "side": side}
        request.save(script, told)
        python_task = SparkPythonTask(
            python_file=str(RUNTIME / "launcher.py"), parameters=(str(script),)
        )
        one = Task(task_key=TASK, spark_python_task=python_task)
    job = Job(tasks=(one,))
    wanted = commands.request(job, f"{task['key']}-{task['number']}", tree, {}, {TASK: python})
    only = wanted.tasks[0]
    if plan.kind == "NOTEBOOK_TASK":
        details = {"in_folder": True, "spark": True, "prelude": _PRELUDE.format(side=side)}
        only = only._replace(details=only.details | details)
    else:
        wanted = wanted._replace(root=str((tree / plan.file).parent))
    return wanted._replace(tasks=(only,))


def _words(line: str) -> list[str]:
    """Return the words of a command line; quotes that do not match are no quotes."""
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def ended(sim: "Simulator", task: TaskRun) -> Ended | None:
    """Return how the try ended, None while it goes on."""
    place = folder(sim, task)
    if not processes.started(place):
        return Ended("CANCELED", None, {})
    seen = processes.ended(place)
    return None if seen is None else realoutput.collect(place, task["spec"], seen.tasks[TASK])


def stop(sim: "Simulator", task: TaskRun) -> None:
    """Ask the try's processes to end; never waits for it."""
    processes.stop(folder(sim, task))


def executed(sim: "Simulator", task: TaskRun, number: int) -> dict[str, Any] | None:
    """Return the notebook with its outputs as a try left it, None where there is none."""
    return realoutput.book(folder(sim, task, number))
