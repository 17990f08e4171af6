"""Put a fix on a branch of its own: one commit on the tip of HEAD.

Only git's plumbing is used, with an index of our own: the work tree, the user's index and the
branch that is checked out are never touched, and no hook runs.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from agent.errors import Refused
from agent.workspace import git


class Change(Protocol):
    """One file of a fix."""

    @property
    def path(self) -> str:
        """Relative to the source folder."""

    @property
    def before(self) -> str | None:
        """Its text as the fix was proved on it; None = a new file."""

    @property
    def after(self) -> str | None:
        """Its text with the fix; None = deleted."""


class Impossible(Exception):
    """No branch can be made; the message says why, for a person."""


class Made(NamedTuple):
    """A branch that holds the fix."""

    repository: str
    """Absolute path of its work tree."""
    commit: str
    note: str
    """What the proof saw and the branch has not; empty where that is nothing."""


class Place(NamedTuple):
    """Where a folder is in its repository."""

    top: str
    """Absolute path of the work tree."""
    prefix: str
    """The folder relative to it: empty, or ending with a slash."""


class _Entry(NamedTuple):
    mode: str
    blob: str


def place(source: Path) -> Place:
    """Return where the folder is in its repository. Raises `git.GitError` where it is in none."""
    said = git.line(source, "rev-parse", "--show-toplevel", "--show-prefix").split("\n")
    return Place(said[0], said[1])


def make(source: Path, plan: Sequence[Change], *, name: str, message: str, author: str) -> Made:
    """Make the branch, or find the one that an earlier call made. Raises `Impossible`."""
    try:
        top, prefix = place(source)
        root = Path(top)
        head = git.line(root, "rev-parse", "--verify", "HEAD^{commit}")
        if not git.run(root, "--literal-pathspecs", "ls-tree", head, "--", prefix or "."):
            raise Impossible(f"git does not track {source}")
        wanted = _entries(root, prefix, head, plan)
        message = f"{message.strip()}\n\nRunmend-Branch: {name}\n"
        ref = f"refs/heads/{name}"
        tip = _tip(root, ref)
        if tip is None:
            tip = _commit(root, head, wanted, message, author)
            git.run(root, "update-ref", "-m", "runmend", ref, tip, "0" * len(tip))
        elif not _holds(root, tip, wanted, name):
            raise Impossible(f"the branch {name} is there already, with something else")
    except git.GitError as error:
        raise Impossible(str(error)) from error
    return Made(top, tip, _unseen(source, {prefix + change.path for change in plan}))


def _entries(
    root: Path, prefix: str, head: str, plan: Sequence[Change]
) -> dict[str, _Entry | None]:
    """Return each changed path's new entry, None = deleted. Raises `Impossible`."""
    paths = [prefix + change.path for change in plan]
    there = _tree(root, head, paths)
    wanted: dict[str, _Entry | None] = {}
    for path, change in zip(paths, plan, strict=True):
        old = there.get(path)
        if change.before is None and old is not None:
            raise Impossible(f"{change.path} is in the last commit, and the fix creates it")
        if change.before is not None:
            if old is None:
                raise Impossible(f"git does not track {change.path}")
            if _blob(root, path, change.before) != old.blob:
                raise Impossible(f"{change.path} has changes that are not committed")
        mode = old.mode if old else "100644"
        after = change.after
        wanted[path] = None if after is None else _Entry(mode, _blob(root, path, after))
    return wanted


def _tree(root: Path, commit: str, paths: Sequence[str]) -> dict[str, _Entry]:
    listed = git.run(root, "--literal-pathspecs", "ls-tree", "-r", "-z", commit, "--", *paths)
    found: dict[str, _Entry] = {}
    for row in filter(None, os.fsdecode(listed).split("\0")):
        what, _, path = row.partition("\t")
        mode, _, blob = what.split(" ")
        found[path] = _Entry(mode, blob)
    return found


def _blob(root: Path, path: str, text: str) -> str:
    """Store a text as git would store that file (line ends and filters as configured)."""
    stored = git.run(root, "hash-object", "-w", "--stdin", f"--path={path}", given=text.encode())
    return stored.decode().strip()


def _commit(
    root: Path, head: str, wanted: dict[str, _Entry | None], message: str, author: str
) -> str:
    with tempfile.TemporaryDirectory(prefix="runmend-") as folder:
        index = Path(folder, "index")
        git.run(root, "read-tree", head, index=index)
        rows = "".join(
            f"0 {'0' * len(head)}\t{path}\0"
            if entry is None
            else f"{entry.mode} {entry.blob}\t{path}\0"
            for path, entry in wanted.items()
        )
        git.run(root, "update-index", "-z", "--index-info", given=os.fsencode(rows), index=index)
        tree = git.run(root, "write-tree", index=index).decode().strip()
    asked = ("commit-tree", "--no-gpg-sign", tree, "-p", head, "-F", "-")
    return git.run(root, *asked, given=message.encode(), author=author).decode().strip()


def _tip(root: Path, ref: str) -> str | None:
    found = git.line(root, "for-each-ref", "--format=%(objectname)", ref)
    return found or None


def _holds(root: Path, tip: str, wanted: dict[str, _Entry | None], name: str) -> bool:
    """Return whether a commit is ours and has the fix."""
    said = git.line(root, "log", "-1", "--format=%B", tip)
    there = _tree(root, tip, list(wanted))
    return f"Runmend-Branch: {name}" in said.splitlines() and all(
        there.get(path) == entry for path, entry in wanted.items()
    )


def _unseen(source: Path, ours: set[str]) -> str:
    """Say which uncommitted work the proof ran with; the branch does not have it."""
    try:
        listed = git.run(source, "status", "--porcelain", "-z", "--no-renames", "--", ".")
    except git.GitError:
        return ""
    found = [row[3:] for row in filter(None, os.fsdecode(listed).split("\0"))]
    found = [path for path in found if path not in ours]
    if not found:
        return ""
    names = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
    return (
        f"the fix was proved together with work that is not committed ({names}), "
        "which the branch does not have"
    )


def remove(source: Path, *, name: str, commit: str) -> str:
    """Delete the branch where its tip is still that commit; return what was done.

    Raises `Refused` where the branch has moved on or is checked out.
    """
    ref = f"refs/heads/{name}"
    try:
        tip = _tip(source, ref)
        if tip is None:
            return f"the branch {name} is gone already"
        if tip != commit:
            raise Refused(f"the branch {name} has moved on (to {tip[:12]}), so it was not deleted")
        if f"branch {ref}" in git.line(source, "worktree", "list", "--porcelain").splitlines():
            raise Refused(f"the branch {name} is checked out; switch to another one first")
        merged = git.line(
            source, "for-each-ref", f"--contains={commit}", "--format=%(refname:short)"
        )
        git.run(source, "update-ref", "-d", ref, commit)
    except git.GitError as error:
        raise Refused(f"the branch {name} could not be deleted: {error}") from error
    others = [other for other in merged.splitlines() if other != name]
    if others:
        return (
            f"deleted the branch {name}; its commit is in {', '.join(others)} too: "
            f"git revert {commit[:12]} takes it back there"
        )
    return f"deleted the branch {name}"
