"""A division by zero in Spark: give NULL where the divisor is zero.

    select amount / orders from sales  ->  select amount / NULLIF(orders, 0) from sales
    mod(id, parts)                     ->  mod(id, NULLIF(parts, 0))
    F.col("a") / F.col("b")            ->  F.col("a") / F.nullif(F.col("b"), F.lit(0))

Edited is the very expression that the error's query context points at. It turns an error into NULL,
so the effect of the patch asks a person.

Source: https://docs.databricks.com/aws/en/error-messages/divide-by-zero-error-class

Left alone: an error that points at nothing, an expression that stands in several places or is put
together at run time, a divisor that is guarded already, and Python's own ZeroDivisionError.
"""

import ast
import re

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from agent.code import cells, edits, pointed
from agent.code.pythontext import called
from agent.fixers import Proposal, Work

_OPERATOR = re.compile(r"/(?!\*)|%|\bdiv\b", re.IGNORECASE)
_BY_ZERO = re.compile(r"\b(?:DIVIDE|REMAINDER)_BY_ZERO\b")
_COLUMNS = ("col", "column", "expr", "sum", "count", "avg", "min", "max", "coalesce", "when")


def propose(work: Work) -> Proposal | str:
    """Guard the divisor of the division that the error points at."""
    lines = [*work.failure.message.splitlines(), *(line.text for line in work.failure.log)]
    if not any(_BY_ZERO.search(text) for text in lines):
        return "the log holds no division by zero of Spark"
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
        return "the error does not say which division it is"
    if isinstance(change, str):
        return change
    said = found.sql or f"the division in line {found.place.line if found.place else '?'}"
    return Proposal(
        edits.unique(path, text, [change]),
        f"A divisor is zero in {' '.join(said.split())}; it then gives NULL instead of an error.",
        0.85,
    )


def _in_sql(path: str, text: str, expression: str) -> edits.Change | str:
    places = pointed.spans(cells.read(path, text), expression)
    if len(places) != 1:
        return f"{expression!r} stands in {len(places)} places of {path}"
    ((cell, span),) = places
    written = cell.text[span.start : span.end]
    divisor = _divisor(written)
    if divisor is None:
        return f"the divisor of {written!r} cannot be told, or is guarded already"
    start, end = divisor
    return cell.change(
        span.start + start, span.start + end, f"NULLIF({_bare(written[start:end])}, 0)"
    )


def _divisor(expression: str) -> tuple[int, int] | None:
    """Return where the divisor of a division stands, None where that is not sure."""
    tree = _parsed(expression)
    if isinstance(tree, exp.Div | exp.IntDiv | exp.Mod) and not tree.expression.find(exp.Nullif):
        for start, end in _candidates(expression):
            guarded = f"{expression[:start]}NULLIF({_bare(expression[start:end])}, 0)"
            after = _parsed(guarded + expression[end:])
            if (
                after is not None
                and type(after) is type(tree)
                and after.this == tree.this
                and isinstance(after.expression, exp.Nullif)
                and after.expression.this == tree.expression.unnest()
            ):
                return start, end
    return None


def _candidates(expression: str) -> list[tuple[int, int]]:
    """Return what may be the divisor: what follows an operator, or the second argument of mod."""
    found = [_trimmed(expression, m.end(), len(expression)) for m in _OPERATOR.finditer(expression)]
    inner = re.match(r"\s*(?:mod|pmod)\s*\(.*?,(?P<second>[^,]*)\)\s*$", expression, re.I | re.S)
    if inner:
        found.append(_trimmed(expression, *inner.span("second")))
    return [(start, end) for start, end in reversed(found) if start < end]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())


def _bare(divisor: str) -> str:
    """Return a divisor without the brackets around it, which the call's own make needless."""
    inner = divisor[1:-1]
    if divisor[:1] == "(" and divisor[-1:] == ")" and _parsed(inner) is not None:
        return inner
    return divisor


def _parsed(expression: str) -> exp.Expr | None:
    try:
        return parse_one(expression, dialect="databricks")
    except (SqlglotError, RecursionError):
        return None


def _in_python(path: str, text: str, line: int) -> edits.Change | str:
    for cell in cells.read(path, text):
        code = pointed.parsed(cell)
        module = pointed.functions(code) if code else None
        if code is None or module is None:
            continue
        divisors = [
            node.right
            for node in ast.walk(code.tree)
            if isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Div | ast.Mod)
            and node.lineno <= line <= (node.end_lineno or node.lineno)
        ]
        if len(divisors) == 1 and _is_column(divisors[0]):
            span = code.span(divisors[0])
            written = cell.text[span.start : span.end]
            guarded = f"{module}.nullif({written}, {module}.lit(0))"
            return cell.change(span.start, span.end, guarded)
    return f"{path}:{line} holds no single division of columns that could be guarded"


def _is_column(node: ast.expr) -> bool:
    """Say whether an expression is surely a column: a call such as `F.sum`, or a frame's own."""
    if isinstance(node, ast.Call):
        return called(node) in _COLUMNS
    return isinstance(node, ast.Subscript | ast.Attribute)
