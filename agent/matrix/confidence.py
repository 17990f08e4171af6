"""How sure a diagnosis is: the chance that its category is right on a text that nobody has read.

    confidence = 1 / (1 + e^-raw),   raw = sum of WEIGHTS over what speaks for and against it

Rules kept here: the weights are plain numbers, fitted by `python benchmarks/diagnosis.py
--calibrate` to the shared labelled failures, and judged there only on texts that they were not
fitted to. Entries were written after reading those texts, so each text counts a second time as a
matrix sees it that lacks the entry which explains it. What only falls back on a class or a name,
or was only warned of, stays below 0.8; a tie is said, and stays below 0.6.
Source of the method: https://en.wikipedia.org/wiki/Platt_scaling
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from agent.matrix.diagnosing import ENOUGH, Hit
from agent.matrix.logs.structure import Kind, Reading

FALLBACK, TIED, MOST = 0.79, 0.59, 0.98
"""Upper bounds: for what is no cause, for a tie, for anything."""
LEAST = 0.15
"""What is less sure is not said: it would be wrong six times in seven."""
_SPELLED = 32
"""Literal characters that make a pattern as clear as can be."""
_CLOSE = 12.0
"""Points below the best one within which another cause is a rival."""
_SURE, _SPAN = 0.95, 0.25
"""What an entry may say of itself: no doubt at 0.95, the most at 0.25 less."""
_USUAL = 0.21
"""The doubt of an entry that says nothing of itself, and a little."""
_SAME, _ALIKE = 1.5, 4.0
"""Points within which two causes are tied: in one line, and in two equally good ones."""


class Features(NamedTuple):
    """What speaks for a diagnosis, and against it; each from 0 to 1."""

    base: float = 1.0
    doubt: float = 0.0
    """What its entry says of itself: 0 at 0.95 and more, 1 at 0.7 and less."""
    symptom: float = 0.0
    general: float = 0.0
    error: float = 0.0
    """Found in an error line, not in an exception."""
    plain: float = 0.0
    """Found in a line that has no sign of an error."""
    quiet: float = 0.0
    """Found in an INFO line, a warning, code or noise."""
    joined: float = 0.0
    """Found only in lines joined together."""
    vague: float = 0.0
    """Its pattern spells out little: 0 at 32 characters, 1 at none."""
    rival: float = 0.0
    """A cause of another category is as good: 1 at the same score, 0 at 12 points less."""
    unexplained: float = 0.0
    """Another line is the final exception, and no entry explains that."""
    required: float = 0.0
    """What it requires beside its pattern is there."""


WEIGHTS: Mapping[str, float] = {
    "base": 4.2,
    "doubt": -2.5,
    "symptom": -1.0,
    "general": -0.6,
    "error": 0.0,
    "plain": -1.1,
    "quiet": -2.0,
    "joined": 0.0,
    "vague": -0.9,
    "rival": -1.8,
    "unexplained": -0.1,
    "required": 1.1,
}
"""Fitted by `--calibrate` to 924 diagnoses of 212 texts and of the entries' examples: Brier score
0.071 cross-validated (0.083 with one number for all)."""


def features(hits: Sequence[Hit], reading: Reading) -> Features:
    """Return what speaks for and against the first hit, which stands in a line."""
    best = hits[0]
    at = best.at or 0
    kind, level = reading.kinds[at], best.entry.level
    rivals = [hit.score for hit in hits[1:] if _opposes(hit, best)]
    other = reading.final is not None and reading.final != best.at
    explained = any(hit.at == reading.final for hit in hits)
    return Features(
        doubt=_clipped((_SURE - best.entry.sure) / _SPAN),
        symptom=float(level == "symptom"),
        general=float(level == "general"),
        error=float(kind is Kind.ERROR),
        plain=float(kind is Kind.PLAIN),
        quiet=float(kind not in (Kind.FINAL, Kind.EXCEPTION, Kind.ERROR, Kind.PLAIN)),
        joined=float(best.joined),
        vague=_clipped(1 - best.literals / _SPELLED),
        rival=_clipped(1 - (best.score - max(rivals)) / _CLOSE) if rivals else 0.0,
        unexplained=float(other and not explained),
        required=float(bool(best.entry.requires)),
    )


def chance(found: Features, weights: Mapping[str, float] = WEIGHTS) -> float:
    """Return the chance that a diagnosis with these features is right, 0.05 to 0.98.

    No surer than its entry says of itself, where that is less than usual (0.9).
    """
    raw = sum(weights[name] * value for name, value in found._asdict().items())
    most = FALLBACK if found.general or found.symptom or found.quiet else MOST
    if found.doubt > _USUAL:
        most = min(most, _SURE - _SPAN * found.doubt)
    return min(max(1 / (1 + math.exp(-raw)), 0.05), most)


def of(hits: Sequence[Hit], reading: Reading) -> float:
    """Return how sure the first hit is, 0.05 to 0.98."""
    if hits[0].at is None:
        return hits[0].entry.sure
    sure = chance(features(hits, reading))
    return round(min(sure, TIED) if tied(hits, reading) is not None else sure, 2)


def tied(hits: Sequence[Hit], reading: Reading) -> Hit | None:
    """Return the cause of another category that fits as well as the first hit, None without one."""
    best = hits[0]
    for hit in hits[1:]:
        if best.at is None or hit.at is None or not _opposes(hit, best):
            continue
        apart = best.score - hit.score
        alike = reading.kinds[hit.at] is reading.kinds[best.at] and apart < _ALIKE
        spelled = abs(best.literals - hit.literals) < 4 * _SAME
        if (spelled and apart < _SAME) if hit.at == best.at else alike:
            return hit
    return None


def _opposes(hit: Hit, best: Hit) -> bool:
    """Say whether a hit names another category, on the same level of knowledge."""
    other = hit.entry.category != best.entry.category and hit.score >= ENOUGH
    return other and hit.entry.level == best.entry.level


def tie(hits: Sequence[Hit], reading: Reading) -> str | None:
    """Return in words which entry the first hit is tied with, and why; None without one."""
    best, rival = hits[0], tied(hits, reading)
    if rival is None or rival.at is None or best.at is None:
        return None
    if rival.at == best.at:
        said = f"fits line {_number(reading, best)} as well as {best.entry.id}"
    else:
        said = (
            f"fits line {_number(reading, rival)} as well as {best.entry.id} fits line"
            f" {_number(reading, best)}, both {reading.kinds[best.at].words}"
        )
    return f"{rival.entry.id} ({rival.entry.category}): a tie, it {said}"


def reasons(hits: Sequence[Hit], reading: Reading) -> Iterator[str]:
    """Yield in words why the first hit wins over the next ones, at most three."""
    best = hits[0]
    said = tie(hits, reading)
    if said is not None:
        yield said
    for hit in hits[1:4]:
        if said is None or not said.startswith(f"{hit.entry.id} ("):
            yield f"{best.entry.id} wins over {hit.entry.id}: {_because(best, hit, reading)}"


def _because(best: Hit, hit: Hit, reading: Reading) -> str:
    told = list(_differences(best, hit, reading))
    return "; ".join(told) or "both fit alike, it comes first"


def _differences(best: Hit, hit: Hit, reading: Reading) -> Iterator[str]:
    if best.entry.level != hit.entry.level:
        yield f"a {best.entry.level} beats a {hit.entry.level}"
    if best.at is None or hit.at is None:
        yield "the platform's own word counts for more" if best.at is None else "it says more"
        return
    first, second = reading.kinds[best.at], reading.kinds[hit.at]
    if first.weight > second.weight:
        yield f"{first.words} counts for more than {second.words}"
    if best.literals > hit.literals:
        yield f"its pattern spells out {best.literals} characters, the other's {hit.literals}"
    if best.entry.requires and not hit.entry.requires:
        yield "what it requires is there too"
    if hit.joined and not best.joined:
        yield "it is found in one line, the other only in lines joined together"


def _number(reading: Reading, hit: Hit) -> int:
    return reading.lines[hit.at or 0].number


def _clipped(value: float) -> float:
    return min(max(value, 0.0), 1.0)
