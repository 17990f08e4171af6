"""A bundle read statically: its files, targets and resources, without running anything.

Tolerant: what cannot be read is left out, and `validate` says so later. Variables with a known
value are filled in, the target's part is laid over the rest, and relative paths become relative to
the bundle's folder. What Python code adds to a bundle is not seen here.

Source: https://docs.databricks.com/dev-tools/bundles/settings
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from agent import document
from agent.document import Document
from agent.platforms.databricks import pathfields

FILES = ("databricks.yml", "databricks.yaml", "bundle.yml", "bundle.yaml")
_REFERENCE = re.compile(r"\$\{([A-Za-z][\w.-]*)\}")
_KEYS = {
    "tasks": "task_key",
    "job_clusters": "job_cluster_key",
    "environments": "environment_key",
    "parameters": "name",
}
_ROOT = "/.bundle-files"
"""Stands for `${workspace.file_path}`: the bundle's own folder, wherever it is deployed."""
_MOST_FILES = 500
_DEPTH = 8

_Fields = dict[str, Any]


class File(NamedTuple):
    """One of the bundle's files."""

    path: str
    """Relative to the bundle's folder."""
    document: Document


class Declared(NamedTuple):
    """What a bundle's files say for one target."""

    files: tuple[File, ...]
    """The bundle's own first, then the included ones."""
    name: str
    target: str | None
    """The chosen target, or the default one; None where there is none."""
    targets: dict[str, str | None]
    """Mode by target."""
    resources: dict[str, dict[str, dict[str, Any]]]
    """Settings by type and key; paths relative to the bundle's folder."""

    @property
    def mode(self) -> str | None:
        """`development`, `production`, or None where the target does not say."""
        return self.targets.get(self.target) if self.target else None

    def kind(self, key: str) -> str | None:
        """Return `job` or `pipeline`; None where the files declare no such resource."""
        kinds = (k for k in ("job", "pipeline") if key in self.resources.get(f"{k}s", {}))
        return next(kinds, None)

    def place(self, *at: str | int) -> tuple[str, int] | None:
        """Return file and line of a value, as `resources.jobs.etl` names it."""
        for file in self.files:
            for start in ((), ("targets", self.target or "", "")[:2]):
                if (*start, *at) in file.document.lines:
                    return file.path, file.document.lines[(*start, *at)]
        return None

    def task_at(self, path: str, line: int) -> str | None:
        """Return the key of the task whose lines hold this line of a file."""
        found: tuple[int, str] | None = None
        for file in self.files:
            if file.path != path:
                continue
            for key, first, last in _tasks(file.document):
                if first <= line <= last and (found is None or first > found[0]):
                    found = (first, key)
        return found[1] if found else None


def read(root: Path, target: str | None, variables: Mapping[str, str]) -> Declared | None:
    """Read the bundle in a folder; None where there is none that can be read."""
    main = next((name for name in FILES if (root / name).is_file()), None)
    first = _read(root, main) if main else None
    if first is None:
        return None
    files = (first, *_included(root, first))
    modes = {
        name: _text(_dict(part).get("mode")) or None
        for name, part in _merged(_dict(f.document.data.get("targets")) for f in files).items()
    }
    chosen = target or _default(files, modes)
    known = _known(files, chosen, variables)
    resources: dict[str, dict[str, dict[str, Any]]] = {}
    for file in files:
        for part in (file.document.data, _target(file, chosen)):
            _add(resources, _dict(part.get("resources")), PurePosixPath(file.path).parent, known)
    name = _text(_dict(first.document.data.get("bundle")).get("name"))
    return Declared(files, name or root.name, chosen, modes, resources)


def _read(root: Path, path: str) -> File | None:
    try:
        return File(path, document.read(root / path))
    except (OSError, document.Unreadable):
        return None


def _included(root: Path, first: File) -> Iterator[File]:
    patterns = first.document.data.get("include")
    seen = {first.path}
    for pattern in patterns if isinstance(patterns, list) else ():
        pure = PurePosixPath(str(pattern))
        if pure.is_absolute() or ".." in pure.parts or not pure.parts:
            continue
        for file in sorted(root.glob(str(pure))):
            path = file.relative_to(root).as_posix()
            if path in seen or len(seen) > _MOST_FILES or not file.is_file():
                continue
            seen.add(path)
            if (found := _read(root, path)) is not None:
                yield found


