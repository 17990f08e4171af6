"""End processes for certain: a task's whole tree, its daemons and what left its group included.

A process belongs to a task when its environment carries the task's mark, when it is in the task's
process group or session, or when it descends from one that does. A dead process that nobody has
waited for is dead. psutil is imported where it is first needed: it costs more than a whole start.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import psutil

RUN = "RUNMEND_RUN"
TASK = "RUNMEND_TASK"
"""Environment variables that mark a task's processes: the run's key, the task's key."""


_ROUNDS = 20


class Group(NamedTuple):
    """A process group (and session) that a task's first process leads."""

    pid: int
    created: float | None
    """Start time of the leader as psutil gives it; None where it was not seen."""


class Mark(NamedTuple):
    """What tells a run's processes, or one task's, from all others."""

    run: str
    """A word that no other run has."""
    task: str | None = None
    groups: tuple[Group, ...] = ()


def adopt_orphans() -> None:
    """Make this process the parent of its descendants' orphans (Linux; elsewhere nothing).

    Source: https://man7.org/linux/man-pages/man2/pr_set_child_subreaper.2const.html
    """
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def created(pid: int) -> float | None:
    """Return when a process started, or None where it is gone."""
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def find(mark: Mark, adopted_by: int | None = None) -> "list[psutil.Process]":
    """Return the living processes that belong to `mark`, parents before children.

    `adopted_by`: a process whose unmarked children are orphans of ours too (see `adopt_orphans`).
    """
    import psutil

    ours: dict[int, psutil.Process] = {}
    everyone = list(psutil.process_iter())
    parents = {process.pid: _parent(process) for process in everyone}
    groups = {group.pid for group in mark.groups if _still(group)}
    own = {os.getpid(), adopted_by}
    for process in everyone:
        if process.pid not in own and (_in_group(process.pid, groups) or _carries(process, mark)):
            ours[process.pid] = process
    grew = True
    while grew:
        grew = False
        for process in everyone:
            parent = parents[process.pid]
            if process.pid in own or process.pid in ours:
                continue
            if parent in ours or (parent == adopted_by and _orphan(process)):
                ours[process.pid] = process
                grew = True
    return [p for p in ours.values() if _lives(p)]


def _parent(process: "psutil.Process") -> int | None:
    import psutil

    try:
        return process.ppid()
    except psutil.Error:
        return None


def _still(group: Group) -> bool:
    """Say whether a group's number still means that group: its leader lives, or no one has it."""
    now = created(group.pid)
    return now is None or group.created is None or abs(now - group.created) < 1.0


def _in_group(pid: int, groups: set[int]) -> bool:
    if not groups:
        return False
    try:
        return os.getpgid(pid) in groups or os.getsid(pid) in groups
    except OSError:
        return False


def _carries(process: "psutil.Process", mark: Mark) -> bool:
    import psutil

    try:
        environment = process.environ()
    except (psutil.Error, OSError):
        return False
    return environment.get(RUN) == mark.run and mark.task in (None, environment.get(TASK))


def _orphan(process: "psutil.Process") -> bool:
    """Say whether a child of the supervisor was adopted: its own children carry a mark."""
    import psutil

    try:
        return RUN not in process.environ()
    except psutil.AccessDenied:
        return True
    except (psutil.Error, OSError):
        return False


def _lives(process: "psutil.Process") -> bool:
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def send(found: "Iterable[psutil.Process]", number: int) -> None:
    """Send a signal to each; one that is gone already is no error."""
    import psutil

    for process in found:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def end(mark: Mark, *, grace_s: float, adopted_by: int | None = None) -> bool:
    """Terminate all of `mark`, after `grace_s` kill; return whether nothing of it lives.

    A tree may fork while it is being killed: it is looked for again until it is not there. Not for
    a process whose exit status somebody else waits for.
    """
    import psutil

    found = find(mark, adopted_by)
    if not found:
        return True
    send(found, signal.SIGTERM)
    psutil.wait_procs(found, timeout=grace_s)
    for _ in range(_ROUNDS):
        found = find(mark, adopted_by)
        if not found:
            return True
        send(found, signal.SIGKILL)
        psutil.wait_procs(found, timeout=0.5)
    return not find(mark, adopted_by)
