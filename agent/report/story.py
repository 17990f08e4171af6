"""What a case is for whoever reads about it: one record, the same for people and machines.

`report.json`, `heal -o json` and `show -o json` are this record; its JSON Schema is published as
`report.schema.json` beside this module. Everything else in the package turns it into text.

What an iteration is: one attempt to mend, so one list entry per attempt, never more than the
playbook's limit. It holds the runs of the code as it was, their failures, the diagnoses, and the
patch that came of them (or why there is none). Reruns of the same code stay in the entry. A run
with the patch that fails again opens the next entry; the run that ends the case well, or comes
after the last attempt allowed, stays in the entry whose patch it proves or disproves. So two faults
make two entries, and a healthy job makes one, with no failure and no patch.
"""

from datetime import datetime
from typing import Literal

from agent.machine import State
from agent.records import (
    Check,
    Diagnosis,
    Line,
    Location,
    NoFix,
    Record,
    TaskStatus,
    Usage,
)
from agent.verdicts import Verdict

RiskWord = Literal["safe", "ask", "destructive"]


class EffectReport(Record):
    """One thing that a patch would do."""

    kind: str
    risk: RiskWord
    detail: str
    path: str | None = None
    line: int | None = None
    shown: str = ""
    """What is shown in full beside it, masked: a request's body."""


class DecisionReport(Record):
    """What was decided about a patch."""

    outcome: Literal["approved", "rejected", "expired"]
    by: str
    at: datetime
    reason: str = ""


class PatchReport(Record):
    """A patch, what was decided about it, and what came of it."""

    id: str
    """What `runmend approve CASE PATCH` takes."""
    digest: str
    """Digest that the decision is bound to."""
    author: str
    rationale: str
    confidence: float
    effects: tuple[EffectReport, ...]
    risk: RiskWord
    files: tuple[str, ...]
    """Edited paths; empty for a plain rerun."""
    rerun: tuple[str, ...]
    """Tasks that run again; empty = the whole job."""
    target: str
    diff: str
    tried: tuple[NoFix, ...]
    """What was asked first and proposed nothing, and why."""
    proposed_at: datetime
    expires_at: datetime
    decision: DecisionReport | None = None
    """None while it waits."""
    deployed: bool = False
    outcome: str = ""
    """What came of it, in words."""

    @property
    def approved(self) -> bool:
        """Whether somebody or a rule said yes."""
        return self.decision is not None and self.decision.outcome == "approved"


class RunReport(Record):
    """One run of the job."""

    number: int
    """1 for the first run of the case."""
    run: str
    key: str
    kind: Literal["first", "rerun", "fix"]
    """The first run, the same code again, or the code with a new patch."""
    state: Literal["running", "succeeded", "failed", "cancelled"]
    """`failed` too where the platform says success and a check does not hold."""
    native: str = ""
    repairs: str | None = None
    url: str | None = None
    parameters: dict[str, str] = {}
    started: datetime
    ended: datetime | None = None
    seconds: float | None = None
    tasks: tuple[TaskStatus, ...] = ()
    checks: tuple[Check, ...] = ()


class FailureReport(Record):
    """One failure with everything that a person needs to find it again."""

    case: str
    iteration: int
    target: str
    job: str
    task: str | None
    """None where the job as a whole failed."""
    run: str | None
    task_run: str | None
    url: str | None
    at: datetime
    phase: Literal["create", "run", "verify"]
    code: str
    message: str
    """In full."""
    item: str | None
    exit_code: int | None
    location: Location | None
    fingerprint: str
    """Equal for two failures that are the same to a person."""
    tail: tuple[Line, ...]
    """The last lines of the captured output."""
    log_cut: tuple[str, ...]
    """What caps cut from the output, in words."""


class Iteration(Record):
    """One attempt to mend; see the module's docstring."""

    number: int
    runs: tuple[RunReport, ...]
    failures: tuple[FailureReport, ...]
    diagnoses: tuple[Diagnosis, ...]
    """One per failure, in their order; fewer while a diagnosis is still to come."""
    reruns: tuple[PatchReport, ...] = ()
    """Plain reruns that were approved before anything was mended."""
    superseded: tuple[PatchReport, ...] = ()
    """Patches that a person edited: the edited one took their place."""
    patch: PatchReport | None = None
    no_patch: str | None = None
    """Why there is no patch; None where there is one."""
    tried: tuple[NoFix, ...] = ()
    """Who was asked for a patch and proposed none, and why."""


