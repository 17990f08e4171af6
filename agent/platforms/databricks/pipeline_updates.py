"""The updates of a pipeline: started once per key, found again, followed through retries.

A start has no idempotency token. So what is newest is written down before the request goes out:
where its reply is lost, the one update that the API made since is ours; several are nobody's to
choose from. In production mode the platform starts an update again that failed; those belong to it.

Source: https://docs.databricks.com/api/workspace/pipelines/startupdate
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from agent.errors import Held, Unavailable
from agent.platforms.databricks.api import Api, ApiRefused, NotFound
from agent.platforms.databricks.session import Session

Document = Mapping[str, Any]

ENDED = frozenset(("COMPLETED", "FAILED", "CANCELED"))
_BUSY = frozenset(("DEPLOYING", "RECOVERING", "RESETTING", "RUNNING", "STARTING", "STOPPING"))
_RETRY = "RETRY_ON_FAILURE"
_KIND = "updates"
_PAGE = 25
_PAGES = 8
_WORDS = ("active update", "already active", "currently running", "is already running")
"""Of the refusal while another update is active."""


class Seen(NamedTuple):
    """How an update and the ones that the platform started for it are doing."""

    first: Document
    last: Document
    """The newest of them; the first itself where there are no others."""
    retries: int
    coming: bool = False
    """True while the pipeline is not at rest after the last one failed: a retry may follow."""

    @property
    def state(self) -> str:
        """The last one's state."""
        return str(self.last.get("state") or "")

    @property
    def running(self) -> bool:
        """Whether anything of it may still write; a state that nobody knows does."""
        return self.state not in ENDED or self.coming


def identity(update: Document) -> str:
    """Return an update's id."""
    return str(update.get("update_id") or "")


def active(update: Document) -> bool:
    """Return whether an update has not ended."""
    return str(update.get("state") or "") not in ENDED


def path(pipeline: str, rest: str = "") -> str:
    """Return the path of a pipeline, or of something below it."""
    return f"/api/2.0/pipelines/{pipeline}{rest}"


def get(api: Api, pipeline: str, update: str) -> Document:
    """Return one update. Raises `NotFound`."""
    found: Document = api.get(path(pipeline, f"/updates/{update}")).get("update") or {}
    return found


def newest(api: Api, pipeline: str, *, down_to: str | None = None) -> list[Document]:
    """Return the updates, the newest first, those after `down_to` only; without it one page."""
    found: list[Document] = []
    token: str | None = None
    seen: set[str] = set()
    for _ in range(_PAGES if down_to else 1):
        page = api.get(path(pipeline, "/updates"), max_results=_PAGE, page_token=token)
        for update in page.get("updates") or ():
            if identity(update) == down_to:
                return found
            found.append(update)
        token = page.get("next_page_token") or None
        if token is None or token in seen:
            break
        seen.add(token)
    return found


def asked(session: Session, key: str) -> dict[str, Any]:
    """Return what was written down about the start with this key; empty where nothing was."""
    return session.kept(_KIND, key) or {}


def start(session: Session, key: str, pipeline: str, body: Mapping[str, Any]) -> str:
    """Return the id of the update that this key has, starting it where there is none yet.

    Raises `Unavailable` while another update is active, `Held` where several may be ours, and
    `ApiRefused` for what the service refuses.
    """
    known = asked(session, key)
    if known.get("stopped"):
        raise Held(f"the start {key} was cancelled; nothing is started by it any more")
    if (found := known.get("update") or recover(session, key)) is not None:
        return str(found)
    if not known:
        before = newest(session.api, pipeline)
        if (busy := next((u for u in before if active(u)), None)) is not None:
            raise Unavailable(_busy(pipeline, busy), retry_after_s=30.0, works=True)
        last = identity(before[0]) if before else None
        known = {"pipeline": pipeline, "body": dict(body), "newest": last, "sent": 0}
    known["sent"] += 1
    session.keep(_KIND, key, known)
    try:
        made = session.api.post(path(pipeline, "/updates"), known["body"])
    except ApiRefused as error:
        return _refused(session, key, known, error)
    update = str(made.get("update_id") or "")
    session.keep(_KIND, key, known | {"update": update})
    return update


