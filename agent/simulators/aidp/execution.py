"""How one try at a task goes: as declared, decided at once, by another run, or for real.

`launch` begins it, `due` says when it moves next, `progress` moves it, `stop` asks it to end.
JAR_TASK, AGENT_TASK and files from git do not run here: without a declared outcome they fail and
say so.
"""

from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import (
    conditions,
    declared,
    nested,
    outcomes,
    parameters,
    realtasks,
    rundocs,
    runtime_checks,
    taskoutput,
)
from agent.simulators.aidp.outcomes import Outcome
from agent.simulators.aidp.rundocs import Run, TaskRun

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

_SETUP_MS = 20_000
_CANCEL_FAILED = "Failed to cancel task run execution"


def launch(sim: "Simulator", run: Run, task: TaskRun, at_ms: int) -> None:
    """Begin a try; it may have ended when this returns."""
    task.update(phase="setup", launched=at_ms, outputKey=sim.new_key(), output={}, way="")
    task["values"] = parameters.of_task(sim, run, task)
    task["validated"] = at_ms
    trouble = runtime_checks.trouble(sim, run, task["spec"], at_ms)
    if trouble is not None:
        _runs(task, at_ms)
        _end(sim, run, task, "FAILED", at_ms, trouble)
        return
    said = outcomes.take(sim, run["name"], task["task_key"])
    wait = _setup_ms(sim, task["spec"])
    if said is not None:
        task["declared"] = said.model_dump(mode="json")
        wait += round(said.setup_seconds * 1000)
    task.update(way=_way(task["spec"], said), exec_at=at_ms + wait)
    _at_once(sim, run, task, at_ms)


def _way(spec: dict[str, Any], said: Outcome | None) -> str:
    if said is not None:
        return "declared"
    if spec["type"] in realtasks.KINDS and spec.get("source") != "GIT_PROVIDER":
        return "real"
    return {"IF_ELSE_TASK": "decide", "JOB_TASK": "nested"}.get(spec["type"], "unknown")


def _setup_ms(sim: "Simulator", spec: dict[str, Any]) -> int:
    real = sim.options.realistic and spec["type"] in runtime_checks.NEED_CLUSTER
    return _SETUP_MS if real else 0


def _at_once(sim: "Simulator", run: Run, task: TaskRun, at_ms: int) -> None:
    match task["way"]:
        case "decide":
            _runs(task, at_ms)
            _decide(sim, run, task, at_ms)
        case "nested":
            _runs(task, at_ms)
            refused = nested.launch(sim, run, task, at_ms)
            if refused is not None:
                _end(sim, run, task, "FAILED", at_ms, refused)
        case "real" if _unusable(sim, task):
            _runs(task, at_ms)
            said = f"Unexpected error while executing task using file {task['spec']['filePath']}"
            _end(sim, run, task, "FAILED", at_ms, said)
        case "real":
            missing = realtasks.prepare(sim, run, task)
            if missing is not None:
                _runs(task, at_ms)
                task["output"] = {"error": missing, "trace": missing}
                _end(sim, run, task, "FAILED", at_ms, missing)
        case "unknown":
            _runs(task, at_ms)
            what = "A file from git" if task["spec"].get("source") else f"A {task['spec']['type']}"
            said = f"{what} does not run in this simulator; declare an outcome for the task."
            _end(sim, run, task, "FAILED", at_ms, said)


def _unusable(sim: "Simulator", task: TaskRun) -> bool:
    return task["spec"]["type"] == "PYTHON_TASK" and not sim.options.python_tasks_work


def _runs(task: TaskRun, at_ms: int) -> None:
    task.update(phase="running", started=at_ms)
    rundocs.enter(task, "RUNNING", at_ms)


def _decide(sim: "Simulator", run: Run, task: TaskRun, at_ms: int) -> None:
    spec = task["spec"]
    words = parameters.known(sim, run, task)
    words |= {f"task.parameters.{name}": value for name, value in task["values"].items()}
    try:
        values = {
            str(one["key"]): conditions.holds(parameters.fill(str(one["value"]), words))
            for one in spec["expressions"]
        }
        found = conditions.decide(str(spec["condition"]), values)
    except conditions.Unclear as error:
        _end(sim, run, task, "FAILED", at_ms, f"Invalid condition: {error}")
        return
    task["outcome"] = "true" if found else "false"
    _end(sim, run, task, "SUCCESS", at_ms, f"Condition is {task['outcome']}")


def due(sim: "Simulator", task: TaskRun, now_ms: int) -> int | None:
    """Return when a try moves next by itself; None = not, or nobody knows yet."""
    match task["phase"]:
        case "ended" | "blocked":
            return None
        case "waiting":
            return int(task["not_before"])
        case "setup" if task["way"] != "real":
            return int(task["exec_at"])
    times = [_own_due(sim, task, now_ms)]
    limit = _limit_ms(task)
    if limit and task["phase"] == "running":
        times.append(int(task["started"]) + limit)
    return min((at for at in times if at is not None), default=None)


def _limit_ms(task: TaskRun) -> int:
    """Return how long a try may run; streams have no limit, and 0 is none."""
    spec = task["spec"]
    return 0 if spec.get("isStreaming") else int(spec.get("timeoutSeconds") or 0) * 1000


