"""What every simulated service's wire has: a request taken apart, and a refusal.

A service's own `Request` says what it takes for a number or a text and how it words what it
refuses; bodies, pages and the form of an error are in the service's package too.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self, overload

from pydantic import ValidationError

Sort = Literal["number", "string", "boolean", "array", "map"]
"""What a field of a request has to be."""

_MISSING = object()


class Refusal(Exception):
    """What a service says instead of doing as it is asked."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True, kw_only=True)
class AnyRequest:
    """One request, taken apart."""

    method: str
    path: str
    """As routed, without the query."""
    query: dict[str, str]
    """The last value of each name."""
    raw: bytes
    headers: Mapping[str, str]
    """Names in lower case."""
    pairs: tuple[tuple[str, str], ...] = ()
    """Every name and value of the query, in order."""
    args: dict[str, str] = field(default_factory=dict)
    """What the placeholders of the route's pattern stand for, percent-decoded."""
    body: dict[str, Any] = field(default_factory=dict)
    """The fields of the body, once the route is known."""
    user: str = ""
    """Who asks; empty where nobody has to say."""

    empty_is_none: ClassVar[bool] = False
    """An empty text counts as not given, where there is a default."""

    def but(self, **changes: Any) -> Self:
        """Return the same request with other values of these fields."""
        return replace(self, **changes)

    def value(self, name: str) -> Any:
        """Return what path, body or query say, in this order; None where none of them does."""
        for place in (self.args, self.body, self.query):
            if place.get(name) is not None:
                return place[name]
        return None

    @overload
    def number(self, name: str) -> int: ...
    @overload
    def number(self, name: str, default: int) -> int: ...
    @overload
    def number(self, name: str, default: None) -> int | None: ...
    def number(self, name: str, default: Any = _MISSING) -> int | None:
        """Return an integer given as number or text. Raises `Refusal` where it is neither."""
        value = self._given(name, default)
        if value is default:
            return default  # type: ignore[no-any-return]  # the overloads say what it is
        if (found := self.as_number(value)) is None:
            raise self.unfit(name, value, "number")
        return found

    @overload
    def text(self, name: str) -> str: ...
    @overload
    def text(self, name: str, default: str) -> str: ...
    @overload
    def text(self, name: str, default: None) -> str | None: ...
    def text(self, name: str, default: Any = _MISSING) -> str | None:
        """Return a text. Raises `Refusal` where it is missing or none."""
        value = self._given(name, default)
        if value is default:
            return default  # type: ignore[no-any-return]  # the overloads say what it is
        if (found := self.as_text(value)) is None:
            raise self.unfit(name, value, "string")
        return found

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a boolean given as such, or as `true`/`True`/`1` or their opposites."""
        return self.boolean(name, self.value(name), default)

    def boolean(self, name: str, value: Any, default: bool) -> bool:
        """Return what `value` of that name says. Raises `Refusal` where it is no boolean."""
        if value is None or value == "":
            return default
        word = str(value).strip().lower()
        if word in ("true", "1", "false", "0"):
            return word in ("true", "1")
        raise self.unfit(name, value, "boolean")

    def listed(self, name: str) -> list[Any]:
        """Return a list from the body, or every value of that name in the query."""
        value = self.body.get(name)
        if value is None:
            return [v for k, v in self.pairs if k == name]
        if not isinstance(value, list):
            raise self.unfit(name, value, "array")
        return value

    def _given(self, name: str, default: Any) -> Any:
        value = self.value(name)
        if value == "" and self.empty_is_none and default is not _MISSING:
            return default
        if value is None and default is _MISSING:
            raise self.lacking(name)
        return default if value is None else value

    def as_number(self, value: Any) -> int | None:
        """Return the integer that a value is for this service, None where it is none."""
        if isinstance(value, str) and re.fullmatch(r"-?\d+", value):
            return int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def as_text(self, value: Any) -> str | None:
        """Return the text that a value is for this service, None where it is none."""
        return value if isinstance(value, str) else None

    def invalid(self, message: str) -> Refusal:
        """Return the refusal of what was sent: 400."""
        raise NotImplementedError

    def unfit(self, name: str, value: Any, sort: Sort) -> Refusal:
        """Return the refusal of a value that is not what it has to be: 400."""
        raise NotImplementedError

    def lacking(self, name: str) -> Refusal:
        """Return the refusal of a request that does not say `name`: 400."""
        raise NotImplementedError


def first_mistake(error: ValidationError, fields: Iterable[str], called: str = "fields") -> str:
    """Return `seconds: Input should be ... (fields: status, seconds)`."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']} ({called}: {', '.join(fields)})"
