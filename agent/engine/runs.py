"""Start, attach to, watch and stop runs, from the outside.

A run is its folder. What is written there decides, never who asks: the same key finds the same run,
alive or ended, from any process, as often as one likes.
"""

import contextlib
import fcntl
import importlib.util
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from agent.engine import processes, request
from agent.engine.attempt import hide_secrets
from agent.engine.processes import Group, Mark
from agent.engine.request import Request
from agent.errors import Unavailable

_START_S = 60.0
_CANCEL_S = 60.0
_SCRIPT = Path(__file__).with_name("claim.py")
_KEPT = ("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "USER", "LOGNAME", "SHELL")
_KEPT_PATTERN = re.compile(
    r"LC_[A-Z]+|(HTTP|HTTPS|FTP|ALL|NO)_PROXY|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL|AWS)_CA_BUNDLE"
    r"|NODE_EXTRA_CA_CERTS|PIP_CERT",
    re.IGNORECASE,
)


class Seen(NamedTuple):
    """A run as its folder tells it."""

    state: str
    """running | succeeded | failed | cancelled | lost"""
    native: str
    tasks: dict[str, dict[str, Any]]
    values: dict[str, dict[str, Any]]


def environment(pass_env: tuple[str, ...], outside: Mapping[str, str]) -> dict[str, str]:
    """Return the variables a task gets: where it is, how to reach the network, what it asked for.

    Nothing else of the user's environment: no token that the job did not name.
    """
    kept = {
        name: value
        for name, value in outside.items()
        if name in _KEPT or _KEPT_PATTERN.fullmatch(name) or name in pass_env
    }
    return {"PATH": os.defpath} | kept | {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def start(folder: Path, wanted: Request, env: dict[str, str]) -> Request:
    """Start the run of this folder, or attach to the one it has; return what it was asked to do.

    Raises `Unavailable` where its supervisor did not come up; nothing runs then.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    asked = request.load(folder)
    if asked is None:
        asked = wanted._replace(paths=(_home_of("psutil"),))
        if not request.save_first(folder / "request.json", request.as_json(asked)):
            asked = request.load(folder) or asked  # somebody else was first, and theirs is run
    if not (folder / "claim").exists():
        _spawn(folder, env)
    return asked


def _spawn(folder: Path, env: dict[str, str]) -> None:
    reading, writing = os.pipe()
    argv = [sys.executable, "-I", "-S", str(_SCRIPT), str(folder), str(writing)]
    log = folder / "supervisor.log"
    try:
        try:
            with log.open("ab") as out:
                process = subprocess.Popen(  # noqa: S603  our own script
                    argv,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    pass_fds=[writing],
                )
        finally:
            os.close(writing)
        # The other end is closed once the run is claimed, or nothing will come.
        claimed, _, _ = select.select([reading], [], [], _START_S)
        if not claimed:
            process.kill()
        process.wait()
    finally:
        os.close(reading)
    if not claimed:
        raise Unavailable(f"the run did not start within {_START_S:.0f} s")
    if not (folder / "claim").exists():
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise Unavailable(f"the run did not start: {said[-1] if said else 'no word why'}; {log}")


def _home_of(module: str) -> str:
    """Return the folder that a package is imported from, without importing it."""
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        raise Unavailable(f"the Python package {module} is not installed beside runmend")
    return str(Path(found.origin).parent.parent)


def alive(folder: Path) -> bool:
    """Say whether the run's supervisor lives: its lock goes with it, however it dies."""
    try:
        fd = os.open(folder / "claim", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def look(folder: Path) -> Seen:
    """Return how the run is doing; never waits for it.

    A run whose supervisor died without a word is lost, once nothing of it lives any more: what is
    left of it is killed first. Raises `Unavailable` where that fails, and where there is no run.
    """
    # Whether it lives is asked first: it may end between the two questions.
    living = alive(folder)
    for name in ("end.json", "lost.json"):
        if (end := request.read(folder / name)) is not None:
            return Seen(end["state"], end["native"], end["tasks"], end["values"])
    asked = request.load(folder)
    if asked is None:
        raise Unavailable(f"there is no run in {folder}")
    status = request.read(folder / "status.json") or {"tasks": {}}
    tasks = {spec.task: {"state": "pending", "attempt": 0} for spec in asked.tasks}
    tasks |= status["tasks"]
    if living:
        return Seen("running", "RUNNING", tasks, {})
    if not (folder / "claim").exists():
        return Seen("running", "PENDING", tasks, {})
    return _lose(folder, asked, tasks)


def _lose(folder: Path, asked: Request, tasks: dict[str, dict[str, Any]]) -> Seen:
    groups = tuple(Group(*t["group"]) for t in tasks.values() if t.get("group"))
    if not processes.end(Mark(asked.mark, groups=groups), grace_s=asked.grace_s):
        raise Unavailable(f"processes of run {asked.run} cannot be ended; they may still write")
    for key, task in tasks.items():
        if task["state"] == "running" or (task["state"] == "pending" and task["attempt"]):
            task.update(state="failed", lost=True, ended_at=time.time())
            task["message"] = (
                f"the run's supervisor died {_words(folder)}; its processes were ended"
            )
        elif task["state"] == "pending":
            task.update(state="upstream_failed", message="the run was lost before this task began")
        tasks[key] = task
    attempts = {key: folder / "tasks" / key / str(task["attempt"]) for key, task in tasks.items()}
    for place in attempts.values():
        hide_secrets(place)
    values = {key: request.task_values(place) for key, place in attempts.items()} | asked.values
    seen = Seen("failed", "LOST", tasks, values)
    request.save(folder / "lost.json", seen._asdict(), durable=True)
    return seen


def _words(folder: Path) -> str:
    """Return what the supervisor said last, as far as it said anything."""
    try:
        said = (folder / "supervisor.log").read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        said = []
    words = [line.strip() for line in said if line.strip()]
    return f"({words[-1]})" if words else "without a word"


def cancel(folder: Path) -> Seen:
    """Stop the run and return how it ended, once nothing of it lives.

    Raises `Unavailable` where it does not end in time: something may still write.
    """
    import psutil

    seen = look(folder)
    if seen.state != "running":
        return seen
    (folder / "cancel").touch()
    if _never_began(folder):
        for task in seen.tasks.values():
            task.update(state="cancelled", message="the run was cancelled before it began")
        ended = Seen("cancelled", "CANCELED", seen.tasks, {})
        request.save(folder / "end.json", ended._asdict(), durable=True)
        return ended
    claim = request.read(folder / "claim")
    with contextlib.suppress(psutil.NoSuchProcess):
        try:
            if alive(folder):
                psutil.Process(claim["pid"]).wait(timeout=_CANCEL_S)
        except psutil.TimeoutExpired as slow:
            said = f"run {folder.name} has not ended {_CANCEL_S:.0f} s after it was asked to"
            raise Unavailable(said) from slow
    return look(folder)


def _never_began(folder: Path) -> bool:
    """Claim a run that nobody has claimed, so that nobody ever starts it."""
    try:
        with (folder / "claim").open("x", encoding="utf-8") as out:
            out.write('{"pid": 0}')
    except FileExistsError:
        return False
    return True
