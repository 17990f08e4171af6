"""Files outside the workspace tree: DBFS and the volumes of Unity Catalog.

Rules kept here: one tree; `/Volumes/catalog/schema/volume/...` is the Files API's part of it and
DBFS shows it too; folders come by themselves with what is in them.
Source: https://docs.databricks.com/api/workspace/dbfs
Source: https://docs.databricks.com/api/workspace/files
"""

import base64
import binascii
import posixpath
from typing import TYPE_CHECKING, Any

from agent.simulators.databricks import catalog
from agent.simulators.databricks.wire import ApiError, Request, invalid, missing
from agent.simulators.loopback import Reply
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

KIND = "dbfs"
"""`{"base64": content, "at": ms}` by path; folders have no content."""
_HANDLE = "dbfs_handle"
_BLOCK = 1024 * 1024
"""Bytes that one read or one block may have."""


def normal(path: str) -> str:
    """Return a path as it is kept. Raises `ApiError` (400) where it is not absolute."""
    plain = path.removeprefix("dbfs:")
    if not plain.startswith("/"):
        raise invalid(f"Path must be absolute: {path}")
    return posixpath.normpath("/" + plain.lstrip("/"))


def write(sim: "Simulator", path: str, content: bytes) -> None:
    """Keep a file, whatever was there. `path`: `dbfs:/...` or `/Volumes/...`."""
    kept = {"base64": base64.b64encode(content).decode(), "at": sim.clock.now_ms()}
    with sim.lock:
        sim.store.put(KIND, normal(path), kept)


def append(sim: "Simulator", path: str, content: bytes) -> None:
    """Add to a file's end; one that is not there is made."""
    with sim.lock:
        write(sim, path, (read(sim, path) or b"") + content)


def read(sim: "Simulator", path: str) -> bytes | None:
    """Return a file's content; None where there is no file."""
    found = sim.store.get(KIND, normal(path))
    return None if found is None or "base64" not in found else base64.b64decode(found["base64"])


def _entry(sim: "Simulator", path: str) -> dict[str, Any] | None:
    """Return what is known of a file or folder, as DBFS shows it."""
    found = sim.store.get(KIND, path)
    if found is not None and "base64" in found:
        size = len(base64.b64decode(found["base64"]))
        return {
            "path": path,
            "is_dir": False,
            "file_size": size,
            "modification_time": found["at"],
        }
    if found is None and not _below(sim, path) and path != "/":
        return None
    at = found["at"] if found is not None else sim.clock.now_ms()
    return {"path": path, "is_dir": True, "file_size": 0, "modification_time": at}


def _below(sim: "Simulator", path: str) -> list[str]:
    start = path.rstrip("/") + "/"
    return [key for key, _ in sim.store.items(KIND) if key.startswith(start)]


def _children(sim: "Simulator", path: str) -> list[dict[str, Any]]:
    start = path.rstrip("/") + "/"
    names = sorted({key[len(start) :].split("/")[0] for key in _below(sim, path)})
    found = [_entry(sim, start + name) for name in names]
    return [one for one in found if one is not None]


def _expect(sim: "Simulator", path: str) -> dict[str, Any]:
    found = _entry(sim, path)
    if found is None:
        raise missing(f"No file or directory exists on path {path}.")
    return found


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise invalid("The data is not valid base64.") from error


def _free(sim: "Simulator", path: str, *, overwrite: bool) -> None:
    there = _entry(sim, path)
    if there is not None and (there["is_dir"] or not overwrite):
        message = f"A file or directory already exists at the input path {path}."
        raise ApiError(400, "RESOURCE_ALREADY_EXISTS", message)


def _put(sim: "Simulator", request: Request) -> dict[str, Any]:
    path = normal(request.text("path"))
    _free(sim, path, overwrite=request.flag("overwrite"))
    given = request.value("contents")
    write(sim, path, given if isinstance(given, bytes) else _decoded(str(given or "")))
    return {}


def _create(sim: "Simulator", request: Request) -> dict[str, Any]:
    path = normal(request.text("path"))
    _free(sim, path, overwrite=request.flag("overwrite"))
    handle = sim.store.number()
    sim.store.put(_HANDLE, handle, {"path": path})
    write(sim, path, b"")
    return {"handle": handle}


def _opened(sim: "Simulator", request: Request) -> str:
    handle = request.number("handle")
    found = sim.store.get(_HANDLE, handle)
    if found is None:
        raise missing(f"No open stream exists for handle {handle}.")
    return str(found["path"])


def _add_block(sim: "Simulator", request: Request) -> dict[str, Any]:
    block = _decoded(request.text("data"))
    if len(block) > _BLOCK:
        message = f"The block has {len(block)} bytes; at most {_BLOCK} are allowed."
        raise ApiError(400, "MAX_BLOCK_SIZE_EXCEEDED", message)
    append(sim, _opened(sim, request), block)
    return {}


def _close(sim: "Simulator", request: Request) -> dict[str, Any]:
    _opened(sim, request)
    sim.store.delete(_HANDLE, request.number("handle"))
    return {}


def _read(sim: "Simulator", request: Request) -> dict[str, Any]:
    path = normal(request.text("path"))
    if _expect(sim, path)["is_dir"]:
        raise invalid(f"Cannot read the directory {path}.")
    offset, length = request.number("offset", 0), request.number("length", _BLOCK)
    if offset < 0 or length < 0:
        raise invalid("offset and length must not be negative.")
    piece = (read(sim, path) or b"")[offset : offset + min(length, _BLOCK)]
    return {"bytes_read": len(piece), "data": base64.b64encode(piece).decode()}


