"""What a job's definition is made of: its words on the wire, their types, which must be there.

Only what is documented. A word that is not here is passed on as it is, for the service may be newer
than we are; one that is nearly a word from here, or that the UI and older helpers use instead, is
taken for a mistake.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Union

from agent.code import aidpwords


class Words(NamedTuple):
    """One of some fixed words."""

    known: tuple[str, ...]


class Listed(NamedTuple):
    """A list of something."""

    of: "Type"


class Shape(NamedTuple):
    """An object."""

    name: str
    """What it is called: `task`, `schedule` ..."""
    fields: Mapping[str, "Type"]
    required: tuple[str, ...] = ()
    meant: Mapping[str, str] = MappingProxyType({})
    """What is written by mistake: the field that is meant."""


Type = Union[str, Words, Listed, Shape]  # noqa: UP007  names that are defined later
"""`text`, `number`, `boolean`, `any`, or one of the classes above."""

PAUSE = Words(("PAUSED", "UNPAUSED"))
RUN_IF = Words(aidpwords.RUN_IF)
TYPES = Words((*aidpwords.TYPES, "SPARK_SUBMIT_TASK"))
"""The last one is a word of the service without a documented shape."""
ON_CLUSTER = aidpwords.WITH_CLUSTER
"""Types of task that need a cluster; the others have none."""

PARAMETER = Shape(
    "parameter", {"name": "text", "value": "text"}, ("name",), {"key": "name", "default": "value"}
)
_GIT = Shape(
    "gitConfig",
    {
        "provider": Words(("GITHUB", "BITBUCKET", "GITLAB", "OCI_DEVOPS")),
        "credential": "text",
        "repositoryUrl": "text",
        "branch": "text",
    },
)
_NEW_CLUSTER = Shape(
    "newCluster",
    {
        "numWorkers": "number",
        "autoScale": Shape("autoScale", {"minWorkers": "number", "maxWorkers": "number"}),
        "clusterName": "text",
        "sparkVersion": "text",
        "sparkConf": "text",
    },
)
CLUSTER = Shape(
    "cluster",
    {"clusterKey": "text", "clusterName": "text", "newCluster": _NEW_CLUSTER},
    meant={"key": "clusterKey", "displayName": "clusterName", "name": "clusterName"},
)
_DEPENDENCY = Shape("dependsOn", {"taskKey": "text", "outcome": "text"}, ("taskKey",))
_EXPRESSION = Shape("expression", {"key": "text", "value": "text"}, ("key", "value"))
_NAMES_OF_OTHERS = {
    "taskType": "type",
    "name": "taskKey",
    "displayName": "taskKey",
    "retryCount": "maxRetries",
    "retryInterval": "minRetryIntervalMillis",
    "retryOnTimeout": "isRetryOnTimeout",
    "clusterName": "cluster",
    "clusterKey": "cluster",
    "existing_cluster_id": "cluster",
    "job_cluster_key": "cluster",
    "base_parameters": "parameters",
    "python_file": "filePath",
    "notebook_task": "notebookPath",
    "spark_python_task": "filePath",
}
_COMMON: dict[str, Type] = {
    "type": TYPES,
    "taskKey": "text",
    "runIf": RUN_IF,
    "dependsOn": Listed(_DEPENDENCY),
    "maxRetries": "number",
    "minRetryIntervalMillis": "number",
    "isRetryOnTimeout": "boolean",
}
_ON_CLUSTER: dict[str, Type] = {
    "cluster": CLUSTER,
    "source": Words(("WORKSPACE", "GIT_PROVIDER")),
    "gitConfig": _GIT,
    "timeoutSeconds": "number",
    "isStreaming": "boolean",
}
_PARAMETERS: dict[str, Type] = {"parameters": Listed(PARAMETER)}
_ALWAYS = ("type", "taskKey", "runIf")


def _task(fields: Mapping[str, Type], *required: str) -> Shape:
    return Shape("task", {**_COMMON, **fields}, (*_ALWAYS, *required), _NAMES_OF_OTHERS)


TASKS: Mapping[str, Shape] = {
    "NOTEBOOK_TASK": _task(
        {"notebookPath": "text", **_ON_CLUSTER, **_PARAMETERS}, "notebookPath", "cluster"
    ),
    "PYTHON_TASK": _task(
        {"filePath": "text", "commandLineArguments": "text", **_ON_CLUSTER}, "filePath", "cluster"
    ),
    "JAR_TASK": _task(
        {
            "mainClass": "text",
            "dependentLibraries": Listed("text"),
            "commandLineArguments": "text",
            **_ON_CLUSTER,
            **_PARAMETERS,
        },
        "mainClass",
        "cluster",
    ),
    "IF_ELSE_TASK": _task(
        {"expressions": Listed(_EXPRESSION), "condition": "text", **_PARAMETERS},
        "expressions",
        "condition",
    ),
    "JOB_TASK": _task({"jobKey": "text", "timeoutSeconds": "number", **_PARAMETERS}, "jobKey"),
    "AGENT_TASK": _task(
        {"agentKey": "text", "prompt": "text", **_PARAMETERS}, "agentKey", "prompt"
    ),
}
"""By type; those whose shape is documented."""
ANY_TASK = _task({})
"""Of a task whose type is not known."""

SCHEDULE = Shape(
    "schedule",
    {"quartzCronExpression": "text", "timezoneId": "text", "pauseStatus": PAUSE},
    ("quartzCronExpression", "timezoneId"),
    {"cron": "quartzCronExpression", "timezone": "timezoneId"},
)
JOB = Shape(
    "job",
    {
        "name": "text",
        "description": "text",
        "path": "text",
        "maxConcurrentRuns": "number",
        "jobClusters": Listed(CLUSTER),
        "tasks": Listed(ANY_TASK),
        "parameters": Listed(PARAMETER),
        "schedule": SCHEDULE,
        "continuous": Shape("continuous", {"pauseStatus": PAUSE}),
        "queue": Shape("queue", {"isEnabled": "boolean"}, ("isEnabled",), {"enabled": "isEnabled"}),
        "gitConfig": _GIT,
        "runAs": "text",
        "timeoutSeconds": "number",
    },
    meant={"displayName": "name", "jobName": "name", "folder": "path"},
)

READ_ONLY = frozenset(
    ("key", "createdBy", "createdByName", "updatedBy", "updatedByName", "timeCreated")
) | {"timeUpdated"}
"""Fields of a job that only the service fills in: they are not sent back."""
FILES = (("NOTEBOOK_TASK", "notebookPath"), ("PYTHON_TASK", "filePath"))
"""Which field of which task names its main file; a JAR_TASK's libraries are files too."""
