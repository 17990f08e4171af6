"""A proved fix is handed over as asked, once, and never over a person's work."""

import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest

from agent import workspace
from agent.errors import Refused
from agent.events import Delivered
from agent.records import Edit
from agent.workspace import Delivery

Git = Callable[..., str]
EDITS = (
    Edit(path="transform.py", old="b = 2", new="b = 20"),
    Edit(path="lib/tool.py", old="return 1", new="return 2"),
    Edit(path="lib/new.py", old=None, new="n = 1\n"),
)
CHANGED = {
    "transform.py": "a = 1\nb = 20\nc = 3\n",
    "lib/tool.py": "def f():\n    return 2\n",
    "lib/new.py": "n = 1\n",
    "job.yaml": "name: job\n",
}


def contents(root: Path) -> dict[str, str]:
    return {
        p.relative_to(root).as_posix(): p.read_text()
        for p in root.rglob("*")
        if p.is_file() and ".git" not in p.parts
    }


class Desk:
    """A case's folder, and a delivery into it."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.source = source
        self.folder = folder
        folder.mkdir()
        self.edits = workspace.with_base(EDITS, workspace.reader(source))

    def deliver(
        self,
        how: Literal["patch", "in-place", "branch"],
        edits: Sequence[Edit] | None = None,
        *,
        proved: bool = True,
    ) -> Delivery:
        edits = self.edits if edits is None else edits
        return workspace.deliver(
            how,
            self.source,
            edits,
            folder=self.folder,
            case_id="7f3a",
            message="Mend transform.py",
            author="fixer:rename_column",
            base=self.base if proved else None,
        )

    def prove(self) -> None:
        tree = workspace.build(self.source, self.folder / "tree", self.edits)
        self.base = workspace.originals(tree)


@pytest.fixture
def desk(source: Path, tmp_path: Path) -> Desk:
    made = Desk(source, tmp_path / "case 7f3a")
    made.prove()
    return made


def run(command: str, cwd: Path) -> None:
    done = subprocess.run(shlex.split(command), cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def event(delivery: Delivery) -> Delivered:
    """The delivery as it comes back from the journal."""
    made = Delivered(at=datetime.now(UTC), **delivery._asdict())
    return Delivered.model_validate_json(made.dump())


# A patch file


def test_a_patch_file_changes_nothing_and_its_command_applies_it(
    source: Path, desk: Desk, tmp_path: Path
) -> None:
    before = contents(source)
    found = desk.deliver("patch")
    assert (found.how, found.where, found.note) == ("patch", str(desk.folder / "fix.patch"), "")
    assert contents(source) == before
    run(found.command, tmp_path)
    assert contents(source) == CHANGED


@pytest.mark.usefixtures("repository")
def test_the_command_works_from_anywhere_in_a_repository(
    source: Path, git: Git, tmp_path: Path
) -> None:
    (source / "sub").mkdir()
    git("mv", "transform.py", "lib", "job.yaml", "sub/")
    git("commit", "-q", "-m", "moved")
    desk = Desk(source / "sub", tmp_path / "case")
    found = desk.deliver("patch", proved=False)
    assert "--directory=sub" in found.command
    run(found.command, tmp_path)
    assert contents(source / "sub") == CHANGED


def test_without_git_the_command_is_patch(
    source: Path, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch = shutil.which("patch")
    assert patch is not None
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "patch").symlink_to(patch)
    monkeypatch.setenv("PATH", str(tools))
    found = desk.deliver("patch")
    assert found.command.startswith("patch -p1 -d ")
    run(found.command, tmp_path)
    assert contents(source) == CHANGED


def test_a_patch_says_when_its_file_was_changed_since(source: Path, desk: Desk) -> None:
    (source / "transform.py").write_text("mine\n")
    found = desk.deliver("patch")
    assert found.note == "transform.py was changed meanwhile, so the patch may not apply as it is"
    assert "+b = 20" in Path(found.where).read_text()
    assert (source / "transform.py").read_text() == "mine\n"


def test_a_case_without_edits_delivers_nothing(desk: Desk) -> None:
    assert desk.deliver("in-place", []).how == "nothing"
    assert not (desk.folder / "fix.patch").exists()


# In place


def test_in_place_writes_the_files_and_keeps_their_modes(source: Path, desk: Desk) -> None:
    (source / "lib" / "tool.py").chmod(0o755)
    found = desk.deliver("in-place")
    assert found.how == "in-place"
    assert set(found.undo) == {"transform.py", "lib/tool.py", "lib/new.py"}
    assert contents(source) == CHANGED
    assert (source / "lib" / "tool.py").stat().st_mode & 0o777 == 0o755
    assert desk.deliver("in-place") == found


@pytest.mark.parametrize("done", [1, 2, 3])
def test_in_place_finishes_what_a_crash_left(source: Path, desk: Desk, done: int) -> None:
    finished = desk.deliver("in-place")
    for path in sorted(found for found in CHANGED if found != "job.yaml")[done:]:
        text = desk.base(path)
        if text is None:
            (source / path).unlink()
        else:
            (source / path).write_text(text)
    (source / ".transform.py.runmend").write_text("half")
    (source / "transform.py").write_text("a = 1\nb = 2\nc = 3\n")
    assert desk.deliver("in-place") == finished
    assert contents(source) == CHANGED


def test_a_file_that_a_person_changed_is_never_overwritten(source: Path, desk: Desk) -> None:
    (source / "transform.py").write_text("a = 1\nb = 2\nc = 3\nmine\n")
    before = contents(source)
    found = desk.deliver("in-place")
    assert found.how == "patch"
    assert found.note == "nothing was changed in place: transform.py was changed meanwhile"
    assert contents(source) == before


def test_after_a_crash_a_persons_change_takes_our_half_back(source: Path, desk: Desk) -> None:
    desk.deliver("in-place")
    (source / "transform.py").write_text("mine\n")
    assert desk.deliver("in-place").how == "patch"
    assert contents(source) == {
        "job.yaml": "name: job\n",
        "transform.py": "mine\n",
        "lib/tool.py": "def f():\n    return 1\n",
    }


def test_a_person_who_applied_part_of_the_fix_keeps_it(source: Path, desk: Desk) -> None:
    (source / "lib" / "tool.py").write_text(CHANGED["lib/tool.py"])
    (source / "transform.py").write_text("mine\n")
    assert desk.deliver("in-place").how == "patch"
    assert (source / "lib" / "tool.py").read_text() == CHANGED["lib/tool.py"]


def test_a_file_that_cannot_be_written_takes_the_others_back(source: Path, desk: Desk) -> None:
    (source / ".transform.py.runmend").mkdir()  # where the new content would be written
    before = contents(source)
    found = desk.deliver("in-place")
    assert found.how == "patch"
    assert "nothing was changed in place: transform.py cannot be written" in found.note
    assert contents(source) == before


def test_a_file_that_became_a_link_is_not_followed(
    source: Path, desk: Desk, tmp_path: Path
) -> None:
    (source / "transform.py").rename(tmp_path / "elsewhere.py")
    (source / "transform.py").symlink_to(tmp_path / "elsewhere.py")
    assert desk.deliver("in-place").how == "patch"
    assert (tmp_path / "elsewhere.py").read_text() == "a = 1\nb = 2\nc = 3\n"


def test_undo_in_place_puts_the_files_back(source: Path, desk: Desk) -> None:
    before = contents(source)
    delivered = event(desk.deliver("in-place"))
    said = workspace.undo(source, delivered)
    assert "transform.py" in said
    assert contents(source) == before
    assert workspace.undo(source, delivered) == said


def test_undo_refuses_where_a_person_went_on(source: Path, desk: Desk) -> None:
    delivered = event(desk.deliver("in-place"))
    with (source / "transform.py").open("a") as file:
        file.write("more\n")
    before = contents(source)
    with pytest.raises(Refused, match=r"transform\.py was changed .* nothing was undone"):
        workspace.undo(source, delivered)
    assert contents(source) == before


def test_undo_of_a_patch_file_has_nothing_to_undo(source: Path, desk: Desk) -> None:
    delivered = event(desk.deliver("patch"))
    assert "nothing was changed" in workspace.undo(source, delivered)
    assert Path(delivered.where).exists()


# A branch


@pytest.fixture
def state(git: Git) -> Callable[[], str]:
    """What must not change in a repository: status, index, branch, work tree."""

    def look() -> str:
        return "\n".join(
            [
                git("status", "--porcelain"),
                git("ls-files", "--stage"),
                git("symbolic-ref", "HEAD"),
                git("rev-parse", "HEAD"),
                git("stash", "list"),
            ]
        )

    return look


def test_a_branch_has_one_commit_and_nothing_else_changes(
    repository: Path, desk: Desk, git: Git, state: Callable[[], str]
) -> None:
    hooks = repository / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("pre-commit", "post-commit", "reference-transaction", "commit-msg"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {repository}/hook-ran\nexit 1\n")
        (hooks / name).chmod(0o755)
    before, files = state(), contents(repository)
    found = desk.deliver("branch")
    assert (found.how, found.where, found.note) == ("branch", "runmend/7f3a", "")
    assert state() == before
    assert contents(repository) == files
    assert git("rev-list", "--count", "main..runmend/7f3a").strip() == "1"
    assert git("diff", "--name-only", "main", "runmend/7f3a").split() == [
        "lib/new.py",
        "lib/tool.py",
        "transform.py",
    ]
    log = git("log", "-1", "--format=%an|%cn|%s", "runmend/7f3a").strip()
    assert log == "fixer:rename_column|Ana|Mend transform.py"
    for hook in hooks.iterdir():
        hook.unlink()
    run(found.command, desk.folder)
    assert contents(repository) == CHANGED


@pytest.mark.usefixtures("repository")
def test_a_branch_is_made_once_also_when_head_has_moved_since(desk: Desk, git: Git) -> None:
    found = desk.deliver("branch")
    assert desk.deliver("branch") == found
    git("commit", "-q", "--allow-empty", "-m", "a person goes on")
    assert desk.deliver("branch").undo == found.undo


def test_a_source_in_a_sub_folder_gets_its_branch_too(
    repository: Path, git: Git, tmp_path: Path
) -> None:
    (repository / "jobs" / "sales").mkdir(parents=True)
    git("mv", "transform.py", "lib", "job.yaml", "jobs/sales/")
    git("commit", "-q", "-m", "moved")
    desk = Desk(repository / "jobs" / "sales", tmp_path / "case")
    assert desk.deliver("branch", proved=False).how == "branch"
    assert git("show", "runmend/7f3a:jobs/sales/transform.py") == CHANGED["transform.py"]


@pytest.mark.usefixtures("repository")
def test_a_deleted_and_an_executable_file_are_right_on_the_branch(
    source: Path, git: Git, tmp_path: Path
) -> None:
    (source / "transform.py").chmod(0o755)
    git("commit", "-q", "-a", "-m", "executable")
    desk = Desk(source, tmp_path / "case")
    gone = Edit(path="lib/tool.py", old="def f():\n    return 1\n", new=None)
    found = desk.deliver("branch", [EDITS[0], gone], proved=False)
    listed = git("ls-tree", "-r", found.where)
    assert "lib/tool.py" not in listed
    assert "100755 blob" in next(row for row in listed.splitlines() if "transform.py" in row)


def test_line_ends_that_git_converts_do_not_spoil_the_branch(
    source: Path, git: Git, tmp_path: Path
) -> None:
    (source / "transform.py").write_bytes(b"a = 1\r\nb = 2\r\n")
    git("init", "-q", "-b", "main")
    git("config", "core.autocrlf", "true")
    git("add", "-A")
    git("commit", "-q", "-m", "first")
    desk = Desk(source, tmp_path / "case")
    assert desk.deliver("branch", EDITS[:1], proved=False).how == "branch"
    assert git("show", "runmend/7f3a:transform.py") == "a = 1\nb = 20\n"


def test_a_folder_that_git_does_not_track_gets_a_patch_and_stays_as_it_is(
    source: Path, desk: Desk
) -> None:
    before = contents(source)
    found = desk.deliver("branch")
    assert found.how == "patch"
    assert found.note.startswith("no branch was made: fatal: not a git repository")
    assert contents(source) == before


def test_untracked_and_uncommitted_files_get_a_patch(
    repository: Path, git: Git, desk: Desk, tmp_path: Path
) -> None:
    git("rm", "-q", "--cached", "-r", ".")
    git("commit", "-q", "--allow-empty", "-m", "nothing tracked")
    assert "git does not track" in desk.deliver("branch").note
    git("add", "-A")
    git("commit", "-q", "-m", "again")
    (repository / "transform.py").write_text("a = 0\nb = 2\nc = 3\n")
    other = Desk(repository, tmp_path / "case 2")
    found = other.deliver("branch", proved=False)
    assert "transform.py has changes that are not committed" in found.note
    assert (found.how, git("branch", "--list", "runmend/*")) == ("patch", "")


def test_a_repository_without_a_commit_gets_a_patch(desk: Desk, git: Git) -> None:
    git("init", "-q")
    assert desk.deliver("branch").how == "patch"


def test_uncommitted_work_beside_the_fix_is_said(repository: Path, desk: Desk) -> None:
    (repository / "job.yaml").write_text("name: other\n")
    found = desk.deliver("branch")
    assert found.how == "branch"
    assert "not committed (job.yaml)" in found.note


@pytest.mark.usefixtures("repository")
def test_somebody_elses_branch_of_that_name_is_left_alone(desk: Desk, git: Git) -> None:
    git("branch", "runmend/7f3a")
    found = desk.deliver("branch")
    assert (found.how, "is there already" in found.note) == ("patch", True)
    assert git("rev-parse", "runmend/7f3a") == git("rev-parse", "main")


@pytest.mark.usefixtures("repository")
def test_undo_deletes_our_branch_once(source: Path, desk: Desk, git: Git) -> None:
    delivered = event(desk.deliver("branch"))
    assert workspace.undo(source, delivered) == "deleted the branch runmend/7f3a"
    assert git("branch", "--list", "runmend/*") == ""
    assert "gone already" in workspace.undo(source, delivered)


@pytest.mark.usefixtures("repository")
def test_undo_leaves_a_branch_that_went_on_or_is_checked_out(
    source: Path, desk: Desk, git: Git
) -> None:
    delivered = event(desk.deliver("branch"))
    git("switch", "-q", "runmend/7f3a")
    with pytest.raises(Refused, match="is checked out"):
        workspace.undo(source, delivered)
    git("commit", "-q", "--allow-empty", "-m", "more")
    git("switch", "-q", "main")
    with pytest.raises(Refused, match="has moved on"):
        workspace.undo(source, delivered)


@pytest.mark.usefixtures("repository")
def test_undo_says_where_a_merged_branch_still_is(source: Path, desk: Desk, git: Git) -> None:
    delivered = event(desk.deliver("branch"))
    git("merge", "-q", "runmend/7f3a")
    assert "its commit is in main too: git revert" in workspace.undo(source, delivered)


# A file changed while a patch waited


def test_drift_is_told_by_file(source: Path, desk: Desk) -> None:
    assert workspace.drifted(source, desk.edits) is None
    (source / "job.yaml").write_text("not the patch's business\n")
    assert workspace.drifted(source, desk.edits) is None
    (source / "lib" / "new.py").write_text("mine\n")
    assert "lib/new.py was created meanwhile" in (workspace.drifted(source, desk.edits) or "")
    (source / "lib" / "tool.py").unlink()
    assert "lib/tool.py was deleted meanwhile" in (workspace.drifted(source, desk.edits) or "")
    (source / "transform.py").write_text("a = 1\nb = 2\nc = 3\n\n")
    assert "transform.py was changed meanwhile" in (workspace.drifted(source, desk.edits) or "")


def test_edits_of_a_second_patch_are_no_drift(source: Path, desk: Desk, tmp_path: Path) -> None:
    tree = workspace.build(source, tmp_path / "t", desk.edits)
    second = workspace.with_base(
        [Edit(path="transform.py", old="b = 20", new="b = 21")],
        workspace.reader(Path(tree.root)),
    )
    assert workspace.drifted(source, (*desk.edits, *second)) is None
    desk.deliver("in-place", (*desk.edits, *second))
    assert (source / "transform.py").read_text() == "a = 1\nb = 21\nc = 3\n"
