"""The simulated AIDP workspace's wire: requests as real clients send them, replies and errors.

Rules kept here: an error is `{"code", "message"}`; a list is `{"items": [...]}` with the next page
in the header opc-next-page; times are RFC 3339 with milliseconds, in UTC.
Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/quick-start.html
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agent.simulators.aidp.addressing import Address
from agent.simulators.aidp.options import Family
from agent.simulators.loopback import Reply
from agent.simulators.wire import AnyRequest, Refusal, Sort

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

MOST = 1000
"""Items of a page, at most."""


class ApiError(Refusal):
    """A refusal, as the service words it."""


@dataclass(frozen=True, kw_only=True)
class Request(AnyRequest):
    """One request. Its path is below `/workspaces/{ws}`, else below the instance, else whole; as
    sent, not decoded. `user`: OCID of who signed, empty on pre-authenticated links and controls."""

    target: str
    """The whole path and query, as sent."""
    place: Address
    key_id: str = ""
    """Whose signature was verified; empty where none was."""
    by_token: bool = False
    """It was signed with a session or principal token, not with an API key."""

    @property
    def family(self) -> Family:
        """Version and prefix of the path."""
        return self.place.family or "GA"

    @property
    def operation_header(self) -> str:
        """Name of the header that carries the key of an asynchronous operation."""
        prefix = "aidp" if self.family == "GA" else "datalake"
        return f"{prefix}-async-operation-key"

    def header_flag(self, name: str, default: bool = False) -> bool:
        """Return a boolean header; SDKs write `True`."""
        return self.boolean(name, self.headers.get(name), default)

    def invalid(self, message: str) -> ApiError:
        """Return the refusal of what was sent."""
        return invalid(message)

    def unfit(self, name: str, value: Any, sort: Sort) -> ApiError:
        """Return the refusal of a value that is not what it has to be."""
        del value
        wanted = {"boolean": "true or false", "array": "an array"}.get(sort, f"a {sort}")
        return invalid(f"{name} must be {wanted}")

    def lacking(self, name: str) -> ApiError:
        """Return the refusal of a request that does not say `name`."""
        where = "query param " if self.method in ("GET", "HEAD", "DELETE") else ""
        return invalid(f"{where}{name} must not be null")


def invalid(message: str) -> ApiError:
    """Return the refusal of a parameter: 400 InvalidParameter."""
    return ApiError(400, "InvalidParameter", message)


def missing(message: str = "") -> ApiError:
    """Return the refusal of what is not there or not the caller's: 404."""
    said = message or "Authorization failed or requested resource not found."
    return ApiError(404, "NotAuthorizedOrNotFound", said)


def conflict(message: str, code: str = "Conflict") -> ApiError:
    """Return a 409, such as Conflict or IncorrectState."""
    return ApiError(409, code, message)


def parsed(raw: bytes) -> dict[str, Any]:
    """Return the body's JSON object, empty where there is none. Raises `ApiError` otherwise."""
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw)
    except ValueError as error:
        message = f"Incorrectly formatted request. Please check the body: {error}"
        raise ApiError(400, "CannotParseRequest", message) from error
    if not isinstance(body, dict):
        raise ApiError(400, "CannotParseRequest", "Incorrectly formatted request: not an object")
    return body


def paged(
    items: Sequence[dict[str, Any]], request: Request, sim: "Simulator", *, totals: bool = False
) -> Reply:
    """Return one page as `{"items": [...]}`; the next one's token is in opc-next-page.

    `totals`: also opc-prev-page and opc-total-items, as the list of jobs has them.
    Raises `ApiError` (400) for a limit out of 1..1000 and a token that is none of ours.
    """
    size = request.number("limit", sim.options.page_size)
    if not 1 <= size <= MOST:
        raise invalid(f"limit must be between 1 and {MOST}")
    start = _start(request.query.get("page"))
    end = start + size
    headers = {}
    if end < len(items):
        headers["opc-next-page"] = _token(start if sim.options.page_repeats and start else end)
    if totals:
        headers["opc-total-items"] = str(len(items))
        if start:
            headers["opc-prev-page"] = _token(max(0, start - size))
    return Reply(200, {"items": list(items[start:end])}, headers)


def _token(place: int) -> str:
    return base64.urlsafe_b64encode(f"at-{place}".encode()).decode()


def _start(token: str | None) -> int:
    if token is None:
        return 0
    try:
        found = re.fullmatch(rb"at-(\d+)", base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError):
        found = None
    if found is None:
        raise invalid(f"page is invalid: '{token}'")
    return int(found[1])


def moment(sim: "Simulator", at_ms: int) -> str | int:
    """Return a time as it goes over the wire: `2026-07-01T10:00:00.000Z`, or the milliseconds."""
    return at_ms if sim.options.epoch_times else stamp(at_ms)


def stamp(at_ms: int) -> str:
    """Return `2026-07-01T10:00:00.000Z` for milliseconds since the epoch."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def parsed_moment(name: str, value: Any) -> int:
    """Return milliseconds since the epoch of an RFC 3339 text or a number. Raises `ApiError`."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = str(value)
    if re.fullmatch(r"\d{12,14}", text):
        return int(text)
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError as error:
        raise invalid(f"{name} is not a valid date-time: '{value}'") from error
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def etag(key: str, version: int) -> str:
    """Return the etag of a version of something."""
    return hashlib.sha256(f"{key}/{version}".encode()).hexdigest()[:32]


def match(request: Request, current: str) -> None:
    """Raise `ApiError` 412 where the request's if-match names another etag; `*` fits all."""
    wanted = request.headers.get("if-match", "").strip().strip('"')
    if wanted and wanted not in ("*", current):
        message = "The etag in the if-match header does not match the resource's."
        raise ApiError(412, "NoEtagMatch", message)


def created(sim: "Simulator", request: Request, where: str, tag: str) -> dict[str, str]:
    """Return the headers of what created or changed something at `where`, below the workspace."""
    location = f"{sim.below(request.family)}{where}"
    return {
        "location": location,
        "content-location": location,
        "opc-work-request-id": sim.new_key(),
        **({"etag": tag} if tag else {}),
    }
