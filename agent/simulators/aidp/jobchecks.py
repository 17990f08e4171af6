"""What the service refuses in a job's definition, in its own words, and what it keeps of it.

Rules kept here: the name first, then the shape of every field, then what tasks say of each other.
A cluster that does not exist, a UUID in place of its name and a job that is not there are no
mistakes to the service: runs fail of them. Not established, so lenient: what a streaming task may
be combined with, and the expressions of an IF_ELSE_TASK.
Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/op-jobs-post.html
"""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_args

from agent.engine.job import RunIf
from agent.simulators.aidp import cron
from agent.simulators.aidp.wire import ApiError, invalid

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

Fields = Mapping[str, Any]

READ_ONLY = (
    "key",
    "createdBy",
    "createdByName",
    "updatedBy",
    "updatedByName",
    "timeCreated",
    "timeUpdated",
)
"""Fields of a job that only the service sets; sent, they are ignored."""
FIELDS = (
    "name",
    "description",
    "path",
    "maxConcurrentRuns",
    "jobClusters",
    "tasks",
    "parameters",
    "schedule",
    "continuous",
    "queue",
    "gitConfig",
    "runAs",
    "timeoutSeconds",
)
RUN_IFS: tuple[RunIf, ...] = get_args(RunIf)
"""Decided by the engine's rules, which have the same words."""
TYPES: dict[str, tuple[str, ...]] = {
    "NOTEBOOK_TASK": ("notebookPath", "cluster"),
    "PYTHON_TASK": ("filePath", "cluster"),
    "JAR_TASK": ("mainClass", "cluster"),
    "IF_ELSE_TASK": ("expressions", "condition"),
    "JOB_TASK": ("jobKey",),
    "AGENT_TASK": ("agentKey", "prompt"),
}
"""What a task of each type must have. SPARK_SUBMIT_TASK is a word of the enumeration without a
schema, so it is refused as an unknown type is."""
_TASK_FIELDS = (
    *("type", "taskKey", "runIf", "dependsOn", "source", "gitConfig", "parameters", "cluster"),
    *("maxRetries", "minRetryIntervalMillis", "isRetryOnTimeout", "timeoutSeconds", "isStreaming"),
    *("notebookPath", "filePath", "mainClass", "commandLineArguments", "dependentLibraries"),
    *("expressions", "condition", "jobKey", "agentKey", "prompt"),
)
_TASK_TEXTS = (
    *("taskKey", "runIf", "source", "notebookPath", "filePath", "mainClass"),
    *("commandLineArguments", "condition", "jobKey", "agentKey", "prompt"),
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]*")
_HYPHENED = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_PARAMETER = re.compile(r"[A-Za-z0-9_.-]+")
_PAUSES = ("PAUSED", "UNPAUSED")
_MOST_PARAMETERS = 200


def check(sim: "Simulator", job: Fields, *, new: bool) -> None:
    """Refuse what the service refuses. Raises `ApiError` (400).

    `new`: a job that is created; a missing name is worded in another way there.
    """
    _check_name(sim, job.get("name"), new=new)
    _check_path("path", job.get("path"))
    _check_texts(job)
    _whole(job.get("maxConcurrentRuns"), "maxConcurrentRuns", 1, 1000)
    _whole(job.get("timeoutSeconds"), "timeoutSeconds", 0, None)
    if len(_objects(job.get("jobClusters"), "jobClusters")) > 100:
        raise invalid("jobClusters size must be between 0 and 100")
    check_parameters(job.get("parameters"), "parameters")
    _check_when(sim, job)
    tasks = _objects(job.get("tasks"), "tasks")
    for place, task in enumerate(tasks):
        _check_task(sim, task, f"tasks[{place}]")
    _check_graph(tasks)


def _check_name(sim: "Simulator", name: Any, *, new: bool) -> None:
    if name is None and not new:
        raise invalid("name must not be null")
    allowed = _HYPHENED if sim.options.hyphen_names else _NAME
    if not isinstance(name, str) or not allowed.fullmatch(name):
        raise invalid("Invalid resource name")


def _check_path(where: str, path: Any) -> None:
    if path is None:
        return
    if not isinstance(path, str):
        raise _unparsable(where)
    if (at := path.find("//")) >= 0:
        raise invalid(f"empty node name @{at + 1}")


def _check_texts(job: Fields) -> None:
    for name in ("description", "runAs"):
        if job.get(name) is not None and not isinstance(job[name], str):
            raise _unparsable(name)
    if len(job.get("description") or "") > 1024:
        raise invalid("description size must be between 0 and 1024")


def _whole(value: Any, where: str, least: int, most: int | None) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise _unparsable(where)
    if value < least:
        raise invalid(f"{where} must be greater than or equal to {least}")
    if most is not None and value > most:
        raise invalid(f"{where} must be less than or equal to {most}")


