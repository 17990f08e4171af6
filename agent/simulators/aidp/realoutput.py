"""What a task that ran for real left behind: its error, its trace, its words, its notebook."""

import re
from pathlib import Path
from typing import Any, NamedTuple

from agent.engine import request
from agent.simulators import processes

TASK = "task"
"""The only task of the engine's run; keys of AIDP's tasks may have other characters."""
_RUNTIME = str(Path(__file__).with_name("runtime"))
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_TRACE = "Traceback (most recent call last)"
_RAISED = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning)\b")
_MOST = 1_000_000
"""Characters of a stream that are kept, its end."""


class Ended(NamedTuple):
    """How a try ended."""

    status: str
    message: str | None
    """None = what the service says."""
    output: dict[str, Any]


def collect(place: Path, spec: dict[str, Any], state: dict[str, Any]) -> Ended:
    """Return how a try ended and what it left. `state`: the engine's of the task."""
    last = place / "run" / "tasks" / TASK / str(state.get("attempt") or 1)
    tree = str((place / "tree").resolve())
    found: dict[str, Any] = {"printed": _read(last / "stdout")}
    good = state["state"] == "succeeded"
    if spec["type"] == "NOTEBOOK_TASK":
        left = last / "left.txt"
        if good and left.exists():
            found["exit"] = left.read_text("utf-8")
        if not good:
            found |= _notebook_error(last)
    else:
        err = _read(last / "stderr").replace(tree, "")
        start = err.rfind(_TRACE)
        found["stderr"] = err if good or start < 0 else err[:start]
        if not good:
            found |= _script_error(err, state)
    if "trace" in found:
        trace = _ANSI.sub("", str(found["trace"])).replace(tree, "")
        found["trace"] = trace.replace(_RUNTIME, "/usr/lib/python3/site-packages/aidp_runtime")
    if state.get("lost"):
        return Ended("INTERNAL_ERROR", str(state.get("message") or ""), found)
    statuses = {"succeeded": "SUCCESS", "timed_out": "TIMED_OUT", "cancelled": "CANCELED"}
    return Ended(statuses.get(str(state["state"]), "FAILED"), None, found)


def _read(file: Path) -> str:
    return processes.text(file)[-_MOST:]


def _notebook_error(last: Path) -> dict[str, Any]:
    said = request.read(last / "explained.json")
    if said is not None:
        return {"error": said["last"], "trace": said["text"]}
    for cell in (request.read(last / "executed.ipynb") or {}).get("cells", ()):
        if (output := processes.error_of(cell)) is not None:
            lines = "\n".join(str(line) for line in output.get("traceback") or ())
            return {"error": f"{output['ename']}: {output['evalue']}", "trace": lines}
    told = request.read(last / "error.json") or {}
    error = str(told.get("message") or "the task's process died")
    return {"error": error, "trace": _read(last / "stderr") or error}


def _script_error(err: str, state: dict[str, Any]) -> dict[str, Any]:
    trace = err[max(0, err.rfind(_TRACE)) :]
    raised = [line for line in trace.splitlines() if _RAISED.match(line)]
    said = str(state.get("message") or f"SystemExit: {state.get('code')}")
    return {"error": raised[-1] if raised else said, "trace": trace or said}


def book(place: Path) -> dict[str, Any] | None:
    """Return the notebook that a try executed, with its outputs; None where there is none."""
    content = processes.executed(place, TASK)
    for cell in (content or {}).get("cells") or ():
        if cell.get("cell_type") == "code":
            outputs = cell.get("outputs") or ()
            cell["outputs"] = [one for one in outputs if not processes.leaves(one)]
    return content
