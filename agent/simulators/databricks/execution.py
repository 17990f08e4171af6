"""How one attempt at a task goes: as declared, decided at once, by another run, or for real.

`launch` begins it, `due` says when it moves next, `progress` moves it, `stop` asks it to end. Each
way to run is a small record of functions; an attempt's `way` names it.
"""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agent.simulators.databricks import elsewhere, jobsettings, outcomes, realtasks, rundocs
from agent.simulators.databricks import references as words
from agent.simulators.databricks.jobsettings import Settings
from agent.simulators.databricks.outcomes import Outcome
from agent.simulators.databricks.parameters import resolved
from agent.simulators.databricks.rundocs import Attempt, Run

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

_SERVERLESS_MS = 10_000
_CLUSTER_MS = 240_000
_STOPPING_MS = 1000
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "GREATER_THAN": lambda a, b: a > b,
    "GREATER_THAN_OR_EQUAL": lambda a, b: a >= b,
    "LESS_THAN": lambda a, b: a < b,
    "LESS_THAN_OR_EQUAL": lambda a, b: a <= b,
}


def serverless(spec: Settings) -> bool:
    """Say whether a task names no cluster of any kind."""
    return not any(
        spec.get(k) for k in ("existing_cluster_id", "new_cluster", "job_cluster_key", "compute")
    )


def launch(sim: "Simulator", run: Run, attempt: Attempt, at_ms: int) -> None:
    """Begin an attempt; it may have ended when this returns."""
    attempt.update(state="PENDING", launched=at_ms)
    spec = attempt["spec"]
    kind = jobsettings.type_of(spec)
    try:
        known = words.known(sim, run, attempt)
        attempt["resolved"] = words.resolve(resolved(run, attempt), known, run)
    except words.NoValue as error:
        rundocs.end(attempt, at_ms, "FAILED", code="INVALID_RUN_CONFIGURATION", message=str(error))
        return
    declared = outcomes.take(sim, str(run["name"]), attempt["task_key"])
    wait = _setup_ms(sim, spec, kind)
    if declared is not None:
        attempt["outcome_declared"] = declared.model_dump(mode="json")
        wait += round(declared.setup_seconds * 1000)
    attempt.update(way=_way(kind, declared), exec_at=at_ms + wait)
    _at_once(sim, run, attempt, at_ms)


def _way(kind: str | None, declared: Outcome | None) -> str:
    if declared is not None:
        return "declared"
    if kind is None:
        return "nothing"
    if kind in realtasks.KINDS:
        return "real"
    return kind.removesuffix("_task")


def _setup_ms(sim: "Simulator", spec: Settings, kind: str | None) -> int:
    if not sim.options.realistic or kind in (None, "condition_task", "for_each_task"):
        return 0
    if kind in ("run_job_task", "pipeline_task", "sql_task") or spec.get("existing_cluster_id"):
        return 0
    return _SERVERLESS_MS if serverless(spec) else _CLUSTER_MS


def _at_once(sim: "Simulator", run: Run, attempt: Attempt, at_ms: int) -> None:
    """Do what needs no compute; the rest begins when its compute is there."""
    match attempt["way"]:
        case "nothing":
            _runs(attempt, at_ms)
            rundocs.end(attempt, at_ms, "SUCCESS")
        case "condition":
            _runs(attempt, at_ms)
            _decide(attempt, at_ms)
        case "for_each":
            _runs(attempt, at_ms)
            _open_loop(attempt, at_ms)
        case "real":
            realtasks.prepare(sim, run, attempt)
        case "declared":
            pass
        case way if way in elsewhere.WAYS:
            _runs(attempt, at_ms)
            elsewhere.WAYS[way].launch(sim, run, attempt, at_ms)
        case way:
            message = f"Tasks of type {way}_task do not run here; declare an outcome."
            rundocs.end(attempt, at_ms, "FAILED", code="FEATURE_DISABLED", message=message)


def _runs(attempt: Attempt, at_ms: int) -> None:
    attempt.update(state="RUNNING", exec_start=at_ms)


def _decide(attempt: Attempt, at_ms: int) -> None:
    """Compare as the service does: equality by text, order by number."""
    task = attempt["resolved"]["condition_task"]
    left, right, op = str(task["left"]), str(task["right"]), str(task.get("op"))
    if op in ("EQUAL_TO", "NOT_EQUAL"):
        holds = (left.strip() == right.strip()) == (op == "EQUAL_TO")
    else:
        try:
            holds = _COMPARE[op](float(left), float(right))
        except (KeyError, ValueError):
            message = f"Cannot compare '{left}' and '{right}' with {op}."
            code = "INVALID_RUN_CONFIGURATION"
            rundocs.end(attempt, at_ms, "FAILED", code=code, message=message)
            return
    attempt["outcome"] = "true" if holds else "false"
    rundocs.end(attempt, at_ms, "SUCCESS")


