"""Where Python code names a column of the data it reads: subscripts, attributes, arguments, SQL.

A column that the code makes itself is no column of the data: what is read under that name may be
the new one. So uses are told apart by whether they stand inside what makes the name.

Source: https://pandas.pydata.org/docs/reference/frame.html
Source: https://spark.apache.org/docs/latest/api/python/reference/pyspark.sql/dataframe.html
"""

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from agent.code import sqltext
from agent.code.pythontext import Code, called
from agent.code.sqltext import Mentions, Span

_KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        """
        by on left_on right_on subset usecols id_vars value_vars parse_dates partition_cols
        """,
    )
)
"""Arguments that name columns of what is read, in whatever call."""
_KEYWORDS_OF = {
    "pivot": {"index", "columns", "values"},
    "pivot_table": {"index", "columns", "values"},
    "crosstab": {"index", "columns", "values"},
    "drop": {"columns"},
    "reindex": {"columns"},
    "rename": {"columns"},
    "set_index": {"keys"},
    "astype": {"dtype"},
    "read_csv": {"dtype", "index_col"},
    "fillna": {"value"},
}
_ALL_POSITIONS = frozenset(
    re.findall(
        r"\w+",
        """
        groupby groupBy sort_values sort orderBy drop dropDuplicates set_index select col nunique
        cube rollup partitionBy agg aggregate astype fillna get pop sum avg mean min max count first
        last countDistinct approx_count_distinct itemgetter column explode collect_list filter melt
        drop_duplicates dropna hist value_counts
        """,
    )
)
_POSITIONS = {
    "merge": {2},
    "join": {1},
    "withColumnRenamed": {0},
    "nlargest": {1},
    "nsmallest": {1},
}
_SQL_CALLS = frozenset(
    re.findall(
        r"\w+",
        """
        execute executemany sql query read_sql read_sql_query expr selectExpr where filter
        """,
    )
)
_NEW_NAME_FIRST = frozenset(("withColumn", "alias", "name", "insert"))
_NEW_NAMES = frozenset(("DataFrame", "createDataFrame", "toDF", "from_records"))
_NOT_A_FRAME = frozenset(("self", "cls", "args", "options", "environ", "np", "pd"))


class _Use(NamedTuple):
    node: ast.expr
    span: Span


def keys(code: Code) -> set[str]:
    """Return the keys of dicts that the code writes out, texts only."""
    dicts = (node for node in ast.walk(code.tree) if isinstance(node, ast.Dict))
    found = (key.value for made in dicts for key in made.keys if isinstance(key, ast.Constant))
    return {key for key in found if isinstance(key, str)}


def mentions(code: Code, name: str, dialect: str) -> Mentions:
    """Return where the code uses a column's name; spans are the name alone, without quotes."""
    literals = {node for node in _read(code) if node.value == name}
    made = list(_made(code, name))
    uses = [_Use(n, s) for n in literals if (s := code.inside(n, 0, len(name))) is not None]
    uses += [_Use(n, s) for n, s in _attributes(code, name)]
    inside = {u for u in uses if any(p in made for p in code.above(u.node))}
    last = max((code.span(m).end for m in made), default=-1)
    first = min((code.span(m).start for m in made), default=-1)
    # What is read below the place that turns a column into one of the same name is the new one.
    later = {u for u in uses if inside and u not in inside and u.span.start > last > first >= 0}
    statements = _in_sql(code, name, dialect)
    return Mentions(
        tuple(sorted({u.span for u in uses if u not in inside | later} | set(statements.outside))),
        tuple(sorted({u.span for u in inside} | set(statements.inside))),
        bool(made) or statements.defines or any(n in _new(code) for n in literals),
    )


def _read(code: Code) -> Iterator[ast.Constant]:
    """Yield the string literals that stand where a column is read."""
    for node in ast.walk(code.tree):
        match node:
            case ast.Subscript(value=value, slice=index) if not _named(value, _NOT_A_FRAME):
                if isinstance(node.ctx, ast.Store) and not _augmented(code, node):
                    continue
                yield from code.constants(index)
            case ast.Call():
                for argument in _arguments(node):
                    keys = argument.keys if isinstance(argument, ast.Dict) else [argument]
                    for key in keys:
                        yield from code.constants(key) if key is not None else ()


def _arguments(node: ast.Call) -> Iterator[ast.expr]:
    """Yield the arguments of a call that name columns."""
    name = called(node)
    if name in _NEW_NAMES or (isinstance(node.func, ast.Attribute) and _texts(node.func.value)):
        return
    positions = _POSITIONS.get(name, set())
    for at, argument in enumerate(node.args):
        if at in positions or (name in _ALL_POSITIONS and isinstance(node.func, ast.Attribute)):
            yield argument
    for keyword in node.keywords:
        if keyword.arg in _KEYWORDS or keyword.arg in _KEYWORDS_OF.get(name, set()):
            yield keyword.value
        elif name in ("agg", "aggregate") and isinstance(keyword.value, ast.Tuple):
            yield from keyword.value.elts[:1]


