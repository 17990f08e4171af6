"""Files and folders of the simulated workspace, whichever API they came by.

Rules kept here: a path is known in one form, `/Workspace/Shared/x.py`, though the APIs say it in
three; what a file is follows from its name; a folder above a file is always there. Contents lie
apart from what is known of them, so that a list reads no contents.
"""

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import wire
from agent.simulators.aidp.wire import conflict, invalid, missing

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

KIND = "file"
CONTENT = "file_content"
ROOT = "/Workspace"
SHARED = "/Workspace/Shared"
FOLDER, FILE, NOTEBOOK = "FOLDER", "FILE", "NOTEBOOK"
_ROOTS = ("Workspace", "Volumes")


def canonical(path: str) -> str:
    """Return the one form of a path: `Shared/x`, `Workspace/Shared/x` and `/Workspace/Shared/x`
    are all `/Workspace/Shared/x`. Raises `ApiError` for a path with an empty part.
    """
    inner = path.removeprefix("/").removesuffix("/")
    if "//" in "/" + inner:
        raise invalid(f"empty node name @{path.find('//') + 1}")
    if ".." in inner.split("/"):
        raise invalid(f"Invalid path: {path}")
    if inner.split("/")[0] in _ROOTS:
        return "/" + inner
    return f"{ROOT}/{inner}" if inner else ROOT


def spoken(path: str, like: str) -> str:
    """Return the path in the form in which a client said `like`, without a slash before it."""
    if like.lstrip("/").split("/")[0] in _ROOTS:
        return path.lstrip("/")
    return path.removeprefix(ROOT).lstrip("/")


def prepare(sim: "Simulator") -> None:
    """Make the folders that every workspace has."""
    for path in (ROOT, SHARED):
        if sim.store.get(KIND, path) is None:
            _put(sim, path, FOLDER, b"", sim.user_id)


def find(sim: "Simulator", path: str) -> dict[str, Any] | None:
    """Return what is known of a file or folder: path, key, type, version, size, times, who."""
    return sim.store.get(KIND, canonical(path))


def read(sim: "Simulator", path: str) -> bytes | None:
    """Return a file's content; None where there is no such file."""
    known = find(sim, path)
    if known is None or known["type"] == FOLDER:
        return None
    document = sim.store.get(CONTENT, known["path"])
    return base64.b64decode(document["base64"]) if document else b""


def paths(sim: "Simulator") -> list[str]:
    """Return the paths of all files, folders left out, in the order in which they were made."""
    return [path for path, known in sim.store.items(KIND) if known["type"] != FOLDER]


def write(
    sim: "Simulator",
    path: str,
    content: bytes,
    kind: str = FILE,
    *,
    user: str = "",
    description: str | None = None,
) -> dict[str, Any]:
    """Create or replace a file and the folders above it; return what is known of it.

    `kind`: what the client calls it; a name ending in .ipynb is a notebook whatever it says.
    Raises `ApiError` 409 where a folder is there, 404 where `Options` wants the folder first.
    """
    path = canonical(path)
    known = sim.store.get(KIND, path)
    if known is not None and known["type"] == FOLDER:
        raise conflict(f"{path} is a directory")
    parents(sim, path, user)
    return _put(sim, path, kind, content, user or sim.user_id, description)


def folder(
    sim: "Simulator", path: str, user: str = "", description: str | None = None
) -> dict[str, Any]:
    """Create a folder and those above it. Raises `ApiError` 409 where something is there."""
    path = canonical(path)
    if sim.store.get(KIND, path) is not None:
        raise conflict(f"Directory {path} already exists")
    parents(sim, path, user)
    return _put(sim, path, FOLDER, b"", user or sim.user_id, description)


def parents(sim: "Simulator", path: str, user: str = "", *, make: bool | None = None) -> None:
    """Make the folders above a path; `make` False = 404 where one is missing, None = as `Options`
    says. Raises `ApiError` 409 where one of them is a file.
    """
    above = path.rpartition("/")[0]
    if not above:
        return
    known = sim.store.get(KIND, above)
    if known is None:
        if make is False or (make is None and sim.options.missing_parent_404):
            raise missing(f"Directory {above} was not found")
        parents(sim, above, user, make=make)
        _put(sim, above, FOLDER, b"", user or sim.user_id)
    elif known["type"] != FOLDER:
        raise conflict(f"{above} is not a directory")


