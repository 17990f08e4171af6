"""Ask git, without what else may be set up: hooks, monitors, an inherited repository."""

import os
import subprocess
from pathlib import Path

_INHERITED = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_EXTERNAL_DIFF",
)
"""What a git hook sets for its children would point us at another repository or index."""
_QUIET = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0")
_TIMEOUT_S = 120
_EMAIL = "runmend@localhost"


class GitError(Exception):
    """git said no, or is not there; the message is its own first line."""


def in_work_tree(folder: Path) -> bool:
    """Return whether something that looks like a repository is at or above the folder."""
    return any((place / ".git").exists() for place in (folder, *folder.parents))


def run(
    folder: Path, *args: str, given: bytes = b"", index: Path | None = None, author: str = ""
) -> bytes:
    """Run one git command in the folder and return its output. Raises `GitError`."""
    env = {k: v for k, v in os.environ.items() if k not in _INHERITED}
    env |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    if index is not None:
        env["GIT_INDEX_FILE"] = str(index)
    if author:
        env |= {"GIT_AUTHOR_NAME": author, "GIT_AUTHOR_EMAIL": _EMAIL}
        if not _knows_committer(folder, env):
            env |= {"GIT_COMMITTER_NAME": author, "GIT_COMMITTER_EMAIL": _EMAIL}
    try:
        done = subprocess.run(  # noqa: S603  fixed command, no shell
            ["git", *_QUIET, *args],  # noqa: S607  the user's own git
            cwd=folder,
            env=env,
            input=given,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise GitError("git is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise GitError(f"git {args[0]} did not answer in {_TIMEOUT_S} s") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise GitError(said[0] if said else f"git {args[0]} ended with {done.returncode}")
    return done.stdout


def _knows_committer(folder: Path, env: dict[str, str]) -> bool:
    """Return whether git knows who runs us: then they are the committer. CI often has nobody."""
    try:
        done = subprocess.run(
            ["git", "var", "GIT_COMMITTER_IDENT"],  # noqa: S607  the user's own git
            cwd=folder,
            env=env,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return True
    return done.returncode == 0


def line(folder: Path, *args: str) -> str:
    """Return the output of one git command without its line end. Raises `GitError`."""
    return os.fsdecode(run(folder, *args)).removesuffix("\n")
