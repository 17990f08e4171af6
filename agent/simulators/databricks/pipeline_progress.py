"""How an update of a pipeline moves: a plan of dated steps, carried out as time passes.

Rules kept here: each step is written to the event log with its own time, however late it is carried
out; an update that fails in production mode is tried again by the platform, as a new update.
Source: https://docs.databricks.com/ldp/updates (development and production mode)
"""

from typing import TYPE_CHECKING, Any

from agent.simulators.databricks import (
    lakehouse,
    pipeline_events,
    pipeline_execution,
    pipeline_outcomes,
)
from agent.simulators.databricks.pipeline_outcomes import Flow, Outcome, Trouble

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

PIPELINE = "pipeline"
UPDATE = "pipeline_update"
ACTIVE = "pipeline_active"
"""`{"update_id": ...}` by pipeline."""
ENDED = ("COMPLETED", "FAILED", "CANCELED")
RETRIES = 5
"""Of a triggered pipeline, unless `pipelines.numUpdateRetryAttempts` says otherwise."""
RETRY_S = 5.0
STOP_S = 1.0
COMPUTE_S = 180.0
"""Waiting for resources, where the workspace is realistic."""
_SHORT_S = 5.0
_HEARTBEAT_S = 60.0
_CAUSES = {
    "API_CALL": "API call",
    "USER_ACTION": "user action",
    "JOB_TASK": "job task",
    "RETRY_ON_FAILURE": "retry on failure",
}


def begin(
    sim: "Simulator", pipeline: dict[str, Any], wanted: dict[str, Any], at_ms: int
) -> dict[str, Any]:
    """Start an update, `wanted` as the request says it with `cause`; return its document."""
    identity = lakehouse.identity(sim, "update", str(sim.store.number()))
    update: dict[str, Any] = {
        **wanted,
        "update_id": identity,
        "pipeline_id": pipeline["pipeline_id"],
        "name": pipeline["spec"].get("name", ""),
        "config": pipeline["spec"],
        "created_ms": at_ms,
        "state": "",
        "ended_ms": None,
        "cluster_id": f"0901-{identity[:6]}-{identity[-8:]}",
        "attempt": wanted.get("attempt", 0),
        "plan": [],
        "real": False,
    }
    outcome = pipeline_outcomes.take(sim, update["pipeline_id"], update["name"])
    cause = _CAUSES.get(update["cause"], update["cause"])
    about = {"cause": update["cause"], "config": update["config"]}
    message = f"Update {identity[:6]} started by {cause}."
    pipeline_events.add(sim, update, at_ms, "create_update", message, details=about)
    if outcome is None:
        update["real"] = True
        update["plan"] = _steps(_before(sim, update, 0.0), at_ms)[0]
        pipeline_execution.begin(sim, update)
    else:
        update["retried"] = outcome.retried
        update["plan"] = planned(sim, update, outcome, at_ms)
    ids = [identity, *pipeline["updates"]]
    sim.store.put(PIPELINE, update["pipeline_id"], pipeline | {"updates": ids, "retry": None})
    sim.store.put(ACTIVE, update["pipeline_id"], {"update_id": identity})
    sim.store.put(UPDATE, identity, update)
    return advance(sim, update, sim.clock.now_ms())


def _before(sim: "Simulator", update: dict[str, Any], waiting_s: float) -> list[tuple[str, float]]:
    waiting_s += COMPUTE_S if sim.options.realistic else 0.0
    states = [("CREATED", 0.0)]
    if waiting_s:
        states.append(("WAITING_FOR_RESOURCES", waiting_s))
    states.append(("INITIALIZING", _SHORT_S))
    if update.get("full_refresh"):
        states.append(("RESETTING", _SHORT_S))
    return states


def _steps(states: list[tuple[str, float]], at_ms: int) -> tuple[list[dict[str, Any]], int]:
    """Return dated states and when the last of them is over."""
    found = []
    for state, seconds in states:
        found.append({"at": at_ms, "state": state})
        at_ms += round(seconds * 1000)
    return found, at_ms


