"""When jobs start by themselves: schedules and continuous jobs.

Rules kept here: a schedule without `pauseStatus` is not paused; each firing makes a run, SKIPPED
where the job's limit is reached; firings that went by while the simulator was off are left out; a
continuous job begins again a moment after its run ended.
Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aidug/configure-jobs.html
"""

from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import beginning, cron, rundocs
from agent.simulators.aidp.beginning import Wanted

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

KIND = "schedule"
_GAP_MS = 10_000
"""Between the end of a continuous job's run and the next one."""


def changed(sim: "Simulator", job: dict[str, Any]) -> None:
    """Take note of a job that was made or changed."""
    schedule, continuous = job.get("schedule"), job.get("continuous")
    now = sim.clock.now_ms()
    if schedule and schedule.get("pauseStatus") != "PAUSED":
        words = {"cron": schedule["quartzCronExpression"], "zone": schedule["timezoneId"]}
        sim.store.put(KIND, job["key"], {**words, "next": _next(words, now)})
    elif continuous and continuous.get("pauseStatus") != "PAUSED":
        sim.store.put(KIND, job["key"], {"cron": None, "next": now})
    else:
        forget(sim, job["key"])


def forget(sim: "Simulator", job_key: str) -> None:
    """Start no more runs of a job."""
    sim.store.delete(KIND, job_key)


def _next(document: dict[str, Any], after_ms: int) -> int | None:
    return cron.after(cron.parse(document["cron"], document["zone"]), after_ms)


def skip_missed(sim: "Simulator") -> None:
    """Leave out what would have been started while the simulator was off."""
    now = sim.clock.now_ms()
    for key, document in sim.store.items(KIND):
        if document["cron"] is not None and (document["next"] or now) < now:
            sim.store.put(KIND, key, document | {"next": _next(document, now)})


def due(sim: "Simulator") -> tuple[int, str] | None:
    """Return when which job starts a run next; None = no job does."""
    found = []
    busy: set[str] | None = None
    for key, document in sim.store.items(KIND):
        if document["next"] is None:
            continue
        if document["cron"] is None:
            if busy is None:
                busy = {str(one["jobKey"]) for _, one in sim.store.items(rundocs.ACTIVE)}
            if key in busy:
                continue
        found.append((int(document["next"]), key))
    return min(found, default=None)


def fire(sim: "Simulator", job_key: str, at_ms: int) -> None:
    """Start the run that is due."""
    document, job = sim.store.get(KIND, job_key), sim.store.get("job", job_key)
    if document is None or job is None:
        forget(sim, job_key)
        return
    if document["cron"] is not None:
        sim.store.put(KIND, job_key, document | {"next": _next(document, at_ms)})
    beginning.begin(sim, Wanted(job=job, user=job["createdBy"], launched="SCHEDULED"), at_ms)


def ended(sim: "Simulator", job_key: str, at_ms: int) -> None:
    """Note that a run of a job ended: a continuous one is started again."""
    document = sim.store.get(KIND, job_key)
    if document is not None and document["cron"] is None:
        sim.store.put(KIND, job_key, document | {"next": at_ms + _GAP_MS})
