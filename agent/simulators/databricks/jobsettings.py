"""Settings of jobs: what the service refuses, fills in, merges and cuts.

Rules kept here: settings are kept as they were given, unknown fields included; what is filled in is
what `jobs/get` shows. Sources: https://docs.databricks.com/api/workspace/jobs/create,
https://docs.databricks.com/api/workspace/jobs/update
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from agent.engine.job import RunIf
from agent.simulators.databricks.wire import invalid

Settings = dict[str, Any]

ARRAYS = {
    "tasks": "task_key",
    "job_clusters": "job_cluster_key",
    "environments": "environment_key",
    "parameters": "name",
}
"""Arrays that are merged by key and cut on pages."""
PAGE = 100
RUN_IFS: tuple[RunIf, ...] = get_args(RunIf)
"""Decided by the engine's rules, which have the same words."""
_PROVIDERS = (
    "github",
    "gitlab",
    "bitbucketcloud",
    "gitlabenterpriseedition",
    "bitbucketserver",
    "azuredevopsservices",
    "githubenterprise",
    "awscodecommit",
)
_KEY = re.compile(r"[\w-]{1,100}")
_LEGACY_TYPES = (
    "notebook_task",
    "spark_python_task",
    "spark_jar_task",
    "spark_submit_task",
    "python_wheel_task",
    "pipeline_task",
    "dbt_task",
    "sql_task",
    "run_job_task",
)
_LEGACY_FIELDS = (
    "existing_cluster_id",
    "new_cluster",
    "libraries",
    "max_retries",
    "min_retry_interval_millis",
    "retry_on_timeout",
)
_REQUIRED = {
    "notebook_task": ("notebook_path",),
    "spark_python_task": ("python_file",),
    "python_wheel_task": ("package_name", "entry_point"),
    "run_job_task": ("job_id",),
    "pipeline_task": ("pipeline_id",),
    "sql_task": ("warehouse_id",),
    "dbt_task": ("commands",),
    "condition_task": ("op", "left", "right"),
    "for_each_task": ("inputs", "task"),
}


def type_of(task: Mapping[str, Any]) -> str | None:
    """Return the field that says what the task does, None for a task that does nothing."""
    return next((k for k, v in task.items() if k.endswith("_task") and isinstance(v, dict)), None)


def listed(settings: Mapping[str, Any], name: str) -> list[Settings]:
    """Return an array of the settings, empty where there is none."""
    found = settings.get(name) or []
    return [item for item in found if isinstance(item, dict)]


def check(settings: Mapping[str, Any]) -> None:
    """Refuse what the service refuses. Raises `ApiError` (400 INVALID_PARAMETER_VALUE)."""
    for name, key in ARRAYS.items():
        _check_array(settings.get(name), name, key)
    most = settings.get("max_concurrent_runs")
    if most is not None and (not isinstance(most, int) or not 0 <= most <= 1000):
        raise invalid("max_concurrent_runs must be between 0 and 1000.")
    _check_provider(settings.get("git_source"))
    tasks = listed(settings, "tasks")
    for task in tasks:
        _check_task(settings, task)
    if circle := _circle(tasks):
        raise invalid(
            f"Invalid dependency graph: there is a cycle in tasks: {' -> '.join(circle)}."
        )
    if sum(bool(settings.get(name)) for name in ("schedule", "trigger", "continuous")) > 1:
        raise invalid("Only one of schedule, trigger and continuous can be set on a job.")


def _check_array(found: Any, name: str, key: str) -> None:
    if found is None:
        return
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise invalid(f"Expected an array of objects for field '{name}'.")
    seen: set[str] = set()
    for item in found:
        value = item.get(key)
        if not isinstance(value, str) or not value:
            raise invalid(f"Missing required field: {name}.{key}")
        if name != "parameters" and not _KEY.fullmatch(value):
            raise invalid(
                f"{name}.{key} '{value}' is invalid: it may only contain alphanumeric characters, "
                "- and _, and up to 100 characters."
            )
        if value in seen:
            raise invalid(f"Duplicate {key} '{value}': {key} must be unique within the job.")
        seen.add(value)


def _check_provider(source: Any) -> None:
    if not isinstance(source, dict):
        return
    if str(source.get("git_provider") or "").lower() not in _PROVIDERS:
        raise invalid(f"git_source.git_provider must be one of: {','.join(_PROVIDERS)}")


def _check_task(settings: Mapping[str, Any], task: Settings) -> None:
    key = task["task_key"]
    types = [k for k, v in task.items() if k.endswith("_task") and isinstance(v, dict)]
    if len(types) > 1:
        raise invalid(f"Task {key} has more than one type: {', '.join(types)}.")
    for kind in types:
        for needed in _REQUIRED.get(kind, ()):
            if task[kind].get(needed) in (None, ""):
                raise invalid(f"Missing required field: tasks[{key}].{kind}.{needed}")
    if task.get("run_if") not in (None, *RUN_IFS):
        raise invalid(f"run_if of task {key} must be one of: {', '.join(RUN_IFS)}.")
    keys = {other["task_key"] for other in listed(settings, "tasks")}
    for need in listed(task, "depends_on"):
        if need.get("task_key") not in keys:
            raise invalid(
                f"Invalid task dependency: task '{key}' depends on task '{need.get('task_key')}' "
                "that does not exist in the job."
            )
    _check_references(settings, task)


