"""Many patterns matched together find what each finds alone."""

import pytest

from agent import matrix
from agent.errors import MatrixError
from agent.matrix import patterns

TRICKY = (
    r"alpha.{0,20}omega",
    r"alpha.{5,20}omega",
    r"alpha\.{2,20}omega",
    r"alpha[^]]{1,20}omega",
    r"alpha\[o]{2,20}mega",
    r"alpha[.{0,80}]omega",
    r"alpha\\.{0,20}omega",
    r"alpha(?:-.{0,20}){1,2}omega",
    r"^alpha \w{1,12} omega$",
)
TEXTS = (
    "alphaomega",
    "alpha-omega",
    "alpha" + 20 * "x" + "omega",
    "alpha" + 21 * "x" + "omega",
    "alpha.omega",
    "alpha...omega",
    "alpha]omega",
    "alpha[o]]mega",
    "alpha{omega",
    "alpha*omega",
    "alphaxomega",
    "alpha\\and omega",
    "alpha-one-two omega",
    "alpha twelveletter omega",
    "alpha thirteenletters omega",
)


@pytest.mark.parametrize("text", TEXTS)
def test_a_set_finds_what_each_of_its_patterns_finds_alone(text: str) -> None:
    data = text.encode()
    alone = [i for i, pattern in enumerate(TRICKY) if patterns.found(pattern, data)]
    assert patterns.PatternSet(TRICKY).match(data) == alone
    assert patterns.PatternSet(TRICKY[:4]).plus(TRICKY[4:]).match(data) == alone


def test_a_set_reads_each_line_of_a_block_as_a_line() -> None:
    block = b"first\nalpha word omega\nlast"
    assert patterns.PatternSet(TRICKY).match(block) == [0, 1, 3, 8]


@pytest.mark.parametrize(
    "pattern", [r"a.{0,2000}b", r"a.{80,20}b", r"a(?:.{0,80}b){0,40}c", r"a(b"]
)
def test_what_cannot_be_compiled_is_refused_before_a_text_is_read(pattern: str) -> None:
    with pytest.raises(MatrixError) as raised:
        patterns.PatternSet([pattern])
    assert pattern in str(raised.value)


@pytest.mark.slow
def test_the_shipped_patterns_find_alone_what_they_find_together() -> None:
    entries = matrix.load().entries.values()
    known = [pattern for entry in entries for pattern in entry.match]
    together = patterns.PatternSet(known)
    for entry in list(entries)[::40]:
        for line in entry.examples[0].splitlines()[:1]:
            data = line.encode()
            alone = [i for i, pattern in enumerate(known) if patterns.found(pattern, data)]
            assert together.match(data) == alone, line
