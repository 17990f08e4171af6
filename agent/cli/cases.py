"""Commands about cases: heal, resume, cases, show, approve, reject, cancel, undo, report."""

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from agent.cli.ending import Typed, context, failing, finish, rehearsed, show_story
from agent.cli.options import CaseId, Cleanup, Engine, Matrix, Output, Profile, State

if TYPE_CHECKING:
    from pydantic import JsonValue

    from agent.cases import Desk
    from agent.machine import Case
    from agent.playbook import Loaded


def add(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (heal, resume, cases, show, approve, reject, cancel, undo, learn, report):
        app.command()(command)


def desk(
    state: Path | None, *, quiet: bool = False, matrix: Path | None = None, make: bool = False
) -> "Desk":
    """Open the state folder and sit down at it; only a command that begins something makes it."""
    from agent import settings
    from agent.cases import Desk
    from agent.console import on_terminal
    from agent.errors import UnknownCase
    from agent.journal import Journal

    folder = settings.state_folder(state)
    if not make and not folder.is_dir():
        raise UnknownCase(
            f"there is no state folder {folder}, so there are no cases; "
            "name another with --state, or begin with: runmend heal PLAYBOOK"
        )
    settings.open_state(folder)
    here = Desk(
        state=folder,
        cache=settings.cache_folder(),
        journal=Journal(folder),
        audience=on_terminal(quiet=quiet),
        matrix=settings.own_matrix(matrix, folder),
    )
    return here._replace(sleep=_loading(here.sleep))


def _loading(sleep: Callable[[float], None]) -> Callable[[float], None]:
    """Return a `sleep` that loads the report's code in its first pause, while the job runs."""

    def rest(seconds: float) -> None:
        began = time.monotonic()
        import_module("agent.report")
        sleep(max(0.0, seconds - (time.monotonic() - began)))

    return rest


def heal(
    playbook: Annotated[
        str,
        typer.Argument(
            help="The playbook of the job; or KEY of a Databricks job that DATABRICKS_JOB_<KEY> "
            "names."
        ),
    ],
    run: Annotated[
        str | None,
        typer.Option(
            "--run", help="Begin at this failed run, by id, key or URL; deploys no fix unasked."
        ),
    ] = None,
    mode: Annotated[
        Literal["observe", "suggest", "approve", "auto"] | None,
        typer.Option(help="Who decides about patches; wins over the playbook."),
    ] = None,
    target: Annotated[str | None, typer.Option("-t", "--target", help="Where it runs.")] = None,
    profile: Profile = None,
    deliver: Annotated[
        Literal["patch", "in-place", "branch"] | None,
        typer.Option(help="How a proved fix is handed over."),
    ] = None,
    engine: Engine = None,
    cleanup: Cleanup = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; run and change nothing.")
    ] = False,
    matrix: Matrix = None,
    state: State = None,
    output: Output = "text",
) -> int:
    """Carry a playbook's job to a verified success; go on with its open case where there is one."""
    from agent import playbook as playbooks

    flags = {
        "approve.mode": mode,
        "target": target,
        "deliver": deliver,
        "profile": profile,
        "aidp.engine": engine,
        "aidp.cleanup": cleanup or None,
    }
    given = {key: value for key, value in flags.items() if value is not None}
    with failing(output):
        path = target_file(playbook, state)
    if not dry_run:
        words = {
            "--mode": mode,
            "-t": target,
            "-p": profile,
            "--deliver": deliver,
            "--engine": engine,
        }
        chosen = [part for pair in words.items() if pair[1] for part in pair if part]
        typed = Typed(playbook, shlex.join([*chosen, *(["--cleanup"] if cleanup else [])]))
        return begin(path, given, typed, run=run, matrix=matrix, state=state, output=output)
    from agent.cli.plan import plan

    with failing(output):
        loaded = playbooks.load(path, given)
        fits(loaded, given)
        playbooks.order(loaded)
        return plan(loaded, output)


def fits(loaded: "Loaded", flags: "Mapping[str, JsonValue]") -> None:
    """Raise `UsageError` for an option of another platform than the playbook's."""
    from agent.errors import UsageError

    platform = loaded.playbook.platform
    for key in flags:
        owner, _, name = key.partition(".")
        if owner == "aidp" and platform != owner:
            raise UsageError(
                f"--{name} goes with platform aidp; {loaded.path} is a playbook for {platform}"
            )


