"""Contents of the simulated workspace's files as the notebook contents API carries them.

Rules kept here: a notebook is a JSON object, any other file text or base64; a large one may come in
parts, counted from 1, the last as -1.
"""

import base64
import binascii
import hashlib
import json
from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import filestore
from agent.simulators.aidp.wire import Request, invalid

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

UPLOAD = "chunked_upload"
_LAST = -1
"""Index of a chunked upload's last part."""


def page(notebook: str) -> str:
    """Return a notebook (JSON) as a plain HTML page of its cells and their outputs' text."""
    from html import escape

    parts = []
    for cell in json.loads(notebook).get("cells", []):
        parts.append(f"<pre>{escape(_joined(cell.get('source')))}</pre>")
        for output in cell.get("outputs", []):
            data = output.get("data") or {}
            text = output.get("text") or data.get("text/plain") or output.get("traceback")
            parts.append(f"<pre class='output'>{escape(_joined(text))}</pre>")
    return f"<!DOCTYPE html><html><body>{''.join(parts)}</body></html>"


def _joined(text: Any) -> str:
    return "".join(map(str, text)) if isinstance(text, list) else str(text or "")


def kind(request: Request) -> str:
    """Return notebook, file or directory. Raises `ApiError` for anything else."""
    said = str(request.body.get("type") or "file")
    if said not in ("notebook", "file", "directory"):
        raise invalid("bad type")
    return said


def given(request: Request) -> bytes:
    """Return the content that a body brings. Raises `ApiError` where it does not fit its type."""
    content = request.body.get("content")
    if kind(request) == "notebook" or isinstance(content, dict):
        if not isinstance(content, dict) or not isinstance(content.get("cells"), list):
            raise invalid("content must be a notebook in nbformat 4")
        return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
    if not isinstance(content, str):
        raise invalid("content must not be null")
    if request.body.get("format") == "base64":
        return _decoded(content)
    return content.encode()


def _decoded(content: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid("content is not base64") from error


def chunk(sim: "Simulator", request: Request) -> bytes | None:
    """Take one part of a content that comes in several; return the whole after the last one.

    Raises `ApiError` where parts are missing or the sums do not fit."""
    key, place = str(request.body["upload_id"]), request.number("upload_chunk_index")
    part = _decoded(str(request.body.get("content") or ""))
    parts = (sim.store.get(UPLOAD, key) or {"parts": {}})["parts"]
    total = request.number("total_chunks", None)
    if place != _LAST:
        parts[str(place)] = base64.b64encode(part).decode()
        sim.store.put(UPLOAD, key, {"parts": parts})
        return None
    ordered = [base64.b64decode(parts[n]) for n in sorted(parts, key=int)]
    whole = b"".join([*ordered, part])
    _complete(request, whole, len(ordered) + 1 == (total or len(ordered) + 1))
    sim.store.delete(UPLOAD, key)
    return whole


def _complete(request: Request, whole: bytes, counted: bool) -> None:
    size, mark = request.number("total_size_bytes", None), request.text("sha256", None)
    if not counted or size not in (None, len(whole)):
        raise invalid("parts of the upload are missing")
    if mark is not None and mark.lower() != hashlib.sha256(whole).hexdigest():
        raise invalid("sha256 is not the content's")


def shown(sim: "Simulator", known: dict[str, Any], wanted: str, form: str | None) -> dict[str, Any]:
    """Return a file's content and format as they are read; `form`: text or base64, None = what
    fits. Raises `ApiError` where it is no notebook or no text."""
    raw = filestore.read(sim, known["path"]) or b""
    if wanted == "notebook":
        try:
            notebook = json.loads(raw)
        except ValueError as error:
            raise invalid("bad format: not a notebook") from error
        if sim.options.adds_metadata:
            notebook["metadata"] = {**notebook.get("metadata", {}), "aidp": {"saved": True}}
        return {"content": notebook, "format": "json"}
    try:
        text = None if form == "base64" else raw.decode()
    except UnicodeDecodeError as error:
        if form == "text":
            raise invalid("bad format: the file is no UTF-8 text") from error
        text = None
    if text is None:
        return {"content": base64.b64encode(raw).decode(), "format": "base64"}
    return {"content": text, "format": "text"}
