"""Logs that are too long to be kept: what is found in them, and how much of them is kept."""

from pathlib import Path

from matrix_entry import ENTRY

from agent import matrix
from agent.matrix import entries
from agent.matrix.logs import reading

CALM = "2026-07-01 10:00:00 INFO load: 1204 rows of part 7 are written\n"


def test_what_only_an_anchored_pattern_finds_is_found_amid_a_long_log(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        ENTRY.replace("['frobnicator (?P<name>\\w+) is off']", "['^zorp (?P<name>\\w+) off$']")
    )
    known = matrix.Matrix(entries.read([path]))
    text = CALM * 12_000 + "zorp seven off\n" + CALM * 12_000
    found = known.diagnose_text(text, "log")
    assert (found.entry, found.parameters) == ("own.frobnicated", {"name": "seven"})
    assert found.evidence[0].number == 12_001


def test_records_with_whole_traces_in_them_are_kept_up_to_a_bound() -> None:
    trace = "\\n".join(f"ValueError: step {number} failed" for number in range(100))
    rows = (
        f'{{"level": "error", "job": "{"x" * (n % 90)}", "trace": "{trace}"}}' for n in range(900)
    )
    kept = reading.gather(rows, lambda _: True)
    assert len(kept) < 10_000


def test_long_lines_are_kept_up_to_a_bound() -> None:
    lines = ("ERROR " + "xy" * (n % 90) + " z" * 8000 for n in range(1500))
    kept = reading.gather(lines, lambda _: True)
    assert sum(len(text.clean) for text in kept) < 20_000_000
