"""What must hold in a job's definition besides its shape: names, dependencies, files, schedule.

Everything is looked at even where a shape is wrong, so that all mistakes are told at once.
Sources: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aidug/configure-jobs.html
https://docs.oracle.com/en/cloud/paas/ai-data-platform/aidug/configure-tasks.html
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from agent.document import At
from agent.engine import problems
from agent.engine.problems import nearest
from agent.platforms.aidp import cron, schema
from agent.platforms.aidp.shapes import Wrong, called

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.job)?")
"""Hyphens were refused by one build of the service; what fits here was taken by all."""
_PARAMETER = re.compile(r"[A-Za-z0-9_.-]+")
_ELSEWHERE = re.compile(r"/|[A-Za-z][A-Za-z0-9+.-]*:|\{\{")
_MOST: tuple[tuple[str, int], ...] = (("maxRetries", 10), ("minRetryIntervalMillis", 600_000))
DESCRIPTION = 1024
"""Characters."""


def fitting(name: str) -> str:
    """Return the name that a job gets for one that AIDP does not take: etl-daily, etl_daily.job."""
    plain = re.sub(r"[^A-Za-z0-9_]+", "_", name.removesuffix(".job")).strip("_")
    return f"{plain if plain[:1].isalpha() else f'job_{plain}'.rstrip('_')}.job"


def is_local(path: str) -> bool:
    """Return whether a path of the definition is one of the source."""
    return _ELSEWHERE.match(path) is None


def items(holder: Any, name: str) -> list[dict[str, Any]]:
    """Return the objects of a list, in its places; what is none is an empty one."""
    found = holder.get(name) if isinstance(holder, dict) else None
    return [i if isinstance(i, dict) else {} for i in found] if isinstance(found, list) else []


def needs(task: Mapping[str, Any]) -> list[str]:
    """Return the keys of the tasks that one depends on; text is taken for a key."""
    listed = task.get("dependsOn")
    found = listed if isinstance(listed, list) else []
    named = (d.get("taskKey") if isinstance(d, dict) else d for d in found)
    return [key for key in named if isinstance(key, str) and key]


def wrong(
    job: Mapping[str, Any], files: Sequence[str], given: Mapping[str, Any], most: int
) -> Iterator[Wrong]:
    """Yield what does not hold.

    `files` are the tree's, `given` the playbook's parameters, `most` how long a description may be.
    """
    yield from _wrong_job(job, most)
    yield from _wrong_schedule(job)
    yield from _wrong_parameters(job, given)
    tasks = items(job, "tasks")
    if not tasks:
        yield Wrong(("tasks",), "the job file declares no tasks")
    keys = [str(task.get("taskKey") or "") for task in tasks]
    for i, task in enumerate(tasks):
        if keys[i] and keys.index(keys[i]) != i:
            yield Wrong(("tasks", i, "taskKey"), f'two tasks are called "{keys[i]}"')
        yield from _wrong_task(task, i, keys)
        yield from _wrong_files(task, i, files)
    if circle := _circle({key: needs(task) for key, task in zip(keys, tasks, strict=True)}):
        said = f"tasks depend on each other in a circle: {' -> '.join(circle)}"
        yield Wrong(("tasks", keys.index(circle[0])), said)


def _wrong_job(job: Mapping[str, Any], most: int) -> Iterator[Wrong]:
    name = job.get("name")
    if isinstance(name, str) and NAME.fullmatch(name) is None:
        takes = "a letter, then letters, digits and _, may end with .job"
        said = f'name of the job is "{name}", which AIDP does not take ({takes})'
        yield Wrong(("name",), f'{said}; did you mean "{fitting(name)}"?')
    description = job.get("description")
    if isinstance(description, str) and len(description) > most:
        said = f"description of the job has {len(description)} characters, {most} at most"
        yield Wrong(("description",), f"{said} ({DESCRIPTION} with the line that marks it as ours)")
    path = job.get("path")
    if isinstance(path, str) and (why := _wrong_path(path)) is not None:
        yield Wrong(("path",), f'path of the job is "{path}": {why}')
    runs = job.get("maxConcurrentRuns")
    if isinstance(runs, int) and not 1 <= runs <= 1000:
        yield Wrong(("maxConcurrentRuns",), f"maxConcurrentRuns of the job is {runs}: 1 to 1000")


def _wrong_path(path: str) -> str | None:
    return "it has an empty part (//)" if "//" in path and "://" not in path else None


def _wrong_schedule(job: Mapping[str, Any]) -> Iterator[Wrong]:
    schedule = job.get("schedule")
    expression = schedule.get("quartzCronExpression") if isinstance(schedule, dict) else None
    if isinstance(expression, str) and (said := cron.wrong(expression)) is not None:
        at = ("schedule", "quartzCronExpression")
        yield Wrong(at, f'quartzCronExpression of the schedule is "{expression}", {said}')


def _wrong_parameters(job: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[Wrong]:
    tasks = items(job, "tasks")
    holders = [
        ((), "the job", job),
        *((("tasks", i), called(t, i), t) for i, t in enumerate(tasks)),
    ]
    known: list[str] = []
    for at, who, holder in holders:
        for i, parameter in enumerate(items(holder, "parameters")):
            name = parameter.get("name")
            if not isinstance(name, str):
                continue
            known.append(name)
            place: At = (*at, "parameters", i)
            if _PARAMETER.fullmatch(name) is None:
                said = (
                    f'name of parameter {i + 1} of {who} is "{name}": letters, digits, _ . - only'
                )
                yield Wrong((*place, "name"), said)
            if parameter.get("value") is None and not (who == "the job" and name in given):
                yield Wrong(place, f'parameter "{name}" of {who} has no value')
    names = list(dict.fromkeys(known))
    for name in given:
        if name not in names:
            there = ", ".join(names) or "none"
            said = f'the job has no parameter "{name}"{nearest(name, names)} (parameters: {there})'
            yield Wrong(("parameters",), said)


def _wrong_task(task: Mapping[str, Any], i: int, keys: Sequence[str]) -> Iterator[Wrong]:
    who, at = called(task, i), ("tasks", i)
    for need in needs(task):
        if need not in keys:
            near = nearest(need, [k for k in keys if k and k != task.get("taskKey")])
            said = f'dependsOn of {who} names "{need}", which is no task{near}'
            yield Wrong((*at, "dependsOn"), f"{said} (tasks: {', '.join(filter(None, keys))})")
    for name, most in _MOST:
        value = task.get(name)
        if isinstance(value, int) and value > most:
            yield Wrong((*at, name), f"{name} of {who} is {value}, {most} at most")
    if task.get("isStreaming") is True:
        for name in ("timeoutSeconds", "dependsOn", "maxRetries"):
            if task.get(name):
                yield Wrong((*at, name), f"{who} is streaming and cannot have {name}")


def paths(task: Mapping[str, Any]) -> Iterator[tuple[At, str]]:
    """Yield the files a task names, with their places in it; those of a git provider left out."""
    if task.get("source") == "GIT_PROVIDER":
        return
    for kind, name in schema.FILES:
        value = task.get(name)
        if task.get("type") == kind and isinstance(value, str) and value:
            yield (name,), value
    libraries = task.get("dependentLibraries")
    for i, library in enumerate(libraries if isinstance(libraries, list) else ()):
        if task.get("type") == "JAR_TASK" and isinstance(library, str) and library:
            yield ("dependentLibraries", i), library


def _wrong_files(task: Mapping[str, Any], i: int, files: Sequence[str]) -> Iterator[Wrong]:
    for at, value in paths(task):
        said: str | None = None
        path = value.removeprefix("./")
        if not is_local(value):
            said = f": {wrong}" if (wrong := _wrong_path(value)) else None
        elif not problems.inside(path):
            said = ", which is no path inside the source"
        elif path not in files:
            said = f", which is no file of the source{_like(path, files)}"
        if said is not None:
            what = f'{at[0]} of {called(task, i)} is "{value}"'
            yield Wrong(("tasks", i, *at), f"{what}{said}")


def _like(path: str, files: Sequence[str]) -> str:
    pure = PurePosixPath(path)
    same = [f for f in files if PurePosixPath(f).name == pure.name]
    same = same or [f for f in files if PurePosixPath(f).stem == pure.stem]
    said = " or ".join(f'"{f}"' for f in same[:3])
    return f"; did you mean {said}?" if same else nearest(path, files)


def _circle(needed: dict[str, list[str]]) -> list[str]:
    """Return the keys of one circle, the first again at its end; empty where there is none."""
    done: set[str] = set()
    for start in needed:
        trail: list[tuple[str, Iterator[str]]] = [(start, iter(needed[start]))]
        while trail:
            on_trail = [key for key, _ in trail]
            following = next(trail[-1][1], None)
            if following is None:
                done.add(trail.pop()[0])
            elif following in on_trail:
                return [*on_trail[on_trail.index(following) :], following]
            elif following in needed and following not in done:
                trail.append((following, iter(needed[following])))
    return []
