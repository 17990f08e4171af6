"""Drive a case: one function per state, each does one thing and returns what happened.

1. A step returns an event (it happened), a `Wait` (not yet) or a `Pause` (a person must act).
2. What changes a platform is asked for in two events: `Requested(key)` is in the journal first, and
   that key is sent until the outcome is known. A crash in between asks again with the same key.
3. The journal is the only memory. Whoever loads the case goes on where it stands.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from uuid import uuid4

from agent import deployment, proof, remedy
from agent.errors import Held, PersonNeeded, Refused, Unauthorized, Unavailable
from agent.events import (
    AnyEvent,
    Approved,
    Cancelled,
    Checked,
    Delivered,
    Diagnosed,
    Escalated,
    Expired,
    Failed,
    Finished,
    Misled,
    Rejected,
    Requested,
    Started,
)
from agent.machine import Case, Working
from agent.records import Decision, Repair, RunStatus
from agent.world import World

if TYPE_CHECKING:
    from agent.matrix import Matrix

UNAVAILABLE_S = 300.0
"""How long "not now" is waited out before the driver gives up for now, seconds."""
_FIRST_POLL_S = 0.01
_MAX_POLL_S = 1.0
_GROWTH = 1.15
"""Where the platform has no opinion when to look; a playbook's own cadence doubles."""


class Wait(NamedTuple):
    """Nothing happened yet; look again after this."""

    seconds: float
    why: str = ""
    """Empty for the pauses between polls."""


class Pause(NamedTuple):
    """The driver stops here and the case stays as it is; `verdict` is why."""

    verdict: str
    message: str


Outcome = AnyEvent | Wait | Pause
_Answer = TypeVar("_Answer")
Step = Callable[[Case, World], Outcome]


def drive(case: Case, world: World) -> tuple[Case, Pause | None]:
    """Carry a case on until it ends or a person must act; return it, and why it paused.

    The caller holds the lock of the case's job.
    """
    unavailable_s = 0.0
    polls = 0
    while not case.ended or case.unrestored:
        try:
            outcome = _overdue(case, world) or _early(case, world) or _step(case)(case, world)
        except Unavailable as error:
            wait_s = _pause_s(error, unavailable_s)
            unavailable_s += wait_s
            if unavailable_s > _longest_s(case, error):
                return case, Pause("unreachable", str(error))
            outcome = Wait(wait_s, str(error))
        except Unauthorized as error:
            return case, Pause("unauthorized", str(error))
        except Refused as error:
            return case, Pause("refused", str(error))
        except PersonNeeded as error:
            return case, Pause("waiting", str(error))
        else:
            unavailable_s = 0.0
        match outcome:
            case Pause():
                return case, outcome
            case Wait():
                polls = polls + 1 if case.state == "poll" else 0
                _wait(case, world, outcome, polls)
            case _:
                polls = 0
                case = _record(case, world, outcome)
    return case, None


def _longest_s(case: Case, error: Unavailable) -> float:
    """Return how long "not now" is waited out: as long as a run where the other side works."""
    return case.loaded.playbook.poll.deadline if error.works else UNAVAILABLE_S


def _pause_s(error: Unavailable, waited_s: float) -> float:
    """Return how long to wait after a "not now" that has already taken `waited_s`, seconds.

    What the other side asks for is kept, however long it is.
    """
    return error.retry_after_s or min(2.0 + waited_s / 2, 60.0)


def _patiently(case: Case, world: World, act: Callable[[], _Answer]) -> _Answer:
    """Return what `act` does once it can be done; raise `Unavailable` where that takes long."""
    waited_s = 0.0
    while True:
        try:
            return act()
        except Unavailable as error:
            wait_s = _pause_s(error, waited_s)
            waited_s += wait_s
            if waited_s > _longest_s(case, error):
                raise
            _wait(case, world, Wait(wait_s, str(error)), 0)


def _step(case: Case) -> Step:
    """Return what is to be done; an ended case that comes here has something to put back."""
    return deployment.restore if case.ended else STEPS[case.state]  # type: ignore[index]  # not ended = working


def _wait(case: Case, world: World, wait: Wait, polls: int) -> None:
    if wait.why:
        world.audience.waiting(case, wait.why)
        world.sleep(wait.seconds)
        return
    poll = case.loaded.playbook.poll
    if wait.seconds:  # the platform knows the kind of job, its past, and what the playbook says
        world.sleep(wait.seconds * world.jitter())
        return
    first = poll.first if poll.first is not None else _FIRST_POLL_S
    longest = poll.max if poll.max is not None else max(_MAX_POLL_S, first)
    growth = _GROWTH if poll.first is None else 2.0
    # The power is bounded by hand: a float to a large one overflows.
    world.sleep(min(first * growth ** min(polls - 1, 60), longest) * world.jitter())


