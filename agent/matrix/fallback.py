"""Entries for errors that have a name of their own, but no entry of their own.

    score = 30 + kind of line (`structure.Kind`) + how well the entry fits the name

Rules kept here: the name says more than the SQLSTATE; of several globs the one that spells out most
wins; a cause that explains the same message beats them all, and what says the same stays. Names are
those of Spark, Delta and Databricks: other services' codes mean other things.
"""

from collections.abc import Iterable, Sequence

from agent.matrix import diagnosing
from agent.matrix.diagnosing import Found, Hit
from agent.matrix.entries import Entry
from agent.matrix.logs.structure import Kind, Reading
from agent.matrix.native import identity
from agent.records import Identity

_SYSTEMS = ("spark", "delta", "databricks")
_BY_NAME, _BY_STATE = 48.0, 42.0
"""Score without the line's kind."""


def added(entries: Sequence[Entry], found: Found, reading: Reading) -> Found:
    """Return what was found with the entry that the error's own name falls to, one of `entries`."""
    if found.hits and found.hits[0].score >= _BY_NAME + Kind.FINAL.weight:
        return found
    hit = _hit(entries, reading)
    if hit is None or any(_explains(known, hit) for known in found.hits):
        return found
    first = found.hits[0] if found.hits else None
    alike = first is not None and first.entry.category == hit.entry.category
    if first is not None and alike and first.score >= diagnosing.ENOUGH:
        return found
    hits = [known for known in found.hits if known.entry.id != hit.entry.id]
    hits = sorted((*hits, hit), key=lambda one: (-one.score, one.at if one.at is not None else -1))
    overruled = {
        other for one in hits for other in one.entry.over if one.score >= diagnosing.ENOUGH
    }
    return found._replace(hits=[one for one in hits if one.entry.id not in overruled])


def _explains(known: Hit, hit: Hit) -> bool:
    return known.entry.level == "cause" and known.at == hit.at and known.score >= hit.score


def _hit(entries: Sequence[Entry], reading: Reading) -> Hit | None:
    named = identity.best(reading) if entries else None
    if named is None or (named.rank == identity.BARE and named.identity.sqlstate is None):
        return None
    entry, score, why = chosen(entries, named.identity)
    if entry is None:
        return None
    kind = reading.kinds[named.at]
    own = {"condition": named.identity.code, "sqlstate": named.identity.sqlstate or ""}
    given = {**named.identity.parameters, **{key: value for key, value in own.items() if value}}
    return Hit(
        entry=entry,
        at=named.at,
        score=score + kind.weight,
        parameters=given,
        proof=(named.at,),
        why=f"general in {kind.words}, {why}",
    )


def chosen(entries: Iterable[Entry], named: Identity) -> tuple[Entry | None, float, str]:
    """Return the entry that a name falls to, its score and the reason; None where none fits."""
    best: tuple[int, Entry, str] | None = None
    kept = list(entries)
    for entry in kept if named.system in _SYSTEMS else ():
        for glob in entry.conditions:
            size = len(glob.replace("*", ""))
            if (best is None or size > best[0]) and is_like(named.code, glob):
                best = (size, entry, glob)
    if best is not None:
        return best[1], _BY_NAME, f"the name {named.code} is like {best[2]}"
    state = named.sqlstate or ""
    for entry in kept:
        for prefix in entry.sqlstates:
            if state.startswith(prefix) and (best is None or len(prefix) > best[0]):
                best = (len(prefix), entry, prefix)
    if best is not None:
        return best[1], _BY_STATE, f"SQLSTATE {state} starts with {best[2]}"
    return None, 0.0, ""


def is_like(name: str, glob: str) -> bool:
    """Say whether a name has the pieces of a glob in their order; `*` is all that is special."""
    first, *rest = glob.split("*")
    if not rest:
        return name == glob
    if not name.startswith(first) or not name.endswith(rest[-1]):
        return False
    at, end = len(first), len(name) - len(rest[-1])
    for piece in rest[:-1]:
        at = name.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return at <= end