def _default(files: tuple[File, ...], modes: Mapping[str, str | None]) -> str | None:
    for file in files:
        for name, part in _dict(file.document.data.get("targets")).items():
            if _dict(part).get("default") is True:
                return name
    return next(iter(modes)) if len(modes) == 1 else None


def _target(file: File, target: str | None) -> _Fields:
    return _dict(_dict(file.document.data.get("targets")).get(target or ""))


def _known(
    files: tuple[File, ...], target: str | None, variables: Mapping[str, str]
) -> dict[str, Any]:
    """Return what references stand for, as far as the files say it."""
    known: dict[str, Any] = {"bundle.target": target or "", "workspace.file_path": _ROOT}
    name = _dict(files[0].document.data.get("bundle")).get("name")
    known["bundle.name"] = name if isinstance(name, str) else ""
    for file in files:
        for part in (file.document.data, _target(file, target)):
            for key, value in _dict(part.get("variables")).items():
                said = value.get("default") if isinstance(value, dict) else value
                if said is not None:
                    known[f"var.{key}"] = said
    return known | {f"var.{key}": value for key, value in variables.items()}


def filled(value: Any, known: Mapping[str, Any], depth: int = 0) -> Any:
    """Return a value with the references that are known filled in."""
    if isinstance(value, dict):
        return {k: filled(v, known, depth) for k, v in value.items()}
    if isinstance(value, list):
        return [filled(v, known, depth) for v in value]
    if not isinstance(value, str) or depth > _DEPTH or "${" not in value:
        return value
    whole = _REFERENCE.fullmatch(value)
    if whole is not None and whole[1] in known:
        return filled(known[whole[1]], known, depth + 1)
    made = _REFERENCE.sub(lambda found: _scalar(known.get(found[1]), found[0]), value)
    return filled(made, known, depth + 1) if made != value else value


def _scalar(value: Any, unknown: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else unknown


def _add(
    resources: dict[str, dict[str, dict[str, Any]]],
    more: _Fields,
    folder: PurePosixPath,
    known: Mapping[str, Any],
) -> None:
    """Lay a file's resources over those found so far."""
    for kind, declared in more.items():
        for key, value in _dict(declared).items():
            own = _placed(kind, filled(_dict(value), known), folder)
            there = resources.setdefault(kind, {})
            there[key] = _laid(there.get(key, {}), own)


def _placed(kind: str, settings: _Fields, folder: PurePosixPath) -> _Fields:
    """Make the paths relative to the bundle's folder."""

    def new(field: pathfields.Field) -> str:
        if field.value.startswith(f"{_ROOT}/"):
            return posixpath.normpath(field.value.removeprefix(f"{_ROOT}/"))
        return posixpath.normpath(str(folder / field.value)) if field.is_local else field.value

    walk = {"jobs": pathfields.of_job, "pipelines": pathfields.of_pipeline}.get(kind)
    made: _Fields = pathfields.replaced(settings, walk(settings), new) if walk else settings
    return made


def _laid(below: _Fields, above: _Fields) -> _Fields:
    made = dict(below)
    for key, value in above.items():
        old = made.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            made[key] = _laid(old, value)
        elif isinstance(old, list) and isinstance(value, list) and key in _KEYS:
            made[key] = _joined(old, value, _KEYS[key])
        else:
            made[key] = value
    return made


def _joined(old: list[Any], new: list[Any], key: str) -> list[Any]:
    made = {_text(_dict(item).get(key)) or str(n): item for n, item in enumerate(old)}
    for n, item in enumerate(new, len(old)):
        name = _text(_dict(item).get(key)) or str(n)
        made[name] = _laid(_dict(made.get(name)), _dict(item))
    return list(made.values())


def _tasks(found: Document) -> Iterator[tuple[str, int, int]]:
    """Yield key, first and last line of the tasks that a file declares."""
    for at, first in found.lines.items():
        if len(at) < 2 or at[-2] != "tasks" or not isinstance(at[-1], int):
            continue
        item: Any = found.data
        for part in at:
            inside = isinstance(item, list) and isinstance(part, int)
            item = item[part] if inside else _dict(item).get(str(part))
        key = _dict(item).get("task_key")
        inner = [n for where, n in found.lines.items() if where[: len(at)] == at]
        if isinstance(key, str) and 0 < len(key) <= 100:
            yield key, first, max(inner, default=first)


def _merged(parts: Iterator[_Fields]) -> _Fields:
    made: _Fields = {}
    for part in parts:
        made = _laid(made, part)
    return made


def _dict(value: Any) -> _Fields:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
