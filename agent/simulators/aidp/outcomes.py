"""Declared outcomes: how a task ends when a test or a rehearsal says so instead of running it.

Each try at a task takes the next outcome that was declared for it and still has times left; without
one it runs for real. A declaration for a job goes before one for every job (`*`). Declared for
the task "", it is the run's own: no task runs, the run as a whole goes so.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict, Field, JsonValue, ValidationError

from agent.records import Record
from agent.simulators.aidp.wire import invalid

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


class Pass(Record):
    """A status on the way."""

    status: Status
    seconds: float = Field(ge=0)
    message: str = ""


class Outcome(Record):
    """How one try at a task, or a run, goes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)

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
    with sim.lock:
        key = f"{job}\n{task}"
        before = (sim.store.get(KIND, key) or {"outcomes": []})["outcomes"]
        one = {"left": times, "outcome": outcome.model_dump(mode="json")}
        sim.store.put(KIND, key, {"outcomes": [*before, one]})


def forget(sim: "Simulator", job: str, task: str) -> None:
    """Let the task run for real from here on."""
    with sim.lock:
        sim.store.delete(KIND, f"{job}\n{task}")


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
        return
    try:
        outcome = Outcome.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        known = ", ".join(Outcome.model_fields)
        raise invalid(f"outcome: {where}: {first['msg']} (fields: {known})") from error
    declare(sim, job, task, outcome, times=times)


def take(sim: "Simulator", job: str, task: str) -> Outcome | None:
    """Return the outcome of the try that begins now; None = it runs for real."""
    for key in (f"{job}\n{task}", f"{ANY}\n{task}"):
        found = (sim.store.get(KIND, key) or {"outcomes": []})["outcomes"]
        if not found:
            continue
        first = found[0]
        if first["left"] is not None:
            first["left"] -= 1
        left = found if first["left"] != 0 else found[1:]
        sim.store.put(KIND, key, {"outcomes": left})
        return Outcome.model_validate(first["outcome"])
    return None
