"""From a task's settings and the workspace's files to what the engine is asked to run.

A notebook runs in its own folder and finds its neighbours beside it, as it does in a workspace.
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.engine import cells, commands, environments
from agent.engine.job import (
    DbtTask,
    Environment,
    Job,
    NotebookTask,
    SparkPythonTask,
    Spec,
    Task,
)
from agent.engine.request import Request
from agent.simulators import processes
from agent.simulators.databricks import files, jobsettings, lakehouse, references, rundocs
from agent.simulators.databricks.rundocs import Attempt, Run

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

_SUFFIXES = {"PYTHON": ".py", "SQL": ".py", "SCALA": ".scala", "R": ".r"}
_WHEEL = '''"""Calls the entry point of a wheel, as its task names it."""
import importlib
import importlib.metadata
import sys

package, name = sys.argv.pop(1), sys.argv.pop(1)
found = [
    point
    for point in importlib.metadata.distribution(package).entry_points
    if point.name == name
]
if found:
    run = found[0].load()
else:
    run = getattr(importlib.import_module(package.replace("-", "_")), name)
sys.exit(run())
'''


class NoFile(Exception):
    """What a task is to run is not in the workspace."""

    code = "RESOURCE_NOT_FOUND"


class Plan(NamedTuple):
    """What is run, as `plan.json` keeps it."""

    kind: str
    file: str
    """Relative to the tree."""
    requirements: list[str]
    database: str | None


def lay_out(sim: "Simulator", run: Run, attempt: Attempt, place: Path) -> Plan:
    """Write the workspace's files below `place/tree` and return what is run. Raises `NoFile`."""
    tree = place / "tree"
    tree.mkdir(exist_ok=True)
    held = {file.path: file for file in files.tree(sim, "/")}
    for file in held.values():
        target = tree / _local(file).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_content(file))
    spec = attempt["spec"]
    kind = str(jobsettings.type_of(spec))
    name = _main(sim, kind, attempt, held)
    needs = _requirements(sim, run, spec, tree)
    if kind in ("notebook_task", "spark_python_task"):
        needs += processes.image(tree, name)
    if kind == "notebook_task":
        # What is wrong with the notebook shows when it runs, with its own words.
        with contextlib.suppress(OSError, ValueError):
            needs += cells.installs(cells.read(tree, name))
        needs.append(environments.KERNEL)
    if kind != "dbt_task" and (version := spark_version()) is not None:
        needs.append(f"pyspark=={version}")
    database = lakehouse.database(sim)
    database.parent.mkdir(parents=True, exist_ok=True)
    return Plan(kind, name, list(dict.fromkeys(needs)), str(database))


def spark_version() -> str | None:
    """Return the version of pyspark that stands beside runmend, None where there is none."""
    if importlib.util.find_spec("pyspark") is None:
        return None
    return importlib.metadata.version("pyspark")


def _local(file: files.File) -> str:
    if file.kind == "FILE" or file.language is None:
        return file.path
    return file.path + (".ipynb" if file.jupyter else _SUFFIXES[file.language])


def _content(file: files.File) -> bytes:
    """Return the bytes as the engine reads them: a SQL notebook becomes cells of `%sql`."""
    if file.kind == "FILE" or file.jupyter:
        return file.content
    text = file.content.decode("utf-8", "replace")
    if file.language != "SQL":
        first = cells.HEADER if file.language == "PYTHON" else None
        return (text if first is None or text.startswith(first) else f"{first}\n{text}").encode()
    body = text.removeprefix("-- Databricks notebook source\n")
    found = [cells.HEADER]
    for number, cell in enumerate(body.split("-- COMMAND ----------")):
        found += ["# COMMAND ----------"] if number else []
        lines = [line.removeprefix("-- MAGIC ") for line in cell.strip("\n").split("\n")]
        magic = [] if lines[0].startswith("%") else ["# MAGIC %sql"]
        found += [*magic, *(f"# MAGIC {line}" for line in lines)]
    return "\n".join(found).encode()


def _main(sim: "Simulator", kind: str, attempt: Attempt, held: dict[str, files.File]) -> str:
    """Return the file to run, relative to the tree. Raises `NoFile`."""
    task = attempt["resolved"][kind]
    match kind:
        case "notebook_task":
            path = _absolute(str(task["notebook_path"]))
            file = held.get(path)
            if file is None or file.kind != "NOTEBOOK":
                raise NoFile(
                    f'Unable to access the notebook "{task["notebook_path"]}". Either it does not '
                    "exist, or the identity used to run this job, "
                    f"{sim.user} ({sim.user}), lacks the required permissions."
                )
            return _local(file).lstrip("/")
        case "spark_python_task":
            path = _absolute(str(task["python_file"]))
            if path not in held:
                raise NoFile(
                    f"Cannot read the python file {task['python_file']}. "
                    "Please check driver logs for more details."
                )
            return _local(held[path]).lstrip("/")
        case "dbt_task":
            folder = _absolute(str(task.get("project_directory") or "/"))
            name = posixpath.join(folder, "dbt_project.yml")
            if name not in held:
                raise NoFile(f"The dbt project was not found: {name} does not exist.")
            return name.lstrip("/")
    return ""