def target_file(name: str, state: Path | None) -> Path:
    """Return the playbook's path; for a job that the environment names, one made in the state.

    Such a job has no source: it can be diagnosed, run again, repaired and cancelled.
    Raises `UsageError` for a name that is neither.
    """
    path = Path(name)
    if path.exists() or "/" in name or path.suffix:
        return path
    from agent import settings
    from agent.errors import UsageError
    from agent.platforms.databricks import named

    jobs = named.jobs(os.environ)
    if name not in jobs:
        known = f"; the environment names {', '.join(sorted(jobs))}" if jobs else ""
        raise UsageError(
            f"there is no playbook {name}, and no job of that name: set "
            f"DATABRICKS_JOB_{name.upper()} to a job's id, or give the path of a playbook{known}"
        )
    folder = settings.open_state(settings.state_folder(state)) / "jobs"
    (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    made = folder / f"{name}.yaml"
    book = {
        "name": name,
        "platform": "databricks",
        "source": name,
        "job": {"id": jobs[name]},
        "edit": [],
    }
    made.write_text(json.dumps(book, indent=2) + "\n", encoding="utf-8")
    return made


def begin(
    playbook: Path,
    flags: "Mapping[str, JsonValue]",
    typed: Typed | None = None,
    *,
    run: str | None = None,
    matrix: Path | None = None,
    state: Path | None,
    output: str,
) -> int:
    """Heal a playbook; `flags` are playbook keys that win over the file."""
    from agent import cases as work
    from agent import playbook as playbooks

    with failing(output):
        loaded = playbooks.load(playbook, flags)
        fits(loaded, flags)
        playbooks.order(loaded)
        here = desk(state, quiet=output == "json", matrix=matrix, make=True)
        typed = typed or Typed(str(playbook))
        return _carry(here, output, state, typed, lambda: work.heal(here, loaded, run))


def resume(
    case: CaseId, matrix: Matrix = None, state: State = None, output: Output = "text"
) -> int:
    """Carry a case on from where it stands."""
    from agent import cases as work
    from agent.errors import UsageError

    with failing(output):
        here = desk(state, quiet=output == "json", matrix=matrix)
        case_id = here.journal.find(case)
        if command := rehearsed(here.state).resume:
            raise UsageError(
                f"case {case_id} is a rehearsal's and goes on in its own way: {command}"
            )
        return _carry(here, output, state, None, lambda: work.resume(here, case_id))


def _carry(here: "Desk", output: str, state: Path | None, typed: Typed | None, work: Any) -> int:
    """Drive, then print how it stands; an interrupt leaves a case that can be resumed."""
    from agent.cases import Result
    from agent.errors import Signalled
    from agent.runner import Pause

    try:
        result: Result = work()
    except Signalled as signalled:
        if signalled.case is None:
            raise
        pause = Pause("interrupted", "stopped by a signal; what runs goes on running")
        result = Result(here.journal.load(signalled.case), pause)
        return finish(here, result, output, state, typed, 128 + signalled.number)
    return finish(here, result, output, state, typed)


def cases(state: State = None, output: Output = "text") -> int:
    """List the cases in the state folder, newest last."""
    from agent import verdicts

    with failing(output):
        here = desk(state)
        rows = []
        for summary in here.journal.cases():
            case = here.journal.load(summary.case)
            rows.append(_row(case, verdicts.of_case(case)))
    if output == "json":
        sys.stdout.write(json.dumps({"schema_version": 1, "cases": rows}, indent=2) + "\n")
    elif not rows:
        sys.stdout.write("no cases yet; begin with: runmend heal PLAYBOOK\n")
    else:
        for row in rows:
            sys.stdout.write(
                "  ".join(
                    str(v).ljust(w) for v, w in zip(row.values(), _WIDTHS, strict=True)
                ).rstrip()
                + "\n"
            )
    return 0


_WIDTHS = (8, 20, 10, 10, 10, 20)


def _row(case: "Case", verdict: str | None) -> dict[str, str]:
    return {
        "case": case.id,
        "playbook": case.loaded.playbook.name,
        "platform": case.loaded.playbook.platform,
        "state": case.state,
        "verdict": verdict or "running",
        "opened": f"{case.opened_at:%Y-%m-%d %H:%M:%S}Z",
    }


def show(case: CaseId, state: State = None, output: Output = "text") -> int:
    """Show a case: what is known, what was tried, what waits for you. Exits 0."""
    from agent import report as reports

    with failing(output):
        here = desk(state)
        case_id = here.journal.find(case)
        events = here.journal.events(case_id)
        story = reports.write(events, here.folder(case_id), context(here, state, case_id))
    show_story(story, output)
    return 0


PatchId = Annotated[
    str, typer.Argument(metavar="PATCH", help="The patch's id, as `show` names it.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the journal and the report.")]


def approve(
    case: CaseId, patch: PatchId, reason: Reason = "", state: State = None, output: Output = "text"
) -> int:
    """Approve the patch that waits; `resume` (or `heal` of the playbook) then carries on."""
    return _decide(case, patch, reason, state, output, approve=True)


def reject(
    case: CaseId, patch: PatchId, reason: Reason = "", state: State = None, output: Output = "text"
) -> int:
    """Reject the patch that waits; the case ends."""
    return _decide(case, patch, reason, state, output, approve=False)


def _decide(
    case: str, patch: str, reason: str, state: Path | None, output: str, *, approve: bool
) -> int:
    from agent import cases as work

    with failing(output):
        here = desk(state, quiet=True)
        case_id = here.journal.find(case)
        after = work.decide(here, case_id, patch, approve=approve, reason=reason)
    word = "approved" if approve else "rejected"
    if output == "json":
        fields = {"schema_version": 1, "case": after.id, "state": after.state, "decision": word}
        sys.stdout.write(json.dumps(fields, indent=2) + "\n")
        return 0
    option = f" --state {shlex.quote(str(state))}" if state is not None else ""
    command = rehearsed(here.state).resume or f"runmend resume{option} {after.id}"
    then = f"; carry on: {command}" if approve else ""
    sys.stdout.write(f"{word} patch {patch} of case {after.id}{then}\n")
    return 0


def cancel(case: CaseId, reason: Reason = "", state: State = None, output: Output = "text") -> int:
    """End a case; nothing of it runs any more when this returns. Exits 0 when it is cancelled."""
    from agent import cases as work
    from agent.cases import Result

    with failing(output):
        here = desk(state, quiet=output == "json")
        after = work.cancel(here, here.journal.find(case), reason)
        finish(here, Result(after, None), output, state, None)
    return 0


def undo(case: CaseId, state: State = None, output: Output = "text") -> int:
    """Take back a delivered fix: the edits in place, or the branch."""
    from agent import cases as work

    with failing(output):
        here = desk(state)
        case_id = here.journal.find(case)
        what = work.undo(here, case_id)
    if output == "json":
        fields = {"schema_version": 1, "case": case_id, "undone": what}
        sys.stdout.write(json.dumps(fields, indent=2) + "\n")
    else:
        sys.stdout.write(f"{what}\n")
    return 0


def learn(
    case: CaseId,
    note: Annotated[str, typer.Option("--note", help="What was wrong, and what helped.")],
    commit: Annotated[
        str, typer.Option("--commit", metavar="REV", help="The commit that mended it.")
    ] = "",
    category: Annotated[
        str | None, typer.Option("--category", help="What it really was, if that was not said.")
    ] = None,
    state: State = None,
    output: Output = "text",
) -> int:
    """Record what you found and did outside, so that the error matrix can learn from it."""
    from agent import cases as work
    from agent.cli import options

    with failing(output):
        here = desk(state, quiet=True)
        case_id = here.journal.find(case)
        learned = work.learn(here, case_id, note, commit, options.category(category))
    if output == "json":
        fields = {"schema_version": 1, "case": case_id, "learned": learned.model_dump(mode="json")}
        sys.stdout.write(json.dumps(fields, indent=2) + "\n")
        return 0
    option = f" --state {shlex.quote(str(state))}" if state is not None else ""
    sys.stdout.write(
        f"recorded with case {case_id}; propose an entry for the matrix: "
        f"runmend matrix add --from-case {case_id}{option}\n"
    )
    return 0


def report(
    case: CaseId,
    form: Annotated[
        Literal["markdown", "html", "json", "junit"],
        typer.Option("--format", help="Which of the report's forms is printed."),
    ] = "markdown",
    state: State = None,
) -> int:
    """Write a case's report again and print one form of it."""
    from agent import report as reports

    here = desk(state)
    case_id = here.journal.find(case)
    events = here.journal.events(case_id)
    story = reports.write(events, here.folder(case_id), context(here, state, case_id))
    sys.stdout.write(Path(story.report[form]).read_text())

    return 0
