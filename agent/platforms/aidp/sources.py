"""What the tasks of a job are made of, from its definition in AIDP's words and the tree.

A task's type is told in the words that effects and fixers know from other platforms. Paths in the
definition are the workspace's or the tree's; an `Around` knows which file either means.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from agent.engine import problems, values
from agent.engine import sources as reading
from agent.engine.job import in_order
from agent.platforms.aidp import definitions, jobrules
from agent.platforms.aidp.jobrules import items, needs
from agent.records import TaskKey, TaskSource, Tree

TYPES: Mapping[str, str] = {
    "NOTEBOOK_TASK": "notebook_task",
    "PYTHON_TASK": "spark_python_task",
    "JAR_TASK": "spark_jar_task",
    "IF_ELSE_TASK": "condition_task",
    "JOB_TASK": "run_job_task",
    "AGENT_TASK": "agent_task",
    "SPARK_SUBMIT_TASK": "spark_submit_task",
}
_ON_MAIN_FILE = ("notebookPath", "filePath")
_Fields = dict[str, Any]


class Around(NamedTuple):
    """What a job's definition is read with."""

    tree: Tree
    local: Callable[[str], str | None]
    """Return the tree's path of a file that the definition names, None where it is elsewhere."""


def type_of(task: Mapping[str, Any]) -> str:
    """Return a task's type in the words of all platforms; of an unknown one its own in small."""
    said = str(task.get("type") or "")
    return TYPES.get(said, said.lower())


def ordered(job: Mapping[str, Any]) -> list[_Fields]:
    """Return a job's tasks in dependency order, as far as there is one, else as written."""
    return in_order((task for task in items(job, "tasks") if key(task)), key, needs)


def key(task: Mapping[str, Any]) -> str:
    """Return a task's key; empty where it has none that can be used."""
    return problems.task_key(task.get("taskKey")) or ""


def main_file(task: Mapping[str, Any], around: Around) -> str | None:
    """Return a task's main file in the tree, None where it has none there."""
    for at, path in jobrules.paths(task):
        if at[0] in _ON_MAIN_FILE:
            return around.local(path)
    return None


def of(job: _Fields, around: Around) -> tuple[TaskSource, ...]:
    """Return the tasks with their files, in dependency order."""
    root = Path(around.tree.root)
    found = []
    for task in ordered(job):
        path = main_file(task, around)
        found.append(
            TaskSource(
                task=key(task),
                type=type_of(task),
                path=path,
                text=reading.read(root, path),
                depends_on=tuple(k for k in needs(task) if len(k) <= 100),
                parameters=tuple(_given(job, task)),
                imports=tuple(_imports(path, around)),
            )
        )
    return tuple(found)


def _imports(path: str | None, around: Around) -> Iterator[tuple[str, str]]:
    if path is not None:
        also = reading.beside(around.tree.files)
        yield from reading.brought(Path(around.tree.root), path, also)


def _given(job: Mapping[str, Any], task: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters a task can read, by name; a script's flags by theirs.

    A task's own win over the job's; a run's over both.
    """
    if type_of(task) in ("spark_python_task", "spark_jar_task") and task.get(
        "commandLineArguments"
    ):
        return reading.flags(str(task["commandLineArguments"]).split())
    return {**_named(job), **_named(task)}


def _named(holder: Mapping[str, Any]) -> dict[str, str]:
    listed = items(holder, "parameters")
    return {str(p["name"]): values.as_text(p.get("value") or "") for p in listed if p.get("name")}


def affected(before: tuple[_Fields, Around], after: tuple[_Fields, Around]) -> tuple[TaskKey, ...]:
    """Return the later job's tasks whose declaration or code differs from the earlier job's."""
    earlier, then = before
    job, now = after
    old = {key(task): task for task in ordered(earlier)}
    return tuple(
        key(task)
        for task in ordered(job)
        if (was := old.get(key(task))) is None
        or _state(earlier, was, then) != _state(job, task, now)
    )


def _state(job: _Fields, task: _Fields, around: Around) -> tuple[object, ...]:
    """Return everything that decides what a task does, as far as the tree says it."""
    path = main_file(task, around)
    declared = definitions.normal({"tasks": [task]})
    if path is not None:  # the same file under another folder is no change
        for name in _ON_MAIN_FILE:
            declared["tasks"][0].pop(name, None)
    files = {other for other, _ in _imports(path, around)} | {path or ""}
    contents = reading.contents(Path(around.tree.root), files)
    # Of an undocumented reach: whatever a job's parameters are, any of its tasks may read them.
    return json.dumps([declared, _named(job)], sort_keys=True, default=str), path, contents
