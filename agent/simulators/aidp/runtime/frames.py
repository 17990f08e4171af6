"""Data frames of a rehearsal's `spark`: the rows of a query, and further queries on it.

Only what can be said in SQL as text is here: functions and columns of pyspark are not. Standard
library only: it runs in the task's own environment.
Source: https://spark.apache.org/docs/3.5.0/api/python/reference/pyspark.sql/index.html
"""
# ruff: noqa: S608  statements are made of the task's own words

from typing import TYPE_CHECKING, Any

from .rows import Row, value_of

if TYPE_CHECKING:
    from .session import Spark


class Frame:
    """The rows of a query; further steps are further queries."""

    def __init__(self, spark: "Spark", query: str, told: dict[str, Any]) -> None:
        self._spark = spark
        self._query = query
        self.dtypes = [(name, str(kind).lower()) for name, kind in told["columns"]]
        self.columns = [name for name, _ in self.dtypes]
        kind = type("Row", (Row,), {"names": tuple(self.columns)})
        self._rows: list[Any] = [kind(value_of(v) for v in row) for row in told["rows"]]

    def __repr__(self) -> str:
        """Return what pyspark prints."""
        return f"DataFrame[{', '.join(f'{name}: {kind}' for name, kind in self.dtypes)}]"

    def _then(self, text: str) -> "Frame":
        return self._spark.sql(text.format(f"({self._query})"))

    def collect(self) -> list[Any]:
        """Return all rows."""
        return list(self._rows)

    def count(self) -> int:
        """Return how many rows there are."""
        return len(self._rows)

    def take(self, num: int) -> list[Any]:
        """Return the first rows."""
        return self._rows[:num]

    def first(self) -> Any:
        """Return the first row, None where there is none."""
        return self._rows[0] if self._rows else None

    def head(self, n: int | None = None) -> Any:
        """Return the first row, or a list of the first `n`."""
        return self.first() if n is None else self.take(n)

    def isEmpty(self) -> bool:  # noqa: N802, RUF100  # pyspark's own name
        """Say whether there is no row."""
        return not self._rows

    def toLocalIterator(self) -> Any:  # noqa: N802, RUF100  # pyspark's own name
        """Yield the rows."""
        return iter(self._rows)

    def toPandas(self) -> Any:  # noqa: N802, RUF100  # pyspark's own name
        """Return a pandas frame; pandas has to be in the task's environment."""
        import pandas  # type: ignore[import-untyped]  # no stubs

        return pandas.DataFrame([tuple(row) for row in self._rows], columns=self.columns)

    def limit(self, num: int) -> "Frame":
        """Return the first rows as a frame."""
        return self._then(f"SELECT * FROM {{}} LIMIT {num}")

    def filter(self, condition: str) -> "Frame":
        """Return the rows for which the SQL condition holds."""
        return self._then(f"SELECT * FROM {{}} WHERE {_text(condition)}")

    where = filter

    def select(self, *columns: str) -> "Frame":
        """Return these columns."""
        return self._then(f"SELECT {', '.join(_text(one) for one in columns)} FROM {{}}")

    selectExpr = select

    def orderBy(self, *columns: str) -> "Frame":  # noqa: N802, RUF100  # pyspark's own name
        """Return the rows in the order of these columns."""
        return self._then(f"SELECT * FROM {{}} ORDER BY {', '.join(_text(c) for c in columns)}")

    sort = orderBy

    def distinct(self) -> "Frame":
        """Return each row once."""
        return self._then("SELECT DISTINCT * FROM {}")

    def union(self, other: "Frame") -> "Frame":
        """Return the rows of both."""
        return self._then(f"SELECT * FROM {{}} UNION ALL SELECT * FROM ({_braced(other._query)})")

    def cache(self) -> "Frame":
        """Return the frame itself."""
        return self

    persist = unpersist = cache

    def createOrReplaceTempView(self, name: str) -> None:  # noqa: N802, RUF100  # pyspark's own name
        """Let statements of this session name the frame."""
        self._spark.views[name.lower()] = self._query

    @property
    def write(self) -> "Writer":
        """Return what writes the frame into a table."""
        return Writer(self._spark, self._query)

    def printSchema(self) -> None:  # noqa: N802, RUF100  # pyspark's own name
        """Print names and types of the columns."""
        lines = [f" |-- {name}: {kind} (nullable = true)" for name, kind in self.dtypes]
        print("\n".join(["root", *lines]))  # noqa: T201  a task's own output

    def show(self, n: int = 20, truncate: Any = True) -> None:  # noqa: ARG002
        """Print the first rows as a table."""
        rows = [["NULL" if v is None else str(v) for v in row] for row in self._rows[:n]]
        sizes = [max(len(x) for x in column) for column in zip(self.columns, *rows, strict=True)]
        line = "+" + "+".join("-" * size for size in sizes) + "+"
        shown = [
            "|" + "|".join(x.rjust(s) for x, s in zip(row, sizes, strict=True)) + "|"
            for row in [self.columns, *rows]
        ]
        print("\n".join([line, shown[0], line, *shown[1:], line]))  # noqa: T201  a task's own output


def _text(said: Any) -> str:
    if not isinstance(said, str):
        raise TypeError(f"this simulator's spark takes SQL as text here, not {type(said).__name__}")
    return _braced(said)


def _braced(said: str) -> str:
    return said.replace("{", "{{").replace("}", "}}")


class Writer:
    """Writes a frame into a table."""

    def __init__(self, spark: "Spark", query: str) -> None:
        self._spark = spark
        self._query = query
        self._mode = "error"

    def mode(self, saveMode: str) -> "Writer":  # noqa: N803, RUF100  # pyspark's own signature
        """Say what becomes of a table that is there: append, overwrite, ignore, error."""
        self._mode = saveMode
        return self

    def format(self, source: str) -> "Writer":
        """Say which format; the simulator has one only."""
        del source
        return self

    def option(self, key: str, value: Any) -> "Writer":
        """Say how; the simulator does not care."""
        del key, value
        return self

    def saveAsTable(self, name: str) -> None:  # noqa: N802, RUF100  # pyspark's own name
        """Write the frame into the table."""
        there = self._spark.catalog.tableExists(name)
        if self._mode == "append" and there:
            self.insertInto(name)
        elif self._mode == "overwrite":
            self._spark.sql(f"CREATE OR REPLACE TABLE {name} AS {self._query}")
        elif not (self._mode == "ignore" and there):
            self._spark.sql(f"CREATE TABLE {name} AS {self._query}")

    def insertInto(self, tableName: str) -> None:  # noqa: N802, N803, RUF100  # pyspark's own signature
        """Add the frame's rows to the table."""
        self._spark.sql(f"INSERT INTO {tableName} {self._query}")
