"""Where runmend keeps things, what the environment may say, and the kill switch.

In doubt about the kill switch nothing may be changed: whatever cannot be read means read-only.
"""

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from agent.errors import Unauthorized, UsageError


class Variable(NamedTuple):
    """What an environment variable of ours means."""

    meaning: str
    key: str | None = None
    """The playbook key it overrides; a flag wins over it."""


VARIABLES: Mapping[str, Variable] = MappingProxyType(
    {
        "RUNMEND_MODE": Variable("observe, suggest, approve or auto", "approve.mode"),
        "RUNMEND_TARGET": Variable("the target to work on", "target"),
        "RUNMEND_MODEL": Variable("the model's id, or none", "model.id"),
        "RUNMEND_MODEL_PROVIDER": Variable("anthropic, bedrock or vertex", "model.provider"),
        "RUNMEND_MODEL_BASE_URL": Variable("address of the model service", "model.base_url"),
        "RUNMEND_DEADLINE": Variable("how long one run may take, like 2h", "poll.deadline"),
        "RUNMEND_WALL_CLOCK": Variable("how long a case may take, like 4h", "limits.wall_clock"),
        "RUNMEND_STATE": Variable("the state folder; unsaid: the nearest .runmend/ upwards"),
        "RUNMEND_CACHE": Variable("the cache folder; unsaid: runmend/ in the user's cache folder"),
        "RUNMEND_MATRIX": Variable(
            "your own error matrix; unsaid: error_matrix.yaml in the state folder, if it is there"
        ),
        "RUNMEND_READ_ONLY": Variable("kill switch: set, nothing is changed anywhere; 0 = off"),
        "RUNMEND_LOG": Variable("log to stderr: debug, info, warning or error; unset = no log"),
    }
)
"""Every environment variable of ours; one that is set but empty counts as unset."""

STATE = ".runmend"
MATRIX = "error_matrix.yaml"
"""In the state folder: the entries that people have taken over from solved cases."""
KILL_SWITCH = "READ_ONLY"
"""A file of this name in the state folder switches every change off."""

_OFF = ("", "0", "false", "no", "off")
_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\w*|ncpfs|afpfs|afs|9pnet|webdav|davfs2?|ceph|lustre|gpfs|beegfs|glusterfs|gfs2"
    r"|ocfs2|fuse\.(sshfs|s3fs|rclone|gcsfuse|glusterfs|ceph|juicefs|blobfuse2?|goofys|davfs|smb\w*"
    r"|mount-s3|s3ql)"
)


def state_folder(
    given: Path | None = None,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] = os.environ,
) -> Path:
    """Return the absolute path of the state folder, which may not be there yet.

    Raises `UsageError` where the nearest `.runmend/` belongs to somebody else: whoever can write it
    could approve patches in our name.
    """
    if given is None and env.get("RUNMEND_STATE"):
        given = Path(env["RUNMEND_STATE"]).expanduser()
    here = (cwd or Path.cwd()).absolute()
    if given is not None:
        return here / given
    for folder in (here, *here.parents):
        found = folder / STATE
        if not found.is_dir():
            continue
        owner = found.stat().st_uid
        if owner not in (os.getuid(), 0):
            raise UsageError(
                f"the state folder {found} belongs to another user (uid {owner}); to use it all "
                f"the same, name it: --state {found}; or name one of your own"
            )
        return found
    return here / STATE


def own_matrix(given: Path | None, state: Path, env: Mapping[str, str] = os.environ) -> Path | None:
    """Return the user's own error matrix: as given, as the environment says, else the state's.

    None where there is none; one that is named need not be there, whoever reads it says so.
    """
    if given is not None:
        return given
    if env.get("RUNMEND_MATRIX"):
        return Path(env["RUNMEND_MATRIX"]).expanduser()
    found = state / MATRIX
    return found if found.is_file() else None


def open_state(path: Path) -> Path:
    """Make the state folder where it is not there: mode 0700, ignored by git. Return it.

    Raises `Unauthorized` where it may not be written, `UsageError` where it cannot be made or lies
    on a network disk.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignore = path / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"the state folder {path} cannot be used: {error.strerror or error}; "
            "name another with --state or RUNMEND_STATE"
        ) from error
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise Unauthorized(f"the state folder {path} is not writable; name another with --state")
    if (kind := network_disk(path)) is not None:
        raise UsageError(
            f"the state folder {path} is on a network disk ({kind}), where SQLite is not safe; "
            "name a folder on a local disk with --state or RUNMEND_STATE"
        )
    return path


def cache_folder(env: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for what can be made again (environments), made with mode 0700."""
    if env.get("RUNMEND_CACHE"):
        path = Path(env["RUNMEND_CACHE"]).expanduser().absolute()
    else:
        # The standard says to ignore a relative path:
        # https://specifications.freedesktop.org/basedir-spec/latest/
        base = Path(env.get("XDG_CACHE_HOME") or "")
        path = (base if base.is_absolute() else Path.home() / ".cache") / "runmend"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"the cache folder {path} cannot be made: {error.strerror or error}; "
            "name another with RUNMEND_CACHE"
        ) from error
    return path


def read_only(state: Path, env: Mapping[str, str] = os.environ) -> str | None:
    """Return why nothing may be changed now, or None. What cannot be read means read-only."""
    said = env.get("RUNMEND_READ_ONLY", "").strip()
    if said.lower() not in _OFF:
        return f"the kill switch is on (RUNMEND_READ_ONLY={said})"
    switch = state / KILL_SWITCH
    try:
        if not stat.S_ISDIR(state.stat().st_mode):
            return f"the kill switch cannot be read: {state} is no folder"
        switch.lstat()
    except FileNotFoundError:
        if state.is_dir():
            return None
        return f"the kill switch cannot be read: the state folder {state} is gone"
    except OSError as error:
        return f"the kill switch {switch} cannot be read: {error.strerror or error}"
    return f"the kill switch is on (the file {switch} is there)"


def network_disk(path: Path) -> str | None:
    """Return the file system's type where `path` is on a network disk, else None."""
    return network_kind(Path(os.path.realpath(path)), _mounts())


def network_kind(path: Path, there: Mapping[str, str]) -> str | None:
    """Return the type of the mount that holds `path` where that is a network's, else None."""
    nearest = next((str(f) for f in (path, *path.parents) if str(f) in there), None)
    kind = there[nearest] if nearest is not None else ""
    return kind if _NETWORK.fullmatch(kind.lower()) else None


def _mounts() -> dict[str, str]:
    """Return mount point: file system type; a later mount hides an earlier one."""
    try:
        text = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        import psutil

        return {p.mountpoint: p.fstype for p in psutil.disk_partitions(all=True)}
    return mounts(text)


def mounts(mountinfo: str) -> dict[str, str]:
    """Read the text of /proc/self/mountinfo: mount point: file system type.

    Source: https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
    """
    found: dict[str, str] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        if len(fields := before.split(" ")) > 4 and after:
            point = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), fields[4])
            found[point] = after.split(" ")[0]
    return found
