"""Which file of a tree lies where in the workspace, and the way back.

A notebook loses its ending there; a path may be written with or without `/Workspace` before it.

Source: https://docs.databricks.com/api/workspace/workspace/import
"""

import posixpath
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from agent.records import Tree
from agent.remote import paths

HEADERS: Mapping[str, str] = {
    ".py": "# Databricks notebook source",
    ".r": "# Databricks notebook source",
    ".sql": "-- Databricks notebook source",
    ".scala": "// Databricks notebook source",
}
"""First line of a source file that is a notebook, by the file's ending."""
LANGUAGES: Mapping[str, str] = {
    ".py": "PYTHON",
    ".r": "R",
    ".sql": "SQL",
    ".scala": "SCALA",
    ".ipynb": "PYTHON",
}
"""What `language` an import of a notebook names, by the file's ending."""


def is_notebook(root: Path, path: str) -> bool:
    """Return whether a file becomes a notebook: by its ending, or by its first line."""
    suffix = PurePosixPath(path).suffix.lower()
    if suffix == ".ipynb":
        return True
    header = HEADERS.get(suffix)
    if header is None:
        return False
    try:
        with (root / path).open(encoding="utf-8-sig", errors="replace") as text:
            return text.readline(len(header) + 1).rstrip() == header
    except OSError:
        return False


class Layout(NamedTuple):
    """A tree's files and the workspace folder they lie in."""

    root: str
    """The folder, with `/Workspace` before it and no slash behind."""
    files: frozenset[str]
    notebooks: frozenset[str]
    """Those of the files that are notebooks."""

    def remote(self, path: str) -> str:
        """Return the workspace path of a file or folder of the tree."""
        if path in self.notebooks:
            path = str(PurePosixPath(path).with_suffix(""))
        return posixpath.normpath(f"{self.root}/{path}")

    def inside(self, remote: str) -> str | None:
        """Return a workspace path relative to the folder; None where it lies outside."""
        return paths.inside(self.root, remote)

    def local(self, remote: str) -> str | None:
        """Return the tree's file that lies there, None where it has none.

        A notebook's ending may be there or not: tracebacks name it either way.
        """
        path = self.inside(remote)
        if not path:
            return None
        if path in self.files:
            return path
        named = (f"{path}{suffix}" for suffix in LANGUAGES)
        return next((name for name in named if name in self.notebooks), None)


def of(tree: Tree, root: str) -> Layout:
    """Return the layout of a tree below a workspace folder."""
    notebooks = (path for path in tree.files if is_notebook(Path(tree.root), path))
    return Layout(paths.plain(root), frozenset(tree.files), frozenset(notebooks))
