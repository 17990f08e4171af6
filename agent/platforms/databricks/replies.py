"""What an answer says beside its status: the error's word and sentence, and when to come back.

Errors come as JSON, as text and as a proxy's page; a sentence is masked before it goes on.

Source: https://docs.databricks.com/api/workspace/introduction
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from agent import redaction

_LONGEST_S = 900.0
"""A longer Retry-After is taken as this."""
_PRE = re.compile(r"<pre>(.*?)</pre>|<title>(.*?)</title>", re.DOTALL | re.IGNORECASE)


def _body(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def code(response: httpx.Response) -> str:
    """Return `error_code` where it is a word; legacy endpoints give the HTTP status as a number."""
    body = _body(response)
    code = body.get("error_code") if isinstance(body, dict) else None
    return code if isinstance(code, str) else ""


def message(response: httpx.Response) -> str:
    """Return what the service said, masked and safe to print, on one line."""
    body = _body(response)
    text: Any = None
    if isinstance(body, dict):
        text = body.get("message") or body.get("detail") or body.get("error")
    elif isinstance(body, str):
        text = body
    else:
        found = _PRE.search(response.text)
        text = next((g for g in found.groups() if g), "") if found else response.text[:300]
    words = " ".join(str(text or "").split())
    return redaction.printable(redaction.mask(words))[:2000]


def wait_s(response: httpx.Response) -> float | None:
    """Return what Retry-After says in seconds: a number or a date; None where it says nothing."""
    said = response.headers.get("retry-after", "").strip()
    if not said:
        return None
    try:
        seconds = float(said)
    except ValueError:
        try:
            when = parsedate_to_datetime(said)
        except ValueError:
            return None
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        seconds = (when - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_S) if seconds == seconds else None
