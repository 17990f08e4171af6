"""Declared outcomes: how an update of a pipeline goes when a test or a rehearsal says so.

Each update takes the next outcome that was declared for its pipeline; the last one is taken again
by every update after it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from agent.simulators import outcomes
from agent.simulators.databricks.wire import invalid
from agent.simulators.outcomes import Declared

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

KIND = "pipeline_outcome"


class Frame(Declared):
    """One frame of a stack."""

    declaring_class: str = ""
    method_name: str = ""
    file_name: str = ""
    line_number: int = 0


class Trouble(Declared):
    """One exception of an error event, as the service spells its fields."""

    class_name: str = "org.apache.spark.sql.AnalysisException"
    message: str
    error_class: str = ""
    """Left out of the event where it is empty, and so is the next one."""
    sql_state: str = ""
    stack: tuple[Frame, ...] = ()


class Expectation(Declared):
    """What a data quality rule counted."""

    name: str
    dataset: str
    passed_records: int = 0
    failed_records: int = 0


class Flow(Declared):
    """How one flow of an update goes."""

    name: str
    dataset: str = ""
    """Full name of the table; empty = the flow's own."""
    status: Literal["COMPLETED", "FAILED", "SKIPPED", "STOPPED", "RUNNING"] = "COMPLETED"
    output_rows: int = 0
    dropped_records: int = 0
    expectations: tuple[Expectation, ...] = ()
    errors: tuple[Trouble, ...] = ()
    """What a failed flow's event carries."""


class Step(Declared):
    """A state of an update and how long it lasts."""

    state: str
    seconds: float = Field(default=0.0, ge=0)


class Outcome(Declared):
    """How one update goes."""

    result: Literal["COMPLETED", "FAILED", "CANCELED"] = "COMPLETED"
    seconds: float = Field(default=60.0, ge=0)
    """From its creation to its end; the waiting for resources comes on top."""
    waiting_seconds: float = Field(default=0.0, ge=0)
    steps: tuple[Step, ...] = ()
    """States before the last one, where the usual ones will not do."""
    flows: tuple[Flow, ...] = ()
    errors: tuple[Trouble, ...] = ()
    """What the event of a failed update carries; with none, it carries the flows'."""
    silent: bool = False
    """A failure without any ERROR event."""
    never_ends: bool = False
    """It runs until it is stopped; so does every update of a continuous pipeline that succeeds."""
    retried: bool = True
    """The platform tries again after this failure, where the pipeline is in production."""


def declare(sim: "Simulator", pipeline: str, *declared: Outcome) -> None:
    """Say how the next updates of a pipeline, by name or id, go; none = they run for real."""
    outcomes.put(sim, KIND, pipeline, outcomes.for_good(declared))


def declare_json(sim: "Simulator", body: Mapping[str, Any]) -> None:
    """Declare over HTTP: `{"pipeline": NAME or ID, "outcomes": [{...}]}`.

    Raises `ApiError` (400) for anything else.
    """
    pipeline, listed = body.get("pipeline"), body.get("outcomes")
    if not isinstance(pipeline, str) or not isinstance(listed, list):
        raise invalid('expected {"pipeline": NAME or ID, "outcomes": [{...}, ...]}')
    declare(sim, pipeline, *(outcomes.read(Outcome, one, invalid) for one in listed))


def take(sim: "Simulator", *names: str) -> Outcome | None:
    """Return the outcome of the update that begins now; None = it runs for real."""
    return outcomes.take(sim, KIND, Outcome, *names)
