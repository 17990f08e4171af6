"""Types and values of results, as the SQL statement service writes them.

Source: https://docs.databricks.com/api/workspace/statementexecution/executestatement (JSON_ARRAY:
every value is a text or null).
"""

import base64
import datetime as dt
import json
import math
import re
from decimal import Decimal
from typing import Any, NamedTuple

_SPARK = {
    "TINYINT": "TINYINT",
    "SMALLINT": "SMALLINT",
    "UTINYINT": "SMALLINT",
    "INTEGER": "INT",
    "USMALLINT": "INT",
    "BIGINT": "BIGINT",
    "UINTEGER": "BIGINT",
    "UBIGINT": "BIGINT",
    "HUGEINT": "BIGINT",
    "UHUGEINT": "BIGINT",
    "FLOAT": "FLOAT",
    "DOUBLE": "DOUBLE",
    "BOOLEAN": "BOOLEAN",
    "DATE": "DATE",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
    "TIMESTAMP": "TIMESTAMP",
    "TIMESTAMP_NS": "TIMESTAMP",
    "TIMESTAMP_MS": "TIMESTAMP",
    "TIMESTAMP_S": "TIMESTAMP",
    "BLOB": "BINARY",
    "INTERVAL": "INTERVAL",
    '"NULL"': "VOID",
    "NULL": "VOID",
}
_NAMES = {
    "TINYINT": "BYTE",
    "SMALLINT": "SHORT",
    "BIGINT": "LONG",
    "VOID": "NULL",
}
"""`type_name` where it is not the SQL name."""


class Field(NamedTuple):
    """One column of a result."""

    name: str
    type: str
    """In SQL, such as BIGINT or DECIMAL(10,2)."""


def spark_type(text: str) -> str:
    """Return DuckDB's type as Databricks writes it; what has no counterpart is a STRING."""
    text = text.strip()
    if text.endswith("[]"):
        return f"ARRAY<{spark_type(text[:-2])}>"
    if found := re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", text):
        return f"DECIMAL({found[1]},{found[2]})"
    if found := re.fullmatch(r"(MAP|STRUCT)\((.*)\)", text, re.DOTALL):
        parts = _split(found[2])
        if found[1] == "MAP":
            return f"MAP<{', '.join(spark_type(part) for part in parts)}>"
        fields = (part.strip().partition(" ") for part in parts)
        return f"STRUCT<{', '.join(f'{name}: {spark_type(kind)}' for name, _, kind in fields)}>"
    return _SPARK.get(text, "STRING")


def _split(text: str) -> list[str]:
    """Split at the commas that are in no brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def column_info(field: Field, position: int) -> dict[str, Any]:
    """Return a column of the manifest's schema."""
    base = re.match(r"[A-Z]+", field.type)
    name = base[0] if base else "STRING"
    info: dict[str, Any] = {
        "name": field.name,
        "position": position,
        "type_name": _NAMES.get(name, name),
        "type_text": field.type,
    }
    if found := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", field.type):
        info |= {"type_precision": int(found[1]), "type_scale": int(found[2])}
    return info


def text(value: Any) -> str | None:
    """Return a value as JSON_ARRAY holds it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list | dict | tuple):
        return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))
    return _scalar(value)


def _scalar(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return _float(value)
        case dt.datetime():
            moment = value if value.tzinfo is None else value.astimezone(dt.UTC)
            return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
        case dt.date():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode()
        case Decimal():
            return format(value, "f")
        case _:
            return str(value)


def _float(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {str(key): _plain(one) for key, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case None | str() | bool() | int():
            return value
        case _:
            return _scalar(value)
