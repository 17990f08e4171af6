"""What an answer says beside its status: the error's word and sentence, and when to come back.

Errors are `{"code", "message"}` and an `opc-request-id`; a proxy answers with a page. A sentence is
masked before it goes on.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from agent import redaction

_LONGEST_S = 900.0
"""A longer Retry-After is taken as this."""
_SKEW_S = 300.0
_OFF = re.compile(r"\b(?:clock skew|(?:date|clock) is off)\b", re.IGNORECASE)
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL | re.IGNORECASE)


def code(response: httpx.Response) -> str:
    """Return the service's own word for an error, empty where it gave none."""
    body = _body(response)
    said = body.get("code") if isinstance(body, dict) else None
    return said if isinstance(said, str) else ""


def message(response: httpx.Response) -> str:
    """Return what the service said, masked and safe to print, on one line."""
    body = _body(response)
    if isinstance(body, dict):
        return clean(body.get("message") or "")
    if isinstance(body, str):
        return clean(body)
    found = _TITLE.search(response.text)
    return clean(found[1] if found else response.text[:300])


def clean(text: object) -> str:
    """Return any words of the other side masked, safe to print, on one line."""
    return redaction.printable(redaction.mask(" ".join(str(text).split())))[:2000]


def wait_s(response: httpx.Response) -> float | None:
    """Return what Retry-After says in seconds: a number or a date; None where it says nothing."""
    said = response.headers.get("retry-after", "").strip()
    try:
        seconds = float(said)
    except ValueError:
        when = _moment(said)
        if when is None:
            return None
        seconds = (when - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_S) if seconds == seconds else None


def skew(words: str, date: str, now_s: float) -> str:
    """Say what is wrong with our clock where that is why a signature is refused, else ''.

    `words`: what the service said; `date`: its Date header, '' where it is not known.
    """
    when = _moment(date)
    off = 0.0 if when is None else now_s - when.timestamp()
    if abs(off) >= _SKEW_S:
        side = "ahead of" if off > 0 else "behind"
        return (
            f"this machine's clock is {abs(off) / 60:.0f} minutes {side} the service's, and "
            "signatures are refused from 5 minutes on: set the clock"
        )
    if _OFF.search(words):
        return "this machine's clock differs from the service's by too much: set the clock"
    return ""


def _moment(said: str) -> datetime | None:
    try:
        when = parsedate_to_datetime(said)
    except (ValueError, TypeError, IndexError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _body(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None
