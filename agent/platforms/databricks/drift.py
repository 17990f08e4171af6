"""What somebody else changed in the workspace, and a deploy would overwrite.

Compared are files and settings as they are now with what was deployed last (or, in a case that
began at a failed run, with the source). What is already as we are about to make it is no
difference: that also covers a deploy of ours that a crash cut short.
"""

from collections.abc import Mapping
from typing import Any

from agent.platforms.databricks import settings
from agent.platforms.databricks.api import NotFound
from agent.platforms.databricks.files import Files
from agent.platforms.databricks.layout import Layout
from agent.platforms.databricks.session import Session
from agent.records import Deployment, Effect
from agent.remote import comparing, drift
from agent.remote.drift import Compared


def of_files(
    files: Files, there: Layout, wanted: Mapping[str, str], before: Mapping[str, str] | None
) -> Compared:
    """Compare what is there with what we would bring; `before`: see `agent.remote.drift`."""
    paths = wanted.keys() | (before or {}).keys()
    entries = files.listed(there)
    now = files.digests((entries[p] for p in sorted(paths & entries.keys())), there)
    # A bundle's command also takes away what the tree no longer has.
    return drift.of_files(now, wanted, before, there.local, paths)


def of_settings(
    session: Session, kind: str, previous: Deployment, wanted: Mapping[str, Any] | None
) -> tuple[Effect, ...]:
    """Compare the settings that `previous` has with those of now; `wanted` is what we would set.

    None = that is not known.
    """
    try:
        now = settings.current(session, kind, previous.job)
    except NotFound:
        return (gone(kind, previous),)
    mark = comparing.digest(now)
    if not previous.settings or mark == previous.settings or now == wanted:
        return ()
    old = session.kept("settings", previous.settings)
    base = old if old is not None else wanted
    names = tuple(comparing.differences(base, now, settings.NAMES))
    what = f"the settings of {kind} {previous.job} ({previous.name}) were changed by somebody else"
    return (drift.replaced(what, names, mark),)


def gone(kind: str, previous: Deployment) -> Effect:
    """Return what is said of a job or pipeline that we deployed and that is ours no more."""
    detail = (
        f"{kind} {previous.job} ({previous.name}) was deleted or taken from us by somebody else, "
        "and another would be made"
    )
    return drift.asks(detail)


def of_foreign(what: str, now: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[Effect, ...]:
    """Compare the settings of a job that we never deployed with what we would set."""
    if now == wanted:
        return ()
    names = tuple(comparing.differences(now, wanted, settings.NAMES))
    said = f"the settings of {what} are other than the source's"
    return (drift.replaced(said, names, comparing.digest(now)),)
