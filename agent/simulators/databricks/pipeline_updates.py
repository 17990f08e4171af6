"""Updates of pipelines: started, looked at, stopped, one at a time.

Source: https://docs.databricks.com/api/workspace/pipelines/startupdate
"""

from typing import TYPE_CHECKING, Any

from agent.simulators.databricks import pipeline_progress
from agent.simulators.databricks.pipeline_progress import PIPELINE, UPDATE
from agent.simulators.databricks.wire import ApiError, Request, invalid, missing
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

_SELECTIONS = ("full_refresh_selection", "refresh_selection", "reset_checkpoint_selection")
_STATES = {
    "CREATED": "STARTING",
    "QUEUED": "STARTING",
    "WAITING_FOR_RESOURCES": "STARTING",
    "INITIALIZING": "STARTING",
    "RESETTING": "RESETTING",
    "STOPPING": "STOPPING",
}


def need(sim: "Simulator", pipeline: str) -> dict[str, Any]:
    """Return a pipeline's document. Raises `ApiError` (404) where there is none."""
    found = sim.store.get(PIPELINE, pipeline)
    if found is None:
        raise missing(f"The specified pipeline {pipeline} was not found.")
    return found


def start(
    sim: "Simulator",
    pipeline: str,
    *,
    cause: str = "API_CALL",
    at_ms: int | None = None,
    **wanted: Any,
) -> str:
    """Start an update and return its id; `wanted` as the request's fields.

    Raises `ApiError` for an unknown pipeline, or while an update is active.
    """
    found = need(sim, pipeline)
    busy = pipeline_progress.active(sim, pipeline)
    if busy is not None:
        message = f"An active update {busy['update_id']} already exists."
        raise ApiError(409, "RESOURCE_CONFLICT", message)
    at_ms = sim.clock.now_ms() if at_ms is None else at_ms
    update = pipeline_progress.begin(sim, found, {**wanted, "cause": cause}, at_ms)
    return str(update["update_id"])


def update_of(sim: "Simulator", update: str) -> dict[str, Any] | None:
    """Return an update: `state`, `created_ms`, `ended_ms` (None while it runs), `why` it failed."""
    return sim.store.get(UPDATE, update)


def stop(sim: "Simulator", pipeline: str, *, at_ms: int | None = None) -> None:
    """Ask the active update of a pipeline to end. Raises `ApiError` for an unknown pipeline."""
    found = need(sim, pipeline)
    pipeline_progress.stop(sim, found, sim.clock.now_ms() if at_ms is None else at_ms)


def state(sim: "Simulator", pipeline: dict[str, Any]) -> str:
    """Return the state of a pipeline, as its document says."""
    update = pipeline_progress.active(sim, pipeline["pipeline_id"])
    if update is not None:
        return _STATES.get(update["state"], "RUNNING")
    if pipeline.get("retry"):
        return "RECOVERING"
    return "FAILED" if pipeline.get("failed") else "IDLE"


def _start(sim: "Simulator", request: Request) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        name: request.flag(name)
        for name in ("full_refresh", "validate_only")
        if request.value(name) is not None
    }
    wanted |= {name: request.listed(name) for name in _SELECTIONS if name in request.body}
    if wanted.get("full_refresh") and any(wanted.get(name) for name in _SELECTIONS):
        raise invalid("full_refresh cannot be combined with a selection of tables.")
    if request.mapping("parameters"):
        wanted["parameters"] = request.mapping("parameters")
    cause = request.text("cause", "API_CALL")
    return {"update_id": start(sim, request.args["pipeline_id"], cause=cause, **wanted)}


def _update(found: dict[str, Any]) -> dict[str, Any]:
    names = ("pipeline_id", "update_id", "config", "cause", "state", "cluster_id")
    asked = ("full_refresh", "validate_only", *_SELECTIONS[:2], "parameters")
    shown = {name: found[name] for name in (*names, *asked) if name in found}
    plain = {"full_refresh": False, "validate_only": False, "creation_time": found["created_ms"]}
    return plain | shown


def _get_update(sim: "Simulator", request: Request) -> dict[str, Any]:
    pipeline, key = request.args["pipeline_id"], request.args["update_id"]
    need(sim, pipeline)
    found = sim.store.get(UPDATE, key)
    if found is None or found["pipeline_id"] != pipeline:
        raise missing(f"The specified update {key} was not found.")
    return {"update": _update(found)}


def _list_updates(sim: "Simulator", request: Request) -> dict[str, Any]:
    ids = need(sim, request.args["pipeline_id"])["updates"]
    until = request.text("until_update_id", "")
    if until:
        ids = ids[: ids.index(until) + 1] if until in ids else []
    size = request.number("max_results", default=25) or 25
    begin = int(request.page() or 0)
    after = begin + size
    updates = [sim.store.get(UPDATE, one) for one in ids[begin:after]]
    reply: dict[str, Any] = {"updates": [_update(one) for one in updates if one is not None]}
    if after < len(ids):
        reply["next_page_token"] = str(after)
    if begin:
        reply["prev_page_token"] = str(max(0, begin - size))
    return reply


def _stop(sim: "Simulator", request: Request) -> dict[str, Any]:
    stop(sim, request.args["pipeline_id"])
    return {}


_PATH = "/api/2.{version}/pipelines/{pipeline_id}"
ROUTES = (
    Route("POST", _PATH + "/updates", _start),
    Route("GET", _PATH + "/updates", _list_updates),
    Route("GET", _PATH + "/updates/{update_id}", _get_update),
    Route("POST", _PATH + "/stop", _stop),
)
