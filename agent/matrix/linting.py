"""Keep a matrix sound: patterns that are safe, found by their examples and by nothing ordinary.

Rules kept here: a problem is one sentence that starts with file, line and entry; what is checked is
what a diagnosis does, so an example that a better entry takes is shadowed.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Sequence

from agent.matrix import patterns
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

Reached = Callable[[str], str | None]


def problems(
    placed: dict[str, Placed], reached: Reached, fixers: Sequence[str] | None
) -> tuple[str, ...]:
    """Return everything that is wrong, in the order of the file."""
    found: list[str] = []
    unsafe = False
    for item in placed.values():
        own = list(_unsafe(item.entry))
        unsafe = unsafe or bool(own)
        own += _pointers(item.entry, placed, fixers)
        own += _ordinary(item.entry) if not unsafe else []
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
    for example in entry.examples if entry.match else ():
        got = reached(example)
        if got is None:
            yield f"its example is not recognised: {_short(example)}"
        elif got != entry.id:
            yield f"shadowed by {got} in its example: {_short(example)}"
    for counter in entry.counter_examples:
        if reached(counter) == entry.id:
            yield f"its counter-example reaches it: {_short(counter)}"


def _short(text: str) -> str:
    return repr(text if len(text) < 100 else text[:97] + "...")


def _all_patterns(entry: Entry) -> tuple[str, ...]:
    return (*entry.match, *entry.requires, *entry.unless, *entry.also)


def _unsafe(entry: Entry) -> Iterator[str]:
    for pattern in _all_patterns(entry):
        problem = patterns.refusal(pattern)
        if problem:
            yield f"pattern {pattern!r}: {problem}"


def _ordinary(entry: Entry) -> Iterator[str]:
    for pattern in entry.match:
        if patterns.spelled_out(pattern) < _LITERALS:
            yield f"pattern {pattern!r} spells out too little; name more of the message"
        for line in _ORDINARY:
            if patterns.found(pattern, patterns.encoded(line)):
                yield f"pattern {pattern!r} matches nearly everything, such as {line!r}"
                break


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
        yield "a source is no https address, and no case that it was learned from"
    missing = set(_slots(entry)) - _named(entry)
    if missing:
        yield f"cause or solution name {', '.join(sorted(missing))}, which no pattern captures"


def _slots(entry: Entry) -> list[str]:
    return re.findall(r"\{(\w+)\}", entry.cause + entry.solution)


def _named(entry: Entry) -> set[str]:
    return set(re.findall(r"\(\?P<(\w+)>", " ".join(_all_patterns(entry))))


def _twins(placed: dict[str, Placed]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for item in placed.values():
        for pattern in item.entry.match:
            first = seen.setdefault(pattern, item.entry.id)
            if first != item.entry.id and not (item.entry.requires or item.entry.unless):
                yield _said(item, f"has the same pattern as {first}: {pattern!r}")
