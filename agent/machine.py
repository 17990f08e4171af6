"""Where a case goes next: states, one table, one function. No I/O.

A case is its history. `advance` is the only way to move: it looks the next state up in
`TRANSITIONS` and folds the event into the case. The fold keeps what the next step needs; reports
read the events.
"""

from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal, get_args

from agent.errors import ImpossibleEvent
from agent.events import (
    Adopted,
    AnyEvent,
    Approved,
    Cancelled,
    Checked,
    Delivered,
    Deployed,
    Diagnosed,
    Escalated,
    Expired,
    Failed,
    Finished,
    Learned,
    Opened,
    Proposed,
    Rejected,
    Requested,
    Restored,
    Settled,
    Started,
    Trusted,
    Undone,
)
from agent.playbook import Loaded
from agent.records import (
    Check,
    Deployment,
    Diagnosis,
    Edit,
    Failure,
    Patch,
    Record,
    Run,
    RunStatus,
    TaskKey,
    Usage,
)

Working = Literal["create", "run", "poll", "verify", "diagnose", "fix", "approve", "redeploy"]
Ended = Literal["done", "partial", "escalated", "cancelled"]
State = Literal[Working, Ended]
WORKING: tuple[Working, ...] = get_args(Working)
ENDED: tuple[Ended, ...] = get_args(Ended)

TRANSITIONS: MappingProxyType[tuple[State | None, str], State] = MappingProxyType(
    {
        (None, "opened"): "create",
        ("create", "requested"): "create",
        ("create", "proposed"): "approve",
        ("create", "deployed"): "run",
        ("create", "adopted"): "poll",
        ("create", "failed"): "diagnose",
        ("run", "requested"): "run",
        ("run", "started"): "poll",
        ("run", "failed"): "diagnose",
        ("poll", "requested"): "poll",
        ("poll", "finished"): "verify",
        ("poll", "failed"): "diagnose",
        ("verify", "checked"): "verify",
        ("verify", "requested"): "verify",
        ("verify", "delivered"): "done",
        ("verify", "failed"): "diagnose",
        ("diagnose", "diagnosed"): "fix",
        ("fix", "requested"): "fix",
        ("fix", "proposed"): "approve",
        ("fix", "settled"): "partial",
        ("approve", "proposed"): "approve",
        ("approve", "approved"): "redeploy",
        ("approve", "rejected"): "escalated",
        ("approve", "expired"): "escalated",
        ("redeploy", "requested"): "redeploy",
        ("redeploy", "deployed"): "run",
        ("redeploy", "failed"): "diagnose",
        ("done", "requested"): "done",
        ("done", "undone"): "done",
        ("escalated", "requested"): "escalated",
        ("escalated", "restored"): "escalated",
        ("cancelled", "requested"): "cancelled",
        ("cancelled", "restored"): "cancelled",
        **{(state, "escalated"): "escalated" for state in WORKING},
        **{(state, "cancelled"): "cancelled" for state in WORKING},
        **{(state, "learned"): state for state in ENDED},
        **{(state, "trusted"): state for state in ENDED},
    }
)
"""(state, event): next state. The diagram in the README is drawn from this table."""


