"""How sure is sure: fits the weights of `agent.matrix.confidence`, and tells how far to trust them.

    python benchmarks/diagnosis.py --calibrate [TEXTS.jsonl]

Each text counts twice: as the whole matrix sees it, and as a matrix sees it that lacks a fifth of
the entries, the text's own among them (`UNKNOWN` says how much that weighs). The second is what an
unseen text meets whose cause nobody wrote down yet; without it the figures flatter, since entries
were written after reading the texts. The fit is logistic with the signs held fixed; it is scored by
`FOLDS`-fold cross-validation, texts of one thread kept together.
"""

import itertools
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from scorecard import table

from agent import matrix
from agent.matrix import confidence, entries
from agent.matrix.confidence import Features

FOLDS = 5
UNKNOWN = 0.25
"""Share of unseen texts whose cause has no entry: a guess, on the humble side."""
_HELPS = ("base", "required")
"""Features that may only raise the chance; all others may only lower it."""
PRIOR: Mapping[str, float] = {
    "base": 3.5,
    "doubt": -2.0,
    "symptom": -1.0,
    "general": -2.0,
    "error": -0.3,
    "plain": -0.6,
    "quiet": -2.0,
    "joined": -0.3,
    "vague": -0.5,
    "rival": -1.5,
    "unexplained": -0.8,
    "required": 0.3,
}
"""Weights by judgement, for features that too few texts have."""
_PULL = 0.002
"""How strongly weights are drawn to those by judgement."""
_BINS = (0.0, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 1.01)


class Row(NamedTuple):
    """One diagnosis whose truth is known."""

    traits: Features
    said: float
    """The confidence that it was given."""
    right: bool
    weight: float
    group: str
    """Rows of one group are never on both sides of a fold."""


class Labelled(NamedTuple):
    """One text and what is wrong in it."""

    id: str
    text: str
    category: str


def rows(texts: Sequence[Labelled]) -> list[Row]:
    """Return the diagnoses of these texts, by the whole matrix and by ones that lack a part."""
    placed = entries.read([matrix.shipped()])
    whole = matrix.Matrix(placed)
    found = [(text, whole.explain(text.text)) for text in texts]
    own = [
        (key, Labelled(key, text, at.entry.category))
        for key, at in placed.items()
        for text in at.entry.examples
    ]
    known = [(e, text) for text, said in found if (e := said.diagnosis.entry) is not None]
    share = UNKNOWN * len(texts) / (len(known) + len(own))
    made = [_row(text, said, 1 - UNKNOWN) for text, said in found]
    for fold in range(FOLDS):
        cut = matrix.Matrix({key: at for key, at in placed.items() if _fold(key) != fold})
        mine = [text for key, text in (*known, *own) if _fold(key) == fold]
        made += [_row(text, cut.explain(text.text), share) for text in mine]
    return [row for row in made if row is not None]


def _row(text: Labelled, known: matrix.Explanation, weight: float) -> Row | None:
    if known.traits is None:
        return None
    right = known.diagnosis.category == text.category
    group = re.split(r"(?<=\d)-[a-z\d]", text.id)[0]
    return Row(known.traits, known.diagnosis.confidence, right, weight, group)


def _fold(name: str) -> int:
    return zlib.crc32(name.encode()) % FOLDS


def fit(found: Sequence[Row], rounds: int = 1000) -> dict[str, float]:
    """Return the weights that explain these rows best, rounded to a tenth."""
    names = Features._fields
    weights = [PRIOR[name] for name in names]
    steps = [0.0] * len(names)
    total = sum(row.weight for row in found)
    given = [
        ([(at, value) for at, value in enumerate(row.traits) if value], row.right, row.weight)
        for row in found
    ]
    for _ in range(rounds):
        slopes = [
            _PULL * (weight - PRIOR[name]) for name, weight in zip(names, weights, strict=True)
        ]
        for values, right, share in given:
            raw = sum(weights[at] * value for at, value in values)
            off = (1 / (1 + math.exp(-raw)) - right) * share / total
            for at, value in values:
                slopes[at] += off * value
        for at, name in enumerate(names):
            steps[at] = 0.9 * steps[at] - 0.5 * slopes[at]
            weights[at] += steps[at]
            if (weights[at] < 0) is (name in _HELPS):
                weights[at] = steps[at] = 0.0
    return {name: round(weight, 1) + 0.0 for name, weight in zip(names, weights, strict=True)}


def crossed(found: Sequence[Row]) -> list[tuple[Row, float]]:
    """Return each row with the chance by weights that were fitted without its group."""
    scored: list[tuple[Row, float]] = []
    for fold in range(FOLDS):
        weights = fit([row for row in found if _fold(row.group) != fold])
        mine = [row for row in found if _fold(row.group) == fold]
        scored += [(row, confidence.chance(row.traits, weights)) for row in mine]
    return scored


def brier(scored: Sequence[tuple[Row, float]]) -> float:
    """Return the mean square of chance less truth, by weight; 0 is perfect, 0.25 a coin."""
    total = sum(row.weight for row, _ in scored) or 1.0
    return sum(row.weight * (chance - row.right) ** 2 for row, chance in scored) / total


def reliability(scored: Sequence[tuple[bool, float, float]]) -> list[list[object]]:
    """Return a row a bin of confidence: how many, how sure, how many of them right."""
    made: list[list[object]] = [["confidence", "texts", "mean confidence", "right"]]
    for low, high in itertools.pairwise(_BINS):
        inside = [(right, said, w) for right, said, w in scored if low <= said < high]
        weight = sum(w for *_, w in inside)
        if weight:
            mean = sum(said * w for _, said, w in inside) / weight
            share = sum(w for right, _, w in inside if right) / weight
            made.append([f"{low:.2f} to {min(high, 1):.2f}", weight, mean, share])
    return made


def calibrate(texts: Sequence[Labelled]) -> int:
    """Print the scores of today's numbers and of new ones, and the new ones."""
    found = rows(texts)
    today = [(row, confidence.chance(row.traits, confidence.WEIGHTS)) for row in found]
    base = sum(row.weight for row in found if row.right) / sum(row.weight for row in found)
    for name, scored in (
        ("one number for all", [(row, base) for row in found]),
        ("the numbers in use", today),
        (f"fitted anew, {FOLDS}-fold cross-validated", crossed(found)),
    ):
        print(f"{name}: Brier {brier(scored):.4f}")
        table(reliability([(row.right, chance, row.weight) for row, chance in scored]))
        sure = [row.weight for row, chance in scored if chance > 0.8]
        off = [row.weight for row, chance in scored if chance > 0.8 and not row.right]
        total = sum(row.weight for row in found)
        print(f"above 0.8: {sum(sure) / total:.3f}, and wrong: {sum(off) / total:.3f}\n")
    print(f"{len(found)} rows; for WEIGHTS in agent/matrix/confidence.py:")
    for name, weight in fit(found).items():
        print(f'    "{name}": {weight},')
    return 0
