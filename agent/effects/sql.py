"""What SQL does: statements parsed with sqlglot as Databricks' and then DuckDB's dialect.

A statement that neither reads is `unparsed`. Jinja (dbt) and `${...}`, `{{...}}` references become
names before parsing. Names of columns never count, so that a renamed column is no new filter.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from agent.code import pipelinesql
from agent.effects import templates, wording
from agent.effects.found import Found, Reading
from agent.records import Risk

if TYPE_CHECKING:
    from sqlglot import exp

_DIALECTS = ("databricks", "duckdb")
_RUNNING = (
    "reflect",
    "java_method",
    "try_reflect",
    "query",
    "query_table",
    "http_request",
    "ai_query",
)


def looks_like_sql(text: str) -> bool:
    """Return whether a string starts like a statement."""
    return (
        re.match(
            r"\s*(?:--[^\n]*\n\s*)*(?:select|with|insert|update|delete|merge|create|drop|alter|truncate"
            r"|copy|grant|revoke|vacuum|use|set|from|replace|attach|pragma|call|restore|optimize)\b",
            text,
            re.IGNORECASE,
        )
        is not None
    )


def read(text: str) -> Reading:
    """Read all statements of a text; the lines are its own."""
    plain, notes = templates.plain(text)
    rules = tuple(_rules(plain))
    plain = pipelinesql.plain(plain)
    parsed = _parse(plain)
    if parsed is None:
        return Reading((*wording.guesses(plain), *notes), rules)
    acts, guards = list(notes), list(rules)
    for statement in parsed:
        acts += _acts(statement)
        guards += _outputs(statement)
    return Reading(tuple(acts), tuple(guards))


def _rules(text: str) -> Iterator[Found]:
    """Yield the expectations that a pipeline's SQL holds its rows to."""
    for rule in pipelinesql.expectations(text):
        parsed = _parse(f"SELECT {rule.condition}")
        condition = _shape(parsed[0]) if parsed else rule.condition
        what = f"expect {rule.name} {condition} {rule.violation}"
        says = f"expects {rule.condition[:60]} {rule.violation.lower()}".rstrip()
        yield Found("check_weakened", what, says, rule.line)


def _parse(text: str) -> "tuple[exp.Expr, ...] | None":
    """Return the statements as the dialect that knows most of them reads them."""
    from sqlglot import parse
    from sqlglot.errors import SqlglotError

    # It warns on stderr of each statement that it only keeps as text; those are judged here.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    best: tuple[exp.Expr, ...] | None = None
    for dialect in _DIALECTS:
        try:
            found = tuple(s for s in parse(text, dialect=dialect) if s is not None)
        except (SqlglotError, RecursionError):
            continue
        if all(_known(s) for s in found):
            return found
        if best is None or sum(map(_known, found)) > sum(map(_known, best)):
            best = found
    return best


def _known(statement: "exp.Expr") -> bool:
    from sqlglot import exp

    return isinstance(statement, (exp.Query, *_readers(), *_inert()))


def _inert() -> "tuple[type[exp.Expr], ...]":
    from sqlglot import exp

    return (
        exp.Describe, exp.Show, exp.Summarize, exp.Pragma, exp.Transaction, exp.Commit,
        exp.Rollback, exp.Cache, exp.Uncache, exp.Refresh, exp.Detach, exp.Comment, exp.Semicolon,
        exp.Declare, exp.Analyze,
    )  # fmt: skip


def _readers() -> "dict[type[exp.Expr], Callable[[exp.Expr], Iterable[Found]]]":
    """What reads each kind of statement; a new kind of statement is a row here."""
    from sqlglot import exp

    return {
        exp.Drop: _drop,
        exp.TruncateTable: lambda s: [_on("table_truncate", s, "empties table", again=True)],
        exp.Delete: lambda s: [_on("rows_delete", s, "deletes rows of table", again=True)],
        exp.Update: _update,
        exp.Merge: _merge,
        exp.Insert: _insert,
        exp.Create: _create,
        exp.Alter: _alter,
        exp.Copy: _copy,
        exp.LoadData: lambda s: [_on("table_append", s, "loads files into table", again=True)],
        exp.Grant: _grant,
        exp.Revoke: _grant,
        exp.Use: lambda s: [_of("target_change", s, "switches to another catalog or schema")],
        exp.Set: lambda s: [_of("config_change", s, "changes a setting")],
        exp.Attach: lambda s: [_of("source_change", s, "opens another database")],
        exp.Install: lambda s: [_of("exec_dynamic", s, "installs an extension")],
    }


