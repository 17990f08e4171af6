"""One attempt at one task: a process, its output, its end.

Nothing here waits: the supervisor calls `read` when there is output and `tick` now and then. An
attempt is done when its first process and everything that came from it have ended and the
output is written; what a task leaves running is ended with it.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Literal

from agent.engine import processes
from agent.engine.capture import Capture
from agent.engine.processes import Group, Mark
from agent.engine.request import save

_CHUNK = 256 * 1024
_PIPE = 1024 * 1024
_DRAIN_S = 1.0
_LEFTOVER_GRACE_S = 1.5
_LINGER_S = 1.0
"""How long before being killed a left-over process is asked to end."""

Stop = Literal["timed_out", "cancelled"]


class Attempt:
    """A running attempt; `outcome` is there once it is done."""

    def __init__(self, folder: Path, mark: Mark, grace_s: float, timeout_s: float) -> None:
        self.folder = folder
        self.outcome: dict[str, Any] | None = None
        """`code` (negative = signal), `reason` (`exited`, `timed_out`, `cancelled`), `leftover`."""
        self.group: Group | None = None
        self.printed_value = True
        """Whether the last line of output, when it is a JSON object, is the exit value."""
        self._mark = mark
        self._grace_s = grace_s
        self._deadline = time.monotonic() + timeout_s if timeout_s else None
        self._stop: Stop | None = None
        self._kill_at: float | None = None
        self._drain_until: float | None = None
        self._leftover = 0
        self._open: dict[int, Capture] = {}
        self._out = Capture(folder / "stdout")
        self._err = Capture(folder / "stderr")

    def start(self, argv: list[str], cwd: str, env: dict[str, str]) -> str | None:
        """Start the process; return why it could not be started, None where it was."""
        try:
            self._process = subprocess.Popen(  # noqa: S603  # the job's own command is what runs here
                argv,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return f"{argv[0]} could not be started: {error}"
        self.group = Group(self._process.pid, None)
        for stream, capture in (
            (self._process.stdout, self._out),
            (self._process.stderr, self._err),
        ):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
                _widen(stream.fileno())
                self._open[stream.fileno()] = capture
        return None

    @property
    def fds(self) -> tuple[int, ...]:
        """The file descriptors that may have output."""
        return tuple(self._open)

    @property
    def step(self) -> str | None:
        """The last `[Step N/M]` line printed so far."""
        found = self._out.step or self._err.step
        return found.decode("utf-8", "replace").strip() if found else None

    def read(self, fd: int) -> bool:
        """Take what can be read now; return False when the stream has ended."""
        try:
            chunk = os.read(fd, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            chunk = b""
        if chunk:
            self._open[fd].feed(chunk)
            return True
        del self._open[fd]
        return False

    def stop(self, why: Stop) -> None:
        """Ask the task to end; it is killed when it does not within the grace period."""
        if self._stop is None and self._process.poll() is None:
            self._stop = why
            self._kill_at = time.monotonic() + self._grace_s
            self._signal(signal.SIGTERM, None)

    def tick(self, adopted_by: int | None) -> None:
        """Move on: time-out, kill, left-over children, end. Sets `outcome` when all is over."""
        now = time.monotonic()
        if self._process.poll() is None:
            if self._deadline is not None and now >= self._deadline:
                self.stop("timed_out")
            if self._kill_at is not None and now >= self._kill_at:
                self._signal(signal.SIGKILL, None)
            return
        if self._drain_until is None and self._clear(now, adopted_by):
            self._drain_until = now + _DRAIN_S
        if self._drain_until is not None and (not self._open or now >= self._drain_until):
            self._finish()

    def _clear(self, now: float, adopted_by: int | None) -> bool:
        """End what the first process left behind; return whether nothing is left.

        Some of it ends by itself a moment later (multiprocessing's resource tracker).
        """
        left = processes.find(self._groups(), adopted_by)
        if not left:
            return True
        if self._kill_at is None:
            self._kill_at = now + _LEFTOVER_GRACE_S
        if self._stop is None and not self._leftover and now >= self._kill_at - _LINGER_S:
            self._leftover = len(left)
            processes.send(left, signal.SIGTERM)
        if now >= self._kill_at:
            processes.send(left, signal.SIGKILL)
        return False

    def _groups(self) -> Mark:
        return self._mark._replace(groups=(self.group,) if self.group else ())

    def _signal(self, number: int, adopted_by: int | None) -> None:
        processes.send(processes.find(self._groups(), adopted_by), number)

    def _finish(self) -> None:
        self._out.close()
        self._err.close()
        hide_secrets(self.folder)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        code = self._process.returncode
        self.outcome = {"code": code, "reason": self._stop or "exited", "leftover": self._leftover}
        if self.printed_value and (found := _object(self._out.last.text)) is not None:
            from agent.redaction import mask_json

            save(self.folder / "value.json", mask_json(found))
        save(self.folder / "exit.json", self.outcome)


def hide_secrets(folder: Path) -> None:
    """Mask what a task printed, in its files: they are kept, and people are pointed to them."""
    for name in ("stdout", "stderr"):
        path = folder / name
        if not path.exists():
            continue
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        if not text.strip():
            continue
        from agent.redaction import mask

        masked = mask(text)
        if masked != text:
            aside = path.with_name(f".{name}")
            aside.write_bytes(masked.encode("utf-8", "surrogateescape"))
            aside.replace(path)


def _object(line: str) -> dict[str, Any] | None:
    """Return the JSON object that a line is, None for anything else."""
    if not (line.startswith("{") and line.endswith("}")):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _widen(fd: int) -> None:
    """Give a pipe a larger buffer where the system can (Linux)."""
    import fcntl

    number = getattr(fcntl, "F_SETPIPE_SZ", None)
    if number is not None:
        try:
            fcntl.fcntl(fd, number, _PIPE)
        except OSError:
            return
