"""Stopping runs: asked for once, waited for until every task run has ended.

Rules kept here: the service stops a run some time after it said that it would; its CANCELED counts
once no task run is active any more, and never where the service says that a cancel failed; a start
that nobody knows the outcome of is called off before it is looked for.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/ (cancelJobRun)
"""

import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from agent.errors import Unavailable
from agent.platforms.aidp import runs, states, writing
from agent.platforms.aidp.api import ApiRefused
from agent.platforms.aidp.session import Session
from agent.platforms.aidp.starting import Starting, token
from agent.platforms.aidp.watching import Watching
from agent.records import RunStatus

_LOOK_S = 5.0
_AGAIN_S = 120.0
"""How long a run may go on after its cancel was taken, before it is asked for anew."""
_START = re.compile(r"[0-9a-f]{32}")
"""A start's key; a run's has dashes."""


class Cancelling:
    """What one process has asked to stop."""

    def __init__(
        self,
        session: Session,
        starting: Starting,
        watching: Watching,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._session = session
        self._api = session.api
        self._starting = starting
        self._watching = watching
        self._now = now
        self._asked: dict[str, tuple[int, float]] = {}

    def cancel(self, key: str, run: str) -> RunStatus:
        """Stop a run, or what was started by a key, and return its status once it has ended.

        Raises `Unavailable` until then.
        """
        try:
            number = self._meant(run)
            if number is None:
                return RunStatus(run=run, state="cancelled", native="NEVER STARTED")
            found = self._watching.read(number)
            if found is not None:
                self._stopped(key, number, found)
        except ApiRefused as error:
            raise Unavailable(f"run {run} cannot be cancelled: {error}") from error
        status = self._watching.look(number, self._starting.newest(number))
        if status.state == "running":
            said = f"run {number} has not ended: {'; '.join(status.notes)}"
            raise Unavailable(said, retry_after_s=_LOOK_S, works=True)
        return status

    def _stopped(self, key: str, run: str, found: dict[str, Any]) -> None:
        """Ask for the end of a run that goes on; raise `Unavailable` while anything may write."""
        if not states.ended(found):
            self._ask(key, run, found)
            found = runs.get(self._api, run)
            if not states.ended(found):
                said = f"run {run} is being cancelled ({states.status(found)})"
                raise Unavailable(said, retry_after_s=_LOOK_S, works=True)
        if writers := writing.anywhere(self._api, found):
            said = f"run {run} has ended, but {writers[0].why}: it may still write"
            settles = all(writer.settles for writer in writers)
            raise Unavailable(said, retry_after_s=_LOOK_S if settles else None, works=settles)

    def _meant(self, run: str) -> str | None:
        """Return the run that is meant, None where what was asked for started none."""
        never_asked = self._starting.record(run) is None
        if never_asked and (not _START.fullmatch(run) or runs.found(self._api, run) is not None):
            return run
        self._starting.call_off(run)
        return self._starting.lost(run)

    def _ask(self, key: str, run: str, found: dict[str, Any]) -> None:
        times, at = self._asked.get(run, (0, 0.0))
        if times and self._now() - at < _AGAIN_S:
            return
        if not times and states.status(found) == "CANCELING":
            return
        case = self._session.context.folder.name
        path = f"/jobRuns/{quote(run, safe='')}/actions/cancel"
        sent = token(case, run, f"{key}.{times}")
        try:
            self._api.send("POST", path, what=f"cancel-run-{run}", token=sent)
        except ApiRefused as error:
            if not states.ended(runs.get(self._api, run)):
                raise Unavailable(f"run {run} cannot be cancelled: {error}") from error
        self._asked[run] = (times + 1, self._now())
