"""Jobs of a workspace: deployed by the bundle's command or by REST, run, watched, diagnosed.

A run's id is the workspace's; a repair keeps the id of the run it repairs.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agent.errors import Unavailable, UsageError
from agent.platforms.databricks import checks, compute, requirements, runs, states
from agent.platforms.databricks.api import ApiRefused, Forbidden, NotFound
from agent.platforms.databricks.deploying import Deploying
from agent.platforms.databricks.facts import Around
from agent.platforms.databricks.failing import Failing
from agent.platforms.databricks.questions import Questions
from agent.platforms.databricks.session import Session
from agent.platforms.databricks.sql import Statements
from agent.platforms.databricks.starting import Starting
from agent.platforms.databricks.watching import Watching
from agent.playbook import Expectation, Requirement
from agent.records import (
    Check,
    Deployment,
    Effect,
    Failure,
    Repair,
    Run,
    RunStatus,
    TaskKey,
    TaskSource,
    Tree,
)

_CANCELLING_S = 5.0
"""Between two looks at a run that is being cancelled."""


class Jobs:
    """One case's runs of one job."""

    repairs_whole = False

    def __init__(self, session: Session, now: Callable[[], float] = time.time) -> None:
        """`now` returns seconds since the epoch, as the workspace counts them."""
        self._session = session
        self._api = session.api
        self._deploying = Deploying(session)
        self._starting = Starting(session, now)
        self._watching = Watching(session, now)
        self._failing = Failing(session, self._watching)
        self._statements = Statements(session)
        self._questions = Questions(session, self._statements)
        self._now = now
        self._counted = 0

    def data(self, source: Path) -> tuple[str, ...]:
        """Return the folders of the source that are data."""
        return self._deploying.data(source)

    def is_production(self, source: Path) -> bool:
        """Return whether the target says of itself that it is production."""
        return self._deploying.is_production(source)

    def required(self, wanted: Sequence[Requirement], tree: Tree) -> tuple[Check, ...]:
        """Look whether what a playbook requires is there."""
        del tree  # everything that is asked for is in the workspace
        return requirements.required(self._session, wanted, self._statements)

    def plan(self, tree: Tree, previous: Deployment | None) -> tuple[Effect, ...]:
        """Say what deploying the tree would do besides bringing its files."""
        return self._deploying.plan(tree, previous)

    def deploy(
        self, key: str, tree: Tree, previous: Deployment | None
    ) -> Deployment | tuple[Failure, ...]:
        """Deploy the bundle, or make or update the job."""
        return self._deploying.deploy(key, tree, previous)

    def start(
        self, key: str, deployment: Deployment, tree: Tree, repair: Repair | None
    ) -> Run | tuple[Failure, ...]:
        """Start a run or a repair, or return the one this key has."""
        del tree  # what runs is what was deployed
        cluster = self._session.book.databricks.cluster
        if cluster is not None and (self._starting.record(key) or {}).get("run") is None:
            found = compute.running(self._session, "cluster", cluster)
            if isinstance(found, compute.Problem):
                return (
                    Failure(phase="run", code="CLUSTER_ERROR", message=found.why, started=False),
                )
        return self._starting.start(key, deployment, repair)

    def adopt(self, run: str, tree: Tree) -> tuple[Deployment, Run]:
        """Return a run that somebody else started, by its id or its page's URL, and its job."""
        found = self._found(run)
        number, job = str(found["run_id"]), int(found.get("job_id") or 0)
        deployment = self._any(found, tree) if self._session.context.any_job else None
        if deployment is None:
            deployment = self._deploying.found(tree)
            if deployment.job != str(job):
                raise UsageError(
                    f"run {number} is a run of job {job or 'none'}, not of job {deployment.job} "
                    f"({deployment.name}), which the playbook names"
                )
        known = (int(item["id"]) for item in runs.repairs(found))
        self._starting.know(number, *known)
        return deployment, self._starting.adopted(found)

    def _found(self, said: str) -> dict[str, Any]:
        """Return the run that a person names; of one that is a task's, the whole run."""
        number = runs.number(said)
        try:
            found = runs.get(self._api, number, history=True)
            parent = int(found.get("job_run_id") or found.get("parent_run_id") or number)
            if parent != int(found["run_id"]) and found.get("task_key"):
                found = runs.get(self._api, parent, history=True)
        except NotFound as error:
            raise UsageError(
                f"there is no run {number} on {self._api.auth.host}; runs are kept for 60 days"
            ) from error
        return found

    def _any(self, run: dict[str, Any], tree: Tree) -> Deployment:
        return Deployment(
            job=str(run.get("job_id") or 0),
            name=str(run.get("run_name") or run.get("job_id") or "run"),
            tree=tree.digest,
            tasks=tuple(states.last(run)),
            kept=True,
        )

    def overtaken(self, run: Run, deployment: Deployment) -> str | None:
        """Say what somebody else did about this ended run meanwhile."""
        try:
            found = runs.get(self._api, run.run, history=True)
        except NotFound:
            return None
        ours = self._starting.ours(run.run)
        foreign = [item for item in runs.repairs(found) if int(item["id"]) not in ours]
        if foreign:
            return f"run {run.run} was repaired by somebody else (repair {foreign[-1]['id']})"
        begun = int(found.get("start_time") or 0)
        if found.get("trigger") in ("CONTINUOUS", "CONTINUOUS_RESTART"):
            return None
        for other in runs.listed(self._api, deployment.job, start_time_from=begun + 1):
            if str(other["run_id"]) == run.run or int(other.get("start_time") or 0) <= begun:
                continue
            if not states.ended(other):
                return f"run {other['run_id']} of the job is active: {runs.page(other)}"
            if states.task_state(other) == "succeeded":
                return f"run {other['run_id']} of the job has succeeded since: {runs.page(other)}"
        return self._active(run, deployment)

    def _active(self, run: Run, deployment: Deployment) -> str | None:
        """Say which run of the job is active; a queued one may have no time of its start yet."""
        for other in runs.listed(self._api, deployment.job, cap=2, active_only=True):
            if str(other["run_id"]) != run.run:
                return f"run {other['run_id']} of the job is active: {runs.page(other)}"
        return None

    def poll(self, runs: Sequence[str]) -> tuple[RunStatus, ...]:
        """Look at each run once."""
        return tuple(self._watching.look(run, self._starting.ours(run)) for run in runs)

    def failures(self, status: RunStatus, tree: Tree) -> tuple[Failure, ...]:
        """Return a failure per task that failed by itself, with what was found out about it."""
        if status.state == "succeeded":
            return ()
        around = self._around(status, tree)
        found = self._failing.of(status, around)
        return tuple(self._questions.about(one, self._code(one, tree)) for one in found)

    def observed(self, status: RunStatus, tree: Tree, task: TaskKey) -> Failure:
        """Return what a task left behind as `VERIFY_FAILED`."""
        found = self._failing.observed(status, self._around(status, tree), task)
        return self._questions.about(found, self._code(found, tree))

    def tasks(self, tree: Tree) -> tuple[TaskSource, ...]:
        """Return the job's tasks in dependency order."""
        return self._deploying.tasks(tree)

    def affected(self, before: Tree, after: Tree) -> tuple[TaskKey, ...]:
        """Return the tasks whose declaration, main file or own modules differ."""
        return self._deploying.affected(before, after)

    def verify(
        self, status: RunStatus, tree: Tree, checks_: Sequence[Expectation]
    ) -> tuple[Check, ...]:
        """Look at tables, files and SQL assertions through the warehouse."""
        del status, tree  # what is there counts, whichever run made it
        return checks.verify(self._session, checks_, self._statements)

    def cancel(self, key: str, run: str) -> RunStatus:
        """Stop a run, or what was started by a key, and return its status once it has ended.

        Raises `Unavailable` until then.
        """
        del key  # stopping twice is stopping once
        number = run
        if not run.isdecimal():
            self._starting.call_off(run)
            found = self._starting.lost(run)
            if found is None:
                return RunStatus(run=run, state="cancelled", native="NEVER STARTED")
            number = str(found)
        status = self._watching.look(number, set())
        if status.state != "running":
            return status
        try:
            if not status.native.startswith("TERMINATING"):
                self._api.post("/api/2.2/jobs/runs/cancel", {"run_id": int(number)})
            status = self._watching.look(number, set())
        except (ApiRefused, Forbidden) as error:
            if isinstance(error, Forbidden):
                raise
            status = self._watching.look(number, set())
            if status.state == "running":
                raise Unavailable(f"run {number} cannot be cancelled: {error}") from error
        if status.state == "running":
            raise Unavailable(
                f"run {number} is being cancelled ({status.native})",
                retry_after_s=_CANCELLING_S,
                works=True,
            )
        return status

    def close(self, proved: bool) -> tuple[str, ...]:
        """Stop the warehouses and clusters that we started."""
        del proved  # nothing waits for the proof
        return compute.close(self._session, self._now)

    def calls(self) -> int:
        """Return how many API calls were made since this was asked last."""
        made, self._counted = self._api.calls - self._counted, self._api.calls
        return made

    def _around(self, status: RunStatus, tree: Tree) -> Around:
        try:
            run = runs.get(self._api, status.run, resolved=True) if status.run.isdecimal() else {}
        except NotFound:
            run = {}
        settings: dict[str, Any] = {}
        if run.get("job_id"):
            try:
                settings = runs.job(self._api, run["job_id"]).get("settings") or {}
            except (ApiRefused, Forbidden):
                settings = {}
        layout, job_file = self._deploying.layout(tree), self._deploying.job_file(tree)
        return Around(tree, layout, job_file, settings, run)

    def _code(self, failure: Failure, tree: Tree) -> str:
        """Return the text of a failed task's main file."""
        path = failure.facts.task_file
        if path is None:
            return ""
        try:
            return (Path(tree.root) / path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