def _status(sim: "Simulator", request: Request) -> dict[str, Any]:
    return _expect(sim, normal(request.text("path")))


def _list(sim: "Simulator", request: Request) -> dict[str, Any]:
    found = _expect(sim, normal(request.text("path")))
    files = _children(sim, found["path"]) if found["is_dir"] else [found]
    return {"files": files} if files else {}


def _mkdirs(sim: "Simulator", request: Request) -> dict[str, Any]:
    path = normal(request.text("path"))
    there = _entry(sim, path)
    if there is not None and not there["is_dir"]:
        _free(sim, path, overwrite=False)
    if there is None:
        sim.store.put(KIND, path, {"at": sim.clock.now_ms()})
    return {}


def _delete(sim: "Simulator", request: Request) -> dict[str, Any]:
    path = normal(request.text("path"))
    below = _below(sim, path)
    if below and not request.flag("recursive"):
        message = f"The directory {path} is not empty; recursive must be true."
        raise ApiError(400, "IO_ERROR", message)
    for key in (*below, path):
        sim.store.delete(KIND, key)
    return {}


def _move(sim: "Simulator", request: Request) -> dict[str, Any]:
    source, target = (normal(request.text(k)) for k in ("source_path", "destination_path"))
    _expect(sim, source)
    _free(sim, target, overwrite=False)
    for key in (*_below(sim, source), source):
        held = sim.store.get(KIND, key)
        if held is not None:
            sim.store.put(KIND, target + key[len(source) :], held)
            sim.store.delete(KIND, key)
    return {}


def _volume_path(sim: "Simulator", request: Request) -> str:
    """Return the path. Raises `ApiError` (404) where it is in no volume that exists."""
    path = normal("/" + request.args["path"].lstrip("/"))
    parts = path.split("/")
    if len(parts) >= 5 and parts[1] == "Volumes":
        name = ".".join(parts[2:5])
        if catalog.find(sim, "volumes", name) is not None:
            return path
        raise ApiError(404, "NOT_FOUND", f"Volume '{name}' does not exist.")
    raise invalid(f"Invalid path: {path}; expected /Volumes/catalog/schema/volume/...")


def _upload(sim: "Simulator", request: Request) -> Reply:
    path = _volume_path(sim, request)
    there = _entry(sim, path)
    if there is not None and not request.flag("overwrite"):
        raise ApiError(409, "ALREADY_EXISTS", f"The file being created already exists: {path}")
    write(sim, path, request.raw)
    return Reply(204, b"")


def _download(sim: "Simulator", request: Request) -> Reply:
    path = _volume_path(sim, request)
    content = read(sim, path)
    if content is None:
        raise ApiError(404, "NOT_FOUND", f"The file being accessed is not found: {path}")
    return Reply(body=content, headers={"Accept-Ranges": "bytes"})


def _remove_file(sim: "Simulator", request: Request) -> Reply:
    _download(sim, request)
    sim.store.delete(KIND, _volume_path(sim, request))
    return Reply(204, b"")


def _make_directory(sim: "Simulator", request: Request) -> Reply:
    path = _volume_path(sim, request)
    if _entry(sim, path) is None:
        sim.store.put(KIND, path, {"at": sim.clock.now_ms()})
    return Reply(204, b"")


def _list_directory(sim: "Simulator", request: Request) -> dict[str, Any]:
    path = _volume_path(sim, request)
    top = path.count("/") == 4
    if not top and _entry(sim, path) is None:
        raise ApiError(404, "NOT_FOUND", f"The directory being accessed is not found: {path}")
    found = [
        {
            "path": one["path"],
            "name": posixpath.basename(one["path"]),
            "is_directory": one["is_dir"],
            "last_modified": one["modification_time"],
            **({} if one["is_dir"] else {"file_size": one["file_size"]}),
        }
        for one in _children(sim, path)
    ]
    return {"contents": found}


def _remove_directory(sim: "Simulator", request: Request) -> Reply:
    path = _volume_path(sim, request)
    if _below(sim, path):
        raise ApiError(400, "DIRECTORY_NOT_EMPTY", f"The directory is not empty: {path}")
    sim.store.delete(KIND, path)
    return Reply(204, b"")


_DBFS = "/api/2.{version}/dbfs"
_FILES = "/api/2.{version}/fs/files/{path...}"
_DIRECTORIES = "/api/2.{version}/fs/directories/{path...}"
ROUTES = (
    Route("POST", _DBFS + "/put", _put),
    Route("POST", _DBFS + "/create", _create),
    Route("POST", _DBFS + "/add-block", _add_block),
    Route("POST", _DBFS + "/close", _close),
    Route("GET", _DBFS + "/read", _read),
    Route("GET", _DBFS + "/get-status", _status),
    Route("GET", _DBFS + "/list", _list),
    Route("POST", _DBFS + "/mkdirs", _mkdirs),
    Route("POST", _DBFS + "/delete", _delete),
    Route("POST", _DBFS + "/move", _move),
    Route("PUT", _FILES, _upload, raw=True),
    Route("GET", _FILES, _download),
    Route("DELETE", _FILES, _remove_file),
    Route("PUT", _DIRECTORIES, _make_directory),
    Route("GET", _DIRECTORIES, _list_directory),
    Route("DELETE", _DIRECTORIES, _remove_directory),
)
