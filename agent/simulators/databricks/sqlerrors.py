"""What is wrong with a statement, in Spark's own words.

Conditions, SQLSTATEs and templates:
https://github.com/apache/spark/blob/master/common/utils/src/main/resources/error/error-conditions.json
https://github.com/delta-io/delta/blob/master/spark/src/main/resources/error/delta-error-classes.json
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

_SUGGESTED = 5
BYPASS = 'If necessary set "ansi_mode" to "false" to bypass this error.'


class SqlError(NamedTuple):
    """Why a statement failed."""

    condition: str
    """Such as UNRESOLVED_COLUMN.WITH_SUGGESTION."""
    state: str
    """SQLSTATE, five characters."""
    message: str
    """As `status.error.message` has it, condition and SQLSTATE included."""
    missing: str = ""
    """The column that could not be found, for whoever can say where it stands."""


class Place(NamedTuple):
    """Where in the statement, as the client sent it."""

    line: int
    """From 1."""
    column: int
    """From 0."""
    length: int = 3

    def mark(self, sql: str) -> str:
        """Return the line in question with carets under the place."""
        return f"{sql.splitlines()[self.line - 1]}\n{' ' * self.column}{'^' * self.length}"


def made(condition: str, state: str, text: str, place: Place | None = None) -> SqlError:
    """Return an analysis error."""
    where = "" if place is None else f"; line {place.line} pos {place.column}"
    return SqlError(condition, state, f"[{condition}] {text} SQLSTATE: {state}{where}")


def at_run_time(condition: str, state: str, text: str, sql: str, place: Place | None) -> SqlError:
    """Return an error that a row caused, with the expression where it is known."""
    plain = made(condition, state, text)
    if place is None:
        return plain
    head = f"\n== SQL (line {place.line}, position {place.column + 1}) ==\n"
    return plain._replace(message=plain.message + head + place.mark(sql))


def syntax(sql: str, near: str, place: Place) -> SqlError:
    """Return a text that does not parse; `near` is the token, empty at the end of the text."""
    at = f"'{near}'" if near else "end of input"
    lines = sql.splitlines() or [""]
    lines.insert(place.line, "-" * place.column + "^^^")
    message = (
        f"\n[PARSE_SYNTAX_ERROR] Syntax error at or near {at}. SQLSTATE: 42601 "
        f"(line {place.line}, pos {place.column})\n\n== SQL ==\n" + "\n".join(lines) + "\n"
    )
    return SqlError("PARSE_SYNTAX_ERROR", "42601", message)


def table_missing(written: Sequence[str], place: Place | None) -> SqlError:
    """Return the error for a table that is not there, named as the statement names it."""
    text = (
        f"The table or view {quoted(written)} cannot be found. Verify the spelling and "
        "correctness of the schema and catalog.\nIf you did not qualify the name with a schema, "
        "verify the current_schema() output, or qualify the name with the correct schema and "
        "catalog.\nTo tolerate the error on drop use DROP VIEW IF EXISTS or DROP TABLE IF EXISTS."
    )
    return made("TABLE_OR_VIEW_NOT_FOUND", "42P01", text, place)


def schema_missing(written: Sequence[str]) -> SqlError:
    """Return the error for a schema that is not there."""
    text = (
        f"The schema {quoted(written)} cannot be found. Verify the spelling and correctness of "
        "the schema and catalog.\nIf you did not qualify the name with a catalog, verify the "
        "current_schema() output, or qualify the name with the correct catalog.\n"
        "To tolerate the error on drop use DROP SCHEMA IF EXISTS."
    )
    return made("SCHEMA_NOT_FOUND", "42704", text)


def catalog_missing(name: str) -> SqlError:
    """Return the error for a catalog that is not there."""
    text = f"The catalog `{name}` not found. Consider to set the SQL config to a catalog plugin."
    return made("CATALOG_NOT_FOUND", "42P08", text)


def exists(kind: str, written: Sequence[str]) -> SqlError:
    """Return the error for creating what is there: `kind` is TABLE or SCHEMA."""
    if kind == "SCHEMA":
        text = (
            f"Cannot create schema {quoted(written)} because it already exists.\nChoose a "
            "different name, drop the existing schema, or add the IF NOT EXISTS clause to "
            "tolerate pre-existing schema."
        )
        return made("SCHEMA_ALREADY_EXISTS", "42P06", text)
    text = (
        f"Cannot create table or view {quoted(written)} because it already exists.\nChoose a "
        "different name, drop or replace the existing object, or add the IF NOT EXISTS clause "
        "to tolerate pre-existing objects."
    )
    return made("TABLE_OR_VIEW_ALREADY_EXISTS", "42P07", text)


def unbound(name: str) -> SqlError:
    """Return the error for a parameter without a value."""
    text = (
        f"Found the unbound parameter: `{name}`. Please, fix `args` and provide a mapping of the "
        "parameter to either a SQL literal or collection constructor functions such as `map()`, "
        "`array()`, `struct()`."
    )
    return made("UNBOUND_SQL_PARAMETER", "42P02", text)


def column_missing(
    written: Sequence[str], candidates: Sequence[Sequence[str]], place: Place | None
) -> SqlError:
    """Return the error for a column, with what it may have meant, the likeliest first.

    `candidates` are full names; what all of them share is left out, as Spark does it.
    """
    text = (
        f"A column, variable, or function parameter with name {quoted(written)} cannot be resolved."
    )
    if not candidates:
        return made("UNRESOLVED_COLUMN.WITHOUT_SUGGESTION", "42703", text, place)
    if len(written) == 1 and len({tuple(one[:-1]) for one in candidates}) == 1:
        shown = [one[-1:] for one in candidates]
    elif len(written) <= 2 and len({tuple(one[:-2]) for one in candidates}) == 1:
        shown = [one[-2:] for one in candidates]
    else:
        shown = list(candidates)
    wanted = ".".join(written)
    names = sorted({quoted(one) for one in shown}, key=lambda name: (_distance(name, wanted), name))
    listed = ", ".join(names[:_SUGGESTED])
    text += f" Did you mean one of the following? [{listed}]."
    return made("UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703", text, place)


def routine_missing(name: str) -> SqlError:
    """Return the error for a function that nobody knows."""
    text = (
        f"Cannot resolve routine `{name.lower()}` on search path "
        "[`system`.`builtin`, `system`.`session`, `main`.`default`]."
    )
    return made("UNRESOLVED_ROUTINE", "42883", text)


def division(sql: str, place: Place | None) -> SqlError:
    """Return the error for a division by zero."""
    text = (
        "Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead. "
        + BYPASS
    )
    return at_run_time("DIVIDE_BY_ZERO", "22012", text, sql, place)


def bad_cast(value: str, target: str, sql: str, place: Place | None) -> SqlError:
    """Return the error for a value that does not fit a type."""
    text = (
        f'The value \'{value}\' of the type "STRING" cannot be cast to "{target}" because it is '
        "malformed. Correct the value as per the syntax, or change its target type. Use "
        "`try_cast` to tolerate malformed input and return NULL instead."
    )
    return at_run_time("CAST_INVALID_INPUT", "22018", text, sql, place)


def quoted(parts: Sequence[str]) -> str:
    """Return a name of several parts as Spark writes it."""
    return ".".join(f"`{part}`" for part in parts)


def _distance(one: str, other: str) -> int:
    """Return how many letters must change to make one word of the other (Levenshtein)."""
    row = list(range(len(other) + 1))
    for line, letter in enumerate(one, 1):
        before, row[0] = row[0], line
        for place, wanted in enumerate(other, 1):
            changed = before + (letter != wanted)
            before = row[place]
            row[place] = min(changed, row[place] + 1, row[place - 1] + 1)
    return row[-1]


def position(sql: str, word: str) -> Place:
    """Return where a word stands first; the end of the text where it does not."""
    found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", sql, re.IGNORECASE)
    if found is None:
        return ending(sql)
    before = sql[: found.start()]
    return Place(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1), len(word))


def ending(sql: str) -> Place:
    """Return the place after the last character."""
    lines = sql.rstrip().splitlines() or [""]
    return Place(len(lines), len(lines[-1]))
