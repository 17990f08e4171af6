"""A pipeline's libraries as `spark-pipelines` takes them: files in a folder, a spec, its inputs.

Rules kept here: notebooks become files with the ending of their language; the workspace's catalogs
are no catalogs of a local Spark, so `catalog.schema.table` is written as `schema.table`; tables
that the sources name and the lakehouse has are handed over as Parquet files.
"""

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.simulators.databricks import files, lakehouse
from agent.simulators.databricks.files import File

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

_SQL_CELL = re.compile(r"^-- (?:COMMAND -+|Databricks notebook source)\s*$", re.MULTILINE)
_REFRESHED = (
    (
        r"CREATE\s+OR\s+REFRESH\s+(?:LIVE\s+)?STREAMING\s+(?:LIVE\s+)?TABLE",
        "CREATE STREAMING TABLE",
    ),
    (r"CREATE\s+(?:OR\s+REFRESH\s+)?LIVE\s+TABLE", "CREATE MATERIALIZED VIEW"),
    (r"CREATE\s+OR\s+(?:REFRESH|REPLACE)\s+MATERIALIZED\s+VIEW", "CREATE MATERIALIZED VIEW"),
    (r"\bLIVE\.", ""),
)


class NoSource(Exception):
    """A library of the pipeline is not in the workspace; the message says which."""


def lay_out(sim: "Simulator", update: dict[str, Any], place: Path) -> None:
    """Write sources, spec, inputs and `about.json` (see `spark_side.pipeline`) below `place`.

    Raises `NoSource`, and `lakehouse.Busy` while another process holds the tables.
    """
    spec = update["config"]
    root = place / "tree"
    found = [file for one in spec.get("libraries") or [] for file in _library(sim, one)]
    texts = {}
    for file in found:
        text = _unqualified(sim, _text(file))
        name = _name(file)
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        texts[name] = text
    schema = database(spec)
    document = {
        "name": spec.get("name") or "pipeline",
        "storage": (place / "storage").resolve().as_uri(),
        "catalog": "spark_catalog",
        "database": schema,
        "configuration": {k: str(v) for k, v in (spec.get("configuration") or {}).items()},
        "libraries": [{"glob": {"include": name}} for name in texts],
    }
    # JSON is YAML: no writer of YAML is needed.
    (root / "spark-pipeline.yml").write_text(json.dumps(document), encoding="utf-8")
    tables = _inputs(sim, "\n".join(texts.values()), spec, place)
    about = {
        "schemas": sorted({schema, *(one["schema"] for one in tables)}),
        "tables": tables,
        "arguments": _arguments(update, root),
    }
    (place / "about.json").write_text(json.dumps(about), encoding="utf-8")


def database(spec: dict[str, Any]) -> str:
    """Return the schema in which a pipeline makes its tables."""
    return str(spec.get("schema") or spec.get("target") or lakehouse.DEFAULT_SCHEMA)


def _arguments(update: dict[str, Any], root: Path) -> list[str]:
    named = ["--spec", str(root / "spark-pipeline.yml")]
    if update.get("validate_only"):
        return ["dry-run", *named]
    if update.get("full_refresh"):
        return ["run", *named, "--full-refresh-all"]
    for field, flag in (
        ("refresh_selection", "--refresh"),
        ("full_refresh_selection", "--full-refresh"),
    ):
        if update.get(field):
            named += [flag, ",".join(str(one) for one in update[field])]
    return ["run", *named]


def _library(sim: "Simulator", library: dict[str, Any]) -> list[File]:
    if pattern := (library.get("glob") or {}).get("include"):
        folder = str(pattern).partition("*")[0].rpartition("/")[0]
        wanted = files.normal(str(pattern)).replace("/**", "/*")
        return [
            file
            for file in files.tree(sim, folder or "/")
            if fnmatchcase(file.path, wanted) and (_name(file).endswith((".py", ".sql")))
        ]
    path = str((library.get("notebook") or library.get("file") or {}).get("path") or "")
    if not path:
        raise NoSource(f"Libraries of this type do not run here: {', '.join(library)}.")
    file = files.read(sim, path)
    if file is None:
        kind = "Notebook" if "notebook" in library else "File"
        raise NoSource(f"{kind} not found: {path}")
    return [file]


def _name(file: File) -> str:
    """Return where a file goes, relative to the tree."""
    name = file.path.lstrip("/")
    if file.kind == "FILE" or name.endswith((".py", ".sql")):
        return name
    return name.removesuffix(".ipynb") + (".sql" if file.language == "SQL" else ".py")


def _text(file: File) -> str:
    text = file.content.decode("utf-8", "replace")
    if file.jupyter:
        cells = [one for one in json.loads(text)["cells"] if one["cell_type"] == "code"]
        sources = [_joined(one["source"]) for one in cells]
        text = "\n\n".join(one for one in sources if not one.lstrip().startswith("%"))
    if _name(file).endswith(".sql"):
        for pattern, plain in _REFRESHED:
            text = re.sub(pattern, plain, text, flags=re.IGNORECASE)
        parts = [part.strip().rstrip(";") for part in _SQL_CELL.split(text)]
        text = ";\n\n".join(part for part in parts if part) + ";\n"
    return text


def _joined(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)


def _unqualified(sim: "Simulator", text: str) -> str:
    known = "|".join(re.escape(name) for name in lakehouse.catalogs(sim))
    return re.sub(rf"(?<![\w.`])`?(?:{known})`?\.(?=`?\w+`?\.`?\w)", "", text)


def _inputs(sim: "Simulator", text: str, spec: dict[str, Any], place: Path) -> list[dict[str, str]]:
    """Write the tables that the sources read as Parquet; those that they define stay away."""
    own = {name.lower() for name in re.findall(r"(?:def|VIEW|TABLE)\s+`?(\w+)", text)}
    found = []
    folder = place / "inputs"
    with lakehouse.connect(sim) as connection:
        for table in lakehouse.tables(sim):
            name = table.name
            said = re.search(rf"\b{re.escape(name.name)}\b", text)
            mine = name.schema == database(spec) and name.name in own
            if said is None or mine or name.name.startswith("__"):
                continue
            path = folder / name.schema / f"{name.name}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            file = str(path.resolve()).replace("'", "''")
            connection.execute(f"COPY (FROM {name.quoted()}) TO '{file}' (FORMAT parquet)")
            found.append({"schema": name.schema, "name": name.name, "path": str(path.resolve())})
    return found


def publish(sim: "Simulator", spec: dict[str, Any], place: Path) -> None:
    """Take the tables that a run made into the lakehouse, where SQL warehouses find them.

    Raises `lakehouse.Busy` while another process holds the tables.
    """
    catalog = str(spec.get("catalog") or lakehouse.DEFAULT_CATALOG).lower()
    lakehouse.create_catalog(sim, catalog)
    warehouse = place / "warehouse"
    with lakehouse.connect(sim) as connection:
        for folder in sorted({file.parent for file in warehouse.rglob("*.parquet")}):
            above = folder.parent.name
            schema = above.removesuffix(".db") if above.endswith(".db") else "default"
            name = lakehouse.Name(catalog, schema, folder.name)
            where = f"{lakehouse.alias(catalog)}.{lakehouse.quote(schema)}"
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {where}")
            found = str(folder.resolve()).replace("'", "''")
            connection.execute(
                f"CREATE OR REPLACE TABLE {name.quoted()} AS FROM read_parquet('{found}/*.parquet')"
            )
