"""What the service is asked for: the record of one start, and the bodies made from it. Pure.

A record is kept on the disk under the start's key: `job`, `name`, `mode` (`run` or `repair`), the
parameters to send (`own`) and to have (`known`), the `before`-hand newest runs, when it was `asked`
for and by which `attempt`, and, once it is known, its `run`. Of a repair also `of`, `tasks`, the
newest repair that was `seen`, what is asked for `instead`, and how the run `had` the tasks whose
declaration the job has changed since.

Sources: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/ (createJobRun, repairJobRun)
"""

from collections.abc import Mapping
from typing import Any

from agent.platforms.aidp import parameters, runs, states
from agent.records import Deployment, Repair, Run
from agent.remote import texts

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
        "defined": job.get("tasks"),
        "endless": any(states.streams(task) for task in job.get("tasks") or ()),
        "skipped": [],
        "notes": [],
        "known": {},
    }


def again(job: Mapping[str, Any], run: dict[str, Any], repair: Repair, defined: Any) -> Record:
    """Return what running an ended run again asks for: its repair where that can be, else anew.

    `defined`: the job's tasks when the run began, None where nobody knows.
    """
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
        "had": _had(job, run, tasks, defined),
        "instead": anew,
    }


def as_before(run: Mapping[str, Any], record: Record) -> bool:
    """Return whether a repaired run has its changed tasks as they were before the change.

    Whether a repair takes up the job's definition of today is nowhere said.
    """
    had, now = record["had"], _by_key(run.get("tasks"))
    return bool(had) and all(now.get(key) == task for key, task in had.items())


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
        parameters=texts.values(record["known"]),
        note="; ".join(record["notes"]),
    )


def _had(
    job: Mapping[str, Any], run: Mapping[str, Any], tasks: list[str], defined: Any
) -> dict[str, Any]:
    """Return how a run has those of the tasks that the job declares otherwise by now."""
    if not isinstance(defined, list):
        return {}
    then, now, its = _by_key(defined), _by_key(job.get("tasks")), _by_key(run.get("tasks"))
    return {key: its[key] for key in tasks if key in its and then.get(key) != now.get(key)}


def _by_key(tasks: Any) -> dict[str, Any]:
    listed = tasks if isinstance(tasks, list) else ()
    return {str(task["taskKey"]): task for task in listed if task.get("taskKey")}


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
