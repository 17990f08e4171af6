"""Finding runs and repairs whose requests lost their answer, and those that are in the way.

Rules kept here: what was there before a request cannot be its outcome; lists are read to the run
that was the newest then, whole or not at all; a repair with our tasks since we asked is ours,
another is somebody else's; a nested or scheduled run is nobody's request.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/
"""

from itertools import islice
from typing import Any

from agent.errors import Held
from agent.platforms.aidp import parameters, runs, states
from agent.platforms.aidp.session import Session

_US = "us"
_BEFORE = 50
"""Newest runs of the job that are remembered before one is started."""

Record = dict[str, Any]
"""What is kept of one start; see `starting`."""


class Seeking:
    """What the service knows of the starts of one case."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._api = session.api

    def newest(self, job: str) -> list[str]:
        """Return the keys of a job's newest runs, newest first."""
        return [str(r["key"]) for r in islice(runs.listed(self._api, job, cap=_BEFORE), _BEFORE)]

    def active(self, job: str, besides: str | None = None) -> list[dict[str, Any]]:
        """Return a job's runs that have not ended, newest first; summaries."""
        listed = runs.listed(self._api, job, cap=runs.PAGE)
        found = (run for run in listed if states.status(run) and not states.ended(run))
        return [run for run in found if str(run["key"]) != besides]

    def since(self, record: Record) -> list[dict[str, Any]]:
        """Return the runs that the record's request may have started."""
        found = []
        for summary in runs.listed(self._api, record["job"]):
            key = str(summary["key"])
            if key in record["before"]:
                break
            if key in record["skipped"] or not self._may_be_ours(summary):
                continue
            run = runs.get(self._api, key)
            nested = run.get("parentJobRunKey") or run.get("parentTaskRunKey")
            if not nested and parameters.same(run, record["own"], record["known"]):
                found.append(run)
        return found

    def repaired(self, record: Record) -> int | None:
        """Return the number of the repair that the record's request has made, None for none.

        Raises `Held` where somebody else repaired the run.
        """
        return ours(runs.get(self._api, record["of"]), record)

    def remember(self, run: dict[str, Any]) -> None:
        """Note under which name the service knows us, from a run that we started."""
        if run.get("createdBy"):
            self._session.keep(_US, "created_by", str(run["createdBy"]))

    def _may_be_ours(self, run: dict[str, Any]) -> bool:
        if run.get("launched") == "SCHEDULED":
            return False
        who = str(run.get("createdBy") or "")
        us = str(self._session.kept(_US, "created_by") or self._login())
        comparable = who.startswith("ocid1.") and us.startswith("ocid1.")
        return who == us or not comparable

    def _login(self) -> str:
        identity = self._api.auth.identity
        return str(identity.said.get("user") or "") if identity.kind == "api_key" else ""


def ours(run: dict[str, Any], record: Record) -> int | None:
    """Return the one repair since we asked, where it has our tasks; None where there is none.

    Raises `Held` where there is another.
    """
    newer = [repair for repair in runs.repairs(run) if repair.key > record["seen"]]
    if not newer:
        return None
    told = newer[0].tasks
    if len(newer) == 1 and (not told or set(record["tasks"]) <= told):
        return newer[0].key
    raise Held(f"run {run['key']} was repaired by somebody else (repair {newer[-1].key})")
