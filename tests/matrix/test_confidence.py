"""How sure a diagnosis is, what a tie is, and why one entry wins over another."""

from pathlib import Path

import pytest
from matrix_entry import ENTRY

from agent import matrix
from agent.matrix import confidence, entries
from agent.matrix.confidence import Features
from agent.records import Diagnosis

OTHER = (
    ENTRY.replace("own.frobnicated", "own.unplugged")
    .replace("category: config", "category: network")
    .replace("title: The frobnicator is off", "title: The frobnicator is unplugged")
    .replace("(?P<name>\\w+) is off", "\\w+ (?P<name>is) off")
)
TWO = "Error: frobnicator seven is off\n"


def own(tmp_path: Path, text: str) -> matrix.Matrix:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    return matrix.Matrix(entries.read([path]))


def found(known: matrix.Matrix, text: str) -> Diagnosis:
    return known.diagnose_text(text, "log")


def test_a_tie_in_one_line_is_said_with_the_rival_and_why(tmp_path: Path) -> None:
    said = found(own(tmp_path, ENTRY + OTHER), TWO)
    assert said.confidence < 0.6
    assert len(said.nearest) == 1
    assert "own." in said.nearest[0]
    assert "a tie, it fits line 1 as well as" in said.nearest[0]


def test_a_tie_of_two_equally_good_lines_is_said(shipped: matrix.Matrix) -> None:
    text = "ORA-00001: unique constraint (A.B) violated\nORA-01031: insufficient privileges"
    said = found(shipped, text)
    assert said.confidence < 0.6
    assert "both an error line" in said.nearest[0]


def test_the_explanation_says_that_it_is_a_tie(tmp_path: Path) -> None:
    told = "\n".join(own(tmp_path, ENTRY + OTHER).explain(TWO).lines())
    assert "why  own." in told
    assert told.count("a tie, it fits line 1") == 1


def test_the_specific_one_of_two_wins_and_is_no_tie(tmp_path: Path) -> None:
    clear = OTHER.replace("\\w+ (?P<name>is) off", "(?P<name>seven) is off, its plug is out")
    text = "Error: frobnicator seven is off, its plug is out\n"
    known = own(tmp_path, ENTRY + clear)
    explained = known.explain(text)
    assert explained.diagnosis.entry == "own.unplugged"
    assert explained.diagnosis.nearest == ()
    assert explained.diagnosis.confidence > 0.6
    assert any("its pattern spells out" in reason for reason in explained.won)


def test_an_entry_whose_requirement_is_met_wins(tmp_path: Path) -> None:
    both = OTHER.replace("  cause:", "  requires: ['plug \\w+ is out']\n  cause:")
    said = own(tmp_path, ENTRY + both).explain(TWO + "the plug p2 is out\n")
    assert said.diagnosis.entry == "own.unplugged"
    assert any("what it requires is there too" in reason for reason in said.won)


def test_what_gives_way_is_told_with_the_entry_that_it_gives_way_to(tmp_path: Path) -> None:
    over = OTHER.replace("  cause:", "  over: [own.frobnicated]\n  cause:")
    said = own(tmp_path, ENTRY + over).explain(TWO)
    assert said.diagnosis.entry == "own.unplugged"
    assert said.diagnosis.nearest == ()
    assert said.refused == (
        "own.frobnicated: it gives way to own.unplugged, which is there too (`over`)",
    )


@pytest.mark.parametrize("level", ["general", "symptom"])
def test_what_is_no_cause_stays_below_four_fifths(tmp_path: Path, level: str) -> None:
    weak = ENTRY.replace("  match:", f"  level: {level}\n  confidence: 0.99\n  match:")
    assert 0 < found(own(tmp_path, weak), TWO).confidence < 0.8


def test_a_cause_in_the_final_exception_is_surer_than_in_a_plain_line(tmp_path: Path) -> None:
    known = own(tmp_path, ENTRY)
    final = found(known, f"Traceback (most recent call last):\nValueError: {TWO[7:]}")
    plain = found(known, TWO[7:])
    assert final.confidence > 0.8
    assert final.confidence > plain.confidence


def test_no_diagnosis_is_surer_than_its_entry_says_it_can_be(tmp_path: Path) -> None:
    modest = ENTRY.replace("  match:", "  confidence: 0.75\n  match:")
    assert found(own(tmp_path, modest), TWO).confidence <= 0.75


def test_nothing_that_speaks_against_it_makes_it_surer() -> None:
    helps = {"base", "required"}
    for name, weight in confidence.WEIGHTS.items():
        assert weight >= 0 if name in helps else weight <= 0
    assert set(confidence.WEIGHTS) == set(Features._fields)
    assert confidence.chance(Features(rival=1.0)) < confidence.chance(Features(rival=0.5))
    assert confidence.chance(Features()) <= 0.98


def test_what_is_hardly_likely_is_not_said_but_told_as_near(shipped: matrix.Matrix) -> None:
    text = (
        "2026-07-01 08:00:01.5: W tensor/py_utils.cc:38] TF-TRT Warning: Could not find TensorRT\n"
        "no module 'speedups'. Going on without...\n"
    )
    said = found(shipped, text)
    assert (said.verdict, said.entry, said.confidence) == ("not_determined", None, 0.0)
    assert said.nearest[0].startswith("missing.general: found")
