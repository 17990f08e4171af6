"""What a job file for AIDP means, whichever words it is written in: data for `settings`.

The service has one word for each thing (`type`, `dependsOn` with objects, `maxRetries`), and people
bring those of other tools. A file that says the same in the right words does nothing new; so both
versions are read as the service would mean them before they are compared.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/
"""

import re
from collections.abc import Mapping
from typing import Any

from agent.code import aidpwords, spelling

_MARKS = ("taskKey", "taskType", "notebookPath", "dependsOn", "runIf", "retryCount")


def is_job(document: object) -> bool:
    """Say whether a document is a job in AIDP's words, or nearly so."""
    tasks = document.get("tasks") if isinstance(document, Mapping) else None
    return isinstance(tasks, list) and any(
        isinstance(task, Mapping)
        and (any(mark in task for mark in _MARKS) or task.get("type") in aidpwords.TYPES)
        for task in tasks
    )


def meant(document: object) -> object:
    """Return a job as the service means it; what is no mapping is returned as it is."""
    if not isinstance(document, Mapping):
        return document
    job = _words(document, aidpwords.OF_JOB)
    if isinstance(path := job.get("path"), str):
        job["path"] = aidpwords.single_slashes(path)
    job["parameters"] = _parameters(job.get("parameters"))
    tasks = job.get("tasks")
    if isinstance(tasks, list):
        job["tasks"] = [_task(task) if isinstance(task, Mapping) else task for task in tasks]
    return {key: value for key, value in job.items() if value is not None}


def _task(given: Mapping[Any, Any]) -> dict[str, Any]:
    interval = given.get("retryInterval")
    task = _words(given, aidpwords.OF_TASK)
    if interval is not None and "retryInterval" not in task:
        task["minRetryIntervalMillis"] = aidpwords.millis(str(interval)) or interval
    for field in aidpwords.PATHS:
        if isinstance(task.get(field), str):
            task[field] = aidpwords.single_slashes(task[field])
    task["type"] = _known(task.get("type"), aidpwords.TYPES)
    task["runIf"] = _known(task.get("runIf"), aidpwords.RUN_IF) or "ALL_SUCCESS"
    task["dependsOn"] = _waits(task.get("dependsOn"))
    task["parameters"] = _parameters(task.get("parameters"))
    if isinstance(task.get("cluster"), str):
        task["cluster"] = {"clusterName": task["cluster"]}
    return {key: value for key, value in task.items() if value is not None}


def _words(given: Mapping[Any, Any], words: Mapping[str, str]) -> dict[str, Any]:
    """Return a mapping in the service's words; a word beside the right one stays as it is."""
    return {
        words[str(key)] if str(key) in words and words[str(key)] not in given else str(key): value
        for key, value in given.items()
    }


def _known(value: object, known: tuple[str, ...]) -> object:
    if not isinstance(value, str) or value in known:
        return value
    return spelling.nearest(value, known, renamed=True) or value


def _waits(given: object) -> object:
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list):
        return given
    return [{"taskKey": item} if isinstance(item, str) else item for item in listed]


def _parameters(given: object) -> object:
    if not isinstance(given, list):
        return given
    return [_words(i, {"key": "name"}) if isinstance(i, Mapping) else i for i in given]


def plain_word(key: str) -> str:
    """Return `maxRetries` as `max_retries`, as the rules for other job files have it."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).lower()


def is_same_cluster(old: object, new: object) -> bool:
    """Say whether a cluster's name only takes its right form: a key or a misspelling before.

    No cluster's display name is a key, so a task that gave one could run nowhere.
    """
    if not isinstance(old, str) or not isinstance(new, str) or aidpwords.UUID.fullmatch(new):
        return False
    if aidpwords.UUID.fullmatch(old):
        return True
    return len(re.findall(r"\d", old)) == len(re.findall(r"\d", new)) and (
        spelling.score(old, new) >= spelling.ABBREVIATED + spelling.CLEAR / 2
    )
