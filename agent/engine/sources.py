"""What a job's tasks are made of: declarations, main files, and the tree's own modules they import.

Used to judge effects, and to tell which tasks a change concerns. Where something cannot be read or
parsed, it counts by its bytes.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from agent.engine import cells, values
from agent.engine.job import Job, Task
from agent.records import TaskKey, TaskSource

_LARGEST = 4 * 1024 * 1024


def read(root: Path, path: str | None) -> str | None:
    """Return a file's text; None where there is none, or it is no UTF-8, or very large."""
    if path is None:
        return None
    file = root / path
    try:
        return file.read_text(encoding="utf-8") if file.stat().st_size <= _LARGEST else None
    except (OSError, UnicodeDecodeError):
        return None


def of(job: Job, root: Path) -> tuple[TaskSource, ...]:
    """Return the job's tasks in dependency order."""
    return tuple(
        TaskSource(
            task=task.task_key,
            type=task.type,
            path=task.path,
            text=read(root, task.path),
            depends_on=tuple(d.task_key for d in task.depends_on),
            parameters=tuple(given(job, task)),
            imports=tuple(_imports(root, task)),
        )
        for task in job.ordered()
    )


def given(job: Job, task: Task) -> dict[str, str]:
    """Return a task's own parameters as they are written, by name; a script's flags by theirs."""
    jobs = {p.name: f"{{{{job.parameters.{p.name}}}}}" for p in job.parameters}
    if task.notebook_task:
        return task.notebook_task.base_parameters | jobs
    if task.sql_task:
        return task.sql_task.parameters | jobs
    return flags(task.spark_python_task.parameters if task.spark_python_task else ())


def flags(words: Sequence[str]) -> dict[str, str]:
    """Return what a command line gives its flags, by name; a flag without a value has an empty."""
    found: dict[str, str] = {}
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word.startswith("--"):
            name, equals, value = word.removeprefix("--").partition("=")
            found[name] = value if equals else "" if following.startswith("--") else following
    return found


def affected(before: tuple[Job, Path], after: tuple[Job, Path]) -> tuple[TaskKey, ...]:
    """Return the later job's tasks whose declaration or code differs from the earlier job's.

    A requirement that is only added to an environment concerns no task that did without it.
    """
    earlier, old_root = before
    then = {task.task_key: task for task in earlier.tasks}
    job, root = after
    return tuple(
        task.task_key
        for task in job.ordered()
        if (old := then.get(task.task_key)) is None
        or not set(earlier.dependencies(old)) <= set(job.dependencies(task))
        or _state(earlier, old_root, old) != _state(job, root, task)
    )


def _state(job: Job, root: Path, task: Task) -> tuple[object, ...]:
    """Return everything that decides what a task does, as far as the tree says it."""
    named = {name for text in task.texts() for name in map(values.parameter, _words(text)) if name}
    if not task.spark_python_task and not task.dbt_task:
        named = {p.name for p in job.parameters}
    used = tuple(p for p in job.parameters if p.name in named)
    files = contents(root, {path for path, _ in _imports(root, task)} | {task.path or ""})
    database = job.database if task.sql_task or task.notebook_task else None
    return task, used, database, job.pass_env, files


def _words(text: str) -> Iterator[str]:
    return values.references(text)


def contents(root: Path, paths: Iterable[str]) -> tuple[tuple[str, bytes | None], ...]:
    """Return what files hold, in the order of their names; None for one that is not there."""
    return tuple((path, _bytes(root, path)) for path in sorted(paths))


def _bytes(root: Path, path: str) -> bytes | None:
    try:
        return (root / path).read_bytes()
    except OSError:
        return None


def _imports(root: Path, task: Task) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of what a task's main file brings in from the tree, at any depth."""
    if task.dbt_task:
        yield from project(root, task.path or "")
    elif task.path is not None and not task.sql_task:
        yield from brought(root, task.path)


def brought(root: Path, path: str, also: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of what a Python file or notebook imports or runs, at any depth.

    Modules are looked for beside the file, in the tree's root, and in the folders `also`.
    """
    seen = {path}
    left = [path]
    while left:
        for other in _direct(root, left.pop(), also):
            if other not in seen and (text := read(root, other)) is not None:
                seen.add(other)
                left.append(other)
                yield other, text


def beside(files: Iterable[str]) -> tuple[str, ...]:
    """Return the folders that the modules of a tree with these files are looked for in as well."""
    return ("src",) if any(path.startswith("src/") for path in files) else ()


def project(root: Path, path: str) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of a dbt project's files but its `dbt_project.yml`, which `path` names."""
    folder = root / PurePosixPath(path).parent
    for file in sorted(folder.rglob("*")):
        other = file.relative_to(root).as_posix()
        if file.suffix in (".sql", ".yml", ".yaml", ".csv", ".py") and other != path:
            text = read(root, other)
            if text is not None and "target" not in file.relative_to(folder).parts[:1]:
                yield other, text


def _direct(root: Path, path: str, also: Sequence[str]) -> Iterator[str]:
    """Yield the files of the tree that a Python file or notebook imports or runs."""
    text = read(root, path)
    if text is None:
        return
    codes = [text]
    if path.endswith(".ipynb") or text.startswith(cells.HEADER):
        try:
            own = cells.split(path, text)
        except cells.Broken:
            return
        codes = [_plain(cell.text) for cell in own if cell.language == "python"]
        for cell in own:
            if other := cells.ran(root, cell):
                yield other
    for code in codes:
        for module in _modules(code):
            yield from _found(root, path, module, also)


def _plain(code: str) -> str:
    """Return a cell without the magics and commands that are no Python."""
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", code, flags=re.MULTILINE)


def _modules(code: str) -> Iterator[tuple[str, int]]:
    """Yield (dotted name, level of a relative import)."""
    try:
        parsed = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(parsed):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            yield base, node.level
            yield from ((f"{base}.{alias.name}".strip("."), node.level) for alias in node.names)


def _found(root: Path, path: str, module: tuple[str, int], also: Sequence[str]) -> Iterator[str]:
    name, level = module
    folder = PurePosixPath(path).parent
    for _ in range(level - 1):
        folder = folder.parent
    bases = [folder] if level else [folder, PurePosixPath(), *map(PurePosixPath, also)]
    parts = [part for part in name.split(".") if part]
    for base in bases:
        for depth in range(1, len(parts) + 1):
            inner = base.joinpath(*parts[:depth])
            for candidate in (f"{inner}.py", f"{inner}/__init__.py"):
                if (root / candidate).is_file():
                    yield candidate
