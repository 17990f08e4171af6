"""What runs inside a notebook's kernel besides its cells: `spark`, and the words for an error.

This file is read and executed in the task's own environment: standard library only.
"""

import importlib
import importlib.util
import json
import linecache
import pathlib
import re
import sys
import traceback
from typing import Any


class LazySpark:
    """The session that notebooks know as `spark`; it is made when it is first used."""

    _session: Any = None

    def __getattr__(self, name: str) -> Any:
        """Return what the session has under that name."""
        return getattr(self.session(), name)

    def session(self) -> Any:
        """Return the session, made on the first call; tables kept by earlier ones are known."""
        if LazySpark._session is None:
            spark = importlib.import_module("pyspark.sql")
            LazySpark._session = spark.SparkSession.builder.getOrCreate()
            know_tables(LazySpark._session)
        return LazySpark._session


_PIECE = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`|--[^\n]*|/\*.*?\*/|(?P<end>;)""", re.DOTALL
)


def run_sql(spark: Any, text: str) -> Any:
    """Run the statements of a SQL cell in order; show and return what the last one gave."""
    ends = [found.start() for found in _PIECE.finditer(text) if found["end"]]
    starts = [0, *(end + 1 for end in ends)]
    found = None
    for start, end in zip(starts, [*ends, len(text)], strict=True):
        if text[start:end].strip():
            found = spark.sql(text[start:end])
    if found is not None and found.columns:
        found.show()
    return found


def know_tables(session: Any) -> None:
    """Register the tables in the session's warehouse folder: its catalog forgets them."""
    place = session.conf.get("spark.sql.warehouse.dir").removeprefix("file:")
    for log in sorted(pathlib.Path(place).glob("**/_SUCCESS")):
        folder = log.parent
        schema = (
            folder.parent.name.removesuffix(".db") if folder.parent.name.endswith(".db") else ""
        )
        name = f"`{schema}`.`{folder.name}`" if schema else f"`{folder.name}`"
        if schema:
            session.sql(f"CREATE SCHEMA IF NOT EXISTS `{schema}`")
        session.sql(f"CREATE TABLE IF NOT EXISTS {name} USING parquet LOCATION '{folder}'")


def lazy_spark() -> dict[str, Any]:
    """Return `spark` by its name, nothing where the task's environment has no pyspark."""
    return {"spark": LazySpark()} if importlib.util.find_spec("pyspark") is not None else {}


class Reporter:
    """Tells, after a cell failed, what happened on which line of which cell."""

    def __init__(self, file: str) -> None:
        self._file = pathlib.Path(file)
        self._ours: dict[str, int] = {}

    def begins(self, source: str, cell: int) -> None:
        """Remember which code the next cell runs."""
        self._ours[source.strip()] = cell

    def explain(self) -> None:
        """Write the last error to the file: its traceback, its name, its frames in cells."""
        error = sys.last_value
        if error is None:
            return
        frames = []
        names: dict[str, int] = {}
        for frame, line in traceback.walk_tb(getattr(error, "__traceback__", None)):
            name = frame.f_code.co_filename
            cell = self._cell(name)
            if cell is not None:
                names[name] = cell
            frames.append({"file": name, "line": line, "cell": cell})
        if isinstance(error, SyntaxError) and error.filename:
            cell = self._cell(error.filename)
            if cell is not None:
                names[error.filename] = cell
            frames.append({"file": error.filename, "line": error.lineno or 1, "cell": cell})
        kept = self._without_shell(error)
        text = "".join(traceback.format_exception(type(error), error, kept))
        found = {
            "name": type(error).__name__,
            "text": text,
            "frames": frames,
            "names": names,
            "last": "".join(traceback.format_exception_only(type(error), error)).strip(),
        }
        self._file.write_text(json.dumps(found), "utf-8")

    def _cell(self, name: str) -> int | None:
        if "ipykernel_" not in name and "ipython-input" not in name:
            return None
        return self._ours.get("".join(linecache.getlines(name)).strip())

    def _without_shell(self, error: Any) -> Any:
        """Return the traceback from the first cell on: the kernel's own frames say nothing."""
        trace = first = getattr(error, "__traceback__", None)
        while trace is not None:
            if self._cell(trace.tb_frame.f_code.co_filename) is not None:
                return trace
            trace = trace.tb_next
        return None if isinstance(error, SyntaxError) else first
