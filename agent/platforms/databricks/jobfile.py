"""A job file of the source as settings for the jobs API: checked, made whole, paths made remote.

The words are Databricks' own, as the API has them. A task that names no compute runs serverless,
in the environment `default`.

Source: https://docs.databricks.com/api/workspace/jobs/create
"""

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from agent.document import At, Document
from agent.engine import problems, values
from agent.engine.problems import Problem, nearest
from agent.platforms.databricks import dataclass_fields, pathfields, sdk, sources
from agent.platforms.databricks.files import MAX_BYTES
from agent.platforms.databricks.layout import Layout
from agent.records import Tree
from agent.remote import jobfiles

_COMPUTE = ("existing_cluster_id", "new_cluster", "job_cluster_key", "environment_key")
_NEEDS_ENVIRONMENT = ("spark_python_task", "python_wheel_task", "dbt_task")
_ENVIRONMENT = "2"
"""Of the serverless environment, where the file names none."""
_MESSAGE = 200


class Read(NamedTuple):
    """A job file that can be deployed."""

    settings: dict[str, Any]
    """For the API, in full; paths are still the source's."""
    notes: tuple[str, ...]


def read(
    tree: Tree, path: str, given: Mapping[str, Any], warehouse: str | None
) -> Read | tuple[Problem, ...]:
    """Read a job file.

    `given` are the playbook's parameters, `warehouse` the id for SQL tasks that name none.
    """
    found = jobfiles.opened(tree, path)
    if isinstance(found, Problem):
        return (found,)
    said = texts(jobfiles.told(found.data), _job_settings())
    job = _whole(said, given, warehouse, PurePosixPath(path).stem)
    shape = dataclass_fields.Shape(_job_settings())
    wrong: list[tuple[At, str]] = [*dataclass_fields.wrong(job, shape, (), {})]
    # What has the right shape can be looked through.
    wrong = wrong or [*_wrong(tree, job), *_wrong_parameters(said, given)]
    if wrong:
        return tuple(_problem(found, at, message) for at, message in wrong)
    return Read(job, jobfiles.untold(found.data, "Databricks"))


def remote(settings: dict[str, Any], there: Layout) -> dict[str, Any]:
    """Return the settings with the source's paths as the workspace's."""

    def new(field: pathfields.Field) -> str:
        local = field.value.removeprefix("./")
        return there.remote(local) if field.is_local else field.value

    made: dict[str, Any] = pathfields.replaced(settings, pathfields.of_job(settings), new)
    return made


def _job_settings() -> Any:
    sdk.prepare()
    from databricks.sdk.service.jobs import JobSettings

    return JobSettings


def _problem(found: Document, at: At, message: str) -> Problem:
    task = problems.task_key(problems.task_at(found, at).get("task_key"))
    return Problem(found.line(at), message[:_MESSAGE], task)


def texts(value: Any, hint: Any) -> Any:
    """Return values as the API takes them: `true` and `3` in YAML are text where it wants text."""
    hint = _bare(hint)
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(value, dict):
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            fields = dataclass_fields.hints(hint)
            return {k: texts(v, fields.get(k)) for k, v in value.items()}
        return {k: texts(v, inside[1] if origin is dict else None) for k, v in value.items()}
    if isinstance(value, list):
        return [texts(item, inside[0] if origin is list else None) for item in value]
    is_text = hint is str and isinstance(value, bool | int | float)
    return values.as_text(value) if is_text else value


