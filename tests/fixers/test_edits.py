"""Changes by position become edits that apply exactly once, in order, whatever the text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.code import edits
from agent.code.edits import Change


def applied(text: str, found: tuple[object, ...]) -> str:
    for edit in found:
        old, new = edit.old, edit.new  # type: ignore[attr-defined]
        assert old, "an edit needs a text to find"
        assert sum(text.startswith(old, i) for i in range(len(text))) == 1
        text = text.replace(old, new)
    return text


@st.composite
def texts_with_changes(draw: st.DrawFn) -> tuple[str, list[Change]]:
    text = draw(st.text(alphabet="ab \n\r", min_size=1, max_size=60))
    marks = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pairs = zip(marks[::2], marks[1::2], strict=False)
    words = st.text(alphabet="abc\n", max_size=4)
    return text, [Change(start, end, draw(words)) for start, end in pairs]


@given(texts_with_changes())
def test_edits_give_the_same_text_as_the_changes(case: tuple[str, list[Change]]) -> None:
    text, changes = case
    assert applied(text, edits.unique("a.py", text, changes)) == edits.apply(text, changes)


def test_an_edit_takes_in_neighbouring_lines_until_it_is_the_only_match() -> None:
    text = "a\nx\nb\nx\n"
    (edit,) = edits.unique("a.py", text, [Change(6, 7, "y")])
    assert edit.old is not None
    assert text.count(edit.old) == 1
    assert text.replace(edit.old, edit.new or "") == "a\nx\nb\ny\n"


def test_far_changes_are_edits_of_their_own() -> None:
    text = "first\n" + "".join(f"line {n}\n" for n in range(9)) + "last\n"
    found = edits.unique(
        "a.py", text, [Change(0, 5, "1st"), Change(len(text) - 5, len(text) - 1, "z")]
    )
    assert [e.old for e in found] == ["first\n", "last\n"]


def test_a_change_that_changes_nothing_is_no_edit() -> None:
    assert edits.unique("a.py", "same\n", [Change(0, 4, "same")]) == ()


def test_insertions_at_one_place_keep_their_order() -> None:
    assert edits.apply("ab", [Change(1, 1, "1"), Change(1, 1, "2")]) == "a12b"


def test_changes_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        edits.apply("abc", [Change(0, 2, "x"), Change(1, 3, "y")])


def test_a_change_outside_the_text_is_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        edits.unique("a.py", "abc", [Change(2, 9, "x")])
