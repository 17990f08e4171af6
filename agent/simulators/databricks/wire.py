"""The simulated workspace's wire: requests as real clients send them, replies and errors.

Rules kept here: ids come as numbers or as strings, booleans in any case, an empty page token is
none, nested query objects are `a.b=c`; an error is a JSON body with `error_code` and `message`.
Error format: https://docs.databricks.com/api/account/errors
"""

import json
import re
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl

from agent.simulators.wire import AnyRequest, Refusal, Sort

_SORTS: dict[Sort, str] = {"string": "a string", "map": "a map", "array": "an array"}


class ApiError(Refusal):
    """A refusal, as the service words it."""

    def __init__(
        self, status: int, code: str, message: str, details: list[dict[str, Any]] | None = None
    ) -> None:
        super().__init__(status, code, message)
        self.details = details


@dataclass(frozen=True, kw_only=True)
class Request(AnyRequest):
    """One request: its path has no double slashes, nested objects of its query dotted names; the
    fields of a form are text, or bytes where a file name is given."""

    empty_is_none = True

    def value(self, name: str) -> Any:
        """Return what path, body or query say, in this order; None where none of them does."""
        found = super().value(name)
        if found is not None:
            return found
        inner = {k[len(name) + 1 :]: v for k, v in self.query.items() if k.startswith(name + ".")}
        return inner or None

    def mapping(self, name: str) -> dict[str, Any]:
        """Return an object; empty where none is given."""
        value = self.value(name)
        if value is not None and not isinstance(value, dict):
            raise self.unfit(name, value, "map")
        return value or {}

    def page(self) -> str | None:
        """Return `page_token`; an empty one counts as none."""
        return self.text("page_token", None) or None

    def as_number(self, value: Any) -> int | None:
        """Return an integer; spaces around it and `3.0` are fine."""
        if isinstance(value, str):
            return super().as_number(value.strip())
        return (
            int(value)
            if isinstance(value, float) and value.is_integer()
            else super().as_number(value)
        )

    def as_text(self, value: Any) -> str | None:
        """Return a text; numbers and booleans are written out."""
        if isinstance(value, dict | list | bytes):
            return None
        return value if isinstance(value, str) else json.dumps(value)

    def invalid(self, message: str) -> ApiError:
        """Return the refusal of what was sent."""
        return invalid(message)

    def unfit(self, name: str, value: Any, sort: Sort) -> ApiError:
        """Return the refusal of a value that is not what it has to be."""
        if sort in _SORTS:
            return invalid(f"Expected {_SORTS[sort]} for field '{name}'.")
        return invalid(f"Could not parse '{value}' as a {sort} for field '{name}'.")

    def lacking(self, name: str) -> ApiError:
        """Return the refusal of a request that does not say `name`."""
        return invalid(f"Missing required field: {name}")


def invalid(message: str) -> ApiError:
    """Return the refusal of a parameter: 400 INVALID_PARAMETER_VALUE."""
    return ApiError(400, "INVALID_PARAMETER_VALUE", message)


def missing(message: str) -> ApiError:
    """Return the refusal of an unknown object: 404 RESOURCE_DOES_NOT_EXIST."""
    return ApiError(404, "RESOURCE_DOES_NOT_EXIST", message)


def paged(
    items: list[dict[str, Any]],
    request: Request,
    *,
    name: str,
    size: str = "max_results",
    most: int = 1000,
) -> dict[str, Any]:
    """Return one page as `{name: [...], "next_page_token": ...}`, without a token on the last one.

    `size`: the parameter that says how many are wanted; none, 0 or too many = `most`.
    Raises `ApiError` (400) for a token that is none of ours.
    """
    token = request.page() or "at-0"
    found = re.fullmatch(r"at-(\d+)", token)
    if found is None:
        raise invalid(f"Invalid page token: {token}")
    start, wanted = int(found[1]), request.number(size, 0)
    end = start + (min(wanted, most) if wanted > 0 else most)
    more = {"next_page_token": f"at-{end}"} if end < len(items) else {}
    return {name: items[start:end], **more}


def parsed(raw: bytes, kind: str) -> dict[str, Any]:
    """Return the body's fields: a JSON object or a form. Raises `ApiError` for anything else."""
    if kind.startswith("multipart/form-data"):
        return _form(raw, kind)
    # curl calls a JSON body a form where nobody told it better
    if kind.startswith("application/x-www-form-urlencoded") and not raw.lstrip().startswith(b"{"):
        return dict(parse_qsl(raw.decode("utf-8", "replace")))
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise ApiError(
            400, "MALFORMED_REQUEST", f"Could not parse request object: {error}"
        ) from error
    if not isinstance(body, dict):
        message = "Invalid JSON given in the body of the request - expected a map"
        raise ApiError(400, "MALFORMED_REQUEST", message)
    return body


def _form(raw: bytes, kind: str) -> dict[str, Any]:
    head = Message()
    head["Content-Type"] = kind
    boundary = str(head.get_param("boundary", ""))
    fields: dict[str, Any] = {}
    for part in (b"\r\n" + raw).split(b"\r\n--" + boundary.encode())[1:-1]:
        above, _, content = part.partition(b"\r\n\r\n")
        about = message_from_bytes(above.lstrip())
        name = about.get_param("name", None, "content-disposition")
        if boundary and isinstance(name, str):
            plain = about.get_filename() is None
            fields[name] = content.decode("utf-8", "replace") if plain else content
    if not fields:
        raise ApiError(400, "MALFORMED_REQUEST", "Could not parse the multipart form.")
    return fields
