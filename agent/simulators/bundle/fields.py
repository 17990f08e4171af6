"""Which fields a resource may have, from databricks-sdk's own dataclasses.

They are read from the SDK's source text, class by class: importing it takes seconds, and every
command of a rehearsal is a process of its own. `tests/simulators/bundle` compares what is read with
the imported dataclasses.
"""

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from agent.simulators.bundle.notes import Failed

Sort = Literal["string", "int", "float", "bool", "any", "sequence", "map", "object", "enum"]
_PLAIN: dict[str, Sort] = {"str": "string", "int": "int", "float": "float", "bool": "bool"}


class Shape(NamedTuple):
    """What a value must be."""

    sort: Sort
    inner: "Shape | None" = None
    """Of the items of a sequence or the values of a map."""
    source: tuple[str, str] | None = None
    """Module and class of an object or an enum."""


TEXT = Shape("string")
ANY = Shape("any")


@cache
def of_class(module: str, name: str) -> dict[str, Shape]:
    """Return the fields of a dataclass of `databricks.sdk.service.<module>`."""
    block = _block(module, name).partition("\n    def ")[0]
    parsed = ast.parse(block).body[0]
    assert isinstance(parsed, ast.ClassDef)  # noqa: S101  # what the expression found
    return {
        item.target.id: _shape(item.annotation, module)
        for item in parsed.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }


@cache
def of_call(module: str, api: str, method: str) -> dict[str, Shape]:
    """Return the arguments of an API's method, which are its request's fields."""
    found = re.search(rf"^    def {method}\((.*?)\n?    \) ->|^    def {method}\((.*?)\) ->",
                      _block(module, api), re.M | re.S)  # fmt: skip
    if found is None:
        raise Failed(f"databricks-sdk has no {module}.{api}.{method}; install another version")
    parsed = ast.parse(f"def f({found[1] or found[2]}): ...").body[0]
    assert isinstance(parsed, ast.FunctionDef)  # noqa: S101  # what was just written
    both = (*parsed.args.args, *parsed.args.kwonlyargs)
    return {arg.arg: _shape(arg.annotation, module) for arg in both if arg.annotation}


@cache
def members(module: str, name: str) -> tuple[str, ...]:
    """Return the values of an enum."""
    return tuple(re.findall(r"^    \w+ = \"(.*)\"$", _block(module, name), re.M))


def _shape(annotation: ast.expr, module: str) -> Shape:
    match annotation:
        case ast.Subscript(value=ast.Name(id="Optional"), slice=inner):
            return _shape(inner, module)
        case ast.Subscript(value=ast.Name(id="List"), slice=inner):
            return Shape("sequence", _shape(inner, module))
        case ast.Subscript(value=ast.Name(id="Dict"), slice=ast.Tuple(elts=[_, inner])):
            return Shape("map", _shape(inner, module))
        case ast.Name(id=name) if name in _PLAIN:
            return Shape(_PLAIN[name])
        case ast.Constant(value=str(name)):
            return _named(name, module)
        case ast.Name(id=name):
            return _named(name, module)
        case ast.Attribute(value=ast.Name(id=other), attr=name):
            return _named(name, other)
    return ANY


def _named(name: str, module: str) -> Shape:
    if name in ("Timestamp", "Duration", "FieldMask"):
        return TEXT
    header = re.search(rf"^class {name}\b(.*):$", _text(module), re.M)
    if header is None:
        return ANY
    return Shape("enum" if "Enum" in header[1] else "object", None, (module, name))


def _block(module: str, name: str) -> str:
    found = re.search(rf"^class {name}\b.*?(?=^[^\s\"#)]|\Z)", _text(module), re.M | re.S)
    if found is None:
        raise Failed(f"databricks-sdk has no {module}.{name}; install another version")
    return found[0]


@cache
def _text(module: str) -> str:
    # Only the top-level package is looked up: anything below would import the whole SDK.
    spec = importlib.util.find_spec("databricks")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        path = Path(folder) / "sdk" / "service" / f"{module}.py"
        if path.is_file():
            return path.read_text("utf-8")
    raise Failed(f"databricks-sdk has no service {module}; install databricks-sdk")
