"""Declared outcomes: what a test or a rehearsal says in advance, taken one after another.

Rules kept here: outcomes wait under a name, each with the times that it is taken, None = for good;
who takes one names where to look, the most exact name first; with none left it goes for real.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ConfigDict, ValidationError

from agent.records import Record
from agent.simulators.wire import Refusal, first_mistake

if TYPE_CHECKING:
    from agent.simulators.service import Service


class Declared(Record):
    """What is declared: lists of JSON count as tuples, whole numbers as seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


DeclaredT = TypeVar("DeclaredT", bound=Declared)
Waiting = tuple[Declared, int | None]
"""An outcome and the times that are left."""


def for_good(outcomes: Sequence[Declared]) -> list[Waiting]:
    """Let each be taken once and the last one again by all that come after."""
    once: list[Waiting] = [(one, 1) for one in outcomes[:-1]]
    return [*once, *((one, None) for one in outcomes[-1:])]


def put(
    sim: "Service[Any, Any]",
    kind: str,
    name: str,
    waiting: Sequence[Waiting],
    *,
    after: bool = False,
) -> None:
    """Let these be taken next under that name; none = it goes for real.

    `after`: behind what waits there; else that is forgotten."""
    with sim.lock:
        before = _waiting(sim, kind, name) if after else []
        new = [{"left": left, "outcome": one.model_dump(mode="json")} for one, left in waiting]
        if before or new:
            sim.store.put(kind, name, {"waiting": before + new})
        else:
            sim.store.delete(kind, name)


def take(
    sim: "Service[Any, Any]", kind: str, model: type[DeclaredT], *names: str
) -> DeclaredT | None:
    """Return the next outcome under the first of these names that has one, None = none has."""
    for name in names:
        if not (waiting := _waiting(sim, kind, name)):
            continue
        first = waiting[0]
        if first["left"] is not None:
            first["left"] -= 1
        left = waiting if first["left"] != 0 else waiting[1:]
        sim.store.put(kind, name, {"waiting": left})
        return model.model_validate(first["outcome"])
    return None


def read(model: type[DeclaredT], said: Any, invalid: Callable[[str], Refusal]) -> DeclaredT:
    """Return an outcome that came as JSON. Raises what `invalid` makes where it is none."""
    try:
        return model.model_validate(said)
    except ValidationError as error:
        message = first_mistake(error, model.model_fields)
        raise invalid(f"outcome: {message}") from error


def _waiting(sim: "Service[Any, Any]", kind: str, name: str) -> list[dict[str, Any]]:
    return list((sim.store.get(kind, name) or {}).get("waiting", ()))
