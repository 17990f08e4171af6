"""What moves runs on: how they begin, what is due in each, and what follows from it at once.

Source: https://docs.databricks.com/aws/en/jobs/
"""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.simulators import timeline
from agent.simulators.databricks import execution, graph, jobsettings, rundocs
from agent.simulators.databricks.jobsettings import Settings
from agent.simulators.databricks.rundocs import Attempt, Run
from agent.simulators.timeline import Event

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

CONTINUOUS = "continuous"
STOPPING_MS = 1000
"""How long a run that was cancelled or timed out still takes to end."""
_QUEUED_MS = 48 * 3600 * 1000
_GAP_MS = 10_000
_LONGEST_GAP_MS = 600_000


class Wanted(NamedTuple):
    """A run that somebody asks for."""

    settings: Settings
    job_id: int
    name: str
    user: str
    run_type: str = "JOB_RUN"
    trigger: str = "ONE_TIME"
    given: dict[str, Any] = {}
    """Parameters by kind, as `run-now` takes them, without `job_parameters`."""
    job_parameters: dict[str, Any] = {}
    only: tuple[str, ...] | None = None
    queue: bool | None = None
    """None = as the job says."""
    parent: dict[str, Any] | None = None
    """`run_id` and `task_run_id` of the task that runs this job."""
    token: str | None = None


def begin(sim: "Simulator", wanted: Wanted, at_ms: int) -> Run:
    """Make a run: it waits, is skipped or begins, as the job's limit has it."""
    settings = wanted.settings
    run: Run = {
        "run_id": sim.store.number(),
        "job_id": wanted.job_id,
        "name": wanted.name,
        "creator": wanted.user,
        "run_type": wanted.run_type,
        "trigger": wanted.trigger,
        "format": settings.get("format") or "MULTI_TASK",
        "settings": settings,
        "given": wanted.given,
        "parameters": rundocs.parameters_of(settings, wanted.job_parameters),
        "only": wanted.only,
        "created": at_ms,
        "begin": at_ms,
        "state": "PENDING",
        "attempts": [],
        "repairs": [],
        "parent": wanted.parent,
        "token": wanted.token,
    }
    for spec in jobsettings.listed(settings, "tasks"):
        rundocs.new_attempt(sim, run, spec, at_ms)
    _admit(sim, run, wanted.queue)
    rundocs.save(sim, run)
    return run


def _admit(sim: "Simulator", run: Run, queue: bool | None) -> None:
    if run["run_type"] != "JOB_RUN" or _room(sim, run["job_id"], run["settings"]):
        return
    said = (run["settings"].get("queue") or {}).get("enabled", False)
    if said if queue is None else queue:
        most = run["settings"].get("max_concurrent_runs", 1)
        text = f"Queued due to reaching maximum concurrent runs of {most} for job {run['job_id']}."
        run |= {"state": "QUEUED", "begin": None}
        run["queue"] = {"code": "MAX_CONCURRENT_RUNS_REACHED", "message": text}
        return
    _skip(run, run["created"])


def _skip(run: Run, at_ms: int) -> None:
    rundocs.end(run, at_ms, "MAXIMUM_CONCURRENT_RUNS_REACHED")
    run["attempts"] = []


def _room(sim: "Simulator", job_id: int, settings: Settings) -> bool:
    busy = sum(r["job_id"] == job_id and r["state"] != "QUEUED" for r in rundocs.active(sim))
    return bool(busy < int(settings.get("max_concurrent_runs", 1)))


def tick(sim: "Simulator") -> None:
    """Handle every event up to now."""
    timeline.catch_up(sim, _coming)


def _coming(sim: "Simulator", now_ms: int) -> Iterator[Event]:
    runs = list(rundocs.active(sim))
    if (job := _next_continuous(sim, runs)) is not None:
        yield Event(int(job["next"]), partial(_restart, sim, job))
    for run in runs:
        if (at := due(sim, run, now_ms)) is not None:
            yield Event(at, partial(step, sim, run))


def due(sim: "Simulator", run: Run, now_ms: int) -> int | None:
    """Return when the run moves on next; None = nobody knows yet."""
    if run["state"] == "QUEUED":
        begin: int | None = run["begin"]
        return int(run["created"]) + _QUEUED_MS if begin is None else begin
    if run["state"] == "PENDING":
        return int(run["begin"])
    times = [at for a in run["attempts"] if (at := execution.due(sim, a, now_ms)) is not None]
    limit = int(run["settings"].get("timeout_seconds") or 0) * 1000
    if limit and run["state"] == "RUNNING":
        times.append(int(run["started"]) + limit)
    if "stop_at" in run and run["stop_at"] > run.get("seen_stop", 0):
        times.append(run["stop_at"])
    return min(times, default=None)


