"""Runs, task runs and jobs as the API gives them, every page of their lists.

Rules kept here: `sortBy` and `limit` go with every list, the service refuses or cuts what comes
without; lists are summaries, a run's task maps are only in the run itself; a repair keeps the key
of its run and counts up `repairKey`.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

from agent.errors import UsageError
from agent.platforms.aidp.api import Api, NotFound

PAGE = 100
"""Items that are asked for at once."""
_KEY = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{3,99}")
_UUID = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])", re.I)
_RUN_IN_URL = re.compile(r"(?:job-?runs?|runs?|jobRunKey|runKey)[/=:]([0-9A-Za-z_-]{4,100})", re.I)


class Repaired(NamedTuple):
    """One repair of a run."""

    key: int
    tasks: frozenset[str]
    """What it ran; empty where that is not told."""


def get(api: Api, run: str) -> dict[str, Any]:
    """Return a run with its tasks and the summaries of their runs. Raises `NotFound`."""
    return api.get(f"/jobRuns/{quote(run, safe='')}", shouldIncludeTaskRunSummaries=True)


def found(api: Api, run: str) -> dict[str, Any] | None:
    """Return a run, None where it is gone: where it is not found twice.

    The service answers 404 for other reasons, too.
    """
    for _ in range(2):
        try:
            return get(api, run)
        except NotFound:
            continue
    return None


def job(api: Api, key: str, *, surely: bool = False) -> dict[str, Any]:
    """Return a job with its tasks. Raises `NotFound`; `surely`: not by the first such answer."""
    path = f"/jobs/{quote(key, safe='')}"
    if surely:
        try:
            return api.get(path)
        except NotFound:
            pass
    return api.get(path)


def listed(api: Api, job_key: str, *, cap: int = 5_000) -> Iterator[dict[str, Any]]:
    """Yield a job's runs, newest first; summaries."""
    yield from api.pages(
        "/jobRuns",
        cap=cap,
        limit=min(PAGE, cap),
        jobKey=job_key,
        sortBy="timeCreated",
        sortOrder="DESC",
    )


def task_runs(api: Api, run: str) -> list[dict[str, Any]]:
    """Return all task runs of a run, oldest first, those of earlier attempts too; summaries."""
    order = "ASC"
    return [
        *api.pages("/taskRuns", limit=PAGE, jobRunKey=run, sortBy="timeCreated", sortOrder=order)
    ]


def repairs(run: dict[str, Any]) -> list[Repaired]:
    """Return the repairs of a run, oldest first, as far as the service tells them."""
    found: dict[int, frozenset[str]] = {}
    for item in run.get("repairHistory") or ():
        if isinstance(item, dict) and item.get("type") != "ORIGINAL" and _number(item.get("key")):
            found[_number(item.get("key"))] = _names(item.get("repairedTasks"))
    newest = _number(run.get("repairKey"))
    if newest and not found.get(newest):
        found[newest] = _names(run.get("repairedTasks"))
    return [Repaired(key, found[key]) for key in sorted(found)]


def newest_repair(run: dict[str, Any]) -> int:
    """Return the number of a run's newest repair, 0 where there was none."""
    return max((repair.key for repair in repairs(run)), default=0)


def named(api: Api, said: str) -> dict[str, Any]:
    """Return the run that a person names by its key, a task run's key, or an address with one.

    Raises `UsageError` where there is none.
    """
    keys = _keys(said.strip())
    for key in keys:
        try:
            return get(api, key)
        except NotFound:
            continue
    for key in keys:
        try:
            return get(api, str(api.get(f"/taskRuns/{key}").get("jobRunKey")))
        except NotFound:
            continue
    raise UsageError(
        f"there is no run {said.strip()!r} in this workspace, or it may not be read: give a run's "
        "key, or the address of its page"
    )


def _keys(said: str) -> list[str]:
    """Return what may be a run's key, the likeliest first. Raises `UsageError` for none."""
    if _KEY.fullmatch(said):
        return [said]
    found = [m[1] for m in _RUN_IN_URL.finditer(said) if _UUID.fullmatch(m[1])]
    found += [m[0] for m in reversed([*_UUID.finditer(said)])]
    if not found:
        raise UsageError(f"{said!r} is no run: give its key, or the address of its page")
    return list(dict.fromkeys(found))


def _names(listed: object) -> frozenset[str]:
    return frozenset(map(str, listed)) if isinstance(listed, list) else frozenset()


def _number(said: object) -> int:
    try:
        return int(str(said or 0))
    except ValueError:
        return 0
