"""A log becomes a diagnosis: every entry that is found is scored, the best one explains it.

    score = level of the entry (a cause 60, a symptom 42, a general fallback 30)
          + kind of line it was found in (`structure.Kind`)
          + how much of the line its pattern spells out (0 to 8), and 2 where its `requires` are met

Rules kept here: specific beats general, the final exception beats a mention; what scores less than
`ENOUGH` proves nothing. How sure the best one is, `confidence` says.
"""

import bisect
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from agent.matrix import patterns
from agent.matrix.entries import Entry
from agent.matrix.logs import structure
from agent.matrix.logs.structure import Kind, Reading
from agent.matrix.native import identity

ENOUGH = 40.0
_LEVEL = {"cause": 60.0, "symptom": 42.0, "general": 30.0}
_MET = 2.0
"""Points for an entry whose `requires` are met: it says more than one without."""
_JOINED_LINES = 4000
_LOUD = (
    r"(?i)error|exception|traceback|fail|fatal|critical|severe|caused by|killed|denied|cannot|"
    r"unable|abort|panic|refused|exceeded|not found|not supported"
)
_ABOVE, _BELOW = 60, 20


class Hit(NamedTuple):
    """An entry that was found, where, and what speaks for it."""

    entry: Entry
    at: int | None
    """Index of the line; None where the platform's word or exit code says it."""
    score: float
    parameters: dict[str, str]
    proof: tuple[int, ...]
    """Indices of the lines that prove it."""
    why: str
    literals: int = 0
    """Characters that its pattern spells out."""
    joined: bool = False
    """Found only in lines joined together."""


class Found(NamedTuple):
    """What the matching found in a log."""

    hits: list[Hit]
    """The best hit of each entry, best first; those overruled are left out."""
    refused: list[tuple[Entry, str]]
    """Entries that nearly fitted, and why they did not."""


class Pattern(NamedTuple):
    """One pattern of one entry."""

    entry: Entry
    text: str


class _Lines:
    """The lines of a reading as they are matched; each pattern looks at each line once."""

    def __init__(self, encoded: Sequence[bytes]) -> None:
        self.encoded = encoded
        self._found: dict[str, list[int]] = {}

    def near(self, at: int, pattern: str) -> int | None:
        """Return the index of the line near `at` that matches, the nearest one, else None."""
        found = self._found.get(pattern)
        if found is None:
            found = [i for i, line in enumerate(self.encoded) if patterns.found(pattern, line)]
            self._found[pattern] = found
        here = bisect.bisect_left(found, at)
        near = [i for i in found[max(here - 1, 0) : here + 1] if at - _ABOVE <= i <= at + _BELOW]
        return min(near, key=lambda i: (abs(i - at), i), default=None)

    def groups(self, at: int, pattern: str) -> dict[str, str]:
        """Return the named groups of a pattern in one line."""
        return patterns.groups(pattern, self.encoded[at]) or {}