def children(sim: "Simulator", path: str) -> list[dict[str, Any]]:
    """Return what lies directly in a folder. Raises `ApiError` 404 where there is none."""
    path = canonical(path)
    if sim.store.get(KIND, path) is None:
        raise missing(f"Path {path} was not found")
    return [k for p, k in sim.store.items(KIND) if p.rpartition("/")[0] == path]


def remove(sim: "Simulator", path: str) -> None:
    """Delete a file, or a folder with what is in it. Raises `ApiError` where that cannot be."""
    path = canonical(path)
    if path in (ROOT, SHARED):
        raise conflict(f"{path} cannot be deleted")
    if sim.store.get(KIND, path) is None:
        raise missing(f"Path {path} was not found")
    for each in _tree(sim, path):
        sim.store.delete(KIND, each)
        sim.store.delete(CONTENT, each)


def copy(
    sim: "Simulator", source: str, target: str, user: str = "", *, overwrite: bool = False
) -> dict[str, Any]:
    """Copy a file, or a folder with what is in it; return what is known of the copy.

    Raises `ApiError` 404 where there is no source, 409 where the target is there."""
    source, target = canonical(source), canonical(target)
    known = sim.store.get(KIND, source)
    if known is None:
        raise missing(f"Path {source} was not found")
    if sim.store.get(KIND, target) is not None and not overwrite:
        raise conflict(f"{target} already exists")
    if target == source or target.startswith(source + "/"):
        raise invalid(f"{source} cannot be copied into itself")
    parents(sim, target, user)
    for each in _tree(sim, source):
        document = sim.store.get(KIND, each) or {}
        content = read(sim, each) or b""
        _put(sim, target + each[len(source) :], document["type"], content, user or sim.user_id)
    return sim.store.get(KIND, target) or {}


def move(
    sim: "Simulator", source: str, target: str, user: str = "", *, overwrite: bool = False
) -> dict[str, Any]:
    """Move a file or a folder; return what is known of it. Raises `ApiError` as `copy` does."""
    if canonical(source) in (ROOT, SHARED):
        raise conflict(f"{canonical(source)} cannot be moved")
    moved = copy(sim, source, target, user, overwrite=overwrite)
    remove(sim, source)
    return moved


def tag(known: dict[str, Any]) -> str:
    """Return the etag of a file or folder."""
    return wire.etag(str(known["key"]), int(known["version"]))


def digest(sim: "Simulator", known: dict[str, Any]) -> str:
    """Return the SHA-256 of a file's content, hexadecimal."""
    return hashlib.sha256(read(sim, known["path"]) or b"").hexdigest()


def kind_of(path: str, said: str = FILE) -> str:
    """Return what a file is: the ending decides where it is one that is known."""
    if said == FOLDER:
        return FOLDER
    if path.endswith(".ipynb"):
        return NOTEBOOK
    return FILE if path.endswith((".py", ".sql", ".txt", ".csv", ".json")) else said or FILE


def _tree(sim: "Simulator", path: str) -> list[str]:
    return [p for p, _ in sim.store.items(KIND) if p == path or p.startswith(path + "/")]


def _put(
    sim: "Simulator",
    path: str,
    kind: str,
    content: bytes,
    user: str,
    description: str | None = None,
) -> dict[str, Any]:
    now = sim.clock.now_ms()
    before = sim.store.get(KIND, path)
    document = {
        "path": path,
        "key": before["key"] if before else sim.new_key(),
        "type": kind_of(path, kind),
        "version": before["version"] + 1 if before else 1,
        "size": len(content),
        "created_ms": before["created_ms"] if before else now,
        "updated_ms": now,
        "created_by": before["created_by"] if before else user,
        "updated_by": user,
        "description": description
        if description is not None or not before
        else before["description"],
    }
    sim.store.put(KIND, path, document)
    if kind != FOLDER:
        sim.store.put(CONTENT, path, {"base64": base64.b64encode(content).decode()})
    return document
