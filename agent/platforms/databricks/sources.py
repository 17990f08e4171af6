"""What the tasks of a job are made of, from its settings in Databricks' words and the tree.

Paths in the settings are the workspace's or the tree's; a `Place` knows which file either means.
A task that runs a job or pipeline of the same bundle is made of that one's files.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from agent.engine import problems, values
from agent.engine import sources as reading
from agent.engine.job import in_order
from agent.platforms.databricks import pathfields, settings
from agent.records import TaskKey, TaskSource, Tree

_REFERENCE = re.compile(r"\$\{resources\.(jobs|pipelines)\.([\w-]+)\.id\}")
_DEPTH = 5

_Fields = dict[str, Any]


class Around(NamedTuple):
    """What a job's settings are read with."""

    tree: Tree
    local: Callable[[str], str | None]
    """Return the tree's path of a file that the settings name, None where it is elsewhere."""
    resources: Mapping[str, Mapping[str, _Fields]] = {}
    """Others of the same bundle, by type and key."""


def type_of(task: Mapping[str, Any]) -> str:
    """Return a task's type; of a for-each, the type of what it repeats; empty where unknown."""
    found = [k for k, v in task.items() if k.endswith("_task") and isinstance(v, dict)]
    if found == ["for_each_task"]:
        inner = task["for_each_task"].get("task")
        return type_of(inner) if isinstance(inner, dict) else "for_each_task"
    return found[0] if len(found) == 1 else ""


def ordered(job: Mapping[str, Any]) -> list[_Fields]:
    """Return a job's tasks in dependency order, as far as there is one, else as written."""
    tasks = (t for t in job.get("tasks") or () if isinstance(t, dict) and _key(t))
    return in_order(tasks, _key, needs)


def needs(task: Mapping[str, Any]) -> tuple[TaskKey, ...]:
    """Return the keys of the tasks that one depends on."""
    listed = task.get("depends_on")
    found = listed if isinstance(listed, list) else []
    return tuple(_key(d) for d in found if isinstance(d, dict) and _key(d))


def of(job: _Fields, around: Around) -> tuple[TaskSource, ...]:
    """Return the tasks with their files, in dependency order."""
    root = Path(around.tree.root)
    found = []
    for task in ordered(job):
        path = main_file(task, around)
        found.append(
            TaskSource(
                task=_key(task),
                type=type_of(task),
                path=path,
                text=reading.read(root, path),
                depends_on=needs(task),
                parameters=tuple(_given(job, task)),
                imports=tuple(_imports(task, path, around)),
            )
        )
    return tuple(found)


def main_file(task: _Fields, around: Around) -> str | None:
    """Return a task's main file in the tree, None where it has none there."""
    if isinstance(inner := _at(task, "for_each_task", "task"), dict):
        return main_file(inner, around)
    named = (
        _at(task, "notebook_task", "notebook_path"),
        _at(task, "spark_python_task", "python_file"),
        _at(task, "sql_task", "file", "path"),
    )
    path = next((p for p in named if isinstance(p, str)), None)
    if path is not None:
        return around.local(path)
    if isinstance(dbt := task.get("dbt_task"), dict):
        return _dbt(str(dbt.get("project_directory") or ""), around)
    if isinstance(wheel := task.get("python_wheel_task"), dict):
        return _wheel(wheel, around.tree)
    return None


def _dbt(folder: str, around: Around) -> str | None:
    path = f"{folder}/dbt_project.yml" if folder.strip("./") else "dbt_project.yml"
    return around.local(path)


def _wheel(wheel: _Fields, tree: Tree) -> str | None:
    """Return the module of the tree that a wheel's entry point most likely is in."""
    package = re.sub(r"[-.]+", "_", str(wheel.get("package_name") or ""))
    entry = str(wheel.get("entry_point") or "")
    inside = [p for p in tree.files if package and f"/{package}/" in f"/{p}"]
    for name in (f"{entry}.py", "__main__.py", "main.py", "__init__.py"):
        found = [p for p in inside if p.endswith(f"{package}/{name}")]
        if found:
            return found[0]
    return None


