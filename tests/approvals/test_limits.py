"""What a patch may not even be proposed for: paths, protected files, size, placeholders."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import approvals, limits
from agent.playbook import Loaded, Playbook
from agent.records import Edit, Patch

BUNDLE = "targets:\n  dev: {mode: development}\n  prod: {mode: production}\nname: x\n"


def loaded(**said: Any) -> Loaded:
    values = {"platform": "local", "job": {"file": "job.yaml"}, **said}
    return Loaded(path="/srv/books/nightly.yaml", playbook=Playbook.model_validate(values))


def refuse(
    path: str, before: str | None, after: str | None, book: Loaded | None = None
) -> str | None:
    patch = Patch(edits=(Edit(path=path, old=before, new=after),), rationale="", author="model:x")
    return approvals.refuse(patch, book or loaded(), {path: before}.get, {path: after}.get)


@pytest.mark.parametrize(
    "path",
    [
        "../x.py",
        "a/../../x.py",
        "/etc/passwd",
        "~/x.py",
        "C:/x.py",
        "a\\b.py",
        "..\\x.py",
        "./a.py",
        "a//b.py",
        "",
        "a.py\n",
        "a\x00.py",
        "a\u202e.py",
        "a\u200b.py",
        "a./b.py",
        "a.py ",
        "a.py:stream",
        "GIT~1/hooks/x",
        "a/.",
    ],
)
def test_a_path_that_leaves_the_tree_or_hides_is_refused(path: str) -> None:
    """Case 28."""
    assert "is not a path" in (refuse(path, "a", "b") or "")
    assert not approvals.editable(path, loaded())


@pytest.mark.parametrize(
    "path",
    [
        ".git/hooks/pre-commit",
        ".GIT/hooks/pre-commit",
        "sub/.Git/config",
        ".github/workflows/ci.yml",
        ".gitlab-ci.yml",
        ".ci/run",
        ".env",
        ".runmend/journal.db",
        "\uff0egithub/x.yml",
        "Jenkinsfile",
        "error_matrix.yaml",
        "sub/Error_Matrix.yaml",
        "tests/x.py",
        "src/Tests/x.py",
        "src/test_a.py",
        "src/a_test.py",
        "conftest.py",
        "playbooks/x.yaml",
        "sitecustomize.py",
        "targets/prod.yml",
    ],
)
def test_a_protected_file_is_refused_whatever_the_playbook_says(path: str) -> None:
    """Cases 21, 27 and 28: tests, CI, matrix, playbooks, other targets, .git in any spelling."""
    assert "is protected" in (refuse(path, "a", "b", loaded(edit=["**"])) or "")


@pytest.mark.parametrize(
    "path", ["a.py", "src/a.py", "jobs/testing.py", "job.yaml", "targets/local.yml"]
)
def test_an_ordinary_file_may_be_edited(path: str) -> None:
    assert refuse(path, "a", "b") is None
    assert approvals.editable(path, loaded())


def test_the_playbook_and_what_verification_runs_are_protected() -> None:
    """Case 27."""
    verify = [{"command": ["python", "checks/totals.py"]}, {"command": ["./verify.sh"]}]
    book = loaded(verify=verify, requires=[{"playbook": "bronze.yaml"}], edit=["**"])
    for path in (
        "nightly.yaml",
        "checks/totals.py",
        "verify.sh",
        "bronze.yaml",
        "Checks/Totals.py",
    ):
        assert "is protected" in (refuse(path, "a", "b", book) or ""), path
    assert refuse("checks/other.py", "a", "b", book) is None
    elsewhere = loaded(source="../src", verify=[{"command": ["python", "../src/check.py"]}])
    assert "is protected" in (refuse("check.py", "a", "b", elsewhere) or "")


def test_a_file_that_is_a_playbook_is_refused_wherever_it_is() -> None:
    """Case 27."""
    text = "platform: local\njob: {file: job.yaml}\n"
    assert "is a playbook" in (refuse("x.yaml", text, text + "production: false\n") or "")
    assert "is a playbook" in (refuse("y.yaml", None, text) or "")


def test_another_target_of_a_bundle_stays_as_it_is() -> None:
    """Case 27."""
    book = loaded(platform="databricks", target="dev", job={"bundle": "x"})
    mine = BUNDLE.replace("development", "development, a: 1")
    other = BUNDLE.replace("production", "development")
    assert refuse("databricks.yml", BUNDLE, mine, book) is None
    assert "another target" in (refuse("databricks.yml", BUNDLE, other, book) or "")
    assert "another target" in (refuse("conf/x.yml", BUNDLE, other, book) or "")
    assert "another target" in (refuse("databricks.yml", BUNDLE, "name: x\n", book) or "")


def test_edits_stay_inside_the_globs_of_the_playbook() -> None:
    book = loaded(edit=["src/**", "*.sql", "!src/secret/**"])
    for path in ("src/a.py", "src/a/b.py", "x.sql", "deep/x.sql"):
        assert approvals.editable(path, book), path
    for path in ("a.py", "other/src/a.py", "src/secret/a.py", "srcx/a.py"):
        assert not approvals.editable(path, book), path
    assert "src/**, *.sql" in (refuse("a.py", "a", "b", book) or "")
    assert not approvals.editable("a.py", loaded(edit=[]))


def test_a_patch_of_too_many_files_or_lines_is_refused() -> None:
    """Case 31: over budget."""
    book = loaded(limits={"files": 2, "lines": 10})
    many = tuple(Edit(path=f"{n}.py", old="a", new="b") for n in range(3))
    files = {f"{n}.py": "a" for n in range(3)}
    patch = Patch(edits=many, rationale="", author="model:x")
    assert "3 files" in (approvals.refuse(patch, book, files.get, files.get) or "")
    lines = "\n".join(str(n) for n in range(400))
    assert "lines" in (refuse("a.py", lines, lines.replace("1", "x"), book) or "")
    assert refuse("a.py", lines, lines.replace("\n200\n", "\n2000\n"), book) is None
    assert "lines" in (refuse("a.py", None, lines, book) or "")


def test_a_hunk_hidden_far_to_the_right_counts_as_many_lines() -> None:
    """Case 32."""
    book = loaded(limits={"lines": 10})
    assert "lines" in (
        refuse("a.py", "x = 1\n", "x = 1" + " " * 9000 + "; import os\n", book) or ""
    )


def test_two_paths_that_are_one_file_on_some_systems_are_refused() -> None:
    """Case 28: case folding."""
    edits = (Edit(path="a.py", old="a", new="b"), Edit(path="A.py", old="a", new="b"))
    files = {"a.py": "a", "A.py": "a"}
    patch = Patch(edits=edits, rationale="", author="model:x")
    assert "one file" in (approvals.refuse(patch, loaded(), files.get, files.get) or "")


@pytest.mark.parametrize("after", ["", "\n", "  \n"])
def test_an_emptied_file_is_refused(after: str) -> None:
    """Case 29."""
    assert refuse("a.py", "x = 1\n", after) == "it empties a.py"
    assert refuse("a.py", "", after) is None


@pytest.mark.parametrize("mark", ["[REDACTED:password]", "[REDACTED]", "'***'"])
def test_a_placeholder_is_not_written_back_over_a_secret(mark: str) -> None:
    """Case 48b."""
    why = refuse("a.py", "password = 'x'\n", f"password = {mark}\n")
    assert why is not None
    assert "placeholder" in why
    kept = f"a = {mark}\nb = 1\n"
    assert refuse("a.py", kept, kept.replace("b = 1", "b = 2")) is None


@given(
    st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\n"])),
    st.lists(st.sampled_from(["a\n", "x\n"])),
)
def test_changed_lines_are_counted_like_diff_does(old: list[str], new: list[str]) -> None:
    import difflib

    counted = limits.changed_lines("".join(old), "".join(new))
    matching = sum(
        block.size
        for block in difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    )
    assert counted <= len(old) + len(new) - 2 * matching + min(len(old), len(new))
    assert (counted == 0) == (old == new)
    assert counted >= abs(len(old) - len(new))


@given(st.text(max_size=30))
def test_no_path_escapes_the_source_folder(path: str) -> None:
    root = Path("/srv/books")
    if approvals.editable(path, loaded()):
        assert (root / path).resolve().is_relative_to(root)
        assert "/." not in f"/{path}"


def test_deciding_needs_no_heavy_import() -> None:
    program = (
        "import sys; import agent.approvals, agent.effects;"
        "heavy = ('sqlglot', 'duckdb', 'yaml', 'detect_secrets', 'pathspec');"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
