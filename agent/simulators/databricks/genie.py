"""Genie spaces of the simulated workspace: definitions only, no conversations.

Rules kept here: `etag` and the serialized space are shown only when the latter is asked for; a
space written as version 1 is read back as version 2; parents are shown without `/Workspace`.
Source: https://docs.databricks.com/api/workspace/genie
"""

import hashlib
import json
from typing import TYPE_CHECKING, Any

from agent.simulators.databricks import lakehouse
from agent.simulators.databricks.pipeline_events import moment
from agent.simulators.databricks.wire import ApiError, Request, invalid, missing
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

KIND = "genie_space"
_DECLARED = "genie_refusal"
_FIELDS = ("title", "description", "warehouse_id", "parent_path")


def declare_refusal(sim: "Simulator", title: str, message: str | None) -> None:
    """Answer writes of the space of this title with 500 INTERNAL_ERROR; None = no more.

    The service is known to answer an empty message, and "Failed to retrieve schema from unity
    catalog.".
    """
    with sim.lock:
        if message is None:
            sim.store.delete(_DECLARED, title)
        else:
            sim.store.put(_DECLARED, title, {"message": message})


def _serialized(request: Request) -> str | None:
    """Return the space as it is read back. Raises `ApiError` (400) where it is not one."""
    text = request.text("serialized_space", None)
    if text is None:
        return None
    try:
        space = json.loads(text)
    except ValueError as error:
        raise invalid("Invalid JSON in field 'serialized_space'") from error
    if not isinstance(space, dict) or not isinstance(space.get("version"), int):
        raise invalid("Invalid JSON in field 'serialized_space'")
    sources = space.get("data_sources", {})
    config, instructions = space.get("config", {}), space.get("instructions", {})
    parts = (sources, config, instructions)
    if not all(isinstance(one, dict) for one in parts) or "name" in config:
        raise invalid("Invalid JSON in field 'serialized_space'")
    listed = [*sources.get("tables", []), *sources.get("metric_views", [])]
    listed_well = all(isinstance(one, dict) and "identifier" in one for one in listed)
    lists = [config.get("sample_questions", []), *instructions.values()]
    if not listed_well or not all(isinstance(one, list) for one in lists):
        raise invalid("Invalid JSON in field 'serialized_space'")
    if space["version"] == 1:
        space = {**space, "version": 2, "data_sources": sources}
    return json.dumps(space)


def _shown(key: str, found: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    shown = {name: found[name] for name in _FIELDS if found.get(name)}
    shown |= {"space_id": key, **{name: found[name] for name in ("create_time", "update_time")}}
    if whole:
        shown |= {"serialized_space": found["serialized_space"], "etag": _etag(found)}
    return shown


def _etag(found: dict[str, Any]) -> str:
    text = json.dumps({**found, "update_time": ""}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _need(sim: "Simulator", request: Request) -> dict[str, Any]:
    found = sim.store.get(KIND, request.args["space_id"])
    if found is None:
        raise missing(f"Unable to get space [{request.args['space_id']}]. Space does not exist.")
    return found


def _refuse(sim: "Simulator", title: str) -> None:
    if (found := sim.store.get(_DECLARED, title)) is not None:
        raise ApiError(500, "INTERNAL_ERROR", found["message"])


def _create(sim: "Simulator", request: Request) -> dict[str, Any]:
    request.text("warehouse_id")
    space = _serialized(request)
    if space is None:
        raise invalid("Missing required field: serialized_space")
    now = moment(sim.clock.now_ms())
    parent = request.text("parent_path", "") or f"/Users/{request.user}"
    found = {
        "title": request.text("title", "New Space"),
        "description": request.text("description", ""),
        "warehouse_id": request.text("warehouse_id"),
        "parent_path": parent.removeprefix("/Workspace"),
        "serialized_space": space,
        "create_time": now,
        "update_time": now,
    }
    _refuse(sim, found["title"])
    key = lakehouse.identity(sim, "genie", str(sim.store.number())).replace("-", "")
    sim.store.put(KIND, key, found)
    return _shown(key, found, whole=True)


def _get(sim: "Simulator", request: Request) -> dict[str, Any]:
    found = _need(sim, request)
    whole = request.flag("include_serialized_space")
    return _shown(request.args["space_id"], found, whole=whole)


def _list(sim: "Simulator", request: Request) -> dict[str, Any]:
    found = sim.store.items(KIND)
    size = request.number("page_size", default=20) or 20
    begin = int(request.page() or 0)
    page = [_shown(key, one, whole=False) for key, one in found[begin : begin + size]]
    more = {"next_page_token": str(begin + size)} if begin + size < len(found) else {}
    return {"spaces": page, **more}


def _edit(sim: "Simulator", request: Request) -> dict[str, Any]:
    found = _need(sim, request)
    etag = request.text("etag", None)
    if etag is not None and etag != _etag(found):
        message = "The space was changed since it was read (etag mismatch). Read it again."
        raise ApiError(409, "ABORTED", message)
    space = _serialized(request)
    changed = found | {name: request.body[name] for name in _FIELDS if name in request.body}
    changed["parent_path"] = str(changed["parent_path"]).removeprefix("/Workspace")
    if space is not None:
        changed["serialized_space"] = space
    _refuse(sim, changed["title"])
    changed["update_time"] = moment(sim.clock.now_ms())
    sim.store.put(KIND, request.args["space_id"], changed)
    return _shown(request.args["space_id"], changed, whole=True)


def _trash(sim: "Simulator", request: Request) -> dict[str, Any]:
    _need(sim, request)
    sim.store.delete(KIND, request.args["space_id"])
    return {}


_PATH = "/api/2.{version}/genie/spaces"
ROUTES = (
    Route("POST", _PATH, _create),
    Route("GET", _PATH, _list),
    Route("GET", _PATH + "/{space_id}", _get),
    Route("PATCH", _PATH + "/{space_id}", _edit),
    Route("DELETE", _PATH + "/{space_id}", _trash),
)
