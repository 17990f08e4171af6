"""What a task is given: the job's parameters, its own, the run's, and `{{...}}` system values.

Rules kept here: a run's parameter goes before the task's of that name, the task's before the job's;
values are text; a `{{...}}` that nobody knows stays as it is written. Whether the run's ever reach
a task is not established: `Options.run_parameters_reach`.
Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aidug/configure-tasks.html
"""

import re
from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import rundocs
from agent.simulators.aidp.rundocs import Run, TaskRun
from agent.simulators.aidp.wire import Request, invalid

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_MOST = 200
_WORD = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")


def given(request: Request) -> list[dict[str, str]]:
    """Return a request's `parameters`. Raises `ApiError` 400 where they are none."""
    found = request.body.get("parameters")
    if found is None:
        return []
    if not isinstance(found, list) or len(found) > _MOST:
        raise invalid(f"parameters must be an array of at most {_MOST}")
    for place, one in enumerate(found):
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise invalid(f"parameters[{place}].name must match {_NAME.pattern}")
        if not isinstance(one.get("value"), str | None):
            raise invalid(f"parameters[{place}].value must be a string")
    return found


def named(listed: Any) -> dict[str, str]:
    """Return parameters by their names, as they go over the wire in lists."""
    return {
        str(one["name"]): str(one.get("value") or "")
        for one in listed or ()
        if isinstance(one, dict) and "name" in one
    }


def listed(by_name: dict[str, str]) -> list[dict[str, str]]:
    """Return parameters as they go over the wire."""
    return [{"name": name, "value": value} for name, value in by_name.items()]


def unified(run: Run) -> dict[str, str]:
    """Return the job's parameters with the run's in place."""
    return named(run["job"].get("parameters")) | named(run["given"])


def system(sim: "Simulator", run: Run, task: TaskRun | None = None) -> dict[str, str]:
    """Return the system parameters of a run, and those of one task of it."""
    found = {
        "job.id": run["jobKey"],
        "job.name": run["name"],
        "job.run_id": run["key"],
        "job.repair_count": str(run["repair"]),
        "job.trigger.type": run["launched"],
        "job.trigger.file_arrival.location": "",
        "workspace.id": sim.workspace,
        "hub.region": sim.region,
    }
    if task is not None:
        found |= {
            "task.name": task["task_key"],
            "task.run_id": task["key"],
            "task.execution_count": str(task["number"] + 1),
        }
    return found


def known(sim: "Simulator", run: Run, task: TaskRun) -> dict[str, str]:
    """Return everything that `{{...}}` may name in a task."""
    found = system(sim, run, task)
    found |= {f"job.parameters.{name}": value for name, value in unified(run).items()}
    for key, other in rundocs.latest(run).items():
        if other["phase"] == "ended":
            found[f"tasks.{key}.result_state"] = other["status"]
            found[f"tasks.{key}.error_code"] = code_of(other["message"])
    return found


def code_of(message: str) -> str:
    """Return the service's code in a message, empty where there is none."""
    found = re.match(r"WORKFLOW_\w+", message)
    return found[0] if found else ""


def fill(text: str, words: dict[str, str]) -> str:
    """Put values in place of `{{name}}`; `{{job.parameters.[x]}}` is the same as `.x`."""

    def replace(found: re.Match[str]) -> str:
        return words.get(re.sub(r"\[([^\]]*)\]", r"\1", found[1]), found[0])

    return _WORD.sub(replace, text)


def of_task(sim: "Simulator", run: Run, task: TaskRun) -> dict[str, str]:
    """Return the values a task gets, everything filled in."""
    words = known(sim, run, task)
    found = named(run["job"].get("parameters")) | named(task["spec"].get("parameters"))
    if sim.options.run_parameters_reach or run["parent"] is not None:
        found |= named(run["given"])
    # A parameter may name another one of the job's.
    return {name: fill(fill(value, words), words) for name, value in found.items()}
