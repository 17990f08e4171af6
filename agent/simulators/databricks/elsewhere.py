"""Tasks that another part of the workspace carries out: other jobs, pipelines, SQL warehouses.

A task that runs a job fails with that job's run and ends with it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from agent.simulators.databricks import rundocs
from agent.simulators.databricks.parameters import KINDS
from agent.simulators.databricks.rundocs import Attempt, Run
from agent.simulators.databricks.wire import ApiError

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

_BUSY_MS = 200


class Way(NamedTuple):
    """How a kind of task is carried out elsewhere."""

    launch: Callable[["Simulator", Run, Attempt, int], None]
    due: Callable[["Simulator", Attempt, int], int | None]
    progress: Callable[["Simulator", Run, Attempt, int], None]
    stop: Callable[["Simulator", Attempt, int], None]


def _run_job(sim: "Simulator", run: Run, attempt: Attempt, at_ms: int) -> None:
    from agent.simulators.databricks import scheduling

    task = attempt["resolved"]["run_job_task"]
    job = sim.store.get("job", task["job_id"])
    if job is None:
        message = f"Job {task['job_id']} does not exist."
        rundocs.end(attempt, at_ms, "FAILED", code="RESOURCE_NOT_FOUND", message=message)
        return
    known = {p["name"] for p in job["settings"].get("parameters") or ()}
    named = attempt["spec"]["run_job_task"].get("job_parameters") or {}
    wanted = scheduling.Wanted(
        settings=job["settings"],
        job_id=job["job_id"],
        name=str(job["settings"].get("name")),
        user=run["creator"],
        trigger="RUN_JOB_TASK",
        given={name: task[name] for name in KINDS if task.get(name)},
        job_parameters={
            name: value
            for name, value in task.get("job_parameters", {}).items()
            if name in known or name in named
        },
        parent={"run_id": run["run_id"], "task_run_id": attempt["run_id"]},
    )
    child = scheduling.begin(sim, wanted, at_ms)
    attempt["child"] = child["run_id"]
    attempt["output"] = {"run_job_output": {"run_id": child["run_id"]}}


def _child_due(sim: "Simulator", attempt: Attempt, now_ms: int) -> int | None:
    child = sim.store.get(rundocs.KIND, attempt["child"])
    if child is None:
        return now_ms
    return int(child["ended"]) if child["state"] == "ENDED" else None


def _child_ended(sim: "Simulator", run: Run, attempt: Attempt, at_ms: int) -> None:
    del run
    child = sim.store.get(rundocs.KIND, attempt["child"])
    if child is None:
        message = f"Run {attempt['child']} does not exist."
        rundocs.end(attempt, at_ms, "FAILED", code="RESOURCE_NOT_FOUND", message=message)
    elif child["result"] in (*rundocs.GOOD, "CANCELED", "TIMEDOUT"):
        rundocs.end(attempt, at_ms, child["result"])
    else:
        message = f"Run {child['run_id']} of job {child['job_id']} failed: {child['message']}"
        rundocs.end(attempt, at_ms, "FAILED", message=message)
        attempt["output"]["error"] = child["message"]


def _stop_child(sim: "Simulator", attempt: Attempt, at_ms: int) -> None:
    from agent.simulators.databricks import scheduling

    child = sim.store.get(rundocs.KIND, attempt["child"])
    if child is not None:
        scheduling.cancel(sim, child, at_ms)


def _start_update(sim: "Simulator", run: Run, attempt: Attempt, at_ms: int) -> None:
    from agent.simulators.databricks import pipelines

    del run
    task = attempt["resolved"]["pipeline_task"]
    wanted = {k: v for k, v in task.items() if k not in ("pipeline_id", "parameters")}
    try:
        update = pipelines.start(
            sim, str(task["pipeline_id"]), cause="JOB_TASK", at_ms=at_ms, **wanted
        )
    except ApiError as error:
        code = "RESOURCE_NOT_FOUND" if error.status == 404 else "RUN_EXECUTION_ERROR"
        rundocs.end(attempt, at_ms, "FAILED", code=code, message=error.message)
        return
    attempt["update"] = update


def _update_due(sim: "Simulator", attempt: Attempt, now_ms: int) -> int | None:
    from agent.simulators.databricks import pipelines

    # It may have begun in this very tick, at a time long before now.
    pipelines.tick(sim)
    update = pipelines.update_of(sim, attempt["update"])
    if update is None:
        return now_ms
    return None if update["ended_ms"] is None else int(update["ended_ms"])


def _update_ended(sim: "Simulator", run: Run, attempt: Attempt, at_ms: int) -> None:
    from agent.simulators.databricks import pipelines

    del run
    update = pipelines.update_of(sim, attempt["update"]) or {"state": "FAILED", "why": None}
    if update["state"] == "COMPLETED":
        rundocs.end(attempt, at_ms, "SUCCESS")
    elif update["state"] == "CANCELED":
        rundocs.end(attempt, at_ms, "CANCELED")
    else:
        attempt["output"]["error"] = update["why"] or f"Update {attempt['update']} failed."
        rundocs.end(attempt, at_ms, "FAILED")


def _stop_update(sim: "Simulator", attempt: Attempt, at_ms: int) -> None:
    from agent.simulators.databricks import pipelines

    # Another update of the pipeline is not ours to end.
    update = pipelines.update_of(sim, attempt["update"])
    if update is not None and update["ended_ms"] is None:
        pipelines.stop(sim, update["pipeline_id"], at_ms=at_ms)


def _open_sql(sim: "Simulator", run: Run, attempt: Attempt, at_ms: int) -> None:
    from agent.simulators.databricks import files, warehouses

    del run
    task = attempt["resolved"]["sql_task"]
    attempt["try_at"] = at_ms
    if sim.store.get(warehouses.KIND, str(task["warehouse_id"])) is None:
        message = f"SQL warehouse {task['warehouse_id']} does not exist."
    elif not isinstance(task.get("file"), dict):
        message = "Only SQL files run here; declare an outcome for a query, alert or dashboard."
    elif files.read(sim, str(task["file"].get("path"))) is None:
        message = f"The SQL file {task['file'].get('path')} does not exist."
    else:
        return
    attempt["output"] = {"error": message}
    rundocs.end(attempt, at_ms, "FAILED", code="RESOURCE_NOT_FOUND", message=message)


def _sql_due(sim: "Simulator", attempt: Attempt, now_ms: int) -> int | None:
    del sim, now_ms
    return int(attempt["try_at"])


def _run_sql(sim: "Simulator", run: Run, attempt: Attempt, at_ms: int) -> None:
    from agent.simulators.databricks import files, lakehouse, statements
    from agent.simulators.databricks.dialect import Parameter
    from agent.simulators.databricks.sqlerrors import SqlError

    del run
    task = attempt["resolved"]["sql_task"]
    file = files.read(sim, str(task["file"]["path"]))
    text = "" if file is None else file.content.decode("utf-8", "replace")
    given = {name: Parameter(str(value)) for name, value in task["parameters"].items()}
    query = {"query_text": text, "warehouse_id": task["warehouse_id"]}
    attempt["output"] = {"sql_output": {"query_output": query}}
    parts = statements.split(text)
    for part in parts[attempt.get("done", 0) :]:
        try:
            found = statements.execute(sim, part, parameters=given)
        except lakehouse.Busy:
            attempt["try_at"] = at_ms + _BUSY_MS
            return
        if isinstance(found, SqlError):
            attempt["output"]["error"] = found.message
            rundocs.end(attempt, at_ms, "FAILED")
            return
        attempt["done"] = attempt.get("done", 0) + 1
    rundocs.end(attempt, at_ms, "SUCCESS")


def _no_stop(sim: "Simulator", attempt: Attempt, at_ms: int) -> None:
    del sim, attempt, at_ms


WAYS: dict[str, Way] = {
    "run_job": Way(_run_job, _child_due, _child_ended, _stop_child),
    "pipeline": Way(_start_update, _update_due, _update_ended, _stop_update),
    "sql": Way(_open_sql, _sql_due, _run_sql, _no_stop),
}
