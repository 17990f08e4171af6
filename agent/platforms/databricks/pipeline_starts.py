"""What a start of an update asks for: a validation first, then everything or a selection.

An update has no repair: what failed, what was patched and all that reads it is refreshed by a new
one. Where a name is not sure, the whole pipeline is; the platform then refreshes what has changed.

Source: https://docs.databricks.com/aws/en/ldp/updates
"""

from collections.abc import Mapping
from typing import Any

from agent.engine.values import as_text
from agent.errors import Unavailable
from agent.platforms.databricks import (
    pipeline_events,
    pipeline_progress,
    pipeline_sources,
    pipeline_updates,
)
from agent.platforms.databricks.pipeline_events import Logs
from agent.platforms.databricks.pipeline_sources import Dataset, short
from agent.platforms.databricks.pipeline_updates import Document, identity
from agent.platforms.databricks.session import Session
from agent.playbook import Playbook
from agent.records import Deployment, Repair, Tree

_LOOK_S = 15.0
"""Between two looks at a validation that runs."""


def parameters(book: Playbook, before: Document | None) -> dict[str, str]:
    """Return the parameters of an update: those of the one before, else the playbook's."""
    given: Mapping[str, Any] = (before or {}).get("parameters") or book.job.parameters
    return {str(name): as_text(value) for name, value in given.items()}


class Starts:
    """The starts of one pipeline's updates from one tree."""

    def __init__(self, session: Session, logs: Logs, sources: tuple[Dataset, ...]) -> None:
        self._session = session
        self._api = session.api
        self._logs = logs
        self._sources = sources

    def validate(self, key: str, deployment: Deployment, tree: Tree) -> Document | None:
        """Let the platform check the code, once for each tree; return the update that found it bad.

        Raises `Unavailable` while the validation runs.
        """
        mark = f"{deployment.job} {deployment.settings} {tree.digest}"
        if self._session.kept("validated", mark):
            return None
        body: dict[str, Any] = {"validate_only": True}
        if given := parameters(self._session.book, None):
            body["parameters"] = given
        asked = f"{key}-validate"
        update = pipeline_updates.start(self._session, asked, deployment.job, body)
        seen = pipeline_updates.follow(self._api, deployment.job, update)
        if seen is None:
            return {"update_id": update, "state": "LOST"}
        if seen.running:
            raise Unavailable(
                f"pipeline {deployment.job} is being validated: update {update} is {seen.state}",
                retry_after_s=_LOOK_S,
                works=True,
            )
        if seen.state == "COMPLETED":
            self._session.keep("validated", mark, {"update": update})
            return None
        return seen.last

    def body(self, deployment: Deployment, repair: Repair | None) -> tuple[dict[str, Any], str]:
        """Return what to ask for, and what a person may want to know about it.

        Raises `Unavailable` while the update to repair may still write.
        """
        full = self._session.book.job.full_refresh
        before = self._before(deployment, repair) if repair is not None else None
        given = parameters(self._session.book, before)
        body: dict[str, Any] = {"parameters": given} if given else {}
        note = ""
        if repair is not None and before is not None:
            selection = self._selection(deployment.job, repair, before)
            note = "an update cannot be repaired: a new one of the whole pipeline is started"
            if selection:
                body["refresh_selection"] = selection
                note = f"an update cannot be repaired: a new one refreshes {', '.join(selection)}"
            if full and self._refreshed(deployment.job, before):
                # Its tables were emptied and are filled from the start as it is.
                return body, f"{note}; what was to be recomputed was emptied before"
        if isinstance(full, tuple):
            body.pop("refresh_selection", None)
            body["full_refresh_selection"] = list(full)
        elif full:
            # What was to be recomputed never was: the whole update is asked for again.
            body.pop("refresh_selection", None)
            body["full_refresh"] = True
        return body, note

    def _before(self, deployment: Deployment, repair: Repair) -> Document:
        """Return the update to repair, the last of its retries."""
        update = repair.run.rpartition("/")[2]
        seen = pipeline_updates.follow(self._api, deployment.job, update)
        if seen is None:
            return {"update_id": update}
        if seen.running:
            text = f"update {update} is {seen.state}: it cannot be repaired yet"
            raise Unavailable(text, works=True)
        return seen.last

    def _refreshed(self, pipeline: str, before: Document) -> bool:
        """Return whether the update before began to fill its tables, so that they were emptied."""
        flows = pipeline_events.flows(self._logs.of(pipeline, identity(before)).events)
        return any(flow.began for flow in flows)

    def _selection(self, pipeline: str, repair: Repair, before: Document) -> list[str]:
        """Return the datasets to refresh; empty = all."""
        if not repair.tasks:
            return []
        flows = pipeline_events.flows(self._logs.of(pipeline, identity(before)).events)
        shared = pipeline_progress.doubtful(flows)
        known = {pipeline_progress.task(flow.name, shared): flow.dataset for flow in flows}
        views = {short(d.name) for d in self._sources if not d.stored}
        wanted = pipeline_sources.downstream(set(repair.tasks), self._sources)
        if any(task not in known and task not in views for task in wanted):
            return []
        return list(dict.fromkeys(known[task] for task in sorted(wanted) if task in known))
