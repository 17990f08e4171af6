"""Which values of a job's or pipeline's settings are paths of files.

Source: https://docs.databricks.com/api/workspace/jobs/create
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

_TASK_FIELDS = (
    ("notebook_task", "notebook_path"),
    ("spark_python_task", "python_file"),
    ("sql_task", "file", "path"),
    ("dbt_task", "project_directory"),
    ("dbt_task", "profiles_directory"),
)
_LIBRARIES = ("whl", "jar", "egg", "requirements")
_ELSEWHERE = re.compile(r"/|[A-Za-z][A-Za-z0-9+.-]*:|\$\{|\{\{")
_REQUIREMENT = re.compile(r"(?P<option>(?:-r|--requirement|-e)\s+)?(?P<path>\.{0,2}/?\S.*)")


class Field(NamedTuple):
    """One value that is a path."""

    at: tuple[str | int, ...]
    """Keys and indexes from the settings' root."""
    value: str
    folder: bool = False
    """True where it names a folder, or files by a pattern."""

    @property
    def is_local(self) -> bool:
        """Whether it is relative, and so a path of the source."""
        return _ELSEWHERE.match(self.value) is None


def of_job(job: dict[str, Any]) -> Iterator[Field]:
    """Yield the paths of a job's tasks, libraries and environments, those of git left out."""
    for i, task in enumerate(_list(job.get("tasks"))):
        yield from _of_task(task, ("tasks", i), git="git_source" in job)
    for i, environment in enumerate(_list(job.get("environments"))):
        spec = environment.get("spec")
        words = spec.get("dependencies") if isinstance(spec, dict) else None
        for j, word in enumerate(words if isinstance(words, list) else ()):
            if (path := requirement(word)) is not None:
                yield Field(("environments", i, "spec", "dependencies", j), path)


def requirement(word: Any) -> str | None:
    """Return the file that a requirement names (`./dist/shop.whl`, `-r requirements.txt`)."""
    found = _REQUIREMENT.fullmatch(word.strip()) if isinstance(word, str) else None
    if found is None:
        return None
    path = found["path"]
    named = found["option"] or path.startswith(("./", "../")) or path.endswith(".whl")
    return path if named and "://" not in path and " @ " not in path else None


def _of_task(task: Any, at: tuple[str | int, ...], *, git: bool) -> Iterator[Field]:
    if not isinstance(task, dict):
        return
    for words in _TASK_FIELDS:
        holder = _inside(task, words[:-1])
        value = holder.get(words[-1]) if isinstance(holder, dict) else None
        source = holder.get("source") if isinstance(holder, dict) else None
        if isinstance(value, str) and value and str(source or ("GIT" if git else "")) != "GIT":
            yield Field((*at, *words), value, folder=words[0] == "dbt_task")
    for i, library in enumerate(_list(task.get("libraries"))):
        for kind in _LIBRARIES:
            if isinstance(value := library.get(kind), str):
                yield Field((*at, "libraries", i, kind), value, folder="*" in value)
    inner = _inside(task, ("for_each_task", "task"))
    yield from _of_task(inner, (*at, "for_each_task", "task"), git=git)


def of_pipeline(pipeline: dict[str, Any]) -> Iterator[Field]:
    """Yield the paths of a pipeline's libraries."""
    for i, library in enumerate(_list(pipeline.get("libraries"))):
        for kind, name in (("notebook", "path"), ("file", "path"), ("glob", "include")):
            if isinstance(value := _inside(library, (kind, name)), str):
                yield Field(("libraries", i, kind, name), value, folder=kind == "glob")
    if isinstance(root := pipeline.get("root_path"), str):
        yield Field(("root_path",), root, folder=True)


def replaced(settings: Any, fields: Iterator[Field], new: Callable[[Field], str]) -> Any:
    """Return a copy of the settings in which each path is what `new` makes of it."""
    made = copied(settings)
    for field in list(fields):
        holder = made
        for part in field.at[:-1]:
            holder = holder[part]
        holder[field.at[-1]] = str(holder[field.at[-1]]).replace(field.value, new(field))
    return made


def copied(value: Any) -> Any:
    """Return a copy of plain values that shares nothing with them."""
    if isinstance(value, dict):
        return {k: copied(v) for k, v in value.items()}
    return [copied(v) for v in value] if isinstance(value, list) else value


def _inside(value: Any, words: tuple[str, ...]) -> Any:
    for word in words:
        value = value.get(word) if isinstance(value, dict) else None
    return value


def _list(value: Any) -> list[dict[str, Any]]:
    return [v if isinstance(v, dict) else {} for v in value] if isinstance(value, list) else []
