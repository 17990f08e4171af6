"""Reading matrix files: strict, layered, and clear about what is wrong."""

from pathlib import Path

import pytest
from matrix_entry import ENTRY

from agent import matrix
from agent.errors import MatrixError


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    return path


def test_a_file_of_ones_own_adds_to_the_shipped_matrix(tmp_path: Path) -> None:
    found = matrix.load(written(tmp_path, ENTRY))
    diagnosis = found.diagnose_text("Error: frobnicator seven is off", "log")
    assert diagnosis.entry == "own.frobnicated"
    assert diagnosis.cause == "Somebody switched seven off."
    assert diagnosis.solution == "Switch seven on."
    assert "python.module-not-found" in found.entries


def test_a_later_file_replaces_an_entry_by_its_id(tmp_path: Path) -> None:
    path = written(tmp_path, ENTRY.replace("own.frobnicated", "python.module-not-found"))
    found = matrix.load(path)
    assert found.entries["python.module-not-found"].title == "The frobnicator is off"
    assert len(found.entries) == len(matrix.load().entries)


def test_an_unknown_key_is_named_with_file_line_entry_and_nearest_key(tmp_path: Path) -> None:
    path = written(tmp_path, "# comment\n" + ENTRY.replace("remedy:", "remdy:"))
    with pytest.raises(MatrixError) as error:
        matrix.load(path)
    said = str(error.value)
    assert said.startswith("own.yaml:2: entry own.frobnicated:")
    assert 'did you mean "remedy"' in said


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("category: config", "category: weather", "category"),
        ("  match: ['frobnicator (?P<name>\\w+) is off']\n", "", "nothing reaches it"),
        ("remedy: escalate", "remedy: escalate\n  transient: true", "remedy: rerun"),
        ("remedy: escalate", "remedy: escalate\n  fixer: missing_module", "remedy: fix"),
        ('  counter_examples: ["frobnicator seven is on"]\n', "", "counter_examples"),
        ("remedy: escalate", "remedy: rerun\n  transient: true\n  wait: soon", "duration"),
        ("id: own.frobnicated", "id: Own Frobnicated", "id"),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    with pytest.raises(MatrixError, match=words):
        matrix.load(written(tmp_path, ENTRY.replace(old, new)))


def test_the_same_id_twice_in_one_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MatrixError, match=r"own\.yaml:11.*is there twice, first in line 1"):
        matrix.load(written(tmp_path, ENTRY + ENTRY))


def test_a_key_twice_in_one_entry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MatrixError, match=r"own\.yaml:8: key 'remedy' is there twice"):
        matrix.load(written(tmp_path, ENTRY.replace("  sources", "  remedy: rerun\n  sources")))


def test_a_file_that_is_no_list_or_no_yaml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MatrixError, match="expected a list of entries"):
        matrix.load(written(tmp_path, "id: own.frobnicated\n"))
    with pytest.raises(MatrixError, match=r"own\.yaml:2: not YAML"):
        matrix.load(written(tmp_path, "- id: [\n"))
    with pytest.raises(MatrixError, match="cannot be read"):
        matrix.load(tmp_path / "missing.yaml")


def test_a_pattern_that_needs_backtracking_is_refused_when_it_is_used(tmp_path: Path) -> None:
    own = matrix.load(written(tmp_path, ENTRY.replace("frobnicator (", "(?<=x)frobnicator (")))
    with pytest.raises(MatrixError, match="google-re2"):
        own.diagnose_text("x", "log")
    assert any("google-re2" in problem for problem in own.lint())
