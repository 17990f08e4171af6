"""The tree of workspace objects: folders, notebooks and files, and what is in them.

Rules kept here: a path is absolute, without `/Workspace` in front and without doubled slashes; a
parent is there before its child; a notebook keeps the text it was given.
"""

import base64
import posixpath
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from agent.simulators.databricks.notebooks import Language
from agent.simulators.databricks.wire import ApiError, invalid, missing

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

OBJECT = "workspace_object"
CONTENT = "workspace_content"
LARGEST = 10 * 1024 * 1024
"""Bytes of one object, coming in or going out."""

Kind = Literal["NOTEBOOK", "FILE", "DIRECTORY"]


class File(NamedTuple):
    """A notebook or a file with its content."""

    path: str
    kind: Literal["NOTEBOOK", "FILE"]
    language: Language | None
    """Of a notebook; None for files."""
    jupyter: bool
    """The content is an .ipynb; else source text (or any bytes, for files)."""
    content: bytes


def normal(path: str) -> str:
    """Return a path as it is kept. Raises `ApiError` (400) where it is not absolute."""
    if not path.startswith("/"):
        raise invalid(f"Path ({path}) doesn't start with '/'")
    clean = posixpath.normpath("/" + path.lstrip("/"))
    if clean == "/Workspace":
        return "/"
    return clean.removeprefix("/Workspace") if clean.startswith("/Workspace/") else clean


def find(sim: "Simulator", path: str) -> dict[str, Any] | None:
    """Return what is known of the object at a path, or None. `path`: with or without /Workspace."""
    return sim.store.get(OBJECT, normal(path))


def expect(sim: "Simulator", path: str) -> dict[str, Any]:
    """Return what is known of the object. Raises `ApiError` (404) where there is none."""
    found = find(sim, path)
    if found is None:
        raise missing(f"Path ({normal(path)}) doesn't exist.")
    return found


def read(sim: "Simulator", path: str) -> File | None:
    """Return a notebook or file; None where there is none. `path`: with or without /Workspace."""
    path = normal(path)
    about, held = sim.store.get(OBJECT, path), sim.store.get(CONTENT, path)
    if about is None or held is None:
        return None
    kind = about["object_type"]
    content = base64.b64decode(held["base64"])
    return File(path, kind, about.get("language"), held["jupyter"], content)


def tree(sim: "Simulator", path: str) -> list[File]:
    """Return every notebook and file below a folder, in the order in which they came."""
    above = normal(path).rstrip("/") + "/"
    found = [read(sim, key) for key, _ in sim.store.items(CONTENT) if key.startswith(above)]
    return [file for file in found if file is not None]


def children(sim: "Simulator", path: str) -> list[dict[str, Any]]:
    """Return what is known of each object directly in a folder, sorted by path."""
    path = normal(path)
    inside = [about for key, about in sim.store.items(OBJECT) if posixpath.dirname(key) == path]
    return sorted((one for one in inside if one["path"] != "/"), key=lambda one: str(one["path"]))


def write(
    sim: "Simulator",
    path: str,
    content: bytes,
    kind: Literal["NOTEBOOK", "FILE"],
    *,
    language: Language | None = None,
    jupyter: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Keep a notebook or file and return what is known of it.

    Raises `ApiError`: 404 without its folder, 409 where it is there already, 400 where what is
    there is of another kind or the content is too large.
    """
    path = normal(path)
    if len(content) > LARGEST:
        message = (
            f"File size imported is ({len(content)} bytes), exceeded max size ({LARGEST} bytes)"
        )
        raise ApiError(400, "MAX_NOTEBOOK_SIZE_EXCEEDED", message)
    above = posixpath.dirname(path)
    if (folder := sim.store.get(OBJECT, above)) is None or folder["object_type"] != "DIRECTORY":
        raise missing(f"The parent folder ({above}) does not exist.")
    there = sim.store.get(OBJECT, path)
    if there is not None and not overwrite:
        raise ApiError(409, "RESOURCE_ALREADY_EXISTS", f"File already exists at ({path}).")
    if there is not None and there["object_type"] != kind:
        raise invalid(
            f"Cannot overwrite the asset at {path} due to type mismatch "
            f"(asked: {kind}, actual: {there['object_type']})"
        )
    about = _about(sim, path, kind, there)
    if kind == "NOTEBOOK":
        about["language"] = language
    else:
        about["size"] = len(content)
    held = {"base64": base64.b64encode(content).decode(), "jupyter": jupyter}
    sim.store.put(OBJECT, path, about)
    sim.store.put(CONTENT, path, held)
    return about


def make_folder(sim: "Simulator", path: str) -> None:
    """Make a folder and those above it. Raises `ApiError` (400) where a file is in the way."""
    path = normal(path)
    there = sim.store.get(OBJECT, path)
    if there is not None:
        if there["object_type"] != "DIRECTORY":
            raise ApiError(400, "RESOURCE_ALREADY_EXISTS", f"Path ({path}) already exists.")
        return
    if path != "/":
        make_folder(sim, posixpath.dirname(path))
    sim.store.put(OBJECT, path, _about(sim, path, "DIRECTORY", None))


def remove(sim: "Simulator", path: str, *, recursive: bool) -> None:
    """Delete an object. Raises `ApiError`: 404 where there is none, 400 for a folder in use."""
    path = expect(sim, path)["path"]
    below = [key for key, _ in sim.store.items(OBJECT) if key.startswith(path.rstrip("/") + "/")]
    if path in ("/", "/Users", "/Shared", "/Repos"):
        raise ApiError(400, "BAD_REQUEST", f"Cannot delete the folder ({path}).")
    if below and not recursive:
        raise ApiError(400, "DIRECTORY_NOT_EMPTY", f"Folder ({path}) is not empty.")
    for key in (*below, path):
        sim.store.delete(OBJECT, key)
        sim.store.delete(CONTENT, key)


def _about(sim: "Simulator", path: str, kind: Kind, there: dict[str, Any] | None) -> dict[str, Any]:
    now = sim.clock.now_ms()
    number = there["object_id"] if there is not None else sim.store.number()
    return {
        "path": path,
        "object_type": kind,
        "object_id": number,
        "resource_id": str(number),
        "created_at": there["created_at"] if there is not None else now,
        "modified_at": now if there is None else max(now, there["modified_at"] + 1),
    }
