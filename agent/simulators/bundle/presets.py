"""What a target's mode, its presets and the command itself add to a configuration.

https://docs.databricks.com/dev-tools/bundles/deployment-modes.html
"""

import re
from typing import Any

from agent.simulators.bundle import tree
from agent.simulators.bundle.notes import Notes
from agent.simulators.bundle.tree import Node

_NAMES = {
    "jobs": "name",
    "pipelines": "name",
    "models": "name",
    "model_serving_endpoints": "name",
    "dashboards": "display_name",
    "alerts": "display_name",
    "genie_spaces": "title",
    "clusters": "cluster_name",
}
_LEVELS = {
    ("jobs", "CAN_RUN"): "CAN_MANAGE_RUN",
    ("model_serving_endpoints", "CAN_RUN"): "CAN_QUERY",
    ("dashboards", "CAN_VIEW"): "CAN_READ",
    ("alerts", "CAN_VIEW"): "CAN_READ",
}
_PERMITTED = ("jobs", "pipelines", "dashboards", "alerts", "model_serving_endpoints", "clusters")


def short_name(user: str) -> str:
    """Return a user's name as it goes into names: `first_last` of `first.last@example.com`."""
    return re.sub(r"[^A-Za-z0-9]+", "_", user.partition("@")[0]).strip("_").lower()


def place(config: Node, me: dict[str, Any], host: str, notes: Notes) -> None:
    """Say who is asking and where the bundle lies in the workspace; before references resolve."""
    user = str(me.get("userName", ""))
    if config.text("bundle", "mode") == "production" and config.get("run_as") is None:
        _check_root(config, notes)
    config.put({**me, "short_name": short_name(user)}, "workspace", "current_user")
    config.put(host, "workspace", "host")
    config.setdefault("~/.bundle/${bundle.name}/${bundle.target}", "workspace", "root_path")
    root = config.text("workspace", "root_path") or ""
    if root.startswith("~/"):
        root = f"/Users/{user}/{root[2:]}"
    root = absolute(root)
    config.put(root, "workspace", "root_path")
    for name, folder in (("file", "files"), ("artifact", "artifacts"), ("state", "state")):
        config.setdefault(f"{root}/{folder}", "workspace", f"{name}_path")
        given = config.text("workspace", f"{name}_path") or ""
        config.put(absolute(given), "workspace", f"{name}_path")
    config.setdefault(f"{root}/resources", "workspace", "resource_path")


def absolute(path: str) -> str:
    """Return a workspace path as the command shows it, with `/Workspace` before `/Users`."""
    outside = not path.startswith(("/Workspace/", "/Volumes/", "${"))
    return f"/Workspace{path}" if outside and path.startswith(("/Users/", "/Shared/")) else path


def apply(config: Node, notes: Notes) -> None:
    """Apply the mode, the presets and what is set for the whole bundle to each resource."""
    mode = config.text("bundle", "mode")
    short = config.text("workspace", "current_user", "short_name") or ""
    if mode == "development":
        config.setdefault(f"[dev {short}] ", "presets", "name_prefix")
        config.setdefault(True, "presets", "pipelines_development")
        config.setdefault("PAUSED", "presets", "trigger_pause_status")
        config.setdefault(4, "presets", "jobs_max_concurrent_runs")
        config.setdefault(short, "presets", "tags", "dev")
        config.setdefault(False, "bundle", "deployment", "lock", "enabled")
        _check_development(config, notes)
    elif mode == "production":
        _check_production(config, notes)
    elif mode is not None:
        at, where = ("bundle", "mode"), config.get("bundle", "mode")
        text = f"unsupported value '{mode}' specified for 'mode': must be either 'development' or"
        notes.error(f"{text} 'production'", at, where.place if where else tree.NOWHERE)
    for kind, _ in config.items("resources"):
        for _, node in config.items("resources", kind):
            _preset(config, kind, node)
            _bundle_wide(config, kind, node)
    for _, job in config.items("resources", "jobs"):
        _complete_job(config, job)
    for _, pipeline in config.items("resources", "pipelines"):
        pipeline.setdefault({"kind": "BUNDLE"}, "deployment")
        pipeline.setdefault(_metadata(config), "deployment", "metadata_file_path")
        pipeline.setdefault("CURRENT", "channel")
        pipeline.setdefault("ADVANCED", "edition")


