"""Tasks run for real: the workspace's files in a private folder, the engine's processes on them.

An attempt's folder is `task_runs/<task run id>`; its notebooks have their endings. What else lies
there, and what a restart finds: `agent.simulators.processes`.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.engine import runs
from agent.errors import Unavailable
from agent.simulators import processes
from agent.simulators.databricks import jobsettings, leftovers, rundocs, sparkhome, taskfiles
from agent.simulators.databricks.rundocs import Attempt, Run
from agent.simulators.databricks.taskfiles import NoFile, Plan
from agent.simulators.processes import NoEnvironment

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

KINDS = ("notebook_task", "spark_python_task", "python_wheel_task", "dbt_task")
_PASSED = ("JAVA_HOME", "LD_LIBRARY_PATH")


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
    processes.prepare(sim, place, plan._asdict())


def due(sim: "Simulator", attempt: Attempt, now_ms: int) -> int | None:
    """Return now where the attempt can move on, None while it has to wait."""
    waits = attempt["state"] == "PENDING"
    return processes.due(sim, folder(sim, attempt), attempt, now_ms, waits=waits)


def progress(sim: "Simulator", run: Run, attempt: Attempt, at_ms: int) -> None:
    """Start the attempt once its environment is there; take down how it ended."""
    place = folder(sim, attempt)
    if attempt["state"] == "PENDING":
        _start(sim, run, attempt, at_ms)
    elif not processes.started(place):
        rundocs.end(attempt, at_ms, attempt["asked_to_stop"])
    elif (seen := processes.ended(place)) is not None:
        _settle(attempt, place, seen, at_ms)


def _start(sim: "Simulator", run: Run, attempt: Attempt, at_ms: int) -> None:
    place = folder(sim, attempt)
    python = processes.interpreter(place)
    if isinstance(python, NoEnvironment):
        code, message = "LIBRARY_INSTALLATION_ERROR", python.message
        attempt["output"] = {"error": message, "error_trace": python.output}
        rundocs.end(attempt, at_ms, "FAILED", code=code, kind="CLIENT_ERROR", message=message)
        return
    plan = Plan(**processes.plan(place))
    wanted = taskfiles.engine_request(run, attempt, plan, python, place)
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
    processes.stop(folder(sim, attempt))


def executed(sim: "Simulator", attempt: Attempt) -> dict[str, Any] | None:
    """Return the notebook with its outputs as it was run, None where there is none yet."""
    return processes.executed(folder(sim, attempt), attempt["task_key"])
