"""The tasks of a run as they are now, each followed by those of the run that it started.

Rules kept here: `taskToTaskRunMap` names the current attempt at each task; `taskRunSummaryMap` and
`GET /taskRuns` also have those before a repair, which count for nothing. A task of a run that a
task started is called `parent/child`. Which field names that run is not established: the task
run's own fields are tried, then the runs of the task's job that began with it, by who started them.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from agent.platforms.aidp import runs, states
from agent.platforms.aidp.api import Api, ApiRefused, Forbidden

DEPTH = 5
"""How deep jobs that run jobs are followed."""
_NAMED = ("childJobRunKey", "nestedJobRunKey", "externalId")
_CANDIDATES = 20
_BEFORE_S = 5.0
"""Clocks of the service may differ a little between its parts."""

Document = dict[str, Any]


class Nested(NamedTuple):
    """One task, at whatever depth, by its current attempt."""

    key: str
    task: Document
    """As the job declares it; empty where nothing says so."""
    task_run: Document
    """The summary of its current attempt; empty where it was not launched."""
    run: Document
    """The run that holds it."""
    child: str | None = None
    """Key of the run that it started, of a task that runs a job."""


def nested(api: Api, run: Document, prefix: str = "", depth: int = DEPTH) -> Iterator[Nested]:
    """Yield the tasks of a run, each followed by those of the run that it started."""
    for one in own(api, run):
        started = child(api, run, one.task_run, one.task) if runs_job(one.task) else None
        key = short(f"{prefix}{one.key}")
        yield one._replace(key=key, child=started)
        if started is not None and depth > 0 and (inner := read(api, started)) is not None:
            yield from nested(api, inner, f"{key}/", depth - 1)


def own(api: Api, run: Document) -> Iterator[Nested]:
    """Yield the tasks of one run, in the order in which it declares them."""
    attempts = current(api, run)
    declared = [t for t in _listed(run.get("tasks")) if t.get("taskKey")]
    for task in declared:
        key = str(task["taskKey"])
        yield Nested(key, task, attempts.pop(key, {}), run)
    for key, attempt in attempts.items():
        yield Nested(key, _dict(attempt.get("task")), attempt, run)


def current(api: Api, run: Mapping[str, Any]) -> dict[str, Document]:
    """Return the current attempt at each task of a run, as a summary, by task key."""
    newest = {str(k): str(v) for k, v in _dict(run.get("taskToTaskRunMap")).items() if v}
    summaries = _dict(run.get("taskRunSummaryMap"))
    found = {
        key: {**_dict(summaries[attempt]), "key": attempt}
        for key, attempt in newest.items()
        if isinstance(summaries.get(attempt), dict)
    }
    if run.get("key") and (len(found) < len(newest) or not newest):
        for attempt in runs.task_runs(api, str(run["key"])):
            key = str(attempt.get("taskKey") or attempt.get("name") or "")
            if key and (newest.get(key) == attempt.get("key") or key not in newest):
                found[key] = attempt  # oldest first: without the map the last one counts
    return found


def child(
    api: Api, run: Mapping[str, Any], task_run: Mapping[str, Any], task: Mapping[str, Any]
) -> str | None:
    """Return the key of the run that a task's run started, None where it is not known."""
    attempt = str(task_run.get("key") or "")
    if not attempt or not task_run.get("startTime"):
        return None
    for name in _NAMED:
        wanted = str(task_run.get(name) or "")
        if wanted and (found := read(api, wanted)) is not None and found.get("key") == wanted:
            return wanted
    job = str(task.get("jobKey") or "")
    looks = [(task_run["startTime"], frozenset((attempt,)))]
    if runs.newest_repair(dict(run)):  # a repair goes on with the run of an attempt before
        looks.append((run.get("timeCreated") or run.get("startTime"), _attempts(run, task_run)))
    for since, attempts in looks:
        for summary in _begun(api, job, since):
            found = read(api, str(summary.get("key") or ""))
            if found is not None and _began_it(found, run, attempts):
                return str(found["key"])
    return None


def _attempts(run: Mapping[str, Any], task_run: Mapping[str, Any]) -> frozenset[str]:
    """Return the keys of all attempts at a task, as far as its run tells them."""
    every = _dict(run.get("taskRunSummaryMap"))
    same = (key for key, one in every.items() if one.get("taskKey") == task_run.get("taskKey"))
    return frozenset((*same, str(task_run.get("key"))))


def _began_it(found: Document, run: Mapping[str, Any], attempts: frozenset[str]) -> bool:
    """Return whether a run was started by one of these attempts, as far as it tells."""
    if found.get("parentTaskRunKey"):
        return found["parentTaskRunKey"] in attempts
    return bool(found.get("parentJobRunKey") and found["parentJobRunKey"] == run.get("key"))


def read(api: Api, run: str) -> Document | None:
    """Return a run with its tasks, None where it is gone or may not be read."""
    if not run:
        return None
    try:
        return runs.get(api, quote(run, safe=""))
    except (ApiRefused, Forbidden):
        return None


def runs_job(task: Mapping[str, Any]) -> bool:
    """Return whether a task runs another job."""
    return task.get("type") == "JOB_TASK"


def short(key: str) -> str:
    """Return a task's name in at most 100 characters, still its own."""
    if len(key) <= 100:
        return key
    return f"{key[:87]}~{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def _begun(api: Api, job: str, since: Any) -> Iterator[Document]:
    """Yield the runs of a job that were made since a moment, oldest first, some of them."""
    if not job:
        return
    query: dict[str, Any] = {"jobKey": job, "sortBy": "timeCreated", "sortOrder": "ASC"}
    if (began := states.moment(since)) is not None:
        query["timeCreatedGreaterThanOrEqualTo"] = states.written(began - _BEFORE_S)
    try:
        yield from api.pages("/jobRuns", cap=_CANDIDATES, limit=_CANDIDATES, **query)
    except (ApiRefused, Forbidden):
        return


def _listed(given: Any) -> list[Document]:
    return [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []


def _dict(given: Any) -> Document:
    return given if isinstance(given, dict) else {}