def _acts(statement: "exp.Expr") -> Iterator[Found]:
    from sqlglot import exp

    reader = _readers().get(type(statement))
    if reader is not None:
        yield from reader(statement)
    elif not isinstance(statement, (exp.Query, *_inert())):
        yield from wording.command(" ".join(statement.sql().split()), _line(statement))
    yield from _rows(statement)
    yield from _nulls(statement)
    for call in statement.find_all(exp.Anonymous, exp.Func):
        if call.name.lower() in _RUNNING or call.sql_name().lower() in _RUNNING:
            yield _of("exec_dynamic", call, "runs code that cannot be seen here", again=True)
    if statement.find(exp.Into):
        yield _of("table_write", statement, "makes a table")
    # A common table expression may hold a writing statement, in some dialects.
    for kind in (exp.Insert, exp.Delete, exp.Update, exp.Merge, exp.Drop):
        for inner in statement.find_all(kind):
            if inner is not statement:
                yield from _readers()[kind](inner)


def _line(statement: "exp.Expr") -> int | None:
    from sqlglot import exp

    lines = (i.meta.get("line") for i in statement.find_all(exp.Identifier, exp.Literal))
    return min((line for line in lines if line), default=None)


def _name(statement: "exp.Expr") -> str:
    """Return the table a statement is about, qualified as written, lower case."""
    from sqlglot import exp

    table = statement.this
    if isinstance(table, exp.Schema):
        table = table.this
    if not isinstance(table, exp.Table):
        found = statement.find(exp.Table)
        table = found if found is not None else table
    if isinstance(table, exp.Table):
        return ".".join(part.name for part in table.parts if part.name).lower()
    return str(table or "")


def _of(kind: str, statement: "exp.Expr", says: str, *, again: bool = False) -> Found:
    text = " ".join(statement.sql().split())
    return Found(kind, text, f"{says}: {text[:80]}", _line(statement), again=again)


def _on(kind: str, statement: "exp.Expr", says: str, *, again: bool = False) -> Found:
    text = " ".join(statement.sql().split())
    name = _name(statement)
    return Found(kind, text, f"{says} {name}", _line(statement), again=again, name=name)


def _drop(statement: "exp.Expr") -> Iterator[Found]:
    kind = str(statement.args.get("kind") or "table").lower()
    exists = bool(statement.args.get("exists"))
    if statement.args.get("temporary"):
        return
    yield _on("table_drop", statement, f"drops {kind}", again=not exists)


def _update(statement: "exp.Expr") -> Iterator[Found]:
    every = statement.args.get("where") is None
    found = _on("rows_update", statement, "changes rows of table", again=True)
    yield found._replace(risk=Risk.DESTRUCTIVE) if every else found


def _merge(statement: "exp.Expr") -> Iterator[Found]:
    name = _name(statement)
    line = _line(statement)
    says = f"merges into table {name}"
    yield Found("table_merge", f"merge {name}", says, line, again=True, name=name)
    if re.search(r"\bTHEN DELETE\b", statement.sql(), re.IGNORECASE):
        yield _on("rows_delete", statement, "deletes rows of table", again=True)


def _insert(statement: "exp.Expr") -> Iterator[Found]:
    name, line = _name(statement), _line(statement)
    if statement.args.get("overwrite") or statement.args.get("where"):
        says = f"overwrites table {name}"
        yield Found("table_overwrite", f"overwrite {name}", says, line, name=name)
        return
    keyed = bool(statement.args.get("conflict") or statement.args.get("alternative"))
    says = f"appends to table {name}"
    yield Found("table_append", f"append {name}", says, line, again=not keyed, name=name)


