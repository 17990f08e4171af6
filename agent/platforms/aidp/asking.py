"""What the service is asked for: the record of one start, and the bodies made from it. Pure.

A record is kept on the disk under the start's key: `job`, `name`, `mode` (`run` or `repair`), the
parameters to send (`own`) and to have (`known`), the `before`-hand newest runs, when it was `asked`
for and by which `attempt`, and, once it is known, its `run`. Of a repair also `of`, `tasks`, the
newest repair that was `seen`, and what is asked for `instead`.

Sources: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/ (createJobRun, repairJobRun)
"""

from collections.abc import Mapping
from typing import Any

from agent.platforms.aidp import parameters, runs, states
from agent.records import Deployment, Repair, Run

MOST_TASKS = 100
"""Tasks that one repair takes."""

Record = dict[str, Any]


def base(job: Mapping[str, Any], deployment: Deployment, now: float) -> Record:
    """Return what the record of any start of a job has."""
    queue, most = job.get("queue"), job.get("maxConcurrentRuns")
    waits = isinstance(queue, dict) and queue.get("isEnabled") is True
    return {
        "job": deployment.job,
        "name": deployment.name,
        "at": now,
        "asked": None,
        "attempt": 0,
        "mode": "run",
        "most": most if isinstance(most, int) and most > 0 and not waits else None,
        "endless": any(states.streams(task) for task in job.get("tasks") or ()),
        "skipped": [],
        "notes": [],
        "known": {},
    }


def again(job: Mapping[str, Any], run: dict[str, Any], repair: Repair) -> Record:
    """Return what running an ended run again asks for: its repair where that can be, else anew."""
    had = parameters.carried(run)
    known = parameters.named(job.get("parameters")) | had
    anew: Record = {"own": had, "known": known, "notes": [*parameters.anew(had)]}
    tasks = list(dict.fromkeys(task.split("/")[0] for task in repair.tasks))
    if (why := _not_repaired(run, str(job.get("key") or ""), tasks)) is not None:
        return anew | {"notes": [*why, *anew["notes"]]}
    return {
        "mode": "repair",
        "of": str(run["key"]),
        "tasks": tasks,
        "given": parameters.named(run.get("parameters")),
        "seen": runs.newest_repair(run),
        "known": known,
        "instead": anew,
    }


def goes_on(job: Mapping[str, Any]) -> bool:
    """Return whether the service itself keeps a run of the job going."""
    found = job.get("continuous")
    return isinstance(found, dict) and found.get("pauseStatus") != "PAUSED"


def run_body(record: Record) -> dict[str, Any]:
    """Return the body of a new run."""
    body: dict[str, Any] = {"jobKey": record["job"]}
    if record["own"]:
        body["parameters"] = parameters.listed(record["own"])
    return body


def repair_body(record: Record, form: str) -> dict[str, Any]:
    """Return the body of a repair; `form`: `taskKeys` or `repairTasks`, which newer clients have.

    A run's own parameters go with it: what leaving them out would mean is nowhere said.
    """
    if form == "repairTasks":
        chosen = {"shouldIncludeDownstream": True, "shouldIncludeUpstream": False}
        body: dict[str, Any] = {"repairTasks": [{"taskKey": t, **chosen} for t in record["tasks"]]}
    else:
        body = {"taskKeys": record["tasks"]}
    if record["given"]:
        body["parameters"] = parameters.listed(record["given"])
    return body


def as_run(key: str, record: Record) -> Run:
    """Return the run that a record has become."""
    return Run(
        run=str(record["run"]),
        key=key,
        repairs=record.get("repairs"),
        parameters=record["known"],
        note="; ".join(record["notes"]),
    )


def _not_repaired(run: dict[str, Any], job: str, tasks: list[str]) -> list[str] | None:
    """Return why a new run takes a run's place, None where the run can be repaired."""
    key, its = run["key"], str(run.get("jobKey") or job)
    if its != job:
        return [f"a new run: run {key} is one of job {its}"]
    if not tasks:
        return []
    if (run.get("rootJobRunKey") or key) != key or run.get("parentJobRunKey"):
        return [f"a new run: run {key} was started by another run, which alone can be repaired"]
    if states.status(run) == "SKIPPED":
        return [f"a new run: run {key} was skipped"]
    if len(tasks) > MOST_TASKS:
        return [f"a new run: a repair takes at most {MOST_TASKS} tasks, not {len(tasks)}"]
    return None