class Matcher:
    """All patterns of a matrix as one automaton, and how hits are judged."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = tuple(entries)
        self._patterns = [Pattern(entry, text) for entry in self._entries for text in entry.match]
        self._set = patterns.PatternSet([pattern.text for pattern in self._patterns])

    def plus(self, entries: Iterable[Entry]) -> "Matcher":
        """Return a matcher that knows these too; what was compiled is shared."""
        made = Matcher(entries)
        made._set = self._set.plus([pattern.text for pattern in made._patterns])
        made._entries = (*self._entries, *made._entries)
        made._patterns = [*self._patterns, *made._patterns]
        return made

    def is_interesting(self, line: bytes) -> bool:
        """Say whether a line of a long text is worth keeping, or some line of a block."""
        start = line if b"\n" in line else line[:400]
        return patterns.found(_LOUD, start) or bool(self._set.match(line))

    def find(
        self,
        reading: Reading,
        *,
        code: str = "",
        exit_code: int | None = None,
        platform: str | None = None,
    ) -> Found:
        """Return every entry that explains the reading, best first.

        Entries of another platform than `platform` are left out, where that is one that runs jobs.
        """
        best: dict[str, Hit] = {}
        refused: dict[str, tuple[Entry, str]] = {}
        foreign = {e.id for e in self._entries if _is_foreign(e, platform)} if platform else set()
        lines = _Lines([patterns.encoded(text.clean) for text in reading.lines])
        for pattern, at, text in self._matches(reading, lines.encoded):
            if pattern.entry.id in foreign:
                continue
            hit, reason = self._judge(reading, lines, pattern, at, text)
            if hit is None:
                refused.setdefault(pattern.entry.id, (pattern.entry, reason))
            else:
                best[hit.entry.id] = _better(best.get(hit.entry.id), hit)
        for hit in self._by_code(code, exit_code):
            if hit.entry.id not in best or hit.score > best[hit.entry.id].score:
                best[hit.entry.id] = hit
        overruled = {
            other: hit for hit in best.values() if hit.score >= ENOUGH for other in hit.entry.over
        }
        hits = [hit for hit in best.values() if hit.entry.id not in overruled]
        hits.sort(key=_order)
        left = [pair for key, pair in refused.items() if key not in best]
        left += [
            (best[key].entry, f"it gives way to {hit.entry.id}, which is there too (`over`)")
            for key, hit in overruled.items()
            if key in best
        ]
        return Found(hits, left)

    def _matches(
        self, reading: Reading, lines: Sequence[bytes]
    ) -> Iterator[tuple[Pattern, int, bytes]]:
        """Yield what is found in single lines, then what only lines joined together show."""
        single: list[set[int]] = []
        for at, line in enumerate(lines):
            found = set(self._set.match(line)) if line else set()
            single.append(found)
            for index in found:
                yield self._patterns[index], at, line
        if len(lines) > _JOINED_LINES:
            return
        for at in range(len(lines) - 1):
            more = 0
            while more < 3 and at + more + 1 < len(lines) and reading.continues[at + more + 1]:
                more += 1
            if not more or not lines[at]:
                continue
            parts = [lines[at], *(line.strip() for line in lines[at + 1 : at + more + 1])]
            joined = b" ".join(parts)
            known = set().union(*single[at : at + more + 1])
            for index in self._set.match(joined):
                pattern = self._patterns[index]
                if index in known:
                    continue
                start = patterns.span(pattern.text, joined)[0]
                if start <= len(lines[at]):
                    yield pattern, at, joined

    def _judge(
        self, reading: Reading, lines: "_Lines", pattern: Pattern, at: int, text: bytes
    ) -> tuple[Hit | None, str]:
        entry, kind = pattern.entry, reading.kinds[at]
        parameters = dict(patterns.groups(pattern.text, text) or {})
        proof = [at]
        for needed in entry.requires:
            where = lines.near(at, needed)
            if where is None:
                return None, f"nothing near it matches {needed!r}"
            proof.append(where)
            parameters = {**lines.groups(where, needed), **parameters}
        for barred in entry.unless:
            where = lines.near(at, barred)
            if where is not None:
                return None, f"line {reading.lines[where].number} matches {barred!r}"
        for extra in entry.also:
            where = lines.near(at, extra)
            if where is not None:
                proof.append(where)
                parameters = {**lines.groups(where, extra), **parameters}
        follows = reading.final is not None and 0 < at - reading.final <= 6 and kind is Kind.PLAIN
        joined = len(text) > len(lines.encoded[at])
        literals = patterns.spelled_out(pattern.text)
        weight = min(literals / 4, 8.0)
        score = _LEVEL[entry.level] + kind.weight + weight + (8 if follows else 0)
        score += (_MET if entry.requires else 0) - (4 if joined else 0)
        if joined:
            proof.append(min(at + 1, len(reading.lines) - 1))
        named = {key: identity.plain_name(value) for key, value in parameters.items()}
        why = f"{entry.level} in {kind.words}, its pattern spells out {literals} characters"
        return Hit(entry, at, score, named, _unique(proof), why, literals, joined), ""

    def _by_code(self, code: str, exit_code: int | None) -> Iterator[Hit]:
        for entry in self._entries:
            if code and code in entry.codes:
                said = f"the platform says {code}"
                score = 96.0 if entry.level == "cause" else 42.0
                yield Hit(entry, None, score, {}, (), said)
            if exit_code is not None and exit_code in entry.exit_codes:
                score = 84.0 if entry.level == "cause" else 50.0
                yield Hit(entry, None, score, {}, (), f"exit code {exit_code}")


def _better(known: Hit | None, hit: Hit) -> Hit:
    """Return the better of two hits of one entry; in one line they tell each other's parameters."""
    if known is None:
        return hit
    first, second = (hit, known) if hit.score > known.score else (known, hit)
    if first.at != second.at:
        return first
    return first._replace(parameters={**second.parameters, **first.parameters})


def _order(hit: Hit) -> tuple[float, int, int]:
    """Return what hits are put in order by: score, then what spells out more, then the first."""
    return -hit.score, -hit.literals, hit.at if hit.at is not None else -1


def _is_foreign(entry: Entry, platform: str | None) -> bool:
    known = platform in ("local", "databricks", "aidp")
    return known and "any" not in entry.platforms and platform not in entry.platforms


def _unique(items: Sequence[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(items))


def nearest(entries: Iterable[Entry], found: Found, line: str) -> tuple[str, ...]:
    """Return up to three entries that come closest, each with why it did not fit."""
    said = [f"{hit.entry.id}: found, but only as a {hit.why}" for hit in found.hits]
    said += [f"{entry.id}: its words are there, but {reason}" for entry, reason in found.refused]
    if len(said) < 3 and line:
        words = _words(line)
        ranked = sorted(entries, key=lambda e: -_likeness(words, e))
        for entry in ranked[: 3 - len(said)]:
            shared = sorted(words & _words(" ".join((entry.title, *entry.examples))), key=len)
            if shared:
                said.append(
                    f"{entry.id}: shares {', '.join(shared[-4:])}, but no pattern of it matches"
                )
    return tuple(said[:3])


def _words(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z]{4,}", text[:2000].lower()))


def _likeness(words: set[str], entry: Entry) -> float:
    own = _words(" ".join((entry.title, *entry.examples)))
    return len(words & own) / (len(words | own) or 1)


def worth_reading(reading: Reading) -> tuple[int, ...]:
    """Return the indices of the lines a person should read first, at most six, in order."""
    wanted: list[int] = []
    if reading.final is not None:
        frame = structure.own_frame(reading, reading.final)
        wanted += [reading.final] + ([frame.at] if frame else [])
    loud = [i for i, kind in enumerate(reading.kinds) if kind in (Kind.EXCEPTION, Kind.ERROR)]
    wanted += loud[:2] + loud[-2:]
    if not wanted:
        wanted = [i for i, text in enumerate(reading.lines) if text.clean][-3:]
    return tuple(sorted(dict.fromkeys(wanted))[:6])
