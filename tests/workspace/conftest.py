"""A real git with no configuration but the one a test gives it."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Git = Callable[..., str]


@pytest.fixture(autouse=True)
def _identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ana")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ana@example.org")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small source folder that git does not know."""
    folder = tmp_path / "source"
    (folder / "lib").mkdir(parents=True)
    (folder / "job.yaml").write_text("name: job\n")
    (folder / "transform.py").write_text("a = 1\nb = 2\nc = 3\n")
    (folder / "lib" / "tool.py").write_text("def f():\n    return 1\n")
    return folder


@pytest.fixture
def git(source: Path) -> Git:
    """Run git in the source folder and return what it prints."""

    def run(*args: str, folder: Path = source) -> str:
        done = subprocess.run(["git", *args], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def repository(source: Path, git: Git) -> Path:
    """The source folder as a repository with one commit."""
    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-q", "-m", "first")
    return source
