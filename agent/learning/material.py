"""What a case's history holds for a new matrix entry: the unknown failure, and what helped."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from agent.events import (
    AnyEvent,
    Approved,
    Delivered,
    Diagnosed,
    Failed,
    Learned,
    Opened,
    Proposed,
)
from agent.records import Category, Diagnosis, Edit, Failure, Patch
from agent.redaction import mask

_SURE = 0.8
"""Confidence below which an entry may be a general fallback."""
_SHOWN = 120
"""Longest code, in characters, that a solution shows as it was and as it became."""


class Material(NamedTuple):
    """One failure that the matrix did not know, or knew wrongly, and what is known of it now."""

    case: str
    platform: str
    at: datetime
    failure: Failure
    diagnosis: Diagnosis
    category: Category | None
    """As a person said it, else as a general entry guessed it; None = nobody said."""
    solution: str
    """What helped, in sentences; empty = nobody knows yet."""
    by: str
    """Who found it: the model's id or a person; empty = nobody yet."""
    edited: bool
    """Whether an edit of the code or its declaration was what helped."""
    misled: tuple[str, ...]
    """Entries that proved wrong."""


class _Unknown(NamedTuple):
    failure: Failure
    diagnosis: Diagnosis
    at: datetime


def gather(events: Sequence[AnyEvent], is_known: Callable[[str], bool]) -> Material | None:
    """Return the newest failure that no entry explained, or whose entry proved wrong, else None.

    `is_known` says whether an entry names a cause, and is no general fallback.
    """
    first = events[0]
    if not isinstance(first, Opened):
        raise ValueError(f"a history begins with 'opened', found {first.kind!r}")
    wrong = _misled(events)
    unknown: _Unknown | None = None
    patch: Patch | None = None
    failures: tuple[Failure, ...] = ()
    proposed: Patch | None = None
    for event in events:
        match event:
            case Failed():
                failures = event.failures
            case Diagnosed():
                for failure, diagnosis in zip(failures, event.diagnoses, strict=False):
                    entry = diagnosis.entry
                    if entry is None or not is_known(entry) or entry in wrong:
                        unknown, patch = _Unknown(failure, diagnosis, event.at), None
            case Proposed():
                proposed = event.patch
            case Approved() if unknown is not None and patch is None:
                patch = proposed if proposed is not None and proposed.edits else None
            case _:
                pass
    if unknown is None:
        return None
    done = any(isinstance(event, Delivered) for event in events)
    return _material(first, unknown, patch if done else None, _learned(events), wrong)


def _material(
    first: Opened,
    unknown: _Unknown,
    patch: Patch | None,
    learned: Learned | None,
    wrong: tuple[str, ...],
) -> Material:
    said, by = [], ""
    if patch is not None:
        said, by = [patch.rationale, *_shown(patch.edits)], patch.author
    if learned is not None:
        said, by = [learned.note, *_committed(learned)], learned.by
    told = None if learned is None else learned.category
    guessed = None if unknown.diagnosis.entry in wrong else unknown.diagnosis.category
    return Material(
        case=first.case,
        platform=first.loaded.playbook.platform,
        at=unknown.at,
        failure=unknown.failure,
        diagnosis=unknown.diagnosis,
        category=told or guessed,
        solution=" ".join(_sentence(s) for s in said if s.strip()),
        by=by,
        edited=patch is not None or bool(learned and learned.commit),
        misled=wrong,
    )


def _misled(events: Sequence[AnyEvent]) -> tuple[str, ...]:
    told = [e for e in events if isinstance(e, Diagnosed | Learned)]
    return tuple(dict.fromkeys(misled.entry for event in told for misled in event.misled))


def _learned(events: Sequence[AnyEvent]) -> Learned | None:
    """Return what was said last; a category and a commit may have been said before."""
    found = [e for e in events if isinstance(e, Learned)]
    if not found:
        return None
    category = next((e.category for e in reversed(found) if e.category), None)
    named = next((e for e in reversed(found) if e.commit), found[-1])
    update = {"category": category, "commit": named.commit, "change": named.change}
    return found[-1].model_copy(update=update)


def _shown(edits: Sequence[Edit]) -> list[str]:
    """Return what an edit did in one sentence, where it is short enough to be read at a glance."""
    for edit in edits:
        old, new = (edit.old or "").strip(), (edit.new or "").strip()
        if 0 < len(old) <= _SHOWN and 0 < len(new) <= _SHOWN and "\n" not in old + new:
            return [f"In {edit.path} {mask(old)} became {mask(new)}"]
    return [f"Edited: {', '.join(dict.fromkeys(edit.path for edit in edits))}"]


def _committed(learned: Learned) -> list[str]:
    if not learned.commit:
        return []
    subject = learned.change.partition("\n")[0]
    return [f"Mended by commit {learned.commit[:12]}{f' ({subject})' if subject else ''}"]


def _sentence(text: str) -> str:
    folded = " ".join(text.split())
    return folded if folded.endswith((".", "!", "?")) else f"{folded}."


def failures(events: Sequence[AnyEvent]) -> list[tuple[Failure, str | None]]:
    """Return a history's failures with the entry that explained each, in order."""
    found: list[tuple[Failure, str | None]] = []
    last: tuple[Failure, ...] = ()
    for event in events:
        if isinstance(event, Failed):
            last = event.failures
        elif isinstance(event, Diagnosed):
            found += [(f, d.entry) for f, d in zip(last, event.diagnoses, strict=False)]
    return found


def teaches(events: Sequence[AnyEvent]) -> bool:
    """Say whether a history may hold anything for the matrix; quick, for every report."""
    told = [e for e in events if isinstance(e, Diagnosed)]
    return bool(_misled(events)) or any(
        d.verdict == "not_determined" or d.confidence < _SURE for e in told for d in e.diagnoses
    )