def step(sim: "Simulator", run: Run, at_ms: int) -> None:
    """Handle what is due in a run at that time, and what follows from it at once."""
    if run["state"] == "QUEUED":
        _leave_queue(run, at_ms)
    if run["state"] == "PENDING":
        run |= {"state": "RUNNING", "started": at_ms, "first": run.get("first", at_ms)}
        run.pop("queue", None)
    if run["state"] != "ENDED":
        _timed_out(sim, run, at_ms)
        if "stop_at" in run and run["stop_at"] <= at_ms:
            run["seen_stop"] = run["stop_at"]
        for attempt in list(run["attempts"]):
            at = execution.due(sim, attempt, at_ms)
            if at is not None and at <= at_ms:
                execution.progress(sim, run, attempt, at_ms)
                graph.again(sim, run, attempt, at_ms)
        graph.settle(sim, run, at_ms)
    rundocs.save(sim, run)
    if run["state"] == "ENDED":
        _ended(sim, run, at_ms)


def _leave_queue(run: Run, at_ms: int) -> None:
    if run["begin"] is None:
        _skip(run, at_ms)
    else:
        run["state"] = "PENDING"


def _timed_out(sim: "Simulator", run: Run, at_ms: int) -> None:
    limit = int(run["settings"].get("timeout_seconds") or 0) * 1000
    if limit and run["state"] == "RUNNING" and at_ms >= run["started"] + limit:
        stop(sim, run, at_ms, "TIMEDOUT")


def stop(sim: "Simulator", run: Run, at_ms: int, why: str) -> None:
    """Begin to end a run: CANCELED or TIMEDOUT; an ended one stays. The caller saves it."""
    if run["state"] in ("ENDED", "TERMINATING"):
        return
    if run["state"] in ("QUEUED", "PENDING") and "started" not in run:
        for attempt in run["attempts"]:
            rundocs.end(attempt, at_ms, "CANCELED")
        rundocs.end(run, at_ms, why)
        return
    run |= {"state": "TERMINATING", "stop": why, "stop_at": at_ms + STOPPING_MS}
    for attempt in run["attempts"]:
        execution.stop(sim, attempt, at_ms, why)


def cancel(sim: "Simulator", run: Run, at_ms: int) -> None:
    """Cancel a run; it ends a moment later, a queued one at once."""
    stop(sim, run, at_ms, "CANCELED")
    rundocs.save(sim, run)
    if run["state"] == "ENDED":
        _ended(sim, run, at_ms)


def _ended(sim: "Simulator", run: Run, at_ms: int) -> None:
    """Let the next queued run of the job begin, and say when a continuous job runs again."""
    if run["run_type"] != "JOB_RUN":
        return
    job = sim.store.get("job", run["job_id"])
    settings = run["settings"] if job is None else job["settings"]
    for other in rundocs.active(sim):
        waits = other["state"] == "QUEUED" and other["begin"] is None
        if waits and other["job_id"] == run["job_id"] and _room(sim, run["job_id"], settings):
            other |= {"begin": at_ms, "state": "PENDING"}
            rundocs.save(sim, other)
    again = sim.store.get(CONTINUOUS, run["job_id"])
    if again is not None:
        bad = 0 if run["result"] in rundocs.GOOD else again["failures"] + 1
        gap = min(_GAP_MS * 2**bad, _LONGEST_GAP_MS)
        sim.store.put(CONTINUOUS, run["job_id"], again | {"failures": bad, "next": at_ms + gap})


def changed(sim: "Simulator", job: dict[str, Any], at_ms: int) -> None:
    """Take note of a job's new settings: a continuous one that is not paused always runs."""
    continuous = job["settings"].get("continuous")
    if not isinstance(continuous, dict) or continuous.get("pause_status") == "PAUSED":
        sim.store.delete(CONTINUOUS, job["job_id"])
    elif sim.store.get(CONTINUOUS, job["job_id"]) is None:
        document = {"job_id": job["job_id"], "next": at_ms, "failures": 0}
        sim.store.put(CONTINUOUS, job["job_id"], document)


def _next_continuous(sim: "Simulator", runs: list[Run]) -> dict[str, Any] | None:
    busy = {run["job_id"] for run in runs}
    waiting = [d for _, d in sim.store.items(CONTINUOUS) if d["job_id"] not in busy]
    return min(waiting, key=lambda document: int(document["next"]), default=None)


def _restart(sim: "Simulator", document: dict[str, Any], at_ms: int) -> None:
    job = sim.store.get("job", document["job_id"])
    if job is None:
        sim.store.delete(CONTINUOUS, document["job_id"])
        return
    settings = job["settings"]
    wanted = Wanted(settings, job["job_id"], str(settings.get("name")), job["run_as_user_name"])
    begin(sim, wanted._replace(trigger="CONTINUOUS"), at_ms)


def cancel_attempt(sim: "Simulator", run: Run, attempt: Attempt, at_ms: int) -> None:
    """Cancel one task of a run; those that wait for it are not run."""
    if attempt["state"] != "ENDED":
        execution.stop(sim, attempt, at_ms, "CANCELED")
        if attempt["state"] == "BLOCKED":
            rundocs.end(attempt, at_ms, "CANCELED")
        rundocs.save(sim, run)
