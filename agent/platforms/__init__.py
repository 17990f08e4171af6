"""Where jobs run: one small protocol, one module or package per platform.

The folder is the registry.

Rules every platform keeps (the contract suite in tests/platforms proves them):
- What changes something takes a key. The same key again returns what the first call made.
- A job that fails, at deploy time too, is a value (`Failure`). "Not now" raises `Unavailable`,
  missing rights raise `Unauthorized`; nothing else is raised for what the platform says.
- Nothing is reported as ended before all of its processes or tasks have ended.
- Text from the job is masked, and made safe to print, before it leaves the platform.
- Nothing that somebody else changed is overwritten without `plan` having said so, and nothing that
  destroys is deployed: `deploy` raises `PersonNeeded` with the command a person may run.
"""

import importlib
import pkgutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from agent.errors import PlaybookError
from agent.playbook import Expectation, Loaded, Requirement
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


class Context(NamedTuple):
    """What a platform is connected with."""

    loaded: Loaded
    folder: Path
    """The case's folder, mode 0700: run folders, logs and payloads go here."""
    cache: Path
    """Shared between cases: environments."""
    any_job: bool = False
    """True where runs are only looked at: any run will do, whatever job the playbook names."""
    now: Callable[[], float] = time.time
    """Returns seconds since the epoch, as the target counts them."""
    state: Path | None = None
    """The state folder; None where nothing will be changed."""


class Platform(Protocol):
    """One connection to one target, for one case."""

    repairs_whole: bool
    """True where a run is repaired also when all of its tasks run again, and keeps its history;
    else a new run takes its place."""

    def data(self, source: Path) -> tuple[str, ...]:
        """Return the folders of the source that are data: linked in, never copied or patched.

        Read tolerantly from the job's declaration; empty where there is none.
        """

    def is_production(self, source: Path) -> bool:
        """Return whether the target says of itself that it is production, where it says so."""

    def required(self, wanted: Sequence[Requirement], tree: Tree) -> tuple[Check, ...]:
        """Look whether what a playbook requires is there; a `Check` each, in their order.

        Playbooks are not asked for here. What is stopped and may be started (a warehouse, a
        cluster) is started; raises `Unavailable` until it runs.
        """

    def plan(self, tree: Tree, previous: Deployment | None) -> tuple[Effect, ...]:
        """Say what deploying the tree would do besides bringing its files; nothing is changed.

        `previous` is what we deployed last, in this case or an earlier one, or what a case that
        began at a failed run found. An effect of risk ASK or more is asked for: what somebody else
        changed since and would be overwritten (with what it is now, so that a later change is
        another effect), what is deleted or made anew, any change on production. Empty where
        nothing would change, and where the declaration is wrong: `deploy` then says so.
        """

    def deploy(
        self, key: str, tree: Tree, previous: Deployment | None
    ) -> Deployment | tuple[Failure, ...]:
        """Create the job from the tree, or update the one that `previous` names.

        Raises `PersonNeeded` where only a person may deploy it.
        """

    def start(
        self, key: str, deployment: Deployment, tree: Tree, repair: Repair | None
    ) -> Run | tuple[Failure, ...]:
        """Start a run; with the key of an earlier call return that call's run, alive or ended.

        A repair gets the resolved parameters of the run it repairs; where the platform cannot
        repair it, a new run is started and `Run.note` says so. Raises `Unavailable` while tasks of
        the run to repair may still write.
        """

    def adopt(self, run: str, tree: Tree) -> tuple[Deployment, Run]:
        """Return a run that somebody else started, by its id or its page's URL, and its job.

        Raises `UsageError` where there is none, or where it is not a run of the playbook's job.
        """

    def overtaken(self, run: Run, deployment: Deployment) -> str | None:
        """Say what somebody else did about this ended run meanwhile, None where nothing.

        A repair that is not ours, an active run of the job, a newer run that succeeded.
        """

    def poll(self, runs: Sequence[str]) -> tuple[RunStatus, ...]:
        """Ask once how the runs are doing, in their order; never waits.

        A run that is gone without a word has failed (`LOST` from `failures`).
        """

    def failures(self, status: RunStatus, tree: Tree) -> tuple[Failure, ...]:
        """Return a failure per task that failed by itself, none for those skipped because of it.

        Never empty for a run that ended otherwise than well; of a run still running, those of its
        tasks that failed for good already.
        """

    def observed(self, status: RunStatus, tree: Tree, task: TaskKey) -> Failure:
        """Return what a task left behind as a `VERIFY_FAILED` failure, however it ended.

        For a task that ended green and whose checks fail; the runner fills in what failed.
        """

    def tasks(self, tree: Tree) -> tuple[TaskSource, ...]:
        """Return the job's tasks in dependency order; empty where it cannot be read."""

    def affected(self, before: Tree, after: Tree) -> tuple[TaskKey, ...]:
        """Return the tasks whose declaration, main file or own modules differ between the trees."""

    def verify(
        self, status: RunStatus, tree: Tree, checks: Sequence[Expectation]
    ) -> tuple[Check, ...]:
        """Look at tables, files and SQL assertions, read-only; a `Check` each, in their order.

        What cannot be read is `unknown`, what is read and does not hold is `failed`.
        """

    def cancel(self, key: str, run: str) -> RunStatus:
        """Stop a run and return its status once every process or task of it has ended.

        `run` may be the key of a start whose outcome nobody knows: then nothing starts by it later.

        Raises `Unavailable` where that cannot be made sure of: something may still write.
        """

    def close(self, proved: bool) -> tuple[str, ...]:
        """Stop what we started besides runs (a warehouse, a cluster); say what was stopped, with
        how long it ran. `proved`: the job was verified, so that what waited for that goes on (its
        schedule). The case is over; the same again finds nothing left to do."""

    def calls(self) -> int:
        """Return how many API calls were made since this was asked last."""


def names() -> tuple[str, ...]:
    """Return the names of all platforms, sorted."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__)))


def connect(context: Context) -> Platform:
    """Return a connection to the playbook's platform (the module's own `connect`)."""
    name = context.loaded.playbook.platform
    if name not in names():
        raise PlaybookError(
            f"{context.loaded.path}: unknown platform {name!r}; there is {', '.join(names())}"
        )
    platform: Platform = importlib.import_module(f"{__name__}.{name}").connect(context)
    return platform
