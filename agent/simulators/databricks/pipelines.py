"""Pipelines (Lakeflow, formerly DLT) of the simulated workspace: definitions, updates, states.

Rules kept here: a PUT replaces the whole definition; one update at a time; the state of a pipeline
is that of its active update.
Source: https://docs.databricks.com/api/workspace/pipelines
"""

import fnmatch
import re
from typing import TYPE_CHECKING, Any

from agent.simulators.databricks import (
    lakehouse,
    pipeline_events,
    pipeline_progress,
    pipeline_updates,
)
from agent.simulators.databricks.pipeline_outcomes import (
    Expectation,
    Flow,
    Frame,
    Outcome,
    Step,
    Trouble,
    declare,
    declare_json,
)
from agent.simulators.databricks.pipeline_progress import ACTIVE, PIPELINE, UPDATE
from agent.simulators.databricks.pipeline_updates import need, start, state, stop, update_of
from agent.simulators.databricks.wire import ApiError, Request, invalid
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

__all__ = [
    "ROUTES",
    "Expectation",
    "Flow",
    "Frame",
    "Outcome",
    "Step",
    "Trouble",
    "declare",
    "declare_json",
    "start",
    "state",
    "stop",
    "tick",
    "update_of",
]

SHOWN_UPDATES = 5
_OUTSIDE = ("allow_duplicate_names", "dry_run", "expected_last_modified", "run_as", "pipeline_id")

tick = pipeline_progress.tick


def _spec(sim: "Simulator", request: Request, own: str | None) -> dict[str, Any]:
    spec = {name: value for name, value in request.body.items() if name not in _OUTSIDE}
    name = spec.get("name")
    if not name:
        raise invalid("Missing required field: name")
    target = str(spec.get("target") or spec.get("schema") or "")
    if not re.fullmatch(r"\w*", target):
        raise invalid(
            f'CreatePipeline target_schema_name "{target}" is not a valid name. Valid names must '
            "contain only alphanumeric characters and underscores, and cannot contain spaces, "
            "periods, forward slashes, or control characters."
        )
    taken = any(
        key != own and found["spec"]["name"] == name for key, found in sim.store.items(PIPELINE)
    )
    if taken and not request.flag("allow_duplicate_names"):
        raise ApiError(
            409,
            "RESOURCE_CONFLICT",
            f"The pipeline name '{name}' is already used by another pipeline. This check can be "
            "skipped by setting `allow_duplicate_names = true` in the request.",
        )
    return spec


def _settled(spec: dict[str, Any], key: str) -> dict[str, Any]:
    spec = {"channel": "CURRENT", "edition": "ADVANCED", **spec, "id": key}
    if not spec.get("catalog") and not spec.get("storage"):
        spec["storage"] = f"dbfs:/pipelines/{key}"
    return spec


def _create(sim: "Simulator", request: Request) -> dict[str, Any]:
    spec = _spec(sim, request, None)
    key = lakehouse.identity(sim, "pipeline", str(sim.store.number()))
    spec = _settled(spec, key)
    if request.flag("dry_run"):
        return {"effective_settings": spec}
    document = {
        "pipeline_id": key,
        "spec": spec,
        "creator": request.user,
        "run_as": request.mapping("run_as"),
        "last_modified": sim.clock.now_ms(),
        "updates": [],
        "retry": None,
        "failed": False,
    }
    sim.store.put(PIPELINE, key, document)
    return {"pipeline_id": key}


def _edit(sim: "Simulator", request: Request) -> dict[str, Any]:
    key = request.args["pipeline_id"]
    found = need(sim, key)
    expected = request.number("expected_last_modified", None)
    if expected is not None and expected != found["last_modified"]:
        message = (
            f"Pipeline {key} was modified at {found['last_modified']}, expected {expected}. "
            "Get its current settings and try again."
        )
        raise ApiError(409, "RESOURCE_CONFLICT", message)
    spec = _settled(_spec(sim, request, key), key)
    modified = max(sim.clock.now_ms(), found["last_modified"] + 1)
    found |= {"spec": spec, "last_modified": modified}
    if "run_as" in request.body:
        found["run_as"] = request.mapping("run_as")
    sim.store.put(PIPELINE, key, found)
    return {}


