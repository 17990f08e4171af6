"""Pre-authenticated links of the simulated workspace: bytes up and down, without a signature.

Rules kept here: a link is good for one file, one direction and `Options.par_s`; a request that
carries credentials is refused, since nobody may send them to object storage.
Source: https://docs.oracle.com/en-us/iaas/Content/Object/Tasks/usingpreauthenticatedrequests.htm
"""

import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from agent.simulators.aidp import filestore, wire
from agent.simulators.aidp.wire import ApiError, Request, conflict, invalid, missing
from agent.simulators.loopback import Reply
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

KIND = "par"


def link(sim: "Simulator", path: str, *, writes: bool, user: str, kind: str = "FILE") -> str:
    """Return a new link to a file, to write it or to read it.

    `kind`: what the one who asked for it calls the file."""
    token = secrets.token_urlsafe(32)
    document = {
        "path": path,
        "writes": writes,
        "user": user,
        "type": kind,
        "expires_ms": sim.clock.now_ms() + round(sim.options.par_s * 1000),
    }
    sim.store.put(KIND, token, document)
    return f"{sim.url}/p/{token}/n/simulator/b/workspace/o/{quote(path.lstrip('/'), safe='')}"


def _upload(sim: "Simulator", request: Request) -> dict[str, Any]:
    path = _asked(sim, request)
    before = sim.store.get(filestore.KIND, path)
    if before is not None and not request.flag("isOverwrite", default=True):
        raise conflict(f"{path} already exists")
    action = str(request.body.get("action") or "CREATE")
    if action not in ("CREATE", "REFRESH", "UPDATE"):
        raise invalid(f"action must be CREATE, REFRESH or UPDATE, found '{action}'")
    said = request.value("shouldCreateRecursively")
    make = None if said is None else request.flag("shouldCreateRecursively")
    filestore.parents(sim, path, request.user, make=make)
    kind = request.headers.get("type", filestore.FILE)
    return _told(sim, link(sim, path, writes=True, user=request.user, kind=kind), path, before)


def _download(sim: "Simulator", request: Request) -> dict[str, Any]:
    path = _asked(sim, request)
    known = sim.store.get(filestore.KIND, path)
    if known is None or known["type"] == filestore.FOLDER:
        raise missing(f"File {path} was not found")
    return _told(sim, link(sim, path, writes=False, user=request.user), path, known)


def _asked(sim: "Simulator", request: Request) -> str:
    path = request.headers.get("path", "")
    if not path:
        raise invalid("header param path must not be null")
    if path.startswith("/") and sim.options.leading_slash_400:
        raise invalid(f"Invalid path: '{path}' must not begin with a slash")
    return filestore.canonical(path)


def _told(sim: "Simulator", url: str, path: str, known: dict[str, Any] | None) -> dict[str, Any]:
    body: dict[str, Any] = {"parUrl": url, "locationUri": f"oci://workspace@simulator{path}"}
    if known is not None:
        body |= {
            "eTag": filestore.tag(known),
            "size": known["size"],
            "createdBy": known["created_by"],
            "updatedBy": known["updated_by"],
            "createdTime": wire.moment(sim, known["created_ms"]),
            "updatedTime": wire.moment(sim, known["updated_ms"]),
            "description": known["description"],
        }
    return body


def _opened(sim: "Simulator", request: Request, *, writes: bool) -> dict[str, Any]:
    """Return what a link is good for. Raises `ApiError` where it is good for nothing."""
    if "authorization" in request.headers:
        message = "A pre-authenticated request must not carry credentials."
        raise ApiError(401, "NotAuthenticated", message)
    known = sim.store.get(KIND, request.args["token"])
    if known is None or known["writes"] is not writes:
        raise missing("The pre-authenticated request was not found.")
    if filestore.canonical(request.args["path"]) != known["path"]:
        raise missing("The pre-authenticated request is for another object.")
    if sim.clock.now_ms() >= int(known["expires_ms"]):
        raise ApiError(401, "NotAuthenticated", "The pre-authenticated request has expired.")
    return known


def _put(sim: "Simulator", request: Request) -> Reply:
    known = _opened(sim, request, writes=True)
    written = filestore.write(
        sim, known["path"], request.raw, known["type"], user=str(known["user"])
    )
    return Reply(200, b"", {"etag": filestore.tag(written)})


def _get(sim: "Simulator", request: Request) -> Reply:
    known = _opened(sim, request, writes=False)
    found = sim.store.get(filestore.KIND, known["path"])
    if found is None:
        raise missing("The object was not found.")
    content = filestore.read(sim, known["path"]) or b""
    return Reply(200, content, {"etag": filestore.tag(found)})


ROUTES = (
    Route("POST", "/actions/uploadFileMeta", _upload),
    Route("POST", "/actions/downloadFileMeta", _download),
)
OPEN_ROUTES = (
    Route("GET", "/p/{token}/n/simulator/b/workspace/o/{path}", _get),
    Route("PUT", "/p/{token}/n/simulator/b/workspace/o/{path}", _put, raw=True),
)
