"""Scorecard of `diagnose`: python benchmarks/diagnosis.py [TEXTS.jsonl] [--json FILE] [--speed]

Each line of the texts is an object with `id`, `text`, `category`, `is_failure`, and where known
`platform`, `exception` (short class or condition) and `location` (`path`, `line`). Without texts
the shared ones are scored where they are there, else the matrix's own examples; then our own AIDP
texts, our own tracebacks, and a message for each condition of Spark and Delta, built from the
templates of an installed pyspark where there is one. Beside each figure stands a plain baseline:
the first pattern of the file that is found anywhere wins. Texts that somebody read while writing
entries flatter both; what counts is a set that nobody has read.

`--calibrate` fits the weights of the confidence anew, see `calibration.py`.
"""

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import calibration
import conditions
import diagnosis_sets as sets
import diagnosis_speed as speed
from diagnosis_score import Score, first_regex, own, score
from scorecard import Figure, arguments, finish, table

from agent import matrix
from agent.matrix.native import conditions as known_conditions

_LEAST = {
    "category_right": 0.92,
    "negatives_right": 1.0,
    "evidence_valid": 1.0,
}
_TRACES = {"exception_right": 0.98, "user_line_right": 0.85}
_MOST_CONFIDENT_WRONG = 0.02
_CONDITIONS = {"conditions": 0.99, "parameters": 0.95}
_JSONL_STARTS = 3.0
"""Seconds that `diagnose --jsonl` of 228 texts may take."""


def main() -> int:
    """Print the tables; write the JSON where asked; 1 where a bound is missed."""
    parser = arguments("How good diagnose is, against a baseline.")
    parser.add_argument("texts", nargs="?", type=Path)
    parser.add_argument("--calibrate", action="store_true", help="Fit the confidence anew.")
    parser.add_argument("--speed", action="store_true", help="Time and memory, too.")
    parser.add_argument("--megabytes", type=float, default=20.0, help="Size of each log.")
    parser.add_argument("--only", action="store_true", help="Only the texts, no set of ours.")
    given = parser.parse_args()
    known = matrix.load()
    path = given.texts or (sets.SHARED if sets.SHARED.exists() else None)
    cases = sets.labelled(path) if path else sets.examples(known)
    if given.calibrate:
        failures = [c for c in cases if c.is_failure and c.category]
        rows = [calibration.Labelled(c.id, c.text, c.category or "") for c in failures]
        return calibration.calibrate(rows)
    named = {"texts": cases}
    if not given.only:
        named |= {"aidp": sets.labelled(sets.AIDP), "tracebacks": sets.tracebacks()}
    plain = first_regex(known)
    scores = {
        name: {
            "texts": len(rows),
            "runmend": score(rows, lambda text: own(known, text)),
            "baseline": score(rows, plain),
        }
        for name, rows in named.items()
    }
    for name, found in scores.items():
        _tell(name, found)
    figures = list(_figures(scores))
    more: dict[str, Any] = {"entries": len(known.entries), "sets": scores}
    if not given.only:
        figures += _conditions(known)
    if given.speed:
        timed, rows = speed.figures(known, given.megabytes)
        table(rows)
        print()
        figures += [*timed, _quick(cases)]
        more["speed"] = rows
    return finish(figures, given.json, **more)


def _figures(scores: dict[str, Score]) -> Iterator[Figure]:
    """Yield what the bounds are on: shares that went wrong, so that less is better."""
    for name, found in scores.items():
        mine, other = found["runmend"], found["baseline"]
        least = _TRACES if name == "tracebacks" else _LEAST
        for key, bound in least.items():
            if mine[key] is not None:
                missed = round(1 - bound, 4)
                yield Figure(
                    f"{name}: not {key}", round(1 - mine[key], 4), _not(other[key]), missed
                )
        if mine["confident_wrong"] is not None:
            base = str(other["confident_wrong"])
            bound = _MOST_CONFIDENT_WRONG
            yield Figure(f"{name}: confident_wrong", mine["confident_wrong"], base, bound)


def _not(share: float | None) -> str:
    return "" if share is None else f"{1 - share:.4f}"


def _conditions(known: matrix.Matrix) -> list[Figure]:
    """Return how many of Spark's conditions, and of their parameters, are not read."""
    found = conditions.installed()
    tables = known_conditions.read([found]) if found is not None else {}
    all_ = known_conditions.grouped(tables) if tables else known_conditions.table()
    shares, _ = conditions.score(known, list(conditions.messages(all_)))
    where = "installed pyspark" if tables else "shipped table"
    return [
        Figure(f"{key} not read", round(1 - shares[key], 4), where, round(1 - bound, 4))
        for key, bound in _CONDITIONS.items()
    ]


def _quick(cases: Sequence[sets.Case]) -> Figure:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts.jsonl"
        rows = [json.dumps({"id": case.id, "text": case.text}) for case in cases]
        file.write_text("\n".join(rows) + "\n", encoding="utf-8")
        taken = speed.quick_texts(file)
    return Figure(f"diagnose --jsonl of {len(cases)} texts, s", taken, "", _JSONL_STARTS)


def _tell(name: str, found: Score) -> None:
    mine, other = found["runmend"], found["baseline"]
    rows: list[list[object]] = [[f"{name}: {found['texts']} texts", "runmend", "first regex"]]
    for key, value in mine.items():
        if isinstance(value, float):
            rows.append([key, f"{value:.4f}", f"{other[key]:.4f}"])
    for key in ("by_category", "by_platform"):
        rows += [[f"  {part}", value, other[key][part]] for part, value in mine[key].items()]
    table(rows)
    print()
    if len(mine["reliability"]) > 1:
        table(mine["reliability"])
        print()


if __name__ == "__main__":
    sys.exit(main())
