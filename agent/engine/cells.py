"""A notebook's cells, from `.ipynb` and from Databricks' source format, `%run` unfolded.

Source: https://docs.databricks.com/aws/en/notebooks/notebook-export-import
"""

import json
import re
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

HEADER = "# Databricks notebook source"
_SEPARATOR = re.compile(r"^# COMMAND -{5,}[^\n]*$", re.MULTILINE)
_MAGIC = re.compile(r"^# MAGIC ?", re.MULTILINE)
_FIRST_WORD = re.compile(r"\A%{1,2}(\w+)[ \t]*(.*)", re.DOTALL)
_PIP = re.compile(r"^\s*[%!]pip\s+install\s+(.*)$", re.MULTILINE)
_DEPTH = 10

Language = Literal["python", "sql", "markdown", "other"]


class Cell(NamedTuple):
    """One cell as it is run; `text` has as many lines before each line as the file or cell has."""

    path: str
    """The notebook it stands in, relative to the tree."""
    number: int
    """0-based among that notebook's cells."""
    language: Language
    text: str
    line: int
    """Line of the file above the cell's first line; 0 in an .ipynb, whose lines count by cell."""

    @property
    def code(self) -> str:
        """What is run: `%pip install` lines were followed when the environment was made."""
        return _PIP.sub("pass  # installed with the environment", self.text)

    def place(self, line: int) -> tuple[int, int | None]:
        """Return (line, cell) for a line of this cell, as `records.Location` counts them."""
        return (line, self.number) if self.path.endswith(".ipynb") else (self.line + line, None)

    def where(self, line: int) -> str:
        """Say the same to a person."""
        number, cell = self.place(line)
        return f"{self.path}:{number}" if cell is None else f"{self.path} cell {cell} line {number}"


class Broken(ValueError):
    """A file that is not a notebook; the message says why."""


def read(root: Path, path: str, depth: int = 0) -> list[Cell]:
    """Return the cells to run, `%run` unfolded. Raises `Broken`."""
    if depth > _DEPTH:
        raise Broken(f"{path}: notebooks run each other in a circle")
    found: list[Cell] = []
    for cell in split(path, (root / path).read_text(encoding="utf-8-sig")):
        other = ran(root, cell)
        found += read(root, other, depth + 1) if other else [cell]
    return found


def split(path: str, text: str) -> list[Cell]:
    """Return a notebook's own cells. Raises `Broken`."""
    return _ipynb(path, text) if path.endswith(".ipynb") else _source(path, text)


def ran(root: Path, cell: Cell) -> str | None:
    """Return the notebook of the tree that a `%run` cell runs, None for any other cell."""
    found = re.match(r"\s*%run\s+(\S+)", cell.text)
    if cell.language != "python" or found is None:
        return None
    name = found[1].strip("\"'")
    folder = PurePosixPath(cell.path).parent
    for base in (folder, PurePosixPath()):
        for suffix in ("", ".py", ".ipynb"):
            parts: list[str] = []
            for part in (base / (name + suffix)).parts:
                if part == "..":
                    parts = parts[:-1]
                elif part not in ("/", "."):
                    parts.append(part)
            path = "/".join(parts)
            file = root / path
            if file.is_file() and (suffix == ".ipynb" or name.endswith(".ipynb") or _is(file)):
                return path
    return None


def _is(file: Path) -> bool:
    with file.open(encoding="utf-8-sig", errors="replace") as text:
        return text.readline().startswith(HEADER)


def installs(cells: list[Cell]) -> list[str]:
    """Return what `%pip install` lines ask for: it is installed when the environment is made."""
    import shlex

    found: list[str] = []
    for cell in cells:
        if cell.language != "python":
            continue
        for line in _PIP.findall(cell.text):
            words = shlex.split(line, comments=True)
            for before, word in zip(["", *words], words, strict=False):
                if before in ("-r", "--requirement"):
                    found.append(f"-r {word}")
                elif not word.startswith("-"):
                    found.append(word)
    return found


def _ipynb(path: str, text: str) -> list[Cell]:
    try:
        content = json.loads(text)
        raw = content["cells"]
        pairs = [(cell["cell_type"], cell["source"]) for cell in raw]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Broken(f"{path} is not a notebook in format 4: {error!r}") from error
    cells = []
    for index, (kind, source) in enumerate(pairs):
        code = source if isinstance(source, str) else "".join(source)
        if kind == "code":
            cells.append(_cell(path, index, code, 0))
        else:
            cells.append(Cell(path, index, "markdown", code, 0))
    return cells


def _source(path: str, text: str) -> list[Cell]:
    cells: list[Cell] = []
    start = 0
    if text.startswith(HEADER):
        start = len(text.split("\n", 1)[0])
    ends = [*((m.start(), m.end()) for m in _SEPARATOR.finditer(text)), (len(text), len(text))]
    for end, following in ends:
        body = text[start:end]
        code = body.lstrip("\n")
        line = text.count("\n", 0, start + len(body) - len(code))
        if code.lstrip().startswith("# MAGIC"):
            code = _MAGIC.sub("", code)
        if code.strip():
            cells.append(_cell(path, len(cells), code.rstrip("\n"), line))
        start = following
    return cells


def _cell(path: str, index: int, code: str, line: int) -> Cell:
    """Tell what a cell is from its first word."""
    found = _FIRST_WORD.match(code.lstrip())
    word = found[1] if found else ""
    if word == "md":
        return Cell(path, index, "markdown", code, line)
    if word == "sql":
        # The magic's own word is made blank, so that lines count as in the cell.
        return Cell(path, index, "sql", re.sub(r"%{1,2}sql", "", code, count=1), line)
    if word == "sh":
        return Cell(path, index, "python", re.sub(r"%{1,2}sh", "%%bash", code, count=1), line)
    if word == "python":
        return Cell(path, index, "python", re.sub(r"%{1,2}python", "", code, count=1), line)
    if word in ("scala", "r"):
        return Cell(path, index, "other", code, line)
    return Cell(path, index, "python", code, line)