class Cause(Record):
    """Why something failed, in one sentence, and the lines that prove it."""

    iteration: int
    task: str | None
    determined: bool
    """False: the sentence only repeats what the failure said."""
    sentence: str
    solution: str = ""
    by: str = ""
    """`entry <id>` or the patch's author; empty where not determined."""
    entry: str | None = None
    confidence: float = 0.0
    location: Location | None = None
    url: str | None = None
    """The failed task's page, or the folder of its output."""
    evidence: tuple[Line, ...] = ()
    """Lines that prove it; where not determined, the lines to read first."""


class Delivery(Record):
    """Where the proved fix is."""

    how: Literal["nothing", "patch", "in-place", "branch"]
    where: str
    command: str
    note: str = ""


class Spent(Record):
    """What the case has cost."""

    tokens: int
    """All tokens, cached ones included."""
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost_usd: float
    api_calls: int
    """Calls to the model."""
    platform_calls: int
    """Calls to the platform's API."""
    seconds: float
    """From the first event to the last, waiting for people included."""

    @classmethod
    def of(cls, usage: Usage, platform_calls: int, seconds: float) -> "Spent":
        """Return the usage with its sum, the calls and the time."""
        counts = usage.model_dump()
        tokens = sum(number for name, number in counts.items() if name.endswith("_tokens"))
        calls = {"platform_calls": platform_calls}
        return cls(tokens=tokens, seconds=seconds, **counts, **calls)


class Step(Record):
    """One command that a person may type now."""

    command: str
    why: str


class Story(Record):
    """Everything about one case."""

    schema_version: Literal[1] = 1
    case: str
    playbook: str
    """The playbook's name."""
    playbook_path: str
    platform: str
    target: str
    job: str
    job_url: str | None = None
    mode: str
    production: bool | None
    """As the playbook says; None = unsaid."""
    by: str
    """Who opened the case."""
    source_path: str
    opened: datetime
    ended: datetime
    """When the last event happened."""
    state: State
    verdict: Verdict | None
    """None while the case is on its way."""
    exit_code: int | None
    """What the command line ends with; None while there is no verdict."""
    verified: bool
    """The case is done, no check of the last run failed, and where there are checks at least one
    was seen to hold; false again once the fix was taken back."""
    healed_in: int
    """Patches with edits that were approved and deployed."""
    reason: str
    """Why it ended as it did, in the words of whoever ended it; empty for a good end."""
    checks: tuple[Check, ...]
    """Of the last run that was verified."""
    items: tuple[str, ...] = ()
    """Items that stay bad in a partial success."""
    share_good: float | None = None
    causes: tuple[Cause, ...]
    """One per failure, equal ones once, in order."""
    hypothesis: Cause | None
    """The best one for what still fails; None = not determined, or nothing fails any more."""
    iterations: tuple[Iteration, ...]
    tasks: tuple[TaskStatus, ...]
    """Each task's newest status over all runs."""
    delivered: Delivery | None
    undone: str = ""
    """What was taken back, by whom; empty where nothing was."""
    restored: str = ""
    """What a case without a heal put back on the platform, or why it did not; empty where nothing
    had been deployed that stays."""
    learned: tuple[str, ...] = ()
    """What people said they found and did outside, each with who and when."""
    misled: tuple[str, ...] = ()
    """Diagnoses that proved wrong: the entry, the line that misled, and how it proved wrong."""
    proposed_entry: str = ""
    """YAML for the error matrix; empty where the matrix knew every failure."""
    notes: tuple[str, ...] = ()
    """What a person must know beside it, such as that written data stays."""
    usage: Spent
    payloads: tuple[str, ...] = ()
    """Paths of the bodies that were sent to the platform, masked, in their order."""
    report: dict[str, str] = {}
    """Paths of the report by format: html, markdown, json, junit; empty where none was written."""
    next: str | None
    """The exact command to continue; None where nothing is left to do."""
    steps: tuple[Step, ...]
    """`next` and what else a person may do, first things first."""
    chain_head: str = ""
    """Hash of the journal's newest event of this case; `runmend audit verify` compares it."""

    @property
    def failures(self) -> tuple[FailureReport, ...]:
        """All failures of all iterations."""
        return tuple(f for i in self.iterations for f in i.failures)

    @property
    def runs(self) -> tuple[RunReport, ...]:
        """All runs of all iterations."""
        return tuple(r for i in self.iterations for r in i.runs)

    @property
    def patches(self) -> tuple[PatchReport, ...]:
        """All patches and reruns in the order they were proposed."""
        found = [
            p
            for i in self.iterations
            for p in (*i.reruns, *i.superseded, *((i.patch,) if i.patch else ()))
        ]
        return tuple(sorted(found, key=lambda p: p.proposed_at))

    @property
    def changes(self) -> tuple[PatchReport, ...]:
        """The approved patches that change code."""
        return tuple(p for p in self.patches if p.files and p.approved)
