"""Which function of a simulator answers which request."""

import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import unquote

Handler = Callable[[Any, Any], Any]
"""Takes the simulator and its own kind of request; returns a reply or the JSON of one."""


class Route(NamedTuple):
    """Which function answers what."""

    method: str
    pattern: str
    """`{name}` stands for one segment or a part of it, `{name...}` for the rest of the path."""
    handler: Handler
    raw: bool = False
    """The body is no JSON: it is left in `Request.raw`."""
    open: bool = False
    """No token is needed."""


class Routes:
    """The routes in the order in which they are tried: the most exact pattern first."""

    def __init__(self, routes: list[Route]) -> None:
        ordered = sorted(routes, key=lambda route: _vagueness(route.pattern))
        self._routes = [(route, _expression(route.pattern)) for route in ordered]

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """Return the route and its arguments; HEAD is answered as GET is. None = no such API."""
        wanted = "GET" if method == "HEAD" else method
        for route, expression in self._routes:
            if route.method == wanted and (fits := expression.fullmatch(path)):
                return route, {k: unquote(v) for k, v in fits.groupdict().items()}
        return None


def _vagueness(pattern: str) -> tuple[int, int, int]:
    return pattern.count("...}"), pattern.count("{"), -len(pattern)


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+(?:\.\.\.)?\})", pattern)
    return re.compile("".join(_part(part) for part in parts))


def _part(part: str) -> str:
    if not part.startswith("{"):
        return re.escape(part)
    name = part.strip("{}")
    if name.endswith("..."):
        return f"(?P<{name[:-3]}>.*)"
    return f"(?P<{name}>[^/]+)"
