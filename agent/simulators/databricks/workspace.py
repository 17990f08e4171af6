"""Workspace files over the wire: import, export, status, list, folders, delete.

Rules kept here: with AUTO and import-file a notebook loses its extension, with SOURCE and JUPYTER
its path is kept as given; content is base64, or raw with `direct_download`.
Source: https://docs.databricks.com/api/workspace/workspace
"""

import base64
import binascii
import posixpath
from typing import TYPE_CHECKING, Any

from agent.simulators.databricks import files, notebooks
from agent.simulators.databricks.wire import ApiError, Request, invalid
from agent.simulators.loopback import Reply
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

_FORMATS = ("SOURCE", "AUTO", "HTML", "JUPYTER", "RAW", "DBC", "R_MARKDOWN")
_SUFFIXES = {"PYTHON": "py", "SQL": "sql", "SCALA": "scala", "R": "r"}


def prepare(sim: "Simulator") -> None:
    """Make the folders that every workspace has."""
    for path in (f"/Users/{sim.user}", "/Shared", "/Repos"):
        files.make_folder(sim, path)


def put_file(
    sim: "Simulator", path: str, content: bytes, *, overwrite: bool = True
) -> dict[str, Any]:
    """Keep a file as import-file does: a notebook loses its extension. Raises `ApiError`."""
    path = files.normal(path)
    form = notebooks.recognise(path, content)
    if form is None:
        return files.write(sim, path, content, "FILE", overwrite=overwrite)
    return files.write(
        sim,
        notebooks.strip_extension(path),
        content,
        "NOTEBOOK",
        language=form.language,
        jupyter=form.jupyter,
        overwrite=overwrite,
    )


def _import(sim: "Simulator", request: Request) -> dict[str, Any]:
    path = files.normal(request.text("path"))
    content = _content(request.value("content"))
    form = _format(request)
    overwrite = request.flag("overwrite")
    if form == "AUTO":
        put_file(sim, path, content, overwrite=overwrite)
    elif form == "RAW":
        files.write(sim, path, content, "FILE", overwrite=overwrite)
    elif form in ("SOURCE", "JUPYTER"):
        _import_notebook(sim, request, path, content, jupyter=form == "JUPYTER")
    else:
        raise invalid(f"The format {form} is not supported for import here.")
    return {}


def _import_notebook(
    sim: "Simulator", request: Request, path: str, content: bytes, *, jupyter: bool
) -> None:
    language = notebooks.ipynb_language(content) if jupyter else _language(request, path)
    if not request.flag("overwrite") and files.find(sim, path) is not None:
        raise ApiError(400, "RESOURCE_ALREADY_EXISTS", f"Path ({path}) already exists.")
    files.write(
        sim,
        path,
        content,
        "NOTEBOOK",
        language=language,
        jupyter=jupyter,
        overwrite=request.flag("overwrite"),
    )


def _language(request: Request, path: str) -> notebooks.Language:
    given = request.text("language", "").upper()
    named = next((name for name in notebooks.LANGUAGES if name == given), None)
    if given and named is None:
        raise invalid(f"Unknown language {given}; there is {', '.join(notebooks.LANGUAGES)}.")
    language = named or notebooks.extension_language(path)
    if language is None:
        raise invalid("The language is required for the format SOURCE.")
    return language


def _content(given: Any) -> bytes:
    if isinstance(given, bytes):
        return given
    try:
        return base64.b64decode(str(given or ""), validate=True)
    except binascii.Error as error:
        raise ApiError(400, "MALFORMED_REQUEST", "The content is not valid base64.") from error


def _format(request: Request) -> str:
    form = request.text("format", "SOURCE").upper()
    if form not in _FORMATS:
        raise invalid(f"Unknown format {form}; expected one of {', '.join(_FORMATS)}.")
    return form


def _export(sim: "Simulator", request: Request) -> Reply | dict[str, Any]:
    about = files.expect(sim, request.text("path"))
    file = files.read(sim, about["path"])
    if file is None:
        raise invalid(f"Cannot export the folder ({about['path']}) in this format.")
    suffix, content = _exported(file, _format(request))
    if len(content) > files.LARGEST:
        message = f"Size exceeds {files.LARGEST} bytes"
        raise ApiError(400, "MAX_NOTEBOOK_SIZE_EXCEEDED", message)
    if request.flag("direct_download"):
        return Reply(body=content)
    return {"content": base64.b64encode(content).decode(), "file_type": suffix}


