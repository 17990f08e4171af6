"""Databricks SQL as DuckDB takes it: parameters put in, names made whole.

Rules kept here: a name of one or two parts belongs to the session's schema and catalog, unless a
WITH clause defines it; keys and clustering are accepted and not enforced, as in Unity Catalog.
"""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from agent.simulators.databricks import lakehouse, sqlerrors
from agent.simulators.databricks.lakehouse import INFORMATION, Name
from agent.simulators.databricks.sqlerrors import Place, SqlError

if TYPE_CHECKING:
    from sqlglot import exp

INFORMATION_VIEWS = {
    "tables": (
        "SELECT {catalog} AS table_catalog, schema_name AS table_schema, table_name, table_type, "
        "comment FROM (SELECT database_name, schema_name, table_name, 'MANAGED' AS table_type, "
        "comment FROM duckdb_tables() UNION ALL SELECT database_name, schema_name, view_name, "
        "'VIEW', comment FROM duckdb_views() WHERE NOT internal) WHERE {where}"
    ),
    "views": (
        "SELECT {catalog} AS table_catalog, schema_name AS table_schema, view_name AS table_name, "
        "sql AS view_definition FROM duckdb_views() WHERE NOT internal AND {where}"
    ),
    "columns": (
        "SELECT {catalog} AS table_catalog, schema_name AS table_schema, table_name, column_name, "
        "column_index - 1 AS ordinal_position, column_default, "
        "CASE WHEN is_nullable THEN 'YES' ELSE 'NO' END AS is_nullable, "
        "CASE data_type WHEN 'VARCHAR' THEN 'STRING' WHEN 'INTEGER' THEN 'INT' "
        "WHEN 'BIGINT' THEN 'LONG' WHEN 'TIMESTAMP WITH TIME ZONE' THEN 'TIMESTAMP' "
        "ELSE regexp_extract(data_type, '^[A-Z]+') END AS data_type, "
        "CASE data_type WHEN 'VARCHAR' THEN 'string' WHEN 'INTEGER' THEN 'int' "
        "WHEN 'TIMESTAMP WITH TIME ZONE' THEN 'timestamp' ELSE lower(data_type) END "
        "AS full_data_type, comment "
        "FROM duckdb_columns() WHERE NOT internal AND {where}"
    ),
    "schemata": (
        "SELECT {catalog} AS catalog_name, schema_name FROM duckdb_schemas() "
        "WHERE schema_name NOT IN ('main', 'pg_catalog', 'information_schema') AND {where}"
    ),
    "routines": (
        "SELECT {catalog} AS routine_catalog, schema_name AS routine_schema, "
        "function_name AS routine_name, CASE function_type WHEN 'table_macro' THEN 'TABLE_TYPE' "
        "ELSE 'STRING' END AS data_type, 'SQL' AS routine_body FROM duckdb_functions() "
        "WHERE NOT internal AND {where}"
    ),
}


class Session(NamedTuple):
    """What unqualified names and the functions of the session mean."""

    catalog: str = lakehouse.DEFAULT_CATALOG
    schema: str = lakehouse.DEFAULT_SCHEMA
    user: str = ""

    def whole(self, parts: list[str]) -> Name:
        """Return the full name of up to three parts."""
        parts = [part.lower() for part in parts]
        return Name(*([self.catalog, self.schema][: 3 - len(parts)] + parts))


class Parameter(NamedTuple):
    """The value of a named parameter."""

    value: str | None
    type: str = "STRING"


class Reference(NamedTuple):
    """A table as the statement names it."""

    written: list[str]
    name: Name
    place: Place | None