def _absolute(path: str) -> str:
    return files.normal(path if path.startswith("/") else f"/{path}")


def _requirements(sim: "Simulator", run: Run, spec: dict[str, Any], tree: Path) -> list[str]:
    """Return what the task's environment is built from: its environment and its libraries."""
    found: list[str] = []
    key = spec.get("environment_key")
    environment = jobsettings.named(run["settings"], "environments", str(key)) if key else None
    if environment is not None:
        given = (environment.get("spec") or {}).get("dependencies") or []
        found += [_requirement(sim, str(text), tree) for text in given]
    for library in jobsettings.listed(spec, "libraries"):
        if isinstance(library.get("pypi"), dict):
            found.append(str(library["pypi"].get("package", "")))
        elif library.get("whl"):
            found.append(_requirement(sim, str(library["whl"]), tree))
        elif library.get("requirements"):
            found.append(f"-r {_absolute(str(library['requirements'])).lstrip('/')}")
    return [text for text in found if text]


def _requirement(sim: "Simulator", text: str, tree: Path) -> str:
    """Return a requirement as pip takes it; a wheel is kept where its content names it.

    Raises `NoFile` for a wheel that is not in the workspace.
    """
    if text.startswith(("-r ", "--requirement ")):
        return f"-r {_absolute(text.split(None, 1)[1]).lstrip('/')}"
    if not text.endswith(".whl"):
        return text
    source = tree / _absolute(text).lstrip("/")
    if not source.is_file():
        missing = NoFile(f"Library installation failed: {text} does not exist.")
        missing.code = "LIBRARY_INSTALLATION_ERROR"
        raise missing
    content = source.read_bytes()
    kept = sim.folder / "wheels" / hashlib.sha256(content).hexdigest()[:20] / source.name
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(content)
    return str(kept.resolve())


def engine_request(run: Run, attempt: Attempt, plan: Plan, python: str, place: Path) -> Request:
    """Return what the engine is asked to do for this attempt."""
    tree = place / "tree"
    spec = attempt["spec"]
    task = Task(task_key=attempt["task_key"], **_engine_task(attempt, plan, place))
    # The environment's name is of no account: its interpreter is made already.
    needs = Environment(environment_key="default", spec=Spec(dependencies=tuple(plan.requirements)))
    job = Job(tasks=(task,), environments=(needs,), database=plan.database)
    texts = list(jobsettings.strings(attempt.get("resolved")))
    # What the workspace does not know stays as it is written.
    left = {word for text in texts for word in references.left(text)}
    known = {references.key(word): f"{{{{{word}}}}}" for word in left}
    wanted = commands.request(job, str(attempt["run_id"]), tree, known, {task.task_key: python})
    only = wanted.tasks[0]._replace(timeout_s=float(spec.get("timeout_seconds") or 0))
    if plan.kind == "spark_python_task":
        wanted = wanted._replace(root=str((tree / plan.file).parent))
    elif plan.kind == "notebook_task":
        task_named = attempt["resolved"][plan.kind]["base_parameters"]
        details = {"in_folder": True, "spark": spark_version() is not None}
        only = only._replace(named=task_named, details=only.details | details)
    values = {key: a["values"] for key, a in rundocs.latest(run).items() if a["values"]}
    return wanted._replace(tasks=(only,), values=values)


def _engine_task(attempt: Attempt, plan: Plan, place: Path) -> dict[str, Any]:
    task = attempt["resolved"][plan.kind]
    match plan.kind:
        case "notebook_task":
            return {"notebook_task": NotebookTask(notebook_path=plan.file)}
        case "spark_python_task":
            script = str(place / "tree" / plan.file)
            words = tuple(task["parameters"])
            return {"spark_python_task": SparkPythonTask(python_file=script, parameters=words)}
        case "dbt_task":
            folder = posixpath.dirname(plan.file)
            profiles = task.get("profiles_directory")
            profiles = None if profiles is None else _absolute(str(profiles)).lstrip("/")
            dbt = DbtTask(
                project_directory=folder,
                profiles_directory=profiles,
                commands=tuple(task["commands"]),
            )
            return {"dbt_task": dbt}
    caller = place / "entry_point.py"
    caller.write_text(_WHEEL, encoding="utf-8")
    words = (str(task["package_name"]), str(task["entry_point"]), *_flags(task))
    return {"spark_python_task": SparkPythonTask(python_file=str(caller), parameters=words)}


def _flags(task: dict[str, Any]) -> tuple[str, ...]:
    named = tuple(f"--{name}={value}" for name, value in task.get("named_parameters", {}).items())
    return (*task.get("parameters", ()), *named)
