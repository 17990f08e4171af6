"""Keeping a matrix sound."""

from pathlib import Path

import pytest
from matrix_entry import ENTRY

from agent import fixers, matrix
from agent.matrix import entries


def problems(tmp_path: Path, text: str) -> str:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    return "\n".join(matrix.Matrix(entries.read([path])).lint(("missing_module",)))


def test_the_shipped_matrix_has_no_problem(shipped: matrix.Matrix) -> None:
    assert shipped.lint(fixers.names()) == ()  # runs the examples, as `test` does


def test_the_shipped_matrix_covers_every_category(shipped: matrix.Matrix) -> None:
    categories = [entry.category for entry in shipped.entries.values()]
    assert len(set(categories)) == 21
    assert len(categories) >= 150


def test_every_fixer_is_named_by_an_entry(shipped: matrix.Matrix) -> None:
    assert {e.fixer for e in shipped.entries.values() if e.fixer} == set(fixers.names())


def test_a_sound_entry_has_no_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, ENTRY) == ""
    assert matrix.Matrix(entries.read([tmp_path / "own.yaml"])).test() == ()


WRONG = (
    ("frobnicator (?P<name>\\w+) is off", "(?P<name>\\w*)", "spells out too little"),
    ("frobnicator (?P<name>\\w+) is off", "(?P<name>error)", "matches nearly everything"),
    ("frobnicator (?P<name>\\w+) is off", "(?P<name>x)\\1", "google-re2"),
    ("frobnicator (?P<name>\\w+) is off", "(?P<name>\u00fcber)", "ASCII"),
    ("Switch {name} on", "Switch {nme} on", "name nme, which no pattern captures"),
    ("seven is off", "seven was off", "its example is not recognised"),
    ("seven is on", "seven is off", "its counter-example reaches it"),
    ("remedy: escalate", "remedy: fix\n  fixer: none_such", "unknown fixer 'none_such'"),
    ("remedy: escalate", "remedy: fix\n  over: [own.frobnicat7xd]", "did you mean"),
    ("https://example", "example", "no https address"),
    ("is off']", "is off', '(?:.{0,100}frobnicator){8}']", "compiles to"),
    ("is off']", "is off', 'ab\\wcd\\wef']", "slows down every line"),
    ("is off']", "is off', 'fr.*ob.*ni.*ca.*tor.*off']", "5 wide gaps"),
    ("remedy: escalate", "remedy: rerun\n  transient: true", "how long to wait"),
    ("remedy: escalate", "remedy: rerun", "is not transient"),
    ("remedy: escalate", "remedy: escalate\n  wait: 60 s", "has a wait, but is not transient"),
    ('["frobnicator seven is on"]', '["zzz"]', "no counter-example shares a word"),
    ("is off']", "is off', 'frobnicator (?P<name>\\w+) is off']", "twice; drop one"),
)
"""What becomes what in a sound entry, and what is said about that."""


@pytest.fixture(scope="session")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what is said about a matrix with all of them, each in words of its own.

    Examples are tried where every pattern is safe: the first four have a matrix to themselves.
    """
    folder = tmp_path_factory.mktemp("wrong")
    own = []
    for number, (old, new, _) in enumerate(WRONG):
        text = ENTRY.replace(old, new)
        assert text != ENTRY
        own.append(text.replace("frobnicat", f"frobnicat{number}x"))
    return problems(folder, "".join(own[:4])) + "\n" + problems(folder, "".join(own[4:]))


@pytest.mark.parametrize("number", range(len(WRONG)), ids=[said for _, _, said in WRONG])
def test_each_kind_of_problem_is_named(wrong: str, number: int) -> None:
    about = [line for line in wrong.splitlines() if f"own.frobnicat{number}xed" in line]
    assert any(WRONG[number][2] in line for line in about), about


def test_two_entries_for_one_cause_are_told(tmp_path: Path) -> None:
    said = problems(tmp_path, ENTRY + ENTRY.replace("own.frobnicated", "own.other"))
    assert "own.yaml:11: own.other: has the same pattern as own.frobnicated" in said
    assert "has the same title as own.frobnicated" in said


def test_a_problem_says_where_it_is_what_it_is_and_what_to_do(tmp_path: Path) -> None:
    said = problems(tmp_path, "\n" + ENTRY.replace("remedy: escalate", "remedy: rerun"))
    assert said == (
        "own.yaml:2: own.frobnicated: is to be rerun, but is not transient;"
        " say `transient: true`, or another remedy"
    )


def test_an_entry_that_another_one_hides_is_named_with_it(tmp_path: Path) -> None:
    hidden = ENTRY.replace("Error: frobnicator seven is off", "frobnicator a is off: not found")
    hidden += (
        ENTRY.replace("own.frobnicated", "own.other")
        .replace("is off']", "is off: not']\n  over: [own.frobnicated]")
        .replace("seven is off", "seven is off: not")
    )
    assert "shadowed by own.other" in problems(tmp_path, hidden)
