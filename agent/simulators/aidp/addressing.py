"""Addresses of the simulated platform: version and prefix belong together, the instance follows.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/quick-start.html
"""

import re
from typing import NamedTuple

from agent.simulators.aidp.options import Family
from agent.simulators.control import ROOT

FAMILIES: dict[tuple[str, str], Family] = {
    ("20260430", "aiDataPlatforms"): "GA",
    ("20240831", "dataLakes"): "LA",
}
_FORM = re.compile(r"/(\d{8})/(\w+)/([^/]+)(?:/workspaces/([^/]+)(?=/))?(/.*)?")


class Address(NamedTuple):
    """Where a request goes."""

    path: str
    query: str
    family: Family | None = None
    """None = no API path: a pre-authenticated link, a control, or nothing we know."""
    instance: str = ""
    workspace: str | None = None
    """None = the path is below the instance."""


def address(target: str) -> Address:
    """Take a target apart; a version and prefix that do not belong together are no API path's."""
    path, _, query = target.partition("?")
    if path.startswith((ROOT, "/p/")):
        return Address(path, query)
    found = _FORM.fullmatch(path)
    family = FAMILIES.get((found[1], found[2])) if found else None
    if found is None or family is None:
        return Address(path, query, family="GA", instance="?")
    return Address(found[5] or "/", query, family, found[3], found[4])


def root(family: Family) -> str:
    """Return `/20260430/aiDataPlatforms` or the older one."""
    return next(f"/{version}/{prefix}" for (version, prefix), f in FAMILIES.items() if f == family)
