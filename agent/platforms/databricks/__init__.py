"""Databricks: jobs, bundles, pipelines, monitors and alerts of a workspace.

Start reading at `jobs`, `pipelines` or `monitoring`: each is the whole protocol for its kind of
playbook. `auth` and `api` are how the workspace is reached.
"""

from pathlib import Path

from agent.platforms import Context, Platform
from agent.playbook import Playbook


def connect(context: Context) -> Platform:
    """Return the platform for what the playbook names; nothing is sent yet."""
    from agent.platforms.databricks import session

    here = session.connect(context)
    book, source = here.book, context.loaded.source
    if not context.any_job and _is_pipeline(book, source):
        from agent.platforms.databricks.pipelines import Pipelines

        return Pipelines(here, context.now)
    if book.job.file is not None and _is_monitoring(source / book.job.file):
        from agent.platforms.databricks.monitoring import Monitoring

        return Monitoring(here, context.now)
    from agent.platforms.databricks.jobs import Jobs

    return Jobs(here, context.now)


def _is_pipeline(book: Playbook, source: Path) -> bool:
    if book.job.pipeline is not None or book.job.bundle is None:
        return book.job.pipeline is not None
    from agent.platforms.databricks import deploying

    return deploying.resource_kind(book, source) == "pipeline"


def _is_monitoring(file: Path) -> bool:
    from agent.platforms.databricks import monitoring_file

    try:
        return monitoring_file.is_monitoring(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return False
