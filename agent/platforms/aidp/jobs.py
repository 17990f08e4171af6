"""Jobs of a workspace: deployed, run, watched, diagnosed, all by its REST API.

A run's id is the service's key; a repair keeps the key of the run it repairs.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agent.errors import Unavailable, UsageError
from agent.platforms.aidp import checks, overtaking, parameters, requirements, runs
from agent.platforms.aidp.api import ApiRefused, Forbidden
from agent.platforms.aidp.cancelling import Cancelling
from agent.platforms.aidp.checks import Tables
from agent.platforms.aidp.deploying import Deploying
from agent.platforms.aidp.facts import Around
from agent.platforms.aidp.failing import Failing
from agent.platforms.aidp.session import Session
from agent.platforms.aidp.starting import Starting
from agent.platforms.aidp.watching import Watching
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
from agent.remote import texts


class Jobs:
    """One case's runs of one job."""

    repairs_whole = True

    def __init__(self, session: Session, now: Callable[[], float] = time.time) -> None:
        """`now` returns seconds since the epoch, as the workspace counts them."""
        self._session = session
        self._api = session.api
        self._deploying = Deploying(session)
        self._starting = Starting(session, now)
        self._watching = Watching(session, now)
        self._cancelling = Cancelling(session, self._starting, self._watching, now)
        self._failing = Failing(session)
        self._tables = Tables(session, now)
        self._now = now
        self._counted = 0
        self._closed: tuple[str, ...] = ()

    def data(self, source: Path) -> tuple[str, ...]:
        """Return the folders of the source that are data."""
        return self._deploying.data(source)

    def is_production(self, source: Path) -> bool:
        """Return False: a workspace does not say it. Unsaid, the playbook counts as production."""
        return self._deploying.is_production(source)

    def required(self, wanted: Sequence[Requirement], tree: Tree) -> tuple[Check, ...]:
        """Look whether what a playbook requires is there."""
        layout = self._deploying.layout(tree)
        return requirements.required(self._session, wanted, self._tables, layout)

    def plan(self, tree: Tree, previous: Deployment | None) -> tuple[Effect, ...]:
        """Say what deploying the tree would do besides bringing its files."""
        return self._deploying.plan(tree, previous)

    def deploy(
        self, key: str, tree: Tree, previous: Deployment | None
    ) -> Deployment | tuple[Failure, ...]:
        """Make or update the job and bring its files."""
        return self._deploying.deploy(key, tree, previous)

    def start(
        self, key: str, deployment: Deployment, tree: Tree, repair: Repair | None
    ) -> Run | tuple[Failure, ...]:
        """Start a run or a repair, or return the one this key has."""
        del tree  # what runs is what was deployed
        if self._starting.record(key) is None:
            try:
                idle = self._deploying.ready(deployment)
            except (ApiRefused, Forbidden):
                idle = None  # clusters that we may not see are left for the run to tell
            if idle is not None:
                return (idle,)
        return self._starting.start(key, deployment, repair)

    def adopt(self, run: str, tree: Tree) -> tuple[Deployment, Run]:
        """Return a run that somebody else started, by its key or its page's URL, and its job."""
        try:
            found = runs.named(self._api, run)
        except ApiRefused as error:
            raise Unavailable(f"run {run} cannot be read just now: {error}") from error
        key, job = str(found["key"]), str(found.get("jobKey") or "")
        if self._session.context.any_job:
            deployment = Deployment(
                job=job,
                name=str(found.get("jobName") or found.get("name") or job or "run"),
                tree=tree.digest,
                tasks=tuple(str(task.get("taskKey")) for task in found.get("tasks") or ()),
                kept=True,
            )
        else:
            deployment = self._deploying.found(tree)
            if deployment.job != job:
                raise UsageError(
                    f"run {key} is a run of job {job or 'none'} ({found.get('jobName')}), not of "
                    f"job {deployment.job} ({deployment.name}), which the playbook names"
                )
            self._starting.define(key, self._tasks(job))
        self._starting.know(key, runs.newest_repair(found))
        return deployment, Run(run=key, key=key, parameters=texts.values(parameters.carried(found)))

    def _tasks(self, job: str) -> Any:
        try:
            return runs.job(self._api, job).get("tasks")
        except (ApiRefused, Forbidden):
            return None

    def overtaken(self, run: Run, deployment: Deployment) -> str | None:
        """Say what somebody else did about this ended run meanwhile, or what may still write."""
        newest = self._starting.newest(run.run)
        try:
            return overtaking.said(self._api, run.run, deployment.job, newest, self._now())
        except ApiRefused as error:
            raise Unavailable(f"run {run.run} cannot be looked at just now: {error}") from error

    def poll(self, runs: Sequence[str]) -> tuple[RunStatus, ...]:
        """Look at each run once."""
        return tuple(self._watching.look(run, self._starting.newest(run)) for run in runs)

    def failures(self, status: RunStatus, tree: Tree) -> tuple[Failure, ...]:
        """Return a failure per task that failed by itself, with what was found out about it."""
        if status.state == "succeeded":
            return ()
        return self._failing.of(status, self._around(status, tree))

    def observed(self, status: RunStatus, tree: Tree, task: TaskKey) -> Failure:
        """Return what a task left behind as `VERIFY_FAILED`."""
        return self._failing.observed(status, self._around(status, tree), task)

    def tasks(self, tree: Tree) -> tuple[TaskSource, ...]:
        """Return the job's tasks in dependency order."""
        return self._deploying.tasks(tree)

    def affected(self, before: Tree, after: Tree) -> tuple[TaskKey, ...]:
        """Return the tasks whose declaration, main file or own modules differ."""
        return self._deploying.affected(before, after)

    def verify(
        self, status: RunStatus, tree: Tree, checks_: Sequence[Expectation]
    ) -> tuple[Check, ...]:
        """Look at tables, files and SQL assertions with a throw-away notebook on the cluster."""
        del status  # what is there counts, whichever run made it
        layout = self._deploying.layout(tree)
        return checks.verify(self._session, checks_, self._tables, layout)

    def cancel(self, key: str, run: str) -> RunStatus:
        """Stop a run, or what was started by a key, and return its status once it has ended.

        Raises `Unavailable` until then.
        """
        return self._cancelling.cancel(key, run)

    def close(self, proved: bool) -> tuple[str, ...]:
        """End what we began besides runs: throw-away jobs, schedules that wait, clusters."""
        self._closed += self._deploying.close(proved)
        said = (*self._closed, *self._tables.close())
        self._closed = ()
        return said

    def calls(self) -> int:
        """Return how many API calls were made since this was asked last."""
        made, self._counted = self._api.calls - self._counted, self._api.calls
        return made

    def _around(self, status: RunStatus, tree: Tree) -> Around:
        layout, job_file = self._deploying.layout(tree), self._deploying.job_file(tree)
        return self._failing.around(status, tree, layout, job_file)
