"""The simulated workspace's notebook contents API, modelled on Jupyter's, with its own quirks.

Rules kept here: a path is one segment with its slashes as `%2F`; reading needs `content`, and with
content=1 also `type`, else 500; a directory cannot be read (500); PUT creates or replaces; what
POST creates gets a name of its own; the path that comes back has no slash before it.
Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import json
import mimetypes
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import filestore, wire
from agent.simulators.aidp.bodies import chunk, given, kind, page, shown
from agent.simulators.aidp.filestore import FOLDER, NOTEBOOK
from agent.simulators.aidp.wire import ApiError, Request, invalid, missing
from agent.simulators.loopback import Reply
from agent.simulators.routing import Handler, Route

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

_TYPES = {FOLDER: "directory", NOTEBOOK: "notebook"}
_EMPTY = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def _broken() -> ApiError:
    return ApiError(500, "InternalError", "An internal server error has occurred.")


def _get(sim: "Simulator", request: Request) -> Reply:
    known = _found(sim, request)
    wanted, content = request.text("type", None), request.number("content", None)
    if known["type"] == FOLDER:
        return _directory(sim, request, known, wanted, content)
    if content is None or (content and wanted is None):
        raise _broken()
    if wanted not in (None, "file", _type(known)):
        raise invalid("bad type")
    body = _model(sim, request, known)
    if content:
        body |= shown(sim, known, wanted or "file", request.text("format", None))
    if request.number("hash", 0):
        body |= {"hash": filestore.digest(sim, known), "hash_algorithm": "sha256"}
    return _answer(200, body, known)


def _directory(
    sim: "Simulator",
    request: Request,
    known: dict[str, Any],
    wanted: str | None,
    content: int | None,
) -> Reply:
    if not sim.options.directory_metadata:
        raise _broken()
    if content != 0 or wanted not in (None, "directory"):
        raise invalid("Directory content listing is not supported")
    return _answer(200, _model(sim, request, known), known)


def _put(sim: "Simulator", request: Request) -> Reply:
    path = request.args["path"]
    before = filestore.find(sim, path)
    if before is not None:
        wire.match(request, filestore.tag(before))
    known = _written(sim, request, path)
    if known is None:
        return Reply(200, {"upload_id": request.body["upload_id"], "path": path.lstrip("/")})
    return _answer(200 if before else 201, _model(sim, request, known), known)


def _written(sim: "Simulator", request: Request, path: str) -> dict[str, Any] | None:
    """Write what the body brings; None = parts of it are still to come."""
    if request.body.get("upload_id") is not None:
        content = chunk(sim, request)
        return None if content is None else filestore.write(sim, path, content, user=request.user)
    if kind(request) == "directory":
        return filestore.folder(sim, path, request.user)
    return filestore.write(sim, path, given(request), user=request.user)


def _post(sim: "Simulator", request: Request) -> Reply:
    folder = filestore.canonical(request.args["path"])
    above = filestore.find(sim, folder)
    if above is None or above["type"] != FOLDER:
        raise missing(f"No such directory: {request.args['path']}")
    source = request.body.get("copy_from")
    known = (
        _copied(sim, request, folder, str(source)) if source else _untitled(sim, request, folder)
    )
    if known is None:
        return Reply(200, {"upload_id": request.body["upload_id"]})
    return _answer(201, _model(sim, request, known), known)


def _copied(sim: "Simulator", request: Request, folder: str, source: str) -> dict[str, Any]:
    name = PurePosixPath(source).name
    stem, ending = PurePosixPath(name).stem, PurePosixPath(name).suffix
    names = [name, *(f"{stem}-Copy{n}{ending}" for n in range(1, 1000))]
    return filestore.copy(sim, source, _free(sim, folder, names), request.user)


def _untitled(sim: "Simulator", request: Request, folder: str) -> dict[str, Any] | None:
    sort, ending = kind(request), str(request.body.get("ext") or "")
    if sort == "directory":
        names = ["Untitled Folder", *(f"Untitled Folder {n}" for n in range(1, 1000))]
        return filestore.folder(sim, _free(sim, folder, names), request.user)
    ending = ending or (".ipynb" if sort == "notebook" else "")
    stem = "Untitled" if ending == ".ipynb" else "untitled"
    path = _free(sim, folder, [f"{stem}{n or ''}{ending}" for n in range(1000)])
    if request.body.get("content") is not None:
        return _written(sim, request, path)
    content = json.dumps(_EMPTY).encode() if ending == ".ipynb" else b""
    return filestore.write(sim, path, content, user=request.user)


def _free(sim: "Simulator", folder: str, names: list[str]) -> str:
    found = (f"{folder}/{name}" for name in names)
    return next(path for path in found if filestore.find(sim, path) is None)


def _patch(sim: "Simulator", request: Request) -> Reply:
    before = _found(sim, request)
    wire.match(request, filestore.tag(before))
    target = request.body.get("path")
    if not isinstance(target, str) or not target:
        raise invalid("path must not be null")
    known = before
    if filestore.canonical(target) != before["path"]:
        known = filestore.move(sim, before["path"], target, request.user)
    return _answer(200, _model(sim, request, known, like=target), known)


def _delete(sim: "Simulator", request: Request) -> Reply:
    known = _found(sim, request)
    wire.match(request, filestore.tag(known))
    filestore.remove(sim, known["path"])
    return Reply(204, b"")


def _export(sim: "Simulator", request: Request) -> dict[str, Any]:
    known = _found(sim, request)
    wanted = str(request.body.get("format") or "html").lower()
    if wanted not in ("html", "ipynb"):
        raise invalid(f"format must be ipynb or html, found '{wanted}'")
    if known["type"] != NOTEBOOK:
        raise invalid("only notebooks can be exported")
    text = (filestore.read(sim, known["path"]) or b"").decode()
    name = PurePosixPath(known["path"]).with_suffix(f".{wanted}").name
    content = text if wanted == "ipynb" else page(text)
    path = filestore.spoken(known["path"], request.args["path"])
    return {"name": name, "path": path, "content": content, "format": wanted}


def _found(sim: "Simulator", request: Request) -> dict[str, Any]:
    known = filestore.find(sim, request.args["path"])
    if known is None:
        raise missing(f"No such file or directory: {request.args['path']}")
    return known


def _type(known: dict[str, Any]) -> str:
    return _TYPES.get(known["type"], "file")


def _model(
    sim: "Simulator", request: Request, known: dict[str, Any], like: str = ""
) -> dict[str, Any]:
    path = known["path"]
    return {
        "name": PurePosixPath(path).name,
        "path": filestore.spoken(path, like or request.args["path"]),
        "type": _type(known),
        "writable": True,
        "created": wire.moment(sim, known["created_ms"]),
        "last_modified": wire.moment(sim, known["updated_ms"]),
        "size": known["size"],
        "mimetype": None if known["type"] != "FILE" else mimetypes.guess_type(path)[0],
        "content": None,
        "format": None,
        "hash": None,
        "hash_algorithm": None,
    }


def _answer(status: int, body: dict[str, Any], known: dict[str, Any]) -> Reply:
    return Reply(status, body, {"etag": filestore.tag(known)})


def _awkward(handler: Handler) -> Handler:
    """Refuse where this build's contents API is known to."""

    def awkward(sim: "Simulator", request: Request) -> Any:
        down = sim.options.contents_down
        on_old = request.family == "LA" and not request.by_token
        if down == "500":
            raise _broken()
        if down == "404" or (on_old and sim.options.la_contents_404):
            raise missing()
        return handler(sim, request)

    return awkward


def _loose(handler: Handler) -> Handler:
    """Answer a path whose slashes are not `%2F` only where `Options` says so."""

    def loose(sim: "Simulator", request: Request) -> Any:
        if not sim.options.contents_unencoded:
            raise missing()
        return handler(sim, request)

    return loose


_HANDLERS = (
    ("GET", "/notebook/api/contents/", _get),
    ("PUT", "/notebook/api/contents/", _put),
    ("POST", "/notebook/api/contents/", _post),
    ("PATCH", "/notebook/api/contents/", _patch),
    ("DELETE", "/notebook/api/contents/", _delete),
    ("POST", "/notebook/api/actions/export/contents/", _export),
)
ROUTES = tuple(
    route
    for method, root, handler in _HANDLERS
    for route in (
        Route(method, root + "{path}", _awkward(handler)),
        Route(method, root + "{path...}", _loose(_awkward(handler))),
    )
)
