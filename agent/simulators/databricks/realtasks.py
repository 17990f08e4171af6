"""Tasks run for real: the workspace's files in a private folder, the engine's processes on them.

    task_runs/<task run id>/tree/         every file of the workspace, notebooks with their endings
                           plan.json      what is run, on which requirements
                           prepared.json  the interpreter, or why there is none; written last
                           run/           the engine's run folder

What lies there decides, never who asks: after a restart of the simulator an environment that was
being built is built again, and a task that was running is found where it is.
"""

import os
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.engine import environments, request, runs
from agent.errors import Unavailable
from agent.simulators.databricks import jobsettings, leftovers, rundocs, sparkhome, taskfiles
from agent.simulators.databricks.rundocs import Attempt, Run
from agent.simulators.databricks.taskfiles import NoFile, Plan

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

KINDS = ("notebook_task", "spark_python_task", "python_wheel_task", "dbt_task")
_PASSED = ("JAVA_HOME", "LD_LIBRARY_PATH")

_building: "weakref.WeakKeyDictionary[Simulator, dict[int, threading.Thread]]"
_building = weakref.WeakKeyDictionary()


def folder(sim: "Simulator", attempt: Attempt) -> Path:
    """Return where everything of an attempt lies."""
    return sim.folder / "task_runs" / str(attempt["run_id"])


def prepare(sim: "Simulator", run: Run, attempt: Attempt) -> None:
    """Lay out the files and begin to make the environment; a file that is not there ends it."""
    place = folder(sim, attempt)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        plan = taskfiles.lay_out(sim, run, attempt, place)
    except NoFile as missing:
        rundocs.end(
            attempt,
            attempt["launched"],
            "FAILED",
            code=missing.code,
            kind="CLIENT_ERROR",
            message=str(missing),
        )
        attempt["output"] = {"error": str(missing), "error_trace": ""}
        return
    request.save(place / "plan.json", plan._asdict())
    _build(sim, attempt, plan)


def _build(sim: "Simulator", attempt: Attempt, plan: Plan) -> None:
    """Make the environment in a thread, unless one is at it."""
    threads = _building.setdefault(sim, {})
    if attempt["run_id"] in threads:
        return
    place, cache = folder(sim, attempt), sim.cache

    def build() -> None:
        made = environments.prepare(cache, plan.requirements, place / "tree")
        if isinstance(made, environments.NotBuilt):
            found = {"failed": made.message, "output": made.output}
        else:
            found = {"python": str(made.python)}
        request.save(place / "prepared.json", found)

    thread = threading.Thread(target=build, name=f"environment {attempt['run_id']}", daemon=True)
    threads[attempt["run_id"]] = thread
    thread.start()


def due(sim: "Simulator", attempt: Attempt, now_ms: int) -> int | None:
    """Return now where the attempt can move on, None while it has to wait."""
    place = folder(sim, attempt)
    if attempt["state"] == "PENDING":
        if (place / "prepared.json").exists():
            return max(int(attempt["exec_at"]), int(attempt["launched"]))
        _build(sim, attempt, Plan(**request.read(place / "plan.json")))
        return None
    if not (place / "run" / "request.json").exists():
        return int(attempt["stop_at"])
    seen = _look(place)
    return None if seen is None or seen.state == "running" else now_ms


def _look(place: Path) -> runs.Seen | None:
    try:
        return runs.look(place / "run")
    except Unavailable:
        return None  # what is left of it cannot be ended yet; asked again at the next tick


def progress(sim: "Simulator", run: Run, attempt: Attempt, at_ms: int) -> None:
    """Start the attempt once its environment is there; take down how it ended."""
    place = folder(sim, attempt)
    if attempt["state"] == "PENDING":
        _start(sim, run, attempt, at_ms)
    elif not (place / "run" / "request.json").exists():
        rundocs.end(attempt, at_ms, attempt["asked_to_stop"])
    elif (seen := _look(place)) is not None and seen.state != "running":
        _settle(attempt, place, seen, at_ms)


def _start(sim: "Simulator", run: Run, attempt: Attempt, at_ms: int) -> None:
    place = folder(sim, attempt)
    made = request.read(place / "prepared.json")
    if "failed" in made:
        code = "LIBRARY_INSTALLATION_ERROR"
        message = f"Library installation failed: {made['failed']}"
        attempt["output"] = {"error": message, "error_trace": made["output"]}
        rundocs.end(attempt, at_ms, "FAILED", code=code, kind="CLIENT_ERROR", message=message)
        return
    plan = Plan(**request.read(place / "plan.json"))
    wanted = taskfiles.engine_request(run, attempt, plan, made["python"], place)
    env = runs.environment(_PASSED, os.environ) | sparkhome.variables(sim, place)
    env |= {"DATABRICKS_HOST": sim.url, "DATABRICKS_TOKEN": sim.token}
    try:
        runs.start(place / "run", wanted, env)
    except Unavailable as error:
        rundocs.end(attempt, at_ms, "FAILED", code="DRIVER_ERROR", message=str(error))
        return
    attempt.update(state="RUNNING", exec_start=at_ms)


def _settle(attempt: Attempt, place: Path, seen: runs.Seen, at_ms: int) -> None:
    state = seen.tasks[attempt["task_key"]]
    kind = jobsettings.type_of(attempt["spec"])
    attempt["output"], attempt["values"] = leftovers.collect(place, str(kind), attempt, state)
    asked = attempt.get("asked_to_stop")
    match state["state"]:
        case "succeeded":
            rundocs.end(attempt, at_ms, "SUCCESS")
        case "timed_out":
            rundocs.end(attempt, at_ms, "TIMEDOUT")
        case _ if asked:
            rundocs.end(attempt, at_ms, asked)
        case _ if state.get("lost"):
            message = "The spark driver has stopped unexpectedly and is restarting."
            rundocs.end(attempt, at_ms, "FAILED", code="DRIVER_ERROR", message=message)
        case _:
            rundocs.end(attempt, at_ms, "FAILED")


def stop(sim: "Simulator", attempt: Attempt) -> None:
    """Ask the attempt's processes to end; never waits for it."""
    place = folder(sim, attempt) / "run"
    if place.is_dir():
        (place / "cancel").touch()


def executed(sim: "Simulator", attempt: Attempt) -> dict[str, Any] | None:
    """Return the notebook with its outputs as it was run, None where there is none yet."""
    place = folder(sim, attempt) / "run" / "tasks" / attempt["task_key"]
    found = sorted(place.glob("*/executed.ipynb"))
    content = request.read(found[-1]) if found else None
    return content if isinstance(content, dict) else None
