"""What the targets that go by REST have in common: a job that is there, and bringing files."""

from pathlib import Path
from typing import Any

from agent.errors import UsageError
from agent.platforms.databricks import drift, runs, sources
from agent.platforms.databricks.api import ApiRefused, NotFound
from agent.platforms.databricks.files import Files
from agent.platforms.databricks.layout import Layout
from agent.platforms.databricks.session import Session
from agent.records import Deployment, Facts, Failure, Line, Location, Tree


def existing(session: Session, job_id: int | str) -> dict[str, Any]:
    """Return a job by its id. Raises `UsageError` where there is none."""
    try:
        return runs.job(session.api, job_id)
    except NotFound as error:
        raise UsageError(
            f"there is no job {job_id} on {session.api.auth.host} (job.id in the playbook)"
        ) from error


def bring(
    kept: Files,
    tree: Tree,
    there: Layout,
    wanted: dict[str, str],
    previous: Deployment | None,
) -> None:
    """Import what differs, and delete what we brought last and the tree no longer has."""
    before = previous.files if previous else {}
    ours = {p: mark for p, mark in before.items() if there.inside(p) is not None}
    compared = drift.of_files(kept, there, wanted, ours)
    kept.bring(Path(tree.root), there, compared.changed)
    kept.know(there, wanted)
    gone = [p for p, mark in ours.items() if p not in wanted and compared.now.get(p) == mark]
    kept.remove(gone)


def refused(
    tree: Tree, error: ApiRefused, job_file: str | None, parameters: dict[str, str]
) -> Failure:
    """Return what the API says against a deploy."""
    return Failure(
        phase="create",
        code="DEPLOY_FAILED",
        message=str(error),
        log=(Line(source="workspace", number=1, text=str(error)),),
        location=Location(path=job_file) if job_file else None,
        facts=Facts(files=tree.files, job_file=job_file, parameters=parameters),
        started=False,
    )


def record(
    session: Session,
    tree: Tree,
    job: dict[str, Any],
    *,
    digest: str,
    brought: dict[str, str],
    notes: tuple[str, ...] = (),
) -> Deployment:
    """Return the record of a job that is there."""
    settings = job.get("settings") or {}
    job_id = str(job["job_id"])
    workspace = session.workspace_id()
    query = f"?o={workspace}" if workspace else ""
    return Deployment(
        job=job_id,
        name=str(settings.get("name") or job_id),
        tree=tree.digest,
        settings=digest,
        url=f"{session.api.auth.host}/jobs/{job_id}{query}",
        tasks=tuple(task["task_key"] for task in sources.ordered(settings)),
        notes=notes,
        files=brought,
        kept=True,
    )


def same(tree: Tree, source: Path) -> bool:
    """Return whether a tree is the user's folder as it is, without a patch."""
    try:
        return all((source / p).read_bytes() == Path(tree.root, p).read_bytes() for p in tree.files)
    except OSError:
        return False
