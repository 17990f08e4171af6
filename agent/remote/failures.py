"""Failures that are told of any service alike, and whether a tree carries a patch."""

from collections.abc import Sequence
from pathlib import Path

from agent.engine.problems import Problem
from agent.records import Facts, Failure, Line, Location, RunStatus, TaskKey, Tree


def refused(
    tree: Tree, error: Exception, job_file: str | None, parameters: dict[str, str]
) -> Failure:
    """Return what the service says against a deploy."""
    return Failure(
        phase="create",
        code="DEPLOY_FAILED",
        message=str(error),
        log=(Line(source="workspace", number=1, text=str(error)),),
        location=Location(path=job_file) if job_file else None,
        facts=Facts(files=tree.files, job_file=job_file, parameters=parameters),
        started=False,
    )


def invalid(
    tree: Tree,
    found: Sequence[Problem],
    path: str,
    parameters: dict[str, str],
    *,
    code: str = "JOB_INVALID",
    task_type: str | None = None,
) -> Failure:
    """Return what is wrong with a job file, all of its problems; `task_type`: the first one's."""
    first = found[0]
    return Failure(
        phase="create",
        code=code,
        message=said(path, first.line, first.message),
        task=first.task,
        log=tuple(
            Line(source=path, number=p.line, text=said(path, p.line, p.message)) for p in found
        ),
        location=Location(path=path, line=first.line or None),
        facts=Facts(files=tree.files, job_file=path, parameters=parameters, task_type=task_type),
        started=False,
    )


def no_task(status: RunStatus, key: TaskKey, facts: Facts) -> Failure:
    """Return what is said of a task that was to be looked at and that a run does not have."""
    return Failure(
        phase="verify",
        code="VERIFY_FAILED",
        message=f"task {key} is no task of run {status.run}",
        run=status.run,
        url=status.url,
        facts=facts,
    )


def said(path: str, line: int, message: str) -> str:
    """Return a problem of a job file with its place; a line of 0 is none."""
    return f"{path}:{line}: {message}" if line else message


def same(tree: Tree, source: Path) -> bool:
    """Return whether a tree is the user's folder as it is, without a patch."""
    try:
        return all((source / p).read_bytes() == Path(tree.root, p).read_bytes() for p in tree.files)
    except OSError:
        return False
