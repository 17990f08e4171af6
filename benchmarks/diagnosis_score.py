"""How answers are scored against what is known of the texts.

Rules kept here: a share is told with what it is a share of; a row that does not say its exception
or place does not count for it; an answer without a category is `not determined`.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from calibration import reliability
from diagnosis_sets import Case
from diagnosis_speed import in_python

from agent import matrix

CONFIDENT = 0.8
Score = dict[str, Any]


class Answer(NamedTuple):
    """What was said about one text."""

    category: str | None
    """None = no failure, or not determined."""
    confidence: float = 1.0
    cited: bool = True
    """Every cited line stands in the text."""
    names: frozenset[str] = frozenset()
    """The exception's class, the condition's code."""
    place: tuple[str | None, int | None] | None = None


def own(known: matrix.Matrix, text: str) -> Answer:
    """Return what `diagnose` says."""
    found = known.diagnose_text(text, "text")
    lines = text.split("\n")
    cited = all(
        0 < line.number <= len(lines)
        and _plain(lines[line.number - 1]).startswith(_plain(line.text.split("[REDACTED")[0]))
        for line in (*found.evidence, *found.worth_reading)
    )
    named = found.identity
    names = {named.code, named.exception or ""} if named is not None else set()
    where = found.location
    place = (where.path, where.line) if where is not None else None
    return Answer(found.category, found.confidence, cited, frozenset(names), place)


def _plain(line: str) -> str:
    return line.rstrip("\r")


def first_regex(known: matrix.Matrix) -> Callable[[str], Answer]:
    """Return the baseline: the first pattern of the file that is found anywhere wins."""
    patterns = [(in_python(p), e.category) for e in known.entries.values() for p in e.match]
    last = re.compile(r"^(?:[\w.]+\.)?([A-Z]\w*(?:Error|Exception))\b", re.MULTILINE)
    frame = re.compile(r'File "([^"]+)", line (\d+)')

    def answer(text: str) -> Answer:
        names = frozenset(last.findall(text)[-1:])
        frames = frame.findall(text)
        place = (frames[-1][0], int(frames[-1][1])) if frames else None
        category = next((c for pattern, c in patterns if pattern.search(text)), None)
        return Answer(category, 1.0 if category else 0.0, names=names, place=place)

    return answer


def score(cases: Sequence[Case], answer: Callable[[str], Answer]) -> Score:
    """Return every figure of a set of texts; None where no row tells."""
    answers = [(case, answer(case.text)) for case in cases]
    told = [(c, a) for c, a in answers if c.is_failure and c.category is not None]
    said = [(c, a) for c, a in told if a.category]
    wrong = [a for c, a in said if a.category != c.category]
    fine = [a for c, a in answers if not c.is_failure]
    named = [(c, a) for c, a in answers if c.exception]
    placed = [(c, a) for c, a in answers if c.place]
    return {
        "category_right": _share([a.category == c.category for c, a in told]),
        "not_determined": _share([a.category is None for _, a in told]),
        "confident_wrong": _ratio(sum(a.confidence > CONFIDENT for a in wrong), len(told)),
        "confident": _share([a.confidence > CONFIDENT for _, a in told]),
        "brier": _mean([(a.confidence - (a.category == c.category)) ** 2 for c, a in said]),
        "negatives_right": _share([a.category is None for a in fine]),
        "evidence_valid": _share([a.cited for _, a in answers]),
        "exception_right": _share([c.exception in a.names for c, a in named]),
        "user_line_right": _share([c.place == a.place for c, a in placed]),
        "by_category": _by(told, lambda case: case.category or ""),
        "by_platform": _by(told, lambda case: case.platform),
        "reliability": reliability(
            [(a.category == c.category, a.confidence, 1.0) for c, a in said]
        ),
    }


def _by(told: Iterable[tuple[Case, Answer]], key: Callable[[Case], str]) -> dict[str, str]:
    counts: dict[str, list[int]] = {}
    for case, answer in told:
        pair = counts.setdefault(key(case), [0, 0])
        pair[0] += answer.category == case.category
        pair[1] += 1
    return {name: f"{right}/{all_}" for name, (right, all_) in sorted(counts.items())}


def _share(values: Sequence[bool]) -> float | None:
    return _ratio(sum(values), len(values))


def _mean(values: Sequence[float]) -> float | None:
    return _ratio(sum(values), len(values))


def _ratio(part: float, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
