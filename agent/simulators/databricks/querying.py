"""Run one Databricks SQL statement on the workspace's tables.

Rules kept here: a statement that fails is a value (`SqlError`), worded as Spark words it; every
write leaves a line in the table's history, as `DESCRIBE HISTORY` shows it.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.simulators.databricks import dialect, lakehouse, sqlerrors, sqltranslation, sqlvalues
from agent.simulators.databricks.dialect import Parameter, Session
from agent.simulators.databricks.lakehouse import INFORMATION, Name
from agent.simulators.databricks.sqlerrors import SqlError
from agent.simulators.databricks.sqlvalues import Field

if TYPE_CHECKING:
    import duckdb
    from sqlglot import exp

    from agent.simulators.databricks.service import Simulator

HISTORY = "table_history"


class Result(NamedTuple):
    """What a statement gave; no fields at all for one that only defines something."""

    fields: list[Field] = []
    rows: list[tuple[Any, ...]] = []
    truncated: bool = False


def run(
    sim: "Simulator",
    sql: str,
    session: Session,
    parameters: Mapping[str, Parameter],
    row_limit: int | None = None,
) -> Result | SqlError:
    """Run a statement. Raises `lakehouse.Busy` while another process holds the tables."""
    from agent.simulators.databricks import sqlcommands

    text = re.sub(r"[\s;]+\Z", "", sql)
    if not text.strip():
        return sqlerrors.syntax(sql, "", sqlerrors.ending(sql))
    if (command := sqlcommands.find(text)) is not None:
        return command(sim, session)
    trees = dialect.parse(text)
    if isinstance(trees, SqlError):
        return trees
    if len(trees) > 1:
        second = trees[1].sql(dialect="databricks").split()[0]
        after = text.find(";") + 1
        place = sqlerrors.position(" " * after + text[after:], second)
        return sqlerrors.syntax(text, second, place)
    bound = dialect.bind(trees[0], parameters)
    if isinstance(bound, SqlError):
        return bound
    with lakehouse.connect(sim) as connection:
        return Statement(sim, connection, text, session, row_limit).run(bound)


def explain(sim: "Simulator", sql: str, session: Session) -> SqlError | None:
    """Return what is wrong with a query without running it; None where nothing is."""
    result = run(sim, f"EXPLAIN {sql}", session, {})
    return result if isinstance(result, SqlError) else None


def history(sim: "Simulator", name: Name) -> list[dict[str, Any]]:
    """Return what was done to a table, the first first."""
    return list((sim.store.get(HISTORY, str(name)) or {}).get("versions", []))


def note(sim: "Simulator", name: Name, operation: str, **more: Any) -> None:
    """Add a version to a table's history; creating it starts a new one."""
    versions = history(sim, name)
    if operation.startswith("CREATE"):
        versions = versions if operation.startswith("CREATE OR REPLACE") else []
    versions.append(
        {"version": len(versions), "timestamp_ms": sim.clock.now_ms(), "operation": operation}
        | {"user": sim.user, **more}
    )
    sim.store.put(HISTORY, str(name), {"versions": versions})


