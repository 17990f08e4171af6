"""From a case's events to its story.

Two steps: the events are sorted into versions of the code (what ran, failed, was diagnosed and
proposed for the same code), then the versions become iterations as `story` defines them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from agent import redaction
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
    Misled,
    Opened,
    Proposed,
    Rejected,
    Requested,
    Restored,
    Settled,
    Started,
    Undone,
)
from agent.records import Check, Decision, Deployment, Diagnosis, Failure, NoFix, RunStatus
from agent.report.story import (
    DecisionReport,
    Delivery,
    EffectReport,
    FailureReport,
    PatchReport,
    RiskWord,
    RunReport,
)

_TAIL = 20
"""Lines of a failure's output that the report quotes; the whole of it is in the journal."""
_RISK: tuple[RiskWord, ...] = ("safe", "ask", "destructive")


@dataclass
class Version:
    """One version of the code, and what happened to it."""

    runs: list[RunReport] = field(default_factory=list)
    failures: list[FailureReport] = field(default_factory=list)
    diagnoses: list[Diagnosis] = field(default_factory=list)
    reruns: list[PatchReport] = field(default_factory=list)
    superseded: list[PatchReport] = field(default_factory=list)
    patch: PatchReport | None = None
    tried: list[NoFix] = field(default_factory=list)


class History:
    """A case's events, sorted: `versions`, and what belongs to the case as a whole."""

    def __init__(self, events: Sequence[AnyEvent]) -> None:
        first = events[0]
        if not isinstance(first, Opened):
            raise ValueError(f"a history begins with 'opened', found {first.kind!r}")
        self.opened: Opened = first
        self.versions: list[Version] = [Version()]
        self.deployment: Deployment | None = None
        self.checks: tuple[Check, ...] = ()
        self.delivered: Delivery | None = None
        self.undone = ""
        self.restored = ""
        self.learned: list[str] = []
        self.misled: list[str] = []
        self.notes: list[str] = []
        self._rerun = False
        self._stopping = False
        for event in events:
            self._add(event)

    @property
    def _now(self) -> Version:
        return self.versions[-1]

    def _add(self, event: AnyEvent) -> None:  # noqa: C901  one arm per event
        match event:
            case Deployed():
                self.deployment = event.deployment
                self._deployed()
            case Adopted():
                self.deployment = event.deployment
                self._started(event)
            case Started():
                self._started(event)
            case Finished():
                self._ran(event.status, event.at)
            case Failed():
                self._failed(event)
            case Diagnosed():
                self._now.diagnoses.extend(event.diagnoses)
                self.misled += map(_misled, event.misled)
            case Proposed():
                if self._now.patch is not None:
                    self._now.superseded.append(self._now.patch)
                self._now.patch = _patch(event)
            case Approved() | Rejected() | Expired():
                self._decided(event.decision)
            case Checked():
                self._checked(event.checks)
            case Requested(action="cancel"):
                self._stopping = True
            case Settled() | Escalated():
                self._now.tried.extend(event.tried)
                if self._stopping:
                    self._stopped("cancelled", event.at)
            case Cancelled():
                self._stopped("cancelled", event.at)
            case Delivered(how=how, where=where, command=command, note=note):
                self.delivered = Delivery(how=how, where=where, command=command, note=note)
            case Restored(what=what):
                self.restored = what
            case Undone():
                self.undone = f"{event.what}, by {event.by}, {event.at:%Y-%m-%d %H:%M} UTC"
            case Learned():
                self.learned.append(_learned(event))
                self.misled += map(_misled, event.misled)

    def _deployed(self) -> None:
        """Mark the patch that this deployment carries; reruns are deployed as they were."""
        if len(self.versions) > 1 and not self._now.runs:
            mended = self.versions[-2]
            if mended.patch is not None:
                mended.patch = mended.patch.model_copy(update={"deployed": True})

    def _started(self, event: Started | Adopted) -> None:
        number = sum(len(v.runs) for v in self.versions) + 1
        run = event.run
        self.notes += [run.note] if run.note else []
        self._now.runs.append(
            RunReport(
                number=number,
                run=run.run,
                key=run.key,
                kind="rerun" if self._rerun else "first" if number == 1 else "fix",
                state="running",
                repairs=run.repairs,
                url=run.url,
                parameters=_masked(run.parameters),
                started=event.at,
            )
        )
        self._rerun = self._stopping = False

    def _ran(self, status: RunStatus, at: datetime) -> None:
        run = self._now.runs[-1]
        self._now.runs[-1] = run.model_copy(
            update={
                "state": status.state,
                "native": status.native,
                "tasks": status.tasks,
                "url": status.url or run.url,
                "ended": at,
                "seconds": max(0.0, (at - run.started).total_seconds()),
            }
        )

    def _stopped(self, state: Literal["failed", "cancelled"], at: datetime) -> None:
        """End a run that no status was recorded for: lost, or stopped by us."""
        if self._now.runs and self._now.runs[-1].ended is None:
            run = self._now.runs[-1]
            seconds = max(0.0, (at - run.started).total_seconds())
            update = {"state": state, "ended": at, "seconds": seconds}
            self._now.runs[-1] = run.model_copy(update=update)

    def _failed(self, event: Failed) -> None:
        runs = self._now.runs
        if event.status is None:
            self._stopped("failed", event.at)
        if event.status is not None and runs:
            if runs[-1].ended is None:
                self._ran(event.status, event.at)
            if runs[-1].state != "cancelled":
                runs[-1] = runs[-1].model_copy(update={"state": "failed"})
        if event.checks:
            self._checked(event.checks)
        run = runs[-1] if runs else None
        self._now.failures += [self._failure(f, event.at, run) for f in event.failures]

    def _checked(self, checks: tuple[Check, ...]) -> None:
        self.checks = checks
        if self._now.runs:
            self._now.runs[-1] = self._now.runs[-1].model_copy(update={"checks": checks})

    def _decided(self, decision: Decision) -> None:
        if self._now.patch is None:
            raise ValueError(f"{decision.outcome}, but no patch was proposed")
        told = DecisionReport(
            outcome=decision.outcome, by=decision.by, at=decision.at, reason=decision.reason
        )
        patch = self._now.patch.model_copy(update={"decision": told})
        if decision.outcome != "approved":
            self._now.patch = patch
        elif patch.files:
            self._now.patch = patch
            self.versions.append(Version())
        else:
            self._now.reruns.append(patch)
            self._now.patch = None
            self._rerun = patch.author == "rerun"

    def _failure(self, failure: Failure, at: datetime, run: RunReport | None) -> FailureReport:
        playbook = self.opened.loaded.playbook
        given = failure.model_dump(include=set(FailureReport.model_fields) & set(_FAILURE_FIELDS))
        created = failure.phase == "create"
        return FailureReport(
            case=self.opened.case,
            iteration=0,
            target=playbook.where,
            job=self.job,
            at=at,
            fingerprint=failure.fingerprint(),
            tail=failure.log[-_TAIL:],
            **given
            | {
                "run": failure.run or (run.run if run and not created else None),
                "url": failure.url or (run.url if run and not created else None),
            },
        )

    @property
    def job(self) -> str:
        """The job's name: the platform's, else what the playbook calls it by."""
        if self.deployment is not None:
            return self.deployment.name
        job = self.opened.loaded.playbook.job
        return str(job.name or job.bundle or job.id or job.pipeline or job.file)


