"""What somebody else changed in a workspace and a deploy would overwrite, as effects that ask.

What is already as we are about to make it is no difference: that also covers a deploy of ours that
a crash cut short.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from agent.records import Effect, Risk

_KIND = "remote_overwrite"
_MOST = 20
_NAMES = 8

Local = Callable[[str], str | None]
"""The tree's file that lies at a workspace path, None where it has none."""


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
    now: dict[str, str],
    wanted: Mapping[str, str],
    before: Mapping[str, str] | None,
    local: Local,
    touched: Iterable[str],
) -> Compared:
    """Compare what is there now with what we would bring; all are digests by workspace path.

    `before` is what was deployed last, None where nobody knows: nothing is asked then. An empty one
    says that nothing there is ours. `touched`: the paths that a deploy would change.
    """
    changed = tuple(local(path) or path for path in sorted(wanted) if now.get(path) != wanted[path])
    if before is None:
        return Compared(now, changed, (), ())
    gone = tuple(p for p, mark in before.items() if p not in wanted and now.get(p) == mark)
    found = tuple(_overwritten(now, wanted, before, local, touched))
    return Compared(now, changed, gone, _bounded(found))


def _overwritten(
    now: Mapping[str, str],
    wanted: Mapping[str, str],
    before: Mapping[str, str],
    local: Local,
    touched: Iterable[str],
) -> Iterator[Effect]:
    for path in sorted(touched):
        found = now.get(path)
        if found in (wanted.get(path), before.get(path)):
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
        yield asks(detail, local(path) or path)


def _bounded(found: tuple[Effect, ...]) -> tuple[Effect, ...]:
    if len(found) <= _MOST:
        return found
    rest = found[_MOST:]
    mark = hashlib.sha256("\n".join(e.detail for e in rest).encode()).hexdigest()[:12]
    more = f"{len(rest)} more files differ in the workspace and would be overwritten ({mark})"
    return (*found[:_MOST], asks(more))


def replaced(what: str, names: Sequence[str], mark: str) -> Effect:
    """Return the effect of replacing settings that somebody else changed.

    `what` says which, and how they differ; `names`: what of them would be replaced; `mark`: the
    digest of what is there now.
    """
    shown = ", ".join(name or "all of it" for name in names[:_NAMES])
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return asks(f"{what} ({shown}{more}; now {mark[:12]}) and would be replaced")


def asks(detail: str, path: str | None = None) -> Effect:
    """Return the effect of overwriting something of somebody else's."""
    return Effect(kind=_KIND, risk=Risk.ASK, detail=detail, path=path)
