"""Whole folders of the simulated workspace as zip files, through pre-authenticated links.

Rules kept here: an upload is two calls, CREATE for the link and UPDATE (with its operationKey) to
have the archive unpacked; a download is one. Both are done at once here.
Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import io
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import filestore, objects, par
from agent.simulators.aidp.wire import Request, conflict, invalid, missing
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

KIND = "zip_upload"
_OLDEST = (1980, 1, 1, 0, 0, 0)


def _upload(sim: "Simulator", request: Request) -> dict[str, Any]:
    action = request.text("action", "CREATE")
    if action == "UPDATE":
        return _extract(sim, request)
    if action != "CREATE":
        raise invalid(f"action must be CREATE or UPDATE, found '{action}'")
    said = request.text("destinationFolderPath")
    key = sim.new_key()
    archive = f"/Volumes/simulator/uploads/{key}.zip"
    document = {
        "archive": archive,
        "folder": objects.checked(sim, said, "destinationFolderPath"),
        "said": said,
        "overwrite": request.flag("isOverwrite"),
    }
    sim.store.put(KIND, key, document)
    url = par.link(sim, archive, writes=True, user=request.user)
    return {"operationKey": key, "uploadUrl": url, "destinationFolderPath": said}


def _extract(sim: "Simulator", request: Request) -> dict[str, Any]:
    key = request.text("operationKey")
    known = sim.store.get(KIND, key)
    content = filestore.read(sim, known["archive"]) if known else None
    if known is None or content is None:
        raise missing(f"Nothing was uploaded for {key}")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = {n: archive.read(n) for n in archive.namelist() if not n.endswith("/")}
    except zipfile.BadZipFile as error:
        raise invalid(f"the upload is no zip file: {error}") from error
    for name, inner in files.items():
        path = filestore.canonical(f"{known['folder']}/{name}")
        if filestore.find(sim, path) is not None and not known["overwrite"]:
            raise conflict(f"{path} already exists")
        filestore.write(sim, path, inner, user=request.user)
    filestore.remove(sim, known["archive"])
    sim.store.delete(KIND, key)
    return {"operationKey": key, "uploadUrl": None, "destinationFolderPath": known["said"]}


def _download(sim: "Simulator", request: Request) -> dict[str, Any]:
    source = objects.checked(sim, request.text("sourceFolderPath"), "sourceFolderPath")
    known = sim.store.get(filestore.KIND, source)
    if known is None or known["type"] != filestore.FOLDER:
        raise missing(f"Directory {source} was not found")
    key, whole = sim.new_key(), io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in filestore.paths(sim):
            if path.startswith(source + "/"):
                info = zipfile.ZipInfo(path[len(source) + 1 :], _OLDEST)
                archive.writestr(info, filestore.read(sim, path) or b"")
    name = f"{PurePosixPath(source).name}.zip"
    place = f"/Volumes/simulator/downloads/{key}/{name}"
    filestore.write(sim, place, whole.getvalue(), user=request.user)
    url = par.link(sim, place, writes=False, user=request.user)
    return {"operationKey": key, "downloadUrl": url, "archiveName": name}


ROUTES = (
    Route("POST", "/actions/uploadAndExtractZip", _upload),
    Route("POST", "/actions/zipAndDownloadFolder", _download),
)