def planned(
    sim: "Simulator", update: dict[str, Any], outcome: Outcome, at_ms: int
) -> list[dict[str, Any]]:
    """Return the dated steps of a declared outcome."""
    if outcome.steps:
        states = [(step.state, step.seconds) for step in outcome.steps]
    else:
        states = _before(sim, update, outcome.waiting_seconds)
        fixed = [seconds for state, seconds in states if state != "WAITING_FOR_RESOURCES"]
        share = min(1.0, outcome.seconds / 2 / (sum(fixed) + _SHORT_S))
        states = [
            (state, seconds if state == "WAITING_FOR_RESOURCES" else seconds * share)
            for state, seconds in states
        ]
        states.append(("SETTING_UP_TABLES", _SHORT_S * share))
        if not update.get("validate_only"):
            left = outcome.seconds - (sum(fixed) + _SHORT_S) * share
            states.append(("RUNNING", left))
    steps, end_ms = _steps(states, at_ms)
    continuous = bool(update["config"].get("continuous")) and outcome.result == "COMPLETED"
    running_ms = steps[-1]["at"]
    flows = [] if update.get("validate_only") else list(outcome.flows)
    for flow in flows:
        steps += _flow_steps(flow, running_ms, end_ms)
    if (outcome.never_ends or continuous) and not update.get("validate_only"):
        beats = [one.model_dump(mode="json") for one in flows]
        return [*steps, {"at": end_ms, "beat": beats}]
    return [*steps, *_end(outcome, end_ms)]


def _flow_steps(flow: Flow, begin_ms: int, end_ms: int) -> list[dict[str, Any]]:
    shown = flow.model_dump(mode="json")
    return [
        {"at": begin_ms, "flow": shown, "status": "STARTING"},
        {"at": begin_ms, "flow": shown, "status": "RUNNING"},
        {"at": end_ms, "flow": shown, "status": flow.status},
    ]


def _end(outcome: Outcome, at_ms: int) -> list[dict[str, Any]]:
    errors = outcome.errors or tuple(one for flow in outcome.flows for one in flow.errors)
    failed = outcome.result == "FAILED" and not outcome.silent
    error = {"errors": [one.model_dump(mode="json") for one in errors]} if failed else {}
    return [{"at": at_ms, "state": outcome.result, "silent": outcome.silent, **error}]


def tick(sim: "Simulator") -> None:
    """Carry out what is due in every update that has not ended, and the platform's retries."""
    now = sim.clock.now_ms()
    for _, found in sim.store.items(ACTIVE):
        update = sim.store.get(UPDATE, found["update_id"])
        if update is None:
            continue
        if update["real"]:
            update = pipeline_execution.follow(sim, update)
        advance(sim, update, now)
    for key, _ in sim.store.items(PIPELINE):
        while _try_again(sim, key, now):
            pass


def _try_again(sim: "Simulator", key: str, now: int) -> bool:
    """Start the retry of a pipeline that is due; after a long leap it may have ended at once."""
    pipeline = sim.store.get(PIPELINE, key)
    retry = pipeline.get("retry") if pipeline else None
    if pipeline is None or not retry or retry["at"] > now or active(sim, key) is not None:
        return False
    begin(sim, pipeline, retry["wanted"], retry["at"])
    return True


def active(sim: "Simulator", pipeline: str) -> dict[str, Any] | None:
    """Return the update of a pipeline that has not ended; None where there is none."""
    found = sim.store.get(ACTIVE, pipeline)
    return None if found is None else sim.store.get(UPDATE, found["update_id"])


def advance(sim: "Simulator", update: dict[str, Any], now: int) -> dict[str, Any]:
    """Carry out the steps of one update that are due and return it."""
    while update["plan"] and update["plan"][0]["at"] <= now:
        step, *update["plan"] = update["plan"]
        if "state" in step:
            _enter(sim, update, step)
        elif "flow" in step:
            _flow(sim, update, step)
        else:
            _beat(sim, update, step, now)
        if update["state"] in ENDED:
            update["plan"] = []
    sim.store.put(UPDATE, update["update_id"], update)
    return update


