"""Error conditions of Spark, PySpark and Delta: code, SQLSTATE, message with its parameters.

    known("TABLE_OR_VIEW_NOT_FOUND")     # (Condition(code=..., sqlstate="42P01", template=...),)

`conditions.json` holds them, one line each, and is made anew from installed packages by

    python -m agent.matrix.native.conditions FILE...

where FILE is a JSON file, a jar (Spark keeps its conditions in `spark-common-utils-java_*.jar`,
Delta in `delta-spark_*.jar`), or a folder with such files, such as that of an installed pyspark.

Rules kept here: the file is read when a text first needs it; a sub-condition's message follows its
parent's; texts stay as their projects word them. They are those of Apache Spark 4.3 and Delta Lake
4, both under the Apache License 2.0 (https://www.apache.org/licenses/LICENSE-2.0), copyright the
Apache Software Foundation and the Delta Lake Project Authors.
Sources: https://github.com/apache/spark/blob/master/common/utils-java/src/main/resources/error/
error-conditions.json, https://github.com/apache/spark/blob/master/python/pyspark/errors/
error-conditions.json, https://github.com/delta-io/delta/blob/master/spark/src/main/resources/error/
delta-error-classes.json
"""

import functools
import json
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

_FILE = Path(__file__).with_name("conditions.json")
_NAMES = ("error-conditions.json", "error-classes.json", "delta-error-classes.json")
Tables = dict[str, dict[str, list[str]]]
"""By project, by code: SQLSTATE (empty where it has none, or its parent's) and message."""

_FORMER_NAMES = """
AMBIGUOUS_FIELD_NAME CANNOT_CHANGE_DECIMAL_PRECISION CANNOT_INFER_DATE CANNOT_READ_FILE_FOOTER
CAST_CAUSES_OVERFLOW COLUMN_NOT_IN_GROUP_BY_CLAUSE ELEMENT_AT_BY_INDEX_ZERO
FAILED_SET_ORIGINAL_PERMISSION_BACK GRAPHITE_SINK_PROTOCOL_INVALID INDEX_OUT_OF_BOUNDS
INVALID_INPUT_SYNTAX_FOR_NUMERIC_TYPE MISSING_COLUMN MISSING_STATIC_PARTITION_COLUMN
NULL_COMPARISON_RESULT PARSE_CHAR_MISSING_LENGTH PLAN_VALIDATION_FAILED
PROTOBUF_DESCRIPTOR_ERROR RESET_PERMISSION_TO_ORIGINAL TOO_MANY_ARRAY_ELEMENTS
WRITING_JOB_ABORTED
"""
FORMER = frozenset(_FORMER_NAMES.split())
"""Conditions that Spark 3.2 to 3.5 had and 4.3 has no more."""


class Condition(NamedTuple):
    """One condition, or one sub-condition of one."""

    code: str
    """`CONDITION` or `CONDITION.SUB`."""
    system: str
    """spark | delta."""
    sqlstate: str | None
    template: str
    """The whole message, parameters as `<name>`; lines end in a line feed."""


def known(code: str) -> tuple[Condition, ...]:
    """Return the conditions of this code: Spark and PySpark share some names. Empty = unknown."""
    return _all().get(code, ())


def subs(code: str) -> tuple[Condition, ...]:
    """Return the sub-conditions of a condition."""
    return tuple(one for name in _families().get(code, ()) for one in known(name))


def table() -> dict[str, tuple[Condition, ...]]:
    """Return all conditions by code."""
    return _all()


def every() -> Iterator[Condition]:
    """Yield all conditions; one that has sub-conditions comes before them."""
    for group in _all().values():
        yield from group


@functools.lru_cache(maxsize=1)
def _all() -> dict[str, tuple[Condition, ...]]:
    return grouped(json.loads(_FILE.read_text(encoding="utf-8")))


def grouped(tables: Mapping[str, Mapping[str, list[str]]]) -> dict[str, tuple[Condition, ...]]:
    """Return conditions by code, their messages and states completed by those of the parents."""
    found: dict[str, tuple[Condition, ...]] = {}
    for project, table in tables.items():
        system = "delta" if project == "delta" else "spark"
        for code, (state, text) in table.items():
            parent, _, sub = code.partition(".")
            if sub:
                above = table[parent]
                state, text = state or above[0], f"{above[1]} {text}"
            one = Condition(code, system, state or None, text)
            found[code] = (*found.get(code, ()), one)
    return found


@functools.lru_cache(maxsize=1)
def _families() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for code in _all():
        parent, _, sub = code.partition(".")
        if sub:
            found.setdefault(parent, []).append(code)
    return found


def read(paths: Iterable[Path]) -> Tables:
    """Return the tables of these JSON files, jars and folders, by project."""
    tables: Tables = {"spark": {}, "pyspark": {}, "delta": {}}
    for name, data in _documents(paths):
        if any("sub_class" in block for block in data.values()) or "pyspark/errors" in name:
            project = "pyspark"
        else:
            project = "delta" if "delta" in name.rpartition("/")[2] else "spark"
        for code, block in data.items():
            if isinstance(block, dict) and "message" in block:
                tables[project].update(_rows(code, block))
    return {name: dict(sorted(table.items())) for name, table in tables.items() if table}


def _rows(code: str, block: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    yield code, [block.get("sqlState", ""), "\n".join(block["message"])]
    for sub, inner in (block.get("subClass") or block.get("sub_class") or {}).items():
        yield f"{code}.{sub}", [inner.get("sqlState", ""), "\n".join(inner["message"])]


def _documents(paths: Iterable[Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in paths:
        if path.is_dir():
            inside = [*path.rglob("*.json"), *path.rglob("*spark-common-utils*.jar")]
            inside += path.rglob("*delta-spark*.jar")
            yield from _documents(p for p in inside if p.suffix == ".jar" or p.name in _NAMES)
        elif path.suffix == ".jar":
            with zipfile.ZipFile(path) as jar:
                for name in jar.namelist():
                    if name.rpartition("/")[2] in _NAMES:
                        yield name, json.loads(jar.read(name))
        else:
            yield path.as_posix(), json.loads(path.read_text(encoding="utf-8"))


def _written(tables: Tables) -> str:
    """Return the tables as JSON with one condition a line, so that a change can be reviewed."""
    parts = []
    for project, table in tables.items():
        rows = [f"{json.dumps(code)}: {json.dumps(row)}" for code, row in table.items()]
        parts.append(f"{json.dumps(project)}: {{\n" + ",\n".join(rows) + "\n}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    made = read(Path(name) for name in sys.argv[1:])
    if not made:
        sys.exit("usage: python -m agent.matrix.native.conditions FILE... (JSON, jars, folders)")
    _FILE.write_text(_written(made), encoding="utf-8")
    sizes = ", ".join(f"{name} {len(table)}" for name, table in made.items())
    sys.stdout.write(f"{_FILE.name}: {sizes}\n")
