"""The private copy: whole or not at all, patched, and nobody else's."""

import os
import shutil
from pathlib import Path

import pytest

from agent import workspace
from agent.errors import Refused
from agent.records import Edit, Tree

EDIT = Edit(path="transform.py", old="b = 2", new="b = 20")


def contents(root: Path) -> dict[str, str]:
    return {p.relative_to(root).as_posix(): p.read_text() for p in root.rglob("*") if p.is_file()}


def test_a_copy_holds_the_code_with_the_edits(source: Path, tmp_path: Path) -> None:
    before = contents(source)
    new = Edit(path="pkg/new.py", old=None, new="x = 1\n")
    gone = Edit(path="lib/tool.py", old=before["lib/tool.py"], new=None)
    tree = workspace.build(source, tmp_path / "trees" / "k1", [EDIT, new, gone])
    assert contents(Path(tree.root)) == {
        "job.yaml": "name: job\n",
        "pkg/new.py": "x = 1\n",
        "transform.py": "a = 1\nb = 20\nc = 3\n",
    }
    assert tree.files == ("job.yaml", "pkg/new.py", "transform.py")
    assert contents(source) == before


def test_a_copy_is_private_and_keeps_the_executable_bit(source: Path, tmp_path: Path) -> None:
    (source / "lib" / "tool.py").chmod(0o775)
    root = Path(workspace.build(source, tmp_path / "t").root)
    assert root.stat().st_mode & 0o777 == 0o700
    assert (root / "lib").stat().st_mode & 0o777 == 0o700
    assert (root / "lib/tool.py").stat().st_mode & 0o777 == 0o700
    assert (root / "job.yaml").stat().st_mode & 0o777 == 0o600


def test_the_digest_depends_on_names_and_contents_only(source: Path, tmp_path: Path) -> None:
    def digest() -> str:
        return workspace.build(source, tmp_path / "t").digest

    first = digest()
    os.utime(source / "job.yaml", (0, 0))
    assert digest() == first
    (source / "job.yaml").rename(source / "job2.yaml")
    second = digest()
    (source / "job2.yaml").write_text("other")
    assert len({first, second, digest()}) == 3
    assert workspace.build(source, tmp_path / "u", [EDIT]).digest not in (first, second)


def test_what_a_task_wrote_does_not_reach_a_later_copy(source: Path, tmp_path: Path) -> None:
    first = workspace.build(source, tmp_path / "t")
    (tmp_path / "t" / "transform.py").write_text("spoilt")
    (tmp_path / "t" / "extra.py").write_text("x")
    assert workspace.build(source, tmp_path / "t") == first
    assert contents(tmp_path / "t") == contents(source)


def test_a_crash_at_any_point_leaves_nothing_behind(source: Path, tmp_path: Path) -> None:
    into = tmp_path / "trees" / "k1"
    into.parent.mkdir()
    (into.parent / ".k1.abc").mkdir()
    (into.parent / ".k1.abc" / "half.py").write_text("x")
    (into.parent / ".k1.abc.old").mkdir()
    tree = workspace.build(source, into)
    assert contents(into) == contents(source)
    assert {p.name for p in into.parent.iterdir()} == {"k1", "k1.built.json"}
    shutil.rmtree(into)
    assert workspace.build(source, into) == tree


def test_links_become_files(source: Path, tmp_path: Path) -> None:
    (source / "alias.py").symlink_to("transform.py")
    tree = workspace.build(source, tmp_path / "t")
    copied = Path(tree.root, "alias.py")
    assert not copied.is_symlink()
    assert copied.read_text() == "a = 1\nb = 2\nc = 3\n"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (Edit(path="alias.py", old="a = 1", new="a = 2"), "is a link"),
        (Edit(path="up/transform.py", old="a = 1", new="a = 2"), "is a link"),
        (Edit(path="data/d.csv", old="x", new="y"), "is data"),
        (Edit(path="data/new.csv", old=None, new="y"), "is data"),
        (Edit(path="ignored.log", old=None, new="y"), "not part of its code"),
        (Edit(path="lib", old=None, new="y"), "not part of its code"),
        (Edit(path="Lib/new.py", old=None, new="y"), "differs from lib only by case"),
        (Edit(path="TRANSFORM.py", old=None, new="y"), "differs from transform.py only by case"),
        (Edit(path="transform.py/x.py", old=None, new="y"), "is a file, not a folder"),
        (Edit(path="picture.bin", old="x", new="y"), "is not UTF-8"),
    ],
)
def test_an_edit_of_what_is_no_code_of_the_source_is_refused(
    source: Path, tmp_path: Path, edit: Edit, words: str
) -> None:
    (source / "alias.py").symlink_to("transform.py")
    (source / "up").symlink_to(".")
    (source / "data").mkdir()
    (source / "data" / "d.csv").write_text("x")
    (source / ".gitignore").write_text("*.log\n")
    (source / "ignored.log").write_text("x")
    (source / "picture.bin").write_bytes(b"x\xff\xfe")
    with pytest.raises(Refused, match=words):
        workspace.build(source, tmp_path / "t", [edit], leave_out=["data"])
    assert [p.name for p in tmp_path.iterdir()] == ["source"]


def test_a_file_changed_since_the_patch_was_made_is_refused(source: Path, tmp_path: Path) -> None:
    (edit,) = workspace.with_base([EDIT], workspace.reader(source))
    (source / "transform.py").write_text("a = 1\nb = 2\nmine = 3\n")
    with pytest.raises(Refused, match=r"transform\.py is not what the patch was made for"):
        workspace.build(source, tmp_path / "t", [edit])


def test_the_originals_of_patched_files_are_kept(source: Path, tmp_path: Path) -> None:
    tree = workspace.build(source, tmp_path / "t", [EDIT])
    (source / "transform.py").write_text("changed since\n")
    read = workspace.originals(tree)
    assert read("transform.py") == "a = 1\nb = 2\nc = 3\n"
    assert read("job.yaml") is None


def test_what_tasks_wrote_is_carried_over_and_patches_win(source: Path, tmp_path: Path) -> None:
    (source / "lib" / "rows.csv").write_text("none\n")
    old = workspace.build(source, tmp_path / "old")
    root = Path(old.root)
    (root / "out").mkdir()
    (root / "out" / "rows.csv").write_text("1,2\n")
    (root / "lib" / "rows.csv").write_text("3,4\n")
    (root / "transform.py").write_text("spoilt by a task\n")
    (root / "linked").symlink_to(tmp_path)
    new = workspace.build(source, tmp_path / "new", [EDIT])
    workspace.carry(old, new)
    found = contents(Path(new.root))
    assert (found["out/rows.csv"], found["lib/rows.csv"]) == ("1,2\n", "3,4\n")
    assert found["transform.py"] == "a = 1\nb = 20\nc = 3\n"
    assert not (Path(new.root) / "linked").exists()


def test_a_tree_survives_the_journal(source: Path, tmp_path: Path) -> None:
    tree = workspace.build(source, tmp_path / "t")
    assert Tree.model_validate_json(tree.dump()) == tree