def _open_loop(attempt: Attempt, at_ms: int) -> None:
    given = attempt["resolved"]["for_each_task"]["inputs"]
    try:
        inputs = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        inputs = None
    if not isinstance(inputs, list):
        message = f"The inputs of the for each task are not a JSON array: {given}"
        code = "INVALID_RUN_CONFIGURATION"
        rundocs.end(attempt, at_ms, "FAILED", code=code, message=message)
        return
    attempt["inputs"] = inputs


def due(sim: "Simulator", attempt: Attempt, now_ms: int) -> int | None:
    """Return when an attempt moves next by itself; None = not, or nobody knows yet."""
    match attempt["state"]:
        case "ENDED" | "BLOCKED":
            return None
        case "WAITING_FOR_RETRY":
            return int(attempt["not_before"])
        case "PENDING" if attempt["way"] != "real":
            return int(attempt["exec_at"])
    times = [_own_due(sim, attempt, now_ms)]
    limit = int(attempt["spec"].get("timeout_seconds") or 0) * 1000
    if limit and attempt["state"] == "RUNNING" and attempt["way"] not in ("real", "for_each"):
        times.append(attempt["exec_start"] + limit)
    return min((at for at in times if at is not None), default=None)


def _own_due(sim: "Simulator", attempt: Attempt, now_ms: int) -> int | None:
    way = attempt["way"]
    if way == "real":
        return realtasks.due(sim, attempt, now_ms)
    if attempt["state"] == "TERMINATING":
        return None if way == "for_each" else int(attempt["stop_at"])
    if way in elsewhere.WAYS:
        return elsewhere.WAYS[way].due(sim, attempt, now_ms)
    ends = attempt.get("ends")
    return None if ends is None else int(ends)


def progress(sim: "Simulator", run: Run, attempt: Attempt, at_ms: int) -> None:
    """Move an attempt on by one event that is due."""
    if attempt["state"] == "WAITING_FOR_RETRY":
        launch(sim, run, attempt, at_ms)
    elif attempt["way"] == "real":
        realtasks.progress(sim, run, attempt, at_ms)
    elif attempt["state"] == "TERMINATING":
        rundocs.end(attempt, at_ms, attempt["asked_to_stop"])
    elif attempt["state"] == "PENDING":
        _start_declared(attempt, at_ms)
    elif _late(attempt, at_ms):
        stop(sim, attempt, at_ms, "TIMEDOUT")
        rundocs.end(attempt, at_ms, "TIMEDOUT")
        attempt.pop("asked_to_stop", None)  # by its own limit: it may be tried again
    elif attempt["way"] in elsewhere.WAYS:
        elsewhere.WAYS[attempt["way"]].progress(sim, run, attempt, at_ms)
    else:
        _end_declared(attempt, at_ms)


def _late(attempt: Attempt, at_ms: int) -> bool:
    limit = int(attempt["spec"].get("timeout_seconds") or 0) * 1000
    return bool(limit) and at_ms >= attempt["exec_start"] + limit and attempt.get("ends") != at_ms


def _start_declared(attempt: Attempt, at_ms: int) -> None:
    _runs(attempt, at_ms)
    said = Outcome.model_validate(attempt["outcome_declared"])
    attempt["ends"] = None if said.never_ends else at_ms + round(said.seconds * 1000)


def _end_declared(attempt: Attempt, at_ms: int) -> None:
    said = Outcome.model_validate(attempt["outcome_declared"])
    attempt["output"] = declared_output(attempt["spec"], said)
    attempt["values"] = said.values
    rundocs.end(attempt, at_ms, said.result, code=said.code, kind=said.type, message=said.message)


def declared_output(spec: Settings, said: Outcome) -> dict[str, Any]:
    """Return what get-output and export give of an attempt that went as declared."""
    found: dict[str, Any] = {}
    if said.result not in rundocs.GOOD:
        found["error"] = said.error or f"RuntimeError: the task was declared to end {said.result}"
        found["error_trace"] = said.error_trace or found["error"]
    if jobsettings.type_of(spec) in ("notebook_task", None):
        found["printed"] = said.printed
    else:
        found["logs"] = said.printed + said.logs
    if said.notebook_result is not None:
        result = said.notebook_result
        found["result"] = result if isinstance(result, str) else json.dumps(result)
    return found


def stop(sim: "Simulator", attempt: Attempt, at_ms: int, why: str) -> None:
    """Ask an attempt to end as CANCELED or TIMEDOUT; what has not begun ends in the graph."""
    if attempt["state"] in ("ENDED", "BLOCKED"):
        return
    attempt["asked_to_stop"] = why
    if attempt["state"] == "WAITING_FOR_RETRY":
        rundocs.end(attempt, at_ms, why)
        return
    if attempt["way"] == "real":
        realtasks.stop(sim, attempt)
    elif attempt["way"] in elsewhere.WAYS:
        elsewhere.WAYS[attempt["way"]].stop(sim, attempt, at_ms)
    attempt.update(state="TERMINATING", stop_at=at_ms + _STOPPING_MS)
