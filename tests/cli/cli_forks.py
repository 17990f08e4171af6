"""`runmend` as a process of its own that need not start from nothing: most of a command's processor
time is Python reading modules, and the tests run hundreds of commands.

A server that has read them forks for each command: its own process, working directory, environment,
pipes and exit code, and `agent.cli.main` as the installed script calls it. What starts, runs on a
terminal or is killed is tested with the script itself (`cli_stage.RUNMEND`).
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

_LENGTH = 8
"""Digits before each request: how many bytes it has."""
_MODULES = (
    "agent.approvals",
    "agent.cases",
    "agent.cli",
    "agent.code.products",
    "agent.console",
    "agent.effects",
    "agent.fixers.missing_dependency",
    "agent.fixers.relative_path",
    "agent.matrix",
    "agent.model",
    "agent.platforms.local",
    "agent.redaction.detectors",
    "agent.report",
    "agent.workspace",
    "anthropic",
    "httpx2",
    "pathspec",
    "re2",
    "sqlglot",
    "yaml",
)
"""What most commands read, or a few that take long to read."""


class Forks:
    """The server, from the side of the tests; it ends when they do."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        self._asking = threading.Lock()
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def run(
        self,
        words: Sequence[str],
        *,
        given: bytes,
        cwd: Path,
        env: Mapping[str, str],
        timeout_s: int,
    ) -> tuple[int, bytes, bytes]:
        """Run a command to its end; return its exit code, stdout and stderr.

        After `timeout_s` it is killed: the code is -9.
        """
        pipes = [os.pipe() for _ in range(4)]
        (their_in, given_to), (out, their_out), (err, their_err), (ended, tells) = pipes
        theirs = [their_in, their_out, their_err, tells]
        request = json.dumps([list(words), str(cwd), dict(env), timeout_s]).encode()
        with self._asking:
            socket.send_fds(self._ours, [str(len(request)).zfill(_LENGTH).encode()], theirs)
            self._ours.sendall(request)
        for end in theirs:
            os.close(end)
        with ThreadPoolExecutor(3) as pool:
            read = [pool.submit(_read, end) for end in (out, err, ended)]
            with contextlib.suppress(BrokenPipeError), os.fdopen(given_to, "wb") as stdin:
                stdin.write(given)
            said, told, code = (answer.result() for answer in read)
        return int(code or b"1"), said, told

    def close(self) -> None:
        """End the server."""
        self._ours.close()
        self._server.wait()


@cache
def forks() -> Forks:
    """Return the server of this process, started at the first use."""
    made = Forks()
    atexit.register(made.close)
    return made


def _read(end: int) -> bytes:
    with os.fdopen(end, "rb") as pipe:
        return pipe.read()


def _serve(control: socket.socket) -> None:
    """Fork for each request until nobody can send one."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that no ended process is waited for
    while True:
        length, ends, _, _ = socket.recv_fds(control, _LENGTH, 4)
        if not length:
            return
        request = control.recv(int(length), socket.MSG_WAITALL)
        if os.fork() == 0:
            control.close()
            _keep(request, ends)
        for end in ends:
            os.close(end)


def _keep(request: bytes, ends: list[int]) -> None:
    """Wait for the command, in a process of its own so that several may run; tell how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    words, cwd, env, timeout_s = json.loads(request)
    *standard, tells = ends
    command = os.fork()
    if command == 0:
        os.close(tells)
        _become(words, cwd, env, standard)
    for end in standard:
        os.close(end)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(command, signal.SIGKILL))
    signal.alarm(timeout_s)
    code = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
    os.write(tells, str(code).encode())
    os._exit(0)


def _become(words: list[str], cwd: str, env: dict[str, str], standard: list[int]) -> None:
    try:
        for number, end in enumerate(standard):
            os.dup2(end, number)
            os.close(end)
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        sys.argv = words
        from agent import cli

        cli.main()
    except BaseException:  # noqa: BLE001  a forked child must not return
        traceback.print_exc()
    finally:
        os._exit(1)


def _load() -> None:
    """Read what commands read."""
    for name in _MODULES:
        importlib.import_module(name)
    importlib.import_module("agent.matrix").load().diagnose_text("all is well", "nowhere")
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    _load()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    os._exit(0)  # nothing was kept that is worth taking apart
