"""What a fixer must know of the world around a failed task, from its run and the job's settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from agent.engine.facts import data_files
from agent.engine.sources import flags
from agent.platforms.databricks import parameters, sources, states
from agent.platforms.databricks.layout import Layout
from agent.records import Facts, Tree
from agent.remote import texts


class Around(NamedTuple):
    """What is known around a run's tasks."""

    tree: Tree
    layout: Layout | None
    """None where it is not known where the source lies in the workspace."""
    job_file: str | None
    """The file of the tree that declares the job."""
    settings: Mapping[str, Any]
    """The job's, empty where they cannot be read."""
    run: Mapping[str, Any]

    def local(self, remote: str) -> str | None:
        """Return the file of the tree that a remote path, or one of the tree's own, means."""
        if self.layout is not None and (found := self.layout.local(remote)) is not None:
            return found
        return remote if remote in self.tree.files else None

    def main_file(self, task: dict[str, Any]) -> str | None:
        """Return a task's main file in the tree."""
        return sources.main_file(_inner(task), sources.Around(self.tree, self.local))


def of(around: Around, task: dict[str, Any]) -> Facts:
    """Return the facts around a task."""
    inner = _inner(task)
    given = parameters.carried(around.run, {}, anew=False).known
    return Facts(
        files=around.tree.files,
        datasets=tuple(data_files(Path(around.tree.root), around.tree.files, ())),
        job_file=around.job_file,
        parameters=texts.values(given),
        widgets=texts.values(_widgets(inner, around.run, given)),
        distributions=tuple(sources.requirements(around.settings, inner)),
        task_type=states.task_type(inner),
        task_file=around.main_file(task),
    )


def whole(around: Around) -> Facts:
    """Return the facts around a run as a whole."""
    given = parameters.carried(around.run, {}, anew=False).known
    return Facts(files=around.tree.files, job_file=around.job_file, parameters=texts.values(given))


def _inner(task: dict[str, Any]) -> dict[str, Any]:
    """Return what a for-each task repeats, any other task as it is."""
    loop = task.get("for_each_task")
    inner = loop.get("task") if isinstance(loop, dict) else None
    return {**task, **inner, "for_each_task": None} if isinstance(inner, dict) else task


def _widgets(
    task: Mapping[str, Any], run: Mapping[str, Any], given: Mapping[str, str]
) -> dict[str, str]:
    kind = states.task_type(dict(task)) or ""
    resolved = _dict(_dict(task, "resolved_values"), kind)
    own = {**_dict(task, kind), **resolved}
    job = given if run.get("job_parameters") else {}
    overriding = _dict(run, "overriding_parameters")
    match kind:
        case "notebook_task":
            found = {**_dict(own, "base_parameters"), **_dict(overriding, "notebook_params"), **job}
        case "python_wheel_task":
            named = _dict(overriding, "python_named_params")
            found = {**_dict(own, "named_parameters"), **named}
        case "sql_task":
            found = {**_dict(own, "parameters"), **_dict(overriding, "sql_params"), **job}
        case "spark_python_task":
            words = overriding.get("python_params") or own.get("parameters")
            found = flags([str(w) for w in words or ()])
        case _:
            found = {}
    return {str(k): str(v) for k, v in found.items()}


def _dict(item: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = item.get(key)
    return found if isinstance(found, dict) else {}
