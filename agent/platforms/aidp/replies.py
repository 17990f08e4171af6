"""What an answer says beside its status: the error's word and sentence, a wrong clock.

Errors are `{"code", "message"}` and an `opc-request-id`; a proxy answers with a page.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import re
from typing import Any

import httpx

from agent.remote.answers import body, clean, moment

_SKEW_S = 300.0
_OFF = re.compile(r"\b(?:clock skew|(?:date|clock) is off)\b", re.IGNORECASE)
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL | re.IGNORECASE)


def code(response: httpx.Response) -> str:
    """Return the service's own word for an error, empty where it gave none."""
    said = (json_object(response) or {}).get("code")
    return said if isinstance(said, str) else ""


def message(response: httpx.Response) -> str:
    """Return what the service said, masked and safe to print, on one line."""
    found = body(response)
    if isinstance(found, dict):
        return clean(found.get("message") or "")
    if isinstance(found, str):
        return clean(found)
    page = _TITLE.search(response.text)
    return clean(page[1] if page else response.text[:300])


def json_object(response: httpx.Response) -> dict[str, Any] | None:
    """Return the answer's JSON object, None where it is none."""
    found = body(response)
    return found if isinstance(found, dict) else None


def no_object(response: httpx.Response) -> str:
    """Say that an answer is no JSON object, and what it says."""
    said = message(response) or "nothing that can be read"
    return f"the service answered with no JSON object: {said!r}"


def skew(words: str, date: str, now_s: float) -> str:
    """Say what is wrong with our clock where that is why a signature is refused, else ''.

    `words`: what the service said; `date`: its Date header, '' where it is not known.
    """
    when = moment(date)
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
