"""What somebody else changed in the workspace, and a deploy would overwrite.

Compared are files and the definition as they are now with what was deployed last (or, in a case
that began at a failed run, with the source). What is already as we are about to make it is no
difference, and neither is what a deploy leaves as it is.
"""

from collections.abc import Mapping
from typing import Any

from agent.platforms.aidp import definitions
from agent.platforms.aidp.files import Files
from agent.platforms.aidp.layout import Layout
from agent.platforms.aidp.session import Session
from agent.records import Deployment, Effect
from agent.remote import comparing, drift
from agent.remote.drift import Compared


def of_files(
    files: Files, there: Layout, wanted: Mapping[str, str], before: Mapping[str, str] | None
) -> Compared:
    """Compare what is there with what we would bring; `before`: see `agent.remote.drift`."""
    paths = wanted.keys() | (before or {}).keys()
    entries = files.listed(there)
    now = files.digests(entries[p] for p in sorted(paths & entries.keys()))
    return drift.of_files(now, wanted, before, there.local, wanted)


def of_definition(
    session: Session, previous: Deployment, now: Mapping[str, Any], target: Mapping[str, Any]
) -> tuple[Effect, ...]:
    """Compare what `previous` left with what is there now; both normal, as is the `target`."""
    if not previous.settings or comparing.digest(now) == previous.settings:
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
    return drift.asks(detail)


def _definition(
    job: str, said: str, old: Any, now: Mapping[str, Any], target: Mapping[str, Any]
) -> tuple[Effect, ...]:
    """Name what changed and would be replaced; what a deploy leaves as it is does not count."""
    replaced = tuple(comparing.differences(now, target, definitions.NAMES))
    if old is not None:
        theirs = tuple(comparing.differences(old, now, definitions.NAMES))
        replaced = tuple(name for name in replaced if any(_meet(name, t) for t in theirs))
    if not replaced:
        return ()
    what = f"the definition of job {job} {said}"
    return (drift.replaced(what, replaced, comparing.digest(now)),)


def _meet(one: str, other: str) -> bool:
    """Return whether one dotted name is the other or lies inside it."""
    return one == other or _inside(one, other) or _inside(other, one)


def _inside(inner: str, outer: str) -> bool:
    return not outer or (inner.startswith(outer) and inner[len(outer) : len(outer) + 1] in ".[")