def parse(sql: str) -> "list[exp.Expr] | SqlError":
    """Return the statements of a text, or the syntax error."""
    import sqlglot
    from sqlglot.errors import ParseError, TokenError

    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    try:
        found = sqlglot.parse(sql, read="databricks")
    except ParseError as error:
        first = error.errors[0]
        near = str(first.get("highlight") or "")
        line, end = int(first.get("line") or 1), int(first.get("col") or 0)
        if near and sql.rstrip().rstrip(";").endswith(near) and "SENTINEL" in str(first):
            return sqlerrors.syntax(sql, "", sqlerrors.ending(sql))
        return sqlerrors.syntax(sql, near, Place(line, max(0, end - len(near)), len(near)))
    except TokenError:
        return sqlerrors.syntax(sql, "", sqlerrors.ending(sql))
    return [one for one in found if one is not None]


def place_of(node: "exp.Expr") -> Place | None:
    """Return where a node begins in the text; None where sqlglot does not know."""
    from sqlglot import exp

    starts = [
        (one.meta["line"], one.meta["col"] - (one.meta["end"] - one.meta["start"] + 1))
        for one in node.find_all(exp.Identifier, exp.Literal, exp.Column, exp.Star)
        if "line" in one.meta
    ]
    return Place(*min(starts)) if starts else None


def bind(tree: "exp.Expr", parameters: Mapping[str, Parameter]) -> "exp.Expr | SqlError":
    """Return the statement with values in place of `:name`, or the first that has none."""
    from sqlglot import exp

    for node in list(tree.find_all(exp.Placeholder, exp.Parameter)):
        name = node.name
        if name not in parameters:
            return sqlerrors.unbound(name)
        value = parameters[name]
        new: exp.Expr = exp.null()
        if value.value is not None:
            new = exp.Literal.string(value.value)
        if value.type.upper() not in ("STRING", "VOID"):
            kind = exp.DataType.build(value.type, dialect="databricks")
            new = exp.Cast(this=new, to=kind)
        if node is tree:
            return new
        node.replace(new)
    return _identifiers(tree)


def _identifiers(tree: "exp.Expr") -> "exp.Expr":
    """Write `IDENTIFIER('a.b')` as the name that it stands for."""
    from sqlglot import exp

    for node in list(tree.find_all(exp.Anonymous)):
        if node.name.upper() != "IDENTIFIER" or len(node.expressions) != 1:
            continue
        if not (isinstance(node.expressions[0], exp.Literal)):
            continue
        text = node.expressions[0].name
        if isinstance(node.parent, exp.Table):
            node.parent.replace(exp.to_table(text, dialect="databricks"))
        else:
            node.replace(exp.to_column(text, dialect="databricks"))
    return tree


def defined(tree: "exp.Expr") -> set[str]:
    """Return the names that WITH clauses give."""
    from sqlglot import exp

    return {one.alias.lower() for one in tree.find_all(exp.CTE)}


def references(tree: "exp.Expr", session: Session) -> list[Reference]:
    """Return every table of a statement that is not defined in it, in order."""
    from sqlglot import exp

    known = defined(tree)
    found = []
    for table in tree.find_all(exp.Table):
        parts = [part.name for part in table.parts]
        if not isinstance(table.this, exp.Identifier) or not 1 <= len(parts) <= 3:
            continue
        if len(parts) == 1 and parts[0].lower() in known:
            continue
        found.append(Reference(parts, session.whole(parts), place_of(table)))
    return found


def target(tree: "exp.Expr", session: Session) -> Name | None:
    """Return the table that a statement creates or writes; None where there is none."""
    from sqlglot import exp

    if not isinstance(
        tree,
        exp.Create | exp.Insert | exp.Merge | exp.Update | exp.Delete | exp.Alter | exp.Drop,
    ):
        return None
    table = (tree.this or tree).find(exp.Table)
    return None if table is None else session.whole([part.name for part in table.parts])


def render(tree: "exp.Expr", session: Session) -> str:
    """Return the statement in DuckDB's SQL, names made whole."""
    from sqlglot import exp
    from sqlglot.errors import ErrorLevel

    known = defined(tree)
    tree = tree.copy()
    if isinstance(tree, exp.Select):
        _name_columns(tree)
    for change in tree.find_all(exp.Merge, exp.Update):
        _unqualify(change)
    for table in list(tree.find_all(exp.Table)):
        _qualify(table, session, known)
    for column in list(tree.find_all(exp.Column)):
        if column.catalog:
            column.set("catalog", exp.to_identifier(f"lake_{column.catalog.lower()}", quoted=True))
    for node in list(tree.walk()):
        _replace(node, session)
    return tree.sql(dialect="duckdb", unsupported_level=ErrorLevel.IGNORE, identify=True)