def _objects(value: Any, where: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _unparsable(where)
    return value


def check_parameters(value: Any, where: str) -> None:
    """Refuse parameters whose names or values are none. Raises `ApiError` (400)."""
    found = _objects(value, where)
    if len(found) > _MOST_PARAMETERS:
        raise invalid(f"{where} size must be between 0 and {_MOST_PARAMETERS}")
    for place, parameter in enumerate(found):
        name = parameter.get("name")
        _required(parameter, "name", f"{where}[{place}]")
        if not isinstance(name, str) or not _PARAMETER.fullmatch(name):
            raise invalid(f"{where}[{place}].name must match [A-Za-z0-9_.-]+")
        if not isinstance(parameter.get("value", ""), str | None):
            raise invalid(f"{where}[{place}].value must be a string")


def _required(holder: Fields, name: str, where: str) -> None:
    if holder.get(name) is None:
        raise invalid(f"{where}.{name} must not be null")


def _check_when(sim: "Simulator", job: Fields) -> None:
    for name in ("schedule", "continuous", "queue", "gitConfig"):
        if job.get(name) is not None and not isinstance(job[name], dict):
            raise _unparsable(name)
    if (schedule := job.get("schedule")) is not None:
        _check_schedule(sim, schedule)
    if (queue := job.get("queue")) is not None:
        _required(queue, "isEnabled", "queue")
    for name in ("schedule", "continuous"):
        _check_word(job.get(name) or {}, "pauseStatus", _PAUSES, name)


def _check_schedule(sim: "Simulator", schedule: Fields) -> None:
    for name in ("quartzCronExpression", "timezoneId"):
        _required(schedule, name, "schedule")
        if not isinstance(schedule[name], str):
            raise _unparsable(f"schedule.{name}")
    try:
        found = cron.parse(schedule["quartzCronExpression"], schedule["timezoneId"])
    except ValueError as error:
        raise invalid(f"Invalid schedule: {error}") from error
    gap = cron.shortest_gap_s(found, sim.clock.now_ms())
    if gap is not None and gap < cron.SHORTEST_S:
        raise invalid(
            f"Invalid schedule: runs must be at least {cron.SHORTEST_S // 60} minutes apart, "
            f"'{schedule['quartzCronExpression']}' has {gap:g} seconds between two"
        )


def _check_word(holder: Fields, name: str, allowed: tuple[str, ...], where: str) -> None:
    if holder.get(name) is not None and holder[name] not in allowed:
        raise invalid(f"{where}.{name} must be one of {', '.join(allowed)}")


def _check_task(sim: "Simulator", task: Fields, where: str) -> None:
    kind = task.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        raise invalid("Invalid Task type")
    for name in ("taskKey", "runIf", *TYPES[kind]):
        _required(task, name, where)
    for name in _TASK_TEXTS:
        if task.get(name) is not None and not isinstance(task[name], str):
            raise _unparsable(f"{where}.{name}")
    _check_word(task, "runIf", RUN_IFS, where)
    _check_word(task, "source", ("WORKSPACE", "GIT_PROVIDER"), where)
    if not isinstance(task.get("cluster", {}), dict | None):
        raise _unparsable(f"{where}.cluster")
    for name in ("notebookPath", "filePath"):
        _check_path(f"{where}.{name}", task.get(name))
    _whole(task.get("maxRetries"), f"{where}.maxRetries", 0, 10)
    _whole(task.get("minRetryIntervalMillis"), f"{where}.minRetryIntervalMillis", 0, 600_000)
    _whole(task.get("timeoutSeconds"), f"{where}.timeoutSeconds", 0, None)
    check_parameters(task.get("parameters"), f"{where}.parameters")
    for place, expression in enumerate(_objects(task.get("expressions"), f"{where}.expressions")):
        for name in ("key", "value"):
            _required(expression, name, f"{where}.expressions[{place}]")
    _check_needs(sim, task, where)


def _check_needs(sim: "Simulator", task: Fields, where: str) -> None:
    found = task.get("dependsOn")
    if found is not None and not isinstance(found, list):
        raise _unparsable(f"{where}.dependsOn")
    for place, need in enumerate(found or ()):
        if isinstance(need, str) and sim.options.bare_depends_on != "refused":
            continue
        if not isinstance(need, dict):
            raise _unparsable(f"{where}.dependsOn[{place}]")
        _required(need, "taskKey", f"{where}.dependsOn[{place}]")


def _check_graph(tasks: list[dict[str, Any]]) -> None:
    keys = [task["taskKey"] for task in tasks]
    for place, key in enumerate(keys):
        if key in keys[:place]:
            raise invalid(f"Duplicate taskKey '{key}'")
    left = {task["taskKey"]: set(parents(task)) for task in tasks}
    for key, needs in left.items():
        if unknown := sorted(needs - set(keys)):
            raise invalid(f"Task '{key}' depends on unknown task '{unknown[0]}'")
    while ready := [key for key, needs in left.items() if not needs & set(left)]:
        for key in ready:
            del left[key]
    if left:
        raise invalid(f"Cyclic dependency between tasks {', '.join(sorted(left))}")


def parents(task: Fields) -> Iterator[str]:
    """Yield the keys of the tasks that a task depends on, in either form."""
    for need in task.get("dependsOn") or ():
        yield str(need if isinstance(need, str) else need.get("taskKey"))


def _unparsable(where: str) -> ApiError:
    message = f"Incorrectly formatted request. Please check the field {where}"
    return ApiError(400, "CannotParseRequest", message)


def kept(sim: "Simulator", given: Fields) -> dict[str, Any]:
    """Return what the service stores of a checked definition, without what it sets itself."""
    options = sim.options
    job = {k: v for k, v in given.items() if k not in READ_ONLY}
    if options.unknown_fields == "dropped":
        job = {k: v for k, v in job.items() if k in FIELDS}
    if job.get("tasks") is not None:
        job["tasks"] = [_kept_task(sim, task) for task in job["tasks"]]
    return job


def _kept_task(sim: "Simulator", task: Fields) -> dict[str, Any]:
    found = dict(task)
    if sim.options.unknown_fields == "dropped":
        found = {k: v for k, v in found.items() if k in _TASK_FIELDS}
    if sim.options.bare_depends_on == "lost" and found.get("dependsOn"):
        found["dependsOn"] = [need for need in found["dependsOn"] if isinstance(need, dict)]
    return found
