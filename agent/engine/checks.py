"""Look at what a job made: tables, files, SQL assertions. Read-only.

What is not there, or does not hold, has failed; what cannot be looked at is unknown.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import JsonValue

from agent.engine.problems import inside
from agent.playbook import Expectation
from agent.records import Check, Line

if TYPE_CHECKING:
    import duckdb

_ROWS = re.compile(r"\s*(==|!=|<=|>=|<|>|=)?\s*(\d[\d_,]*)\s*")
_SUMMED_BYTES = 64 * 1024 * 1024
_SUMMED_ROWS = 1_000_000
_READERS = {
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".parquet": "read_parquet",
    ".json": "read_json",
    ".jsonl": "read_json",
    ".ndjson": "read_json",
}


class Seen(NamedTuple):
    """What a table or file holds."""

    columns: tuple[str, ...] | None
    rows: int | None
    measures: dict[str, JsonValue]


class Odd(NamedTuple):
    """Why there is nothing to see."""

    outcome: str
    why: str


def look(root: Path, database: Path | None, wanted: Expectation) -> Check:
    """Judge one expectation about a table, a file or SQL."""
    name = wanted.name or name_of(wanted)
    if wanted.sql is not None:
        return _sql(name, database, wanted.sql)
    if wanted.table is not None:
        seen = _table(database, wanted.table)
    else:
        seen = _file(root, wanted.file or "")
    if isinstance(seen, Odd):
        return check(name, seen.outcome, seen.why, {})
    return judge(name, wanted, seen)


def name_of(wanted: Expectation) -> str:
    """Return an expectation in a person's words, where it has no name of its own."""
    if wanted.sql is not None:
        return f"sql {' '.join(wanted.sql.split())}"
    what = f"table {wanted.table}" if wanted.table is not None else f"file {wanted.file}"
    if wanted.columns is not None:
        what += f" columns {', '.join(wanted.columns)}"
    return what if wanted.rows is None else f"{what} rows {wanted.rows}"


def check(name: str, outcome: str, saw: str, measures: dict[str, JsonValue]) -> Check:
    """Return a check; one that does not hold is its own evidence."""
    line = Line(source="verify", number=0, text=f"{name}: {saw}")
    return Check.model_validate(
        {
            "name": name,
            "outcome": outcome,
            "saw": saw,
            "measures": measures,
            "evidence": () if outcome == "held" else (line,),
        }
    )


def judge(name: str, wanted: Expectation, seen: Seen) -> Check:
    """Compare what is there with the columns and rows that are expected."""
    wrong: list[str] = []
    unknown: list[str] = []
    if wanted.columns is not None:
        if seen.columns is None:
            unknown.append("its columns are not known")
        elif sorted(map(str.casefold, wanted.columns)) != sorted(map(str.casefold, seen.columns)):
            expected = ", ".join(wanted.columns)
            wrong.append(f"columns {', '.join(seen.columns)}; expected {expected}")
    if wanted.rows is not None:
        if seen.rows is None:
            unknown.append("its rows cannot be counted")
        else:
            holds = _holds(seen.rows, wanted.rows)
            if holds is None:
                unknown.append(f"rows {wanted.rows!r} is not a number or a comparison like >= 1")
            elif not holds:
                wrong.append(f"{seen.rows:,} rows; expected {wanted.rows}")
    found = [f"{seen.rows:,} rows"] if seen.rows is not None else []
    if seen.columns is not None:
        found.append(f"columns {', '.join(seen.columns)}")
    size = seen.measures.get("bytes")
    if not found and isinstance(size, int):
        found.append(f"{size:,} bytes")
    outcome = "failed" if wrong else "unknown" if unknown else "held"
    return check(name, outcome, "; ".join(wrong or unknown or found), seen.measures)


def _holds(rows: int, wanted: str | int) -> bool | None:
    found = _ROWS.fullmatch(str(wanted))
    if found is None:
        return None
    number = int(found[2].replace(",", "").replace("_", ""))
    return {
        "==": rows == number,
        "!=": rows != number,
        "<": rows < number,
        ">": rows > number,
        "<=": rows <= number,
        ">=": rows >= number,
    }["==" if found[1] in (None, "=") else found[1]]


