"""What somebody else changed in the workspace, and a deploy would overwrite.

Compared are files and the definition as they are now with what was deployed last (or, in a case
that began at a failed run, with the source). What is already as we are about to make it is no
difference, and neither is what a deploy leaves as it is.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from agent.platforms.aidp import definitions
from agent.platforms.aidp.files import Files
from agent.platforms.aidp.layout import Layout
from agent.platforms.aidp.session import Session
from agent.records import Deployment, Effect, Risk

KIND = "remote_overwrite"
_MOST = 20
_NAMES = 8


class Compared(NamedTuple):
    """The workspace's files beside ours."""

    now: dict[str, str]
    """Digest by workspace path, of the files we would bring or have brought."""
    changed: tuple[str, ...]
    """Files of the tree that differ from what is there, or are not there yet."""
    gone: tuple[str, ...]
    """Workspace paths that we brought, nobody changed, and the tree no longer has."""
    effects: tuple[Effect, ...]
    """One for each file that somebody else changed and that would be overwritten."""


def of_files(
    files: Files, there: Layout, wanted: Mapping[str, str], before: Mapping[str, str] | None
) -> Compared:
    """Compare; `before` is what was deployed last, None where nobody knows: nothing is asked then.

    An empty `before` says that nothing there is ours.
    """
    ours = {p: mark for p, mark in (before or {}).items() if there.inside(p) is not None}
    entries = files.listed(there)
    now = files.digests(entries[p] for p in sorted((wanted.keys() | ours.keys()) & entries.keys()))
    changed = tuple(
        there.local(path) or path for path in sorted(wanted) if now.get(path) != wanted[path]
    )
    gone = tuple(p for p, mark in ours.items() if p not in wanted and now.get(p) == mark)
    found = () if before is None else tuple(_overwritten(there, now, wanted, ours))
    return Compared(now, changed, gone, _bounded(found))


def _overwritten(
    there: Layout, now: Mapping[str, str], wanted: Mapping[str, str], before: Mapping[str, str]
) -> Iterator[Effect]:
    for path in sorted(wanted):
        found = now.get(path)
        if found in (wanted[path], before.get(path)):
            continue
        if found is None:
            detail = f"{path} was deleted in the workspace by somebody else and would come back"
        elif path in before:
            detail = (
                f"{path} was changed in the workspace by somebody else (it is now {found[:12]}) "
                "and would be overwritten"
            )
        else:
            detail = (
                f"{path} is in the workspace with other content ({found[:12]}) than the source's "
                "and would be overwritten"
            )
        yield Effect(kind=KIND, risk=Risk.ASK, detail=detail, path=there.local(path) or path)


def _bounded(found: tuple[Effect, ...]) -> tuple[Effect, ...]:
    if len(found) <= _MOST:
        return found
    rest = found[_MOST:]
    mark = hashlib.sha256("\n".join(e.detail for e in rest).encode()).hexdigest()[:12]
    more = f"{len(rest)} more files differ in the workspace and would be overwritten ({mark})"
    return (*found[:_MOST], Effect(kind=KIND, risk=Risk.ASK, detail=more))


def of_definition(
    session: Session, previous: Deployment, now: Mapping[str, Any], target: Mapping[str, Any]
) -> tuple[Effect, ...]:
    """Compare what `previous` left with what is there now; both normal, as is the `target`."""
    if not previous.settings or definitions.digest(now) == previous.settings:
        return ()
    old = session.kept("definitions", previous.settings)
    said = "was changed by somebody else"
    return _definition(f"{previous.name} ({previous.job})", said, old, now, target)


def of_meanwhile(
    session: Session, job: str, seen: str, now: Mapping[str, Any], target: Mapping[str, Any]
) -> tuple[Effect, ...]:
    """Compare what we saw before we would have changed a job (`seen`: its digest) with now."""
    old = session.kept("definitions", seen)
    return _definition(job, "was changed by somebody else meanwhile", old, now, target)


def of_foreign(job: str, now: Mapping[str, Any], target: Mapping[str, Any]) -> tuple[Effect, ...]:
    """Compare the definition of a job that we never deployed with what we would make of it."""
    return _definition(job, "is other than the source's", None, now, target)


def gone(previous: Deployment) -> Effect:
    """Return what is said of a job that we deployed and that is there no more."""
    detail = (
        f"job {previous.name} ({previous.job}) was deleted by somebody else, and another would be "
        "made"
    )
    return Effect(kind=KIND, risk=Risk.ASK, detail=detail)


def _definition(
    job: str, said: str, old: Any, now: Mapping[str, Any], target: Mapping[str, Any]
) -> tuple[Effect, ...]:
    """Name what changed and would be replaced; what a deploy leaves as it is does not count."""
    replaced = tuple(definitions.differences(now, target))
    if old is not None:
        theirs = tuple(definitions.differences(old, now))
        replaced = tuple(name for name in replaced if any(_meet(name, t) for t in theirs))
    if not replaced:
        return ()
    shown = ", ".join(name or "all of it" for name in replaced[:_NAMES])
    more = f" and {len(replaced) - _NAMES} more" if len(replaced) > _NAMES else ""
    mark = definitions.digest(now)[:12]
    detail = f"the definition of job {job} {said} ({shown}{more}; now {mark}) and would be replaced"
    return (Effect(kind=KIND, risk=Risk.ASK, detail=detail),)


def _meet(one: str, other: str) -> bool:
    """Return whether one dotted name is the other or lies inside it."""
    return one == other or _inside(one, other) or _inside(other, one)


def _inside(inner: str, outer: str) -> bool:
    return not outer or (inner.startswith(outer) and inner[len(outer) : len(outer) + 1] in ".[")
