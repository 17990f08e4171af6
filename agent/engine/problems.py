"""What is wrong with a job file, each problem with its line and what exists instead.

`read` gives the job or its problems; a problem is a value that becomes a failure of create.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from agent import document
from agent.document import At, Document, Unreadable
from agent.engine import values
from agent.engine.job import TASK_TYPES, Job, Task

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails


class Problem(NamedTuple):
    """One thing that is wrong."""

    line: int
    """1-based line of the job file; 0 where there is no file."""
    message: str
    task: str | None = None


def read(root: Path, path: str, given: Mapping[str, object]) -> Job | tuple[Problem, ...]:
    """Read the job file at `path` (relative to `root`); `given` are the playbook's parameters."""
    file = root / path
    if not file.is_file():
        return (Problem(0, f"the job file {path} does not exist{_like(path, _files(root))}"),)
    found = opened(file)
    if isinstance(found, Problem):
        return (found,)
    job = parse(found)
    if not isinstance(job, Job):
        return job
    problems = tuple(
        Problem(found.line(p), message, task) for p, message, task in _wrong(job, root, given)
    )
    return problems or job


def opened(file: Path) -> Document | Problem:
    """Read a file that is there; a `Problem` where that fails."""
    try:
        return document.read(file)
    except OSError as error:
        return Problem(1, f"the job file cannot be read: {error.strerror or error}")
    except Unreadable as error:
        return Problem(*error.problem)


def parse(found: Document) -> Job | tuple[Problem, ...]:
    """Return the job that a document spells, or what the schema has against it."""
    from pydantic import ValidationError

    try:
        return Job.model_validate(found.data)
    except ValidationError as error:
        return tuple(_from_schema(found, detail) for detail in error.errors())


