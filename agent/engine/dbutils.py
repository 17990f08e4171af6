"""The `dbutils` that notebooks find on Databricks, as far as a local run has what it speaks of.

This file is put in front of a notebook's cells and runs in the task's own environment: standard
library only, no import of ours. `make` gets what the task was given.
Source: https://docs.databricks.com/aws/en/dev-tools/databricks-utils
"""

import json
import pathlib
import shutil
from types import SimpleNamespace
from typing import Any


class InputWidgetNotDefined(Exception):
    """A parameter was read that nobody gave."""


class NotebookExit(BaseException):
    """`dbutils.notebook.exit` was called; not an error."""


InputWidgetNotDefined.__module__ = "com.databricks.dbutils_v1"


class Widgets:
    """Parameters; what the task is given wins over the notebook's own defaults."""

    def __init__(self, given: dict[str, str]) -> None:
        self._given = given
        self._defaults: dict[str, str] = {}

    def text(self, name: str, defaultValue: str = "", label: str | None = None) -> None:  # noqa: ARG002, N803, RUF100  # Databricks' own signature
        """Declare a parameter."""
        self._defaults[name] = str(defaultValue)

    def dropdown(
        self,
        name: str,
        defaultValue: str,  # noqa: N803, RUF100  # Databricks' own signature
        choices: list[str],  # noqa: ARG002
        label: str | None = None,  # noqa: ARG002
    ) -> None:
        """Declare a parameter with choices."""
        self._defaults[name] = str(defaultValue)

    combobox = dropdown
    multiselect = dropdown

    def get(self, name: str) -> str:
        """Return a parameter's value. Raises `InputWidgetNotDefined`."""
        for known in (self._given, self._defaults):
            if name in known:
                return known[name]
        raise InputWidgetNotDefined(f"No input widget named {name} is defined")

    getArgument = get

    def getAll(self) -> dict[str, str]:
        """Return all parameters."""
        return self._defaults | self._given

    def remove(self, name: str) -> None:
        """Forget a parameter's default."""
        self._defaults.pop(name, None)

    def removeAll(self) -> None:
        """Forget all defaults."""
        self._defaults.clear()


class TaskValues:
    """Small values that tasks hand to those after them."""

    def __init__(self, file: str, upstream: dict[str, dict[str, Any]]) -> None:
        self._file = pathlib.Path(file)
        self._upstream = upstream

    def set(self, key: str, value: Any) -> None:
        """Keep a JSON value under a key."""
        known = json.loads(self._file.read_text("utf-8")) if self._file.exists() else {}
        known[key] = value
        self._file.write_text(json.dumps(known), "utf-8")

    def get(self, taskKey: str, key: str, default: Any = None, debugValue: Any = None) -> Any:  # noqa: ARG002, N803, RUF100  # Databricks' own signature
        """Return what a task before this one set, else the default."""
        found = self._upstream.get(taskKey, {})
        if key in found:
            return found[key]
        if default is not None:
            return default
        raise ValueError(f"No task value with key {key} was set by task {taskKey}")


class Files:
    """Files and folders below the working folder."""

    def ls(self, path: str) -> list[Any]:
        """List a folder."""
        entries = sorted(pathlib.Path(_local(path)).iterdir())
        return [
            SimpleNamespace(path=str(e), name=e.name + "/" * e.is_dir(), size=e.stat().st_size)
            for e in entries
        ]

    def mkdirs(self, path: str) -> bool:
        """Make a folder and those above it."""
        pathlib.Path(_local(path)).mkdir(parents=True, exist_ok=True)
        return True

    def head(self, path: str, maxBytes: int = 65536) -> str:  # noqa: N803, RUF100  # Databricks' own signature
        """Return the beginning of a file."""
        with pathlib.Path(_local(path)).open("rb") as file:
            return file.read(maxBytes).decode("utf-8", "replace")

    def put(self, path: str, contents: str, overwrite: bool = False) -> bool:
        """Write a file."""
        with pathlib.Path(_local(path)).open("w" if overwrite else "x", encoding="utf-8") as file:
            file.write(contents)
        return True

    def cp(self, source: str, target: str) -> bool:
        """Copy a file."""
        shutil.copyfile(_local(source), _local(target))
        return True


def _local(path: str) -> str:
    return path.removeprefix("file:").removeprefix("dbfs:")


def _leave(value: Any, file: str) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    pathlib.Path(file).write_text(text, "utf-8")
    raise NotebookExit(text)


def make(given: dict[str, str], upstream: dict[str, Any], values: str, leaves: str) -> Any:
    """Return the object that a notebook knows as `dbutils`."""
    return SimpleNamespace(
        widgets=Widgets(given),
        notebook=SimpleNamespace(exit=lambda value="": _leave(value, leaves)),
        jobs=SimpleNamespace(taskValues=TaskValues(values, upstream)),
        library=SimpleNamespace(restartPython=lambda: None),
        fs=Files(),
    )