def _unqualify(change: "exp.Expr") -> None:
    """Take the table's name off the columns that UPDATE SET writes: DuckDB wants them bare."""
    from sqlglot import exp

    for update in change.find_all(exp.Update):
        for one in update.expressions:
            if isinstance(one, exp.EQ) and isinstance(one.this, exp.Column):
                one.set("this", exp.column(one.this.this.copy()))


def _name_columns(select: "exp.Select") -> None:
    """Give unnamed results the names that Spark gives them."""
    from sqlglot import exp

    for one in list(select.expressions):
        if isinstance(one, exp.Func | exp.Literal | exp.Binary | exp.Unary | exp.Cast):
            name = one.sql(dialect="databricks")
            for function in one.find_all(exp.Func):
                word = function.sql_name()
                name = name.replace(f"{word}(", f"{word.lower()}(")
            name = "count(1)" if name == "count(*)" else name
            one.replace(exp.alias_(one.copy(), name, quoted=True))


def _qualify(table: "exp.Table", session: Session, known: set[str]) -> None:
    from sqlglot import exp

    parts = [part.name for part in table.parts]
    if isinstance(table.this, exp.Func):
        if table.db:
            whole = session.whole([*parts[:-1], "x"])
            table.set("db", exp.to_identifier(whole.schema, quoted=True))
            table.set("catalog", exp.to_identifier(f"lake_{whole.catalog}", quoted=True))
        return
    if not isinstance(table.this, exp.Identifier) or len(parts) > 3:
        return
    if len(parts) == 1 and parts[0].lower() in known:
        return
    name = session.whole(parts)
    if name.schema == INFORMATION and name.name in INFORMATION_VIEWS:
        _inform(table, name)
        return
    table.set("this", exp.to_identifier(name.name, quoted=True))
    table.set("db", exp.to_identifier(name.schema, quoted=True))
    table.set("catalog", exp.to_identifier(f"lake_{name.catalog}", quoted=True))


def _inform(table: "exp.Table", name: Name) -> None:
    """Put what `information_schema` shows in place of the table."""
    import sqlglot
    from sqlglot import exp

    where = "database_name LIKE 'lake\\_%' ESCAPE '\\'"
    if name.catalog != "system":
        where = f"database_name = 'lake_{name.catalog}'"
    text = INFORMATION_VIEWS[name.name].format(catalog="substr(database_name, 6)", where=where)
    inner = sqlglot.parse_one(text, read="duckdb")
    table.replace(
        exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier(table.alias_or_name)))
    )


def _replace(node: "exp.Expr", session: Session) -> None:
    """Put literals in place of what only the session knows, and own functions under their files."""
    from sqlglot import exp

    values: dict[type[exp.Expr], str] = {
        exp.CurrentUser: session.user,
        exp.CurrentSchema: session.schema,
        exp.CurrentCatalog: session.catalog,
        exp.SessionUser: session.user,
    }
    if (value := values.get(type(node))) is not None:
        node.replace(exp.Literal.string(value))
    elif isinstance(node, exp.Anonymous) and node.name.lower() == "raise_error":
        node.set("this", "error")
    elif isinstance(node, exp.Anonymous) and node.name.lower() in ("current_database", "user"):
        own = session.user if node.name.lower() == "user" else session.schema
        node.replace(exp.Literal.string(own))
    elif isinstance(node, exp.Dot) and isinstance(node.expression, exp.Anonymous):
        first = node.this
        while isinstance(first, exp.Dot):
            first = first.this
        if isinstance(first, exp.Identifier) and not isinstance(node.parent, exp.Dot):
            first.replace(exp.to_identifier(f"lake_{first.name.lower()}", quoted=True))
