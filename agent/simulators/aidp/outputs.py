"""What a task run left, over the wire: fetchOutput and export.

Rules kept here: `{}` and an empty key give the newest try's output, a try's own key gives that
one's, any other is 404 and names the task run; a task that was never launched is answered with
nulls. A notebook is its executed .ipynb as JSON text in `data[0].value`; a failing cell's traceback
is in a stderr stream, as AIDP has it, or in an error output (`Options.tracebacks`).
Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import base64
import gzip
import html
import json
import posixpath
import re
from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import filestore, parameters, rundocs, runviews, wire
from agent.simulators.aidp.rundocs import TaskRun
from agent.simulators.aidp.wire import Request, invalid, missing
from agent.simulators.loopback import Reply
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_FORMATS = ("HTML", "IPYNB")


def _try(task: TaskRun, key: str | None) -> dict[str, Any]:
    """Return the try of that output key, the newest for none. Raises `ApiError` 404."""
    if not key:
        return task
    for one in [*task["tries"], task]:
        if one.get("outputKey") == key:
            return dict(one)
    raise missing(f"Output of TaskRun {task['key']} not found or not authorized")


def _fetch(sim: "Simulator", request: Request) -> Reply:
    """POST taskRuns/{key}/actions/fetchOutput."""
    run, task = rundocs.find_task(sim, request.args["key"])
    wanted = request.body.get("outputKey")
    if not isinstance(wanted, str | None):
        raise invalid("outputKey must be a string")
    one = _try(task, wanted)
    headers = {"etag": wire.etag(task["key"], run["version"])} if sim.options.etags else {}
    return Reply(200, shown(sim, task, one), headers)


def shown(sim: "Simulator", task: TaskRun, one: dict[str, Any]) -> dict[str, Any]:
    """Return the output of one try."""
    spec, left = task["spec"], one.get("output") or {}
    found: dict[str, Any] = {
        "key": None,
        "taskType": spec["type"],
        "isTruncated": False,
        "errorTrace": None,
        "data": None,
        "outputParameters": None,
        "version": None,
    }
    launched = one.get("ended") is not None and one.get("outputKey") is not None
    if not launched or left.get("nothing"):
        return found
    text = _text(sim, task, one)
    kind = "NOTEBOOK" if spec["type"] == "NOTEBOOK_TASK" else "TEXT_PLAIN"
    data = [] if text is None else [_coded(sim, kind, text[: sim.options.output_limit])]
    exits = [] if left.get("exit") is None or not sim.options.exit_values else [left["exit"]]
    return found | {
        "key": one["outputKey"],
        "isTruncated": text is not None and len(text) > sim.options.output_limit,
        "errorTrace": runviews.shown_trace(sim, one.get("trace"), one["message"]),
        "data": data,
        "outputParameters": [p for e in exits for p in parameters.listed({"exitValue": e})],
        "version": 1,
    }


def _text(sim: "Simulator", task: TaskRun, one: dict[str, Any]) -> str | None:
    """Return the output as text; None where the type leaves none."""
    left = one.get("output") or {}
    match task["spec"]["type"]:
        case "NOTEBOOK_TASK":
            return json.dumps(notebook(sim, task, one))
        case "IF_ELSE_TASK":
            return str(one.get("outcome") or "")
        case "JOB_TASK":
            return None
    parts = (left.get("printed"), left.get("stderr"), left.get("trace"))
    return "".join(part for part in parts if part)


def _coded(sim: "Simulator", kind: str, text: str) -> dict[str, Any]:
    form = sim.options.output_form
    value = text
    if form != "plain":
        raw = gzip.compress(text.encode(), mtime=0) if form == "gzip" else text.encode()
        value = base64.b64encode(raw).decode()
    return {
        "type": kind,
        "length": str(len(text)),
        "charset": "UTF_8",
        "isBase64": form != "plain",
        "compression": "GZIP" if form == "gzip" else None,
        "value": value,
    }


def notebook(sim: "Simulator", task: TaskRun, one: dict[str, Any]) -> dict[str, Any]:
    """Return the executed notebook of a try, with the outputs that this build keeps."""
    from agent.simulators.aidp import realtasks

    left = one.get("output") or {}
    book = left.get("notebook") or realtasks.executed(sim, task, one["number"])
    if book is None:
        book = _made(sim, task, left)
    good = one["status"] == "SUCCESS"
    keeps = {"kept": True, "failed_only": not good, "none": False}[sim.options.cell_outputs]
    book["cells"] = [_cell(sim, cell, left, keeps=keeps) for cell in book.get("cells") or ()]
    return dict(book)


def _made(sim: "Simulator", task: TaskRun, left: dict[str, Any]) -> dict[str, Any]:
    """Return the workspace's notebook with what was declared at its last cell."""
    raw = filestore.read(sim, str(task["spec"].get("notebookPath") or ""))
    try:
        book = json.loads(raw or b"{}")
        cells = list(book["cells"])
    except (ValueError, KeyError, TypeError):
        book = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}}
        cells = [{"cell_type": "code", "source": "", "metadata": {}}]
    code = [cell for cell in cells if cell.get("cell_type") == "code"] or [
        {"cell_type": "code", "source": "", "metadata": {}}
    ]
    for number, cell in enumerate(code, 1):
        cell |= {"outputs": [], "execution_count": number}
    last = code[-1]["outputs"]
    for name, text in (("stdout", left.get("printed")), ("stderr", left.get("stderr"))):
        if text:
            last.append({"output_type": "stream", "name": name, "text": text})
    if left.get("error"):
        name, _, value = str(left["error"]).partition(": ")
        lines = str(left.get("trace") or left["error"]).splitlines()
        last.append({"output_type": "error", "ename": name, "evalue": value, "traceback": lines})
    return {**book, "cells": cells or code}


