"""The words of an AIDP job: the service's own, and what other tools call the same.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/
"""

import re

TYPES = ("NOTEBOOK_TASK", "PYTHON_TASK", "JAR_TASK", "IF_ELSE_TASK", "JOB_TASK", "AGENT_TASK")
WITH_CLUSTER = TYPES[:3]
RUN_IF = (
    "ALL_SUCCESS",
    "ALL_DONE",
    "NONE_FAILED",
    "AT_LEAST_ONE_SUCCESS",
    "ALL_FAILED",
    "AT_LEAST_ONE_FAILED",
)
OF_JOB = {"displayName": "name", "display_name": "name", "max_concurrent_runs": "maxConcurrentRuns"}
"""Words that are used for a key of the job, and what AIDP calls it."""
OF_TASK = {
    "taskType": "type",
    "task_type": "type",
    "task_key": "taskKey",
    "depends_on": "dependsOn",
    "run_if": "runIf",
    "notebook_path": "notebookPath",
    "retryCount": "maxRetries",
    "max_retries": "maxRetries",
    "retryInterval": "minRetryIntervalMillis",
    "min_retry_interval_millis": "minRetryIntervalMillis",
    "retryOnTimeout": "isRetryOnTimeout",
    "retry_on_timeout": "isRetryOnTimeout",
    "timeout_seconds": "timeoutSeconds",
}
PATHS = ("notebookPath", "filePath")

UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""A key of the service."""


LONGEST_MS = 600_000
"""The service's limit for the time between two attempts."""


def single_slashes(path: str) -> str:
    """Return a path without empty parts; an address stays as it is."""
    return path if "://" in path else re.sub(r"/{2,}", "/", path)


def millis(value: str) -> int | None:
    """Return a time between attempts in ms: `30s`, `5m`, plain seconds, or ms already.

    Up to 600 can only be seconds and from 1,000 on only ms, as the limit is ten minutes. None where
    the unit is in doubt or the limit is passed.
    """
    found = re.fullmatch(r"(\d{1,7})\s*(ms|s|m|min|sec)?", value)
    if found is None:
        return None
    number, unit = int(found[1]), found[2]
    if unit is None and LONGEST_MS // 1000 < number < 1000:
        return None
    if unit is None:
        unit = "s" if number <= LONGEST_MS // 1000 else "ms"
    said = number * {"ms": 1, "s": 1000, "sec": 1000, "m": 60_000, "min": 60_000}[unit]
    return said if said <= LONGEST_MS else None
