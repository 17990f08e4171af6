"""A bundle at a glance, for a first playbook: targets, jobs and what they run, pipelines.

Read statically: the command is not needed, and nothing of the bundle runs.
"""

import json
import re
from pathlib import Path
from typing import Any, Literal, NamedTuple

from agent.platforms.databricks import declared

Kind = Literal["atomic", "composite", "orchestrator"]
_JOB = re.compile(r"\$\{resources\.jobs\.([\w-]+)\.id\}")
_PLAYBOOK = """\
# What to carry to a verified success. Every key: runmend playbook schema
name: {name}
platform: databricks
target: {target}
source: .
job:
  bundle: {key}

verify: []            # what success means, e.g. - {{table: main.gold.sales, rows: ">= 1"}}
edit: ["**"]          # what a fix may change
approve:
  mode: approve       # observe | suggest | approve | auto
deliver: patch        # patch | in-place | branch
"""


class Job(NamedTuple):
    """One job of the bundle."""

    key: str
    name: str
    kind: Kind
    """Atomic runs no other job; composite runs atomic ones; an orchestrator runs composites."""
    runs: tuple[str, ...]
    """Keys of the jobs of the bundle that it runs."""
    tasks: int


class Overview(NamedTuple):
    """What a bundle declares."""

    name: str
    targets: dict[str, str | None]
    """Mode by target."""
    default: str | None
    """The target that is used where none is named."""
    jobs: tuple[Job, ...]
    pipelines: tuple[str, ...]


def read(folder: Path) -> Overview | None:
    """Return the overview of the bundle in a folder; None where there is none to be read."""
    found = declared.read(folder, None, {})
    if found is None:
        return None
    jobs = found.resources.get("jobs", {})
    runs = {key: _runs(job) for key, job in jobs.items()}
    return Overview(
        found.name,
        found.targets,
        found.target,
        tuple(_job(key, job, runs) for key, job in sorted(jobs.items())),
        tuple(sorted(found.resources.get("pipelines", {}))),
    )


def _job(key: str, job: dict[str, Any], runs: dict[str, tuple[str, ...]]) -> Job:
    name = job.get("name")
    tasks = job.get("tasks")
    return Job(
        key,
        name if isinstance(name, str) else key,
        _kind(key, runs),
        runs[key],
        len(tasks) if isinstance(tasks, list) else 0,
    )


def _kind(key: str, runs: dict[str, tuple[str, ...]]) -> Kind:
    if not runs[key]:
        return "atomic"
    return "orchestrator" if any(runs.get(other) for other in runs[key]) else "composite"


def _runs(job: dict[str, Any]) -> tuple[str, ...]:
    """Return the keys of the jobs that a job's tasks run, those of for-each tasks too."""
    return tuple(dict.fromkeys(_JOB.findall(json.dumps(_named(job.get("tasks")), default=str))))


def _named(value: Any) -> list[Any]:
    """Return every `job_id` below a value."""
    if isinstance(value, list):
        return [found for item in value for found in _named(item)]
    if not isinstance(value, dict):
        return []
    own = [v for k, v in value.items() if k == "job_id"]
    return own + [found for item in value.values() for found in _named(item)]


def playbook(found: Overview, key: str, target: str | None = None) -> str:
    """Return a first playbook for a job or pipeline of the bundle.

    Without a chosen target it is for `dev`, else for the default one that is not production.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", key).strip("-._") or "job"
    return _PLAYBOOK.format(name=name, target=target or _target(found), key=json.dumps(key))


def _target(found: Overview) -> str:
    safe = [name for name, mode in found.targets.items() if mode != "production"]
    for name in ("dev", found.default):
        if name in safe:
            return str(name)
    return safe[0] if safe else "dev"


def first(found: Overview) -> str | None:
    """Return the job a first playbook is for: one that no other job runs, the highest kind first.

    A bundle without jobs gives its first pipeline, one without either None.
    """
    run_by_others = {key for job in found.jobs for key in job.runs}
    order: tuple[Kind, ...] = ("orchestrator", "composite", "atomic")
    free = [job for job in found.jobs if job.key not in run_by_others] or list(found.jobs)
    ranked = sorted(free, key=lambda job: order.index(job.kind))
    return next((key for key in (*(job.key for job in ranked), *found.pipelines)), None)