class Statement:
    """One statement on its way."""

    def __init__(
        self,
        sim: "Simulator",
        connection: "duckdb.DuckDBPyConnection",
        sql: str,
        session: Session,
        row_limit: int | None = None,
    ) -> None:
        self.sim = sim
        self.connection = connection
        self.sql = sql
        self.session = session
        self.row_limit = row_limit

    def run(self, tree: "exp.Expr") -> Result | SqlError:
        """Run a statement that parses."""
        from agent.simulators.databricks import defining, writing

        if (trouble := self.check(tree)) is not None:
            return trouble
        import duckdb
        from sqlglot import exp

        try:
            if isinstance(tree, exp.Create | exp.Drop | exp.Alter | exp.Comment):
                return defining.run(self, tree)
            if isinstance(
                tree, exp.Insert | exp.Merge | exp.Update | exp.Delete | exp.TruncateTable
            ):
                return writing.run(self, tree)
            return self.fetch(dialect.render(tree, self.session))
        except duckdb.Error as error:
            return self.told(error, tree)

    def check(self, tree: "exp.Expr") -> SqlError | None:
        """Return the error for the first table that is not there."""
        from sqlglot import exp

        own = dialect.target(tree, self.session) if isinstance(tree, exp.Create) else None
        if isinstance(tree, exp.Drop | exp.Comment):
            return None
        there = self.objects()
        for reference in dialect.references(tree, self.session):
            name = reference.name
            shown = name.schema == INFORMATION and name.name in dialect.INFORMATION_VIEWS
            if name not in there and name != own and not shown:
                return sqlerrors.table_missing(reference.written, reference.place)
        return None

    def objects(self) -> set[Name]:
        """Return every table and view there is."""
        return {Name(*(part.lower() for part in one.name)) for one in lakehouse.tables(self.sim)}

    def fetch(self, text: str) -> Result:
        """Run DuckDB's SQL and return its rows, up to the limit."""
        cursor = self.connection.execute(text)
        fields = [
            Field(column[0], sqlvalues.spark_type(str(column[1])))
            for column in cursor.description or []
        ]
        if self.row_limit is None:
            return Result(fields, cursor.fetchall())
        rows = cursor.fetchmany(self.row_limit + 1)
        return Result(fields, rows[: self.row_limit], len(rows) > self.row_limit)

    def told(self, error: "duckdb.Error", tree: "exp.Expr") -> SqlError:
        """Return the error in Spark's words, with its place where that can be known."""
        from sqlglot import exp

        dividing = self._only(tree, exp.Div, exp.Mod, exp.IntDiv)
        casting = self._only(tree, exp.Cast)
        found = sqltranslation.translate(error, self.sql, dividing, casting)
        if not found.missing:
            return found
        return self._column(tree, found.missing)

    def _only(self, tree: "exp.Expr", *kinds: "type[exp.Expr]") -> sqlerrors.Place | None:
        nodes = list(tree.find_all(*kinds))
        if len(nodes) != 1:
            return None
        place = dialect.place_of(nodes[0])
        if place is None:
            return None
        text = nodes[0].sql(dialect="databricks")
        line = self.sql.splitlines()[place.line - 1]
        at = line.lower().find(text.lower())
        return place._replace(column=at, length=len(text)) if at >= 0 else None

    def _column(self, tree: "exp.Expr", missing: str) -> SqlError:
        from sqlglot import exp

        nodes = [one for one in tree.find_all(exp.Column) if one.name.lower() == missing.lower()]
        if not nodes:
            return sqlerrors.column_missing([missing], [], None)
        node = nodes[0]
        written = [part.name for part in node.parts]
        scope = node.find_ancestor(exp.Select) or tree
        candidates = self._candidates(scope, tree)
        return sqlerrors.column_missing(written, candidates, dialect.place_of(node))

    def _candidates(self, scope: "exp.Expr", tree: "exp.Expr") -> list[list[str]]:
        """Return the full names of the columns that a part of the statement may name."""
        from sqlglot import exp

        defined = {one.alias.lower(): one.this for one in tree.find_all(exp.CTE)}
        found: list[list[str]] = []
        for source in scope.find_all(exp.Table, exp.Subquery):
            if source.find_ancestor(exp.Select) not in (scope, scope.find_ancestor(exp.Select)):
                continue
            query = (
                source.this
                if isinstance(source, exp.Subquery)
                else defined.get(source.name.lower())
            )
            if isinstance(query, exp.Query):
                found += [[source.alias_or_name, name] for name in query.named_selects]
            elif isinstance(source, exp.Table):
                name = self.session.whole([part.name for part in source.parts])
                owner = [source.alias] if source.alias else list(name)
                columns = lakehouse.columns_of(self.connection, name)
                found += [[*owner, column.name] for column in columns]
        return found
