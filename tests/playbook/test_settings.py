"""Where state and cache are, the kill switch, network disks."""

import os
import subprocess
from pathlib import Path

import pytest

from agent import settings
from agent.errors import UsageError
from agent.playbook import Playbook


def test_the_nearest_state_folder_upwards_is_used(tmp_path: Path) -> None:
    (tmp_path / ".runmend").mkdir()
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert settings.state_folder(cwd=inner, env={}) == tmp_path / ".runmend"


def test_a_flag_wins_over_the_environment_and_that_over_the_search(tmp_path: Path) -> None:
    (tmp_path / ".runmend").mkdir()
    env = {"RUNMEND_STATE": "from-env"}
    assert settings.state_folder(cwd=tmp_path, env=env) == tmp_path / "from-env"
    assert settings.state_folder(Path("flag"), cwd=tmp_path, env=env) == tmp_path / "flag"


def test_asking_where_the_state_folder_is_makes_nothing(tmp_path: Path) -> None:
    assert settings.state_folder(cwd=tmp_path, env={}).name == ".runmend"
    assert list(tmp_path.iterdir()) == []


def test_a_new_state_folder_is_private_and_unseen_by_git(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    state = settings.open_state(tmp_path / ".runmend")
    assert settings.open_state(state) == state
    assert state.stat().st_mode & 0o777 == 0o700
    (state / "journal").write_text("x")
    status = ["git", "-C", str(tmp_path), "status", "--porcelain"]
    assert subprocess.run(status, capture_output=True, check=True).stdout == b""


def test_a_state_folder_that_is_a_file_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("x")
    with pytest.raises(UsageError, match="cannot be used"):
        settings.open_state(tmp_path / "state")


def test_the_cache_follows_the_environment(tmp_path: Path) -> None:
    assert settings.cache_folder({"RUNMEND_CACHE": str(tmp_path / "c")}) == tmp_path / "c"
    assert settings.cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "runmend"
    assert (tmp_path / "runmend").stat().st_mode & 0o777 == 0o700


def test_without_a_kill_switch_changes_are_allowed(tmp_path: Path) -> None:
    assert settings.read_only(tmp_path, {}) is None
    assert settings.read_only(tmp_path, {"RUNMEND_READ_ONLY": "0"}) is None


@pytest.mark.parametrize("said", ["1", "true", "yes", "whatever"])
def test_the_variable_switches_changes_off(tmp_path: Path, said: str) -> None:
    assert "RUNMEND_READ_ONLY" in (settings.read_only(tmp_path, {"RUNMEND_READ_ONLY": said}) or "")


def test_the_file_switches_changes_off_also_as_a_dangling_link(tmp_path: Path) -> None:
    (tmp_path / "READ_ONLY").symlink_to("nowhere")
    assert "is on" in (settings.read_only(tmp_path, {}) or "")


def test_a_state_folder_that_cannot_be_read_means_read_only(tmp_path: Path) -> None:
    assert "gone" in (settings.read_only(tmp_path / "gone", {}) or "")
    (tmp_path / "file").write_text("")
    assert "no folder" in (settings.read_only(tmp_path / "file", {}) or "")
    assert "cannot be read" in (settings.read_only(tmp_path / "file" / "x", {}) or "")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert "cannot be read" in (settings.read_only(loop, {}) or "")


def test_a_local_disk_is_no_network_disk(tmp_path: Path) -> None:
    assert settings.network_disk(tmp_path) is None


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:40 / /home/a\\040b rw shared:2 master:1 - nfs4 server:/home rw
41 22 0:41 / /mnt/s rw - fuse.sshfs host:/ rw
42 41 8:2 / /mnt/s/local rw - xfs /dev/sdb1 rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/a b/x/y", "nfs4"),
        ("/mnt/s", "fuse.sshfs"),
        ("/mnt/s/local/x", None),
        ("/mnt/second", None),
        ("/", None),
    ],
)
def test_a_network_disk_is_known_by_its_nearest_mount(path: str, kind: str | None) -> None:
    assert settings.network_kind(Path(path), settings.mounts(MOUNTS)) == kind


def test_every_variable_that_overrides_names_a_key_of_the_playbook() -> None:
    for name, variable in settings.VARIABLES.items():
        assert name.startswith("RUNMEND_")
        assert variable.meaning
        properties = Playbook.model_json_schema()
        for part in (variable.key or "").split(".") if variable.key else []:
            ref = properties.get("$ref") or next(
                (o["$ref"] for o in properties.get("anyOf", ()) if "$ref" in o), None
            )
            if ref:
                properties = Playbook.model_json_schema()["$defs"][ref.rpartition("/")[2]]
            assert part in properties["properties"], f"{name}: no key {variable.key}"
            properties = properties["properties"][part]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_state_folder_of_somebody_else_is_used_only_when_named(tmp_path: Path) -> None:
    state = tmp_path / ".runmend"
    state.mkdir()
    os.chown(state, 12345, 12345)
    with pytest.raises(UsageError, match=r"belongs to another user .* --state"):
        settings.state_folder(cwd=tmp_path, env={})
    assert settings.state_folder(state, cwd=tmp_path, env={}) == state
