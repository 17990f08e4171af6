"""What the lists of jobs and clusters have in common: filters by query and an order.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

from collections.abc import Mapping, Sequence
from typing import Any

from agent.simulators.aidp.wire import Request, invalid

Items = list[dict[str, Any]]


def filtered(items: Items, request: Request, fields: Mapping[str, str]) -> Items:
    """Return the items whose fields equal what the query says.

    `fields`: name in the query → name in the item. A name that is sent several times takes any of
    its values; `<name>Contains` wants a part of the text, whatever its case.
    """
    for name, field in fields.items():
        wanted = {v for k, v in request.pairs if k == name}
        part = request.query.get(f"{name}Contains", "").lower()
        items = [
            item
            for item in items
            if (not wanted or item.get(field) in wanted)
            and part in str(item.get(field) or "").lower()
        ]
    return items


def ordered(
    items: Items, request: Request, fields: Mapping[str, str], default: str = "timeCreated"
) -> Items:
    """Return the items by `sortBy` and `sortOrder`; by time the newest first, by name from A.

    `fields`: allowed sortBy → name in the item. Raises `ApiError` (400) for anything else.
    """
    by = _one_of(request, "sortBy", list(fields), default)
    newest = "DESC" if by.startswith("time") else "ASC"
    order = _one_of(request, "sortOrder", ["ASC", "DESC"], newest)
    field = fields[by]
    return sorted(items, key=lambda item: str(item.get(field) or ""), reverse=order == "DESC")


def _one_of(request: Request, name: str, allowed: Sequence[str], default: str) -> str:
    given = request.query.get(name, default)
    if given not in allowed:
        raise invalid(f"{name} must be one of {', '.join(allowed)}; found '{given}'")
    return given
