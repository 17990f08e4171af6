"""The tables of the simulated workspace: one DuckDB file per Unity Catalog catalog.

Rules kept here: one statement at a time; the files are let go of when nothing was asked of them for
a second, or at once by `release`, so that a task's own process may use them; names are
case-insensitive and kept in lower case.
A catalog `main` is attached as `lake_main`: DuckDB keeps some plain names for itself.
"""

import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agent.simulators.databricks import sqlvalues

if TYPE_CHECKING:
    import duckdb

    from agent.simulators.databricks.service import Simulator

DEFAULT_CATALOG = "main"
DEFAULT_SCHEMA = "default"
INFORMATION = "information_schema"
_FOLDER = "lakehouse"
_PREFIX = "lake_"
_NAME = re.compile(r"\w[\w\- ]*")
_SETTINGS = (
    "SET python_enable_replacements = false",
    "SET ieee_floating_point_ops = false",
    "SET error_on_division_by_zero = true",
    "SET TimeZone = 'UTC'",
    "SET threads = 1",
)
_LOCK = threading.RLock()
IDLE_S = 1.0
_OPEN: dict[Path, "_Opened"] = {}
"""What is open, by the workspace's folder."""
_OBJECTS = """
SELECT database_name, schema_name, table_name, 'MANAGED', comment FROM duckdb_tables()
UNION ALL
SELECT database_name, schema_name, view_name, 'VIEW', comment FROM duckdb_views() WHERE NOT internal
"""


class Busy(Exception):
    """Another process holds a catalog's file now."""


class Name(NamedTuple):
    """The three parts of a table's or a function's name, in lower case."""

    catalog: str
    schema: str
    name: str

    def __str__(self) -> str:
        return ".".join(self)

    def quoted(self) -> str:
        """Return the name as DuckDB takes it."""
        return f"{alias(self.catalog)}.{quote(self.schema)}.{quote(self.name)}"


class Table(NamedTuple):
    """One table or view."""

    name: Name
    kind: str
    """MANAGED or VIEW."""
    comment: str


class Column(NamedTuple):
    """One column, typed as Databricks types it."""

    name: str
    type: str
    """As `DESCRIBE TABLE` prints it, such as `decimal(10,2)`."""
    nullable: bool
    comment: str
    position: int
    """From 0."""


def quote(word: str) -> str:
    """Return the word as an identifier that DuckDB reads as it is."""
    return '"' + word.replace('"', '""') + '"'


def alias(catalog: str) -> str:
    """Return the quoted name under which the catalog's file is attached."""
    return quote(_PREFIX + catalog.lower())


def named(attached: str) -> str:
    """Return the catalog that is attached under this name."""
    return attached.removeprefix(_PREFIX)


def full_name(text: str) -> Name | None:
    """Return the parts of `catalog.schema.name`, back quotes taken off; None for anything else."""
    parts = [part.strip("`").lower() for part in re.findall(r"`[^`]*`|[^.`]+", text)]
    return Name(*parts) if len(parts) == 3 else None


def identity(sim: "Simulator", kind: str, name: str) -> str:
    """Return the UUID of a table, a schema ...: the same one for the same name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{sim.workspace_id}/{kind}/{name.lower()}"))


def _folder(sim: "Simulator") -> Path:
    return sim.folder / _FOLDER


def catalogs(sim: "Simulator") -> list[str]:
    """Return the catalogs' names, sorted; the default one is always among them."""
    found = {path.stem for path in _folder(sim).glob("*.duckdb")}
    return sorted(found | {DEFAULT_CATALOG})


def database(sim: "Simulator", catalog: str = DEFAULT_CATALOG) -> Path:
    """Return the DuckDB file in which a catalog lies, made or not."""
    return _folder(sim) / f"{catalog.lower()}.duckdb"


def create_catalog(sim: "Simulator", name: str) -> bool:
    """Make a catalog with a schema `default`; False where there is one or the name is odd."""
    if name.lower() in catalogs(sim) or not _NAME.fullmatch(name):
        return False
    with _LOCK:
        _make(sim, name.lower())
    return True


def drop_catalog(sim: "Simulator", name: str) -> bool:
    """Delete a catalog and all that is in it; False where there is none."""
    path = database(sim, name)
    with _LOCK:
        if not path.exists():
            return False
        release(sim)
        path.unlink()
    return True


def _make(sim: "Simulator", catalog: str) -> None:
    import duckdb

    _folder(sim).mkdir(parents=True, exist_ok=True)
    with duckdb.connect(":memory:") as connection:
        _attach(connection, catalog, database(sim, catalog))
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {alias(catalog)}.{quote(DEFAULT_SCHEMA)}")


