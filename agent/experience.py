"""What the journal teaches about matrix entries: how often each was hit, what its fix came to.

Rules kept here: nothing is kept twice, a track record is read from the histories each time; an
entry whose fix nobody was asked about and which failed may not act by itself again until a person
says so; in doubt it may not.

A fix failed where the same failure came back after it was deployed, or where its case ended without
a heal while the same line still failed of the same entry. A proved fix that is taken back has not
failed, nor has one after which another line fails.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from agent.events import (
    AnyEvent,
    Approved,
    Cancelled,
    Delivered,
    Diagnosed,
    Escalated,
    Expired,
    Failed,
    Learned,
    Misled,
    Opened,
    Proposed,
    Rejected,
    Settled,
    Trusted,
)
from agent.journal import Journal
from agent.records import Diagnosis, Failure, Patch


class Automatic(NamedTuple):
    """A fix that nobody was asked about, and that failed."""

    case: str
    at: datetime
    why: str


@dataclass
class Track:
    """How an entry has done in one journal."""

    entry: str
    """Its id; for failures that no entry explained, what they are called by."""
    hits: int = 0
    """Diagnoses that named it."""
    cases: set[str] = field(default_factory=set)
    """The cases they were made in."""
    healed: int = 0
    """Times that what was done about it ended in a proved heal."""
    failed: int = 0
    """Times that what was done about it did not help."""
    misled: list[Misled] = field(default_factory=list)
    automatic: list[Automatic] = field(default_factory=list)
    """Fixes of its own that nobody was asked about and that failed."""
    trusted_at: datetime | None = None
    """When a person last gave it its automatic right back."""

    @property
    def distrusted(self) -> Automatic | None:
        """The newest failure that took its automatic right; None while it may act by itself."""
        since = [a for a in self.automatic if self.trusted_at is None or a.at > self.trusted_at]
        return since[-1] if since else None

    @property
    def open(self) -> int:
        """Hits that came to neither: nothing was done, or the case is on its way."""
        return max(self.hits - self.healed - self.failed, 0)


class _Followed(NamedTuple):
    """A diagnosis that something was done about."""

    entry: str
    task: str | None
    place: str | None
    """The user's own line that failed, where it is known."""
    fingerprint: str
    automatic: bool
    """Its own fixer's edits, and no person was asked."""


def tracks(histories: Iterable[Sequence[AnyEvent]]) -> dict[str, Track]:
    """Return the track record of every entry that these cases named, by id."""
    found: dict[str, Track] = {}
    for history in histories:
        _Reader(found).read(history)
    return found


def distrusted(journal: Journal, entries: Iterable[str]) -> str | None:
    """Return why one of these entries may not act by itself, for a person; None where all may."""
    for entry in dict.fromkeys(entries):
        track = tracks(journal.histories(entry)).get(entry)
        if track is not None and (why := track.distrusted) is not None:
            return (
                f"the automatic fix of {entry} failed in case {why.case} ({why.why}); "
                f"to let it act by itself again: runmend matrix trust {entry}"
            )
    return None


def fixing(patch: Patch, diagnoses: Iterable[Diagnosis]) -> tuple[str, ...]:
    """Return the entries whose own fixer made this patch."""
    authors = patch.author.split("+")
    made = [d.entry for d in diagnoses if d.fixer and f"fixer:{d.fixer}" in authors]
    return tuple(dict.fromkeys(entry for entry in made if entry is not None))


def _named(diagnosis: Diagnosis) -> str:
    """Return the entry, or what an unknown failure is called by."""
    if diagnosis.entry is not None:
        return diagnosis.entry
    own = diagnosis.identity.code if diagnosis.identity else "no name of its own"
    return f"{diagnosis.verdict.replace('_', ' ')}: {own}"


def _place(failure: Failure) -> str | None:
    return None if failure.location is None else failure.location.place


class _Reader:
    """One case's history, folded into the track records."""

    def __init__(self, tracks: dict[str, Track]) -> None:
        self._tracks = tracks
        self._case = ""
        self._failures: tuple[Failure, ...] = ()
        self._diagnoses: tuple[Diagnosis, ...] = ()
        self._proposed: Patch | None = None
        self._pending: list[_Followed] = []

    def read(self, history: Sequence[AnyEvent]) -> None:
        """Fold all events."""
        for event in history:
            self._add(event)

    def _track(self, entry: str) -> Track:
        return self._tracks.setdefault(entry, Track(entry))

    def _add(self, event: AnyEvent) -> None:  # noqa: C901  one arm per event
        match event:
            case Opened():
                self._case = event.case
            case Failed():
                self._failed(event)
            case Diagnosed():
                self._diagnosed(event)
            case Proposed():
                self._proposed = event.patch
            case Approved():
                self._approved(event)
            case Delivered():
                self._end(event.at, healed=True)
            case Settled() | Escalated() | Rejected() | Expired() | Cancelled():
                self._end(event.at, healed=False)
            case Learned():
                for misled in event.misled:
                    self._track(misled.entry).misled.append(misled)
            case Trusted():
                track = self._track(event.entry)
                track.trusted_at = max(track.trusted_at or event.at, event.at)

    def _diagnosed(self, event: Diagnosed) -> None:
        self._diagnoses = event.diagnoses
        for entry in dict.fromkeys(map(_named, event.diagnoses)):
            self._track(entry).hits += 1
            self._track(entry).cases.add(self._case)
        for misled in event.misled:
            self._track(misled.entry).misled.append(misled)

    def _approved(self, event: Approved) -> None:
        patch = self._proposed
        if patch is None:
            return
        alone = event.decision.by.split(" ")[0] in ("rule", "policy")
        own = fixing(patch, self._diagnoses) if patch.edits and alone else ()
        pairs = zip(self._failures, self._diagnoses, strict=False)
        done = [
            _Followed(_named(d), f.task, _place(f), f.fingerprint(), d.entry in own)
            for f, d in pairs
        ]
        self._pending += done
        self._failures, self._diagnoses = (), ()

    def _failed(self, event: Failed) -> None:
        now = {failure.fingerprint() for failure in event.failures}
        for followed in [f for f in self._pending if f.fingerprint in now]:
            self._blame(followed, event.at, "the same failure came back")
        self._failures, self._diagnoses = event.failures, ()

    def _blame(self, followed: _Followed, at: datetime, why: str) -> None:
        if followed in self._pending:
            self._pending.remove(followed)
        track = self._track(followed.entry)
        track.failed += 1
        if followed.automatic:
            track.automatic.append(Automatic(self._case, at, why))

    def _end(self, at: datetime, *, healed: bool) -> None:
        if healed:
            for followed in self._pending:
                self._track(followed.entry).healed += 1
        else:
            pairs = zip(self._failures, self._diagnoses, strict=False)
            again = {(_named(d), f.task, _place(f)) for f, d in pairs if _place(f) is not None}
            for followed in [f for f in self._pending if (f.entry, f.task, f.place) in again]:
                self._blame(followed, at, "the same line failed of it again")
        self._pending = []