def _create(statement: "exp.Expr") -> Iterator[Found]:
    from sqlglot import exp

    kind = str(statement.args.get("kind") or "").lower()
    properties = statement.args.get("properties")
    if properties is not None and properties.find(exp.TemporaryProperty):
        return
    name, line = _name(statement), _line(statement)
    if kind == "table" and statement.args.get("replace"):
        says = f"replaces table {name}"
        yield Found("table_overwrite", f"replace {name}", says, line, name=name)
    elif kind in ("function", "procedure", "macro"):
        yield _of("exec_dynamic", statement, f"defines a {kind}")
    elif statement.args.get("clone"):
        yield _on("table_write", statement, "copies a table to")
    else:
        says = f"creates {kind} {name}"
        yield Found("table_write", f"create {kind} {name}", says, line, name=name)


def _alter(statement: "exp.Expr") -> Iterator[Found]:
    from sqlglot import exp

    actions = statement.args.get("actions") or []
    if any(isinstance(action, exp.Drop) for action in actions):
        yield _on("column_drop", statement, "drops a part of table", again=True)
    else:
        yield _on("config_change", statement, "alters table", again=True)


def _copy(statement: "exp.Expr") -> Iterator[Found]:
    # `kind` is true for COPY ... FROM and COPY INTO, false for COPY ... TO.
    if statement.args.get("kind"):
        yield _on("table_append", statement, "loads files into table", again=True)
    else:
        yield _of("file_write", statement, "writes a file")


def _grant(statement: "exp.Expr") -> Iterator[Found]:
    yield _of("grant_change", statement, "changes who may do what")


def _rows(statement: "exp.Expr") -> Iterator[Found]:
    """Yield what keeps rows out (filters, limits, DISTINCT, inner joins), and schemas used."""
    from sqlglot import exp

    for kind in (exp.Where, exp.Having, exp.Qualify):
        for clause in statement.find_all(kind):
            what = f"{kind.__name__} {_shape(clause)}"
            yield Found("rows_dropped", what, f"filters: {clause.sql()[:80]}", _line(clause))
    for clause in statement.find_all(exp.Limit, exp.Fetch, exp.TableSample, exp.Distinct):
        text = clause.sql()
        yield Found("rows_dropped", text, f"keeps fewer rows: {text[:60]}", _line(clause))
    for join in statement.find_all(exp.Join):
        side = f"{join.side} {join.kind}".strip().lower()
        if side in ("", "inner", "left semi", "left anti", "right", "semi", "anti"):
            what = f"join {side or 'inner'}"
            yield Found("rows_dropped", what, f"drops rows without a match ({what})", _line(join))
    for place in {
        t.db + "." + t.catalog: t for t in statement.find_all(exp.Table) if t.db
    }.values():
        where = ".".join(filter(None, (place.catalog, place.db))).lower()
        yield Found("source_change", where, f"uses schema {where}", _line(place))


def of_expression(text: str) -> tuple[Found, ...]:
    """Return what a single expression, as `expr` takes it, hides of errors."""
    return tuple(f for statement in _parse(f"SELECT {text}") or () for f in _nulls(statement))


def _nulls(statement: "exp.Expr") -> Iterator[Found]:
    """Yield what gives NULL where there would be an error: `NULLIF`, `TRY_CAST`, `try_divide`."""
    from sqlglot import exp

    for call in statement.find_all(exp.Func, exp.Bracket):
        name = call.name if isinstance(call, exp.Anonymous) else type(call).__name__
        safe = call.args.get("safe") is True and not isinstance(call, exp.Binary)
        if safe or name.lower().startswith(("try", "safe", "nullif")):
            says = f"gives NULL where there would be an error: {call.sql('databricks')[:80]}"
            yield Found("error_to_null", _shape(call), says, _line(call))


def _shape(clause: "exp.Expr") -> str:
    """Return a condition without its columns' names: `a > 1` and `b > 1` are of one shape."""
    from sqlglot import exp

    return clause.transform(
        lambda node: exp.column("c") if isinstance(node, exp.Column) else node
    ).sql()


def _outputs(statement: "exp.Expr") -> Iterator[Found]:
    from sqlglot import exp

    if isinstance(statement, (exp.Insert, exp.Merge, exp.Create)) and (name := _name(statement)):
        yield Found("output_removed", name, f"writes table {name}", _line(statement))
    for constraint in statement.find_all(exp.Constraint, exp.ColumnConstraint):
        yield Found("check_weakened", constraint.sql(), f"holds {constraint.sql()[:60]}")
