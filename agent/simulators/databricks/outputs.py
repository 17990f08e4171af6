"""What a task leaves: get-output and export.

Sources: https://docs.databricks.com/api/workspace/jobs/getrunoutput,
https://docs.databricks.com/api/workspace/jobs/exportrun
"""

import base64
import html
import json
import posixpath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from agent.engine import cells as notebook_cells
from agent.simulators import processes
from agent.simulators.databricks import files, jobsettings, leftovers, realtasks, rundocs, runviews
from agent.simulators.databricks.rundocs import Attempt, Run
from agent.simulators.databricks.wire import Request, invalid
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

LARGEST = 5 * 1024 * 1024
"""Bytes of a notebook's result and of a task's logs; logs lose their beginning."""
_PAGE = (
    "<!DOCTYPE html>\n<html>\n<head>\n"
    '<meta name="databricks-html-version" content="1">\n'
    "<title>{title} - Databricks</title>\n"
    '<meta charset="utf-8">\n'
    "<script>var __DATABRICKS_NOTEBOOK_MODEL = '{model}';</script>\n"
    "</head>\n<body></body>\n</html>\n"
)
_UNESCAPED = "!*'()"
"""What a browser's encodeURIComponent leaves alone besides letters, digits and `-_.~`."""


def _one(sim: "Simulator", run_id: int) -> tuple[Run, Attempt]:
    """Return the run and the task whose output is meant. Raises `ApiError`."""
    run, attempt = rundocs.find(sim, run_id)
    if attempt is not None:
        return run, attempt
    last = list(rundocs.latest(run).values())
    if len(last) == 1 and (run["run_type"] == "SUBMIT_RUN" or run["format"] == "SINGLE_TASK"):
        return run, last[0]
    raise invalid(
        "Retrieving the output of runs with multiple tasks is not supported. "
        "Please retrieve the output of each individual task run instead."
    )


def get(sim: "Simulator", request: Request) -> dict[str, Any]:
    """GET jobs/runs/get-output, of a task's run."""
    run, attempt = _one(sim, request.number("run_id"))
    left = attempt["output"]
    found: dict[str, Any] = {"metadata": runviews.of_task(sim, run, attempt)}
    found |= {name: left[name] for name in ("error", "error_trace") if left.get(name)}
    kind = jobsettings.type_of(attempt["spec"])
    if kind in ("notebook_task", None):
        found["notebook_output"] = _result(left) if attempt["state"] == "ENDED" else {}
    elif "logs" in left:
        found |= _logs(str(left["logs"]))
    for name in ("run_job_output", "sql_output", "dbt_output"):
        if name in left:
            found[name] = left[name]
    return found


def _result(left: dict[str, Any]) -> dict[str, Any]:
    if "result" not in left:
        return {}
    whole = str(left["result"]).encode()
    text = whole[:LARGEST].decode("utf-8", "ignore")
    return {"result": text, "truncated": len(whole) > LARGEST}


def _logs(text: str) -> dict[str, Any]:
    whole = text.encode()
    kept = whole[-LARGEST:].decode("utf-8", "ignore")
    return {"logs": kept, "logs_truncated": len(whole) > LARGEST}


def export(sim: "Simulator", request: Request) -> dict[str, Any]:
    """GET jobs/runs/export: a notebook with what its cells printed, as a page with its model."""
    _, attempt = _one(sim, request.number("run_id"))
    task = attempt["spec"].get("notebook_task")
    if not isinstance(task, dict):
        raise invalid(f"Run {attempt['run_id']} is not a notebook run; it cannot be exported.")
    wanted = request.text("views_to_export", "CODE")
    if wanted not in ("CODE", "DASHBOARDS", "ALL"):
        raise invalid(f"views_to_export must be CODE, DASHBOARDS or ALL, not {wanted}.")
    if wanted == "DASHBOARDS":
        return {"views": []}
    name = posixpath.basename(str(task.get("notebook_path")))
    content = page(name, _commands(sim, attempt, str(task.get("notebook_path"))))
    return {"views": [{"content": content, "name": name, "type": "NOTEBOOK"}]}


