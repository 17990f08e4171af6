"""What somebody else changed about monitors and alerts since we applied them, and putting back.

What we apply is remembered value by value (`Deployment.files`), so that a change is named by the
field that changed, and fields that the service fills in by itself are no change.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from agent import redaction
from agent.platforms.databricks import monitoring_runs as runs
from agent.platforms.databricks.api import ApiRefused, Forbidden
from agent.platforms.databricks.definitions import at, covers, lasting, leaves, lost
from agent.platforms.databricks.monitoring_file import Declared, Item
from agent.platforms.databricks.monitoring_looks import Bench, found, monitor_path, only_anew
from agent.platforms.databricks.monitoring_steps import Step, former
from agent.platforms.databricks.session import Session
from agent.platforms.databricks.sql import Statements
from agent.records import Deployment, Effect, Risk


def bench(session: Session) -> Bench:
    """Return what a look needs."""
    return Bench(session, Statements(session), {})


def remembered(declared: Declared) -> dict[str, str]:
    """Return the SHA-256 of each value we apply, by item and dotted path."""
    return {
        f"{item.key}#{path}": sha
        for item in declared.items
        if item.task != "genie"
        for path, sha in leaves(lasting(item.task, item.wanted))
    }


def effects(
    session: Session, declared: Declared, previous: Deployment | None, file: str
) -> Iterator[Effect]:
    """Yield what applying the items would do that a person is asked about."""
    looking = bench(session)
    known = {} if previous is None else previous.files
    for item in declared.items:
        if item.task == "genie":
            continue
        there = found(looking, item.task, item.wanted)
        if not isinstance(there, dict):
            continue
        if (
            item.task == "monitors"
            and (why := only_anew(item.wanted, there, recreate=item.recreate)) is not None
        ):
            if item.recreate:
                yield _anew(item, file, why)
            continue
        changed = tuple(_changed(session, item, there, known))
        if changed:
            yield _overwrite(item, file, changed, ours=_is_ours(item, known))


def anew(session: Session, declared: Declared) -> tuple[str, ...]:
    """Return the monitors (keys) that only a recreation helps and whose item allows it."""
    looking = bench(session)
    wanted = [i for i in declared.items if i.task == "monitors" and i.recreate]
    return tuple(
        item.key
        for item in wanted
        if isinstance(there := found(looking, "monitors", item.wanted), dict)
        and only_anew(item.wanted, there, recreate=item.recreate) is not None
    )


def _is_ours(item: Item, known: dict[str, str]) -> bool:
    return any(key.startswith(f"{item.key}#") for key in known)


def _changed(
    session: Session, item: Item, there: dict[str, Any], known: dict[str, str]
) -> Iterator[str]:
    """Yield the fields that somebody else changed and applying the item would overwrite."""
    gone = lost(item.wanted, there) if item.task == "monitors" else ()
    yield from (f"{key} = {_short(there[key])}" for key in gone)
    wanted = lasting(item.task, item.wanted)
    if covers(wanted, there) or _left(session, item, there):
        return
    now = dict(leaves({k: v for k, v in there.items() if v is not None}))
    ours = _is_ours(item, known)
    for path, _ in leaves(wanted):
        value = at(there, path)
        before = known.get(f"{item.key}#{path}")
        as_applied = before is not None and now.get(path) == before
        newly_wanted = before is None and ours
        if not as_applied and not newly_wanted and not covers(at(wanted, path), value):
            yield f"{path} = {_short(value)}"


def _left(session: Session, item: Item, there: dict[str, Any]) -> bool:
    """Say whether the item is as it was before a change of this case that failed."""
    for run in runs.index(session):
        state = runs.load(session, run)
        for step in () if state is None else state.steps:
            if step.before is None:
                continue
            if step.key == item.key and step.state != "good" and covers(step.before, there):
                return True
    return False


def _short(value: Any) -> str:
    text = redaction.printable(redaction.mask(json.dumps(value, default=str)))
    return text if len(text) <= 80 else f"{text[:77]}..."


def _overwrite(item: Item, file: str, changed: Iterable[str], *, ours: bool) -> Effect:
    what = "monitor of" if item.task == "monitors" else "alert"
    why = "was changed since we applied it" if ours else "is there already, not by us"
    detail = f"{what} {item.name} {why}; would be overwritten: {'; '.join(changed)}"
    return Effect(kind="remote_overwrite", risk=Risk.ASK, detail=detail, path=file, line=item.line)


def _anew(item: Item, file: str, why: str) -> Effect:
    detail = (
        f"deletes the monitor of {item.name} and makes it anew, its history of metrics ends: {why}"
    )
    return Effect(
        kind="monitor_recreate", risk=Risk.DESTRUCTIVE, detail=detail, path=file, line=item.line
    )


def put_back(session: Session, tree: str) -> tuple[str, ...]:
    """Put back what runs of this case changed that were started from other trees than `tree`.

    What somebody changed since is left, as is what we made anew or created: deleting takes a
    person. Returns what was done, a sentence each; the same again finds nothing to do.
    """
    first: dict[str, Step] = {}
    last: dict[str, Step] = {}
    for run in runs.index(session):
        state = runs.load(session, run)
        if state is None or state.tree == tree:
            continue
        for step in state.steps:
            if step.intent is not None:
                first.setdefault(step.key, step)
                last[step.key] = step
    looking = bench(session)
    notes = (_one_back(looking, first[key], last[key]) for key in first)
    return tuple(note for note in notes if note)


def _one_back(looking: Bench, first: Step, last: Step) -> str:
    what = f"{'monitor of' if first.task == 'monitors' else 'alert'} {first.name}"
    there = found(looking, first.task, last.wanted)
    if not isinstance(there, dict):
        return ""
    if first.intent == "create":
        return f"{what} was made by this case and is left: deleting it takes a person"
    if first.intent == "recreate":
        return f"{what} was made anew with approval and is left as it is"
    body = former(first)
    if covers({k: v for k, v in body.items() if v is not None}, there):
        return ""
    if not covers(lasting(last.task, last.wanted), there):
        return f"{what} is left: somebody changed it since, or our change never reached it"
    try:
        if first.task == "monitors":
            looking.session.api.put(monitor_path(first.name), body)
        else:
            path, mask = f"/api/2.0/alerts/{there['id']}", ",".join(sorted(body))
            looking.session.api.patch(path, body, update_mask=mask)
    except (ApiRefused, Forbidden) as error:
        return f"{what} could not be put back: {error}"
    return f"{what} was put back"
