"""What can happen to a case: small frozen records, told apart by `kind`.

Events only ever gain fields with defaults, so that old histories stay readable.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from agent.playbook import Loaded
from agent.records import (
    Category,
    Check,
    Decision,
    Deployment,
    Diagnosis,
    Failure,
    Line,
    NoFix,
    Patch,
    Record,
    Run,
    RunStatus,
    Usage,
)

EndVerdict = Literal["escalated", "refused", "exhausted", "held"]


class Event(Record):
    """Something that happened to a case."""

    at: datetime
    api_calls: int = 0
    """Calls made to the platform's API since the event before, filled in when it is recorded."""


class Opened(Event):
    """A case begins; the playbook is kept as it was then."""

    kind: Literal["opened"] = "opened"
    case: str
    loaded: Loaded
    by: str
    run: str | None = None
    """The failed run the case begins at, by id or URL; None = it begins at create."""


class Requested(Event):
    """A change is about to be asked for; after a crash it is asked for again with the same key."""

    kind: Literal["requested"] = "requested"
    key: str
    action: Literal["deploy", "start", "cancel", "model", "deliver", "restore", "undo"]
    by: str = ""
    """With `cancel`: the person who ends the case; empty where its deadline does."""
    reason: str = ""
    """With `cancel` by a person: why."""


class Deployed(Event):
    """The job is on its platform, with the approved patches so far."""

    kind: Literal["deployed"] = "deployed"
    key: str
    deployment: Deployment


class Adopted(Event):
    """The case begins at a run that somebody else started; nothing was deployed by us."""

    kind: Literal["adopted"] = "adopted"
    key: str
    """Of the private copy of the source."""
    deployment: Deployment
    run: Run


class Started(Event):
    """A run was started."""

    kind: Literal["started"] = "started"
    run: Run


class Finished(Event):
    """A run ended well by the platform's word; verification comes next."""

    kind: Literal["finished"] = "finished"
    status: RunStatus


class Failed(Event):
    """Create, run or verification failed; `status` is the run's, where there is one."""

    kind: Literal["failed"] = "failed"
    failures: Annotated[tuple[Failure, ...], Field(min_length=1)]
    status: RunStatus | None = None
    checks: tuple[Check, ...] = ()


class Misled(Record):
    """A diagnosis that proved wrong, and the signal that misled."""

    entry: str
    """The matrix entry that was believed."""
    evidence: tuple[Line, ...]
    why: str
    """How it proved wrong, one clause."""


class Diagnosed(Event):
    """One diagnosis per failure, in their order."""

    kind: Literal["diagnosed"] = "diagnosed"
    diagnoses: tuple[Diagnosis, ...]
    misled: tuple[Misled, ...] = ()
    """Earlier diagnoses whose fix was deployed, and the same failure came back."""


class Proposed(Event):
    """A patch waits for a decision; `tried` says what did not propose anything, and why."""

    kind: Literal["proposed"] = "proposed"
    patch: Patch
    diff: str = ""
    """Unified diff of the edits."""
    result: str = ""
    """Digest of what all edits so far make of the files, to notice going in circles."""
    tried: tuple[NoFix, ...] = ()
    usage: Usage = Usage()
    expires_at: datetime


class Approved(Event):
    """A patch may be deployed, once."""

    kind: Literal["approved"] = "approved"
    decision: Decision


class Rejected(Event):
    """A person or a rule said no."""

    kind: Literal["rejected"] = "rejected"
    decision: Decision


class Expired(Event):
    """Nobody decided in time."""

    kind: Literal["expired"] = "expired"
    decision: Decision


class Checked(Event):
    """Every check held or is unknown; delivery comes next."""

    kind: Literal["checked"] = "checked"
    checks: tuple[Check, ...]


class Delivered(Event):
    """The proved fix is where the playbook wants it; the case is done."""

    kind: Literal["delivered"] = "delivered"
    how: Literal["nothing", "patch", "in-place", "branch"]
    where: str = ""
    """Path of the patch file, or the branch's name."""
    command: str = ""
    """What a person types to take it over; empty where there is nothing to do."""
    note: str = ""
    """Why it was delivered otherwise than asked, where it was."""
    undo: dict[str, str] = {}
    """What `undo` needs: branch and commit, or edited paths and their new SHA-256."""


class Settled(Event):
    """Nothing more can be mended, and the share of good items is enough."""

    kind: Literal["settled"] = "settled"
    items: tuple[str, ...]
    share_good: float
    reason: str
    tried: tuple[NoFix, ...] = ()
    usage: Usage = Usage()


class Escalated(Event):
    """A person must take over; the report holds everything seen and tried."""

    kind: Literal["escalated"] = "escalated"
    verdict: EndVerdict
    reason: str
    tried: tuple[NoFix, ...] = ()
    usage: Usage = Usage()


class Cancelled(Event):
    """A person ended the case; nothing of it runs any more."""

    kind: Literal["cancelled"] = "cancelled"
    by: str
    reason: str = ""


class Restored(Event):
    """A case that ended without a heal put back what it had deployed, or says why it could not."""

    kind: Literal["restored"] = "restored"
    what: str
    deployment: Deployment | None = None
    """None where nothing was put back."""


class Undone(Event):
    """A delivered fix was taken back."""

    kind: Literal["undone"] = "undone"
    by: str
    what: str
    deployment: Deployment | None = None
    """What is deployed now, where the platform keeps deployments."""


class Learned(Event):
    """A person says what they found and did outside, once a case has ended."""

    kind: Literal["learned"] = "learned"
    by: str
    note: str
    category: Category | None = None
    """What it really was, where the person says so."""
    commit: str = ""
    """The commit that mended it, in full where the source's repository knows it."""
    change: str = ""
    """What that commit says and changes, masked and bounded."""
    misled: tuple[Misled, ...] = ()


class Trusted(Event):
    """A person gives a matrix entry its automatic right back, after its fix had failed here."""

    kind: Literal["trusted"] = "trusted"
    by: str
    entry: str
    reason: str = ""


AnyEvent = Annotated[
    Opened
    | Requested
    | Deployed
    | Adopted
    | Started
    | Finished
    | Failed
    | Diagnosed
    | Proposed
    | Approved
    | Rejected
    | Expired
    | Checked
    | Delivered
    | Settled
    | Escalated
    | Cancelled
    | Restored
    | Undone
    | Learned
    | Trusted,
    Field(discriminator="kind"),
]
EVENT: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent, config={"defer_build": True})
