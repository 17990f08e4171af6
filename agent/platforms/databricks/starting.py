"""Starting runs: each once, whatever is lost on the way.

Rules kept here: before the service is asked, what it is asked for lies on the disk under the key;
run-now carries a token made from the key, so that the same request is the same run for ever; a
repair has no such token, so after a lost answer the run's history is read: one repair with our
tasks is ours, another is somebody else's; nothing starts while tasks of the run it replaces may
still write.

Source: https://docs.databricks.com/api/workspace/jobs/repairrun
"""

import hashlib
import re
import time
from collections.abc import Callable
from typing import Any

from agent.errors import Held, Unavailable
from agent.platforms.databricks import parameters, runs, states
from agent.platforms.databricks.api import ApiRefused, NotFound
from agent.platforms.databricks.session import Session
from agent.records import Deployment, Failure, Repair, Run

_STARTS = "starts"
_OURS = "repairs"
_ACTIVE = re.compile(r"\b(?:still active|is active|still running|not (?:yet )?terminated)", re.I)

Record = dict[str, Any]
"""What is kept under a key: job, at, mode, body, and once it is known the run."""


class Starting:
    """The starts of one case."""

    def __init__(self, session: Session, now: Callable[[], float] = time.time) -> None:
        self._session = session
        self._api = session.api
        self._now = now

    def start(
        self, key: str, deployment: Deployment, repair: Repair | None
    ) -> Run | tuple[Failure, ...]:
        """Start a run or a repair, or return the one this key has.

        Raises `Unavailable` while tasks of the run to replace may still write, `Held` where
        somebody else repairs it, or the key's start was called off.
        """
        record = self.record(key)
        sent = record is not None
        if record is None:
            try:
                record = self._wanted(deployment, repair)
            except NotFound as error:
                return (_refused(error),)
            self._keep(key, record)
        if record.get("called_off"):
            raise Held(f"the start {key} was called off; nothing is started by it")
        if not record.get("run") and record["mode"] == "repair":
            self._repair(key, record, sent)
        if not record.get("run") and (refused := self._run_now(key, record)) is not None:
            return (refused,)
        if not record.get("resolved"):
            self._resolve(key, record)
        return _run(key, record)

    def record(self, key: str) -> Record | None:
        """Return what is kept under a key."""
        found = self._session.kept(_STARTS, key)
        return found if isinstance(found, dict) else None

    def call_off(self, key: str) -> None:
        """Make sure that this process and later ones start nothing by a key."""
        self._keep(key, (self.record(key) or {}) | {"called_off": True})

    def lost(self, key: str) -> int | None:
        """Return the run of a start whose answer was lost, None where none was started.

        Nothing is sent that could start one. Raises `Unavailable` where it cannot be told.
        """
        record = self.record(key)
        if record is None or "mode" not in record:
            return None
        if record.get("run"):
            return int(record["run"])
        if record["mode"] == "repair":
            run = runs.get(self._api, record["body"]["run_id"], history=True)
            return int(run["run_id"]) if self._ours(run, record) else None
        begun = int(record["at"] * 1000) - 120_000
        found = [
            run
            for run in runs.listed(self._api, record["job"], start_time_from=begun)
            if run.get("trigger") in (None, "ONE_TIME") and self._is_me(run)
        ]
        if len(found) > 1:
            listed = ", ".join(str(run["run_id"]) for run in found)
            raise Unavailable(f"one of the runs {listed} may be ours; cancel what should not run")
        return int(found[0]["run_id"]) if found else None

    def ours(self, run: int | str) -> set[int]:
        """Return the repairs of a run that are ours, or were there when the case adopted it."""
        return set(self._session.kept(_OURS, str(run)) or ())

    def know(self, run: int | str, *repairs: int) -> None:
        """Count repairs of a run as ours from now on."""
        self._session.keep(_OURS, str(run), sorted(self.ours(run) | set(repairs)))

    def adopted(self, run: dict[str, Any]) -> Run:
        """Return the record of a run that somebody else started."""
        known = parameters.carried(run, {}, anew=False).known
        number = str(run["run_id"])
        return Run(run=number, key=number, url=runs.page(run), parameters=known)

    def _is_me(self, run: dict[str, Any]) -> bool:
        who = run.get("creator_user_name")
        return not who or who == self._session.me()

    def _keep(self, key: str, record: Record) -> None:
        self._session.keep(_STARTS, key, record)

    def _wanted(self, deployment: Deployment, repair: Repair | None) -> Record:
        job = int(deployment.job)
        settings = runs.job(self._api, job).get("settings") or {}
        base: Record = {"job": job, "at": self._now(), "mode": "run", "notes": []}
        if settings.get("continuous") and (found := self._taken(job, repair)):
            note = "the job is continuous: the run that the platform started is taken"
            return base | {"run": found["run_id"], "url": runs.page(found), "notes": [note]}
        if repair is None:
            return base | self._new(settings)
        try:
            before = runs.get(self._api, repair.run, history=True, resolved=True)
        except NotFound:
            gone = f"run {repair.run} is gone: this one has the playbook's parameters"
            return base | self._new(settings, gone)
        self._quiet(before)
        anew = parameters.carried(before, settings, anew=True)
        instead = {"job_id": job, **anew.body}
        other = _elsewhere(before, job)
        if not repair.tasks or other:
            said = {"known": anew.known, "notes": [*other, *anew.notes]}
            return base | {"body": instead, **said}
        kept = parameters.carried(before, settings, anew=False)
        seen = runs.repairs(before)
        tasks = list(dict.fromkeys(task.split("/")[0] for task in repair.tasks))
        body = {"run_id": int(before["run_id"]), "rerun_tasks": tasks, **kept.body}
        body["rerun_dependent_tasks"] = True
        if seen:
            body["latest_repair_id"] = int(seen[-1]["id"])
        return base | {
            "mode": "repair",
            "body": body,
            "instead": instead,
            "known": kept.known,
            "seen": [int(item["id"]) for item in seen],
            "url": runs.page(before),
            "lost": list(anew.notes),
        }

    def _new(self, settings: dict[str, Any], *notes: str) -> Record:
        given = parameters.new(settings, self._session.book.job.parameters)
        job = {"known": given.known, "notes": list(notes)}
        return {"body": given.body, **job}

    def _taken(self, job: int, repair: Repair | None) -> dict[str, Any] | None:
        """Return a continuous job's active run, another than the one to replace."""
        active = runs.listed(self._api, job, cap=2, active_only=True)
        old = repair.run if repair else None
        return next((run for run in active if str(run["run_id"]) != old), None)

    def _quiet(self, run: dict[str, Any]) -> None:
        if states.verdict(run) == "running":
            raise Unavailable(f"run {run['run_id']} still runs: nothing takes its place yet")
        for task in states.last(run).values():
            if states.task_type(task) != "run_job_task" or states.task_state(task) == "succeeded":
                continue
            inner = runs.child(self._api, task["run_id"]) if task.get("run_id") else None
            if inner is not None and states.verdict(runs.get(self._api, inner)) == "running":
                raise Unavailable(f"run {inner}, started by task {task['task_key']}, still runs")

    def _repair(self, key: str, record: Record, sent: bool) -> None:
        """Repair; where the service will not have it, the record asks for a new run instead."""
        body = record["body"]
        if sent:
            run = runs.get(self._api, body["run_id"], history=True)
            if (found := self._ours(run, record)) is not None:
                return self._repaired(key, record, found)
            self._quiet(run)
        try:
            given = self._api.post("/api/2.2/jobs/runs/repair", body)
        except ApiRefused as error:
            if _ACTIVE.search(error.message):
                raise Unavailable(
                    f"run {body['run_id']} cannot be repaired yet: {error}"
                ) from error
            run = runs.get(self._api, body["run_id"], history=True)
            if (found := self._ours(run, record)) is not None:
                return self._repaired(key, record, found)
            notes = [f"a new run, because no repair was possible: {error}", *record["lost"]]
            record |= {"mode": "run", "body": record.pop("instead"), "notes": notes}
            return self._keep(key, record)
        return self._repaired(key, record, int(given["repair_id"]))

    def _ours(self, run: dict[str, Any], record: Record) -> int | None:
        """Return the one repair since we asked, where it has our tasks.

        Raises `Held` where there is another.
        """
        newer = [item for item in runs.repairs(run) if int(item["id"]) not in record["seen"]]
        if not newer:
            return None
        wanted = set(record["body"]["rerun_tasks"])
        if len(newer) == 1 and wanted <= runs.repaired_tasks(run, newer[0]):
            return int(newer[0]["id"])
        raise Held(f"run {run['run_id']} was repaired by somebody else (repair {newer[-1]['id']})")

    def _repaired(self, key: str, record: Record, repair: int) -> None:
        run = record["body"]["run_id"]
        self.know(run, repair)
        record |= {"run": run, "repair": repair, "repairs": str(run), "resolved": True}
        self._keep(key, record)

    def _run_now(self, key: str, record: Record) -> Failure | None:
        body = {**record["body"], "job_id": record["job"]}
        body["idempotency_token"] = token(self._session.context.folder.name, record["job"], key)
        try:
            given = self._api.post("/api/2.2/jobs/run-now", body)
        except ApiRefused as error:
            return _refused(error)
        record["run"] = int(given["run_id"])
        self._keep(key, record)
        return None

    def _resolve(self, key: str, record: Record) -> None:
        """Fill in what only the run knows: its page, and references in its parameters."""
        run = runs.get(self._api, record["run"])
        known = parameters.carried(run, {}, anew=False).known or record.get("known") or {}
        record |= {"url": runs.page(run), "known": known, "resolved": True}
        self._keep(key, record)


def token(case: str, job: int, key: str) -> str:
    """Return the idempotency token of a key: the same for ever, 56 characters."""
    basis = f"{case}\0{job}\0{key}"
    return f"runmend-{hashlib.sha256(basis.encode()).hexdigest()[:48]}"


def _run(key: str, record: Record) -> Run:
    return Run(
        run=str(record["run"]),
        key=key,
        url=record.get("url"),
        repairs=record.get("repairs"),
        parameters=record.get("known") or {},
        note="; ".join(record.get("notes") or ()),
    )


def _elsewhere(run: dict[str, Any], job: int) -> list[str]:
    """Say that a run is one of another job: repairing it would not run this one's code."""
    other = int(run.get("job_id") or job)
    return [] if other == job else [f"a new run: run {run['run_id']} is one of job {other}"]


def _refused(error: ApiRefused) -> Failure:
    return Failure(
        phase="run", code=error.code or f"HTTP_{error.status}", message=str(error), started=False
    )
