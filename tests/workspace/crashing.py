"""Kill a process at every step it takes with files or programs, then let another one go on.

Run by test_crashes.py in a process of its own, because it forks.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from agent import workspace
from agent.records import Edit

FILES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod")
PROGRAMS = ("subprocess.Popen", "os.rename")
OLD = {"a.py": "a = 1\n", "b.py": "b = 1\n", "lib/gone.py": "g\n"}
NEW = {"a.py": "a = 2\n", "b.py": "b = 2\n", "lib/new.py": "n\n"}
EDITS = (
    Edit(path="a.py", old="a = 1", new="a = 2"),
    Edit(path="b.py", old="b = 1", new="b = 2"),
    Edit(path="lib/gone.py", old="g\n", new=None),
    Edit(path="lib/new.py", old=None, new="n\n"),
)


def killed(step: Callable[[], object], at: int, events: Sequence[str] = FILES) -> bool:
    """Run a step in a child that is killed at its event number `at`; return whether it was."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    left = at

    def hook(event: str, _args: object) -> None:
        nonlocal left
        if event in events:
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    step()
    os._exit(0)


def contents(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): path.read_text()
        for path in root.rglob("*")
        if path.is_file() and ".git" not in path.parts
    }


def fresh(place: Path, *, git: bool) -> Path:
    shutil.rmtree(place, ignore_errors=True)
    source = place / "source"
    (place / "case").mkdir(parents=True)
    for path, text in OLD.items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_text(text)
    if git:
        for args in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
            subprocess.run(["git", *args], cwd=source, check=True)
    return source


def build(place: Path, at: int) -> bool:
    source = fresh(place, git=False)
    into = place / "case" / "tree"
    workspace.build(source, into)  # an earlier call's, spoilt by a task
    (into / "a.py").write_text("spoilt")
    died = killed(lambda: workspace.build(source, into, EDITS), at)
    if into.exists():
        assert contents(into) in (NEW, {**OLD, "a.py": "spoilt"}), contents(into)
    tree = workspace.build(source, into, EDITS)
    assert contents(into) == NEW
    assert {path.name for path in into.parent.iterdir()} == {"tree", "tree.built.json"}
    assert workspace.originals(tree)("a.py") == OLD["a.py"]
    return died


def in_place(place: Path, at: int) -> bool:
    source = fresh(place, git=False)
    edits = workspace.with_base(EDITS, workspace.reader(source))

    def deliver() -> workspace.Delivery:
        return workspace.deliver(
            "in-place",
            source,
            edits,
            folder=place / "case",
            case_id="c",
            message="m",
            author="fixer:x",
        )

    died = killed(deliver, at)
    for path, text in contents(source).items():
        assert path.endswith(".runmend") or text in (OLD.get(path), NEW.get(path)), path
    delivered = deliver()
    assert (delivered.how, contents(source)) == ("in-place", NEW)
    killed(lambda: workspace.undo(source, delivered), at)
    workspace.undo(source, delivered)
    assert contents(source) == OLD
    return died


def branch(place: Path, at: int) -> bool:
    source = fresh(place, git=True)
    edits = workspace.with_base(EDITS, workspace.reader(source))

    def deliver() -> workspace.Delivery:
        return workspace.deliver(
            "branch",
            source,
            edits,
            folder=place / "case",
            case_id="c",
            message="m",
            author="fixer:x",
        )

    died = killed(deliver, at, PROGRAMS)
    first, second = deliver(), deliver()
    assert (first.how, first.note, first) == ("branch", "", second)
    counted = ["git", "rev-list", "--count", "HEAD..runmend/c"]
    assert subprocess.check_output(counted, cwd=source) == b"1\n"
    assert subprocess.check_output(["git", "status", "--porcelain"], cwd=source) == b""
    assert contents(source) == OLD
    return died


if __name__ == "__main__":
    case = {"build": build, "in-place": in_place, "branch": branch}[sys.argv[1]]
    steps = 0
    while case(Path(sys.argv[2]), steps):
        steps += 1
    sys.stdout.write(f"{steps}\n")
