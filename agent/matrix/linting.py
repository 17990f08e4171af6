"""Keep a matrix sound: patterns that are safe, found by their examples and by nothing ordinary.

Rules kept here: a problem is one sentence that starts with file, line and entry, says what is wrong
and what to do; what is checked is what a diagnosis does, so an example that a better entry takes is
shadowed.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Sequence

from agent.matrix import patterns, shapes
from agent.matrix.entries import Entry, Placed

_ORDINARY = (
    "",
    "2026-07-01 10:00:00 INFO Starting task load",
    "[Step 1/3] reading data/orders.csv",
    "wrote 1204 rows to gold.sales in 3.1 s",
    "{'status': 'SUCCESS', 'total': 3, 'successful': 3, 'failed': 0, 'errors': {}}",
    "Collecting pandas==2.3.1",
    "Successfully installed numpy-2.1.0 pandas-2.3.1",
    "Task succeeded without error, timeout or permission problems",
    "select id, day, amount from sales where amount is not null",
    "    at java.lang.Thread.run(Thread.java:745)",
    '  File "transform.py", line 14, in main',
    "Traceback (most recent call last):",
    "error",
    "Error: failed",
    "Exception: something went wrong",
    "An error occurred, see the log for details.",
)
"""Lines that say nothing about a cause; no entry may be found in them."""
_LITERALS = 5
"""Literal characters the shortest alternative of a pattern must spell out."""
_PIECE = 3
"""Of them in a row: fewer, and the filter has to run the pattern on every line of a log."""

Reached = Callable[[str], str | None]


def problems(
    placed: dict[str, Placed], reached: Reached, fixers: Sequence[str] | None
) -> tuple[str, ...]:
    """Return everything that is wrong, in the order of the file."""
    found: list[str] = []
    unsafe = False
    for item in placed.values():
        own = list(_unsafe(item.entry))
        own += _vague(item.entry) if not own else []
        unsafe = unsafe or any(patterns.refusal(p) for p in _all_patterns(item.entry))
        own += _pointers(item.entry, placed, fixers)
        own += _transient(item.entry)
        found += [_said(item, problem) for problem in own]
    found += _twins(placed)
    return tuple(found) if unsafe else (*found, *examples(placed, reached))


def examples(placed: dict[str, Placed], reached: Reached) -> tuple[str, ...]:
    """Return the examples that do not reach their entry, and the counter-examples that do."""
    return tuple(
        _said(item, problem) for item in placed.values() for problem in _misled(item.entry, reached)
    )


def _said(item: Placed, problem: str) -> str:
    return f"{item.file}:{item.line}: {item.entry.id}: {problem}"


def _misled(entry: Entry, reached: Reached) -> Iterator[str]:
    for example in entry.examples if entry.match or entry.names else ():
        got = reached(example)
        if got is None:
            yield f"its example is not recognised: {_short(example)}; add a pattern that fits it"
        elif got != entry.id:
            what = f"shadowed by {got} in its example: {_short(example)}"
            yield f"{what}; put {got} in its `over`, spell out more, or merge the two"
    near = False
    for counter in entry.counter_examples:
        got = reached(counter)
        near = near or got is not None or _is_near(counter, entry)
        if got == entry.id:
            what = f"its counter-example reaches it: {_short(counter)}"
            yield f"{what}; spell out more, or bar it with `unless`"
    if not near:
        what = f"no counter-example shares a word with it: {_short(entry.counter_examples[0])}"
        yield f"{what}; add a text that could be taken for this failure"


def _is_near(counter: str, entry: Entry) -> bool:
    told = (entry.title, entry.cause, *entry.examples, *entry.codes, *_all_patterns(entry))
    return bool(_stems(counter) & _stems(" ".join(told)))


def _stems(text: str) -> set[str]:
    return {word[:5] for word in re.findall(r"[a-z0-9]{3,}", text.lower())}


def _short(text: str) -> str:
    return repr(text if len(text) < 100 else text[:97] + "...")


def _all_patterns(entry: Entry) -> tuple[str, ...]:
    return (*entry.match, *entry.requires, *entry.unless, *entry.also)


def _unsafe(entry: Entry) -> Iterator[str]:
    for pattern in _all_patterns(entry):
        problem = patterns.refusal(pattern)
        if problem:
            yield f"pattern {pattern!r}: {problem}"


def _vague(entry: Entry) -> Iterator[str]:
    """Yield what is wrong with patterns that can be used."""
    for pattern in dict.fromkeys(_all_patterns(entry)):
        problem = patterns.excess(pattern)
        if problem:
            yield f"pattern {pattern!r} {problem}"
    for pattern in entry.match:
        shape = shapes.shape(pattern)
        if shape.literals < _LITERALS:
            yield f"pattern {pattern!r} spells out too little; name more of the message"
        elif shape.piece < _PIECE:
            what = f"pattern {pattern!r} has no {_PIECE} literal characters in a row"
            yield f"{what}, so it slows down every line; name a word of the message"
        for line in _ORDINARY:
            if patterns.found(pattern, patterns.encoded(line)):
                what = f"pattern {pattern!r} matches nearly everything, such as {line!r}"
                yield f"{what}; name more of the message"
                break


def _transient(entry: Entry) -> Iterator[str]:
    if entry.transient and not entry.wait:
        yield "is transient, but does not say how long to wait; add `wait: 60 s` or the like"
    if entry.wait and not entry.transient:
        yield "has a wait, but is not transient; drop it, or say `transient: true`"
    if entry.remedy == "rerun" and not entry.transient:
        yield "is to be rerun, but is not transient; say `transient: true`, or another remedy"


def _pointers(
    entry: Entry, placed: dict[str, Placed], fixers: Sequence[str] | None
) -> Iterator[str]:
    for other in entry.over:
        if other not in placed:
            near = difflib.get_close_matches(other, list(placed), 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield f"over names {other!r}, which is no entry{hint}"
    if fixers is not None and entry.fixer and entry.fixer not in fixers:
        yield f"unknown fixer {entry.fixer!r}; there is {', '.join(fixers) or 'none'}"
    if any(not source.startswith(("https://", "case ")) for source in entry.sources):
        what = "a source is no https address, and no case that it was learned from"
        yield f"{what}; say where one can read about it"
    missing = set(_slots(entry)) - _named(entry)
    if missing:
        what = f"cause or solution name {', '.join(sorted(missing))}, which no pattern captures"
        yield f"{what}; add a named group"


def _slots(entry: Entry) -> list[str]:
    return re.findall(r"\{(\w+)\}", entry.cause + entry.solution)


def _named(entry: Entry) -> set[str]:
    native = {"condition", "sqlstate"} if entry.names else set()
    return native | set(re.findall(r"\(\?P<(\w+)>", " ".join(_all_patterns(entry))))


def _twins(placed: dict[str, Placed]) -> Iterator[str]:
    """Yield what two entries, or one entry twice, say alike."""
    owners: dict[str, str] = {}
    titles: dict[str, str] = {}
    for item in placed.values():
        entry = item.entry
        for pattern in sorted({p for p in entry.match if entry.match.count(p) > 1}):
            yield _said(item, f"has the pattern {pattern!r} twice; drop one")
        told_apart = bool(entry.requires or entry.unless)
        for pattern in () if told_apart else dict.fromkeys(entry.match):
            first = owners.setdefault(pattern, entry.id)
            if first != entry.id:
                what = f"has the same pattern as {first}: {pattern!r}"
                yield _said(item, f"{what}; merge the two, or tell them apart with `requires`")
        first = titles.setdefault(entry.title.lower(), entry.id)
        if first != entry.id:
            yield _said(item, f"has the same title as {first}; one entry for one cause: merge them")
        for text in sorted(set(entry.examples) & set(entry.counter_examples)):
            yield _said(item, f"has an example that is a counter-example too: {_short(text)}")