def _own_due(sim: "Simulator", task: TaskRun, now_ms: int) -> int | None:
    if task["way"] == "real":
        return realtasks.due(sim, task, now_ms)
    if task["way"] == "nested":
        return nested.due(sim, task)
    if task["phase"] == "stopping":
        return int(task["stop_at"])
    return declared.due(task)


def progress(sim: "Simulator", run: Run, task: TaskRun, at_ms: int) -> None:
    """Move a try on by what is due."""
    if task["phase"] == "waiting":
        launch(sim, run, task, at_ms)
    elif _late(task, at_ms):
        stop(sim, task, at_ms, "TIMED_OUT")
    elif task["way"] == "real":
        _real(sim, run, task, at_ms)
    elif task["way"] == "nested":
        status, message = nested.result(sim, task)
        _end(sim, run, task, task.get("asked") or status, at_ms, message)
    elif task["phase"] == "stopping":
        _stopped(sim, run, task, at_ms)
    else:
        _declared(sim, run, task, at_ms)


def _late(task: TaskRun, at_ms: int) -> bool:
    limit = _limit_ms(task)
    return bool(limit) and task["phase"] == "running" and at_ms >= task["started"] + limit


def _real(sim: "Simulator", run: Run, task: TaskRun, at_ms: int) -> None:
    if task["phase"] == "setup":
        failed = realtasks.start(sim, run, task)
        _runs(task, at_ms)
        if failed is not None:
            task["output"] = failed.output
            _end(sim, run, task, "INTERNAL_ERROR", at_ms, failed.message)
        return
    found = realtasks.ended(sim, task)
    if found is not None:
        task["output"] = found.output
        status = task.get("asked") or found.status
        _end(sim, run, task, status, at_ms, found.message)


def _declared(sim: "Simulator", run: Run, task: TaskRun, at_ms: int) -> None:
    said = Outcome.model_validate(task["declared"])
    if task["phase"] == "setup":
        _runs(task, at_ms)
        declared.begin(task, said, at_ms, forever=bool(task["spec"].get("isStreaming")))
        if not task["plan"] or task["plan"][0][0] > at_ms:
            return
    status = declared.progress(task, at_ms)
    if status is not None:
        task["output"] = taskoutput.of_outcome(said, status)
        task["outcome"] = said.outcome
        _end(sim, run, task, status, at_ms, said.message)


def _stopped(sim: "Simulator", run: Run, task: TaskRun, at_ms: int) -> None:
    said = Outcome.model_validate(task.get("declared") or {})
    if task.get("declared"):
        task["output"] = taskoutput.of_outcome(said, task["asked"])
    _end(sim, run, task, task["asked"], at_ms, _CANCEL_FAILED if said.cancel_fails else None)


def _end(
    sim: "Simulator", run: Run, task: TaskRun, status: str, at_ms: int, message: str | None
) -> None:
    text = message or taskoutput.message(task["spec"], status)
    trace = None
    if status in rundocs.OWN_FAILURES:
        trace = str(task["output"].get("trace") or text)
    rundocs.end(task, status, at_ms, text, trace)
    taskoutput.log(sim, run, task, at_ms)


def stop(sim: "Simulator", task: TaskRun, at_ms: int, why: str) -> None:
    """Ask a try to end as CANCELED or TIMED_OUT; what has not begun ends in the graph."""
    if task["phase"] in ("ended", "blocked", "stopping"):
        return
    task["asked"] = why
    if task["phase"] == "waiting":
        rundocs.end(task, why, at_ms, taskoutput.message(task["spec"], why))
        return
    if task["way"] == "real":
        realtasks.stop(sim, task)
    wait = 0 if why == "TIMED_OUT" else round(sim.options.stopping_s * 1000)
    task.update(phase="stopping", stop_at=at_ms + wait)
    if why == "CANCELED":
        rundocs.enter(task, "CANCELING", at_ms)


def worth_another(task: TaskRun) -> bool:
    """Say whether a try that ended is to be made again."""
    spec, status = task["spec"], task["status"]
    if spec.get("isStreaming") or task["number"] >= int(spec.get("maxRetries") or 0):
        return False
    if status == "TIMED_OUT":
        return bool(spec.get("isRetryOnTimeout"))
    return status in ("FAILED", "INTERNAL_ERROR")


def again(sim: "Simulator", run: Run, task: TaskRun, at_ms: int) -> None:
    """Let a try that just ended be followed by the next where there is one."""
    if task["phase"] != "ended" or "asked" in run or not worth_another(task):
        return
    names = ("number", "status", "message", "trace", "outputKey", "output", "states", "way")
    more = ("started", "ended", "launched", "stopped", "declared", "exit")
    kept = {name: task.pop(name, None) for name in names + more}
    kept["key"] = sim.new_key()
    task["tries"] = [*task["tries"], kept]
    wait = int(task["spec"].get("minRetryIntervalMillis") or 0)
    first = max(at_ms, int(kept["started"] or at_ms) + wait)
    task |= {"number": kept["number"] + 1, "phase": "waiting", "not_before": first}
    for name in ("asked", "plan", "child"):
        task.pop(name, None)
    rundocs.enter(task, "PENDING", at_ms)
