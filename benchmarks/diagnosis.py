"""Scorecard of `diagnose`: python benchmarks/diagnosis.py [TEXTS.jsonl] [--json FILE]

Each line of the texts is an object with `id`, `text`, `category`, `is_failure`, and where known
`platform`. Without texts the matrix's own examples are used, which only shows that it is sound.
Compared with a plain baseline: the first entry of the file, any pattern of which is found anywhere
in the text, wins. Texts that somebody read while writing entries flatter both; what counts is a set
that nobody has read.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from agent import matrix

_TEXTS = Path(__file__).resolve().parents[2] / "shared" / "corpus" / "failures.jsonl"
_CONFIDENT = 0.8


class Answer(NamedTuple):
    """What was said about one text."""

    category: str | None
    """None = no failure, or not determined."""
    confidence: float
    cited: bool
    """Every cited line stands in the text."""


class Case(NamedTuple):
    """One text and what is known of it."""

    text: str
    category: str
    is_failure: bool


Score = dict[str, Any]


def main() -> int:
    """Print the table; write the JSON where asked."""
    parser = argparse.ArgumentParser(description="How good diagnose is, against a baseline.")
    parser.add_argument("texts", nargs="?", type=Path)
    parser.add_argument("--json", type=Path, help="Write the numbers here.")
    given = parser.parse_args()
    started = time.perf_counter()
    known = matrix.load()
    path = given.texts or (_TEXTS if _TEXTS.exists() else None)
    cases = list(_read(path) if path else _examples(known))
    own = _score(cases, lambda text: _own(known, text))
    own["seconds"] = round(time.perf_counter() - started, 2)
    plain = _score(cases, _first_regex(known))
    result = {"texts": len(cases), "entries": len(known.entries), "runmend": own, "baseline": plain}
    _print(result)
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


def _read(path: Path) -> Iterable[Case]:
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield Case(row["text"], row["category"], row.get("is_failure", True))


def _examples(known: matrix.Matrix) -> Iterable[Case]:
    for entry in known.entries.values():
        for text in entry.examples if entry.match else ():
            yield Case(text, entry.category, is_failure=True)


def _own(known: matrix.Matrix, text: str) -> Answer:
    found = known.diagnose_text(text, "text")
    lines = text.split("\n")
    cited = all(
        lines[line.number - 1].startswith(line.text.split("[REDACTED")[0])
        for line in found.evidence
    )
    return Answer(found.category, found.confidence, cited)


def _first_regex(known: matrix.Matrix) -> Callable[[str], Answer]:
    patterns = [(re.compile(p), e.category) for e in known.entries.values() for p in e.match]

    def answer(text: str) -> Answer:
        for pattern, category in patterns:
            if pattern.search(text):
                return Answer(category, 1.0, cited=True)
        return Answer(None, 0.0, cited=True)

    return answer


def _score(cases: list[Case], answer: Callable[[str], Answer]) -> Score:
    answers = [(case, answer(case.text)) for case in cases]
    failures = [(case, a) for case, a in answers if case.is_failure]
    fine = [a for case, a in answers if not case.is_failure]
    said = [(case, a) for case, a in failures if a.category]
    wrong = [a for case, a in failures if a.category != case.category]
    by_category: dict[str, list[int]] = {}
    for case, a in failures:
        counts = by_category.setdefault(case.category, [0, 0])
        counts[0] += a.category == case.category
        counts[1] += 1
    brier = sum((a.confidence - (a.category == c.category)) ** 2 for c, a in said)
    total = len(failures) or 1
    return {
        "category_right": round(1 - len(wrong) / total, 4),
        "not_determined": round(1 - len(said) / total, 4),
        "confident_wrong": round(sum(a.confidence > _CONFIDENT for a in wrong) / total, 4),
        "negatives_right": round(sum(a.category is None for a in fine) / (len(fine) or 1), 4),
        "evidence_valid": round(sum(a.cited for _, a in answers) / (len(answers) or 1), 4),
        "brier": round(brier / (len(said) or 1), 4),
        "by_category": {key: f"{k}/{n}" for key, (k, n) in sorted(by_category.items())},
    }


def _print(result: Score) -> None:
    print(f"{result['texts']} texts, {result['entries']} entries\n")
    print(f"{'':20}{'runmend':>10}{'first regex':>14}")
    for key, value in result["runmend"].items():
        if isinstance(value, float):
            other = result["baseline"].get(key)
            print(f"{key:20}{value:>10}{'' if other is None else other:>14}")
    print()
    for key, value in result["runmend"]["by_category"].items():
        print(f"{key:20}{value:>10}{result['baseline']['by_category'][key]:>14}")


if __name__ == "__main__":
    sys.exit(main())
