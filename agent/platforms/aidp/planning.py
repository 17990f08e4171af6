"""What a deploy would send, as effects that a person is asked about, each with its masked body.

On production, and in mode approve, everything is shown before it is sent. The effects of one deploy
are the same however often they are made, also after a crash in its midst: what was approved stays
approved. A body too long to be shown is cut, and its digest said, which binds the approval to it.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.platforms.aidp import layout, parameters, payloads, transfer
from agent.platforms.aidp.layout import Layout
from agent.platforms.aidp.session import Session
from agent.records import Effect, Risk, Tree
from agent.remote.drift import Compared

_MOST = 20
_LARGEST = 32 * 1024
"""Characters of a body that are shown."""


class Planner:
    """Makes the effects of one case, where they are asked for."""

    def __init__(self, session: Session) -> None:
        self._session = session
        book = session.book
        self._production = book.production is not False
        self._asks = self._production or book.approve.mode == "approve"

    def sent(self, detail: str, body: object, path: str | None = None) -> tuple[Effect, ...]:
        """Return the effect of sending a body; nothing where nobody asks. None = no body."""
        if not self._asks:
            return ()
        kind = "production_deploy" if self._production else "request_send"
        shown = "" if body is None else _bounded(payloads.shown(body))
        return (Effect(kind=kind, risk=Risk.ASK, detail=detail, path=path, shown=shown),)

    def files(self, tree: Tree, there: Layout, compared: Compared) -> tuple[Effect, ...]:
        """Return the effects of bringing what differs and deleting what is gone."""
        effects: list[Effect] = []
        for path in compared.changed[:_MOST]:
            remote = there.remote(path)
            content = (Path(tree.root) / path).read_bytes()
            effects += self.sent(f"brings {path} to {remote}", _file_body(remote, content), path)
        if rest := compared.changed[_MOST:]:
            digests = {
                p: hashlib.sha256((Path(tree.root) / p).read_bytes()).hexdigest() for p in rest
            }
            effects += self.sent(f"brings {len(rest)} more files to {there.root}", digests)
        for remote in compared.gone:
            effects += self.sent(f"deletes {remote}, which the source no longer has", None)
        return tuple(effects)

    def run(self, name: str, key: str | None) -> tuple[Effect, ...]:
        """Return the effect of the run that follows; `key`: None for a job that is made first."""
        body: dict[str, Any] = {"jobKey": key or f"<key of {name}>"}
        if given := parameters.given(self._session.book.job.parameters):
            body["parameters"] = parameters.listed(given)
        return self.sent(f"runs job {name}, or repairs its ended run", body)


def creation(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of the first step: what every build makes a job from."""
    return {name: job[name] for name in ("name", "path", "maxConcurrentRuns")}


def _file_body(remote: str, content: bytes) -> object:
    """Return the body that brings a file."""
    notebook = transfer.contents_body(remote, content) if layout.is_notebook(remote) else None
    return notebook or content


def _bounded(text: str) -> str:
    if len(text) <= _LARGEST:
        return text
    mark = hashlib.sha256(text.encode()).hexdigest()
    more = len(text) - _LARGEST
    return f"{text[:_LARGEST]}\n[... {more:,} more characters; SHA-256 of the whole: {mark}]"
