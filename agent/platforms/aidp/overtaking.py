"""What happened about an ended run meanwhile: then nothing of ours may come on top of it.

Rules kept here: a repair that is not ours, an active run of the job, a newer run that succeeded;
what skipped a run of ours is told as well; tasks that may still write are nobody's to run over.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/ (listJobRuns)
"""

from typing import Any

from agent.platforms.aidp import asking, runs, states, writing
from agent.platforms.aidp.api import Api, ApiRefused, Forbidden

_MOST = 2_000
"""Runs of the job that are read to find the one in question."""


def said(api: Api, key: str, job: str, newest: int, now_s: float) -> str | None:
    """Say what stands in the way of running an ended run again, None where nothing does.

    `newest`: its newest repair that we know of. Raises `Unavailable` while its tasks may still end
    by themselves.
    """
    run = runs.found(api, key)
    if run is None:
        return None
    if runs.newest_repair(run) > newest:
        return f"run {key} was repaired by somebody else (repair {runs.newest_repair(run)})"
    if states.status(run) == states.BLOCKED:
        return f"run {key} is BLOCKED and may go on: cancel it first"
    if states.ended(run) and (why := writing.lasting(api, run, now_s)) is not None:
        return why
    return None if _continuous(api, job) else _others(api, key, job)


def _others(api: Api, key: str, job: str) -> str | None:
    newer = True
    for number, other in enumerate(runs.listed(api, job, cap=_MOST)):
        if str(other["key"]) == key:
            newer = False
            continue
        if not newer and number >= runs.PAGE:
            return None
        if states.status(other) and not states.ended(other):
            return f"run {other['key']} of the job is active ({_word(other)})"
        if newer and states.status(other) == "SUCCESS":
            return f"run {other['key']} of the job has succeeded since"
    return None


def _word(run: dict[str, Any]) -> str:
    return states.status(run).lower().replace("_", " ")


def _continuous(api: Api, job: str) -> bool:
    try:
        return asking.goes_on(runs.job(api, job))
    except (ApiRefused, Forbidden):
        return False