def _imports(task: _Fields, path: str | None, around: Around) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of what else of the tree a task is made of."""
    root = Path(around.tree.root)
    kind = type_of(task)
    if kind == "dbt_task" and path is not None:
        yield from reading.project(root, path)
    elif kind == "python_wheel_task" and path is not None:
        folder = PurePosixPath(path).parent
        for other in around.tree.files:
            inside = PurePosixPath(other).is_relative_to(folder) and other.endswith(".py")
            if other != path and inside and (text := reading.read(root, other)) is not None:
                yield other, text
    elif kind in ("run_job_task", "pipeline_task"):
        yield from _other(task, around, 0)
    elif path is not None and not path.endswith(".sql"):
        yield from reading.brought(root, path, reading.beside(around.tree.files))


def _other(task: _Fields, around: Around, depth: int) -> Iterator[tuple[str, str]]:
    """Yield the files of the job or pipeline that a task runs, where the same bundle has it."""
    found = _runs(task, around)
    if found is None or depth > _DEPTH:
        return
    kind, settings_ = found
    root = Path(around.tree.root)
    seen: set[str] = set()
    if kind == "pipelines":
        paths = [p for f in pathfields.of_pipeline(settings_) for p in _matching(f, around)]
        files = [(p, t) for p in paths if (t := reading.read(root, p)) is not None]
    else:
        files = [f for inner in ordered(settings_) for f in _all(inner, around, depth + 1)]
    for path, text in files:
        if path not in seen:
            seen.add(path)
            yield path, text


def _all(task: _Fields, around: Around, depth: int) -> Iterator[tuple[str, str]]:
    path = main_file(task, around)
    text = reading.read(Path(around.tree.root), path)
    if path is not None and text is not None:
        yield path, text
    if type_of(task) in ("run_job_task", "pipeline_task"):
        yield from _other(task, around, depth)
    else:
        yield from _imports(task, path, around)


def _runs(task: _Fields, around: Around) -> tuple[str, _Fields] | None:
    """Return type and settings of the job or pipeline that a task runs."""
    wanted = _at(task, "run_job_task", "job_id") or _at(task, "pipeline_task", "pipeline_id")
    if (named := _REFERENCE.fullmatch(str(wanted))) is not None:
        found = around.resources.get(named[1], {}).get(named[2])
        return (named[1], found) if found is not None else None
    for kind in ("jobs", "pipelines"):
        for other in around.resources.get(kind, {}).values():
            if wanted and str(other.get("id") or "") == str(wanted):
                return kind, other
    return None


def _matching(field: pathfields.Field, around: Around) -> Iterator[str]:
    if not field.folder:
        path = around.local(field.value)
        yield from (path,) if path is not None else ()
        return
    folder = field.value.split("*")[0].rstrip("/")
    for path in around.tree.files:
        if path.startswith(f"{folder}/") and path.endswith((".py", ".sql", ".ipynb")):
            yield path


def _given(job: _Fields, task: _Fields) -> dict[str, str]:
    """Return a task's own parameters as they are written, by name; a script's flags by theirs."""
    inner = _at(task, "for_each_task", "task")
    task = inner if isinstance(inner, dict) else task
    jobs = {name: f"{{{{job.parameters.{name}}}}}" for name in _parameters(job)}
    for at in (("notebook_task", "base_parameters"), ("sql_task", "parameters")):
        if at[0] in task:
            return {**_texts(_at(task, *at)), **jobs}
    if isinstance(named := _at(task, "python_wheel_task", "named_parameters"), dict):
        return _texts(named)
    if isinstance(run := _at(task, "run_job_task", "job_parameters"), dict):
        return _texts(run)
    kinds = ("spark_python_task", "python_wheel_task")
    return reading.flags(
        [values.as_text(w) for k in kinds for w in _at(task, k, "parameters") or ()]
    )


def _texts(found: Any) -> dict[str, str]:
    named = found if isinstance(found, dict) else {}
    return {str(k): values.as_text(v) for k, v in named.items()}


def _parameters(job: Mapping[str, Any]) -> dict[str, Any]:
    listed = job.get("parameters")
    found = listed if isinstance(listed, list) else []
    return {str(p["name"]): p for p in found if isinstance(p, dict) and p.get("name")}


def affected(before: tuple[_Fields, Around], after: tuple[_Fields, Around]) -> tuple[TaskKey, ...]:
    """Return the later job's tasks whose declaration or code differs from the earlier job's.

    A requirement that is only added to an environment concerns no task that did without it.
    """
    earlier, then = before
    job, now = after
    old = {_key(task): task for task in ordered(earlier)}
    return tuple(
        _key(task)
        for task in ordered(job)
        if (was := old.get(_key(task))) is None
        or not set(requirements(earlier, was)) <= set(requirements(job, task))
        or _state(earlier, was, then) != _state(job, task, now)
    )


def requirements(job: Mapping[str, Any], task: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the requirements of a task's environment, as written."""
    wanted = task.get("environment_key") or "default"
    for environment in job.get("environments") or ():
        if isinstance(environment, dict) and environment.get("environment_key") == wanted:
            words = _at(environment, "spec", "dependencies")
            return tuple(map(str, words)) if isinstance(words, list) else ()
    return ()


def _state(job: _Fields, task: _Fields, around: Around) -> tuple[object, ...]:
    """Return everything that decides what a task does, as far as the tree says it."""
    path = main_file(task, around)
    declared = settings.normal({**task, "path of its file": path})
    for kind, name in (("notebook_task", "notebook_path"), ("spark_python_task", "python_file")):
        if isinstance(holder := declared.get(kind), dict) and path is not None:
            declared[kind] = {k: v for k, v in holder.items() if k != name}
    text = json.dumps(declared, sort_keys=True, default=str)
    names = {values.parameter(word) for word in values.references(text)}
    whole = type_of(task) not in ("spark_python_task", "python_wheel_task", "dbt_task")
    used = [p for n, p in sorted(_parameters(job).items()) if whole or n in names]
    clusters = [
        c
        for c in job.get("job_clusters") or ()
        if isinstance(c, dict) and c.get("job_cluster_key") == task.get("job_cluster_key")
    ]
    files = {other for other, _ in _imports(task, path, around)} | {path or ""}
    contents = reading.contents(Path(around.tree.root), files)
    return text, json.dumps([used, clusters], sort_keys=True, default=str), contents


def _key(item: Mapping[str, Any]) -> str:
    return problems.task_key(item.get("task_key")) or ""


def _at(value: Any, *words: str) -> Any:
    for word in words:
        value = value.get(word) if isinstance(value, dict) else None
    return value
