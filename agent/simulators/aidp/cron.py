"""When a Quartz cron expression fires next.

Six fields (seconds, minutes, hours, day of month, month, day of week) and perhaps a year; exactly
one of the two day fields is `?`. Known are lists, ranges, steps, names, `L`, `L-3`, `LW`, `15W`,
`6L` and `6#3`. A time that a change to summer time leaves out does not fire that day.
Source: https://www.quartz-scheduler.org/documentation/quartz-2.3.0/tutorials/crontrigger.html
"""

import calendar
import itertools
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

SHORTEST_S = 1800
"""The least number of seconds between two runs of a schedule."""
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_YEARS = (1970, 2199)
_AHEAD_DAYS = 366 * 8
"""29 February comes back within eight years."""
_PROBED = 60
"""How many firings are looked at to find the shortest time between two."""
_FIXED = re.compile(r"(?:GMT|UTC)([+-])(\d{1,2})(?::?(\d{2}))?")

Fits = Callable[[date], bool]


class Cron(NamedTuple):
    """A parsed expression."""

    times: tuple[time, ...]
    """Of a day on which it fires, in order."""
    months: frozenset[int]
    years: frozenset[int]
    fits: Fits
    """Whether a day of such a month is meant."""
    zone: tzinfo


@lru_cache(maxsize=512)
def parse(expression: str, zone: str) -> Cron:
    """Return the parsed expression. Raises `ValueError`, its message for people."""
    fields = expression.split()
    if len(fields) not in (6, 7):
        raise ValueError(f"'{expression}' has {len(fields)} fields; expected 6 or 7")
    seconds, minutes, hours = (
        sorted(_field(text, 0, most)) for text, most in zip(fields, (59, 59, 23), strict=False)
    )
    day, weekday = fields[3].upper(), fields[5].upper()
    if (day == "?") == (weekday == "?"):
        raise ValueError("exactly one of day of month and day of week has to be '?'")
    return Cron(
        times=tuple(time(h, m, s) for h in hours for m in minutes for s in seconds),
        months=_field(fields[4], 1, 12, _MONTHS),
        years=_field(fields[6] if len(fields) == 7 else "*", *_YEARS),
        fits=_weekday(weekday) if day == "?" else _day(day),
        zone=_zone(zone),
    )


def _zone(name: str) -> tzinfo:
    """Return a time zone by its Java id. Raises `ValueError`."""
    if found := _FIXED.fullmatch(name):
        ahead = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
        return timezone(ahead if found[1] == "+" else -ahead)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # the name of a folder is an OSError
        raise ValueError(f"'{name}' is not a time zone") from error


def _field(text: str, low: int, high: int, names: tuple[str, ...] = ()) -> frozenset[int]:
    found: set[int] = set()
    for item in text.upper().split(","):
        what, slash, by = item.partition("/")
        if slash and (not by.isdecimal() or not int(by)):
            raise ValueError(f"'{item}' is not a step")
        first, dash, last = what.partition("-")
        if what == "*":
            start, end = low, high
        else:
            start = _number(first, low, high, names)
            end = _number(last, low, high, names) if dash else (high if slash else start)
        # A range may go round: FRI-MON.
        span = end - start if end >= start else end - start + (high - low + 1)
        steps = range(0, span + 1, int(by or 1))
        found |= {low + (start - low + step) % (high - low + 1) for step in steps}
    return frozenset(found)


def _number(text: str, low: int, high: int, names: tuple[str, ...]) -> int:
    if text in names:
        return names.index(text) + low
    if not text.isdecimal() or not low <= int(text) <= high:
        raise ValueError(f"'{text}' is not between {low} and {high}")
    return int(text)


def _last(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _day(text: str) -> Fits:
    if found := re.fullmatch(r"L(?:-(\d+))?", text):
        back = int(found[1] or 0)
        return lambda day: day.day == _last(day) - back
    if found := re.fullmatch(r"(L|\d+)W", text):
        wanted = None if found[1] == "L" else _number(found[1], 1, 31, ())
        return lambda day: day.day == _workday(day, wanted)
    days = _field(text, 1, 31)
    return lambda day: day.day in days


def _workday(day: date, wanted: int | None) -> int | None:
    """Return the working day of the month that is nearest to the wanted day; None = the last."""
    last = _last(day)
    if wanted is not None and wanted > last:
        return None
    goal = day.replace(day=wanted or last)
    moved = goal.day + {5: -1, 6: 1}.get(goal.weekday(), 0)
    if moved < 1:
        return moved + 3
    return moved if moved <= last else moved - 3


def _weekday(text: str) -> Fits:
    if found := re.fullmatch(r"(\w+)#([1-5])", text):
        wanted, nth = _number(found[1], 1, 7, _DAYS), int(found[2])
        return lambda day: _number_of(day) == wanted and (day.day - 1) // 7 + 1 == nth
    if found := re.fullmatch(r"(\w+)L", text):
        wanted = _number(found[1], 1, 7, _DAYS)
        return lambda day: _number_of(day) == wanted and day.day + 7 > _last(day)
    days = _field("7" if text == "L" else text, 1, 7, _DAYS)
    return lambda day: _number_of(day) in days


def _number_of(day: date) -> int:
    """Return the day of the week as Quartz counts: 1 is Sunday."""
    return day.isoweekday() % 7 + 1


def after(cron: Cron, at_ms: int) -> int | None:
    """Return when it fires next after that moment, in milliseconds; None = never again."""
    return next(_firings(cron, at_ms), None)


def _firings(cron: Cron, at_ms: int) -> Iterator[int]:
    start = datetime.fromtimestamp(at_ms / 1000, cron.zone).date()
    for ahead in range(_AHEAD_DAYS):
        day = start + timedelta(days=ahead)
        if day.year not in cron.years or day.month not in cron.months or not cron.fits(day):
            continue
        for moment in cron.times:
            local = datetime.combine(day, moment, cron.zone)
            there = local.astimezone(UTC).astimezone(cron.zone)
            found = round(local.timestamp() * 1000)
            if found > at_ms and there.time() == moment:
                yield found


def shortest_gap_s(cron: Cron, at_ms: int) -> float | None:
    """Return the least number of seconds between its next firings; None = fires once at most."""
    times = [found for found, _ in zip(_firings(cron, at_ms), range(_PROBED), strict=False)]
    gaps = [(b - a) / 1000 for a, b in itertools.pairwise(times)]
    return min(gaps, default=None)
