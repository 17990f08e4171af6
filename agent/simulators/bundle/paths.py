"""Turns the relative paths of a configuration into paths of the workspace.

A path is relative to the file that names it; what is synced lies under `workspace.file_path`, a
notebook without its extension (https://docs.databricks.com/dev-tools/bundles/settings.html).
"""

import posixpath
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from agent.simulators.bundle.notes import Notes
from agent.simulators.bundle.tree import At, Node, dotted

_HEADERS = {
    ".py": "# Databricks notebook source",
    ".sql": "-- Databricks notebook source",
    ".scala": "// Databricks notebook source",
    ".r": "# Databricks notebook source",
}
_EXTENSIONS = "[.py, .r, .scala, .sql, .ipynb]"
_TASK_FILES = (
    ("spark_python_task", "python_file"),
    ("sql_task", "file", "path"),
    ("dbt_task", "project_directory"),
)


class Sync(NamedTuple):
    """Where the bundle lies here and there."""

    root: Path
    file_path: str


def is_notebook(path: Path) -> bool:
    """Say whether a local file becomes a notebook in the workspace."""
    if path.suffix == ".ipynb":
        return True
    header = _HEADERS.get(path.suffix.lower())
    if header is None:
        return False
    with path.open("rb") as file:
        first = file.readline(200).decode("utf-8", "replace").removeprefix("\ufeff")
    return first.strip() == header


def remote_name(local: str, *, notebook: bool) -> str:
    """Return a synced file's path below `file_path`."""
    return str(PurePosixPath(local).with_suffix("")) if notebook else local


def translate(config: Node, sync: Sync, notes: Notes) -> None:
    """Change every local path of the resources, noting what does not exist."""
    walk = _Walk(sync, notes)
    for key, job in config.items("resources", "jobs"):
        walk.job(job, ("resources", "jobs", key))
    for key, pipeline in config.items("resources", "pipelines"):
        walk.pipeline(pipeline, ("resources", "pipelines", key))


class _Walk:
    def __init__(self, sync: Sync, notes: Notes) -> None:
        self._sync = sync
        self._notes = notes

    def job(self, job: Node, at: At) -> None:
        from_git = job.get("git_source") is not None
        for index, task in enumerate(job.members("tasks")):
            self._task(task, (*at, "tasks", index), from_git=from_git)
        for index, env in enumerate(job.members("environments")):
            place = (*at, "environments", index, "spec", "dependencies")
            self._dependencies(env.members("spec", "dependencies"), place)

    def _task(self, task: Node, at: At, *, from_git: bool) -> None:
        inner = task.get("for_each_task", "task")
        if inner is not None:
            self._task(inner, (*at, "for_each_task", "task"), from_git=from_git)
        if not _of_git(task, "notebook_task", from_git):
            self._path(task, at, ("notebook_task", "notebook_path"), self._notebook)
        for names in _TASK_FILES:
            check = self._folder if names[-1] == "project_directory" else self._file
            if not _of_git(task, names[0], from_git):
                self._path(task, at, names, check)
        for index, library in enumerate(task.members("libraries")):
            for kind in ("whl", "jar", "requirements"):
                self._path(library, (*at, "libraries", index), (kind,), self._artifact)

    def pipeline(self, pipeline: Node, at: At) -> None:
        for index, library in enumerate(pipeline.members("libraries")):
            place = (*at, "libraries", index)
            self._path(library, place, ("notebook", "path"), self._notebook)
            self._path(library, place, ("file", "path"), self._file)
            self._path(library, place, ("glob", "include"), self._anything)
        self._path(pipeline, at, ("root_path",), self._folder)
        dependencies = pipeline.members("environment", "dependencies")
        self._dependencies(dependencies, (*at, "environment", "dependencies"))

    def _dependencies(self, items: list[Node], at: At) -> None:
        for index, node in enumerate(items):
            if isinstance(node.value, str) and node.value.startswith(("./", "../")):
                where = self._local(node, node.value, (*at, index))
                if where is not None:
                    node.value = self._remote(where)

    def _path(
        self, node: Node, at: At, names: tuple[str, ...], check: Callable[[str, Node, At], str]
    ) -> None:
        found = node.get(*names)
        if found is None or not isinstance(found.value, str) or _is_remote(found.value):
            return
        place = (*at, *names)
        local = self._local(found, found.value, place)
        if local is not None:
            found.value = self._remote(check(local, found, place))

    def _local(self, node: Node, path: str, at: At) -> str | None:
        """Return the path relative to the bundle's root, None (and a note) where it leaves it."""
        folder = posixpath.dirname(node.place.file)
        local = posixpath.normpath(posixpath.join(folder, path))
        if local == ".." or local.startswith("../"):
            shown = path if posixpath.isabs(path) else local
            self._notes.error(f"path {shown} is not contained in sync root path", at, node.place)
            return None
        return local

    def _remote(self, local: str) -> str:
        return self._sync.file_path if local == "." else f"{self._sync.file_path}/{local}"

    def _notebook(self, local: str, node: Node, at: At) -> str:
        path = self._sync.root / local
        if not path.is_file():
            self._notes.error(self._no_notebook(local), at, node.place)
            return local
        if not is_notebook(path):
            text = f'expected a notebook for "{dotted(at)}" but got a file: file at {local} is not'
            self._notes.error(f"{text} a notebook", at, node.place)
            return local
        return remote_name(local, notebook=True)

    def _no_notebook(self, local: str) -> str:
        text = f"notebook {local} not found"
        if PurePosixPath(local).suffix:
            return text
        for extension in (*_HEADERS, ".ipynb"):
            if (self._sync.root / (local + extension)).is_file():
                text += f". Did you mean {local}{extension}?"
                break
        else:
            text += "."
        rest = "Local notebook references are expected to contain one of the following file"
        return f"{text} {rest} extensions: {_EXTENSIONS}"

    def _file(self, local: str, node: Node, at: At) -> str:
        path = self._sync.root / local
        if not path.is_file():
            self._notes.error(f"file {local} not found", at, node.place)
        elif is_notebook(path):
            text = f'expected a file for "{dotted(at)}" but got a notebook: file at {local} is a'
            self._notes.error(f"{text} notebook", at, node.place)
        return local

    def _folder(self, local: str, node: Node, at: At) -> str:
        if not (self._sync.root / local).is_dir():
            self._notes.error(f"directory {local} not found", at, node.place)
        return local

    def _artifact(self, local: str, _node: Node, _at: At) -> str:
        return local

    def _anything(self, local: str, _node: Node, _at: At) -> str:
        return local


def _of_git(task: Node, name: str, from_git: bool) -> bool:
    source = task.text(name, "source")
    return source == "GIT" or (from_git and source is None)


def _is_remote(path: str) -> bool:
    # A path that a reference leads to is only known when it is deployed.
    return path.startswith(("/", "${", "dbfs:")) or "://" in path
