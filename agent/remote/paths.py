"""Paths of a workspace, which may be written with or without `/Workspace` before them."""

import posixpath

PREFIX = "/Workspace"


def plain(remote: str) -> str:
    """Return a workspace path in the one form that paths are compared in, however it came."""
    path = posixpath.normpath("/" + remote.strip().lstrip("/"))
    return path if path == PREFIX or path.startswith(f"{PREFIX}/") else f"{PREFIX}{path}"


def inside(folder: str, remote: str) -> str | None:
    """Return a path relative to a folder, which is plain; None where it lies outside."""
    path = plain(remote)
    if path == folder:
        return ""
    return path[len(folder) + 1 :] if path.startswith(f"{folder}/") else None