def _metadata(config: Node) -> str:
    return f"{config.text('workspace', 'state_path')}/metadata.json"


def _complete_job(config: Node, job: Node) -> None:
    job.put({"kind": "BUNDLE", "metadata_file_path": _metadata(config)}, "deployment")
    job.put("UI_LOCKED", "edit_mode")
    job.put("MULTI_TASK", "format")
    job.setdefault(1, "max_concurrent_runs")
    job.setdefault({"enabled": True}, "queue")


def _preset(config: Node, kind: str, node: Node) -> None:
    prefix = config.text("presets", "name_prefix") or ""
    field = _NAMES.get(kind)
    if field and prefix and (name := node.text(field)) is not None:
        node.put(prefix + name, field)
    if kind in ("schemas", "registered_models") and prefix and (name := node.text("name")):
        node.put(re.sub(r"[^A-Za-z0-9]+", "_", prefix).strip("_").lower() + "_" + name, "name")
    if kind == "jobs":
        _preset_job(config, node)
    elif kind == "pipelines" and config.flag("presets", "pipelines_development"):
        node.setdefault(True, "development")
        node.put(False, "continuous")
    elif kind in ("quality_monitors", "alerts") and node.get("schedule") is not None:
        _pause(config, node, "schedule")
    if kind == "pipelines":
        _tag(config, node)


def _preset_job(config: Node, job: Node) -> None:
    for field in ("schedule", "trigger", "continuous"):
        if job.get(field) is not None:
            _pause(config, job, field)
    concurrent = config.get("presets", "jobs_max_concurrent_runs")
    if concurrent is not None and concurrent.value:
        job.setdefault(concurrent.value, "max_concurrent_runs")
    _tag(config, job)


def _pause(config: Node, node: Node, field: str) -> None:
    status = config.text("presets", "trigger_pause_status")
    if status:
        node.setdefault(status, field, "pause_status")


def _tag(config: Node, node: Node) -> None:
    for tag, value in config.items("presets", "tags"):
        node.setdefault(tree.plain(value), "tags", tag)


def _bundle_wide(config: Node, kind: str, node: Node) -> None:
    run_as = config.get("run_as")
    if run_as is not None and kind == "jobs":
        node.setdefault(tree.plain(run_as), "run_as")
    if kind not in _PERMITTED:
        return
    for wide in config.members("permissions"):
        entry = tree.plain(wide)
        level = str(entry.get("level", ""))
        entry["level"] = _LEVELS.get((kind, level), level)
        given = [tree.plain(member) for member in node.members("permissions")]
        if entry not in given:
            node.put([*given, entry], "permissions")


def _check_development(config: Node, notes: Notes) -> None:
    user = config.text("workspace", "current_user", "userName") or ""
    short = config.text("workspace", "current_user", "short_name") or ""
    root = config.get("workspace", "root_path")
    path = str(root.value) if root else ""
    if root and user not in path and short not in path:
        notes.error(
            "target with 'mode: development' must deploy to a location unique to the user, and "
            "should e.g. set 'root_path' to '~/.bundle/${bundle.name}/${bundle.target}' to ensure "
            "uniqueness",
            ("workspace", "root_path"),
            root.place,
        )


def _check_production(config: Node, notes: Notes) -> None:
    for key, node in config.items("resources", "pipelines"):
        if node.flag("development"):
            text = "target with 'mode: production' cannot include a pipeline with"
            at = ("resources", "pipelines", key, "development")
            notes.error(f"{text} 'development: true'", at, node.key)


def _check_root(config: Node, notes: Notes) -> None:
    if config.get("workspace", "root_path") is None:
        where = config.get("bundle", "mode")
        notes.error(
            "target with 'mode: production' must set 'workspace.root_path' to make sure only one "
            "copy is deployed",
            ("targets", config.text("bundle", "target") or ""),
            where.place if where else tree.NOWHERE,
        )
