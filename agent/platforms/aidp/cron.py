"""Quartz cron expressions: whether one is well formed, and how far apart it fires.

Six or seven fields: seconds, minutes, hours, day of month, month, day of week and, if said, year.
The shortest gap is looked for inside one day and over midnight, on the densest day there is; the
days are not looked at, so days that are far apart never make a gap shorter than it is.

Source: https://www.quartz-scheduler.org/documentation/quartz-2.3.0/tutorials/crontrigger.html
"""

import re
from typing import NamedTuple

SHORTEST_S = 30 * 60
"""Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aidug/configure-jobs.html"""
_DAY_S = 24 * 3600
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()
    special: str = ""
    """A pattern of what only this field takes."""


_FIELDS = (
    _Field("seconds", 0, 59),
    _Field("minutes", 0, 59),
    _Field("hours", 0, 23),
    _Field("day of month", 1, 31, special=r"L(-\d{1,2})?W?|\d{1,2}W"),
    _Field("month", 1, 12, tuple(_MONTHS)),
    _Field("day of week", 1, 7, tuple(_DAYS), r"L|([1-7]|[A-Z]{3})(L|#[1-5])"),
    _Field("year", 1970, 2199),
)


def wrong(expression: str) -> str | None:
    """Return what is wrong with an expression, as the end of a sentence; None where nothing is."""
    words = expression.split()
    if len(words) not in (6, 7):
        noun = "field" if len(words) == 1 else "fields"
        said = f"which is no Quartz expression: {len(words)} {noun}, expected 6 or 7"
        return f"{said} (seconds first){_meant(words)}"
    for word, field in zip(words, _FIELDS, strict=False):
        if _values(word.upper(), field) is None:
            said = f'which is no Quartz expression: "{word}" is no {field.name}'
            return f"{said} ({_range(field)})"
    if (words[3] == "?") == (words[5] == "?"):
        said = "which is no Quartz expression: one of day of month and day of week is ?"
        return f"{said}, the other is not{_meant(words[1:6]) if words[3] != '?' else ''}"
    gap = shortest_s(expression)
    if gap < SHORTEST_S:
        return f"which fires every {_said(gap)}; AIDP takes at least 30 minutes apart"
    return None


def shortest_s(expression: str) -> int:
    """Return the shortest time between two firings in seconds, for a well-formed expression."""
    words = expression.upper().split()
    seconds, minutes, hours = (
        sorted(_values(word, field) or ()) for word, field in zip(words, _FIELDS[:3], strict=False)
    )
    times = [h * 3600 + m * 60 + s for h in hours for m in minutes for s in seconds]
    following = [*times[1:], times[0] + _DAY_S]
    return min(b - a for a, b in zip(times, following, strict=True))


def _values(word: str, field: _Field) -> set[int] | None:
    """Return the values that a field's word stands for; None where it is not well formed."""
    found: set[int] = set()
    for part in word.split(","):
        values = _part(part, field)
        if values is None:
            return None
        found |= values
    return found


def _part(part: str, field: _Field) -> set[int] | None:
    every = set(range(field.low, field.high + 1))
    if part == "*" or (part == "?" and field.name.startswith("day")):
        return every
    if field.special and re.fullmatch(field.special, part):
        return every
    base, slash, step = part.partition("/")
    if slash and (not step.isdecimal() or int(step) == 0):
        return None
    bounds = _bounds(base, field, open_end=bool(slash))
    if bounds is None:
        return None
    low, high = bounds
    if high < low:  # over the end: 22-2
        low_part = {v for v in every if v <= high}
        return {v for v in every if v >= low} | low_part
    return set(range(low, high + 1, int(step) if slash else 1))


def _bounds(base: str, field: _Field, *, open_end: bool) -> tuple[int, int] | None:
    if base in ("*", "") and open_end:
        return field.low, field.high
    first, dash, last = base.partition("-")
    low = _number(first, field)
    high = _number(last, field) if dash else field.high if open_end else low
    return None if low is None or high is None else (low, high)


def _number(word: str, field: _Field) -> int | None:
    if word in field.words:
        return field.words.index(word) + field.low
    if not word.isdecimal() or not field.low <= int(word) <= field.high:
        return None
    return int(word)


def _range(field: _Field) -> str:
    words = f" or {field.words[0]}-{field.words[-1]}" if field.words else ""
    return f"{field.low}-{field.high}{words}"


def _meant(words: list[str]) -> str:
    """Return the expression that five fields of the usual cron mean, where that is clear."""
    if len(words) != 5:
        return ""
    minute, hour, day, month, weekday = words
    if weekday in ("*", "?"):
        weekday = "?"
    elif day in ("*", "?"):
        # The usual cron counts days from Sunday = 0, Quartz from 1: names mean the same in both.
        if not re.fullmatch(r"[A-Za-z,-]+", weekday):
            return ""
        day = "?"
    else:
        return ""
    said = f"0 {minute} {hour} {day} {month} {weekday}"
    return f'; did you mean "{said}"?' if wrong(said) is None else ""


def _said(seconds: int) -> str:
    if seconds % 60:
        return "second" if seconds == 1 else f"{seconds} seconds"
    return "minute" if seconds == 60 else f"{seconds // 60} minutes"
