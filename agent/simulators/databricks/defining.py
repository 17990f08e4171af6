"""CREATE, DROP, ALTER and COMMENT ON for schemas, tables, views and functions.

Rules kept here: keys, clustering, partitions and table properties are taken and have no effect, as
keys have none in Unity Catalog; comments are kept.
Source: https://docs.databricks.com/sql/language-manual/sql-ref-syntax-ddl-create-table-using.html
"""

from typing import TYPE_CHECKING

from agent.simulators.databricks import dialect, lakehouse, querying, sqlerrors
from agent.simulators.databricks.lakehouse import Name, quote
from agent.simulators.databricks.querying import Result
from agent.simulators.databricks.sqlerrors import SqlError

if TYPE_CHECKING:
    from sqlglot import exp

    from agent.simulators.databricks.querying import Statement


def run(statement: "Statement", tree: "exp.Expr") -> Result | SqlError:
    """Run a statement that defines something. Raises `duckdb.Error`."""
    from sqlglot import exp

    if isinstance(tree, exp.Create):
        return _create(statement, tree)
    if isinstance(tree, exp.Drop):
        return _drop(statement, tree)
    if isinstance(tree, exp.Comment):
        statement.connection.execute(dialect.render(tree, statement.session))
        return Result()
    return _alter(statement, tree)


def _create(statement: "Statement", tree: "exp.Create") -> Result | SqlError:
    kind = str(tree.args.get("kind") or "").upper()
    if kind in ("SCHEMA", "DATABASE"):
        return _create_schema(statement, tree)
    if kind == "FUNCTION":
        return _create_function(statement, tree)
    name = dialect.target(tree, statement.session)
    if name is None:
        return statement.fetch(dialect.render(tree, statement.session))
    if not lakehouse.has_schema(statement.sim, name.catalog, name.schema):
        return sqlerrors.schema_missing([name.catalog, name.schema])
    if name in statement.objects() and not tree.args.get("replace"):
        if tree.args.get("exists"):
            return Result()
        return sqlerrors.exists("TABLE", list(name))
    return _create_table(statement, tree, name, kind)


def _create_schema(statement: "Statement", tree: "exp.Create") -> Result | SqlError:
    parts = [part.name.lower() for part in tree.this.parts if part.name]
    catalog, schema = parts if len(parts) == 2 else (statement.session.catalog, parts[-1])
    if catalog not in lakehouse.catalogs(statement.sim):
        return sqlerrors.catalog_missing(catalog)
    if lakehouse.has_schema(statement.sim, catalog, schema):
        return (
            Result() if tree.args.get("exists") else sqlerrors.exists("SCHEMA", [catalog, schema])
        )
    statement.connection.execute(f"CREATE SCHEMA {lakehouse.alias(catalog)}.{quote(schema)}")
    return Result()


def _create_table(
    statement: "Statement", tree: "exp.Create", name: Name, kind: str
) -> Result | SqlError:
    from sqlglot import exp

    comments = _comments(tree, name)
    bare = _bare(statement, tree)
    selected = isinstance(bare.expression, exp.Query)
    view = kind == "VIEW" and not _materialized(tree)
    bare.set("kind", "VIEW" if view else "TABLE")
    before = {
        one.name: one.kind for one in lakehouse.tables(statement.sim, name.catalog, name.schema)
    }
    if before.get(name) not in (None, "VIEW" if view else "MANAGED"):
        old = "VIEW" if before[name] == "VIEW" else "TABLE"
        statement.connection.execute(f"DROP {old} {name.quoted()}")
    statement.connection.execute(dialect.render(bare, statement.session))
    for comment in comments if not view else []:
        statement.connection.execute(comment)
    words = "CREATE OR REPLACE TABLE" if tree.args.get("replace") else "CREATE TABLE"
    if not view:
        querying.note(statement.sim, name, words + (" AS SELECT" if selected else ""))
    return Result()


def _materialized(tree: "exp.Create") -> bool:
    from sqlglot import exp

    properties = tree.args.get("properties")
    return properties is not None and properties.find(exp.MaterializedProperty) is not None


def _bare(statement: "Statement", tree: "exp.Create") -> "exp.Create":
    """Return the statement without what DuckDB does not know; identity columns get a sequence."""
    from sqlglot import exp

    tree = tree.copy()
    tree.set("properties", None)
    tree.set("clone", None)
    if isinstance(tree.this, exp.Schema):
        kept = [one for one in tree.this.expressions if isinstance(one, exp.ColumnDef)]
        names = [one for one in tree.this.expressions if isinstance(one, exp.Identifier)]
        tree.this.set("expressions", kept or names)
        if not kept:
            tree.set("this", tree.this.this)
    for constraint in list(tree.find_all(exp.ColumnConstraint)):
        if isinstance(constraint.kind, exp.GeneratedAsIdentityColumnConstraint):
            column = constraint.find_ancestor(exp.ColumnDef)
            table = dialect.target(tree, statement.session)
            if column is not None and table is not None:
                constraint.set("kind", _sequence(statement, table, column.name))
        elif not isinstance(
            constraint.kind, exp.NotNullColumnConstraint | exp.DefaultColumnConstraint
        ):
            constraint.pop()
    return tree


