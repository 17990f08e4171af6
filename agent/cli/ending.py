"""How a command ends: the story it prints, and the object that stands for an error."""

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypedDict

if TYPE_CHECKING:
    from agent.cases import Desk, Result
    from agent.errors import RunmendError
    from agent.report import Context, Story


def _matrix(here: "Desk") -> str:
    """Return the option that names the matrix, empty where it is found without one."""
    from agent import settings

    if here.matrix is None or here.matrix == settings.own_matrix(None, here.state):
        return ""
    return f"--matrix {shlex.quote(str(here.matrix))}"


class _Taught(TypedDict, total=False):
    entry: str
    solved: bool


class Typed(NamedTuple):
    """What a person typed to begin, so that they are told the same words again."""

    playbook: str
    """The playbook's path, or a named job's key."""
    options: str = ""
    """Which they chose, quoted: `-t prod -p DEV`."""


def finish(
    here: "Desk",
    result: "Result",
    output: str,
    state: Path | None,
    typed: Typed | None,
    exit_code: int | None = None,
) -> int:
    """Write the report, print the card or the object, and return the exit code."""
    from agent import report as reports

    events = here.journal.events(result.case.id)
    pause = result.pause
    around = context(here, state, result.case.id)._replace(
        verdict=pause.verdict if pause is not None else None,  # type: ignore[arg-type]  # the runner's words are verdicts
        exit_code=exit_code,
        reason=pause.message if pause is not None else "",
        playbook=typed.playbook if typed is not None else "",
        chosen=typed.options if typed is not None else "",
    )
    story = reports.write(events, here.folder(result.case.id), around)
    return show_story(story, output)


def context(here: "Desk", state: Path | None, case: str) -> "Context":
    """Return what a report says of its surroundings."""
    from agent import report as reports

    own = rehearsed(here.state)
    return reports.Context(
        chain_head=here.journal.head(),
        options=f"--state {shlex.quote(str(state))}" if state is not None else "",
        matrix=_matrix(here),
        resume=own.resume,
        heal=own.heal,
        payloads=_payloads(here.state, case),
        **_taught(here, case),
    )


def _taught(here: "Desk", case: str) -> "_Taught":
    """Return the matrix entry that a case teaches, for its report."""
    from agent import learning
    from agent.errors import UsageError

    if not learning.teaches(here.journal.events(case)):
        return {}
    try:
        found = learning.from_case(here.journal, case, here.matrix)
    except UsageError:
        return {}
    if found is None:
        return {}
    about, proposal = found
    return {"entry": proposal.block, "solved": bool(about.solution)}


def _payloads(state: Path, case: str) -> tuple[str, ...]:
    """Return the files with what a case sent to AIDP."""
    if not (state / ".aidp").is_dir():
        return ()
    from agent.platforms.aidp import payloads

    return tuple(map(str, payloads.listed(state, case)))


REHEARSAL = "rehearsal.json"
"""File in the state folder of a rehearsal: the commands that carry it on and begin it anew."""


class Rehearsed(NamedTuple):
    """What takes the place of `resume` and `heal` in a rehearsal; empty elsewhere."""

    resume: str = ""
    heal: str = ""


def rehearsed(state: Path) -> Rehearsed:
    """Return the commands of the rehearsal whose state folder this is."""
    try:
        return Rehearsed(**json.loads((state / REHEARSAL).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Rehearsed()


def show_story(story: "Story", output: str) -> int:
    """Print a story on stdout and return its exit code, 0 for a case on its way."""
    from agent import report as reports

    if output == "json":
        sys.stdout.write(reports.as_json(story))
    else:
        sys.stderr.flush()
        if sys.stderr.isatty() or sys.stdout.isatty():
            sys.stdout.write("\n")
        sys.stdout.write(reports.text(story, Path.cwd()))
    return story.exit_code or 0


class failing:
    """With `-o json`, an error is one object on stdout too; then it goes its usual way."""

    def __init__(self, output: str) -> None:
        """Know the output format."""
        self._output = output

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Print the object for an error of ours."""
        from agent.errors import RunmendError

        if self._output == "json" and isinstance(error, RunmendError):
            sys.stdout.write(_error(error))


def _error(error: "RunmendError") -> str:
    from agent.errors import (
        ApprovalExpired,
        BudgetSpent,
        Held,
        Refused,
        Unauthorized,
        Unavailable,
    )

    words: dict[type[RunmendError], str] = {
        Held: "held",
        Refused: "refused",
        Unauthorized: "unauthorized",
        Unavailable: "unreachable",
        ApprovalExpired: "expired",
        BudgetSpent: "exhausted",
    }
    verdict = next((w for kind, w in words.items() if isinstance(error, kind)), None)
    code = code_of(error)
    return error_object(str(error), code, "unauthorized" if code == 6 else verdict)


def code_of(error: "RunmendError") -> int:
    """Return the exit code: the error's own, 6 where it comes of a file that may not be read."""
    why = error.__cause__ or error.__context__
    return 6 if isinstance(why, PermissionError) else error.exit_code


def error_object(text: str, exit_code: int, verdict: str | None = None) -> str:
    """Return what `-o json` prints where there is no case to tell of."""
    fields = {
        "schema_version": 1,
        "case": None,
        "verdict": verdict,
        "exit_code": exit_code,
        "error": text,
    }
    return json.dumps(fields, indent=2) + "\n"