def _record(case: Case, world: World, event: AnyEvent) -> Case:
    """Append, or see what somebody else made of the case meanwhile."""
    event = event.model_copy(update={"api_calls": world.platform.calls()})
    try:
        after = world.journal.append(case, event)
    except Held:
        moved = world.journal.load(case.id)
        if moved.ended and isinstance(event, Started):
            _patiently(case, world, partial(world.platform.cancel, uuid4().hex, event.run.run))
        if moved.length == case.length:
            raise
        return moved
    world.audience.recorded(case, event, after)
    return after


def _overdue(case: Case, world: World) -> Outcome | None:
    """End a case whose wall clock is spent, before it begins anything new."""
    if case.state not in ("create", "run", "fix", "redeploy") or case.requested is not None:
        return None
    limit = case.loaded.playbook.limits.wall_clock
    spent = (world.now() - case.opened_at).total_seconds() - case.waited_s
    if spent <= limit:
        return None
    reason = f"the case has taken {spent:.0f} s of its {limit:.0f} s (limits.wall_clock)"
    return Escalated(at=world.now(), verdict="exhausted", reason=reason)


def _early(case: Case, world: World) -> Outcome | None:
    """Wait for the time that a transient failure needs, before it is deployed or run again."""
    if case.due_at is None or case.state not in ("redeploy", "run"):
        return None
    left = (case.due_at - world.now()).total_seconds()
    return Wait(min(left, 30.0), f"running again in {left:.0f} s") if left > 0 else None


def run(case: Case, world: World) -> Outcome:
    """Start the job, or what must run again of it."""
    if (overtaken := deployment.overtaken(case, world)) is not None:
        return overtaken
    world.may_change()
    if case.requested is None:
        return Requested(at=world.now(), key=uuid4().hex, action="start")
    if case.deployment is None:
        raise Held(f"case {case.id} has nothing deployed to run")
    repair = None if case.run is None else Repair(run=case.run.run, tasks=case.rerun)
    key = case.requested.key
    try:
        started = world.platform.start(key, case.deployment, world.tree(case), repair)
    except Held as error:
        return Escalated(at=world.now(), verdict="held", reason=str(error))
    if isinstance(started, tuple):
        return Failed(at=world.now(), failures=started)
    return Started(at=world.now(), run=started)


def poll(case: Case, world: World) -> Outcome:
    """Look at the run once; end it at the deadline."""
    if case.run is None:
        raise Held(f"case {case.id} polls, but nothing was started")
    if case.requested is not None and case.requested.by:
        return _cancelled(case, world, case.requested)
    status = world.platform.poll([case.run.run])[0]
    world.audience.progress(case, status)
    if status.state == "succeeded":
        return Finished(at=world.now(), status=status)
    deadline = case.loaded.playbook.poll.deadline
    stopped = f"the run had not ended after {deadline:.0f} s (poll.deadline) and was stopped"
    if status.state == "cancelled" and case.requested is not None:
        return Escalated(at=world.now(), verdict="exhausted", reason=stopped)
    if status.state != "running":
        failures = world.platform.failures(status, world.tree(case))
        return Failed(at=world.now(), failures=failures, status=status)
    _tell_failing(case, world, status)
    begun = case.started_at or case.opened_at
    if case.requested is None and world.now() <= begun + timedelta(seconds=deadline):
        return Wait(status.look_s or 0.0)
    endless = status.endless or case.loaded.playbook.poll.running_for is not None
    if endless or case.theirs:
        reason = f"the run had not ended after {deadline:.0f} s (poll.deadline); it is left running"
        return Escalated(at=world.now(), verdict="exhausted", reason=reason)
    if case.requested is None:
        return Requested(at=world.now(), key=uuid4().hex, action="cancel")
    world.platform.cancel(case.requested.key, case.run.run)
    return Escalated(at=world.now(), verdict="exhausted", reason=stopped)


def _tell_failing(case: Case, world: World, status: RunStatus) -> None:
    """Diagnose a task that failed while others still run: said at once, acted on at the end."""
    new = [t for t in status.tasks if t.state in ("failed", "timed_out") and t.task_run]
    new = [t for t in new if str(t.task_run) not in world.told]
    if not new:
        return
    world.told.update(str(t.task_run) for t in new)
    names = {t.task for t in new}
    for failure in world.platform.failures(status, world.tree(case)):
        if failure.task in names:
            found = _matrix(world).diagnose(failure)
            why = found.cause or f"not determined: {failure.message}"
            world.audience.noted(case, f"{failure.task} failed: {why}")


def _matrix(world: World) -> "Matrix":
    from agent import matrix

    return matrix.load(*([world.matrix] if world.matrix else []))


