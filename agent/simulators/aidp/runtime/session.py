"""The session that tasks know as `spark`: it takes SQL, the simulator's tables answer.

Rules kept here: a statement runs when it is said, not when its rows are wanted; it is asked of
`tables.py`, a process that is started with the first one. Standard library only: it runs in the
task's own environment.
Source: https://spark.apache.org/docs/3.5.0/api/python/reference/pyspark.sql/index.html
"""
# ruff: noqa: S608  statements are made of the task's own words

import json
import re
import subprocess
from types import SimpleNamespace
from typing import Any

from .frames import Frame
from .rows import literal, query_of

_QUERIES = ("select", "with", "values", "from", "table", "(")


class AnalysisException(Exception):
    """A statement that Spark refuses."""


AnalysisException.__module__ = "pyspark.errors.exceptions.captured"


class Spark:
    """The session that tasks know as `spark`."""

    version = "3.5.0"

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._process: Any = None
        self.views: dict[str, str] = {}
        self.catalog = SimpleNamespace(tableExists=self._exists)
        self.read = SimpleNamespace(table=self.table)
        known: dict[str, str] = {}
        self.conf = SimpleNamespace(set=known.__setitem__, get=known.get)

    def _ask(self, text: str) -> dict[str, Any]:
        if self._process is None:
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, text=True)  # noqa: S603  the simulator's own
        self._process.stdin.write(json.dumps({"sql": text, "views": self.views}) + "\n")
        self._process.stdin.flush()
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        if "error" in told:
            raise AnalysisException(told["error"])
        return told

    def sql(self, sqlQuery: str, args: dict[str, Any] | None = None) -> Frame:  # noqa: N803, RUF100  # pyspark's own signature
        """Run a statement; `args` are the values of `:name`."""
        text = sqlQuery.strip().rstrip(";")
        for name, value in (args or {}).items():
            text = re.sub(rf"(?<![:\w]):{name}\b", literal(value).replace("\\", r"\\"), text)
        told = self._ask(text)
        query = text if text.lower().startswith(_QUERIES) else query_of(told)
        return Frame(self, query, told)

    def table(self, tableName: str) -> Frame:  # noqa: N803, RUF100  # pyspark's own signature
        """Return a table."""
        return self.sql(f"SELECT * FROM {tableName}")

    def range(self, start: int, end: int | None = None, step: int = 1) -> Frame:
        """Return numbers as the column `id`."""
        first, last = (0, start) if end is None else (start, end)
        return self.createDataFrame([(n,) for n in range(first, last, step)], ["id"])

    def createDataFrame(self, data: Any, schema: Any = None) -> Frame:  # noqa: N802, RUF100  # pyspark's own name
        """Return rows (tuples or dicts) as a frame. `schema`: names, or `a int, b string`."""
        rows = list(data)
        if rows and isinstance(rows[0], dict):
            names = list(rows[0])
            rows = [tuple(row.get(name) for name in names) for row in rows]
        elif isinstance(schema, str):
            names = [part.split()[0].strip(":") for part in schema.replace(":", " ").split(",")]
        else:
            names = list(schema or [f"_{n}" for n, _ in enumerate(rows[0] if rows else (), 1)])
        told = {"columns": [[name, "string"] for name in names], "rows": rows}
        return self.sql(query_of(told))

    def _exists(self, tableName: str) -> bool:  # noqa: N803, RUF100  # pyspark's own signature
        if tableName.lower() in self.views:
            return True
        try:
            self._ask(f"SELECT * FROM {tableName} LIMIT 0")
        except AnalysisException:
            return False
        return True

    def getOrCreate(self) -> "Spark":  # noqa: N802, RUF100  # pyspark's own name
        """Return the session itself."""
        return self

    def stop(self) -> None:
        """Let go of the tables."""
        if self._process is not None:
            self._process.stdin.close()
            self._process.stdout.close()
            self._process.wait()
            self._process = None
