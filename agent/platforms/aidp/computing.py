"""Which cluster a task ran on, and what a fixer of its job must know of the others.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import re
from collections.abc import Mapping
from typing import Any

from agent.errors import Unavailable
from agent.platforms.aidp import clusters
from agent.platforms.aidp.api import ApiRefused, Forbidden
from agent.platforms.aidp.session import Session
from agent.remote import texts

_LISTED = 50
_ABOUT = re.compile(r"cluster|WORKFLOW_EXECUTION_00(?:49|55|71)", re.IGNORECASE)


class Computing:
    """The clusters of the workspace, asked for once per process."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._found: list[dict[str, Any]] | None = None

    def cluster(
        self, task: Mapping[str, Any], task_run: Mapping[str, Any], run: Mapping[str, Any]
    ) -> str | None:
        """Return the key of the cluster that a task ran on, None where nothing says it."""
        spec, instance = task_run.get("clusterSpec"), run.get("clusterInstance")
        declared = task.get("cluster")
        for held, name in (
            (spec, "existingClusterKey"),
            (declared, "clusterKey"),
            (instance, "clusterKey"),
        ):
            if isinstance(held, dict) and held.get(name):
                return str(held[name])
        wanted = declared.get("clusterName") if isinstance(declared, dict) else None
        fits = [c for c in self._clusters() if wanted and c.get("displayName") == wanted]
        return str(fits[0].get("key")) if fits else None

    def lines(self, task: Mapping[str, Any], said: str) -> list[str]:
        """Say which clusters there are where words blame one, else nothing."""
        if not _ABOUT.search(said):
            return []
        found = self._clusters()
        if not found:
            return []
        named = [f"{c.get('displayName')} ({c.get('state') or 'unknown'})" for c in found]
        more = f", and {len(named) - _LISTED} more" if len(named) > _LISTED else ""
        lines = [f"clusters of the workspace: {', '.join(named[:_LISTED])}{more}"]
        declared = task.get("cluster")
        wanted = str(declared.get("clusterName") or "") if isinstance(declared, dict) else ""
        keyed = (c for c in found if wanted and c.get("key") == wanted)
        lines += [f'{wanted} is the key of cluster "{c.get("displayName")}"' for c in keyed]
        return [texts.clean(line) for line in lines]

    def _clusters(self) -> list[dict[str, Any]]:
        if self._found is None:
            try:
                self._found = clusters.listed(self._session)
            except (ApiRefused, Forbidden, Unavailable):
                self._found = []
        return self._found
