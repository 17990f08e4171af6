"""A case's events become its story."""

from collections.abc import Sequence
from typing import NamedTuple

from agent.events import AnyEvent, Cancelled, Escalated, Expired, Rejected, Settled
from agent.machine import Case
from agent.records import TaskStatus
from agent.report import causes, ending, iterations
from agent.report.fold import History
from agent.report.story import Delivery, Iteration, RunReport, Spent, Step, Story
from agent.verdicts import EXIT, Verdict, fold, of_case


class Context(NamedTuple):
    """What a report says that no event holds."""

    verdict: Verdict | None = None
    """The runner's word for what is no event: unauthorized, unreachable, interrupted, held."""
    exit_code: int | None = None
    """Where it is not the verdict's own: 143."""
    reason: str = ""
    """Why, in the error's own words; used where the events give no reason."""
    steps: tuple[Step, ...] = ()
    """Commands to offer first, where somebody knows better than the events."""
    chain_head: str = ""
    """Hash of the journal's newest event of this case."""
    playbook: str = ""
    """The playbook's path as the user gave it; empty = its absolute path."""
    chosen: str = ""
    """Options the user began with, quoted: `-t prod -p DEV`."""
    options: str = ""
    """Options every command needs to find the case, quoted: `--state /srv/runmend`."""
    matrix: str = ""
    """The option for the user's own matrix where they named one, quoted: `--matrix own.yaml`."""
    resume: str = ""
    """The command that carries on, where that is not `resume`: a rehearsal's."""
    heal: str = ""
    """The command that begins anew, where that is not `heal`: a rehearsal's."""
    payloads: tuple[str, ...] = ()
    """Paths of the bodies that were sent to the platform."""
    entry: str = ""
    """YAML of the matrix entry that the case teaches; empty where the matrix knew its failures."""
    solved: bool = False
    """Whether it is known what helped against the failure that the entry is about."""


_NOTHING = Context()
_NOWHERE = Delivery(how="nothing", where="", command="")


def tell(events: Sequence[AnyEvent], context: Context = _NOTHING) -> Story:
    """Return the story of a case, whatever state it is in. `events` begin with `Opened`."""
    case = fold(events)
    history = History(events)
    verdict = context.verdict or of_case(case)
    reason = _reason(case) or context.reason
    told = iterations.of(
        history.versions,
        limit=case.loaded.playbook.limits.iterations,
        why_none=reason or ("" if case.ended else "not proposed yet"),
        going=not case.ended,
    )
    done = case.state == "done"
    runs = [r for i in told for r in i.runs]
    return Story(
        **_whole(case, history),
        ended=events[-1].at,
        reason=reason,
        causes=causes.of(told),
        hypothesis=None if done else causes.best(told),
        iterations=tuple(told),
        healed_in=sum(1 for i in told if i.patch and i.patch.files and i.patch.deployed),
        tasks=_tasks(runs),
        proposed_entry=context.entry,
        notes=(
            *dict.fromkeys(history.notes),
            *ending.notes(verdict, ended_badly=case.ended and not done, runs=len(runs)),
        ),
        usage=Spent.of(case.usage, case.api_calls, (events[-1].at - events[0].at).total_seconds()),
        payloads=context.payloads,
        chain_head=context.chain_head,
        **_end(case, history, told, verdict, context),
    )


def _whole(case: Case, history: History) -> dict[str, object]:
    """Return what is known of the case from its playbook and its state."""
    playbook = case.loaded.playbook
    end = case.end
    return {
        "case": case.id,
        "playbook": playbook.name,
        "playbook_path": case.loaded.path,
        "platform": playbook.platform,
        "target": playbook.where,
        "job": history.job,
        "job_url": history.deployment.url if history.deployment else None,
        "mode": playbook.approve.mode,
        "production": playbook.production,
        "by": case.opened_by,
        "source_path": str(case.loaded.source),
        "opened": case.opened_at,
        "state": case.state,
        "checks": history.checks,
        "items": end.items if isinstance(end, Settled) else (),
        "share_good": end.share_good if isinstance(end, Settled) else None,
        "delivered": history.delivered,
        "undone": history.undone,
        "restored": history.restored,
        "learned": tuple(history.learned),
        "misled": tuple(history.misled),
        "verified": _verified(case, history),
    }


def _end(
    case: Case,
    history: History,
    told: Sequence[Iteration],
    verdict: Verdict | None,
    context: Context,
) -> dict[str, object]:
    """Return the verdict with its exit code, and what to do now."""
    code = None if verdict is None else EXIT[verdict]
    playbook = context.playbook or case.loaded.path
    names = ending.Names(
        case.id,
        playbook,
        context.chosen,
        context.options,
        context.matrix,
        context.resume,
        context.heal,
    )
    undone = bool(history.undone)
    steps = ending.steps(names, verdict, told, history.delivered, undone=undone, ended=case.ended)
    steps = (*context.steps, *steps, *ending.teaching(names, context.entry, solved=context.solved))
    # A good end leaves at most the fix to take over; `undo` is possible, not due.
    due = not (verdict in ("healed", "healthy") and not (history.delivered or _NOWHERE).command)
    return {
        "verdict": verdict,
        "exit_code": code if context.exit_code is None else context.exit_code,
        "steps": steps,
        "next": steps[0].command if steps and (due or context.steps) else None,
    }


def _reason(case: Case) -> str:
    """Return why the case ended as it did, in the words of whoever ended it."""
    match case.end:
        case Settled(reason=reason) | Escalated(reason=reason):
            return reason
        case Cancelled(by=by, reason=reason):
            return f"cancelled by {by}{': ' if reason else ''}{reason}"
        case Rejected(decision=told):
            return f"rejected by {told.by}{': ' if told.reason else ''}{told.reason}"
        case Expired():
            return "nobody decided about the patch before it expired"
    return ""


def _verified(case: Case, history: History) -> bool:
    outcomes = {c.outcome for c in history.checks}
    seen = not outcomes or "held" in outcomes
    return case.state == "done" and not history.undone and "failed" not in outcomes and seen


def _tasks(runs: Sequence[RunReport]) -> tuple[TaskStatus, ...]:
    """Return each task's newest status; a run that repairs another may leave some out."""
    newest: dict[str, TaskStatus] = {}
    for run in runs:
        for task in run.tasks:
            newest[task.task] = task
    return tuple(newest.values())
