"""What people do with cases: begin or carry on one, decide, cancel, undo. One driver per job.

The lock is on the job at its target, not on the case, so that two healers of one job never race:
the second is told who holds it.
"""

import fcntl
import hashlib
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from agent import deployment, platforms, playbook, runner
from agent.errors import (
    ApprovalInvalid,
    Held,
    Refused,
    RunmendError,
    Signalled,
    Unavailable,
    UsageError,
)
from agent.events import (
    AnyEvent,
    Approved,
    Cancelled,
    Delivered,
    Expired,
    Failed,
    Learned,
    Misled,
    Opened,
    Rejected,
    Trusted,
    Undone,
)
from agent.journal import Journal
from agent.machine import Case
from agent.playbook import Loaded
from agent.records import Category, Failure
from agent.runner import Pause
from agent.world import Audience, World, whoami

_CHANGE = 4000
"""Characters of a commit's change that are kept as material."""
_CLOSING_S, _CLOSING_STEP_S = 180.0, 3.0
"""How long, and how often, the end of what a case had started is waited for, seconds."""


class Desk(NamedTuple):
    """A state folder, opened, and the surroundings of whoever works there."""

    state: Path
    cache: Path
    journal: Journal
    audience: Audience
    matrix: Path | None = None
    """The user's own matrix file, on top of the shipped one."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep  # noqa: TID251  the one real clock, handed down
    jitter: Callable[[], float] = lambda: random.uniform(0.9, 1.1)  # noqa: S311  spreads polls

    def folder(self, case: str) -> Path:
        """Return a case's folder, made where it is not there, mode 0700."""
        folder = self.state / "cases" / case
        (folder / "trees").mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        return folder

    def world(self, case: Case) -> World:
        """Return the surroundings of one case, its platform connected."""
        folder = self.folder(case.id)
        context = platforms.Context(
            loaded=case.loaded,
            folder=folder,
            cache=self.cache,
            now=lambda: self.now().timestamp(),
            state=self.state,
        )
        return World(
            journal=self.journal,
            state=self.state,
            folder=folder,
            platform=platforms.connect(context),
            audience=self.audience,
            matrix=self.matrix,
            now=self.now,
            sleep=self.sleep,
            jitter=self.jitter,
            told=set(),
        )


class Result(NamedTuple):
    """Where a case stands when its driver stops."""

    case: Case
    pause: Pause | None
    """None where the case has ended."""


@contextmanager
def lock(state: Path, loaded: Loaded, case: str) -> Iterator[None]:
    """Hold the job of a playbook on its target. Raises `Held` where another driver has it.

    The lock ends with the process, however that ends.
    """
    book = loaded.playbook
    job = f"{book.platform}\0{book.where}\0{loaded.source}\0{book.job.file or book.job.dump()}"
    folder = state / "locks"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / hashlib.sha256(job.encode()).hexdigest()[:16]
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "unknown"
            raise Held(
                f"{book.name} on {book.where} is held by another runmend ({holder}). "
                "Wait for it, or end it: runmend cases"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()}, case {case}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def open_case(desk: Desk, loaded: Loaded) -> Case | None:
    """Return the newest case of this playbook that has not ended, or None.

    A case that still has to put something back has not ended.
    """
    for summary in reversed(desk.journal.cases(loaded.path)):
        if summary.state in runner.STEPS:
            return desk.journal.load(summary.case)
        if summary.state in ("escalated", "cancelled"):
            case = desk.journal.load(summary.case)
            if case.unrestored:
                return case
    return None


def heal(desk: Desk, loaded: Loaded, run: str | None = None) -> Result:
    """Carry the open case of a playbook on, or begin one; what it requires comes first.

    With `run` the case begins at that failed run. Raises `Held` where a case of another run is
    open.
    """
    playbook.order(loaded)
    if run is not None:
        return _heal_run(desk, loaded, run)
    if open_case(desk, loaded) is None and (unmet := _required(desk, loaded)) is not None:
        return unmet
    with lock(desk.state, loaded, "new"):
        case = open_case(desk, loaded)
        if case is not None and case.loaded.playbook != loaded.playbook and case.state == "create":
            why = "nothing had run yet, and the playbook was changed"
            desk.journal.append(case, Cancelled(at=desk.now(), by=whoami(), reason=why))
            case = None
        if case is not None and case.loaded.playbook != loaded.playbook:
            said = "goes on with the playbook as it was when the case began; to begin anew: runmend"
            desk.audience.noted(case, f"{said} cancel {case.id}")
        return _drive(desk, case or _begin(desk, loaded))


