"""What a patch or a rerun would do to the world, read from its parsed content, as a risk.

Nothing here trusts what a model, a matrix or a rationale says. Both versions of a file are read;
what only the later one does, and each check that only the earlier one held, is an effect. In doubt
an effect asks. `found.RISKS` lists all kinds; its module says how to add one.
"""

import re
from collections.abc import Callable
from pathlib import PurePosixPath

from agent.effects import cells, python, settings, sql, text
from agent.effects.found import RISKS, Found, Reading, added
from agent.effects.rerun import of_rerun
from agent.records import Effect, Patch, Risk

__all__ = ["RISKS", "of_change", "of_command", "of_patch", "of_rerun"]

Read = Callable[[str], str | None]

_REQUIREMENTS = re.compile(r"(?:^|/)(?:requirements|constraints)[^/]*\.(?:txt|in)$")
_NO_EFFECT = (".md", ".rst")
_IMPORTED = re.compile(r"^[ \t]*(?:from|import)[ \t]+(\w+)", re.MULTILINE)


def of_patch(patch: Patch, before: Read, after: Read) -> tuple[Effect, ...]:
    """Return what a patch's edits would do; the two functions read a file without and with it."""
    found: list[Effect] = []
    for path in dict.fromkeys(edit.path for edit in patch.edits):
        old, new = before(path), after(path)
        found += of_change(path, old, new, own=_own(path, new or "", after))
    return tuple(found)


def of_change(
    path: str, before: str | None, after: str | None, *, own: frozenset[str] = frozenset()
) -> tuple[Effect, ...]:
    """Return the effects that a change of one file adds; None = the file is not there.

    `own` are the top-level modules of the same tree: importing one is no unknown import.
    """
    if before == after:
        return ()
    found = list(text.changes(before, after))
    if after is not None:
        found += _by_kind(path, before or "", after, own)
    return tuple(_effect(path, f) for f in found if (f.risk or RISKS.get(f.kind)) is not Risk.SAFE)


def of_command(argv: tuple[str, ...]) -> tuple[Effect, ...]:
    """Return what running a command would do: it cannot be looked into, so it asks at least."""
    from agent.effects import commands

    line = " ".join(argv)
    return (_effect("", Found(commands.kind(argv), line, f"runs {line[:80]}")),)


def _by_kind(path: str, before: str, after: str, own: frozenset[str]) -> tuple[Found, ...]:
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in (".yml", ".yaml", ".json"):
        return tuple(settings.changes(before, after, str(PurePosixPath(path).parent)))
    if _REQUIREMENTS.search(path):
        return tuple(text.requirements(before, after))
    if suffix in _NO_EFFECT:
        return ()
    read = _reader(suffix, own)
    if read is None:
        what = f"changes {path}, whose effect cannot be judged"
        return (Found("file_change", path, what),)
    return added(read(before) if before.strip() else Reading(), read(after))


def _reader(suffix: str, own: frozenset[str]) -> Callable[[str], Reading] | None:
    match suffix:
        case ".sql":
            return sql.read
        case ".ipynb":
            return lambda content: cells.notebook(content, own)
        case ".py":
            return lambda content: (
                cells.source(content, own)
                if cells.is_source(content)
                else python.read(content, own)
            )
        case _:
            return None


def _own(path: str, content: str, read: Read) -> frozenset[str]:
    """Return the imported names that are modules of the tree, beside the file or at its top."""
    folder = PurePosixPath(path).parent
    places = {"", "src/", "" if str(folder) == "." else f"{folder}/"}
    return frozenset(
        top
        for top in set(_IMPORTED.findall(content))
        if any(
            read(f"{p}{top}{end}") is not None for p in places for end in (".py", "/__init__.py")
        )
    )


def _effect(path: str, found: Found) -> Effect:
    place = f"{path}:{found.line}" if found.line else path
    return Effect(
        kind=found.kind,
        risk=found.risk if found.risk is not None else RISKS[found.kind],
        detail=f"{place} {found.says}".strip(),
        path=path or None,
        line=found.line,
    )
