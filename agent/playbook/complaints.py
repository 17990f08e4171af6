"""Check a document against a schema, and say what is wrong in words a person can act on."""

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, JsonValue

from agent.document import At, Document, Problem, kind

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_EXPECTED = {
    "model_type": "keys and values",
    "dict_type": "keys and values",
    "tuple_type": "a list",
    "too_short": "a list that is not empty",
    "bool_type": "true or false",
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
}


def validate(
    model: type[BaseModel], document: Document, given: Mapping[At, str]
) -> BaseModel | tuple[str | Problem, ...]:
    """Return the record that the document spells, or every complaint about it.

    Types are checked strictly. `given` names where a value came from that is not of the file; a
    complaint about one is plain text that starts with that name.
    """
    from pydantic import ValidationError

    try:
        return model.model_validate_json(json.dumps(document.data), strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False)
    found: dict[At, list[ErrorDetails]] = {}
    for detail in details:
        at = _inside(tuple(detail["loc"]), document.data, missing=detail["type"] == "missing")
        found.setdefault(at, []).append(detail)
    return tuple(
        f"{given[at]}: {text}" if at in given else Problem(document.line(at), text)
        for at, text in ((at, _message(model, at, details)) for at, details in found.items())
    )


def _inside(loc: At, data: JsonValue, *, missing: bool) -> At:
    """Return the part of a location that is in the data; the rest names branches of a union."""
    at: list[str | int] = []
    for i, part in enumerate(loc):
        if isinstance(data, dict) and part in data:
            data = data[str(part)]
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        elif missing and i == len(loc) - 1:
            pass
        else:
            continue
        at.append(part)
    return tuple(at)


def _message(model: type[BaseModel], at: At, details: "Sequence[ErrorDetails]") -> str:
    """Say what is wrong with one value; several details are the branches of a union."""
    name = dotted(at)
    first = details[0]
    match first["type"]:
        case "extra_forbidden":
            return unknown_key(str(at[-1]), model, at[:-1])
        case "missing":
            return f'the key "{name}" is missing'
        case "value_error":
            said = first["msg"].removeprefix("Value error, ")
            return f"{name}: {said}" if name else said
        case "literal_error":
            words = re.findall(r"'([^']*)'", str(first.get("ctx", {}).get("expected", "")))
            value = first["input"]
            near = _nearest(value, words) if isinstance(value, str) else ""
            return f"{name}: expected one of {', '.join(words)}, found {_shown(value)}{near}"
    expected = " or ".join(dict.fromkeys(_expected(detail) for detail in details))
    return f"{name}: expected {expected}, found {_shown(first['input'])}"


def _expected(detail: "ErrorDetails") -> str:
    if detail["type"] in _EXPECTED:
        return _EXPECTED[detail["type"]]
    said = detail["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    return f"{said[:1].lower()}{said[1:]}"


def _shown(value: JsonValue) -> str:
    if isinstance(value, dict | list):
        return kind(value)
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."


def dotted(at: At) -> str:
    """Return `approve.rules[0].then`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in at)
    return text.removeprefix(".")


def unknown_key(key: str, model: type[BaseModel], at: At) -> str:
    """Return the complaint about a key that the schema lacks, with the one probably meant."""
    schema = _schema_at(model, at)
    known = [f.alias or name for name, f in schema.model_fields.items()] if schema else []
    elsewhere = [
        f"{name}.{key}"
        for name, field in model.model_fields.items()
        for inner in _models(field.annotation)
        if key in inner.model_fields and not at
    ]
    if elsewhere:
        return f'unknown key "{key}"; did you mean {" or ".join(elsewhere)}?'
    if near := _nearest(key, known):
        return f'unknown key "{key}"{near}'
    where = f" in {dotted(at)}" if at else ""
    return f'unknown key "{key}"{where}; known are {", ".join(known)}'


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word.casefold(), known, n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else ""


def _schema_at(model: type[BaseModel], at: At) -> type[BaseModel] | None:
    schema = model
    for part in at:
        if isinstance(part, str) and part in schema.model_fields:
            inner = _models(schema.model_fields[part].annotation)
            if not inner:
                return None
            schema = inner[0]
    return schema


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for arg in get_args(annotation) for found in _models(arg)]