def _heal_run(desk: Desk, loaded: Loaded, run: str) -> Result:
    with lock(desk.state, loaded, "new"):
        case = open_case(desk, loaded)
        if case is not None and case.adopts != run:
            raise Held(
                f"case {case.id} of {loaded.playbook.name} is open and begins elsewhere. "
                f"Go on with it: runmend resume {case.id}; or end it: runmend cancel {case.id}"
            )
        case = case or _begin(desk, loaded, run)
        try:
            return _drive(desk, case)
        except UsageError as error:
            _nothing_taken_over(desk, case.id, str(error))
            raise


def _nothing_taken_over(desk: Desk, case_id: str, why: str) -> None:
    """End a case whose run could not be taken over: else it would stand in the next one's way."""
    case = desk.journal.load(case_id)
    if case.state == "create":
        desk.journal.append(case, Cancelled(at=desk.now(), by=whoami(), reason=why))


def _begin(desk: Desk, loaded: Loaded, run: str | None = None) -> Case:
    platforms.connect(platforms.Context(loaded, desk.state, desk.cache))
    event = Opened(at=desk.now(), case=uuid4().hex[:8], loaded=loaded, by=whoami(), run=run)
    return desk.journal.open_case(event)


def _drive(desk: Desk, case: Case) -> Result:
    world = desk.world(case)
    desk.audience.began(case)
    try:
        result = Result(*runner.drive(case, world))
        if result.case.ended:
            _close(result.case, world)
        return result
    except Signalled as signalled:
        signalled.case = case.id
        raise


def _close(case: Case, world: World) -> None:
    """Stop what the case had started besides its runs; it has ended whether that works or not."""
    waited_s = 0.0
    while True:
        try:
            for stopped in world.platform.close(case.state == "done"):
                world.audience.noted(case, stopped)
        except RunmendError as error:
            ends = isinstance(error, Unavailable) and error.works and waited_s < _CLOSING_S
            if not ends:
                world.audience.noted(case, f"what was started for this case may still run: {error}")
                return
            waited_s += _CLOSING_STEP_S
            world.sleep(_CLOSING_STEP_S)
        else:
            return


def _required(desk: Desk, loaded: Loaded) -> Result | None:
    """See that each required playbook's last case ended well; None where all did."""
    for requirement in loaded.playbook.requires:
        if requirement.playbook is None:
            continue
        other = playbook.load(loaded.folder / requirement.playbook)
        cases = desk.journal.cases(other.path)
        if cases and cases[-1].state == "done":
            continue
        if requirement.on_missing == "run":
            result = heal(desk, other)
            if result.case.state != "done":
                name = loaded.playbook.name
                said = f"{name} waits for {other.playbook.name}; then: runmend heal {loaded.path}"
                desk.audience.noted(result.case, said)
                return result
            continue
        return _unmet(desk, loaded, other)
    return None


def _unmet(desk: Desk, loaded: Loaded, other: Loaded) -> Result:
    """Open the case and let it fail at create: the report then says what is missing."""
    name = other.playbook.name
    message = (
        f"required before create: playbook {name} has no case that ended well. "
        f"Run it first: runmend heal {other.path}"
    )
    failure = Failure(phase="create", code="REQUIREMENT_MISSING", message=message, started=False)
    with lock(desk.state, loaded, "new"):
        case = _begin(desk, loaded)
        case = desk.journal.append(case, Failed(at=desk.now(), failures=(failure,)))
        return _drive(desk, case)


def resume(desk: Desk, case_id: str) -> Result:
    """Carry a case on from where it stands; an ended one is returned as it is."""
    case = desk.journal.load(case_id)
    if case.ended and not case.unrestored:
        _close(case, desk.world(case))  # a crash may have come between
        return Result(case, None)
    with lock(desk.state, case.loaded, case.id):
        return _drive(desk, desk.journal.load(case_id))


def decide(desk: Desk, case_id: str, patch: str, *, approve: bool, reason: str) -> Case:
    """Record a person's decision about the patch that waits.

    Raises `ApprovalInvalid` where it does not name exactly that patch or comes from somebody who is
    not listed, `ApprovalExpired` where its time has passed (which is then recorded).
    """
    from agent import approvals

    case = desk.journal.load(case_id)
    if case.state != "approve" or case.proposal is None:
        raise ApprovalInvalid(
            f"case {case.id} waits for no decision: it is in state {case.state}. "
            f"See: runmend show {case.id}"
        )
    at = desk.now()
    expired = approvals.expired(case.proposal.patch, at, case.proposal.expires_at)
    if expired is not None:
        desk.journal.append(case, Expired(at=at, decision=expired))
    decision = approvals.check_decision(
        case.proposal.patch,
        patch,
        who=whoami(),
        by=case.loaded.playbook.approve.by,
        at=at,
        expires_at=case.proposal.expires_at,
        approve=approve,
        reason=reason,
    )
    event: AnyEvent
    event = Approved(at=at, decision=decision) if approve else Rejected(at=at, decision=decision)
    try:
        after = desk.journal.append(case, event)
    except Held as error:
        raise ApprovalInvalid(
            f"somebody else has decided about patch {patch} just now. See: runmend show {case.id}"
        ) from error
    desk.audience.recorded(case, event, after)
    return after