class _Opened:
    """A connection with the catalogs that are attached to it."""

    def __init__(self) -> None:
        import duckdb

        self.connection = duckdb.connect(":memory:")
        self.attached: set[str] = set()
        self.used_s = 0.0
        for setting in _SETTINGS:
            self.connection.execute(setting)

    def attach(self, sim: "Simulator") -> None:
        """Attach the catalogs that are not yet."""
        for name in catalogs(sim):
            if name not in self.attached:
                _attach(self.connection, name, database(sim, name))
                self.attached.add(name)
        self.connection.execute(f"USE {alias(DEFAULT_CATALOG)}")


def _attach(connection: "duckdb.DuckDBPyConnection", name: str, path: Path) -> None:
    import duckdb

    file = str(path).replace("'", "''")
    try:
        connection.execute(f"ATTACH '{file}' AS {alias(name)}")
    except duckdb.IOException as error:
        raise Busy(f"{path.name} is in use: {error}") from error


@contextmanager
def connect(sim: "Simulator") -> Iterator["duckdb.DuckDBPyConnection"]:
    """Lend a connection with every catalog attached (`alias`), to one thread at a time.

    Raises `Busy` where another process holds a file.
    """
    with _LOCK:
        if not database(sim).exists():
            _make(sim, DEFAULT_CATALOG)
        place = _folder(sim)
        opened = _OPEN.get(place) or _Opened()
        try:
            opened.attach(sim)
        except Busy:
            _OPEN.pop(place, None)
            opened.connection.close()
            raise
        _OPEN[place] = opened
        try:
            yield opened.connection
        finally:
            opened.used_s = time.monotonic()


def release(sim: "Simulator", *, idle_s: float = 0.0) -> None:
    """Let go of the files, unless somebody used them within the last `idle_s` seconds."""
    with _LOCK:
        opened = _OPEN.get(_folder(sim))
        if opened is not None and time.monotonic() - opened.used_s >= idle_s:
            opened.connection.close()
            del _OPEN[_folder(sim)]


def schemas(sim: "Simulator", catalog: str) -> list[str]:
    """Return the schemas of a catalog, `information_schema` among them, sorted."""
    query = (
        "SELECT schema_name FROM duckdb_schemas() WHERE database_name = ? "
        "AND schema_name NOT IN ('main', 'pg_catalog', 'information_schema')"
    )
    with connect(sim) as connection:
        rows = connection.execute(query, [_PREFIX + catalog.lower()]).fetchall()
    return sorted({row[0] for row in rows} | {INFORMATION})


def tables(sim: "Simulator", catalog: str | None = None, schema: str | None = None) -> list[Table]:
    """Return tables and views, sorted by name; None = of all catalogs, of all schemas."""
    with connect(sim) as connection:
        rows = connection.execute(_OBJECTS).fetchall()
    found = [
        Table(Name(named(row[0]), row[1], row[2]), row[3], row[4] or "")
        for row in rows
        if row[0].startswith(_PREFIX)
    ]
    return sorted(
        one
        for one in found
        if catalog in (None, one.name.catalog) and schema in (None, one.name.schema)
    )


def find(sim: "Simulator", name: Name) -> Table | None:
    """Return one table or view; None where there is none."""
    wanted = Name(*(part.lower() for part in name))
    for one in tables(sim, wanted.catalog):
        if Name(*(part.lower() for part in one.name)) == wanted:
            return one
    return None


def has_schema(sim: "Simulator", catalog: str, schema: str) -> bool:
    """Say whether a schema exists."""
    return catalog.lower() in catalogs(sim) and schema.lower() in (
        name.lower() for name in schemas(sim, catalog)
    )


def columns(sim: "Simulator", name: Name) -> list[Column]:
    """Return a table's columns in order; empty where there is no such table."""
    with connect(sim) as connection:
        return columns_of(connection, name)


def columns_of(connection: "duckdb.DuckDBPyConnection", name: Name) -> list[Column]:
    """Return the same through a connection that is open already."""
    rows = connection.execute(
        "SELECT column_name, data_type, is_nullable, comment FROM duckdb_columns() "
        "WHERE lower(database_name) = ? AND lower(schema_name) = ? AND lower(table_name) = ? "
        "ORDER BY column_index",
        [_PREFIX + name.catalog.lower(), name.schema.lower(), name.name.lower()],
    ).fetchall()
    return [
        Column(row[0], sqlvalues.spark_type(row[1]).lower(), row[2], row[3] or "", place)
        for place, row in enumerate(rows)
    ]