def _exported(file: files.File, form: str) -> tuple[str, bytes]:
    """Return the suffix and the bytes of a file in a format of export."""
    if file.kind == "FILE" or file.language is None:
        if form not in ("SOURCE", "AUTO", "RAW"):
            raise invalid(f"The file ({file.path}) cannot be exported as {form}.")
        return posixpath.splitext(file.path)[1].lstrip("."), file.content
    if form not in ("SOURCE", "AUTO", "RAW", "JUPYTER"):
        raise invalid(f"The notebook ({file.path}) cannot be exported as {form} here.")
    if form == "JUPYTER" or (form == "AUTO" and file.jupyter):
        if file.jupyter:
            return "ipynb", file.content
        text = file.content.decode("utf-8", "replace")
        name = posixpath.basename(file.path)
        return "ipynb", notebooks.to_jupyter(text, file.language, name)
    suffix = _SUFFIXES[file.language]
    if not file.jupyter:
        text = file.content.decode("utf-8", "replace")
        return suffix, notebooks.titled(text, file.language).encode()
    try:
        return suffix, notebooks.to_source(file.content, file.language).encode()
    except (ValueError, KeyError, TypeError) as error:
        raise invalid(f"The notebook ({file.path}) is not a valid .ipynb.") from error


def _status(sim: "Simulator", request: Request) -> dict[str, Any]:
    about = files.expect(sim, request.text("path"))
    if request.flag("return_export_info") and about["object_type"] == "NOTEBOOK":
        file = files.read(sim, about["path"])
        about["repos_export_format"] = "JUPYTER" if file and file.jupyter else "SOURCE"
    return about


def _list(sim: "Simulator", request: Request) -> dict[str, Any]:
    about = files.expect(sim, request.text("path"))
    since = request.number("notebooks_modified_after", 0)
    if about["object_type"] != "DIRECTORY":
        return {"objects": [about]}
    found = [
        one
        for one in files.children(sim, about["path"])
        if one["object_type"] != "NOTEBOOK" or one["modified_at"] >= since
    ]
    return {"objects": found} if found else {}


def _mkdirs(sim: "Simulator", request: Request) -> dict[str, Any]:
    files.make_folder(sim, request.text("path"))
    return {}


def _delete(sim: "Simulator", request: Request) -> dict[str, Any]:
    files.remove(sim, request.text("path"), recursive=request.flag("recursive"))
    return {}


def _import_file(sim: "Simulator", request: Request) -> dict[str, Any]:
    path = "/" + request.args["path"].lstrip("/")
    put_file(sim, path, request.raw, overwrite=request.flag("overwrite"))
    return {}


def _read_file(sim: "Simulator", request: Request) -> Reply:
    path = "/" + request.args["path"].lstrip("/")
    about = files.expect(sim, path)
    file = files.read(sim, path)
    if file is None:
        raise invalid(f"The path ({about['path']}) is a folder.")
    return Reply(body=_exported(file, "AUTO")[1])


def _repos(sim: "Simulator", request: Request) -> dict[str, Any]:
    del sim, request
    return {"repos": []}


def _telemetry(sim: "Simulator", request: Request) -> dict[str, Any]:
    del sim
    return {"errors": [], "numProtoSuccess": len(request.listed("protoLogs"))}


ROUTES = (
    Route("POST", "/api/2.{version}/workspace/import", _import),
    Route("GET", "/api/2.{version}/workspace/export", _export),
    Route("GET", "/api/2.{version}/workspace/get-status", _status),
    Route("GET", "/api/2.{version}/workspace/list", _list),
    Route("POST", "/api/2.{version}/workspace/mkdirs", _mkdirs),
    Route("POST", "/api/2.{version}/workspace/delete", _delete),
    Route(
        "POST",
        "/api/2.{version}/workspace-files/import-file/{path...}",
        _import_file,
        raw=True,
    ),
    Route("GET", "/api/2.{version}/workspace-files/{path...}", _read_file),
    Route("GET", "/api/2.{version}/repos", _repos),
    Route("POST", "/telemetry-ext", _telemetry),
)
