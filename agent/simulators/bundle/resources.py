"""How each type of resource is created, read, changed and deleted over REST.

Paths and bodies are those that databricks-sdk sends.
"""

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote

from agent.simulators.bundle.connection import ApiRefused, Workspace

_UC = "/api/2.1/unity-catalog"
Config = dict[str, Any]


class Kind(NamedTuple):
    """One type of resource."""

    path: str
    """Of the collection; POST creates."""
    identity: Callable[[Config, Config], str]
    """The id from the settings and the reply to their creation."""
    item: str = "{path}/{id}"
    change: str = "PATCH"
    """The method that changes one."""
    inner: str | None = None
    """Where a reply holds the settings; None = they are the reply."""
    fixed: tuple[str, ...] = ()
    """Fields that cannot be changed: another value means a new resource."""
    data: bool = False
    """Deleting one may lose data: a person has to agree."""
    compares: bool = False
    """Whether the workspace gives back what was sent, so that changes made there show."""
    permits: str | None = None
    """The type in `/api/2.0/permissions/<type>/<id>`."""
    page: str = ""
    """The path of its page in the workspace's user interface."""


def _field(name: str) -> Callable[[Config, Config], str]:
    return lambda _config, reply: str(reply[name])


def _full_name(*names: str) -> Callable[[Config, Config], str]:
    return lambda config, _reply: ".".join(str(config.get(name, "")) for name in names)


KINDS: dict[str, Kind] = {
    "jobs": Kind(
        "/api/2.2/jobs/create",
        _field("job_id"),
        "/api/2.2/jobs/get",
        inner="settings",
        compares=True,
        permits="jobs",
        page="jobs/{id}",
    ),
    "pipelines": Kind(
        "/api/2.0/pipelines",
        _field("pipeline_id"),
        change="PUT",
        inner="spec",
        fixed=("catalog", "storage", "ingestion_definition"),
        data=True,
        compares=True,
        permits="pipelines",
        page="pipelines/{id}",
    ),
    "schemas": Kind(
        f"{_UC}/schemas",
        _full_name("catalog_name", "name"),
        fixed=("catalog_name", "name", "storage_root"),
        data=True,
        page="explore/data/{id}",
    ),
    "volumes": Kind(
        f"{_UC}/volumes",
        _full_name("catalog_name", "schema_name", "name"),
        fixed=("catalog_name", "schema_name", "name", "volume_type", "storage_location"),
        data=True,
        page="explore/data/volumes/{id}",
    ),
    "registered_models": Kind(
        f"{_UC}/models",
        _full_name("catalog_name", "schema_name", "name"),
        fixed=("catalog_name", "schema_name", "name", "storage_location"),
        data=True,
        page="explore/data/models/{id}",
    ),
    "quality_monitors": Kind(
        f"{_UC}/tables/{{table_name}}/monitor",
        _full_name("table_name"),
        f"{_UC}/tables/{{id}}/monitor",
        change="PUT",
        fixed=("table_name", "assets_dir"),
        page="explore/data/{id}",
    ),
    "alerts": Kind(
        "/api/2.0/alerts",
        _field("id"),
        fixed=("parent_path",),
        permits="alertsv2",
        page="sql/alerts-v2/{id}",
    ),
}


def create(workspace: Workspace, kind: str, config: Config) -> str:
    """Make one and return its id. Raises `ApiRefused`."""
    known = KINDS[kind]
    path = known.path.replace("{table_name}", str(config.get("table_name", "")))
    return known.identity(config, workspace.call("POST", path, config))


def read(workspace: Workspace, kind: str, key: str) -> Config | None:
    """Return what the workspace has, None where it is gone. Raises `ApiRefused`."""
    try:
        if kind == "jobs":
            return workspace.whole(KINDS[kind].item, job_id=key)
        found = workspace.get(_item(kind, key))
    except ApiRefused as error:
        # Unknown jobs have been answered with 400, too.
        if error.status == 404 or "does not exist" in error.message:
            return None
        raise
    return None if found.get("lifecycle_state") == "DELETED" else found


def update(workspace: Workspace, kind: str, key: str, config: Config) -> None:
    """Change one to these settings. Raises `ApiRefused`."""
    known = KINDS[kind]
    if kind == "jobs":
        body = {"job_id": int(key), "new_settings": config}
        workspace.call("POST", "/api/2.2/jobs/reset", body)
    elif kind == "alerts":
        workspace.call("PATCH", _item(kind, key), config, update_mask="*")
    elif kind in ("pipelines", "quality_monitors"):
        workspace.call(known.change, _item(kind, key), config)
    else:
        body = {name: value for name, value in config.items() if name not in known.fixed}
        workspace.call(known.change, _item(kind, key), body)


def delete(workspace: Workspace, kind: str, key: str) -> None:
    """Delete one; one that is gone is as good. Raises `ApiRefused`."""
    try:
        if kind == "jobs":
            workspace.call("POST", "/api/2.2/jobs/delete", {"job_id": int(key)})
        elif kind == "schemas":
            workspace.call("DELETE", _item(kind, key), force=True)
        else:
            workspace.call("DELETE", _item(kind, key))
    except ApiRefused as error:
        if error.status != 404 and "does not exist" not in error.message:
            raise


def _item(kind: str, key: str) -> str:
    return KINDS[kind].item.format(path=KINDS[kind].path, id=key)


def permit(workspace: Workspace, kind: str, key: str, entries: list[Config], me: str) -> None:
    """Set who may do what: the list as it is given, and its owner. Raises `ApiRefused`."""
    listed = [
        {("permission_level" if k == "level" else k): v for k, v in entry.items()}
        for entry in entries
    ]
    if not any(entry.get("permission_level") == "IS_OWNER" for entry in listed):
        listed.append({"permission_level": "IS_OWNER", "user_name": me})
    path = f"/api/2.0/permissions/{KINDS[kind].permits}/{key}"
    workspace.call("PUT", path, {"access_control_list": listed})


def url(workspace: Workspace, kind: str, key: str) -> str:
    """Return the address of a resource's page."""
    page = KINDS[kind].page.format(id=key.replace(".", "/"))
    return f"{workspace.login.host}/{quote(page)}{asking(workspace)}"


def asking(workspace: Workspace) -> str:
    """Return the query that names the workspace in an address, empty where its id is unknown."""
    return f"?o={workspace.workspace_id}" if workspace.workspace_id else ""
