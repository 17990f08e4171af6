"""What fixers may know of the world around a failed task: files, datasets and their columns.

Everything is bounded and nothing is raised: what cannot be read is not known.
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from agent.engine import commands, sources
from agent.engine.job import Job
from agent.records import Dataset, Facts, Tree

_FILES = 5000
_DATASETS = 200
_FIRST_LINE = 64 * 1024
_TABLES = 500


def files(tree: Tree, data: tuple[str, ...]) -> tuple[str, ...]:
    """Return the files of the tree and of the data folders, sorted, at most 5,000."""
    found = set(tree.files)
    root = Path(tree.root)
    for folder in data:
        for file in _below(root / folder):
            found.add(file.relative_to(root).as_posix())
            if len(found) >= _FILES:
                break
    return tuple(sorted(found)[:_FILES])


def of(job: Job, tree: Tree, job_file: str, task: str, parameters: dict[str, str]) -> Facts:
    """Return the facts around one task of the job."""
    declared = job.task(task)
    root = Path(tree.root)
    listed = files(tree, job.data)
    return Facts(
        files=listed,
        datasets=(*_tables(root, job.database), *data_files(root, listed, job.data)),
        job_file=job_file,
        parameters=parameters,
        widgets=_widgets(job, task, parameters),
        distributions=commands.requirements(job, declared, root),
        task_type=declared.type,
        task_file=declared.path,
    )


def _widgets(job: Job, task: str, parameters: dict[str, str]) -> dict[str, str]:
    found = sources.given(job, job.task(task))
    for name, value in parameters.items():
        for written in (f"{{{{job.parameters.{name}}}}}", f"{{{{ job.parameters.{name} }}}}"):
            found = {key: text.replace(written, value) for key, text in found.items()}
    return found


def _below(folder: Path) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.is_file():
            yield entry
        elif entry.is_dir() and not entry.is_symlink():
            yield from _below(entry)


def data_files(root: Path, listed: tuple[str, ...], data: tuple[str, ...]) -> Iterator[Dataset]:
    """Yield the data files among those listed with their columns, those in data folders first."""
    suffixes = (".csv", ".tsv", ".parquet", ".json", ".jsonl", ".ndjson")
    known = [path for path in listed if path.lower().endswith(suffixes)]
    known.sort(key=lambda path: not path.startswith(tuple(f"{d.rstrip('/')}/" for d in data)))
    for path in known[:_DATASETS]:
        if columns := columns_of(root / path):
            yield Dataset(name=path, kind="file", columns=columns)


def columns_of(file: Path) -> tuple[str, ...]:
    """Return a data file's columns from its first line or its footer; empty where not known."""
    suffix = file.suffix.lower()
    if suffix == ".parquet":
        return _parquet(file)
    try:
        with file.open("rb") as opened:
            first = opened.readline(_FIRST_LINE).decode("utf-8-sig", "replace").rstrip("\r\n")
    except OSError:
        return ()
    if suffix in (".csv", ".tsv"):
        return _header(first, "\t" if suffix == ".tsv" else None)
    try:
        found = json.loads(first.rstrip(",").removeprefix("["))
    except (ValueError, RecursionError):
        return ()
    return tuple(map(str, found)) if isinstance(found, dict) else ()


def _header(line: str, delimiter: str | None) -> tuple[str, ...]:
    best = delimiter or max(",;\t|", key=line.count)
    try:
        row = next(csv.reader([line], delimiter=best), [])
    except csv.Error:
        return ()
    return tuple(row)


def _parquet(file: Path) -> tuple[str, ...]:
    import duckdb

    try:
        with duckdb.connect(":memory:") as connection:
            found = connection.execute("select * from read_parquet(?) limit 0", [str(file)])
            return tuple(column[0] for column in found.description or ())
    except duckdb.Error:
        return ()


def _tables(root: Path, database: str | None) -> Iterator[Dataset]:
    """Yield the database's tables; none where another process holds it."""
    if database is None or not (root / database).is_file():
        return
    import duckdb

    query = (
        "select schema_name, table_name, list(column_name order by column_index) "
        "from duckdb_columns() where not internal and database_name = current_database() "
        "group by all order by all limit ?"
    )
    try:
        with duckdb.connect(str(root / database), read_only=True) as connection:
            for schema, table, columns in connection.execute(query, [_TABLES]).fetchall():
                name = table if schema == "main" else f"{schema}.{table}"
                yield Dataset(name=name, kind="table", columns=tuple(columns))
    except duckdb.Error:
        return
