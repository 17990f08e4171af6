"""Answers the SQL of tasks, as a process of its own beside each task that uses `spark`.

    python -I tables.py FOLDER      one JSON object per line on stdin, one on stdout for each

Asked is `{"sql": TEXT, "views": {NAME: QUERY}}`, told `{"columns": [[NAME, TYPE]], "rows": [...]}`
or `{"error": TEXT}` in Spark's words. Rules kept here: the tables lie in FOLDER, one DuckDB file
for each catalog, and are let go of after every statement, so that tasks beside each other wait
instead of failing; a catalog that a statement names is there.
"""

import json
import re
import sys
import threading
import time
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from agent.simulators.databricks import dialect, lakehouse, querying
from agent.simulators.databricks.dialect import Session
from agent.simulators.databricks.sqlerrors import SqlError

CATALOG = "default"
_WAIT_S = 120.0
_USE = re.compile(r"\s*use\s+(?:(catalog)\s+|schema\s+|database\s+)?([\w.`]+)\s*;?\s*", re.I)
_PAUSE = threading.Event()


class _Notes(dict[tuple[str, str], dict[str, Any]]):
    """What the statements keep beside the tables; it lives as long as the process."""

    def get(self, kind: Any, key: Any = None) -> Any:
        """Return a document, None where there is none."""
        return super().get((str(kind), str(key)))

    def put(self, kind: str, key: str, document: dict[str, Any]) -> None:
        """Keep a document."""
        self[kind, str(key)] = document

    def delete(self, kind: str, key: str) -> None:
        """Forget a document."""
        self.pop((kind, str(key)), None)

    def items(self, kind: str = "") -> Any:
        """Return key and document of all of a kind."""
        return [(key[1], value) for key, value in super().items() if key[0] == kind]


class Tables:
    """The tables of one workspace, and a session on them."""

    def __init__(self, folder: Path) -> None:
        self.session = Session(catalog=CATALOG)
        self.place: Any = SimpleNamespace(
            folder=folder,
            store=_Notes(),
            user="",
            workspace_id=0,
            clock=SimpleNamespace(now_ms=lambda: time.time_ns() // 1_000_000),
        )

    def answer(self, sql: str, views: dict[str, str]) -> dict[str, Any]:
        """Run one statement."""
        if (found := _USE.fullmatch(sql)) is not None:
            return self._use(found[1] is not None, found[2].replace("`", ""))
        until = time.monotonic() + _WAIT_S
        while True:
            try:
                return self._run(_with_views(sql, views))
            except lakehouse.Busy as busy:
                if time.monotonic() >= until:
                    return {"error": str(busy)}
                _PAUSE.wait(0.05)
            finally:
                lakehouse.release(self.place)

    def _use(self, whole: bool, name: str) -> dict[str, Any]:
        parts = name.split(".")
        if whole or len(parts) == 2:
            self.session = self.session._replace(catalog=parts[0])
        if not whole:
            self.session = self.session._replace(schema=parts[-1])
        return {"columns": [], "rows": []}

    def _run(self, sql: str) -> dict[str, Any]:
        for name in {self.session.catalog, *_catalogs(sql)}:
            lakehouse.create_catalog(self.place, name)
        found = querying.run(self.place, sql, self.session, {})
        if isinstance(found, SqlError):
            return {"error": found.message}
        columns = [[field.name, field.type] for field in found.fields]
        return {"columns": columns, "rows": [[_plain(v) for v in row] for row in found.rows]}


def _catalogs(sql: str) -> set[str]:
    from sqlglot import exp

    trees = dialect.parse(sql)
    if isinstance(trees, SqlError):
        return set()
    return {table.catalog for tree in trees for table in tree.find_all(exp.Table)} - {""}


def _with_views(sql: str, views: dict[str, str]) -> str:
    """Return the statement with the queries of temporary views in place of their names."""
    from sqlglot import exp

    trees = dialect.parse(sql) if views else []
    if isinstance(trees, SqlError):
        return sql
    changed = False
    for tree in trees:
        for table in list(tree.find_all(exp.Table)):
            query = None if table.db else views.get(table.name.lower())
            inner = [] if query is None else dialect.parse(_with_views(query, views))
            if not isinstance(inner, SqlError) and inner:
                alias = exp.TableAlias(this=exp.to_identifier(table.alias_or_name))
                table.replace(exp.Subquery(this=inner[0], alias=alias))
                changed = True
    return "; ".join(tree.sql(dialect="databricks") for tree in trees) if changed else sql


def _plain(value: Any) -> Any:
    """Return a value as JSON can carry it, its type named where JSON has none."""
    match value:
        case bool() | int() | float() | str() | None:
            return value
        case Decimal():
            return {"decimal": str(value)}
        case datetime():
            return {"timestamp": value.isoformat()}
        case date():
            return {"date": value.isoformat()}
        case list() | tuple():
            return {"list": [_plain(one) for one in value]}
        case dict():
            return {"map": [[_plain(k), _plain(v)] for k, v in value.items()]}
        case bytes():
            return {"hex": value.hex()}
    return str(value)


def main() -> None:
    """Answer until nobody asks any more."""
    tables = Tables(Path(sys.argv[1]))
    for line in sys.stdin:
        asked = json.loads(line)
        told = tables.answer(str(asked["sql"]), asked.get("views") or {})
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
