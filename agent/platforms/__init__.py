"""Where jobs run: one small protocol, one module or package per platform.

The folder is the registry.

Rules every platform keeps (the contract suite in tests/platforms proves them):
- What changes something takes a key. The same key again returns what the first call made.
- A job that fails, at deploy time too, is a value (`Failure`). "Not now" raises `Unavailable`,
  missing rights raise `Unauthorized`; nothing else is raised for what the platform says.
- Nothing is reported as ended before all of its processes or tasks have ended.
- Text from the job is masked, and made safe to print, before it leaves the platform.
"""

import importlib
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from agent.errors import PlaybookError
from agent.playbook import Expectation, Loaded
from agent.records import (
    Check,
    Deployment,
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


class Platform(Protocol):
    """One connection to one target, for one case."""

    def data(self, source: Path) -> tuple[str, ...]:
        """Return the folders of the source that are data: linked in, never copied or patched.

        Read tolerantly from the job's declaration; empty where there is none.
        """

    def deploy(
        self, key: str, tree: Tree, previous: Deployment | None
    ) -> Deployment | tuple[Failure, ...]:
        """Create the job from the tree, or update the one that `previous` names."""

    def start(
        self, key: str, deployment: Deployment, tree: Tree, repair: Repair | None
    ) -> Run | tuple[Failure, ...]:
        """Start a run; with the key of an earlier call return that call's run, alive or ended.

        A repair gets the resolved parameters of the run it repairs.
        """

    def poll(self, runs: Sequence[str]) -> tuple[RunStatus, ...]:
        """Ask once how the runs are doing, in their order; never waits.

        A run that is gone without a word has failed (`LOST` from `failures`).
        """

    def failures(self, status: RunStatus, tree: Tree) -> tuple[Failure, ...]:
        """Return a failure per task that failed by itself, none for those skipped because of it.

        Never empty for a run that ended otherwise than well.
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
