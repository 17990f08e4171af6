"""The simulated workspace's objects: files of any kind and folders, raw in the body.

Rules kept here: a path is relative (`Shared/x.py`), or from `/Workspace` where `Options` lets it;
in an address it is one segment with its slashes as `%2F`, else 404; what to make comes in headers
(path, type, is-overwrite); a folder that is there is 409; the ending of a name decides its type.
Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import base64
import binascii
from email.utils import formatdate
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import asyncops, filestore, permissions, wire
from agent.simulators.aidp.filestore import FILE, FOLDER
from agent.simulators.aidp.wire import Request, conflict, invalid, missing
from agent.simulators.loopback import Reply
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

KIND = "object"
"""What permissions call a file or folder."""
TYPES = (
    "NOTEBOOK",
    "JOB",
    "LAKE_FLOW",
    "AGENT_LAKE_FLOW",
    "GENERATED_ARTIFACT",
    "LIBRARY",
    FILE,
    FOLDER,
)


def checked(sim: "Simulator", path: str | None, name: str = "path") -> str:
    """Return a path in its one form. Raises `ApiError` where it is missing or said wrongly."""
    if path is None:
        raise invalid(f"{name} must not be null")
    if path.startswith("/") and sim.options.leading_slash_400:
        raise invalid(f"Invalid {name}: '{path}' must not begin with a slash")
    return filestore.canonical(path)


def view(sim: "Simulator", known: dict[str, Any], like: str) -> dict[str, Any]:
    """Return an object as lists and changes show it, its path in the form of `like`."""
    return {
        "path": filestore.spoken(known["path"], like),
        "key": known["key"],
        "displayName": PurePosixPath(known["path"]).name,
        "type": known["type"],
        "description": known["description"],
        "timeCreated": wire.moment(sim, known["created_ms"]),
        "timeUpdated": wire.moment(sim, known["updated_ms"]),
        "createdBy": known["created_by"],
        "createdByName": sim.user_name,
        "updatedBy": known["updated_by"],
        "compositeEtag": filestore.tag(known),
    }


def _list(sim: "Simulator", request: Request) -> Reply:
    said = request.text("path")
    known = sim.store.get(filestore.KIND, checked(sim, said))
    if known is None:
        raise missing(f"Path {said} was not found")
    is_folder = known["type"] == FOLDER
    found = filestore.children(sim, known["path"]) if is_folder else [known]
    kinds, name = request.listed("type"), request.text("displayName", None)
    items = [view(sim, one, said) for one in found if not kinds or one["type"] in kinds]
    if name is not None:
        items = [item for item in items if item["displayName"] == name]
    if request.listed("metadataKeys"):
        items = [{**item, "metadata": {}} for item in items]
    by = "timeCreated" if request.query.get("sortBy") == "timeCreated" else "displayName"
    items.sort(key=lambda item: item[by], reverse=request.query.get("sortOrder") == "DESC")
    return wire.paged(items, request, sim)


def _create(sim: "Simulator", request: Request) -> Reply:
    said = request.headers.get("path")
    path = checked(sim, said, "header param path")
    kind = request.headers.get("type") or FILE
    if kind not in TYPES:
        raise invalid(f"type must be one of {', '.join(TYPES)}, found '{kind}'")
    description = request.text("objectDescription", None)
    if kind == FOLDER:
        known = filestore.folder(sim, path, request.user, description)
        return _shown(201, sim, known, str(said))
    before = sim.store.get(filestore.KIND, path)
    if before is not None and not request.header_flag("is-overwrite"):
        raise conflict(f"{path} already exists")
    content = _content(request)
    known = filestore.write(sim, path, content, kind, user=request.user, description=description)
    return _shown(200 if before else 201, sim, known, str(said))


def _content(request: Request) -> bytes:
    if not request.header_flag("is-upload-file-base64-encoded"):
        return request.raw
    try:
        return base64.b64decode(request.raw, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid("the body is not base64") from error


def _get(sim: "Simulator", request: Request) -> Reply:
    known = _found(sim, request)
    if request.method == "GET" and (sim.options.objects_get_404 or known["type"] == FOLDER):
        raise missing()
    headers = {
        "etag": filestore.tag(known),
        "last-modified": formatdate(known["updated_ms"] / 1000, usegmt=True),
        "type": known["type"],
    }
    return Reply(200, filestore.read(sim, known["path"]) or b"", headers)


def _put(sim: "Simulator", request: Request) -> Reply:
    known = _found(sim, request)
    wire.match(request, filestore.tag(known))
    new = filestore.write(sim, known["path"], _content(request), known["type"], user=request.user)
    return _shown(200, sim, new, request.args["path"])


def _delete(sim: "Simulator", request: Request) -> Reply:
    known = _found(sim, request)
    wire.match(request, filestore.tag(known))
    filestore.remove(sim, known["path"])
    return Reply(204, b"")


def _found(sim: "Simulator", request: Request) -> dict[str, Any]:
    path = checked(sim, request.args["path"])
    known = sim.store.get(filestore.KIND, path)
    if known is None:
        raise missing(f"Path {request.args['path']} was not found")
    return known


def _copy(sim: "Simulator", request: Request) -> Reply:
    source, target, said = _two(sim, request, "fromPath", "toPath")
    overwrite = request.flag("isOverWrite")
    act = filestore.move if request.flag("isDeleteSource") else filestore.copy
    known = act(sim, source, target, request.user, overwrite=overwrite)
    return _begun(sim, request, "COPY_OBJECT", known, said)


def _move(sim: "Simulator", request: Request) -> Reply:
    source, target, said = _two(sim, request, "fromPath", "toPath")
    known = filestore.move(sim, source, target, request.user)
    return _begun(sim, request, "MOVE_OBJECT", known, said)


def _two(sim: "Simulator", request: Request, one: str, other: str) -> tuple[str, str, str]:
    """Return where from and where to, and the latter as it was said."""
    source = checked(sim, request.text(one, None), one)
    said = request.text(other)
    known = sim.store.get(filestore.KIND, source)
    if known is not None:
        wire.match(request, filestore.tag(known))
    return source, checked(sim, said, other), said


def _rename(sim: "Simulator", request: Request) -> Reply:
    said, name = request.text("path"), request.text("newName")
    source = checked(sim, said)
    if not name or "/" in name:
        raise invalid(f"Invalid newName: '{name}'")
    target = f"{source.rpartition('/')[0]}/{name}"
    known = filestore.move(sim, source, target, request.user)
    return _begun(sim, request, "RENAME_OBJECT", known, said)


def _begun(
    sim: "Simulator", request: Request, action: str, known: dict[str, Any], said: str
) -> Reply:
    """Name the operation too: for real it goes on after the reply, here it is done."""
    resource = ("WORKSPACE_OBJECT", known["key"], PurePosixPath(known["path"]).name)
    named = asyncops.begin(sim, request, action, resource)
    reply = _shown(200, sim, known, said)
    return reply._replace(headers={**reply.headers, **named})


def _permissions(sim: "Simulator", request: Request) -> Reply:
    return wire.paged(permissions.listed(sim, KIND, _keyed(sim, request)), request, sim)


def _manage(sim: "Simulator", request: Request) -> Reply:
    key = _keyed(sim, request)
    permissions.manage(sim, KIND, key, request, "WorkspaceObjectPermissionDetails")
    return Reply(204, b"")


def _keyed(sim: "Simulator", request: Request) -> str:
    """Return the key of an object that a request names by its key or its path."""
    said = request.args["key"]
    for path, known in sim.store.items(filestore.KIND):
        if said == known["key"] or filestore.canonical(said) == path:
            return str(known["key"])
    raise missing()


def _create_directory(sim: "Simulator", request: Request) -> Reply:
    if request.family != "LA":
        raise missing()
    said = request.headers.get("path")
    path = checked(sim, said, "header param path")
    return _shown(201, sim, filestore.folder(sim, path, request.user), str(said))


def _shown(status: int, sim: "Simulator", known: dict[str, Any], like: str) -> Reply:
    return Reply(status, view(sim, known, like), {"etag": filestore.tag(known)})


ROUTES = (
    Route("GET", "/objects", _list),
    Route("POST", "/objects", _create, raw=True),
    Route("GET", "/objects/{path}", _get),
    Route("PUT", "/objects/{path}", _put, raw=True),
    Route("DELETE", "/objects/{path}", _delete),
    Route("GET", "/objects/{key}/permissions", _permissions),
    Route("POST", "/objects/{key}/actions/managePermission", _manage),
    Route("POST", "/actions/copyObject", _copy),
    Route("POST", "/actions/moveObject", _move),
    Route("POST", "/actions/renameObject", _rename),
    Route("POST", "/objects/actions/createDirectory", _create_directory),
)
