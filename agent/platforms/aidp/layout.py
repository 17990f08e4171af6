"""Which file of a tree lies where in the workspace, in the three forms that its APIs take.

    job definitions     /Workspace/Shared/runmend/etl/load.ipynb
    notebook contents   %2FWorkspace%2FShared%2Frunmend%2Fetl%2Fload.ipynb   (one segment)
    objects             Shared/runmend/etl/load.ipynb

A file keeps its name and ending everywhere.
Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import posixpath
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import quote

from agent.records import Tree
from agent.remote import paths


def segment(remote: str) -> str:
    """Return a workspace path as the one segment that the contents API takes."""
    return quote(paths.plain(remote), safe="")


def object_path(remote: str) -> str:
    """Return a workspace path as the objects API's headers and queries take it."""
    return paths.plain(remote)[len(paths.PREFIX) + 1 :]


def object_segment(remote: str) -> str:
    """Return a workspace path as the one segment that an object's own address takes."""
    return quote(object_path(remote), safe="")


def is_notebook(path: str) -> bool:
    """Return whether a file becomes a notebook there: its ending alone says so."""
    return PurePosixPath(path).suffix.lower() == ".ipynb"


class Layout(NamedTuple):
    """A tree's files and the workspace folder they lie in."""

    root: str
    """The folder, with `/Workspace` before it and no slash behind."""
    files: frozenset[str]

    def remote(self, path: str) -> str:
        """Return the workspace path of a file or folder of the tree."""
        return posixpath.normpath(f"{self.root}/{path}")

    def inside(self, remote: str) -> str | None:
        """Return a workspace path relative to the folder; None where it lies outside."""
        return paths.inside(self.root, remote)

    def local(self, remote: str) -> str | None:
        """Return the tree's file that lies there, None where it has none."""
        path = self.inside(remote)
        return path if path and path in self.files else None


def of(tree: Tree, root: str) -> Layout:
    """Return the layout of a tree below a workspace folder."""
    return Layout(paths.plain(root), frozenset(tree.files))
