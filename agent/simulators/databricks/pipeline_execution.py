"""Updates that run for real: `spark-pipelines` as a process of its own, its output as events.

    pipeline_updates/<update id>/tree/       the sources and the spec
                                 inputs/     the tables they read
                                 warehouse/  the tables they made
                                 run/        the engine's run folder

Rules kept here: every run begins with empty tables, so an incremental refresh recomputes; what a
run made is taken into the lakehouse when it has succeeded. After a restart of the simulator a run
is found where it is.
"""

import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.simulators import processes
from agent.simulators.databricks import lakehouse, pipeline_output, pipeline_sources

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

_TASK = "pipeline"
_PASSED = ("JAVA_HOME", "LD_LIBRARY_PATH")
_SIDE = Path(__file__).with_name("spark_side")
_MISSING = (
    "Pipelines do not run here: pyspark is not installed beside the simulator. Install it "
    "(pyspark[pipelines] 4.1 or newer, and Java 17), or declare an outcome for this pipeline."
)


def interpreter(sim: "Simulator") -> str | None:
    """Return the Python that has Spark's pipelines; None where there is none."""
    if sim.options.spark_python:
        return sim.options.spark_python
    if importlib.util.find_spec("pyspark") is None:
        return None
    return sys.executable if importlib.util.find_spec("pyspark.pipelines") else None


def folder(sim: "Simulator", update: dict[str, Any]) -> Path:
    """Return where everything of an update lies."""
    return sim.folder / "pipeline_updates" / str(update["update_id"])


def begin(sim: "Simulator", update: dict[str, Any]) -> None:
    """Start the process of an update; where that cannot be, the update fails and says why."""
    from agent.engine import runs
    from agent.engine.request import Request, Spec
    from agent.errors import Unavailable

    python = interpreter(sim)
    if python is None:
        _fail(update, {"class_name": "RuntimeException", "message": _MISSING})
        return
    place = folder(sim, update).resolve()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        pipeline_sources.lay_out(sim, update, place)
        env = runs.environment(_PASSED, os.environ) | _variables(place)
        argv = (python, str(_SIDE / "pipeline.py"), str(place / "about.json"))
        wanted = Request(
            run=str(update["update_id"]),
            mark=f"pipeline-{update['update_id']}",
            root=str(place / "tree"),
            tasks=(Spec(task=_TASK, argv=argv),),
            known={},
        )
        runs.start(place / "run", wanted, env)
    except pipeline_sources.NoSource as missing:
        _fail(update, {"class_name": "java.io.FileNotFoundException", "message": str(missing)})
    except (lakehouse.Busy, Unavailable) as busy:
        _fail(update, {"class_name": "RuntimeException", "message": str(busy)})


def _variables(place: Path) -> dict[str, str]:
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": (place / "warehouse").as_uri(),
    }
    conf = place / "spark"
    conf.mkdir(exist_ok=True)
    lines = (f"{name} {value}\n" for name, value in settings.items())
    (conf / "spark-defaults.conf").write_text("".join(lines), encoding="utf-8")
    return {
        "SPARK_CONF_DIR": str(conf),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYTHONPATH": str(_SIDE),
        "PYTHONWARNINGS": "ignore",
    }


def _fail(update: dict[str, Any], error: dict[str, Any]) -> None:
    at = update["plan"][-1]["at"]
    update["plan"].append({"at": at, "state": "FAILED", "errors": [error]})
    update["real"] = False


def follow(sim: "Simulator", update: dict[str, Any]) -> dict[str, Any]:
    """Add what the process has said since to the update's plan, and how it ended."""
    from agent.engine import runs
    from agent.errors import Unavailable

    place = folder(sim, update).resolve()
    try:
        seen = runs.look(place / "run")
    except Unavailable:
        return update
    now = sim.clock.now_ms()
    ended = seen.state != "running"
    last = place / "run" / "tasks" / _TASK / "1"
    said = pipeline_output.entries(processes.text(last / "stdout"), ended=ended)
    catalog = str(update["config"].get("catalog") or lakehouse.DEFAULT_CATALOG)
    for entry in said[update.get("said", 0) :]:
        _add(update, pipeline_output.read(entry, catalog), now)
    update["said"] = len(said)
    if ended:
        good = seen.state == "succeeded" and _published(sim, update, place)
        update["real"] = False
        step: dict[str, Any] = {"at": now, "state": "COMPLETED" if good else "FAILED"}
        if not good:
            step["errors"] = _why(update, processes.text(last / "stderr"), place, catalog)
        update["plan"].append(step)
    return update


def _published(sim: "Simulator", update: dict[str, Any], place: Path) -> bool:
    if update.get("validate_only"):
        return True
    try:
        pipeline_sources.publish(sim, update["config"], place)
    except lakehouse.Busy:
        return False
    return True


def _add(update: dict[str, Any], said: pipeline_output.Said, now: int) -> None:
    """Plan what an entry of the output stands for."""
    if said.message.startswith("Starting run"):
        update["plan"].append({"at": now, "state": "SETTING_UP_TABLES"})
    if not said.flow:
        return
    known = [step["state"] for step in update["plan"] if "state" in step]
    if said.status == "QUEUED" and "RUNNING" not in (update["state"], *known):
        update["plan"].append({"at": now, "state": "RUNNING"})
    flow = {"name": said.flow, "dataset": said.flow, "errors": [said.error] if said.error else []}
    step = {"at": now, "flow": flow, "status": said.status, "message": said.message}
    update["plan"].append(step)
    if said.error is not None:
        update["failures"] = {**update.get("failures", {}), said.flow: said.error}


def _why(update: dict[str, Any], stderr: str, place: Path, catalog: str) -> list[dict[str, Any]]:
    """Return what made an update fail: what its flows failed of, else what ended the process."""
    if failures := update.get("failures"):
        return list(failures.values())
    found = pipeline_output.raised(stderr, str(place / "tree"), catalog)
    if found is not None:
        return [found]
    lines = [line for line in stderr.splitlines() if line.strip()]
    return [{"class_name": "RuntimeException", "message": lines[-1] if lines else "It was lost."}]


def stop(sim: "Simulator", update: dict[str, Any]) -> None:
    """Ask the process of an update to end; never waits for it."""
    processes.stop(folder(sim, update))
