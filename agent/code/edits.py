"""Changes by position become edits by text: each edit's `old` occurs exactly once where it applies.

A patch names text, not offsets, so that a person can read it and a moved line still fits. Edits of
one file are applied one after another; each keeps to whole lines and takes in as many neighbouring
lines as it needs to be the only match.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from agent.records import Edit


class Change(NamedTuple):
    """Replace `text[start:end]` by `new`; offsets in characters, before any change."""

    start: int
    end: int
    new: str


def apply(text: str, changes: Iterable[Change]) -> str:
    """Return the text with all changes made; insertions at one place in the order given.

    Raises `ValueError` where two of them overlap.
    """
    parts: list[str] = []
    at = 0
    for change in _ordered(changes):
        parts += [text[at : change.start], change.new]
        at = change.end
    return "".join(parts) + text[at:]


def unique(path: str, text: str, changes: Iterable[Change]) -> tuple[Edit, ...]:
    """Return the edits of `path` that make the changes; empty where nothing would change.

    Raises `ValueError` where two changes overlap or reach outside the text.
    """
    ordered = _ordered(changes)
    if any(c.start < 0 or c.end > len(text) for c in ordered):
        raise ValueError(f"{path}: a change reaches outside the text")
    wanted = apply(text, ordered)
    if wanted == text:
        return ()
    spans = _spans(text, ordered)
    edits = tuple(
        Edit(path=path, old=text[start:end], new=apply_within(text, start, end, ordered))
        for start, end in spans
    )
    if _result(text, edits) == wanted:
        return edits
    start, end = _grown(text, spans[0][0], spans[-1][1])
    return (Edit(path=path, old=text[start:end], new=apply_within(text, start, end, ordered)),)


def apply_within(text: str, start: int, end: int, changes: Iterable[Change]) -> str:
    """Return `text[start:end]` with the changes that lie inside it made."""
    inside = [
        Change(c.start - start, c.end - start, c.new)
        for c in changes
        if start <= c.start and c.end <= end
    ]
    return apply(text[start:end], inside)


def _ordered(changes: Iterable[Change]) -> list[Change]:
    ordered = sorted(dict.fromkeys(changes), key=lambda c: (c.start, c.end))
    for one, two in pairwise(ordered):
        if two.start < one.end:
            raise ValueError(f"two changes overlap at offset {two.start}")
    return ordered


def _spans(text: str, changes: list[Change]) -> list[tuple[int, int]]:
    """Return one span of whole lines per group of changes, each unique, none touching another."""
    spans: list[tuple[int, int]] = []
    for change in changes:
        start, end = _grown(text, *_lines(text, change.start, change.end))
        while spans and spans[-1][1] >= start:
            before, after = spans.pop()
            start, end = _grown(text, min(before, start), max(after, end))
        spans.append((start, end))
    return spans


def _lines(text: str, start: int, end: int) -> tuple[int, int]:
    """Widen to whole lines; an insertion at a line's end belongs to that line."""
    start = text.rfind("\n", 0, start) + 1
    if end > start and text[end - 1] == "\n":
        return start, end
    stop = text.find("\n", end)
    return start, len(text) if stop < 0 else stop + 1


def _grown(text: str, start: int, end: int) -> tuple[int, int]:
    """Take in a line before, then a line after, until the span is not empty and occurs once."""
    forward = False
    while start == end or text.find(text[start:end], text.find(text[start:end]) + 1) >= 0:
        if start == 0 and end == len(text):
            break
        if end < len(text) and (forward or start == 0):
            stop = text.find("\n", end)
            end = len(text) if stop < 0 else stop + 1
        else:
            start = text.rfind("\n", 0, start - 1) + 1
        forward = not forward
    return start, end


def _result(text: str, edits: Iterable[Edit]) -> str | None:
    """Apply the edits as the workspace does; None where one does not fit exactly once."""
    for edit in edits:
        old, new = edit.old or "", edit.new or ""
        if text.count(old) != 1 or text.find(old, text.find(old) + 1) >= 0:
            return None
        text = text.replace(old, new, 1)
    return text
