"""What a deployment leaves in the workspace: the lock, its resources' ids and settings, its files.

Everything lies in `<root>/state`: `deploy.lock`, `resources.json`, `deployment.json` (which files)
and `metadata.json`. All generations of the command that this stand-in speaks like keep their state
so here; the real one kept `terraform.tfstate` instead before its direct engine.
"""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

from agent.simulators.bundle import tree
from agent.simulators.bundle.bundle import Bundle
from agent.simulators.bundle.connection import ApiRefused, Workspace
from agent.simulators.bundle.notes import Failed
from agent.simulators.bundle.syncing import File

_IMPORT = "/api/2.0/workspace-files/import-file"


class State(NamedTuple):
    """The resources of the last deployment."""

    lineage: str
    serial: int
    resources: dict[str, dict[str, Any]]
    """By `resources.jobs.x`: `__id__` and `state`, the settings as they were sent."""


def read(bundle: Bundle) -> State | None:
    """Return the state of the last deployment, None where there is none. Raises `ApiRefused`."""
    found = _document(bundle, "resources.json")
    if found is None:
        return None
    return State(str(found["lineage"]), int(found["serial"]), dict(found["state"]))


def write(bundle: Bundle, state: State, version: str) -> None:
    """Keep the state."""
    document = {
        "state_version": 2,
        "cli_version": version,
        "lineage": state.lineage,
        "serial": state.serial,
        "state": state.resources,
    }
    _put(bundle, "resources.json", document)


def first() -> State:
    """Return the state of a bundle that was never deployed."""
    return State(str(uuid.uuid4()), 0, {})


def files(bundle: Bundle) -> list[dict[str, Any]]:
    """Return the files of the last deployment."""
    found = _document(bundle, "deployment.json")
    return list(found.get("files", [])) if found else []


def write_files(bundle: Bundle, files: list[File], version: str, serial: int) -> None:
    """Keep which files there are."""
    document = {
        "version": 1,
        "seq": serial,
        "cli_version": version,
        "timestamp": datetime.now(UTC).isoformat(),
        "files": [{"local_path": f.local, "is_notebook": f.notebook} for f in files],
        "id": str(uuid.uuid4()),
    }
    _put(bundle, "deployment.json", document)


def write_metadata(bundle: Bundle, state: State) -> None:
    """Keep what the workspace's own pages show about a bundle's jobs."""
    jobs = {}
    for key, node in bundle.config.items("resources", "jobs"):
        known = state.resources.get(f"resources.jobs.{key}")
        if known is not None:
            jobs[key] = {"id": known["__id__"], "relative_path": node.key.file}
    git = bundle.config.get("bundle", "git")
    config = {
        "bundle": {"git": tree.plain(git) if git else {}, "name": bundle.text("bundle", "name")},
        "workspace": {"file_path": bundle.text("workspace", "file_path")},
        "resources": {"jobs": jobs},
    }
    _put(bundle, "metadata.json", {"version": 1, "config": config})


def _document(bundle: Bundle, name: str) -> dict[str, Any] | None:
    path = f"{bundle.state_path}/{name}"
    try:
        bundle.workspace.get("/api/2.0/workspace/get-status", path=path, return_export_info=True)
        raw = bundle.workspace.raw("/api/2.0/workspace/export", path=path, direct_download=True)
    except ApiRefused as error:
        if error.status == 404:
            return None
        raise
    try:
        found = json.loads(raw)
    except ValueError as error:
        raise Failed(f"failed to read {path}: {error}") from error
    return found if isinstance(found, dict) else None


def _put(bundle: Bundle, name: str, document: dict[str, Any]) -> None:
    raw = json.dumps(document, indent=2).encode()
    path = f"{_IMPORT}{bundle.state_path}/{name}"
    bundle.workspace.call("POST", path, raw, overwrite=True)


@contextmanager
def locked(bundle: Bundle, *, force: bool) -> Iterator[None]:
    """Hold the deployment's lock. Raises `Failed` where somebody else does.

    `force` takes it away from them. A development target has none unless it asks for one.
    """
    if bundle.config.flag("bundle", "deployment", "lock", "enabled") is False:
        _folder(bundle.workspace, bundle.state_path)
        yield
        return
    mine = _take(bundle, force=force)
    try:
        yield
    finally:
        held = _holder(bundle)
        if held and held.get("ID") == mine:
            path = f"{bundle.state_path}/deploy.lock"
            bundle.workspace.call("POST", "/api/2.0/workspace/delete", {"path": path})


def _take(bundle: Bundle, *, force: bool) -> str:
    mine = str(uuid.uuid4())
    now = datetime.now(UTC).isoformat()
    body = {"ID": mine, "AcquisitionTime": now, "IsForced": force, "User": bundle.me}
    path = f"{_IMPORT}{bundle.state_path}/deploy.lock"
    for _ in range(3):
        try:
            bundle.workspace.call("POST", path, json.dumps(body).encode(), overwrite=force)
        except ApiRefused as error:
            if error.status == 404:
                _folder(bundle.workspace, bundle.state_path)
                continue
            if error.status != 409 and "already exists" not in error.message:
                raise
        break
    held = _holder(bundle)
    if held is None:
        raise Failed(f"failed to acquire deployment lock: {bundle.state_path}/deploy.lock is gone")
    if held.get("ID") != mine:
        time = str(held.get("AcquisitionTime", "")).replace("T", " ")
        raise Failed(
            f"deploy lock acquired by {held.get('User')} at {time}. Another deployment may be in "
            "progress. Use --force-lock to override"
        )
    return mine


def _folder(workspace: Workspace, path: str) -> None:
    workspace.call("POST", "/api/2.0/workspace/mkdirs", {"path": path})


def _holder(bundle: Bundle) -> dict[str, Any] | None:
    return _document(bundle, "deploy.lock")