def _made(code: Code, name: str) -> Iterator[ast.expr | ast.stmt]:
    """Yield what makes a column of that name: the reads inside it are of the old one."""
    for node in ast.walk(code.tree):
        match node:
            case ast.Assign(targets=targets, value=value):
                if any(_stores(code, t, name) for t in targets):
                    yield value
            case ast.Dict(keys=keys, values=values) if not _is_argument(code, node):
                for key, value in zip(keys, values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == name:
                        yield value
            case ast.Call():
                yield from _made_by(node, name)


def _made_by(node: ast.Call, name: str) -> Iterator[ast.expr]:
    method = called(node)
    if method in _NEW_NAME_FIRST and node.args:
        first = node.args[0]
        if isinstance(first, ast.Constant) and first.value == name:
            yield node
    for keyword in node.keywords:
        if method in ("assign", "agg", "aggregate", "Row") and keyword.arg == name:
            yield keyword.value
        if method == "rename" and isinstance(keyword.value, ast.Dict):
            for value in keyword.value.values:
                if isinstance(value, ast.Constant) and value.value == name:
                    yield value


def _new(code: Code) -> set[ast.Constant]:
    """Return the string literals that name the columns of a new frame."""
    found: set[ast.Constant] = set()
    for node in ast.walk(code.tree):
        if isinstance(node, ast.Call) and called(node) in _NEW_NAMES:
            for argument in [*node.args, *(k.value for k in node.keywords)]:
                found |= set(code.constants(argument))
    return found


def _stores(code: Code, target: ast.expr, name: str) -> bool:
    match target:
        case ast.Subscript(slice=index):
            return any(c.value == name for c in code.constants(index))
        case ast.Attribute(attr=attr):
            return attr == name
    return False


def _attributes(code: Code, name: str) -> Iterator[tuple[ast.Attribute, Span]]:
    """Yield `frame.name`, but not what is called, a module's, or an object's of the code's own."""
    if any(_declares(node, name) for node in ast.walk(code.tree)):
        return
    modules = {
        (alias.asname or alias.name).partition(".")[0]
        for node in ast.walk(code.tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    for node in ast.walk(code.tree):
        if not isinstance(node, ast.Attribute) or node.attr != name:
            continue
        parent = code.parents.get(node)
        is_called = isinstance(parent, ast.Call) and parent.func is node
        if is_called or isinstance(node.ctx, ast.Store) or _named(node.value, _NOT_A_FRAME):
            continue
        if not _named(node.value, modules):
            end = code.span(node).end
            yield node, Span(end - len(name), end)


def _declares(node: ast.AST, name: str) -> bool:
    match node:
        case ast.AnnAssign(target=ast.Name(id=found)) | ast.FunctionDef(name=found):
            return found == name
    return False


def _named(node: ast.expr, names: frozenset[str] | set[str]) -> bool:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in names
    return False


def _texts(node: ast.expr) -> bool:
    """Say whether a method is one of a string's: `",".join(...)`, `"a".count("b")`."""
    return isinstance(node, ast.Constant | ast.JoinedStr)


def _augmented(code: Code, node: ast.Subscript) -> bool:
    parent = code.parents.get(node)
    return isinstance(parent, ast.AugAssign) and parent.target is node


def _is_argument(code: Code, node: ast.Dict) -> bool:
    """Say whether a dictionary's keys are columns that a call reads: `agg({"amount": "sum"})`."""
    call = next((p for p in code.above(node) if isinstance(p, ast.Call)), None)
    return call is not None and any(argument is node for argument in _arguments(call))


def _in_sql(code: Code, name: str, dialect: str) -> Mentions:
    """Return the uses in SQL that is a literal argument of a call that runs it."""
    found: list[Mentions] = []
    for node in ast.walk(code.tree):
        if not isinstance(node, ast.Call) or called(node) not in _SQL_CALLS:
            continue
        for literal in {c for a in node.args for c in code.constants(a)}:
            text = str(literal.value)
            used = sqltext.column(text, name, dialect) if text != name else None
            if used is not None:
                found.append(
                    Mentions(
                        tuple(_placed(code, literal, used.outside)),
                        tuple(_placed(code, literal, used.inside)),
                        used.defines,
                    )
                )
        found += _in_templates(code, node, name, dialect)
    return Mentions(
        tuple(s for m in found for s in m.outside),
        tuple(s for m in found for s in m.inside),
        any(m.defines for m in found),
    )


def _in_templates(code: Code, call: ast.Call, name: str, dialect: str) -> Iterator[Mentions]:
    """Yield the uses in SQL that is an f-string: what it fills in is no name that is looked for."""
    for template in (t for a in call.args for t in code.templates(a)):
        used = sqltext.column(template.text, name, dialect)
        if used is not None:
            yield Mentions(
                tuple(s.moved(template.start) for s in used.outside),
                tuple(s.moved(template.start) for s in used.inside),
                used.defines,
            )


def _placed(code: Code, literal: ast.Constant, spans: tuple[Span, ...]) -> Iterator[Span]:
    for span in spans:
        place = code.inside(literal, *span)
        if place is not None:
            yield place
