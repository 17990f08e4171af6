"""What an answer says beside its status: the error's word and sentence.

Errors come as JSON, as text and as a proxy's page.

Source: https://docs.databricks.com/api/workspace/introduction
"""

import re

import httpx

from agent.remote.answers import body, clean

_PRE = re.compile(r"<pre>(.*?)</pre>|<title>(.*?)</title>", re.DOTALL | re.IGNORECASE)


def code(response: httpx.Response) -> str:
    """Return `error_code` where it is a word; legacy endpoints give the HTTP status as a number."""
    found = body(response)
    code = found.get("error_code") if isinstance(found, dict) else None
    return code if isinstance(code, str) else ""


def message(response: httpx.Response) -> str:
    """Return what the service said, masked and safe to print, on one line."""
    found = body(response)
    if isinstance(found, dict):
        return clean(found.get("message") or found.get("detail") or found.get("error") or "")
    if isinstance(found, str):
        return clean(found)
    page = _PRE.search(response.text)
    return clean(next((g for g in page.groups() if g), "") if page else response.text[:300])