def _cell(
    sim: "Simulator", cell: dict[str, Any], left: dict[str, Any], *, keeps: bool
) -> dict[str, Any]:
    if cell.get("cell_type") != "code":
        return cell
    if not keeps:
        return cell | {"outputs": [], "execution_count": None}
    if sim.options.tracebacks == "error":
        return cell
    return cell | {"outputs": [_streamed(one, left) for one in cell.get("outputs") or ()]}


def _streamed(output: dict[str, Any], left: dict[str, Any]) -> dict[str, Any]:
    """Return an output, an error as the stream of stderr that AIDP makes of it."""
    if output.get("output_type") != "error":
        return output
    lines = "\n".join(str(line) for line in output.get("traceback") or ())
    text = str(left.get("trace") or _ANSI.sub("", lines)).rstrip("\n") + "\n"
    return {"output_type": "stream", "name": "stderr", "text": text}


def _export(sim: "Simulator", request: Request) -> Reply:
    """POST taskRuns/{key}/outputs/{output}/actions/export."""
    run, task = rundocs.find_task(sim, request.args["key"])
    form = request.body.get("format", "HTML")
    if form not in _FORMATS:
        raise invalid(f"format must be one of {', '.join(_FORMATS)}; found '{form}'")
    one = _try(task, request.args["output"])
    path = str(task["spec"].get("notebookPath") or "")
    if task["spec"]["type"] != "NOTEBOOK_TASK" or one.get("ended") is None:
        raise missing(f"Output of TaskRun {task['key']} not found or not authorized")
    book = notebook(sim, task, one)
    name = posixpath.basename(path).removesuffix(".ipynb")
    found = {"name": f"{name}.{form.lower()}", "path": path, "format": form}
    content = json.dumps(book) if form == "IPYNB" else page(name, book)
    headers = {"etag": wire.etag(task["key"], run["version"])} if sim.options.etags else {}
    return Reply(200, found | {"content": content}, headers)


def page(name: str, book: dict[str, Any]) -> str:
    """Return a plain HTML page of a notebook's cells and outputs."""
    parts = []
    for cell in book.get("cells") or ():
        parts.append(f"<pre class='{cell.get('cell_type')}'>{_escaped(cell.get('source'))}</pre>")
        for output in cell.get("outputs") or ():
            text = output.get("text") or output.get("data", {}).get("text/plain")
            text = text or output.get("traceback") or ""
            parts.append(f"<pre class='output'>{_escaped(text)}</pre>")
    head = f"<!DOCTYPE html>\n<html>\n<head><meta charset='utf-8'><title>{html.escape(name)}"
    return f"{head}</title></head>\n<body>\n{chr(10).join(parts)}\n</body>\n</html>\n"


def _escaped(text: Any) -> str:
    joined = text if isinstance(text, str) else "".join(str(line) for line in text or ())
    return html.escape(_ANSI.sub("", joined))


ROUTES = (
    Route("POST", "/taskRuns/{key}/actions/fetchOutput", _fetch),
    Route("POST", "/taskRuns/{key}/outputs/{output}/actions/export", _export),
)
