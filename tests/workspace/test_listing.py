"""Which files of a source folder are copied: code, and never a credential."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from agent import workspace
from agent.errors import UsageError
from agent.workspace import listing

Git = Callable[..., str]

CODE = ("job.yaml", "lib/tool.py", "transform.py")


def test_a_folder_outside_git_is_listed_whole(source: Path) -> None:
    assert workspace.files(source) == CODE


def test_gitignore_files_are_kept_to_without_git(source: Path) -> None:
    (source / ".gitignore").write_text("*.log\n/out/\n!keep.log\n")
    (source / "lib" / ".gitignore").write_text("tmp*\n!wanted.log\n")
    for path in ("a.log", "keep.log", "out/x.py", "lib/out/y.py", "lib/tmp1", "lib/wanted.log"):
        (source / path).parent.mkdir(exist_ok=True, parents=True)
        (source / path).write_text("x")
    assert workspace.files(source) == (
        ".gitignore",
        "job.yaml",
        "keep.log",
        "lib/.gitignore",
        "lib/out/y.py",
        "lib/tool.py",
        "lib/wanted.log",
        "transform.py",
    )


def test_with_git_tracked_and_new_files_are_listed_but_ignored_ones_are_not(
    repository: Path, git: Git
) -> None:
    (repository / ".gitignore").write_text("*.log\n")
    (repository / "tracked.log").write_text("x")
    (repository / "ignored.log").write_text("x")
    (repository / "new é.py").write_text("x")
    git("add", "-f", "tracked.log")
    (repository / "job.yaml").unlink()
    assert workspace.files(repository) == (
        ".gitignore",
        "lib/tool.py",
        "new é.py",
        "tracked.log",
        "transform.py",
    )


def test_a_folder_inside_a_repository_is_listed_from_itself(repository: Path) -> None:
    assert workspace.files(repository / "lib") == ("tool.py",)


def test_a_folder_that_its_repository_ignores_is_listed_as_if_there_were_no_git(
    repository: Path,
) -> None:
    (repository / ".gitignore").write_text("scratch/\n")
    (repository / "scratch").mkdir()
    (repository / "scratch" / "job.py").write_text("x")
    assert workspace.files(repository / "scratch") == ("job.py",)


def test_a_nested_repository_is_listed_with_its_files(repository: Path, git: Git) -> None:
    nested = repository / "nested"
    nested.mkdir()
    git("init", "-q", folder=nested)
    (nested / "x.py").write_text("x")
    assert "nested/x.py" in workspace.files(repository)


def test_variables_of_a_git_hook_do_not_lead_elsewhere(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert workspace.files(repository) == CODE


SECRETS = (
    ".env",
    ".env.local",
    ".ENV",
    "prod.env",
    "server.pem",
    "private.key",
    "id_rsa",
    "id_ed25519.pub",
    ".databrickscfg",
    ".netrc",
    "credentials.json",
    "lib/.env",
    ".aws/config",
    ".ssh/known_hosts",
    "lib/credentials",
)


@pytest.mark.parametrize("tracked", [False, True])
def test_credentials_are_never_listed_even_when_git_tracks_them(
    source: Path, git: Git, tracked: bool
) -> None:
    for path in SECRETS:
        (source / path).parent.mkdir(exist_ok=True, parents=True)
        (source / path).write_text("secret")
    if tracked:
        git("init", "-q")
        git("add", "-A", "-f")
    assert workspace.files(source) == CODE


def test_code_that_only_sounds_like_a_credential_is_listed(source: Path) -> None:
    for name in ("environment.yml", "credentials.py", "keys.sql", "env.py", "profiles.yml"):
        (source / name).write_text("x")
    assert len(workspace.files(source)) == len(CODE) + 5


def test_caches_virtual_environments_and_our_own_state_are_never_listed(source: Path) -> None:
    for folder in (".runmend", "__pycache__", ".venv", "node_modules", "lib/.ipynb_checkpoints"):
        (source / folder).mkdir()
        (source / folder / "x.py").write_text("x")
    (source / "myenv").mkdir()
    (source / "myenv" / "pyvenv.cfg").write_text("x")
    state = source / "state"
    state.mkdir()
    (state / ".gitignore").write_text("*\n")
    (state / "journal.py").write_text("x")
    assert workspace.files(source) == CODE


def test_data_folders_are_left_out_and_like_named_ones_are_not(source: Path) -> None:
    for path in ("data/big.csv", "lib/raw/x.csv", "database/model.sql"):
        (source / path).parent.mkdir(exist_ok=True)
        (source / path).write_text("x")
    found = workspace.files(source, leave_out=["data/", "./lib/raw", "."])
    assert found == ("database/model.sql", *CODE)


def test_links_are_followed_inside_the_source_only(source: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x.py").write_text("x")
    (source / ".env").write_text("SECRET=1")
    (source / "data").mkdir()
    (source / "data" / "d.csv").write_text("x")
    links = {
        "inside.py": "transform.py",
        "libs": "lib",
        "up": ".",
        "out.py": "../outside.py",
        "absolute": str(tmp_path / "folder"),
        "dangling": "nowhere",
        "circle": "circle",
        "settings": ".env",
        "rows.csv": "data/d.csv",
    }
    for name, target in links.items():
        (source / name).symlink_to(target)
    found = workspace.files(source, leave_out=["data"])
    assert {"inside.py", "libs/tool.py"} < set(found)
    assert not {"out.py", "absolute/x.py", "dangling", "circle", "settings", "rows.csv"} & set(
        found
    )


def test_pipes_and_sockets_are_skipped(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(source / "pipe")
    monkeypatch.chdir(source)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket")
    assert workspace.files(source) == CODE


def test_too_much_is_refused_with_the_largest_folders(source: Path) -> None:
    (source / "rows").mkdir()
    with (source / "rows" / "huge.bin").open("wb") as file:
        file.truncate(listing.MAX_BYTES)
    with pytest.raises(UsageError, match=r"256 MiB .*most of it: rows, .*`data:`"):
        workspace.files(source)


def test_a_name_that_is_not_utf_8_is_a_clear_error(source: Path) -> None:
    (source / os.fsdecode(b"caf\xe9.py")).write_text("x")
    with pytest.raises(UsageError, match="is not UTF-8; rename it"):
        workspace.files(source)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_repository_of_somebody_else_is_not_run_but_explained(repository: Path) -> None:
    os.chown(repository, 12345, 12345)
    with pytest.raises(UsageError, match=r"dubious ownership.*safe\.directory"):
        workspace.files(repository)