def recover(session: Session, key: str) -> str | None:
    """Return the update of a start whose reply was lost, None where it made none (yet).

    Raises `Held` where several updates were made by the API since.
    """
    known = asked(session, key)
    if known.get("update") or not known.get("sent"):
        return known.get("update")
    body = known["body"]
    # Without an earlier update everything there is came since.
    since = newest(session.api, known["pipeline"], down_to=known["newest"] or "-")
    ours = [u for u in since if u.get("cause", "API_CALL") == "API_CALL" and _same(u, body)]
    if len(ours) > 1:
        ids = ", ".join(map(identity, ours))
        raise Held(
            f"the reply to a start of pipeline {known['pipeline']} was lost, and several updates "
            f"were started through the API since: {ids}; see which is whose, then cancel this "
            "case, or begin one at the right update with --run"
        )
    if not ours:
        return None
    session.keep(_KIND, key, known | {"update": identity(ours[0])})
    return identity(ours[0])


def forbid(session: Session, key: str) -> None:
    """Write down that nothing may be started by this key any more."""
    session.keep(_KIND, key, asked(session, key) | {"stopped": True})


def follow(api: Api, pipeline: str, update: str) -> Seen | None:
    """Return how an update and its retries are doing; None where it is gone."""
    try:
        first = get(api, pipeline, update)
    except NotFound:
        return None
    if str(first.get("state") or "") != "FAILED":
        return Seen(first, first, 0)
    retries: list[Document] = []
    for later in reversed(newest(api, pipeline, down_to=update)):
        if later.get("cause") != _RETRY:
            return Seen(first, retries[-1] if retries else first, len(retries))
        retries.append(later)
    last = retries[-1] if retries else first
    coming = str(last.get("state") or "") == "FAILED" and not at_rest(api, pipeline)
    return Seen(first, last, len(retries), coming)


def at_rest(api: Api, pipeline: str) -> bool:
    """Return whether the pipeline as a whole is idle or has failed."""
    try:
        return str(api.get(path(pipeline)).get("state") or "") not in _BUSY
    except NotFound:
        return True


def later(api: Api, pipeline: str, update: str) -> str | None:
    """Say what was started after an update (its retries included) that matters; None = nothing."""
    for other in newest(api, pipeline, down_to=update):
        word = "by the platform itself" if other.get("cause") == _RETRY else _by(other)
        if active(other):
            return f"update {identity(other)} of the pipeline is active, started {word}"
        if other.get("state") == "COMPLETED" and not other.get("validate_only"):
            return f"a newer update, {identity(other)}, started {word}, has succeeded"
    return None


def _by(update: Document) -> str:
    return f"by somebody else ({update.get('cause') or 'cause unknown'})"


def _busy(pipeline: str, update: Document) -> str:
    state = update.get("state") or "of unknown state"
    return f"update {identity(update)} of pipeline {pipeline} is {state}, started {_by(update)}"


def _same(update: Document, body: Mapping[str, Any]) -> bool:
    """Return whether an update is what a request asked for, as far as the list tells."""
    if bool(update.get("validate_only")) != bool(body.get("validate_only")):
        return False
    if bool(update.get("full_refresh")) != bool(body.get("full_refresh")):
        return False
    return all(
        sorted(update.get(name) or ()) == sorted(body.get(name) or ())
        for name in ("refresh_selection", "full_refresh_selection")
    )


def _refused(session: Session, key: str, known: dict[str, Any], error: ApiRefused) -> str:
    """Make of a refusal what it means: somebody else's update, or our own of a lost reply."""
    conflict = error.status == 409 or any(word in error.message for word in _WORDS)
    if conflict and known["sent"] > 1 and (found := recover(session, key)) is not None:
        return found
    if known["sent"] == 1:
        # Nothing was started: the next try begins afresh, with what is newest then.
        session.keep(_KIND, key, None)
    if conflict:
        raise Unavailable(str(error), retry_after_s=30.0) from error
    raise error
