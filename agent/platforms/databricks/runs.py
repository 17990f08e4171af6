"""Runs and jobs read whole: every page of their arrays, ids from numbers, links from pages.

Rules kept here: `tasks[]` and the like are cut at 100 a page; lists of runs at 24; a run's page has
two kinds of address, and only one of them ends in the run's id.

Source: https://docs.databricks.com/aws/en/reference/jobs-api-2-2-updates
"""

import re
from collections.abc import Iterator
from typing import Any

from agent.errors import UsageError
from agent.platforms.databricks.api import Api

_ARRAYS = ("tasks", "job_clusters", "job_parameters", "repair_history", "iterations")
_PAGES = 200
PAGE = 24
"""Most runs that one page of a list may have."""
_ADDRESS = re.compile(
    r"(?:[#/]job/(?:(?P<j>\d+)/)?run/|/jobs/(?P<j2>\d+)/runs/)(?P<run>\d+)(?!\d)",
)


def get(
    api: Api, run: int | str, *, history: bool = False, resolved: bool = False
) -> dict[str, Any]:
    """Return a run with all of its tasks. Raises `NotFound`.

    `history` adds `repair_history`, `resolved` the parameters with their references filled in.
    """
    query = {
        "run_id": run,
        "include_history": True if history else None,
        "include_resolved_values": True if resolved else None,
    }
    return _whole(api, "/api/2.2/jobs/runs/get", query, _ARRAYS)


def job(api: Api, job_id: int | str) -> dict[str, Any]:
    """Return a job with all of its settings. Raises `NotFound`."""
    return _whole(api, "/api/2.2/jobs/get", {"job_id": job_id}, ())


def _whole(api: Api, path: str, query: dict[str, Any], arrays: tuple[str, ...]) -> dict[str, Any]:
    first = api.get(path, **query)
    token, seen = first.get("next_page_token"), set[str]()
    while token and token not in seen and len(seen) < _PAGES:
        seen.add(token)
        page = api.get(path, **query, page_token=token)
        for name in arrays:
            if page.get(name):
                first[name] = [*(first.get(name) or ()), *page[name]]
        _add_settings(first, page)
        token = page.get("next_page_token")
    return first


def _add_settings(first: dict[str, Any], page: dict[str, Any]) -> None:
    ours, theirs = first.get("settings"), page.get("settings")
    if not isinstance(ours, dict) or not isinstance(theirs, dict):
        return
    for name in ("tasks", "job_clusters", "parameters", "environments"):
        if theirs.get(name):
            ours[name] = [*(ours.get(name) or ()), *theirs[name]]


def listed(
    api: Api, job_id: int | str, *, cap: int = PAGE, **query: Any
) -> Iterator[dict[str, Any]]:
    """Yield a job's runs, newest first; `active_only`, `completed_only`, `start_time_from` ..."""
    yield from api.pages(
        "/api/2.2/jobs/runs/list", "runs", cap=cap, job_id=job_id, limit=min(cap, PAGE), **query
    )


def number(said: str) -> int:
    """Return a run's id from what a person has: the id, or the address of the run's page.

    Raises `UsageError` for anything else.
    """
    text = said.strip()
    if text.isdecimal():
        return int(text)
    found = list(_ADDRESS.finditer(text))
    if not found:
        raise UsageError(
            f"{said!r} is no run: give its id, or the address of its page "
            "(https://HOST/jobs/JOB/runs/RUN or https://HOST/#job/JOB/run/RUN)"
        )
    return int(found[-1]["run"])


def repairs(run: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the repairs of a run that was read with its history, oldest first."""
    history = [item for item in run.get("repair_history") or () if item.get("type") == "REPAIR"]
    return sorted(history, key=lambda item: int(item.get("start_time") or 0))


def repaired_tasks(run: dict[str, Any], repair: dict[str, Any]) -> set[str]:
    """Return the keys of the tasks that a repair ran."""
    ids = {int(i) for i in repair.get("task_run_ids") or ()}
    tasks = run.get("tasks") or ()
    return {str(t.get("task_key")) for t in tasks if int(t.get("run_id") or 0) in ids}


def child(api: Api, task_run: int | str) -> int | None:
    """Return the run that a task of the type run_job started, None where it is not told."""
    from agent.platforms.databricks import outputs

    found = outputs.fetch(api, task_run).document.get("run_job_output")
    run = found.get("run_id") if isinstance(found, dict) else None
    return int(run) if run else None


def page(run: dict[str, Any]) -> str | None:
    """Return the address of a run's page."""
    return str(run["run_page_url"]) if run.get("run_page_url") else None
