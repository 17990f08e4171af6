"""What the service says no with, as exceptions: see also `agent.remote.refusals`.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

from typing import NamedTuple

from agent.errors import RunmendError, Unauthorized, Unavailable
from agent.platforms.aidp.base import NEWER, OLDER, Base
from agent.remote.refusals import NOT_KNOWN, ApiRefused, Forbidden, NotFound


class Stale(ApiRefused):
    """412: somebody else changed it since we read it."""


class Conflict(ApiRefused):
    """409: it is there already, or its state does not allow this now."""


class ServerError(Unavailable):
    """5xx: an error of the service, which some calls answer with for good."""

    def __init__(self, message: str, status: int, *, retry_after_s: float | None = None) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.status = status


def unseen(error: NotFound, base: Base) -> Unauthorized:
    """Return the exception where a 404 means the whole workspace, which shows us nothing."""
    other = OLDER if base.api == NEWER else NEWER
    return Unauthorized(
        f"{error.call}: {base.host} shows us nothing of workspace {base.workspace} of instance "
        f"{base.instance} by {base.api} ({error.status} {error.code}): either we may not see it "
        "(ask for READ), or the instance, the workspace or the region is wrong, or the instance "
        f"answers to `api: {other}` under `aidp:`, which `runmend doctor PLAYBOOK` finds out"
    )


class Said(NamedTuple):
    """An answer that is none of ours to use."""

    call: str
    """`METHOD /path`."""
    status: int
    code: str
    message: str
    """Masked, one line; may be empty."""
    changes: bool
    """Whether the call would change something."""
    wait_s: float | None = None
    """What Retry-After says."""


def refusal(said: Said, who: str, what_to_do: str) -> RunmendError:
    """Return the exception for an answer; `who` was refused where it is about the login."""
    call, status, code, words, changes, wait_s = said
    mark = f"({status}{f' {code}' if code else ''})"
    if status == 401:
        login = words.rstrip(".") or "no reason given"
        return Unauthorized(f"{call}: {who} is not taken: {login} {mark}; {what_to_do}")
    if status == 403:
        words = words.rstrip(".") or "not allowed"
        return Forbidden(
            f"{call}: {who} may not do this: {words} {mark}; ask for the permission, or "
            f"{what_to_do}"
        )
    if status == 429:
        return Unavailable(f"{call}: {words or 'too many requests'} {mark}", retry_after_s=wait_s)
    if status >= 500 and status != 501:
        words = words or "an error of the service"
        unknown = NOT_KNOWN if changes else ""
        return ServerError(f"{call}: {words} {mark}{unknown}", status, retry_after_s=wait_s)
    if status == 404:
        words = words.rstrip(".") or "not found"
        return NotFound(
            call, status, code, f"{words}; either it does not exist or we may not see it"
        )
    kind = {409: Conflict, 412: Stale}.get(status, ApiRefused)
    return kind(call, status, code, words or "refused without a word")
