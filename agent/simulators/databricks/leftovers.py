"""What a task that ran for real left behind, as get-output gives it: error, trace, result, logs."""

import re
from pathlib import Path
from typing import Any

from agent.engine import request
from agent.simulators import processes
from agent.simulators.databricks.rundocs import Attempt

_CELL = re.compile(r"Cell(?:\x1b\[[\d;]*m|\s)*In\s?\[(?P<number>\d+)\](?:\x1b\[[\d;]*m)*, line ")
_RAISED = re.compile(r"^[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning|NotDefined)\b.*")
_TRACE = "Traceback (most recent call last)"


def collect(
    place: Path, kind: str, attempt: Attempt, state: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the attempt's output and the task values it set. `state`: the engine's of the task."""
    last = place / "run" / "tasks" / attempt["task_key"] / str(state.get("attempt") or 1)
    found: dict[str, Any] = {}
    good = state["state"] == "succeeded"
    if kind == "notebook_task":
        left = last / "left.txt"
        if good and left.exists():
            found["result"] = left.read_text("utf-8")
        if not good:
            found |= _notebook_error(last, attempt) or _told(last)
        found["printed"] = processes.text(last / "stdout")
    else:
        out, err = processes.text(last / "stdout"), processes.text(last / "stderr")
        found["logs"] = out + err
        if not good:
            found |= _script_error(err, state) if kind != "dbt_task" else _told(last)
    values = request.read(last / "values.json")
    return found, values if isinstance(values, dict) else {}


def traced(output: dict[str, Any], base: int) -> str:
    """Return a cell's traceback with its colours, the cells named as the service names them."""
    text = "\n".join(str(line) for line in output.get("traceback") or ())

    def named(found: re.Match[str]) -> str:
        return f"File \x1b[0;32m<command-{base + int(found['number'])}>\x1b[0m, line "

    return _CELL.sub(named, text)


def _notebook_error(last: Path, attempt: Attempt) -> dict[str, Any] | None:
    book = request.read(last / "executed.ipynb")
    for cell in (book or {}).get("cells", ()):
        if (output := processes.error_of(cell)) is not None:
            error = f"{output['ename']}: {output['evalue']}"
            return {"error": error, "error_trace": traced(output, attempt["run_id"])}
    return None


def _told(last: Path) -> dict[str, Any]:
    """Return what the engine's command told of the failure: SQL cells, dbt, a dead kernel."""
    said = request.read(last / "error.json") or {}
    return {
        "error": said.get("message") or "Unknown error",
        "error_trace": processes.text(last / "stderr"),
    }


def _script_error(err: str, state: dict[str, Any]) -> dict[str, Any]:
    lines = [line for line in err.splitlines() if line.strip()]
    raised = [line for line in lines if _RAISED.match(line)]
    if not raised:
        code = state.get("code")
        text = str(state.get("message") or f"SystemExit: {code}")
        return {"error": text, "error_trace": err[err.find(_TRACE) :] if _TRACE in err else err}
    start = err.rfind(_TRACE)
    return {"error": raised[-1], "error_trace": err[start:] if start >= 0 else err}