_FAILURE_FIELDS = (
    "task",
    "run",
    "task_run",
    "url",
    "phase",
    "code",
    "message",
    "item",
    "exit_code",
    "location",
    "log_cut",
)


def _learned(event: Learned) -> str:
    subject = event.change.partition("\n")[0]
    commit = (
        f" Commit {event.commit[:12]}{f': {subject}' if subject else ''}." if event.commit else ""
    )
    return f"{event.note}{commit} By {event.by}, {event.at:%Y-%m-%d %H:%M} UTC"


def _misled(misled: Misled) -> str:
    signal = f": {misled.evidence[0].text}" if misled.evidence else ""
    return f"{misled.entry}, {misled.why}{signal}"


def _patch(event: Proposed) -> PatchReport:
    patch = event.patch
    return PatchReport(
        id=patch.id,
        digest=patch.sha256(),
        author=patch.author,
        rationale=patch.rationale,
        confidence=patch.confidence,
        effects=tuple(
            EffectReport(**e.model_dump(exclude={"risk"}), risk=_RISK[e.risk])
            for e in patch.effects
        ),
        risk=_RISK[patch.risk],
        files=tuple(dict.fromkeys(edit.path for edit in patch.edits)),
        rerun=patch.rerun,
        target=patch.target,
        diff=event.diff,
        tried=event.tried,
        proposed_at=event.at,
        expires_at=event.expires_at,
    )


def _masked(named: Mapping[str, str]) -> dict[str, str]:
    """Return parameters with their secrets masked: events hold what a replacement run is given."""
    found = redaction.mask_json(dict(named))
    return {name: str(value) for name, value in found.items()} if isinstance(found, dict) else {}
