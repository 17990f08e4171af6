"""Check what a user declares against databricks-sdk's dataclasses: names, types, words.

The dataclasses are the service's own description of its objects; what they do not know would be
dropped without a word when it is sent.
"""

import dataclasses
import difflib
import enum
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import JsonValue

from agent.document import At, kind

_HINTS: dict[type[Any], Mapping[str, Any]] = {}
"""Worked out once: it takes longer than the check itself."""


class Wrong(NamedTuple):
    """One thing that is wrong."""

    at: At
    message: str


class Shape(NamedTuple):
    """A dataclass as users may write it."""

    record: type[Any]
    output: frozenset[str] = frozenset()
    """Fields that only the service fills in."""
    more: Mapping[str, type[Any]] = {}
    """Fields besides those of the dataclass, with their plain types."""
    required: frozenset[str] | None = None
    """None = the dataclass's own: those without a default."""


def wrong(
    value: JsonValue, shape: Shape, at: At, inner: Mapping[str, frozenset[str]]
) -> list[Wrong]:
    """Return what is wrong with a declared object; `at` is where it stands in its file.

    `inner`: dataclasses by name whose fields only the service fills in.
    """
    return list(_object(value, shape, at, inner))


def _object(
    value: JsonValue, shape: Shape, at: At, inner: Mapping[str, frozenset[str]]
) -> Iterator[Wrong]:
    if not isinstance(value, dict):
        yield Wrong(at, f"expected keys and values, found {kind(value)}")
        return
    types = hints(shape.record)
    allowed = {name: t for name, t in types.items() if name not in shape.output} | dict(shape.more)
    for name, given in value.items():
        if name in shape.output:
            yield Wrong((*at, name), f"{name} is filled in by the service: leave it out")
        elif name not in allowed:
            yield Wrong((*at, name), unknown(name, allowed))
        else:
            yield from _value(given, allowed[name], (*at, name), inner)
    needed = shape.required if shape.required is not None else _needed(shape.record)
    missing = sorted(needed - value.keys() - shape.output)
    if missing:
        yield Wrong(
            at,
            f"{', '.join(missing)} is missing"
            if len(missing) == 1
            else f"{', '.join(missing)} are missing",
        )


def unknown(name: str, known: Mapping[str, Any] | Sequence[str]) -> str:
    """Return what to say of a key that does not exist."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    meant = f'; did you mean "{near[0]}"?' if near else ""
    return f'unknown key "{name}"{meant} (keys: {", ".join(sorted(known))})'


def hints(type_: type[Any]) -> Mapping[str, Any]:
    """Return the fields of a dataclass with their types, in their order."""
    if type_ not in _HINTS:
        # Without namespaces the module's names win over the class's: Task has a field `compute`.
        found = typing.get_type_hints(type_)
        _HINTS[type_] = {f.name: found[f.name] for f in dataclasses.fields(type_)}
    return _HINTS[type_]


def _needed(type_: type[Any]) -> frozenset[str]:
    missing = dataclasses.MISSING
    return frozenset(
        f.name
        for f in dataclasses.fields(type_)
        if f.default is missing and f.default_factory is missing
    )


def _value(
    value: JsonValue, wanted: Any, at: At, inner: Mapping[str, frozenset[str]]
) -> Iterator[Wrong]:
    arguments = [a for a in typing.get_args(wanted) if a is not type(None)]
    origin = typing.get_origin(wanted)
    if origin is list:
        if not isinstance(value, list):
            yield Wrong(at, f"{at[-1]}: expected a list, found {kind(value)}")
            return
        for place, item in enumerate(value):
            yield from _value(item, arguments[0], (*at, place), inner)
    elif origin is dict:
        if not isinstance(value, dict):
            yield Wrong(at, f"{at[-1]}: expected keys and values, found {kind(value)}")
    elif origin is not None:
        yield from _value(value, arguments[0], at, inner)
    elif dataclasses.is_dataclass(wanted) and isinstance(wanted, type):
        output = inner.get(wanted.__name__, frozenset())
        yield from _object(value, Shape(wanted, output), at, inner)
    elif (said := _scalar(value, wanted)) is not None:
        yield Wrong(at, f"{at[-1]}: {said}, found {kind(value)}")


def _scalar(value: JsonValue, wanted: Any) -> str | None:
    """Return what was expected where a plain value is of another type."""
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        words = [str(member.value) for member in wanted]
        return None if value in words else f"expected one of {', '.join(words)}"
    if wanted is bool:
        return None if isinstance(value, bool) else "expected true or false"
    if wanted in (int, float):
        number = isinstance(value, int if wanted is int else int | float)
        return None if number and not isinstance(value, bool) else "expected a number"
    if wanted is str:
        return None if isinstance(value, str) else "expected text (put it in quotes)"
    return None
