"""What is said of a requirement that is missing: what would make it, what is there instead."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from agent.engine import checks
from agent.playbook import Playbook, Requirement
from agent.records import Check


def with_maker(check: Check, wanted: Requirement, book: Playbook, folder: Path) -> Check:
    """Return the check of a requirement; a failed one says what would make the missing thing.

    That is what stands nearest before it in the playbook, which lies in `folder`.
    """
    maker = _maker(wanted, book, folder) if check.outcome == "failed" else None
    if maker is None:
        return check
    return checks.check(check.name, "failed", f"{check.saw}; {maker}", check.measures)


def _maker(wanted: Requirement, book: Playbook, folder: Path) -> str | None:
    before: list[Requirement] = []
    for one in book.requires:
        if one == wanted:
            break
        before.append(one)
    for one in reversed(before):
        if one.playbook is not None:
            path = folder / one.playbook
            return f"{one.playbook} comes before it: runmend heal {path}"
        if one.job is not None:
            return f"job {one.job} comes before it: run that first"
    return None


def nearest(name: str, names: Sequence[str]) -> list[str]:
    """Return the names that are much like another one, the nearest first, at most three."""
    return difflib.get_close_matches(name, names, n=3, cutoff=0.6)
