"""Which fields a bundle's resources have, by where they stand, and where things are in its YAML.

Only the fields that people write by hand are listed: a word that is near none of them is left to a
person.

Source: https://docs.databricks.com/aws/en/dev-tools/bundles/reference
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from yaml.nodes import MappingNode, Node, ScalarNode

from agent.code import yamltext

Path = tuple[str, ...]

_FIELDS = {
    "root": "bundle include variables workspace artifacts resources targets sync run_as presets "
    "permissions scripts python experimental",
    "bundle": "name databricks_cli_version cluster_id compute_id engine git deployment uuid",
    "target": "default mode workspace variables resources run_as permissions presets git sync "
    "artifacts bundle cluster_id",
    "workspace": "host profile auth_type root_path file_path artifact_path state_path",
    "resources": "jobs pipelines models experiments model_serving_endpoints registered_models "
    "quality_monitors schemas volumes clusters dashboards genie_spaces apps secret_scopes alerts "
    "sql_warehouses",
    "job": "name description tasks job_clusters environments parameters schedule trigger "
    "continuous queue tags timeout_seconds max_concurrent_runs email_notifications "
    "webhook_notifications notification_settings health git_source run_as permissions "
    "performance_target budget_policy_id",
    "task": "task_key depends_on description run_if notebook_task spark_python_task "
    "python_wheel_task spark_jar_task sql_task dbt_task pipeline_task run_job_task condition_task "
    "for_each_task dashboard_task environment_key job_cluster_key existing_cluster_id new_cluster "
    "libraries max_retries min_retry_interval_millis retry_on_timeout timeout_seconds "
    "email_notifications webhook_notifications notification_settings health "
    "disable_auto_optimization",
    "notebook_task": "notebook_path base_parameters source warehouse_id",
    "spark_python_task": "python_file parameters source",
    "sql_task": "warehouse_id alert dashboard file parameters query",
    "run_job_task": "job_id job_parameters notebook_params python_named_params python_params "
    "sql_params dbt_commands jar_params pipeline_params",
    "pipeline_task": "pipeline_id full_refresh",
    "dbt_task": "commands catalog profiles_directory project_directory schema source warehouse_id",
    "python_wheel_task": "package_name entry_point named_parameters parameters",
    "environment": "environment_key spec",
    "spec": "client dependencies environment_version base_environment",
    "pipeline": "name catalog schema target libraries root_path configuration continuous "
    "development channel edition photon serverless clusters environment notifications storage "
    "tags permissions run_as parameters",
    "library": "file glob jar maven notebook whl",
    "schedule": "quartz_cron_expression timezone_id pause_status",
}

_OPTION = re.compile(r"--([A-Za-z][\w-]*)(?:=(.*))?", re.DOTALL)


class Place(NamedTuple):
    """A pair somewhere in the file, and the mapping it is in."""

    path: Path
    """Keys from the root to the mapping, members of lists as `[]`."""
    mapping: MappingNode
    pair: yamltext.Pair


def pairs(root: MappingNode) -> Iterator[Place]:
    """Yield every pair of the file, with where it is."""
    yield from _pairs(root, ())


def _pairs(node: Node, path: Path) -> Iterator[Place]:
    if isinstance(node, MappingNode):
        for pair in yamltext.pairs(node):
            yield Place(path, node, pair)
            yield from _pairs(pair.value, (*path, str(pair.key.value)))
    else:
        for item in yamltext.items(node):
            yield from _pairs(item, (*path, "[]"))


def fields(path: Path) -> tuple[str, ...]:
    """Return the fields of the mapping at a path; empty where they are not known."""
    if path[:1] == ("targets",):
        path = path[2:] if len(path) > 2 else ("target",)
    kind = _kind(path)
    return tuple(_FIELDS.get(kind, "").split())


def _kind(path: Path) -> str:
    match path:
        case ():
            return "root"
        case ("resources", "jobs", _):
            return "job"
        case ("resources", "pipelines", _):
            return "pipeline"
        case (*_, "tasks", "[]"):
            return "task"
        case (*_, "environments", "[]"):
            return "environment"
        case (*_, "libraries", "[]") if "pipelines" in path:
            return "library"
    return path[-1]


def options(node: Node) -> str | None:
    """Return `["--day", "1", "--client=2"]` as a mapping in flow style, None for other lists."""
    words = yamltext.items(node)
    found: dict[str, str] = {}
    at = 0
    while at < len(words):
        word = words[at]
        option = _OPTION.fullmatch(str(word.value)) if isinstance(word, ScalarNode) else None
        value = option[2] if option else None
        if option and value is None and at + 1 < len(words):
            at += 1
            following = words[at]
            value = str(following.value) if isinstance(following, ScalarNode) else None
            value = None if value is None or value.startswith("--") else value
        if option is None or value is None:
            return None
        found[option[1].replace("-", "_")] = value
        at += 1
    if not found:
        return None
    return "{" + ", ".join(f"{k}: {yamltext.quoted(v, chr(34))}" for k, v in found.items()) + "}"
