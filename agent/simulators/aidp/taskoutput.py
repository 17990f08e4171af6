"""What a task leaves, before `outputs` puts it on the wire: its words, its error, its log lines.

An output holds `printed`, `stderr`, `error` (`ZeroDivisionError: division by zero`), `trace`,
`notebook` (executed), `exit` and `nothing` (the service kept none), each only where there is some.
"""

import json
from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import logs, rundocs, runtime_checks
from agent.simulators.aidp.outcomes import Outcome
from agent.simulators.aidp.rundocs import Run, TaskRun

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

_TRACE = 'Traceback (most recent call last):\n  File "<stdin>", line 1, in <module>\n{error}'
_MESSAGES = {
    "CANCELED": "Task run was canceled",
    "TIMED_OUT": "Task run timed out",
    "INTERNAL_ERROR": "WORKFLOW_0015: GetCommandStatus: command not found in execution context; "
    "status may diverge from the real execution",
    "UPSTREAM_FAILED": "A task that this one depends on failed",
    "UPSTREAM_CANCELED": "A task that this one depends on was canceled",
    "EXCLUDED": "The branch of this task was not taken",
    "SKIPPED": "The condition to run this task was not met",
}
_WHAT = {"NOTEBOOK_TASK": "notebook", "PYTHON_TASK": "python file", "JAR_TASK": "jar"}


def message(spec: dict[str, Any], status: str) -> str:
    """Return the `stateMessage` of a task run that ended so; a failure's says little."""
    if status in _MESSAGES:
        return _MESSAGES[status]
    what = _WHAT.get(spec["type"], "task")
    where = spec.get("notebookPath") or spec.get("filePath")
    if status == "SUCCESS":
        return f"Successfully executed {what}" + (f" {where}" if where else "")
    return f"Exception during execution of {what}"


def of_outcome(said: Outcome, status: str) -> dict[str, Any]:
    """Return what a task leaves that went as declared."""
    found: dict[str, Any] = {"printed": said.printed, "stderr": said.stderr}
    if status in rundocs.OWN_FAILURES and status != "TIMED_OUT":
        error = said.error or f"RuntimeError: the task was declared to end {status}"
        found |= {"error": error, "trace": said.error_trace or _TRACE.format(error=error)}
    elif said.error_trace:
        found["trace"] = said.error_trace
    if said.exit_value is not None and status == "SUCCESS":
        value = said.exit_value
        found["exit"] = value if isinstance(value, str) else json.dumps(value)
    if said.notebook is not None:
        found["notebook"] = said.notebook
    found |= {"driver_log": said.driver_log, "executor_log": said.executor_log}
    return found | {"nothing": said.no_output}


def log(sim: "Simulator", run: Run, task: TaskRun, at_ms: int) -> None:
    """Write what a task printed, and how it failed, into the logs of its cluster."""
    cluster = runtime_checks.of_task(sim, task["spec"])
    if task["spec"]["type"] not in runtime_checks.NEED_CLUSTER or cluster is None:
        return
    left = task["output"]
    stderr = "\n".join(p for p in (left.get("stderr"), left.get("trace")) if p)
    lines = (
        ("driver", "stdout", left.get("printed")),
        ("driver", "stderr", stderr),
        ("driver", "stderr", left.get("driver_log")),
        ("executor", "stderr", left.get("executor_log")),
    )
    for kind, stream, text in lines:
        if text:
            logs.append(sim, cluster["key"], kind, stream, at_ms, text, run["key"], task["key"])
