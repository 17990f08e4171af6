"""DuckDB's errors, told as Databricks SQL tells them."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from agent.simulators.databricks import sqlerrors
from agent.simulators.databricks.sqlerrors import Place, SqlError

if TYPE_CHECKING:
    import duckdb

_INTEGERS = {"INT8": "TINYINT", "INT16": "SMALLINT", "INT32": "INT", "INT64": "BIGINT"}


def _merge(_: "re.Match[str]") -> SqlError:
    text = (
        "Cannot perform Merge as multiple source rows matched and attempted to modify the same\n"
        "target row in the Delta table in possibly conflicting ways. By SQL semantics of Merge,\n"
        "when multiple source rows match on the same target row, the result may be ambiguous\n"
        "as it is unclear which source row should be used to update or delete the matching\n"
        "target row. You can preprocess the source table to eliminate the possibility of\n"
        "multiple matches. Please refer to\n"
        "https://docs.databricks.com/delta/merge.html#merge-error"
    )
    return sqlerrors.made("DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE", "21506", text)


def _not_null(found: "re.Match[str]") -> SqlError:
    text = f"NOT NULL constraint violated for column: {found[1]}."
    return sqlerrors.made("DELTA_NOT_NULL_CONSTRAINT_VIOLATED", "23502", text)


def _missing(found: "re.Match[str]") -> SqlError:
    return sqlerrors.column_missing([found[1]], [], None)._replace(missing=found[1])


def _aggregate(found: "re.Match[str]") -> SqlError:
    text = (
        f'The non-aggregating expression "{found[1]}" is based on columns which are not '
        "participating in the GROUP BY clause.\nAdd the columns or the expression to the GROUP "
        "BY, aggregate the expression, or use "
        f'"any_value({found[1]})" if you do not care which of the values within a group is '
        "returned."
    )
    return sqlerrors.made("MISSING_AGGREGATION", "42803", text)


def _ambiguous(found: "re.Match[str]") -> SqlError:
    options = re.findall(r"'([^']+)'", found[2])
    listed = ", ".join(sqlerrors.quoted(option.split(".")) for option in options)
    text = f"Reference `{found[1]}` is ambiguous, could be: [{listed}]."
    return sqlerrors.made("AMBIGUOUS_REFERENCE", "42704", text)


def _raised(found: "re.Match[str]") -> SqlError:
    return sqlerrors.made("USER_RAISED_EXCEPTION", "P0001", found[1])


def _overflow(_: "re.Match[str]") -> SqlError:
    text = (
        "Overflow of the type. Use `try_cast` or the `try_` variant of the operation to tolerate "
        f"overflow and return NULL instead. {sqlerrors.BYPASS}"
    )
    return sqlerrors.made("ARITHMETIC_OVERFLOW", "22003", text)


def _arity(found: "re.Match[str]") -> SqlError:
    kind = "TOO_MANY_DATA_COLUMNS" if int(found[3]) > int(found[2]) else "NOT_ENOUGH_DATA_COLUMNS"
    text = (
        f"Cannot write to `{found[1]}`, the reason is "
        f"{'too many' if kind.startswith('TOO') else 'not enough'} data columns:\n"
        f"Table columns: {found[2]}.\nData columns: {found[3]}."
    )
    return sqlerrors.made(f"INSERT_COLUMN_ARITY_MISMATCH.{kind}", "21S01", text)


def _signature(found: "re.Match[str]") -> SqlError:
    text = f'Cannot resolve "{found[1]}" due to data type mismatch: {found[0].splitlines()[0]}'
    return sqlerrors.made("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09", text)


_SPARK_ONLY = re.compile(r"Invalid Input Error: (?!Division|MERGE)(.*)", re.DOTALL)
_TOLD: tuple[tuple[re.Pattern[str], Callable[["re.Match[str]"], SqlError]], ...] = (
    (re.compile(r"MERGE INTO command cannot affect the same target row"), _merge),
    (re.compile(r"NOT NULL constraint failed: (?:\S+\.)?(\S+)"), _not_null),
    (re.compile(r'Referenced (?:column|table) "([^"]+)" (?:was )?not found'), _missing),
    (re.compile(r'does not have a column named "([^"]+)"'), _missing),
    (
        re.compile(r'[Cc]olumn "([^"]+)" (?:referenced that exists|not found|does not exist)'),
        _missing,
    ),
    (re.compile(r'column "([^"]+)" must appear in the GROUP BY'), _aggregate),
    (re.compile(r'Ambiguous reference to column name "([^"]+)" \((.*)\)'), _ambiguous),
    (re.compile(r"^(?:Out of Range Error|Conversion Error: Type)"), _overflow),
    (re.compile(r'table "?(\w+)"? has (\d+) columns but (\d+) values'), _arity),
    (
        re.compile(r"Function with name \"?(\w+)\"? (?:does not exist|is not)"),
        lambda m: sqlerrors.routine_missing(m[1]),
    ),
    (re.compile(r'No function matches the given name and argument types "?([^"\n]+)'), _signature),
    (re.compile(r'best candidate function for the function call "([^"\n]+)'), _signature),
    (
        re.compile(r'Schema with name "?([^"\s]+)"? does not exist'),
        lambda m: sqlerrors.schema_missing([m[1]]),
    ),
    (
        re.compile(r'Schema with name "?([^"\s]+)"? already exists'),
        lambda m: sqlerrors.exists("SCHEMA", [m[1]]),
    ),
    (
        re.compile(r'(?:Table|View) with name "?([^"\s]+)"? already exists'),
        lambda m: sqlerrors.exists("TABLE", [m[1]]),
    ),
    (
        re.compile(r'Table with name "?([^"\s]+)"? does not exist'),
        lambda m: sqlerrors.table_missing([m[1]], None),
    ),
)


def translate(
    error: "duckdb.Error", sql: str, dividing: Place | None, casting: Place | None
) -> SqlError:
    """Return DuckDB's error as Spark's.

    `dividing`, `casting`: the only expression of its kind in the statement, where there is one.
    """
    words = str(error)
    if "Division by zero" in words:
        return sqlerrors.division(sql, dividing)
    if found := re.search(r"Could not convert string ['\"](.*?)['\"] to (\S+)", words):
        kind = found[2].rstrip(".,:")
        target = _INTEGERS.get(kind, "BOOLEAN" if kind == "BOOL" else kind)
        return sqlerrors.bad_cast(found[1], target, sql, casting)
    if found := re.search(r'invalid (date|timestamp) field format: "(.*?)"', words):
        return sqlerrors.bad_cast(found[2], found[1].upper(), sql, casting)
    if found := re.search(r'syntax error at or near "(.*?)"', words):
        return sqlerrors.syntax(sql, found[1], sqlerrors.position(sql, found[1]))
    if "syntax error at end of input" in words or type(error).__name__ == "ParserException":
        return sqlerrors.syntax(sql, "", sqlerrors.ending(sql))
    for pattern, told in _TOLD:
        if found := pattern.search(words):
            return told(found)
    if "raise_error" in sql.lower() and (found := _SPARK_ONLY.search(words)):
        return _raised(found)
    first = words.splitlines()[0]
    return sqlerrors.made("INTERNAL_ERROR", "XX000", f"The statement cannot be run here: {first}")
