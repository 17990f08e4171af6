"""Requests over a kept connection: counted, a read whose connection broke is sent again once."""

from typing import Any

import httpx


class Counter:
    """Counts requests; an object of its own, for a connection must not hold who uses it."""

    def __init__(self) -> None:
        self.calls = 0

    def add(self, request: httpx.Request) -> None:
        """Count a request that is sent."""
        del request
        self.calls += 1


def sent(client: httpx.Client, request: httpx.Request, *, changes: bool) -> httpx.Response:
    """Return the answer; what changes something is never sent twice. Raises `httpx.HTTPError`."""
    try:
        return client.send(request)
    except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
        # A kept connection may have been closed at the other end since the last call.
        if changes:
            raise
        return client.send(request)


def text(value: Any) -> str | list[str]:
    """Return a value of a query as it is written; a list is sent as repeated parameters."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return [str(text(v)) for v in value]
    return str(value)
