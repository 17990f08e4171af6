"""Runs and task runs that go as declared: a plan of statuses and the times at which they come."""

from typing import Any

from agent.simulators.aidp import rundocs
from agent.simulators.aidp.outcomes import Outcome


def begin(document: dict[str, Any], said: Outcome, at_ms: int, *, forever: bool = False) -> None:
    """Plan what happens to a run or a task run that is RUNNING from now on.

    `forever`: it is a stream; ending well is not in its nature.
    """
    plan: list[list[Any]] = []
    at = at_ms
    for one in said.passes:
        plan.append([at, one.status, one.message])
        at += round(one.seconds * 1000)
    if plan:
        plan.append([at, "RUNNING", ""])
    if said.status != "RUNNING" and not (forever and said.status == "SUCCESS"):
        plan.append([at + round(said.seconds * 1000), said.status, said.message or ""])
    document["plan"] = plan


def due(document: dict[str, Any]) -> int | None:
    """Return when the next status comes; None = it stays as it is."""
    plan = document.get("plan")
    return int(plan[0][0]) if plan else None


def progress(document: dict[str, Any], at_ms: int) -> str | None:
    """Take on every status that is due; return the one that ends it, which the caller does."""
    plan = document["plan"]
    while plan and plan[0][0] <= at_ms:
        at, status, message = plan.pop(0)
        if status in rundocs.ENDED:
            return str(status)
        rundocs.enter(document, status, at, message)
    return None
