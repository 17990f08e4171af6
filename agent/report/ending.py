"""What a person does next: the exact commands, and what they must know before they type them."""

import shlex
from collections.abc import Sequence
from typing import NamedTuple

from agent.report.story import Delivery, Iteration, Step
from agent.verdicts import Verdict


class Names(NamedTuple):
    """What commands are made of."""

    case: str
    playbook: str
    """As the user would type it: a path."""
    chosen: str = ""
    """Options to begin anew with, such as `-t prod`."""
    options: str = ""
    """Options that every command needs to find the case, such as `--state DIR`."""
    matrix: str = ""
    """The option for the user's own matrix, for what diagnoses: `--matrix FILE`."""
    resume: str = ""
    """What takes the place of `resume`; empty = nothing does."""
    heal: str = ""
    """What takes the place of `heal`; empty = nothing does."""


def steps(
    names: Names,
    verdict: Verdict | None,
    iterations: Sequence[Iteration],
    delivered: Delivery | None,
    *,
    undone: bool,
    ended: bool = True,
) -> tuple[Step, ...]:
    """Return the commands that make sense now; the first is the one to continue with."""
    match verdict:
        case "waiting":
            return _waiting(names, iterations)
        case "refused" if not ended:
            return (
                Step(command=_resume(names), why="carry on, once allowed"),
                Step(command=_command(names, "show", names.case), why="see where it is"),
            )
        case "healed" | "healthy":
            return () if undone else _good(names, delivered)
        case None | "unauthorized" | "unreachable" | "interrupted":
            return (
                Step(command=_resume(names), why="carry on"),
                Step(command=_command(names, "show", names.case), why="see where it is"),
            )
        case "held":
            return (
                Step(command=_command(names, "show", names.case), why="see where it is"),
                Step(command=_heal(names), why="start anew, once nobody else is at work"),
            )
        case "rejected" | "expired":
            return (Step(command=_heal(names), why="start anew and get a proposal again"),)
        case _:
            return (
                Step(command=_heal(names), why="start anew, once the cause is mended"),
                Step(command=_command(names, "show", names.case), why="see this case again"),
            )


def _waiting(names: Names, iterations: Sequence[Iteration]) -> tuple[Step, ...]:
    undecided = [i.patch for i in iterations if i.patch is not None and i.patch.decision is None]
    if not undecided:
        return (
            Step(command=_resume(names), why="carry on once that is done"),
            Step(command=_command(names, "show", names.case), why="see where it is"),
        )
    patch = undecided[-1].id
    why = "let it be deployed" if undecided[-1].files else "let it run again"
    reject = f'{_command(names, "reject", names.case, patch)} --reason "..."'
    return (
        Step(command=_command(names, "approve", names.case, patch), why=why),
        Step(command=reject, why="end the case"),
        Step(command=_command(names, "show", names.case), why="see the patch and the evidence"),
        Step(command=_resume(names), why="carry on once it is decided"),
    )


def _good(names: Names, delivered: Delivery | None) -> tuple[Step, ...]:
    if delivered is None or delivered.how == "nothing":
        return ()
    undo = Step(command=_command(names, "undo", names.case), why="take the fix back")
    if not delivered.command:
        return (undo,)
    return (Step(command=delivered.command, why="take the fix over"), undo)


def teaching(names: Names, entry: str, *, solved: bool) -> tuple[Step, ...]:
    """Return how the matrix can learn from this case; nothing where it knew its failures."""
    if solved and entry:
        add = _command(names, "matrix", "add", "--from-case", names.case)
        return (Step(command=add, why="teach the error matrix what helped"),)
    if entry:
        learn = f'{_command(names, "learn", names.case)} --note "..." --commit REV'
        return (Step(command=learn, why="once it is mended, record what was found and done"),)
    return ()


def notes(verdict: Verdict | None, *, ended_badly: bool, runs: int) -> tuple[str, ...]:
    """Return what a person must know beside the verdict."""
    found = []
    if ended_badly and runs:
        found.append(
            "Data that the job's runs wrote is not undone: look at its tables and files before it"
            " runs again."
        )
    if verdict == "expired":
        found.append("Expired is not rejected: nobody said no, nobody said yes.")
    return tuple(found)


def _heal(names: Names) -> str:
    if names.heal:
        return names.heal
    options = " ".join(filter(None, (names.chosen, names.matrix, names.options)))
    return _command(names._replace(options=options), "heal", names.playbook)


def _resume(names: Names) -> str:
    options = " ".join(filter(None, (names.matrix, names.options)))
    return names.resume or _command(names._replace(options=options), "resume", names.case)


def _command(names: Names, *parts: str) -> str:
    command = " ".join(("runmend", *(shlex.quote(p) for p in parts)))
    return f"{command} {names.options}" if names.options else command
