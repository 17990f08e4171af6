"""Edits fit exactly or are refused; the diff is one that git applies."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import workspace
from agent.errors import Refused
from agent.records import Edit
from agent.workspace import Read, patching

FILES = {"a.py": "x = 1\ny = 2\nz = 2\n", "empty.py": "", "dos.py": "a\r\nb\r\nc\r\n"}


def reading(files: dict[str, str]) -> Read:
    return files.get


def apply(*edits: Edit, files: dict[str, str] = FILES) -> dict[str, str | None]:
    return workspace.apply(edits, reading(files))


def test_an_edit_replaces_its_only_match() -> None:
    assert apply(Edit(path="a.py", old="x = 1", new="x = 3")) == {"a.py": "x = 3\ny = 2\nz = 2\n"}


def test_several_edits_of_one_file_apply_one_after_another() -> None:
    found = apply(
        Edit(path="a.py", old="x = 1", new="w = 1"),
        Edit(path="a.py", old="w = 1\n", new="w = 1\nv = 0\n"),
        Edit(path="n.py", old=None, new="one\n"),
        Edit(path="n.py", old="one", new="two"),
    )
    assert found == {"a.py": "w = 1\nv = 0\ny = 2\nz = 2\n", "n.py": "two\n"}


def test_a_file_can_be_deleted_and_an_empty_one_filled() -> None:
    assert apply(Edit(path="a.py", old=FILES["a.py"], new=None)) == {"a.py": None}
    assert apply(Edit(path="empty.py", old="", new="x\n")) == {"empty.py": "x\n"}


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (Edit(path="a.py", old="q", new="r"), "is not in the file: 'q'"),
        (Edit(path="a.py", old="= 2", new="= 3"), "occurs more than once"),
        (Edit(path="a.py", old="", new="r"), "fits everywhere"),
        (Edit(path="a.py", old=None, new="r"), "exists already"),
        (Edit(path="b.py", old="q", new="r"), "does not exist"),
        (Edit(path="b.py", old=None, new=None), "says nothing"),
        (Edit(path="a.py", old="x = 1", new=None), "must be its whole content"),
        (Edit(path="a.py", old="x = 1", new="x = 1"), "leaves the file as it is"),
        (Edit(path="a.py", old=FILES["a.py"], new=" \n"), "empties the file"),
        (Edit(path="a.py", old="x", new="\0"), "NUL"),
        (Edit(path="a.py", old="x = 1", new="x", base="0" * 64), "was changed meanwhile"),
        (Edit(path="b.py", old=None, new="x", base="0" * 64), "was changed meanwhile"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused(edit: Edit, words: str) -> None:
    with pytest.raises(Refused, match=words) as caught:
        apply(edit)
    assert edit.path in str(caught.value)


def test_overlapping_matches_count_as_more_than_one() -> None:
    with pytest.raises(Refused, match="more than once"):
        apply(Edit(path="o.py", old="aa", new="b"), files={"o.py": "aaa"})


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../a.py",
        "lib/../a.py",
        "./a.py",
        "lib//a.py",
        "lib/",
        "C:/a.py",
        "c:a.py",
        "lib\\a.py",
        "a.py\0",
        "a\n.py",
        ".git/hooks/pre-commit",
        ".GIT/config",
        "sub/.Git/config",
        ".g\u200cit/config",
        "GIT~1/config",
        ".git./config",
        ".git /config",
        "a.py.",
        "cafe\u0301.py",
        "\u202epy.a",
        ".env",
        "conf/.env.prod",
        ".runmend/READ_ONLY",
        "deploy.pem",
        ".ssh/authorized_keys",
    ],
)
def test_a_path_that_is_not_plainly_in_the_tree_is_refused(path: str) -> None:
    with pytest.raises(Refused):
        apply(Edit(path=path, old=None, new="x"), files={})


@pytest.mark.parametrize("path", [".github/x.yml", "naïve/ü.py", "a b/c-d_e.sql", ".gitignore"])
def test_an_odd_but_plain_path_is_allowed(path: str) -> None:
    assert apply(Edit(path=path, old=None, new="x"), files={}) == {path: "x"}


def test_two_new_files_that_differ_by_case_are_refused() -> None:
    with pytest.raises(Refused, match="only by case"):
        apply(Edit(path="N.py", old=None, new="x"), Edit(path="n.py", old=None, new="y"))


def test_line_ends_stay_whatever_the_edit_was_written_with() -> None:
    for end in ("\n", "\r\n"):
        found = apply(Edit(path="dos.py", old=f"a{end}b", new=f"a{end}new{end}b"))
        assert found == {"dos.py": "a\r\nnew\r\nb\r\nc\r\n"}
    found = apply(Edit(path="a.py", old="x = 1\r\ny", new="x = 1\r\nq = 1\r\ny"))
    assert found["a.py"] == "x = 1\nq = 1\ny = 2\nz = 2\n"


def test_a_file_that_mixes_line_ends_is_matched_exactly() -> None:
    mixed = {"m.py": "a\r\nb\nc\n"}
    found = apply(Edit(path="m.py", old="b\nc", new="b\nd"), files=mixed)
    assert found == {"m.py": "a\r\nb\nd\n"}
    with pytest.raises(Refused, match="not in the file"):
        apply(Edit(path="m.py", old="a\nb", new="q"), files=mixed)


def test_a_byte_order_mark_stays() -> None:
    files = {"b.py": "\ufeffx = 1\n"}
    for edit in (
        Edit(path="b.py", old="x = 1", new="x = 2"),
        Edit(path="b.py", old="\ufeffx = 1", new="x = 2"),
    ):
        assert apply(edit, files=files) == {"b.py": "\ufeffx = 2\n"}
    assert apply(Edit(path="b.py", old="x = 1\n", new=None), files=files) == {"b.py": None}


def test_edits_bound_to_their_files_apply_again_and_in_a_row() -> None:
    first = workspace.with_base(
        [
            Edit(path="a.py", old="x = 1", new="x = 10"),
            Edit(path="a.py", old="z = 2", new="z = 20"),
            Edit(path="n.py", old=None, new="one\n"),
        ],
        reading(FILES),
    )
    assert [edit.base is None for edit in first] == [False, False, True]
    after = {k: v for k, v in {**FILES, **apply(*first)}.items() if v is not None}
    second = workspace.with_base(
        [Edit(path="a.py", old="x = 10", new="x = 11"), Edit(path="n.py", old="one", new="two")],
        reading(after),
    )
    assert apply(*first, *second)["a.py"] == "x = 11\ny = 2\nz = 20\n"
    with pytest.raises(Refused, match="changed meanwhile"):
        apply(*first, *second, files={**FILES, "a.py": FILES["a.py"] + "# mine\n"})


def test_the_size_counts_files_and_changed_lines() -> None:
    edits = [
        Edit(path="a.py", old="x = 1", new="x = 2\nw = 1"),
        Edit(path="dos.py", old=FILES["dos.py"], new=None),
        Edit(path="-- n.py", old=None, new="-- a\n++ b\n"),
    ]
    assert workspace.size(edits, reading(FILES)) == (3, 3 + 3 + 2)


def applied(folder: Path, before: dict[str, str], diff: str, *command: str) -> dict[str, str]:
    folder.mkdir()
    for path, text in before.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text.encode())
    done = subprocess.run(command, cwd=folder, input=diff.encode(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return {
        p.relative_to(folder).as_posix(): p.read_bytes().decode()
        for p in folder.rglob("*")
        if p.is_file()
    }


BEFORE = {
    "a.py": "".join(f"line {i}\n" for i in range(30)),
    "dir/with space.py": "x = 1",
    "dos.py": "a\r\nb\r\n",
    "gone.py": "q\n",
    "empty gone.py": "",
    "bom.py": "\ufeffx\n",
    "form\u00fc.sql": "a\x0cb\u2028c\nd\n",
}
EDITS = (
    Edit(path="a.py", old="line 3\n", new="line three\n"),
    Edit(path="a.py", old="line 25\n", new=""),
    Edit(path="dir/with space.py", old="x = 1", new="x = 2"),
    Edit(path="dos.py", old="b\n", new="b\nc\n"),
    Edit(path="gone.py", old="q\n", new=None),
    Edit(path="empty gone.py", old="", new=None),
    Edit(path="bom.py", old="x", new="y"),
    Edit(path="form\u00fc.sql", old="d\n", new="e"),
    Edit(path="pkg/new.py", old=None, new="n\n"),
    Edit(path="pkg/__init__.py", old=None, new=""),
    Edit(path='odd "name".py', old=None, new="no end"),
)


def test_git_applies_the_diff(tmp_path: Path) -> None:
    diff = workspace.diff(EDITS, reading(BEFORE))
    after = workspace.apply(EDITS, reading(BEFORE))
    expected = {k: v for k, v in {**BEFORE, **after}.items() if v is not None}
    assert applied(tmp_path / "g", BEFORE, diff, "git", "apply", "-") == expected


def test_patch_applies_the_diff(tmp_path: Path) -> None:
    edits = [e for e in EDITS if e.path not in ("pkg/__init__.py", "empty gone.py")]
    diff = workspace.diff(edits, reading(BEFORE))
    after = workspace.apply(edits, reading(BEFORE))
    expected = {k: v for k, v in {**BEFORE, **after}.items() if v is not None}
    assert applied(tmp_path / "p", BEFORE, diff, "patch", "-p1", "--binary", "-s") == expected


LINES = st.lists(st.sampled_from(["a\n", "b\n", "\n", "-- x\n", "+++ y\n", "c\r\n", "\x0c\n"]))
TEXTS = st.builds(lambda lines, end: "".join(lines) + end, LINES, st.sampled_from(["", "z"]))


@settings(max_examples=25, deadline=None)
@given(before=TEXTS, after=TEXTS)
def test_any_change_of_a_file_is_a_diff_that_git_applies(
    tmp_path_factory: pytest.TempPathFactory, before: str, after: str
) -> None:
    if before == after:
        return
    folder = tmp_path_factory.mktemp("any") / "f"
    diff = patching.file_diff("f.txt", before, after)
    assert applied(folder, {"f.txt": before}, diff, "git", "apply", "-")["f.txt"] == after