class Case(Record):
    """One job being carried to a verified success, as its events so far make it."""

    id: str
    state: State
    length: int
    """Number of events; the next one gets this as its `seq`."""
    loaded: Loaded
    opened_at: datetime
    opened_by: str
    adopts: str | None = None
    """The run that somebody else started and the case begins at."""
    requested: Requested | None = None
    """The change that was asked for and whose outcome is not recorded yet."""
    deployment: Deployment | None = None
    """What is deployed now, as far as we know."""
    former: Deployment | None = None
    """What was deployed before the first patch; `former_tree` is its private copy's key."""
    former_tree: str | None = None
    patched: bool = False
    """Whether a patch is, or may be, deployed."""
    undeployed: bool = False
    """Whether approved edits wait to be deployed: that failed, or has not begun."""
    run: Run | None = None
    """The newest run."""
    theirs: bool = False
    """Whether somebody else started the newest run: then it is theirs to stop."""
    started_at: datetime | None = None
    """When the newest run was started."""
    tree: str | None = None
    """Key of the deployment whose private copy the newest run uses."""
    touched: tuple[TaskKey, ...] = ()
    """Tasks that began in some run of this case: running one of them is running it again."""
    waited_s: float = 0.0
    """Seconds spent waiting for a person."""
    status: RunStatus | None = None
    """How the newest ended run ended."""
    failures: tuple[Failure, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    checks: tuple[Check, ...] = ()
    proposal: Proposed | None = None
    """The patch that waits, or was decided last."""
    edits: tuple[Edit, ...] = ()
    """All approved edits, in order."""
    rerun: tuple[TaskKey, ...] = ()
    """What the next run repeats; empty = everything."""
    due_at: datetime | None = None
    """The next run does not start before this."""
    iterations: int = 0
    """Approved patches with edits."""
    reruns: int = 0
    """Approved plain reruns."""
    followed: tuple[Diagnosis, ...] = ()
    """The diagnoses that the newest patch with edits was made from."""
    mended: tuple[str, ...] = ()
    """Fingerprints of the failures that the newest patch with edits was meant to mend."""
    results: tuple[str, ...] = ("",)
    """Digests of what the edits made of the files, oldest first; the source as it was is first."""
    tried: tuple[str, ...] = ()
    """What was tried and what came of it, one sentence each."""
    usage: Usage = Usage()
    api_calls: int = 0
    """Calls to the platform's API so far."""
    end: Settled | Escalated | Rejected | Expired | Cancelled | Delivered | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen by itself, but for `unrestored`."""
        return self.state in ENDED

    @property
    def unrestored(self) -> bool:
        """Whether it ended without a heal while its patch is deployed somewhere that keeps it."""
        kept = self.former is not None and self.former.kept
        return kept and self.patched and self.state in ("escalated", "cancelled")


def opened(event: Opened) -> Case:
    """Return the case that an `Opened` begins."""
    return Case(
        id=event.case,
        state=TRANSITIONS[None, event.kind],
        length=1,
        loaded=event.loaded,
        opened_at=event.at,
        opened_by=event.by,
        adopts=event.run,
    )


def advance(case: Case, event: AnyEvent) -> Case:
    """Return the case after the event; raise `ImpossibleEvent` where the table has no row."""
    state = TRANSITIONS.get((case.state, event.kind))
    if state is None:
        raise ImpossibleEvent(
            f"case {case.id}: {event.kind!r} cannot happen in state {case.state!r}; "
            f"possible: {', '.join(k for s, k in TRANSITIONS if s == case.state) or 'nothing'}"
        )
    changes: dict[str, object] = {
        "state": state,
        "length": case.length + 1,
        "requested": None,
        "api_calls": case.api_calls + event.api_calls,
    }
    return case.model_copy(update=changes | _fold(case, event))


def _fold(case: Case, event: AnyEvent) -> dict[str, object]:  # noqa: C901  one arm per event
    match event:
        case Requested():
            deploys = event.action == "deploy" and bool(case.edits)
            return {"requested": event, "patched": case.patched or deploys}
        case Deployed():
            changes = {"deployment": event.deployment, "tree": event.key, "undeployed": False}
            return {**changes, **_former(case, event)}
        case Adopted():
            changes = {"deployment": event.deployment, "tree": event.key, "run": event.run}
            return {**changes, "theirs": True, "started_at": event.at, **_former(case, event)}
        case Started():
            changes = {"run": event.run, "theirs": False, "started_at": event.at}
            return {**changes, "due_at": None, "checks": ()}
        case Finished():
            return {"failures": (), "diagnoses": (), **_ended(case, event.status)}
        case Failed():
            return _failed(case, event)
        case Diagnosed():
            return {"diagnoses": event.diagnoses}
        case Proposed():
            return {"proposal": event, "usage": case.usage.plus(event.usage)}
        case Approved():
            return _approved(case, event)
        case Checked():
            return {"checks": event.checks}
        case Settled() | Escalated():
            return {"end": event, "usage": case.usage.plus(event.usage)}
        case Rejected() | Expired() | Cancelled() | Delivered():
            return {"end": event}
        case Restored() | Undone():
            now = event.deployment
            return {"patched": False, **({} if now is None else {"deployment": now})}
        case Learned() | Trusted():
            return {"requested": case.requested}
        case Opened():
            return {}


def _former(case: Case, event: Deployed | Adopted) -> dict[str, object]:
    if case.edits:
        return {}
    return {"former": event.deployment, "former_tree": event.key}


def _ended(case: Case, status: RunStatus) -> dict[str, object]:
    never = ("pending", "skipped", "upstream_failed")
    began = {t.task for t in status.tasks if t.state not in never}
    return {"status": status, "touched": tuple(sorted(began.union(case.touched)))}


def _failed(case: Case, event: Failed) -> dict[str, object]:
    changes: dict[str, object] = {
        "failures": event.failures,
        "diagnoses": (),
        "checks": event.checks,
        **(_ended(case, event.status) if event.status is not None else {}),
    }
    if case.proposal is not None and case.iterations:
        last = case.proposal.patch
        after = "; ".join(f"{f.task or f.phase}: {f.message}" for f in event.failures[:3])
        changes["tried"] = (*case.tried, f"{last.author}: {last.rationale} Then: {after}")
    return changes


def _approved(case: Case, event: Approved) -> dict[str, object]:
    if case.proposal is None:
        raise ImpossibleEvent(f"case {case.id}: approved, but no patch waits")
    patch: Patch = case.proposal.patch
    waited_s = (event.at - case.proposal.at).total_seconds()
    changes: dict[str, object] = {
        "waited_s": case.waited_s + max(0.0, waited_s),
        "rerun": patch.rerun,
        "due_at": event.at + timedelta(seconds=patch.wait_s),
    }
    if not patch.edits:
        return changes | {"reruns": case.reruns + (patch.author != "deploy")}
    return changes | {
        "edits": (*case.edits, *patch.edits),
        "undeployed": True,
        "iterations": case.iterations + 1,
        "followed": case.diagnoses,
        "mended": tuple(sorted({f.fingerprint() for f in case.failures})),
        "results": (*case.results, case.proposal.result),
    }


def diagram() -> str:
    """Return the table as a Mermaid state diagram; the README holds it.

    What working states have in common (escalated, cancelled, a change asked for) is left out, and
    what people add to an ended case.
    """
    common = ("escalated", "cancelled", "requested", "undone", "learned", "trusted")
    rows = ["stateDiagram-v2"]
    rows += [
        f"    {before or '[*]'} --> {after}: {kind}"
        for (before, kind), after in TRANSITIONS.items()
        if kind not in common
    ]
    return "\n".join([*rows, *(f"    {state} --> [*]" for state in ENDED)])
