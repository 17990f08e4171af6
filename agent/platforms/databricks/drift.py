"""What somebody else changed in the workspace, and a deploy would overwrite.

Compared are files and settings as they are now with what was deployed last (or, in a case that
began at a failed run, with the source). What is already as we are about to make it is no
difference: that also covers a deploy of ours that a crash cut short.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from agent.platforms.databricks import settings
from agent.platforms.databricks.api import NotFound
from agent.platforms.databricks.files import Files
from agent.platforms.databricks.layout import Layout
from agent.platforms.databricks.session import Session
from agent.records import Deployment, Effect, Risk

_KIND = "remote_overwrite"
_MOST = 20
_NAMES = 8


class Compared(NamedTuple):
    """The workspace's files beside ours."""

    now: dict[str, str]
    """Digest by workspace path, of the files we would bring or have brought."""
    changed: tuple[str, ...]
    """Files of the tree that differ from what is there, or are not there yet."""
    effects: tuple[Effect, ...]
    """One for each file that somebody else changed and that would be overwritten."""


def of_files(
    files: Files, there: Layout, wanted: Mapping[str, str], before: Mapping[str, str] | None
) -> Compared:
    """Compare; `before` is what was deployed last, None where nobody knows: nothing is asked then.

    An empty `before` says that nothing there is ours.
    """
    paths = wanted.keys() | (before or {}).keys()
    entries = files.listed(there)
    now = files.digests((entries[p] for p in sorted(paths & entries.keys())), there)
    changed = [
        there.local(path) or path for path in sorted(wanted) if now.get(path) != wanted[path]
    ]
    found = () if before is None else tuple(_overwritten(there, now, wanted, before))
    return Compared(now, tuple(changed), _bounded(found))


def _overwritten(
    there: Layout, now: Mapping[str, str], wanted: Mapping[str, str], before: Mapping[str, str]
) -> Iterator[Effect]:
    for path in sorted(wanted.keys() | before.keys()):
        found = now.get(path)
        if found in (wanted.get(path), before.get(path)):
            continue
        local = there.local(path)
        if found is None:
            detail = f"{path} was deleted in the workspace by somebody else and would come back"
        elif path in before:
            detail = (
                f"{path} was changed in the workspace by somebody else (it is now "
                f"{found[:12]}) and would be overwritten"
            )
        else:
            detail = (
                f"{path} is in the workspace with other content ({found[:12]}) than the source's "
                "and would be overwritten"
            )
        yield Effect(kind=_KIND, risk=Risk.ASK, detail=detail, path=local or path)


def _bounded(found: tuple[Effect, ...]) -> tuple[Effect, ...]:
    if len(found) <= _MOST:
        return found
    rest = found[_MOST:]
    mark = hashlib.sha256("\n".join(e.detail for e in rest).encode()).hexdigest()[:12]
    more = f"{len(rest)} more files differ in the workspace and would be overwritten ({mark})"
    return (*found[:_MOST], Effect(kind=_KIND, risk=Risk.ASK, detail=more))


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
    if not previous.settings or settings.digest(now) == previous.settings or now == wanted:
        return ()
    old = session.kept("settings", previous.settings)
    names = tuple(settings.differences(old if old is not None else wanted, now))
    what = f"{kind} {previous.job} ({previous.name})"
    return (_settings(what, "were changed by somebody else", names, settings.digest(now)),)


def gone(kind: str, previous: Deployment) -> Effect:
    """Return what is said of a job or pipeline that we deployed and that is ours no more."""
    detail = (
        f"{kind} {previous.job} ({previous.name}) was deleted or taken from us by somebody else, "
        "and another would be made"
    )
    return Effect(kind=_KIND, risk=Risk.ASK, detail=detail)


def of_foreign(what: str, now: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[Effect, ...]:
    """Compare the settings of a job that we never deployed with what we would set."""
    if now == wanted:
        return ()
    names = tuple(settings.differences(now, wanted))
    return (_settings(what, "are other than the source's", names, settings.digest(now)),)


def _settings(what: str, said: str, names: tuple[str, ...], mark: str) -> Effect:
    shown = ", ".join(n or "all of them" for n in names[:_NAMES])
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    detail = f"the settings of {what} {said} ({shown}{more}; now {mark[:12]}) and would be replaced"
    return Effect(kind=_KIND, risk=Risk.ASK, detail=detail)