def verify(case: Case, world: World) -> Outcome:
    """Look whether the run did what the playbook expects, then hand the proved fix over."""
    from agent import workspace

    if case.status is None:
        raise Held(f"case {case.id} verifies, but no run has ended")
    if not case.checks:
        checks = proof.checks(case, world, case.status)
        failures = proof.failures(case, world, case.status, checks)
        if failures:
            return Failed(at=world.now(), failures=failures, status=case.status, checks=checks)
        return Checked(at=world.now(), checks=checks)
    if not case.edits:
        return Delivered(at=world.now(), how="nothing")
    if case.requested is None:
        return Requested(at=world.now(), key=uuid4().hex, action="deliver")
    world.may_change()
    book = case.loaded.playbook
    subject = f"Mend {book.name}" if case.proposal is None else case.proposal.patch.rationale
    made = workspace.deliver(
        book.deliver,
        case.loaded.source,
        case.edits,
        folder=world.folder,
        case_id=case.id,
        message=f"{subject}\n\nProved by runmend case {case.id}.",
        author="runmend",
        base=workspace.originals(world.tree(case)),
    )
    return Delivered(at=world.now(), **made._asdict())


def diagnose(case: Case, world: World) -> Outcome:
    """Name the cause of each failure, or say that it is not determined."""
    known = _matrix(world)
    found = tuple(known.diagnose(f) for f in case.failures)
    return Diagnosed(at=world.now(), diagnoses=found, misled=_misled(case))


def _misled(case: Case) -> tuple[Misled, ...]:
    """Return the diagnoses that the newest fix followed, where it left the same failure."""
    if not remedy.came_back(case):
        return ()
    why = "its fix was deployed and the same failure came back"
    return tuple(
        Misled(entry=d.entry, evidence=d.evidence, why=why) for d in case.followed if d.entry
    )


def fix(case: Case, world: World) -> Outcome:
    """Propose what to try, or hand over."""
    return remedy.choose(case, world)


def approve(case: Case, world: World) -> Outcome:
    """Let the rules decide, else ask, else wait for a person."""
    from agent import approvals, experience

    if case.proposal is None:
        raise Held(f"case {case.id} waits for a decision about nothing")
    patch, at = case.proposal.patch, world.now()
    if case.loaded.playbook.approve.mode == "suggest" and patch.author != "deploy":
        reason = "mode suggest proposes a patch and deploys nothing"
        return Escalated(at=at, verdict="escalated", reason=reason)
    production = world.platform.is_production(case.loaded.source)
    ruling = approvals.decide(patch, case.loaded.playbook, production=production)
    if ruling.then == "approve" and patch.edits:
        why = experience.distrusted(world.journal, experience.fixing(patch, case.diagnoses))
        ruling = ruling if why is None else ruling._replace(then="ask", by="policy", why=why)
    if ruling.then == "approve":
        return Approved(at=at, decision=_decision("approved", case, world, ruling.by, ruling.why))
    if ruling.then == "reject":
        return Rejected(at=at, decision=_decision("rejected", case, world, ruling.by, ruling.why))
    if at > case.proposal.expires_at:
        return Expired(at=at, decision=_decision("expired", case, world, "clock", "nobody decided"))
    decided = world.audience.decide(case, world)
    if decided is not None:
        return decided
    return Pause("waiting", ruling.why)


def _decision(outcome: str, case: Case, world: World, by: str, why: str) -> Decision:
    patch = case.proposal.patch.sha256() if case.proposal else ""
    values = {"outcome": outcome, "patch": patch, "by": by, "at": world.now(), "reason": why}
    return Decision.model_validate(values)


STEPS: dict[Working, Step] = {
    "create": deployment.create,
    "run": run,
    "poll": poll,
    "verify": verify,
    "diagnose": diagnose,
    "fix": fix,
    "approve": approve,
    "redeploy": deployment.redeploy,
}


def cancel(case: Case, world: World, by: str, reason: str) -> Case:
    """End a case for a person, also under a living driver; nothing of it runs when this returns.

    That it is asked for is in the journal before the run is stopped: a driver that sees the run
    end, or whoever resumes after a crash, then ends the case as cancelled and not as failed. Once
    the end is written a driver can record nothing more, and stops what it has just started.
    """
    while not case.ended:
        asked = case.requested
        key = uuid4().hex
        wanted = Requested(at=world.now(), key=key, action="cancel", by=by, reason=reason)
        try:
            if case.state == "poll" and not (asked is not None and asked.by):
                case = world.journal.append(case, wanted)
            event = _patiently(case, world, partial(_cancelled, case, world, wanted))
            after = world.journal.append(case, event)
        except Held:
            case = world.journal.load(case.id)
            continue
        world.audience.recorded(case, event, after)
        return after
    return case


def _cancelled(case: Case, world: World, asked: Requested) -> Cancelled:
    """Stop what we run, or are just starting, and return the end of the case."""
    ours = case.run is not None and case.state == "poll" and not case.theirs
    running = case.run.run if case.run is not None and ours else None
    if case.requested is not None and case.requested.action == "start":
        running = case.requested.key
    if running is not None:
        world.platform.cancel(asked.key, running)
    return Cancelled(at=world.now(), by=asked.by, reason=asked.reason)
