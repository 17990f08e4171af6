"""What SQL names, and where: columns it reads, tables and files it makes or reads.

The statements are parsed; where that fails nothing is found, because a guess by regular expressions
would edit strings and comments.
"""

import logging
from collections.abc import Iterator
from typing import NamedTuple

from sqlglot import exp, parse
from sqlglot.errors import SqlglotError

from agent.code import pipelinesql


class Span(NamedTuple):
    """A name in the text: `text[start:end]`, quotes included."""

    start: int
    end: int

    def moved(self, by: int) -> "Span":
        """Return the same name in a text that begins so many characters earlier."""
        return Span(self.start + by, self.end + by)


class Mentions(NamedTuple):
    """Where one text uses a column's name."""

    outside: tuple[Span, ...] = ()
    """As a column it reads."""
    inside: tuple[Span, ...] = ()
    """As a column it reads to make one of the same name: `sum(amount) as amount`."""
    defines: bool = False
    """True where the text makes a column of that name: what is read outside may be that one."""


class Names(NamedTuple):
    """What statements make and read, lower case; tables without quotes, files as written."""

    makes: frozenset[str]
    reads: frozenset[str]


def statements(text: str, dialect: str) -> tuple[exp.Expr, ...] | None:
    """Return the parsed statements, a pipeline's as plain ones; None where it does not parse."""
    # It warns on stderr of each statement that it only keeps as text.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    try:
        return tuple(s for s in parse(pipelinesql.plain(text), dialect=dialect) if s is not None)
    except (SqlglotError, RecursionError):
        return None


def column(text: str, name: str, dialect: str) -> Mentions | None:
    """Return where the SQL uses a column's name; None where it does not parse."""
    parsed = statements(text, dialect)
    if parsed is None:
        return None
    found = [i for s in parsed for i in s.find_all(exp.Identifier) if _same(i.name, name)]
    defining = [i.parent for i in found if _defines(i) and i.parent is not None]
    outside: set[Span] = set()
    inside: set[Span] = set()
    for identifier in found:
        if not _reads(identifier) or _sorts(identifier, defining):
            continue
        span = _span(text, identifier)
        if span is None:
            return None
        (inside if _inside(identifier, defining) else outside).add(span)
    return Mentions(tuple(sorted(outside)), tuple(sorted(inside)), bool(defining))


def names(text: str, dialect: str) -> Names:
    """Return the tables and files that SQL makes and reads; nothing where it does not parse."""
    makes: set[str] = set()
    reads: set[str] = set()
    for statement in statements(text, dialect) or ():
        made = _made(statement)
        makes |= {_table(t) for t in made} | set(_copied(statement))
        local = {c.alias_or_name.lower() for c in statement.find_all(exp.CTE)}
        for table in statement.find_all(exp.Table):
            if not any(table is m for m in made) and _table(table) not in local:
                reads.add(_table(table))
        if not isinstance(statement, exp.Copy):
            reads |= {n.name for n in statement.find_all(exp.Literal) if n.is_string}
    return Names(frozenset(makes - {""}), frozenset(reads - {""}))


def table(text: str, name: str, dialect: str) -> tuple[Span, ...] | None:
    """Return the last part of each mention of a table, quotes included.

    None where the SQL does not parse, or makes a table of that name itself. Parts of underscores
    alone stand for any name: they are filled in at run time.
    """
    parsed = statements(text, dialect)
    if parsed is None:
        return None
    wanted = name.replace("`", "").replace('"', "").lower().split(".")
    found: list[Span] = []
    for statement in parsed:
        made = _made(statement)
        local = {c.alias_or_name.lower() for c in statement.find_all(exp.CTE)}
        for mention in statement.find_all(exp.Table):
            identifier = mention.this
            if not isinstance(identifier, exp.Identifier) or not _is_table(mention, wanted):
                continue
            span = _span(text, identifier)
            if span is None or any(mention is m and not _inserts(statement) for m in made):
                return None
            if len(mention.parts) > 1 or identifier.name.lower() not in local:
                found.append(span)
    return tuple(sorted(set(found)))


def _is_table(mention: exp.Table, wanted: list[str]) -> bool:
    """Say whether a mention is of the table: as qualified as both are, from the last part on."""
    parts = [part.name.lower() for part in mention.parts][::-1]
    pairs = zip(parts, wanted[::-1], strict=False)
    return all(ours == theirs or not ours.strip("_") for ours, theirs in pairs) and bool(
        parts[0].strip("_")
    )


def _inserts(statement: exp.Expr) -> bool:
    return isinstance(statement, exp.Insert)


def _made(statement: exp.Expr) -> tuple[exp.Table, ...]:
    """Return the tables that a CREATE or INSERT is about."""
    if isinstance(statement, exp.Insert) or (
        isinstance(statement, exp.Create) and statement.args.get("kind") in ("TABLE", "VIEW")
    ):
        target = statement.this
        target = target.this if isinstance(target, exp.Schema) else target
        return (target,) if isinstance(target, exp.Table) else ()
    return ()


def _copied(statement: exp.Expr) -> Iterator[str]:
    """Yield the file that a COPY ... TO writes."""
    if isinstance(statement, exp.Copy) and not statement.args.get("kind"):
        for file in statement.args.get("files") or ():
            name = file.this if isinstance(file, exp.Table) else file
            yield str(name.name)


def _table(table: exp.Table) -> str:
    return ".".join(part.name for part in table.parts).lower()


def _same(one: str, two: str) -> bool:
    return one.lower() == two.lower()


def _span(text: str, identifier: exp.Identifier) -> Span | None:
    start, end = identifier.meta.get("start"), identifier.meta.get("end")
    if not isinstance(start, int) or not isinstance(end, int):
        return None
    return Span(start, end + 1) if identifier.name in text[start : end + 1] else None


def _reads(identifier: exp.Identifier) -> bool:
    parent = identifier.parent
    if isinstance(parent, exp.Column):
        return identifier.arg_key == "this"
    if isinstance(parent, exp.Join):
        return identifier.arg_key == "using"
    return isinstance(parent, exp.Schema) and isinstance(parent.parent, exp.Insert)


def _defines(identifier: exp.Identifier) -> bool:
    parent = identifier.parent
    if isinstance(parent, exp.TableAlias):
        return identifier.arg_key == "columns"
    return isinstance(parent, exp.Alias | exp.ColumnDef) and identifier.arg_key in ("alias", "this")


def _inside(identifier: exp.Identifier, defining: list[exp.Expr]) -> bool:
    """Say whether a name is read in the expression that is then given the same name."""
    return any(parent is d for d in defining for parent in _above(identifier))


def _sorts(identifier: exp.Identifier, defining: list[exp.Expr]) -> bool:
    """Say whether a name stands in the ORDER BY of the SELECT that gives it: the new one."""
    order = next((p for p in _above(identifier) if isinstance(p, exp.Order)), None)
    return order is not None and any(d.parent is order.parent for d in defining)


def _above(node: exp.Expr) -> Iterator[exp.Expr]:
    while node.parent is not None:
        node = node.parent
        yield node