def nearest(word: str, known: Sequence[str]) -> str:
    """Return `; did you mean "x"?` where something is near, else nothing."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else ""


def _from_schema(found: Document, detail: "ErrorDetails") -> Problem:
    path = tuple(detail["loc"])
    line = found.line(path)
    task = task_key(task_at(found, path).get("task_key"))
    where = f' of task "{task}"' if task else ""
    if detail["type"] == "extra_forbidden":
        key = str(path[-1])
        known = tuple(_schema_at(path[:-1]).model_fields)
        if key.endswith("_task") and len(path) == 3:
            types = ", ".join(TASK_TYPES)
            near = nearest(key, TASK_TYPES)
            return Problem(line, f'unknown task type "{key}"{where}{near} (types: {types})', task)
        listed = ", ".join(known)
        message = f'unknown key "{key}"{where}{nearest(key, known)} (keys: {listed})'
        return Problem(line, message, task)
    dotted = ".".join(str(p) for p in path if not isinstance(p, int))
    if detail["type"] == "missing":
        return Problem(line, f'the key "{path[-1]}" is missing{where} ({dotted})', task)
    given = detail.get("input")
    shown = "" if isinstance(given, dict | list) else f", found {given!r}"
    return Problem(line, f"{dotted}{where}: {detail['msg'].lower()}{shown}", task)


def task_at(found: Document, at: At) -> Mapping[str, Any]:
    """Return the task that a place of a job file lies in; empty where it lies in none."""
    tasks = found.data.get("tasks")
    if len(at) < 2 or at[0] != "tasks" or not isinstance(tasks, list) or isinstance(at[1], str):
        return {}
    item = tasks[at[1]] if at[1] < len(tasks) else None
    return item if isinstance(item, dict) else {}


def task_key(key: object) -> str | None:
    """Return what a file calls a task where that can be used, else None."""
    return key if isinstance(key, str) and 0 < len(key) <= 100 else None


def _schema_at(path: tuple[str | int, ...]) -> "type[BaseModel]":
    """Return the model that the keys at `path` belong to."""
    from pydantic import BaseModel

    schema: type[BaseModel] = Job
    for part in path:
        if isinstance(part, int) or part not in schema.model_fields:
            continue
        inner = _models(schema.model_fields[part].annotation)
        schema = inner[0] if inner else schema
    return schema


def _models(annotation: Any) -> list[Any]:
    from typing import get_args

    from pydantic import BaseModel

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for arg in get_args(annotation) for found in _models(arg)]


_EARLY = tuple(name for name in values.NAMES if name != "task.name")
_Found = tuple[At, str, str | None]


def _wrong(job: Job, root: Path, given: Mapping[str, object]) -> Iterator[_Found]:
    yield from _wrong_job(job, root, given)
    keys = [task.task_key for task in job.tasks]
    for i, task in enumerate(job.tasks):
        at: At = ("tasks", i)
        if keys.index(task.task_key) != i:
            yield (*at, "task_key"), f'two tasks are called "{task.task_key}"', task.task_key
        for path, message in _wrong_task(job, task, root):
            yield (*at, *path), f'task "{task.task_key}" {message}', task.task_key
    if circle := _circle(job):
        first = ("tasks", keys.index(circle[0]))
        yield first, f"tasks depend on each other in a circle: {' -> '.join(circle)}", circle[0]


def _wrong_job(job: Job, root: Path, given: Mapping[str, object]) -> Iterator[_Found]:
    known = [p.name for p in job.parameters]
    for i, parameter in enumerate(job.parameters):
        if parameter.default is None and parameter.name not in given:
            message = f'job parameter "{parameter.name}" has no default and was not given a value'
            yield ("parameters", i), message, None
        text = values.as_text(given.get(parameter.name, parameter.default or ""))
        unknown = [word for word in values.references(text) if word not in _EARLY]
        if unknown:
            message = f'job parameter "{parameter.name}" uses an unknown reference'
            listed = ", ".join(_EARLY)
            yield ("parameters", i), f"{message} {{{{{unknown[0]}}}}} (known: {listed})", None
    for name in given:
        if name not in known:
            listed = ", ".join(known) or "none"
            near = nearest(name, known)
            message = f'the job has no parameter "{name}"{near} (parameters: {listed})'
            yield ("parameters",), message, None
    for i, folder in enumerate(job.data):
        if not (root / folder).is_dir():
            yield ("data", i), f'the data folder "{folder}" does not exist', None
    yield from _wrong_database(job)


def _wrong_database(job: Job) -> Iterator[_Found]:
    if job.database is None:
        if any(task.sql_task for task in job.tasks):
            yield ("tasks",), 'the job has SQL tasks but no "database" that they run on', None
    elif not inside(job.database):
        yield ("database",), f'the database "{job.database}" must lie inside the source', None


def inside(path: str) -> bool:
    """Say whether a path, as written, stays inside the folder it is relative to."""
    pure = PurePosixPath(path)
    return not pure.is_absolute() and ".." not in pure.parts and "\0" not in path and bool(path)


def _wrong_task(job: Job, task: Task, root: Path) -> Iterator[tuple[At, str]]:
    keys = [other.task_key for other in job.tasks]
    for j, dependency in enumerate(task.depends_on):
        if dependency.task_key not in keys:
            near = nearest(dependency.task_key, [k for k in keys if k != task.task_key])
            message = f'depends on "{dependency.task_key}", which is no task{near}'
            yield ("depends_on", j, "task_key"), f"{message} (tasks: {', '.join(keys)})"
    environments = [e.environment_key for e in job.environments]
    if task.environment_key is not None and task.environment_key not in environments:
        near = nearest(task.environment_key, environments)
        listed = ", ".join(environments) or "none"
        message = f'names environment "{task.environment_key}", which is not declared{near}'
        yield ("environment_key",), f"{message} (environments: {listed})"
    if len(task.types) != 1:
        found = " and ".join(task.types) or "none"
        yield (), f"needs exactly one of {', '.join(TASK_TYPES)}; found {found}"
        return
    yield from _wrong_file(task, root)
    yield from _wrong_references(job, task)


def _wrong_file(task: Task, root: Path) -> Iterator[tuple[At, str]]:
    path, at = task.path or "", (task.type,)
    if not inside(path):
        yield at, f'names "{path}", which is not a path inside the source'
    elif not (root / path).is_file():
        yield at, f'names file "{path}", which does not exist{_like(path, _files(root))}'
    elif task.notebook_task and PurePosixPath(path).suffix not in (".ipynb", ".py"):
        yield at, f'names notebook "{path}", which is neither .ipynb nor .py'
    for j, dependency in enumerate(task.depends_on):
        if dependency.outcome is not None:
            said = "waits for an outcome, which only condition tasks have; there are none locally"
            yield ("depends_on", j, "outcome"), said
    for j, command in enumerate(task.dbt_task.commands if task.dbt_task else ()):
        if command.split()[:1] != ["dbt"]:
            yield (
                (*at, "commands", j),
                f'has the command "{command}", which does not begin with dbt',
            )


def _wrong_references(job: Job, task: Task) -> Iterator[tuple[At, str]]:
    parameters = [p.name for p in job.parameters]
    known = [*values.NAMES, *(f"job.parameters.{name}" for name in parameters)]
    upstream = _upstream(job, task)
    for text in task.texts():
        for word in values.references(text):
            if (value := values.task_value(word)) is not None:
                if value[0] not in upstream:
                    listed = ", ".join(sorted(upstream)) or "none"
                    message = f'uses {{{{{word}}}}}, but does not depend on task "{value[0]}"'
                    yield (task.type,), f"{message} (depends on: {listed})"
                continue
            name = values.parameter(word)
            if name in parameters if name is not None else word in values.NAMES:
                continue
            listed = ", ".join(known)
            message = f"uses an unknown reference {{{{{word}}}}}{nearest(word, known)}"
            yield (task.type,), f"{message} (known: {listed})"


def _upstream(job: Job, task: Task) -> set[str]:
    by_key = {other.task_key: other for other in job.tasks}
    found: set[str] = set()
    left = [d.task_key for d in task.depends_on]
    while left:
        key = left.pop()
        if key in by_key and key not in found:
            found.add(key)
            left += [d.task_key for d in by_key[key].depends_on]
    return found


def _circle(job: Job) -> list[str]:
    """Return the keys of one circle, the first again at its end; empty where there is none."""
    needs = {task.task_key: [d.task_key for d in task.depends_on] for task in job.tasks}

    def walk(key: str, trail: list[str]) -> list[str]:
        if key in trail:
            return [*trail[trail.index(key) :], key]
        found: list[str] = []
        for needed in needs.pop(key, []):
            found = found or walk(needed, [*trail, key])
        return found

    for task in job.tasks:
        if circle := walk(task.task_key, []):
            return circle
    return []


def _files(root: Path) -> list[str]:
    found: list[str] = []
    for file in sorted(root.rglob("*")):
        if file.is_file() and ".git" not in file.parts:
            found.append(file.relative_to(root).as_posix())
        if len(found) >= 5000:
            break
    return found


def _like(path: str, files: Sequence[str]) -> str:
    """Say which files have the same base name, or else a similar path."""
    name = PurePosixPath(path).name
    same = [f for f in files if PurePosixPath(f).name == name]
    if same:
        return "; did you mean " + " or ".join(f'"{f}"' for f in same[:3]) + "?"
    if near := nearest(path, files):
        return near
    suffix = PurePosixPath(path).suffix
    alike = [f for f in files if suffix and f.endswith(suffix)][:8]
    return f" (there is: {', '.join(alike)})" if alike else ""
