"""What `bundle plan` says a deploy would do to each resource, in every form it has had.

JSON: an object per resource under `plan` (by key or as a list), each with an `action`. Text, for
commands that have no JSON form of it: a line `<action> <resource>` each and a summary with the
counts. Whatever is not understood is never taken as harmless: `Planned.unclear` then says what.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from agent import redaction
from agent.records import Effect, Risk

Word = Literal["none", "create", "update", "recreate", "delete", "unknown"]

_WORDS: dict[str, Word] = {
    "": "none",
    "skip": "none",
    "none": "none",
    "no-op": "none",
    "noop": "none",
    "unchanged": "none",
    "read": "none",
    "create": "create",
    "add": "create",
    "update": "update",
    "update_id": "update",
    "update_with_id": "update",
    "resize": "update",
    "change": "update",
    "recreate": "recreate",
    "replace": "recreate",
    "delete": "delete",
    "destroy": "delete",
    "remove": "delete",
}
_SAYS = {"delete": "deletes", "recreate": "deletes and makes anew"}
_KINDS = {"delete": "resource_delete", "recreate": "resource_recreate"}
_LINE = re.compile(r"\s*(?P<word>[a-z_-]+)\s+(?P<resource>[\w-]+(?:\.[\w-]+)+)\s*(?:\(.*\))?")
_TOTAL = re.compile(
    r"\s*Plan: (\d+) to (?:add|create), (\d+) to (?:change|update), (\d+) to delete"
    r"(?:, (\d+) unchanged)?\.?\s*"
)
_NAMED = ("resource_key", "resource", "key", "name")
_LISTS = ("actions", "changes", "resources")


class Action(NamedTuple):
    """What would happen to one resource."""

    resource: str
    """`jobs.etl`, `jobs.etl.permissions`."""
    word: Word
    said: str
    """The command's own word."""
    fields: tuple[str, ...] = ()
    """What of it would change, as far as the plan says."""


class Planned(NamedTuple):
    """A whole plan."""

    actions: tuple[Action, ...]
    """Those that do something, in the plan's order."""
    unclear: str | None = None
    """Why the plan cannot be understood, None where it can."""

    @property
    def destructive(self) -> tuple[Action, ...]:
        """Those that delete, make anew, or are of a kind nobody here knows."""
        return tuple(a for a in self.actions if a.word in ("recreate", "delete", "unknown"))

    def of(self, resource: str) -> Action | None:
        """Return what would happen to a resource itself, None where nothing."""
        return next((a for a in self.actions if a.resource == resource), None)


def destroying(found: Planned, where: str) -> list[Effect]:
    """Return what of a plan may lose something; `where` names the target."""
    if found.unclear is not None:
        detail = f"what the deploy would do on {where} cannot be told: {found.unclear}"
        return [Effect(kind="unparsed", risk=Risk.DESTRUCTIVE, detail=detail)]
    return [
        Effect(
            kind=_KINDS.get(action.word, "resource_unknown"),
            risk=Risk.DESTRUCTIVE,
            detail=f"{_does(action)} on {where}",
        )
        for action in found.destructive
    ]


def on_production(found: Planned, where: str, *, brings: bool) -> list[Effect]:
    """Return one effect for each action, so that what is left after a crash was approved before.

    `brings`: files of the source would change.
    """
    lost = found.destructive
    rest = [a for a in found.actions if a not in lost]
    details = [f"{a.word}s {a.resource} on production target {where}" for a in rest]
    if brings:
        details.append(f"brings changed files to production target {where}")
    return [Effect(kind="production_deploy", risk=Risk.ASK, detail=d) for d in details]


def listed(actions: tuple[Action, ...]) -> str:
    """Return in words what actions do."""
    return "; ".join(_does(action) for action in actions)


def _does(action: Action) -> str:
    says = _SAYS.get(action.word, f"does {action.said!r}, whatever that is, to")
    return f"{says} {action.resource}"


