"""A value that Spark cannot convert: give NULL where it is malformed.

    select cast(qty as int) from sales  ->  select try_cast(qty as int) from sales
    qty::date                           ->  try_cast(qty as date)
    to_timestamp(day, 'yyyy')           ->  try_to_timestamp(day, 'yyyy')
    F.col("qty").cast("int")            ->  F.col("qty").try_cast("int")

Edited is the very expression that the error's query context points at. It turns an error into NULL,
so the effect of the patch asks a person.

Source: https://docs.databricks.com/aws/en/error-messages/cast-invalid-input-error-class

Left alone: an error that points at nothing or at an implicit conversion (`qty > 3`), an expression
that stands in several places or is put together at run time, and what already gives NULL.
"""

import ast
import re

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from agent.code import cells, edits, pointed
from agent.fixers import Proposal, Work

_INVALID = re.compile(r"\bCAST_INVALID_INPUT\b|\bCANNOT_PARSE_TIMESTAMP\b|\bCAST_OVERFLOW\b")
_CAST = re.compile(r"cast(?=\s*\()", re.IGNORECASE)
_CALL = re.compile(r"(?P<name>\w+)(?P<open>\s*\(\s*)(?P<inner>.*?)(?P<close>\s*\))", re.DOTALL)
_TYPES = frozenset(
    re.findall(
        r"\w+", "int bigint smallint tinyint float double decimal date timestamp boolean string"
    )
)
"""Functions of one argument that convert to the type they are called by."""
_LENIENT = {
    "to_date": "try_to_date",
    "to_timestamp": "try_to_timestamp",
    "to_number": "try_to_number",
}


def propose(work: Work) -> Proposal | str:
    """Let the conversion that the error points at give NULL."""
    lines = [*work.failure.message.splitlines(), *(line.text for line in work.failure.log)]
    if not any(_INVALID.search(text) for text in lines):
        return "the log holds no conversion that Spark refused"
    found = pointed.at(lines)
    path = pointed.path(found, work.place(), work.failure.facts)
    text = work.read(path) if path else None
    if path is None or text is None:
        return "the code that failed is not a file of the tree"
    if found.sql is not None:
        change = _in_sql(path, text, found.sql)
    elif found.place is not None:
        change = _in_python(path, text, found.place.line)
    else:
        return "the error does not say which conversion it is"
    if isinstance(change, str):
        return change
    value = work.diagnosis.parameters.get("value", "")
    what = f"The value {value!r}" if value else "A value"
    return Proposal(
        edits.unique(path, text, [change]),
        f"{what} cannot be converted; {change.new} gives NULL instead of an error.",
        0.85,
    )


def _in_sql(path: str, text: str, expression: str) -> edits.Change | str:
    places = pointed.spans(cells.read(path, text), expression)
    if len(places) != 1:
        return f"{expression!r} stands in {len(places)} places of {path}"
    ((cell, span),) = places
    written = cell.text[span.start : span.end]
    lenient = _lenient(written)
    if lenient is None or not _same(written, lenient):
        return f"{written!r} is no conversion that could be made lenient"
    return cell.change(span.start, span.end, lenient)


def _lenient(expression: str) -> str | None:
    """Return the expression that gives NULL instead of an error, None where there is none."""
    if _CAST.match(expression):
        return f"try_{expression}"
    value, colons, kind = expression.rpartition("::")
    if colons and re.fullmatch(r"\s*\w+(?:\s*\([\d\s,]+\))?\s*", kind):
        return f"try_cast({value.strip()} as {kind.strip()})"
    call = _CALL.fullmatch(expression)
    if call is None:
        return None
    name = call["name"].lower()
    if name in _TYPES:
        return f"try_cast({call['inner']} as {call['name']})"
    return f"{_LENIENT[name]}{expression[len(name) :]}" if name in _LENIENT else None


def _same(before: str, after: str) -> bool:
    """Say whether both are one expression, and convert one value to one type."""
    try:
        was, now = (parse_one(text, dialect="databricks") for text in (before, after))
    except (SqlglotError, RecursionError):
        return False
    if isinstance(now, exp.TryCast):
        return isinstance(was, exp.Cast | exp.Anonymous) and now.this == _value(was)
    return isinstance(was, exp.Func) and isinstance(now, exp.Func)


def _value(cast: exp.Expr) -> exp.Expr | None:
    if isinstance(cast, exp.Anonymous):
        return cast.expressions[0] if len(cast.expressions) == 1 else None
    found: exp.Expr = cast.this
    return found


def _in_python(path: str, text: str, line: int) -> edits.Change | str:
    for cell in cells.read(path, text):
        code = pointed.parsed(cell)
        if code is None:
            continue
        casts = [
            node.func
            for node in ast.walk(code.tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("cast", "astype")
            and (node.func.end_lineno or 0) <= line <= (node.end_lineno or 0)
        ]
        if len(casts) == 1:
            end = code.span(casts[0]).end
            return cell.change(end - len(casts[0].attr), end, "try_cast")
    return f"{path}:{line} holds no single cast"
