"""Checks a configuration's fields and types, as `bundle validate` reports them.

An unknown field is a warning with its place (https://docs.databricks.com/dev-tools/cli/
bundle-commands.html), a value of the wrong type an error, as is a task without what it needs.
"""

import re
from collections.abc import Collection, Mapping

from agent.simulators.bundle import fields
from agent.simulators.bundle.fields import ANY, TEXT, Shape
from agent.simulators.bundle.interpolation import REFERENCE
from agent.simulators.bundle.notes import Notes
from agent.simulators.bundle.tree import At, Node

_PRINCIPALS = dict.fromkeys(("level", "user_name", "group_name", "service_principal_name"), TEXT)
_GRANT = {"principal": TEXT, "privileges": Shape("sequence", TEXT)}
_LIFECYCLE = {"prevent_destroy": Shape("bool"), "started": Shape("bool")}
_LISTS = {"permissions": _PRINCIPALS, "grants": _GRANT}
_SOURCES: dict[str, tuple[str, ...]] = {
    "jobs": ("jobs", "JobSettings"),
    "pipelines": ("pipelines", "PipelinesAPI", "create"),
    "schemas": ("catalog", "SchemasAPI", "create"),
    "catalogs": ("catalog", "CatalogsAPI", "create"),
    "volumes": ("catalog", "VolumesAPI", "create"),
    "registered_models": ("catalog", "RegisteredModelsAPI", "create"),
    "quality_monitors": ("catalog", "QualityMonitorsAPI", "create"),
    "alerts": ("sql", "AlertV2"),
    "dashboards": ("dashboards", "Dashboard"),
    "genie_spaces": ("dashboards", "GenieSpace"),
    "experiments": ("ml", "ExperimentsAPI", "create_experiment"),
    "models": ("ml", "ModelRegistryAPI", "create_model"),
    "model_serving_endpoints": ("serving", "ServingEndpointsAPI", "create"),
    "clusters": ("compute", "ClustersAPI", "create"),
    "sql_warehouses": ("sql", "WarehousesAPI", "create"),
    "apps": ("apps", "App"),
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_GRANTED = ("catalogs", "schemas", "volumes", "registered_models")
_UNCHECKED = _words(
    "external_locations job_runs secret_scopes secrets database_instances "
    "database_catalogs synced_database_tables postgres_projects postgres_branches instance_pools "
    "postgres_endpoints vector_search_endpoints vector_search_indexes"
)
_FILES = ("file_path", "source_code_path", "embed_credentials", "config", "dataset_catalog",
          "dataset_schema", "serialized_dashboard", "serialized_space")  # fmt: skip
_TOP: dict[str, frozenset[str]] = {
    "bundle": _words(
        "name databricks_cli_version cluster_id compute_id engine git deployment uuid mode target "
        "environment terraform"
    ),
    "workspace": _words(
        "host profile auth_type root_path file_path artifact_path state_path resource_path "
        "current_user client_id account_id workspace_id google_service_account azure_client_id "
        "azure_tenant_id azure_environment azure_login_app_id azure_use_msi "
        "azure_workspace_resource_id experimental_is_unified_host"
    ),
    "presets": _words(
        "name_prefix pipelines_development trigger_pause_status jobs_max_concurrent_runs tags "
        "source_linked_deployment artifacts_dynamic_version"
    ),
}
_ROOT = _words(
    "bundle include variables workspace artifacts resources targets environments sync run_as "
    "presets permissions scripts python experimental definitions"
)
_TARGET = _words(
    "default mode workspace variables resources run_as permissions presets git sync artifacts "
    "bundle cluster_id compute_id"
)


def check_top(config: Node, notes: Notes) -> None:
    """Note unknown fields outside of the resources; before a target is applied."""
    _known(config, (), _ROOT, notes)
    for name, allowed in _TOP.items():
        _known(config.get(name), (name,), allowed, notes)
    for target, node in config.items("targets"):
        _known(node, ("targets", target), _TARGET, notes)
        for name, allowed in _TOP.items():
            _known(node.get(name), ("targets", target, name), allowed, notes)
        host = node.get("workspace", "host")
        if host is not None and host.value is None:
            at = ("targets", target, "workspace", "host")
            notes.warn("expected a string value, found null", at, host.place)


def _known(node: Node | None, at: At, allowed: Collection[str], notes: Notes) -> None:
    if node is None or not isinstance(node.value, dict):
        return
    for key, inner in node.value.items():
        if key not in allowed:
            notes.warn(f"unknown field: {key}", at, inner.key)


def check_resources(config: Node, notes: Notes) -> None:
    """Check every resource; a value that can be read as its type is changed to that type."""
    for kind, group in config.items("resources"):
        if kind not in _SOURCES and kind not in _UNCHECKED:
            notes.warn(f"unknown field: {kind}", ("resources",), group.key)
            continue
        if group.value is not None and not isinstance(group.value, dict):
            _wrong(("resources", kind), "map", group, notes)
            continue
        for key, node in config.items("resources", kind):
            at = ("resources", kind, key)
            if not isinstance(node.value, dict):
                _wrong(at, "map", node, notes)
            elif kind in _SOURCES:
                _object(node, at, _fields_of(kind), notes)
                _needs(kind, node, at, notes)


def _fields_of(kind: str) -> dict[str, Shape]:
    source = _SOURCES[kind]
    found = fields.of_class(*source) if len(source) == 2 else fields.of_call(*source)
    extra = {"grants" if kind in _GRANTED else "permissions": ANY, "lifecycle": ANY}
    if kind in ("dashboards", "alerts", "apps", "genie_spaces"):
        extra |= dict.fromkeys(_FILES, ANY)
    return found | extra


def _object(node: Node, at: At, shapes: Mapping[str, Shape], notes: Notes) -> None:
    if not isinstance(node.value, dict):
        _wrong(at, "map", node, notes)
        return
    for key, inner in node.value.items():
        if key not in shapes:
            notes.warn(f"unknown field: {key}", at, inner.key)
        elif key in _LISTS and len(at) == 3:
            _list_of(inner, (*at, key), _LISTS[key], notes)
        elif key == "lifecycle" and len(at) == 3:
            _object(inner, (*at, key), _LIFECYCLE, notes)
        else:
            check(inner, (*at, key), shapes[key], notes)


def _list_of(node: Node, at: At, shapes: Mapping[str, Shape], notes: Notes) -> None:
    if not isinstance(node.value, list):
        _wrong(at, "sequence", node, notes)
        return
    for index, item in enumerate(node.value):
        _object(item, (*at, index), shapes, notes)


def check(node: Node, at: At, shape: Shape, notes: Notes) -> None:
    """Check one value; what only a deployment knows fits everywhere."""
    if shape.sort == "any" or (isinstance(node.value, str) and REFERENCE.search(node.value)):
        return
    if node.value is None:
        if shape.sort in ("string", "int", "bool", "float"):
            notes.warn(f"expected a {shape.sort} value, found null", at, node.place)
        return
    if shape.sort == "object" and shape.source:
        _object(node, at, fields.of_class(*shape.source), notes)
    elif shape.sort in ("sequence", "map"):
        _container(node, at, shape, notes)
    elif shape.sort == "enum" and shape.source:
        values = fields.members(*shape.source)
        if isinstance(node.value, dict | list):
            _wrong(at, "string", node, notes)
        elif node.value not in values:
            text = f'invalid value "{node.value}" for enum field. Valid values are'
            notes.warn(f"{text} [{' '.join(values)}]", at, node.place)
    else:
        _scalar(node, at, shape.sort, notes)


def _container(node: Node, at: At, shape: Shape, notes: Notes) -> None:
    inner = shape.inner or ANY
    if shape.sort == "sequence" and isinstance(node.value, list):
        for index, item in enumerate(node.value):
            check(item, (*at, index), inner, notes)
    elif shape.sort == "map" and isinstance(node.value, dict):
        for key, item in node.value.items():
            check(item, (*at, key), inner, notes)
    else:
        _wrong(at, shape.sort, node, notes)


def _scalar(node: Node, at: At, sort: str, notes: Notes) -> None:
    value = node.value
    if isinstance(value, dict | list):
        _wrong(at, sort, node, notes)
    elif sort == "string" and not isinstance(value, str):
        node.value = str(value).lower() if isinstance(value, bool) else str(value)
    elif sort == "bool" and not isinstance(value, bool):
        words = {"true": True, "false": False}
        if isinstance(value, str) and value.lower() in words:
            node.value = words[value.lower()]
        else:
            _wrong(at, sort, node, notes)
    elif sort in ("int", "float") and (isinstance(value, bool) or not isinstance(value, int)):
        _number(node, at, sort, notes)


def _number(node: Node, at: At, sort: str, notes: Notes) -> None:
    value = node.value
    if isinstance(value, float) and (sort == "float" or value == int(value)):
        node.value = value if sort == "float" else int(value)
    elif isinstance(value, str) and re.fullmatch(r"[-+]?\d+", value):
        node.value = int(value)
    elif isinstance(value, str) and sort == "float" and re.fullmatch(r"[-+]?\d*\.\d+", value):
        node.value = float(value)
    elif isinstance(value, str):
        article = "an integer" if sort == "int" else "a floating point number"
        notes.error(f'cannot parse "{value}" as {article}', at, node.place)
    else:
        _wrong(at, sort, node, notes)


def _wrong(at: At, expected: str, node: Node, notes: Notes) -> None:
    notes.error(f"expected {expected}, found {_sort(node.value)}", at, node.place)


def _sort(value: object) -> str:
    if value is None:
        return "nil"
    names = {dict: "map", list: "sequence", str: "string", bool: "bool", int: "int"}
    return names.get(type(value), "float")


def _needs(kind: str, node: Node, at: At, notes: Notes) -> None:
    """Note what a deployment would be refused for."""
    if kind == "jobs":
        _needs_of_job(node, at, notes)
    for index, entry in enumerate(node.members("permissions")):
        if entry.get("level") is None:
            place = (*at, "permissions", index)
            notes.warn('required field "level" is not set', place, entry.place)


def _needs_of_job(job: Node, at: At, notes: Notes) -> None:
    clusters = {cluster.text("job_cluster_key") for cluster in job.members("job_clusters")}
    for index, task in enumerate(job.members("tasks")):
        place = (*at, "tasks", index)
        if task.text("task_key") is None:
            notes.warn('required field "task_key" is not set', place, task.place)
        used = task.get("job_cluster_key")
        if used is not None and isinstance(used.value, str) and used.value not in clusters:
            text = f"job_cluster_key {used.value} is not defined"
            notes.warn(text, (*place, "job_cluster_key"), used.place)
