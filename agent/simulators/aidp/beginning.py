"""Making runs, and beginning ended ones again for a repair.

Rules kept here: where the job's `maxConcurrentRuns` is reached a new run waits in the queue if the
queue is on, else it is there and SKIPPED at once; a repair keeps the run's key and everything its
task runs left. Source: aidp-python-client 5.1.1, models/create_job_run_details.py.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

from agent.simulators.aidp import permissions, rundocs
from agent.simulators.aidp.rundocs import Run

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

HISTORY = 10
"""Most entries of a repair history."""


class Parent(NamedTuple):
    """The JOB_TASK that starts a nested run."""

    run: str
    task_run: str
    root: str


class Wanted(NamedTuple):
    """A run that somebody asks for."""

    job: dict[str, Any]
    """As `GET /jobs/{key}` gives it."""
    user: str
    launched: str = "MANUAL"
    given: tuple[dict[str, str], ...] = ()
    queue: bool | None = None
    """None = as the job says."""
    parent: Parent | None = None
    original: str | None = None
    """`originalAttemptRunId`"""


def begin(sim: "Simulator", wanted: Wanted, at_ms: int) -> Run:
    """Make a run: it begins, waits or is skipped, as the job's limit has it."""
    job = {k: v for k, v in wanted.job.items() if k != "version"}
    run: Run = {
        "key": sim.new_key(),
        "jobKey": job["key"],
        "name": job["name"],
        "job": job,
        "createdBy": wanted.user,
        "createdByName": permissions.called(sim, wanted.user),
        "runAs": job.get("runAs"),
        "launched": wanted.launched,
        "given": list(wanted.given),
        "created": at_ms,
        "begin": at_ms,
        "phase": "pending",
        "task_runs": [],
        "repair": 0,
        "history": [],
        "repaired": [],
        "parent": None if wanted.parent is None else wanted.parent._asdict(),
        "original": wanted.original,
    }
    rundocs.enter(run, "PENDING", at_ms)
    if not room(sim, job):
        _wait(run, wanted.queue, at_ms)
    rundocs.save(sim, run)
    return run


def _wait(run: Run, queue: bool | None, at_ms: int) -> None:
    said = (run["job"].get("queue") or {}).get("isEnabled", False)
    most = run["job"].get("maxConcurrentRuns")
    if said if queue is None else queue:
        run |= {"phase": "queued", "begin": None}
        rundocs.enter(run, "QUEUED", at_ms, f"Waiting: {most} runs of the job are active.")
        return
    text = f"Skipped: the job's maximum of {most} concurrent runs is reached."
    rundocs.end(run, "SKIPPED", at_ms, text)


def room(sim: "Simulator", job: dict[str, Any]) -> bool:
    """Say whether the job's limit lets one more run begin."""
    known = sim.store.items(rundocs.ACTIVE)
    busy = sum(one["jobKey"] == job["key"] and one["phase"] != "queued" for _, one in known)
    return bool(busy < int(job.get("maxConcurrentRuns") or 1))


def again(
    sim: "Simulator",
    run: Run,
    chosen: dict[str, dict[str, Any] | None],
    given: list[dict[str, str]] | None,
    at_ms: int,
) -> None:
    """Begin an ended run again with the chosen tasks; saves it.

    `chosen`: for each task None, or what of a nested run is repaired (RepairJobRunDetails).
    `given`: the run's parameters from now on, None = as before.
    """
    if not run["history"]:
        run["history"] = [remembered(run) | {"type": "ORIGINAL"}]
    if sim.options.repair_uses == "job":
        job = sim.store.get("job", run["jobKey"])
        run["job"] = run["job"] if job is None else {k: v for k, v in job.items() if k != "version"}
        run["runAs"] = run["job"].get("runAs")
    run |= {"repair": run["repair"] + 1, "repaired": list(chosen), "phase": "pending"}
    run |= {"begin": at_ms, "began": at_ms, "stopped": False, "trace": None, "states": []}
    for name in ("ended", "started", "asked", "stop_at", "declared", "plan"):
        run.pop(name, None)
    if given is not None:
        run["given"] = given
    rundocs.enter(run, "PENDING", at_ms)
    before = rundocs.latest(run)
    for spec in rundocs.tasks_of(run):
        key = spec["taskKey"]
        if key not in chosen and key in before:
            continue
        task = rundocs.new_task(sim, run, spec, at_ms)
        task["nested"] = chosen.get(key)
        task["child_before"] = before[key].get("child") if key in before else None
    run["history"] = [*run["history"], {"type": "REPAIR"}]
    rundocs.save(sim, run)


def remembered(run: Run) -> dict[str, Any]:
    """Return what the repair history keeps of the run as it stands."""
    names = ("status", "message", "trace", "stopped", "created", "started", "ended")
    found: dict[str, Any] = {name: run.get(name) for name in names}
    found |= {"key": run["repair"], "states": list(run["states"]), "given": run["given"]}
    found |= {"tasks": {key: task["key"] for key, task in rundocs.latest(run).items()}}
    found["repaired"] = list(run["repaired"])
    found["parent_task"] = None if run["parent"] is None else run["parent"]["task_run"]
    return found


def note_end(run: Run) -> None:
    """Take a repair that ended into the history."""
    if run["repair"] and run["history"]:
        run["history"][-1] = remembered(run) | {"type": "REPAIR"}
