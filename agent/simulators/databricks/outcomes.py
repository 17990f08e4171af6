"""Declared outcomes: how a task ends when a test or a rehearsal says so instead of running it.

Each attempt at a task takes the next outcome that was declared for it; the last one is taken again
by every attempt after it. A declaration for a job's name and a task goes before one for the task
alone.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field, JsonValue

from agent.simulators import outcomes
from agent.simulators.databricks.wire import invalid
from agent.simulators.outcomes import Declared

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

KIND = "outcome"


class Outcome(Declared):
    """How one attempt at a task goes."""

    result: str = "SUCCESS"
    """`result_state`, as `runs/get` spells it."""
    seconds: float = Field(default=60.0, ge=0)
    """How long it runs."""
    setup_seconds: float = Field(default=0.0, ge=0)
    """How long it is pending before."""
    error: str = ""
    """`error` of get-output; a failure without one gets a plain one."""
    error_trace: str = ""
    notebook_result: JsonValue = None
    """What `dbutils.notebook.exit` was given; anything but text goes out as JSON."""
    logs: str = ""
    """`logs` of get-output; for scripts only, as the service does it."""
    printed: str = ""
    """What a notebook printed: it shows in `runs/export` only; a script's logs begin with it."""
    values: dict[str, JsonValue] = {}
    """Task values it sets."""
    never_ends: bool = False
    """It runs until it is cancelled or timed out."""
    code: str | None = None
    """`termination_details.code`; None = what goes with the result."""
    type: str | None = None
    """`termination_details.type`; None = what goes with the code."""
    message: str | None = None
    """`state_message`; None = what the service says."""


def declare(sim: "Simulator", task: str | tuple[str, str], *declared: Outcome) -> None:
    """Say how the next attempts at a task go: `task` is its key, or (job name, its key).

    What was declared for it before is forgotten; no outcome at all lets the task run for real.
    """
    job, key = ("", task) if isinstance(task, str) else task
    outcomes.put(sim, KIND, f"{job}\n{key}", outcomes.for_good(declared))


def declare_json(sim: "Simulator", body: Mapping[str, Any]) -> None:
    """Declare over HTTP: `{"task": KEY, "job": NAME (optional), "outcomes": [{...}]}`.

    Raises `ApiError` (400) for anything else.
    """
    task, job, listed = body.get("task"), body.get("job") or "", body.get("outcomes")
    if not isinstance(task, str) or not isinstance(job, str) or not isinstance(listed, list):
        raise invalid('expected {"task": KEY, "job": NAME (optional), "outcomes": [{...}, ...]}')
    declare(sim, (job, task), *(outcomes.read(Outcome, one, invalid) for one in listed))


def take(sim: "Simulator", job: str, task: str) -> Outcome | None:
    """Return the outcome of the attempt that begins now; None = it runs for real."""
    return outcomes.take(sim, KIND, Outcome, f"{job}\n{task}", f"\n{task}")
