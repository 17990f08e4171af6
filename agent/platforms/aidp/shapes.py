"""Check a job's definition against `schema`: keys, types, words, each complaint with its place.

A definition is taken as its writer typed it: `true` and `3` are text where the service wants text.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from agent.document import At, kind
from agent.engine import values
from agent.platforms.aidp import schema
from agent.platforms.aidp.schema import Listed, Shape, Type, Words

_NEAR = 0.77
"""From here on a key is a known one, misspelt; what is less like any may be a newer service's."""
_UNITS = {"minRetryIntervalMillis": " (milliseconds)"}
_USUAL = {"runIf": "runIf: ALL_SUCCESS"}


class Wrong(NamedTuple):
    """One thing that is wrong."""

    at: At
    message: str
    code: str = "JOB_INVALID"


class Unknown(NamedTuple):
    """A key that is passed on without knowing it."""

    at: At
    said: str


def texts(value: Any, wanted: Type | None) -> Any:
    """Return a value with plain values as text where the service takes text."""
    match wanted:
        case Shape() if isinstance(value, dict):
            fields = of_task(value).fields if wanted.name == "task" else wanted.fields
            return {k: texts(v, fields.get(k)) for k, v in value.items()}
        case Listed() if isinstance(value, list):
            return [texts(item, wanted.of) for item in value]
        case "text" if isinstance(value, bool | int | float):
            return values.as_text(value)
    return value


def of_task(task: Mapping[str, Any]) -> Shape:
    """Return the shape of a task by its type."""
    named = task.get("type")
    return schema.TASKS.get(named, schema.ANY_TASK) if isinstance(named, str) else schema.ANY_TASK


def check(job: Mapping[str, Any]) -> Iterator[Wrong | Unknown]:
    """Yield what is wrong with a definition's keys and types, and the keys nobody here knows."""
    yield from _object(job, schema.JOB, (), "the job")


def called(task: Any, number: int) -> str:
    """Return `task "extract"`, or its number from 1 where it has no key."""
    key = task.get("taskKey") if isinstance(task, dict) else None
    return f'task "{key}"' if isinstance(key, str) and key else f"task {number + 1}"


def _object(value: Any, shape: Shape, at: At, who: str) -> Iterator[Wrong | Unknown]:
    if not isinstance(value, Mapping):
        yield _text_instead(value, shape, at, who)
        return
    for name, inner in value.items():
        wanted = shape.fields.get(name)
        if wanted is None:
            yield _key(name, shape, (*at, name), who, value)
        elif inner is not None:
            yield from _value(inner, wanted, (*at, name), who)
    for name in shape.required:
        meant = {w for w, m in shape.meant.items() if m == name}
        if value.get(name) is None and not meant & value.keys():
            yield Wrong(at, f'the key "{name}" of {who} is missing{_hint(name, shape)}')


def _hint(name: str, shape: Shape) -> str:
    if name in _USUAL:
        return f"; write {_USUAL[name]}"
    wanted = shape.fields[name]
    if isinstance(wanted, Words):
        return f"; known are {', '.join(wanted.known)}"
    if name == "cluster":
        return "; write cluster: {clusterName: <display name>}"
    return ""


def _text_instead(value: Any, shape: Shape, at: At, who: str) -> Wrong:
    """Say that an object was expected, and which where that is clear."""
    if shape.name == "cluster" and isinstance(value, str):
        said = f'{who.removeprefix("the ")} is the text "{value}"; '
        return Wrong(at, f"{said}write {{clusterName: {value}}}")
    return Wrong(at, f"{who}: expected keys and values, found {kind(value)}")


def _key(name: str, shape: Shape, at: At, who: str, value: Mapping[str, Any]) -> Wrong | Unknown:
    known = list(shape.fields)
    if name in schema.READ_ONLY and shape is schema.JOB:
        return Wrong(at, f"{name} of {who} is filled in by the service: leave it out")
    meant = shape.meant.get(name) or _nearest(name, known)
    if meant is None or (meant in value and name not in shape.meant):
        return Unknown(at, f'"{name}" of {who}')
    mean = f'; did you mean "{meant}"{_UNITS.get(meant, "")}?'
    return Wrong(at, f'unknown key "{name}" of {who}{mean}')


def _nearest(name: str, known: Sequence[str]) -> str | None:
    plain = {_plain(k): k for k in known}
    close = difflib.get_close_matches(_plain(name), list(plain), n=1, cutoff=_NEAR)
    return plain[close[0]] if close else None


def _plain(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "")


def _value(value: Any, wanted: Type, at: At, who: str) -> Iterator[Wrong | Unknown]:
    name = str(at[-1])
    match wanted:
        case Shape():
            of = f" of {who}" if who != "the job" else ""
            yield from _object(value, wanted, at, f"the {name}{of}")
        case Listed():
            yield from _list(value, wanted, at, who)
        case Words():
            yield from _word(value, wanted, at, who)
        case _ if (said := _scalar(value, wanted)) is not None:
            yield Wrong(at, f"{name} of {who}: expected {said}, found {kind(value)}")


def _list(value: Any, wanted: Listed, at: At, who: str) -> Iterator[Wrong | Unknown]:
    name = str(at[-1])
    if not isinstance(value, list):
        yield Wrong(at, f"{name} of {who}: expected a list, found {kind(value)}")
        return
    for i, item in enumerate(value):
        inner = wanted.of
        if isinstance(inner, Shape) and inner.name == "task":
            yield from _task(item, (*at, i), i)
        elif isinstance(inner, Shape) and inner.name == "dependsOn" and isinstance(item, str):
            said = f'dependsOn of {who} has the text "{item}"; write {{taskKey: {item}}}'
            yield Wrong((*at, i), said)
        elif isinstance(inner, Shape):
            yield from _object(item, inner, (*at, i), f"{inner.name} {i + 1} of {who}")
        elif (expected := _scalar(item, inner)) is not None:
            yield Wrong((*at, i), f"{name} of {who}: expected {expected}, found {kind(item)}")


def _task(item: Any, at: At, number: int) -> Iterator[Wrong | Unknown]:
    shape = of_task(item) if isinstance(item, dict) else schema.ANY_TASK
    for found in _object(item, shape, at, called(item, number)):
        # What a type without a documented shape has besides is nobody's to judge.
        if isinstance(found, Wrong) or item.get("type") in schema.TASKS:
            yield found


def _word(value: Any, wanted: Words, at: At, who: str) -> Iterator[Wrong]:
    if value in wanted.known:
        return
    near = ""
    if isinstance(value, str):
        close = difflib.get_close_matches(value.upper(), wanted.known, n=1, cutoff=0.6)
        near = f'; did you mean "{close[0]}"?' if close else ""
    found = f'"{value}"' if isinstance(value, str) else kind(value)
    said = f"expected one of {', '.join(wanted.known)}{near}"
    yield Wrong(at, f"{at[-1]} of {who} is {found}, {said}")


def _scalar(value: Any, wanted: Type) -> str | None:
    """Return what was expected where a plain value is of another type."""
    if wanted == "boolean":
        return None if isinstance(value, bool) else "true or false"
    if wanted == "number":
        whole = isinstance(value, int) and not isinstance(value, bool)
        return None if whole and value >= 0 else "a whole number from 0 on"
    return None if wanted != "text" or isinstance(value, str) else "text (put it in quotes)"
