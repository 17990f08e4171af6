"""What a task is given: its own parameters, the job's, and those of this very run.

Sources: https://docs.databricks.com/aws/en/jobs/parameters,
https://docs.databricks.com/api/workspace/jobs/runnow
"""

import json
from collections.abc import Mapping
from typing import Any

from agent.simulators.databricks import jobsettings
from agent.simulators.databricks.rundocs import Attempt, Run
from agent.simulators.databricks.wire import Request, invalid

KINDS = (
    "notebook_params",
    "python_params",
    "python_named_params",
    "jar_params",
    "sql_params",
    "dbt_commands",
    "spark_submit_params",
    "pipeline_params",
)
_MOST_BYTES = 10_000


def given(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters by kind, and the job parameters. Raises `ApiError` (400)."""
    kinds = {name: request.value(name) for name in KINDS if request.value(name)}
    if "notebook_params" in kinds and "jar_params" in kinds:
        raise invalid("notebook_params cannot be specified in conjunction with jar_params.")
    for name, value in kinds.items():
        wanted = dict if name.endswith(("named_params", "notebook_params", "sql_params")) else None
        if wanted is not None and not isinstance(value, wanted):
            raise invalid(f"Expected a map for field '{name}'.")
        if len(json.dumps(value).encode()) > _MOST_BYTES:
            raise invalid(f"The JSON representation of {name} cannot exceed {_MOST_BYTES} bytes.")
    return kinds, request.mapping("job_parameters")


def resolved(run: Run, attempt: Attempt) -> dict[str, Any]:
    """Return the task's settings with the run's parameters in them, references not filled in."""
    spec = attempt["spec"]
    kind = jobsettings.type_of(spec)
    if kind is None:
        return {}
    task = dict(spec[kind])
    mine = {p["name"]: str(p.get("value", p.get("default", ""))) for p in run["parameters"]}
    mine = {name: f"{{{{job.parameters.{name}}}}}" for name in mine}
    over: Mapping[str, Any] = run["given"]
    match kind:
        case "notebook_task":
            texts = _texts(task.get("base_parameters")) | mine
            task["base_parameters"] = texts | _texts(over.get("notebook_params"))
        case "spark_python_task":
            task["parameters"] = _words(over.get("python_params") or task.get("parameters"))
        case "python_wheel_task":
            _wheel(task, mine, over)
        case "sql_task":
            texts = _texts(task.get("parameters")) | mine
            task["parameters"] = texts | _texts(over.get("sql_params"))
        case "dbt_task":
            task["commands"] = _words(over.get("dbt_commands") or task.get("commands"))
        case "run_job_task":
            task["job_parameters"] = mine | _texts(task.get("job_parameters"))
        case "pipeline_task":
            task |= over.get("pipeline_params") or {}
        case "for_each_task":
            task = {"inputs": task.get("inputs")}
    return {kind: task}


def _wheel(task: dict[str, Any], mine: dict[str, str], over: Mapping[str, Any]) -> None:
    named = _texts(task.get("named_parameters"))
    if "python_params" in over or (task.get("parameters") and "python_named_params" not in over):
        task["parameters"] = _words(over.get("python_params") or task.get("parameters"))
        return
    task["named_parameters"] = named | mine | _texts(over.get("python_named_params"))


def _texts(found: Any) -> dict[str, str]:
    return {str(k): v if isinstance(v, str) else str(v) for k, v in (found or {}).items()}


def _words(found: Any) -> list[str]:
    return [str(word) for word in found or ()]


def shown(attempt: Attempt) -> dict[str, Any]:
    """Return `resolved_values` of a task, as far as the service gives them."""
    fields = {
        "notebook_task": ("base_parameters",),
        "spark_python_task": ("parameters",),
        "python_wheel_task": ("parameters", "named_parameters"),
        "sql_task": ("parameters",),
        "dbt_task": ("commands",),
        "run_job_task": ("job_parameters",),
        "condition_task": ("left", "right"),
        "pipeline_task": ("parameters",),
    }
    found = {}
    for kind, task in (attempt.get("resolved") or {}).items():
        kept = {name: task[name] for name in fields.get(kind, ()) if name in task}
        if kept:
            found[kind] = kept
    return found
