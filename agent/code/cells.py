"""The pieces of code in a task's file, and where each of their characters is in the file's text.

A script is one cell, a SQL file is one, a notebook has many. In an .ipynb a cell's code is written
as JSON strings, in a Databricks source file SQL hides behind `# MAGIC`; a cell knows the way back,
so that a change in its code is a change in the file.

Source: https://nbformat.readthedocs.io/en/latest/format_description.html
Source: https://docs.databricks.com/aws/en/notebooks/notebook-export-import
"""

import json
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from agent.code.edits import Change

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_UNIT = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[^\\]", re.S
)
_SPACE = re.compile(r"[ \t\r\n]*")
_ATOM = re.compile(r"[-+.0-9A-Za-z]+")
_MAGIC = re.compile(r"# MAGIC ?")


class Cell(NamedTuple):
    """One piece of code."""

    number: int
    """0-based among the notebook's cells; 0 for plain files."""
    language: Literal["python", "sql"]
    text: str
    """The code; lines of magics and shell commands are made comments of the same length."""
    starts: Sequence[int]
    """Offset in the file of each character of `text`."""
    ends: Sequence[int]
    """Offset in the file behind each character of `text`."""
    escaped: bool = False
    """True where the code is inside JSON strings."""

    def change(self, start: int, end: int, new: str) -> Change:
        """Return the change of the file that replaces `text[start:end]`, not empty, by `new`."""
        written = json.dumps(new, ensure_ascii=False)[1:-1] if self.escaped else new
        return Change(self.starts[start], self.ends[end - 1], written)


def read(path: str, text: str) -> tuple[Cell, ...]:
    """Return the cells of Python and SQL in a file; empty for any other file or broken JSON."""
    if path.endswith(".ipynb"):
        return _notebook(text)
    if path.endswith(".sql"):
        return (_whole(text, "sql"),)
    if path.endswith(".py"):
        if text.startswith("# Databricks notebook source"):
            return (_whole(_muted(text), "python"), *_magic_sql(text))
        return (_whole(text, "python"),)
    return ()


def _whole(text: str, language: Literal["python", "sql"]) -> Cell:
    return Cell(0, language, text, range(len(text)), range(1, len(text) + 1))


def _muted(code: str) -> str:
    """Turn `%magic` and `!shell` lines into comments, so that the rest is Python."""
    return re.sub(r"(?m)^([ \t]*)[%!](?=\S)", r"\1#", code)


def _magic_sql(text: str) -> tuple[Cell, ...]:
    """Return the `# MAGIC %sql` cells of a Databricks source file."""
    found: list[Cell] = []
    at = 0
    for index, part in enumerate(re.split(r"(?m)^(# COMMAND -+[^\n]*\n)", text)):
        code: list[str] = []
        starts: list[int] = []
        offset = at
        for line in part.splitlines(keepends=True):
            magic = _MAGIC.match(line)
            if magic:
                code.append(line[magic.end() :])
                starts += range(offset + magic.end(), offset + len(line))
            offset += len(line)
        at += len(part)
        sql = _sql("".join(code))
        if sql is not None:
            found.append(Cell(index // 2, "sql", sql, starts, [s + 1 for s in starts]))
    return tuple(found)


def _sql(code: str) -> str | None:
    """Return a `%sql` cell's statement, the magic made blank; None for other code."""
    magic = re.match(r"\s*%%?sql\b", code)
    return " " * magic.end() + code[magic.end() :] if magic else None


def _notebook(text: str) -> tuple[Cell, ...]:
    try:
        root = json.loads(text)
        located = _Located(text)
        located.value(0, ())
    except (ValueError, RecursionError):
        return ()
    cells = root.get("cells") if isinstance(root, dict) else None
    found: list[Cell] = []
    for index, cell in enumerate(cells if isinstance(cells, list) else []):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        code, starts, ends = located.source(index)
        sql = _sql(code)
        if sql is not None:
            found.append(Cell(index, "sql", sql, starts, ends, escaped=True))
        elif not re.match(r"\s*%%", code):
            found.append(Cell(index, "python", _muted(code), starts, ends, escaped=True))
    return tuple(found)


class _Located:
    """Walks valid JSON and keeps where the strings of each cell's source stand."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.strings: dict[int, list[re.Match[str]]] = {}

    def source(self, index: int) -> tuple[str, list[int], list[int]]:
        """Return a cell's code with the file's offsets of each character."""
        code: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        for string in self.strings.get(index, []):
            for unit in _UNIT.finditer(string[0][1:-1]):
                code.append(json.loads(f'"{unit[0]}"', strict=False))
                starts.append(string.start() + 1 + unit.start())
                ends.append(string.start() + 1 + unit.end())
        return "".join(code), starts, ends

    def value(self, at: int, path: tuple[str | int, ...]) -> int:
        """Walk the value at an offset and return the offset behind it."""
        at = self._space(at)
        char = self.text[at]
        if char == '"':
            string = self._match(_STRING, at)
            if len(path) in (3, 4) and path[0] == "cells" and path[2] == "source":
                self.strings.setdefault(int(path[1]), []).append(string)
            return string.end()
        if char in "{[":
            return self._children(at + 1, path, keyed=char == "{")
        return self._match(_ATOM, at).end()

    def _children(self, at: int, path: tuple[str | int, ...], *, keyed: bool) -> int:
        at = self._space(at)
        index = 0
        while self.text[at] not in "}]":
            name: str | int = index
            if keyed:
                string = self._match(_STRING, at)
                name = json.loads(string[0], strict=False)
                at = self._space(string.end()) + 1
            at = self._space(self.value(at, (*path, name)))
            if self.text[at] == ",":
                at = self._space(at + 1)
            index += 1
        return at + 1

    def _space(self, at: int) -> int:
        return self._match(_SPACE, at).end()

    def _match(self, pattern: re.Pattern[str], at: int) -> re.Match[str]:
        found = pattern.match(self.text, at)
        if found is None:
            raise ValueError(f"not JSON at offset {at}")
        return found