def page(name: str, commands: list[dict[str, Any]]) -> str:
    """Return the HTML page of a notebook; its model is URL-encoded JSON in base64."""
    model = {
        "version": "NotebookV1",
        "name": name,
        "language": "python",
        "commands": commands,
        "dashboards": [],
        "globalVars": {},
        "inputWidgets": {},
    }
    text = quote(json.dumps(model), safe=_UNESCAPED)
    encoded = base64.b64encode(text.encode()).decode()
    return _PAGE.format(title=html.escape(name), model=encoded)


def _commands(sim: "Simulator", attempt: Attempt, path: str) -> list[dict[str, Any]]:
    book = realtasks.executed(sim, attempt)
    if book is not None:
        return [_ran(cell, place, attempt) for place, cell in enumerate(book["cells"], 1)]
    source = _source(sim, path) or [""]
    commands = [_command(text, place) for place, text in enumerate(source, 1)]
    if attempt["state"] == "ENDED" or attempt["output"]:
        _declared(commands[-1], attempt["output"])
    return commands


def _source(sim: "Simulator", path: str) -> list[str]:
    """Return the texts of a notebook's cells as the workspace has it, empty where it has none."""
    file = files.read(sim, path) if path.startswith("/") else None
    if file is None:
        return []
    name = "x.ipynb" if file.jupyter else "x.py"
    try:
        found = notebook_cells.split(name, file.content.decode("utf-8", "replace"))
    except notebook_cells.Broken:
        return []
    return [cell.text for cell in found]


def _command(text: str, place: int) -> dict[str, Any]:
    return {
        "version": "CommandV1",
        "subtype": "command",
        "commandType": "auto",
        "position": float(place),
        "command": text,
        "state": "finished",
        "results": None,
        "errorSummary": None,
        "error": None,
    }


def _declared(command: dict[str, Any], left: dict[str, Any]) -> None:
    """Show what an outcome declares: all of it at the last cell."""
    data = [_text("ansi", str(left["printed"]), "stdout")] if left.get("printed") else []
    _show(command, data)
    if left.get("error"):
        _fail(command, str(left["error"]), str(left.get("error_trace") or left["error"]))


def _ran(cell: dict[str, Any], place: int, attempt: Attempt) -> dict[str, Any]:
    source = cell.get("source", "")
    command = _command(source if isinstance(source, str) else "".join(source), place)
    data = []
    for output in cell.get("outputs") or ():
        kind = output.get("output_type")
        if kind == "stream":
            data.append(_text("ansi", "".join(output.get("text", "")), output.get("name")))
        elif kind in ("execute_result", "display_data"):
            data.append(_text("mimeBundle", output.get("data", {}), None))
    _show(command, data)
    if (failed := processes.error_of(cell)) is not None:
        summary = f"{failed['ename']}: {failed['evalue']}"
        _fail(command, summary, leftovers.traced(failed, attempt["run_id"]))
    return command


def _text(kind: str, data: Any, name: str | None) -> dict[str, Any]:
    return {"type": kind, "data": data, "name": name, "arguments": {}, "metadata": {}}


def _show(command: dict[str, Any], data: list[dict[str, Any]]) -> None:
    if data:
        command["results"] = {"type": "listResults", "data": data, "arguments": {}, "metadata": {}}


def _fail(command: dict[str, Any], summary: str, trace: str) -> None:
    """Note an error as the service's pages have it: its class marked up, the trace with colours."""
    name, colon, rest = summary.partition(":")
    marked = f"<span class='ansi-red-fg'>{html.escape(name)}</span>{colon}{html.escape(rest)}"
    command |= {"state": "error", "errorSummary": marked, "error": trace}


ROUTES = (
    Route("GET", "/api/2.{version}/jobs/runs/get-output", get),
    Route("GET", "/api/2.{version}/jobs/runs/export", export),
)
