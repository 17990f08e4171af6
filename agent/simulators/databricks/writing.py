"""INSERT, MERGE, UPDATE, DELETE and TRUNCATE, with the counts that Databricks returns."""

from typing import TYPE_CHECKING, Any

from agent.simulators.databricks import dialect, querying
from agent.simulators.databricks.lakehouse import Name
from agent.simulators.databricks.sqlvalues import Field

if TYPE_CHECKING:
    from sqlglot import exp

    from agent.simulators.databricks.querying import Result, Statement

_MERGED = {"UPDATE": "updated", "DELETE": "deleted", "INSERT": "inserted"}


def run(statement: "Statement", tree: "exp.Expr") -> "Result":
    """Run a statement that changes rows. Raises `duckdb.Error`; then nothing has changed."""
    from sqlglot import exp

    table = tree.expressions[0] if isinstance(tree, exp.TruncateTable) else None
    name = (
        statement.session.whole([part.name for part in table.parts])
        if table is not None
        else dialect.target(tree, statement.session)
    )
    if name is None:
        return statement.fetch(dialect.render(tree, statement.session))
    statement.connection.execute("BEGIN")
    done = False
    try:
        result = _changed(statement, tree, name)
        done = True
    finally:
        statement.connection.execute("COMMIT" if done else "ROLLBACK")
    return result


def _changed(statement: "Statement", tree: "exp.Expr", name: Name) -> "Result":
    from sqlglot import exp

    if isinstance(tree, exp.Merge):
        return _merge(statement, tree, name)
    if isinstance(tree, exp.TruncateTable):
        statement.connection.execute(f"TRUNCATE {name.quoted()}")
        querying.note(statement.sim, name, "TRUNCATE")
        return querying.Result()
    if isinstance(tree, exp.Insert):
        return _insert(statement, tree, name)
    count = _count(statement, dialect.render(tree, statement.session))
    word = "UPDATE" if isinstance(tree, exp.Update) else "DELETE"
    key = "numUpdatedRows" if word == "UPDATE" else "numDeletedRows"
    querying.note(statement.sim, name, word, metrics={key: str(count)})
    return _counts(num_affected_rows=count)


def _insert(statement: "Statement", tree: "exp.Insert", name: Name) -> "Result":
    mode = "Append"
    if tree.args.get("overwrite"):
        mode = "Overwrite"
        tree = tree.copy()
        tree.set("overwrite", False)
        statement.connection.execute(f"TRUNCATE {name.quoted()}")
    count = _count(statement, dialect.render(tree, statement.session))
    metrics = {"numFiles": "1", "numOutputRows": str(count)}
    querying.note(statement.sim, name, "WRITE", parameters={"mode": mode}, metrics=metrics)
    return _counts(num_affected_rows=count, num_inserted_rows=count)


def _merge(statement: "Statement", tree: "exp.Expr", name: Name) -> "Result":
    text = dialect.render(tree, statement.session)
    rows = statement.connection.execute(text + " RETURNING merge_action").fetchall()
    counts = {word: sum(row[0] == action for row in rows) for action, word in _MERGED.items()}
    metrics = {f"numTargetRows{word.capitalize()}": str(count) for word, count in counts.items()}
    querying.note(statement.sim, name, "MERGE", metrics=metrics)
    return _counts(
        num_affected_rows=len(rows), **{f"num_{word}_rows": count for word, count in counts.items()}
    )


def _count(statement: "Statement", text: str) -> int:
    row = statement.connection.execute(text).fetchone()
    return int(row[0]) if row else 0


def _counts(**counts: Any) -> "Result":
    return querying.Result([Field(name, "BIGINT") for name in counts], [tuple(counts.values())])
