"""The simulated workspace's wire: requests as real clients send them, replies and errors.

Rules kept here: ids come as numbers or as strings, booleans in any case, an empty page token is
none, nested query objects are `a.b=c`; an error is a JSON body with `error_code` and `message`.
Error format: https://docs.databricks.com/api/account/errors
"""

import json
import re
from collections.abc import Mapping
from email import message_from_bytes
from email.message import Message
from typing import Any, NamedTuple, overload
from urllib.parse import parse_qsl

_MISSING = object()


class ApiError(Exception):
    """A refusal, as the service words it."""

    def __init__(
        self, status: int, code: str, message: str, details: list[dict[str, Any]] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details


class Request(NamedTuple):
    """One request, taken apart."""

    method: str
    path: str
    """As routed: decoded per segment by the route, without double slashes or the query."""
    args: dict[str, str]
    """What the placeholders of the route's pattern stand for, percent-decoded."""
    query: dict[str, str]
    """The last value of each name; nested objects keep their dotted names."""
    body: dict[str, Any]
    """The JSON object, or the fields of a form (text; bytes where a file name is given)."""
    raw: bytes
    headers: Mapping[str, str]
    """Names in lower case."""
    user: str
    """Who asks, by the token; empty on routes that need none."""
    pairs: tuple[tuple[str, str], ...] = ()
    """Every name and value of the query, in order."""

    def value(self, name: str) -> Any:
        """Return what path, body or query say, in this order; None where none of them does."""
        for place in (self.args, self.body, self.query):
            if place.get(name) is not None:
                return place[name]
        inner = {k[len(name) + 1 :]: v for k, v in self.query.items() if k.startswith(name + ".")}
        return inner or None

    @overload
    def number(self, name: str) -> int: ...
    @overload
    def number(self, name: str, default: int) -> int: ...
    @overload
    def number(self, name: str, default: None) -> int | None: ...
    def number(self, name: str, default: Any = _MISSING) -> int | None:
        """Return an integer given as number or text. Raises `ApiError` where it is neither."""
        value = self._given(name, default)
        if value is default:
            return default  # type: ignore[no-any-return]  # the overloads say what it is
        if isinstance(value, str) and re.fullmatch(r"\s*-?\d+\s*", value):
            return int(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and value == int(value):
            return int(value)
        raise invalid(f"Could not parse '{value}' as a number for field '{name}'.")

    @overload
    def text(self, name: str) -> str: ...
    @overload
    def text(self, name: str, default: str) -> str: ...
    @overload
    def text(self, name: str, default: None) -> str | None: ...
    def text(self, name: str, default: Any = _MISSING) -> str | None:
        """Return a text; numbers and booleans are written out."""
        value = self._given(name, default)
        if value is default:
            return default  # type: ignore[no-any-return]  # the overloads say what it is
        if isinstance(value, dict | list | bytes):
            raise invalid(f"Expected a string for field '{name}'.")
        return value if isinstance(value, str) else json.dumps(value)

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a boolean given as such, as `true`/`True`/`1` or their opposites."""
        value = self.value(name)
        if value is None or value == "":
            return default
        word = str(value).strip().lower()
        if word in ("true", "1", "false", "0"):
            return word in ("true", "1")
        raise invalid(f"Could not parse '{value}' as a boolean for field '{name}'.")

    def mapping(self, name: str) -> dict[str, Any]:
        """Return an object; empty where none is given."""
        value = self.value(name)
        if value is not None and not isinstance(value, dict):
            raise invalid(f"Expected a map for field '{name}'.")
        return value or {}

    def listed(self, name: str) -> list[Any]:
        """Return a list from the body, or every value of that name in the query."""
        value = self.body.get(name)
        if value is None:
            return [v for k, v in self.pairs if k == name]
        if not isinstance(value, list):
            raise invalid(f"Expected an array for field '{name}'.")
        return value

    def page(self) -> str | None:
        """Return `page_token`; an empty one counts as none."""
        return self.text("page_token", None) or None

    def _given(self, name: str, default: Any) -> Any:
        value = self.value(name)
        if value is None or (value == "" and default is not _MISSING):
            if default is _MISSING:
                raise invalid(f"Missing required field: {name}")
            return default
        return value


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
