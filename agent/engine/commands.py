"""From a job's tasks to what the supervisor runs: commands, environments, dynamic values."""

import contextlib
import importlib.util
import sys
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from agent.engine import cells, environments, problems, values
from agent.engine.environments import NotBuilt, Ready
from agent.engine.job import Job, Task
from agent.engine.request import Request, Spec


class Prepared(NamedTuple):
    """The interpreter of each task, and what a person may want to know of its making."""

    pythons: dict[str, str]
    notes: tuple[str, ...]


class Unprepared(NamedTuple):
    """The environment that could not be built, and the first task that needs it."""

    task: str
    failed: NotBuilt


def requirements(job: Job, task: Task, root: Path) -> tuple[str, ...]:
    """Return what a task's environment is built from; a notebook adds its `%pip` lines."""
    wanted = list(job.dependencies(task))
    if task.notebook_task:
        # What is wrong with the notebook shows when it runs, with its own words.
        with contextlib.suppress(OSError, ValueError):
            wanted += cells.installs(cells.read(root, task.notebook_task.notebook_path))
        wanted.append(environments.KERNEL)
    return tuple(dict.fromkeys(wanted))


def prepare(job: Job, root: Path, cache: Path) -> Prepared | Unprepared:
    """Make every environment the job needs."""
    pythons: dict[str, str] = {}
    notes: dict[str, str] = {}
    known: dict[tuple[str, ...], Ready] = {}
    for task in job.ordered():
        wanted = tuple(sorted(requirements(job, task, root)))
        ready = known.get(wanted)
        if ready is None:
            made = environments.prepare(cache, wanted, root)
            if isinstance(made, NotBuilt):
                return Unprepared(task.task_key, made)
            ready = known[wanted] = made
            name = task.environment_key or "default"
            what = f"{name} for notebooks" if task.notebook_task else name
            how = "ready (cached)" if ready.cached else f"built in {ready.seconds:.1f} s"
            notes.setdefault(what, f"environment {what} {how}")
        pythons[task.task_key] = str(ready.python)
    return Prepared(pythons, tuple(notes.values()))


def dbt_python(job: Job, task: Task, python: str) -> str | None:
    """Return the interpreter that has dbt: the task's own where its requirements name it."""
    if any(text.lower().startswith("dbt") for text in job.dependencies(task)):
        return python
    return sys.executable if importlib.util.find_spec("dbt") is not None else None


def known_values(job: Job, run: str, parameters: Mapping[str, str], job_id: str) -> dict[str, str]:
    """Return the dynamic values that a run of the job begins with."""
    now = datetime.fromtimestamp(time.time(), UTC)
    base = {
        "job.id": job_id,
        "job.run_id": run,
        "job.name": job.name,
        "job.start_time.iso_date": now.date().isoformat(),
        "job.start_time.iso_datetime": now.isoformat(timespec="seconds"),
    }

    def lookup(task: str, key: str) -> object:
        raise KeyError(f"tasks.{task}.values.{key}")

    return base | {
        f"job.parameters.{name}": values.fill(value, base, lookup)
        for name, value in parameters.items()
    }


def request(
    job: Job, run: str, root: Path, known: dict[str, str], pythons: Mapping[str, str]
) -> Request:
    """Return what the supervisor is asked to do for a full run."""
    prefix = "job.parameters."
    parameters = {k.removeprefix(prefix): v for k, v in known.items() if k.startswith(prefix)}
    return Request(
        run=run,
        mark=f"{run}-{uuid.uuid4().hex[:8]}",
        root=str(root),
        tasks=tuple(_spec(job, task, pythons[task.task_key], parameters) for task in job.ordered()),
        known=known,
        timeout_s=float(job.timeout_seconds),
    )


def _spec(job: Job, task: Task, python: str, parameters: Mapping[str, str]) -> Spec:
    folder = Path(python).parent
    spec = Spec(
        task=task.task_key,
        argv=(python,),
        env={"VIRTUAL_ENV": str(folder.parent)},
        needs=tuple(dict.fromkeys(d.task_key for d in task.depends_on)),
        run_if=task.run_if,
        retries=task.max_retries,
        retry_wait_s=task.min_retry_interval_millis / 1000,
        retry_on_timeout=task.retry_on_timeout,
        timeout_s=float(task.timeout_seconds),
    )
    if task.spark_python_task:
        script = task.spark_python_task
        return spec._replace(argv=(python, script.python_file), arguments=script.parameters)
    details = {"file": task.path, "python": python, "database": job.database}
    if task.dbt_task:
        details |= {"python": dbt_python(job, task, python) or python}
        details |= {"profiles": task.dbt_task.profiles_directory}
        return _ours(spec, "dbt", details)._replace(arguments=task.dbt_task.commands)
    if task.sql_task:
        named = task.sql_task.parameters | dict(parameters)
        return _ours(spec, "sql", details)._replace(named=named, lock=job.database)
    named = (task.notebook_task.base_parameters if task.notebook_task else {}) | dict(parameters)
    return _ours(spec, "notebook", details)._replace(named=named)


def _ours(spec: Spec, module: str, details: dict[str, str | None]) -> Spec:
    argv = (sys.executable, "-I", "-m", f"agent.engine.{module}")
    return spec._replace(argv=argv, wrapped=True, details=details)


def missing_dbt(job: Job) -> problems.Problem | None:
    """Return the problem that a task needs dbt and nothing brings it, None where there is none."""
    for task in job.tasks:
        if task.dbt_task and dbt_python(job, task, "") is None:
            said = (
                f'task "{task.task_key}" needs dbt, which is not installed: add dbt-duckdb to its '
                "environment's dependencies, or install runmend[dbt]"
            )
            return problems.Problem(1, said, task.task_key)
    return None
