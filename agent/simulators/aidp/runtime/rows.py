"""Rows of a rehearsal's `spark`, and values from and to SQL and JSON.

Standard library only: it runs in the task's own environment.
Source: https://spark.apache.org/docs/3.5.0/api/python/reference/pyspark.sql/index.html
"""
# ruff: noqa: S608  statements are made of the task's own words

import datetime
import decimal
from typing import Any

_READ: dict[str, Any] = {
    "decimal": decimal.Decimal,
    "timestamp": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "hex": bytes.fromhex,
}


class Row(tuple[Any, ...]):
    """A row: by position, by name, as an attribute."""

    names: tuple[str, ...] = ()

    def __getitem__(self, key: Any) -> Any:
        """Return a value by position or name."""
        return super().__getitem__(self.names.index(key) if isinstance(key, str) else key)

    def __getattr__(self, name: str) -> Any:
        """Return a value by its column's name."""
        if name not in self.names:
            raise AttributeError(name)
        return self[name]

    def asDict(self, recursive: bool = False) -> dict[str, Any]:  # noqa: ARG002, N802, RUF100  # pyspark's own signature
        """Return the values by name."""
        return dict(zip(self.names, self, strict=True))

    def __repr__(self) -> str:
        """Return what pyspark prints."""
        pairs = (f"{n}={v!r}" for n, v in zip(self.names, self, strict=True))
        return f"Row({', '.join(pairs)})"


def value_of(told: Any) -> Any:
    if not isinstance(told, dict):
        return told
    [(kind, value)] = told.items()
    if kind == "list":
        return [value_of(one) for one in value]
    if kind == "map":
        return {value_of(k): value_of(v) for k, v in value}
    return _READ[kind](value)


def literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool | int | float | decimal.Decimal):
        return str(value)
    if isinstance(value, datetime.datetime):
        return f"TIMESTAMP '{value.isoformat(' ')}'"
    if isinstance(value, datetime.date):
        return f"DATE '{value.isoformat()}'"
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"


def query_of(told: dict[str, Any]) -> str:
    """Return a query that gives these rows."""
    names = ", ".join(f"`{name}`" for name, _ in told["columns"])
    if not told["columns"]:
        return "SELECT 1 WHERE false"
    if not told["rows"]:
        nulls = ", ".join(f"NULL AS `{name}`" for name, _ in told["columns"])
        return f"SELECT * FROM (SELECT {nulls}) WHERE false"
    rows = ", ".join(
        "(" + ", ".join(literal(value_of(v)) for v in row) + ")" for row in told["rows"]
    )
    return f"SELECT * FROM (VALUES {rows}) AS t({names})"
