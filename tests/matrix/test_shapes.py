"""What a pattern asks of a text."""

import pytest

from agent.matrix import patterns, shapes
from agent.matrix.shapes import Shape


@pytest.mark.parametrize(
    ("pattern", "shape"),
    [
        ("(?P<name>\\w+) is off", Shape(7, 7, 0)),
        ("(?i)abc.{0,80}def", Shape(6, 3, 1)),
        ("abc.{0,9}def", Shape(6, 3, 0)),
        ("ORA-(?:0101|02)\\b", Shape(6, 4, 0)),
        ("\\[?(?:A_\\w+|BCD)", Shape(2, 2, 0)),
        ("(?:.{0,30}x){5}", Shape(1, 1, 5)),
        ("a.*b|c", Shape(1, 1, 1)),
        ("ab(?:cd)?e", Shape(3, 2, 0)),
        ("^x\\.y$", Shape(3, 3, 0)),
        ("[abc]{3}", Shape(0, 0, 0)),
        ("(", Shape(0, 0, 0)),
    ],
)
def test_the_poorest_alternative_and_the_worst_path_count(pattern: str, shape: Shape) -> None:
    assert shapes.shape(pattern) == shape


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(?:.{0,100}x){8}", "compiles to"),
        ("a.*b.*c.*d.*e.*f", "5 wide gaps"),
    ],
)
def test_a_pattern_that_is_too_large_is_told(pattern: str, said: str) -> None:
    assert patterns.refusal(pattern) is None
    assert said in (patterns.excess(pattern) or "")


@pytest.mark.parametrize("pattern", ["(.{0,1000}){50}", "(a)\\1", "x(?=y)"])
def test_what_is_not_linear_is_refused(pattern: str) -> None:
    assert "google-re2" in (patterns.refusal(pattern) or "")