def _bare(hint: Any) -> Any:
    """Return a hint without `Optional`."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inside = [a for a in typing.get_args(hint) if a is not type(None)]
        return _bare(inside[0]) if len(inside) == 1 else Any
    return hint


def _wrong(tree: Tree, job: dict[str, Any]) -> Iterator[tuple[At, str]]:
    tasks = job.get("tasks") or []
    if not tasks:
        yield ("tasks",), "the job file declares no tasks"
    keys = [task["task_key"] for task in tasks]
    for i, task in enumerate(tasks):
        if keys.index(keys[i]) != i:
            yield ("tasks", i, "task_key"), f'two tasks are called "{keys[i]}"'
        if not sources.type_of(task):
            yield ("tasks", i), f'task "{keys[i]}" needs exactly one key that names its type'
        for name in sources.needs(task):
            if name not in keys:
                near = nearest(name, keys)
                said = f'task "{keys[i]}" depends on "{name}", which is no task{near}'
                yield ("tasks", i, "depends_on"), said
    yield from _wrong_paths(tree, job)


def _wrong_parameters(job: dict[str, Any], given: Mapping[str, Any]) -> Iterator[tuple[At, str]]:
    listed = job.get("parameters") or []
    known = [parameter["name"] for parameter in listed]
    for i, parameter in enumerate(listed):
        if parameter.get("default") is None and known[i] not in given:
            said = f'job parameter "{known[i]}" has no default and was not given a value'
            yield ("parameters", i), said
    for name in given:
        if name not in known:
            there = ", ".join(known) or "none"
            said = f'the job has no parameter "{name}"{nearest(name, known)} (parameters: {there})'
            yield ("parameters",), said


def _wrong_paths(tree: Tree, job: dict[str, Any]) -> Iterator[tuple[At, str]]:
    for field in pathfields.of_job(job):
        if not field.is_local:
            continue
        path = field.value.removeprefix("./")
        if not problems.inside(path):
            yield field.at, f'"{field.value}" is not a path inside the source'
        elif not field.folder and path not in tree.files:
            yield field.at, f'"{field.value}" does not exist{_like(path, tree)}'


def _like(path: str, tree: Tree) -> str:
    name = PurePosixPath(path).stem
    same = [f for f in tree.files if PurePosixPath(f).stem == name]
    said = " or ".join(f'"{f}"' for f in same[:3])
    return f"; did you mean {said}?" if same else nearest(path, tree.files)


def too_large(tree: Tree) -> Iterator[str]:
    """Yield what is said of each file that cannot be imported."""
    for path in tree.files:
        size = (Path(tree.root) / path).stat().st_size
        if size > MAX_BYTES:
            yield (
                f"{path} has {size >> 20} MiB, and a workspace takes files up to "
                f"{MAX_BYTES >> 20} MiB: put it on a volume, or have git ignore it"
            )


def _whole(
    job: dict[str, Any], given: Mapping[str, Any], warehouse: str | None, name: str
) -> dict[str, Any]:
    """Return the settings with what the local platform takes for granted said."""
    made: dict[str, Any] = pathfields.copied(job)
    made.setdefault("name", name)
    for environment in _items(made, "environments"):
        spec = environment.setdefault("spec", {})
        if isinstance(spec, dict) and not (spec.get("environment_version") or spec.get("client")):
            spec["environment_version"] = _ENVIRONMENT
    for parameter in _items(made, "parameters"):
        if parameter.get("default") is None:
            parameter["default"] = values.as_text(given.get(str(parameter.get("name")), ""))
    for task in _items(made, "tasks"):
        _complete(task, warehouse)
    named = [e.get("environment_key") for e in _items(made, "environments")]
    wanted = {t.get("environment_key") for t in _items(made, "tasks")}
    if "default" in wanted and "default" not in named:
        spec = {"environment_version": _ENVIRONMENT}
        added = {"environment_key": "default", "spec": spec}
        made["environments"] = [*(made.get("environments") or ()), added]
    return made


def _complete(task: dict[str, Any], warehouse: str | None) -> None:
    for kind in ("sql_task", "dbt_task"):
        if isinstance(inner := task.get(kind), dict) and warehouse:
            inner.setdefault("warehouse_id", warehouse)
    needs = sources.type_of(task) in _NEEDS_ENVIRONMENT and "for_each_task" not in task
    if needs and not any(task.get(name) for name in _COMPUTE):
        task["environment_key"] = "default"


def _items(job: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = job.get(name)
    return [i for i in found if isinstance(i, dict)] if isinstance(found, list) else []