def _sequence(statement: "Statement", table: Name, column: str) -> "exp.DefaultColumnConstraint":
    from sqlglot import exp

    own = table._replace(name=f"__{table.name}_{column}".lower())
    statement.connection.execute(f"CREATE OR REPLACE SEQUENCE {own.quoted()}")
    call = exp.Anonymous(this="nextval", expressions=[exp.Literal.string(own.quoted())])
    return exp.DefaultColumnConstraint(this=call)


def _comments(tree: "exp.Create", name: Name) -> list[str]:
    from sqlglot import exp

    found = []
    properties = tree.args.get("properties")
    comment = properties.find(exp.SchemaCommentProperty) if properties else None
    if comment is not None:
        found.append(f"COMMENT ON TABLE {name.quoted()} IS {comment.this.sql(dialect='duckdb')}")
    for column in tree.find_all(exp.ColumnDef):
        for constraint in column.find_all(exp.CommentColumnConstraint):
            words = constraint.this.sql(dialect="duckdb")
            found.append(f"COMMENT ON COLUMN {name.quoted()}.{quote(column.name)} IS {words}")
    return found


def _create_function(statement: "Statement", tree: "exp.Create") -> Result | SqlError:
    """Make a SQL function: DuckDB's macro, of a value or of a table."""
    from sqlglot import exp

    function = tree.this
    name = statement.session.whole([part.name for part in function.this.parts])
    if not lakehouse.has_schema(statement.sim, name.catalog, name.schema):
        return sqlerrors.schema_missing([name.catalog, name.schema])
    named = ", ".join(quote(one.name) for one in function.expressions)
    body = tree.expression
    body = body.this if isinstance(body, exp.Return) else body
    text = dialect.render(body, statement.session)
    table = "TABLE " if isinstance(body, exp.Query) and _of_table(tree) else ""
    if not table and isinstance(body, exp.Query):
        text = f"({text})"
    verb = "CREATE OR REPLACE" if tree.args.get("replace") else "CREATE"
    exists = " IF NOT EXISTS" if tree.args.get("exists") else ""
    statement.connection.execute(f"{verb} MACRO{exists} {name.quoted()}({named}) AS {table}{text}")
    return Result()


def _of_table(tree: "exp.Create") -> bool:
    from sqlglot import exp

    properties = tree.args.get("properties")
    returns = properties.find(exp.ReturnsProperty) if properties else None
    return returns is not None and bool(returns.args.get("is_table"))


def _drop_schema(
    statement: "Statement", tree: "exp.Drop", written: list[str], quiet: bool
) -> Result | SqlError:
    catalog, schema = [statement.session.catalog, *(part.lower() for part in written)][-2:]
    if not lakehouse.has_schema(statement.sim, catalog, schema):
        return Result() if quiet else sqlerrors.schema_missing([catalog, schema])
    if tree.args.get("cascade"):
        cascade = " CASCADE"
    elif lakehouse.tables(statement.sim, catalog, schema):
        text = (
            f"Cannot drop a schema `{schema}` because it contains objects.\n"
            "Use DROP SCHEMA ... CASCADE to drop the schema and all its objects."
        )
        return sqlerrors.made("SCHEMA_NOT_EMPTY", "2BP01", text)
    else:
        cascade = ""
    statement.connection.execute(f"DROP SCHEMA {lakehouse.alias(catalog)}.{quote(schema)}{cascade}")
    return Result()


def _drop(statement: "Statement", tree: "exp.Drop") -> Result | SqlError:
    from sqlglot import exp

    kind = str(tree.args.get("kind") or "").upper()
    quiet = bool(tree.args.get("exists"))
    table = tree.find(exp.Table)
    written = [part.name for part in table.parts if part.name] if table else []
    if kind in ("SCHEMA", "DATABASE"):
        return _drop_schema(statement, tree, written, quiet)
    name = statement.session.whole(written)
    if kind == "FUNCTION":
        statement.connection.execute(f"DROP MACRO {'IF EXISTS ' if quiet else ''}{name.quoted()}")
        return Result()
    found = lakehouse.find(statement.sim, name)
    if found is None:
        return Result() if quiet else sqlerrors.table_missing(written, None)
    word = "VIEW" if found.kind == "VIEW" else "TABLE"
    statement.connection.execute(f"DROP {word} {name.quoted()}")
    return Result()


def _alter(statement: "Statement", tree: "exp.Expr") -> Result | SqlError:
    """Run each change of an ALTER TABLE by itself: DuckDB takes one at a time."""
    from sqlglot import exp

    name = dialect.target(tree, statement.session)
    if name is None:
        return statement.fetch(dialect.render(tree, statement.session))
    for action in tree.args.get("actions") or []:
        inner = action.expressions if isinstance(action, exp.Schema) else [action]
        for one in inner:
            if isinstance(one, exp.AddConstraint | exp.AlterSet):
                continue
            own = tree.copy()
            own.set("actions", [one.copy()])
            statement.connection.execute(dialect.render(own, statement.session))
    querying.note(statement.sim, name, "ALTER TABLE")
    return Result()