def _beat(sim: "Simulator", update: dict[str, Any], step: dict[str, Any], now: int) -> None:
    """Let the flows of an update that never ends report, and plan the next time they do."""
    length = round(_HEARTBEAT_S * 1000)
    skipped = max(0, (now - step["at"]) // length - 1)
    at = step["at"] + skipped * length
    for flow in step["beat"]:
        _flow(sim, update, {"at": at, "flow": flow, "status": "RUNNING"}, metrics=True)
    update["plan"].append({"at": at + length, "beat": step["beat"]})


def _enter(sim: "Simulator", update: dict[str, Any], step: dict[str, Any]) -> None:
    state = step["state"]
    update["state"] = state
    failed = state == "FAILED" and not step.get("silent")
    errors = step.get("errors") or []
    pipeline_events.add(
        sim,
        update,
        step["at"],
        "update_progress",
        f"Update {update['update_id'][:6]} is {state}.",
        level="ERROR" if failed else "INFO",
        details={"state": state},
        error=_error(errors) if failed and errors else None,
    )
    if state in ENDED:
        _ended(sim, update, step["at"], errors)


def _error(troubles: list[dict[str, Any]]) -> dict[str, Any]:
    return {"exceptions": [_exception(one) for one in troubles], "fatal": True}


def _exception(trouble: dict[str, Any]) -> dict[str, Any]:
    found = Trouble.model_validate(trouble)
    shown = found.model_dump(mode="json", exclude={"error_class", "sql_state"})
    if found.error_class:
        shown["error_class"] = found.error_class
    if found.sql_state:
        shown["sql_state"] = found.sql_state
    return shown


def _flow(
    sim: "Simulator", update: dict[str, Any], step: dict[str, Any], *, metrics: bool = False
) -> None:
    flow, status = Flow.model_validate(step["flow"]), step["status"]
    troubles = [one.model_dump(mode="json") for one in flow.errors]
    details: dict[str, Any] = {"status": status}
    if metrics or status == "COMPLETED":
        details["metrics"] = {"num_output_rows": flow.output_rows}
    if flow.expectations and (metrics or status in ("COMPLETED", "FAILED")):
        rules = [one.model_dump(mode="json") for one in flow.expectations]
        details["data_quality"] = {"dropped_records": flow.dropped_records, "expectations": rules}
    failed = status == "FAILED"
    verb = "has" if status in ("COMPLETED", "FAILED") else "is"
    pipeline_events.add(
        sim,
        update,
        step["at"],
        "flow_progress",
        step.get("message") or f"Flow '{flow.name}' {verb} {status}.",
        level="ERROR" if failed else "METRICS" if metrics else "INFO",
        details=details,
        error=_error(troubles) if failed and troubles else None,
        origin={"flow_name": flow.name, "dataset_name": flow.dataset or flow.name},
    )


def _ended(
    sim: "Simulator", update: dict[str, Any], at_ms: int, errors: list[dict[str, Any]]
) -> None:
    """Close an update; where the platform would try again, say when."""
    update["ended_ms"] = at_ms
    update["why"] = errors[0]["message"] if errors else ""
    sim.store.delete(ACTIVE, update["pipeline_id"])
    pipeline = sim.store.get(PIPELINE, update["pipeline_id"])
    if pipeline is None:
        return
    retry = None
    if update["state"] == "FAILED" and _tried_again(pipeline["spec"], update):
        names = ("full_refresh", "full_refresh_selection", "refresh_selection", "parameters")
        wanted = {name: update[name] for name in names if name in update}
        wanted |= {"cause": "RETRY_ON_FAILURE", "attempt": update["attempt"] + 1}
        retry = {"at": at_ms + round(RETRY_S * 1000), "wanted": wanted}
    pipeline |= {"retry": retry, "failed": update["state"] == "FAILED", "why": update["why"]}
    sim.store.put(PIPELINE, update["pipeline_id"], pipeline)


def _tried_again(spec: dict[str, Any], update: dict[str, Any]) -> bool:
    if spec.get("development") or update.get("validate_only") or not update.get("retried"):
        return False
    given = (spec.get("configuration") or {}).get("pipelines.numUpdateRetryAttempts")
    if given is not None:
        return int(update["attempt"]) < int(given)
    return bool(spec.get("continuous")) or int(update["attempt"]) < RETRIES


def stop(sim: "Simulator", pipeline: dict[str, Any], at_ms: int) -> None:
    """Ask the active update to end, and the platform not to try again; nothing where it is idle."""
    sim.store.put(
        PIPELINE, pipeline["pipeline_id"], pipeline | {"retry": None, "failed": False, "why": ""}
    )
    update = active(sim, pipeline["pipeline_id"])
    if update is None or update["state"] == "STOPPING":
        return
    if update["real"]:
        pipeline_execution.stop(sim, update)
    end_ms = at_ms + round(STOP_S * 1000)
    update["real"] = False
    update["plan"] = [{"at": at_ms, "state": "STOPPING"}, {"at": end_ms, "state": "CANCELED"}]
    advance(sim, update, at_ms)