def cancel(desk: Desk, case_id: str, reason: str) -> Case:
    """End a case; nothing of it runs any more when this returns."""
    case = desk.journal.load(case_id)
    world = desk.world(case)
    case = runner.cancel(case, world, whoami(), reason)
    if case.unrestored:
        # A living driver that sees the end goes on to put back; then it is the one that does it.
        with suppress(Held), lock(desk.state, case.loaded, case.id):
            case, _ = runner.drive(desk.journal.load(case_id), world)
    _close(case, world)
    return case


def undo(desk: Desk, case_id: str) -> str:
    """Take a delivered fix back; return what was done.

    Raises `UsageError` where there is nothing to take back, `Refused` where it may not be.
    """
    from agent import workspace

    case = desk.journal.load(case_id)
    if not isinstance(case.end, Delivered) or case.end.how == "nothing":
        raise UsageError(f"case {case.id} has delivered nothing that could be undone")
    world = desk.world(case)
    world.may_change()
    said: list[str] = []
    made = None
    if case.former is not None and case.former.kept and case.patched:
        with lock(desk.state, case.loaded, case.id):
            made, what = deployment.put_back(case, world, uuid4().hex)
        if made is None:
            raise Refused(what)
        said.append(what)
    try:
        if case.end.how != "patch" or not said:
            said.append(workspace.undo(case.loaded.source, case.end))
    except Refused as error:
        if made is None:
            raise
        said.append(f"the source stays as it is: {error}")
    what = "; ".join(said)
    desk.journal.append(case, Undone(at=desk.now(), by=whoami(), what=what, deployment=made))
    return what


def learn(
    desk: Desk, case_id: str, note: str, commit: str = "", category: Category | None = None
) -> Learned:
    """Record what a person found, and did outside, about a case that has ended.

    Raises `UsageError` for a case that is on its way, an empty note, and a commit that the source's
    repository does not have.
    """
    from agent.redaction import mask
    from agent.workspace import git

    case = desk.journal.load(case_id)
    if not case.ended:
        raise UsageError(
            f"case {case.id} is on its way (state {case.state}); what was learned is recorded once "
            f"it has ended. Go on with it: runmend resume {case.id}; or end it: runmend cancel "
            f"{case.id}"
        )
    if not note.strip():
        raise UsageError("the note is empty; say what was wrong and what helped")
    change = ""
    if commit and git.in_work_tree(case.loaded.source):
        commit, change = _commit(case.loaded.source, commit)
    by = whoami()
    wrong = [
        d for d in case.diagnoses if category is not None and d.category not in (None, category)
    ]
    event = Learned(
        at=desk.now(),
        by=by,
        note=mask(note.strip()),
        category=category,
        commit=commit,
        change=mask(change)[:_CHANGE],
        misled=tuple(
            Misled(entry=d.entry, evidence=d.evidence, why=f"{by} says it was {category}")
            for d in wrong
            if d.entry is not None
        ),
    )
    desk.journal.append(case, event)
    return event


def _commit(source: Path, name: str) -> tuple[str, str]:
    """Return a commit's full hash, and its subject with what it changed."""
    from agent.workspace import git

    try:
        found = git.line(source, "rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}")
        shown = git.run(
            source, "show", "--format=%s", "--unified=1", "--no-color", found, "--", "."
        )
    except git.GitError as error:
        raise UsageError(f"the repository of {source} has no commit {name}: {error}") from error
    return found, shown.decode(errors="replace").strip()


def trust(desk: Desk, entry: str, reason: str) -> str:
    """Give a matrix entry its automatic right back; return the case whose failure had taken it.

    Raises `UsageError` where the entry has it.
    """
    from agent import experience

    track = experience.tracks(desk.journal.histories(entry)).get(entry)
    lost = track.distrusted if track is not None else None
    if lost is None:
        raise UsageError(f"{entry} may act by itself here; see: runmend matrix top")
    case = desk.journal.load(lost.case)
    if not case.ended:
        raise UsageError(
            f"case {case.id}, in which the fix of {entry} failed, is on its way; "
            f"end it first: runmend resume {case.id}, or runmend cancel {case.id}"
        )
    event = Trusted(at=desk.now(), by=whoami(), entry=entry, reason=reason)
    desk.journal.append(case, event)
    return case.id
