"""Declared outcomes: how a task ends when a test or a rehearsal says so instead of running it.

Each try at a task takes the next outcome that was declared for it and still has times left; without
one it runs for real. A declaration for a job goes before one for every job (`*`). Declared for
the task "", it is the run's own: no task runs, the run as a whole goes so.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, JsonValue

from agent.records import Record
from agent.simulators import outcomes
from agent.simulators.aidp.wire import invalid
from agent.simulators.outcomes import Declared

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

KIND = "outcome"
ANY = "*"

Status = Literal[
    "PENDING",
    "QUEUED",
    "RUNNING",
    "SKIPPED",
    "INTERNAL_ERROR",
    "BLOCKED",
    "SUCCESS",
    "FAILED",
    "CANCELING",
    "CANCELED",
    "UPSTREAM_CANCELED",
    "UPSTREAM_FAILED",
    "EXCLUDED",
    "TIMED_OUT",
    "PAUSED_MAINTENANCE",
]
"""Every word of the service for how a run or a task run stands."""


class Pass(Record):
    """A status on the way."""

    status: Status
    seconds: float = Field(ge=0)
    message: str = ""


class Outcome(Declared):
    """How one try at a task, or a run, goes."""

    status: Status = "SUCCESS"
    """How it ends; one that ends nothing, such as BLOCKED, stays until somebody cancels."""
    seconds: float = Field(default=60.0, ge=0)
    """How long it is RUNNING."""
    setup_seconds: float = Field(default=0.0, ge=0)
    """How long it is PENDING before, its start time null."""
    passes: tuple[Pass, ...] = ()
    """What it goes through once it runs, before the `seconds`."""
    message: str | None = None
    """`stateMessage`; None = what the service says."""
    error: str = ""
    """`ZeroDivisionError: division by zero`; a failure without one gets a plain one."""
    error_trace: str = ""
    """The traceback; None given, it is made of `error`."""
    printed: str = ""
    """What it wrote to stdout."""
    stderr: str = ""
    """What it wrote to stderr, besides the traceback."""
    notebook: dict[str, JsonValue] | None = None
    """The executed notebook as it is; None = made of the file and the fields above."""
    exit_value: JsonValue = None
    """What `oidlUtils.notebook.exit` was given; anything but text goes out as JSON."""
    no_output: bool = False
    """fetchOutput answers with nulls, as for a task that was never launched."""
    driver_log: str = ""
    """Further lines of the driver's stderr in the cluster's logs."""
    executor_log: str = ""
    """The same of an executor."""
    cancel_fails: bool = False
    """Cancelling it ends in `Failed to cancel task run execution`."""
    outcome: str | None = None
    """`true` or `false`, for an IF_ELSE_TASK."""


def declare(
    sim: "Simulator", job: str, task: str, outcome: Outcome, *, times: int | None = 1
) -> None:
    """Say how the next `times` tries at a task go, after those declared before; None = all.

    `job`: its name, `*` = any; `task`: its key, "" = the run itself.
    """
    outcomes.put(sim, KIND, f"{job}\n{task}", [(outcome, times)], after=True)


def forget(sim: "Simulator", job: str, task: str) -> None:
    """Let the task run for real from here on."""
    outcomes.put(sim, KIND, f"{job}\n{task}", [])


def declare_json(sim: "Simulator", body: Mapping[str, Any]) -> None:
    """Declare over HTTP: `{"job": NAME or "*", "task": KEY, "times": N or null, "outcome": {}}`.

    `outcome` null forgets what was declared. Raises `ApiError` (400) for anything else.
    """
    job, task, said = body.get("job", ANY), body.get("task", ""), body.get("outcome", {})
    times = body.get("times", 1)
    if not isinstance(job, str) or not isinstance(task, str) or not isinstance(times, int | None):
        raise invalid('expected {"job": NAME, "task": KEY, "times": N, "outcome": {...}}')
    if said is None:
        forget(sim, job, task)
    else:
        declare(sim, job, task, outcomes.read(Outcome, said, invalid), times=times)


def take(sim: "Simulator", job: str, task: str) -> Outcome | None:
    """Return the outcome of the try that begins now; None = it runs for real."""
    return outcomes.take(sim, KIND, Outcome, f"{job}\n{task}", f"{ANY}\n{task}")