def _delete(sim: "Simulator", request: Request) -> dict[str, Any]:
    key = request.args["pipeline_id"]
    stop(sim, key)
    for kind in (PIPELINE, ACTIVE, pipeline_events.KIND):
        sim.store.delete(kind, key)
    return {}


def _summary(sim: "Simulator", found: dict[str, Any]) -> dict[str, Any]:
    run_as = next(iter(found["run_as"].values()), found["creator"])
    updates = [sim.store.get(UPDATE, one) for one in found["updates"][:SHOWN_UPDATES]]
    latest = [
        {
            "update_id": one["update_id"],
            "state": one["state"],
            "creation_time": pipeline_events.moment(one["created_ms"]),
        }
        for one in updates
        if one is not None
    ]
    shown = {
        "pipeline_id": found["pipeline_id"],
        "name": found["spec"]["name"],
        "state": state(sim, found),
        "creator_user_name": found["creator"],
        "run_as_user_name": run_as,
        "latest_updates": latest,
        "health": "UNHEALTHY" if found.get("failed") else "HEALTHY",
    }
    busy = pipeline_progress.active(sim, found["pipeline_id"])
    return shown | ({"cluster_id": busy["cluster_id"]} if busy else {})


def _get(sim: "Simulator", request: Request) -> dict[str, Any]:
    found = need(sim, request.args["pipeline_id"])
    run_as = found["run_as"] or {"user_name": found["creator"]}
    about = {"spec": found["spec"], "last_modified": found["last_modified"], "run_as": run_as}
    why = {"cause": found["why"]} if found.get("failed") and found.get("why") else {}
    return {**_summary(sim, found), **about, **why}


def _list(sim: "Simulator", request: Request) -> dict[str, Any]:
    found = [one for _, one in sim.store.items(PIPELINE) if _fits(one, request.text("filter", ""))]
    order = (request.listed("order_by") or ["id asc"])[0].split()
    if order[0] not in ("id", "name") or order[-1] not in (order[0], "asc", "desc"):
        raise invalid(f"Invalid order_by '{' '.join(order)}'; expected id or name, asc or desc.")
    found.sort(key=lambda one: str(one["spec"][order[0]]), reverse=order[-1] == "desc")
    size = min(request.number("max_results", default=25) or 25, 100)
    begin = int(request.page() or 0)
    after = begin + size
    reply: dict[str, Any] = {"statuses": [_summary(sim, one) for one in found[begin:after]]}
    return reply | ({"next_page_token": str(after)} if after < len(found) else {})


def _fits(found: dict[str, Any], text: str) -> bool:
    if not text:
        return True
    if given := re.fullmatch(r"\s*name\s+LIKE\s+'(.*)'\s*", text, re.IGNORECASE):
        return fnmatch.fnmatchcase(found["spec"]["name"], given[1].replace("%", "*"))
    if given := re.fullmatch(r"\s*notebook\s*=\s*'(.*)'\s*", text, re.IGNORECASE):
        libraries = found["spec"].get("libraries") or []
        return any((one.get("notebook") or {}).get("path") == given[1] for one in libraries)
    raise invalid(f"Invalid filter '{text}'; expected name LIKE '...' or notebook='...'.")


def _declare(sim: "Simulator", request: Request) -> dict[str, Any]:
    if request.user != sim.user:
        message = "The simulator's controls need the token of the workspace's owner."
        raise ApiError(403, "PERMISSION_DENIED", message)
    declare_json(sim, request.body)
    return {}


_PATH = "/api/2.{version}/pipelines"
ROUTES = (
    Route("POST", _PATH, _create),
    Route("GET", _PATH, _list),
    Route("GET", _PATH + "/{pipeline_id}", _get),
    Route("PUT", _PATH + "/{pipeline_id}", _edit),
    Route("DELETE", _PATH + "/{pipeline_id}", _delete),
    Route("POST", "/__simulator/pipelines", _declare),
    *pipeline_events.ROUTES,
    *pipeline_updates.ROUTES,
)
