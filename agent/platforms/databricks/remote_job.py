"""What the targets that go by REST have in common: a job that is there, and bringing files."""

from pathlib import Path
from typing import Any

from agent.errors import UsageError
from agent.platforms.databricks import drift, runs, sources
from agent.platforms.databricks.api import NotFound
from agent.platforms.databricks.files import Files
from agent.platforms.databricks.layout import Layout
from agent.platforms.databricks.session import Session
from agent.records import Deployment, Tree


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
    compared = drift.of_files(kept, there, wanted, previous.files if previous else {})
    kept.bring(Path(tree.root), there, compared.changed)
    kept.know(there, wanted)
    kept.remove(compared.gone)


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