def _check_references(settings: Mapping[str, Any], task: Settings) -> None:
    """Refuse a cluster or environment that the job does not have."""
    for field, array in (("job_cluster_key", "job_clusters"), ("environment_key", "environments")):
        named = task.get(field)
        if named is None or (field == "environment_key" and not settings.get(array)):
            continue
        if named not in {item[field] for item in listed(settings, array)}:
            raise invalid(
                f"Task {task['task_key']} refers to {field} '{named}', which is not in {array}."
            )


def _circle(tasks: Sequence[Settings]) -> list[str]:
    needs = {t["task_key"]: [n["task_key"] for n in listed(t, "depends_on")] for t in tasks}
    left = dict(needs)
    while ready := [key for key, wanted in left.items() if not set(wanted) & set(left)]:
        for key in ready:
            del left[key]
    if not left:
        return []
    path = [next(iter(left))]
    while (following := next(n for n in needs[path[-1]] if n in left)) not in path:
        path.append(following)
    return [*path[path.index(following) :], following]


def filled(settings: Mapping[str, Any], *, queued: bool) -> Settings:
    """Return the settings with the defaults that `jobs/get` shows.

    `queued`: jobs made through 2.2 queue their runs unless they say otherwise.
    Source: https://docs.databricks.com/aws/en/reference/jobs-2.2-updates
    """
    if settings.get("name") in (None, ""):
        settings = {**settings, "name": "Untitled"}
    defaults: Settings = {
        "email_notifications": {},
        "webhook_notifications": {},
        "timeout_seconds": 0,
        "max_concurrent_runs": 1,
        "format": "MULTI_TASK",
    }
    if queued:
        defaults["queue"] = {"enabled": True}
    found = {k: v for k, v in settings.items() if v is not None}
    found = defaults | found | {"format": found.get("format") or "MULTI_TASK"}
    if "tasks" in found:
        found["tasks"] = [filled_task(task) for task in found["tasks"]]
    if "job_clusters" in found:
        found["job_clusters"] = [_filled_cluster(item) for item in found["job_clusters"]]
    return found


def filled_task(task: Settings) -> Settings:
    """Return a task with its defaults."""
    defaults = {"run_if": "ALL_SUCCESS", "timeout_seconds": 0, "email_notifications": {}}
    found = defaults | _filled_cluster({k: v for k, v in task.items() if v is not None})
    if needs := listed(found, "depends_on"):
        found["depends_on"] = sorted(needs, key=lambda need: str(need.get("task_key")))
    if isinstance(book := found.get("notebook_task"), dict):
        found["notebook_task"] = {"source": "WORKSPACE"} | book
    return found


def _filled_cluster(item: Settings) -> Settings:
    cluster = item.get("new_cluster")
    if not isinstance(cluster, dict):
        return item
    return item | {"new_cluster": {"data_security_mode": "SINGLE_USER"} | cluster}


def merged(before: Mapping[str, Any], changes: Mapping[str, Any]) -> Settings:
    """Return the settings of `jobs/update`: fields replaced, arrays merged by their keys."""
    found = dict(before)
    for name, value in changes.items():
        key = ARRAYS.get(name)
        if name == "parameters" or key is None or not isinstance(value, list):
            found[name] = value
            continue
        items = {item[key]: item for item in listed(before, name)}
        items |= {item[key]: item for item in value if isinstance(item, dict) and key in item}
        found[name] = list(items.values())
    return found


def without(settings: Mapping[str, Any], paths: Sequence[str]) -> Settings:
    """Return the settings without the named fields: `schedule`, `tasks/KEY`, `tags/NAME`."""
    found = dict(settings)
    for path in paths:
        name, _, inner = str(path).partition("/")
        if not inner:
            found.pop(name, None)
        elif name in ARRAYS:
            found[name] = [i for i in listed(found, name) if i.get(ARRAYS[name]) != inner]
        elif isinstance(found.get(name), dict):
            found[name] = {k: v for k, v in found[name].items() if k != inner}
    return found


def one_task(body: Mapping[str, Any], key: str) -> Settings | None:
    """Return the only task of a request in the form before `tasks`, None where there is none."""
    if body.get("tasks") or not any(isinstance(body.get(kind), dict) for kind in _LEGACY_TYPES):
        return None
    kept = (*_LEGACY_TYPES, *_LEGACY_FIELDS)
    return {"task_key": key} | {k: body[k] for k in kept if body.get(k) is not None}


def cut(document: Mapping[str, Any], start: int, names: Sequence[str]) -> tuple[Settings, bool]:
    """Return the document with `PAGE` items of each array from `start` on, and whether more are."""
    found, more = dict(document), False
    for name in names:
        items = document.get(name)
        if isinstance(items, list):
            found[name] = items[start : start + PAGE]
            more |= len(items) > start + PAGE
            if not found[name]:
                del found[name]
    return found, more


def named(settings: Mapping[str, Any], name: str, key: str) -> Settings | None:
    """Return the item of an array with that key, None where there is none."""
    return next((i for i in listed(settings, name) if i.get(ARRAYS[name]) == key), None)


def strings(value: object) -> Iterator[str]:
    """Yield every text inside a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
