"""What runs inside a notebook's kernel besides its cells: `dbutils`, and the words for an error.

This file is read and executed in the task's own environment: standard library only.
"""

import json
import linecache
import pathlib
import sys
import traceback
from typing import Any


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