def _open(database: Path | None) -> "duckdb.DuckDBPyConnection | Odd":
    import duckdb

    if database is None:
        return Odd("unknown", 'the job names no "database" to look in')
    if not database.is_file():
        return Odd("failed", f"the database {database.name} does not exist")
    try:
        return duckdb.connect(str(database), read_only=True)
    except duckdb.Error as error:
        return Odd("unknown", f"the database cannot be read: {_first(error)}")


def _first(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]


def _quoted(name: str) -> str:
    parts = re.findall(r'"(?:[^"]|"")*"|[^.]+', name)
    return ".".join(p if p.startswith('"') else '"' + p.replace('"', '""') + '"' for p in parts)


def _table(database: Path | None, name: str) -> Seen | Odd:
    import duckdb

    connection = _open(database)
    if isinstance(connection, Odd):
        return connection
    with connection:
        try:
            return _measure(connection, _quoted(name))
        except duckdb.CatalogException as error:
            return Odd("failed", _first(error))
        except duckdb.BinderException as error:
            return Odd("failed", _first(error))
        except duckdb.Error as error:
            return Odd("unknown", _first(error))


def _measure(connection: "duckdb.DuckDBPyConnection", relation: str) -> Seen:
    """Measure a table, or a reader's call. The names in `relation` are quoted already."""
    described = connection.execute(f"select * from {relation} limit 0").description  # noqa: S608
    columns = tuple(column[0] for column in described or ())
    counted = connection.execute(f"select count(*) from {relation}").fetchone()  # noqa: S608
    rows = int(counted[0]) if counted else 0
    measures: dict[str, JsonValue] = {"rows": rows, "columns": list(columns)}
    if rows <= _SUMMED_ROWS:
        query = f"select sum(hash(t)::hugeint % 1000000007)::varchar from {relation} as t"  # noqa: S608
        summed = connection.execute(query).fetchone()
        measures["checksum"] = (summed[0] if summed else None) or "0"
    return Seen(columns, rows, measures)


def _file(root: Path, path: str) -> Seen | Odd:
    import duckdb

    if not inside(path):
        return Odd("unknown", f"{path} is not a path inside the source")
    file = root / path
    if not file.is_file():
        return Odd("failed", f"{path} does not exist")
    try:
        size = file.stat().st_size
        measures: dict[str, JsonValue] = {"bytes": size}
        if size <= _SUMMED_BYTES:
            measures["checksum"] = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        return Odd("unknown", f"{path} cannot be read: {error.strerror}")
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        return Seen(None, None, measures)
    literal = str(file).replace("'", "''")
    try:
        with duckdb.connect(":memory:") as connection:
            seen = _measure(connection, f"{reader}('{literal}')")
    except duckdb.Error as error:
        return Odd("failed", f"{path} cannot be read as {file.suffix[1:]}: {_first(error)}")
    return seen._replace(measures=seen.measures | measures)


def _sql(name: str, database: Path | None, query: str) -> Check:
    import duckdb

    connection = _open(database)
    if isinstance(connection, Odd):
        return check(name, connection.outcome, connection.why, {})
    with connection:
        try:
            rows = connection.execute(query).fetchmany(2)
        except duckdb.Error as error:
            outcome = "failed" if isinstance(error, duckdb.ProgrammingError) else "unknown"
            return check(name, outcome, _first(error), {})
    return asserted(name, rows)


def asserted(name: str, rows: Sequence[Sequence[object]]) -> Check:
    """Judge the answer to a SQL assertion: it holds where it is one row, one column, true."""
    if len(rows) != 1 or len(rows[0]) != 1:
        return check(name, "failed", _shape(rows), {})
    value = rows[0][0]
    saw = "true" if value is True else f"{value!r}; expected true"
    return check(name, "held" if value is True else "failed", saw, {})


def _shape(rows: Sequence[Sequence[object]]) -> str:
    wide = len(rows[0]) if rows else 0
    many = "no row" if not rows else "one row" if len(rows) == 1 else "several rows"
    return f"the query gave {many} of {wide} columns; expected one row, one column, true"
