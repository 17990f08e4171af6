"""What any answer says beside its status: its JSON, its words masked, when to come back."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from agent import redaction

_LONGEST_S = 900.0
"""A longer Retry-After is taken as this."""


def body(response: httpx.Response) -> Any:
    """Return the answer's JSON, None where it is none."""
    try:
        return response.json()
    except ValueError:
        return None


def clean(text: object) -> str:
    """Return any words of the other side masked, safe to print, on one line."""
    return redaction.printable(redaction.mask(" ".join(str(text).split())))[:2000]


def moment(said: str) -> datetime | None:
    """Return the time of a header like Date, None where it says none."""
    try:
        when = parsedate_to_datetime(said)
    except (ValueError, TypeError, IndexError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def wait_s(response: httpx.Response) -> float | None:
    """Return what Retry-After says in seconds: a number or a date; None where it says nothing."""
    said = response.headers.get("retry-after", "").strip()
    try:
        seconds = float(said)
    except ValueError:
        when = moment(said)
        if when is None:
            return None
        seconds = (when - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_S) if seconds == seconds else None