def read(text: str) -> Planned:
    """Return what a plan says, JSON or text."""
    text = text.strip()
    if not text.startswith(("{", "[")):
        return _text(text)
    try:
        found = json.loads(text)
    except ValueError:
        return Planned((), "it is cut off")
    entries = _entries(found)
    if entries is None:
        return Planned((), "its JSON has no list of resources")
    actions: list[Action] = []
    for name, entry in entries:
        action = _action(name, entry)
        if action is None:
            return Planned((), f"it does not say what happens to {_clean(name) or 'a resource'}")
        if action.word != "none":
            actions.append(action)
    return Planned(tuple(actions))


def _entries(found: Any) -> list[tuple[str, Any]] | None:
    """Return (resource, entry) of the forms known; None where it is none of them."""
    if isinstance(found, dict):
        inside = next((found[k] for k in ("plan", *_LISTS) if k in found), None)
        if isinstance(inside, dict) and any(isinstance(inside.get(k), list) for k in _LISTS):
            inside = next(inside[k] for k in _LISTS if isinstance(inside.get(k), list))
        if isinstance(inside, dict):
            return [(str(name), entry) for name, entry in inside.items()]
        if inside is None:  # what is empty may be left out; anything else here is news to us
            return None if any(isinstance(v, dict | list) for v in found.values()) else []
        found = inside
    if not isinstance(found, list):
        return None
    return [(_name(entry), entry) for entry in found]


def _name(entry: Any) -> str:
    if not isinstance(entry, dict):
        return ""
    name = next((str(entry[k]) for k in _NAMED if entry.get(k)), "")
    group = entry.get("resource_type") or entry.get("group")
    return f"{group}.{name}" if isinstance(group, str) and "." not in name else name


def _action(name: str, entry: Any) -> Action | None:
    said = entry.get("action") if isinstance(entry, dict) else entry
    if not isinstance(said, str) or not name:
        return None
    fields = entry.get("changes") if isinstance(entry, dict) else None
    changed = tuple(_changed(fields)) if isinstance(fields, dict) else ()
    word = _WORDS.get(said.strip().lower().removeprefix("actiontype"), "unknown")
    return Action(_short(name), word, _clean(said), changed)


def _changed(fields: dict[str, Any]) -> Iterator[str]:
    for name, change in fields.items():
        action = change.get("action") if isinstance(change, dict) else None
        if not isinstance(action, str) or _WORDS.get(action.lower(), "unknown") != "none":
            yield _clean(name)


def _short(name: str) -> str:
    return _clean(name).removeprefix("resources.")


def _clean(text: str) -> str:
    return redaction.printable(redaction.mask(" ".join(text.split())))[:200]


def _text(text: str) -> Planned:
    actions: list[Action] = []
    total: re.Match[str] | None = None
    for line in filter(str.strip, text.splitlines()):
        if (found := _TOTAL.fullmatch(line)) is not None:
            total = found
        elif (told := _LINE.fullmatch(line)) is not None:
            word = _WORDS.get(told["word"], "unknown")
            actions.append(Action(_short(told["resource"]), word, told["word"]))
        elif not line.rstrip().endswith("..."):
            return Planned((), f"a line of it has no known form: {_clean(line)[:80]!r}")
    if total is None:
        return Planned((), "it has no summary" if text else "it is empty")
    wanted = [int(number) for number in total.groups("0")[:3]]
    if wanted != _counts(actions):
        return Planned((), f"it lists other actions than it counts ({total[0].strip()})")
    return Planned(tuple(a for a in actions if a.word != "none"))


def _counts(actions: list[Action]) -> list[int]:
    """Return how many are added, changed and deleted; making anew counts as both ends."""
    words = [a.word for a in actions]
    anew = words.count("recreate")
    known = [words.count("create") + anew, words.count("update"), words.count("delete") + anew]
    return [*known[:2], known[2] + words.count("unknown")]
