"""The user's own `databricks` command: found, its version looked at, run with bounds.

Rules kept here: it is never fetched, only called; `--auto-approve`, `--force` and `--force-lock`
are never given; it cannot ask anything (nothing on its standard input); it has ten minutes and a
bounded output; it is the identity that our own calls are; it gets no key of the model's; the
bundle's own code runs only where the playbook trusts it.
"""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

from agent import redaction
from agent.errors import UsageError
from agent.platforms.databricks.session import Session

OLDEST = (0, 278, 0)
"""The first release whose `bundle plan` can be read by a program."""
RESTRICTED = "DATABRICKS_BUNDLE_RESTRICTED_CODE_EXECUTION"
_TIMEOUT_S = 600.0
_MAX_BYTES = 64 << 20
_GRACE_S = 15.0
_LOOK_S = 0.5
_VERSION = re.compile(r"\bv?(\d+)\.(\d+)\.(\d+)")
_WITHHELD = re.compile(r"ANTHROPIC_.*|CLAUDE_.*|AWS_BEARER_TOKEN_BEDROCK")
_FORBIDDEN = ("--auto-approve", "--force", "--force-lock")


class Output(NamedTuple):
    """What the command left behind."""

    code: int
    """Exit code; negative = the signal that ended it."""
    out: str
    err: str
    late: bool = False
    """True where it was stopped because it took or wrote too much."""


class Command:
    """The command of one case; its version is looked at before it is used first."""

    def __init__(self, session: Session, timeout_s: float = _TIMEOUT_S) -> None:
        self._session = session
        self._timeout_s = timeout_s
        self._words = session.book.databricks.command
        self._version: tuple[int, ...] | None = None

    def options(self) -> list[str]:
        """Return the target, profile and variables that every call gets."""
        book = self._session.book
        words = ["-t", book.target] if book.target else []
        if self._session.api.auth.profile:
            words += ["-p", self._session.api.auth.profile]
        for name, value in book.databricks.variables.items():
            words += ["--var", f"{name}={value}"]
        return words

    def printed(self, *arguments: str, folder: str) -> str:
        """Return the line a person may run; a secret among the variables is masked in it."""
        line = shlex.join([*self._words, *arguments, *self.options()])
        return redaction.mask(f"cd {shlex.quote(folder)} && {line}")

    def bundle(self, tree: str, *arguments: str) -> Output:
        """Run `bundle ...` in a folder.

        Raises `UsageError` where the command is missing or older than 0.278.
        """
        if any(word in _FORBIDDEN for word in arguments):
            raise ValueError(f"never given by us: {arguments}")
        self._check()
        return self._run(["bundle", *arguments, *self.options()], tree)

    def version(self) -> str:
        """Return the version. Raises `UsageError` where it is missing or older than 0.278."""
        self._check()
        return ".".join(map(str, self._version or ()))

    def _check(self) -> None:
        """Look at the version, once."""
        if self._version is not None:
            return
        if any(word in _FORBIDDEN for word in self._words):
            raise UsageError(
                f"databricks.command holds one of {', '.join(_FORBIDDEN)}; what they allow only a "
                "person may do: leave them out"
            )
        if shutil.which(self._words[0]) is None:
            raise UsageError(
                f"the command {self._words[0]!r} is not there, and a bundle needs it: install the "
                "Databricks CLI (docs.databricks.com/dev-tools/cli/install), name yours under "
                "`databricks: command:` in the playbook, or use job.file instead of job.bundle"
            )
        said = self._run(["--version"], str(Path.cwd()))
        found = _VERSION.search(said.out + said.err)
        if said.code != 0 or found is None:
            words = " ".join((said.out + said.err).split())[:200] or "nothing"
            raise UsageError(
                f"`{shlex.join([*self._words, '--version'])}` says no version ({words}); name the "
                "Databricks CLI under `databricks: command:` in the playbook"
            )
        version = tuple(int(part) for part in found.groups())
        if version < OLDEST:
            shown, oldest = (".".join(map(str, v)) for v in (version, OLDEST))
            raise UsageError(
                f"{self._words[0]} is version {shown}; runmend needs {oldest} or newer: upgrade "
                "it, or name another under `databricks: command:` in the playbook"
            )
        self._version = version

    def _environment(self) -> dict[str, str]:
        given = self._session.api.auth.environment()
        env = {name: value for name, value in given.items() if not _WITHHELD.fullmatch(name)}
        if self._session.book.databricks.trust_code:
            env.pop(RESTRICTED, None)
        else:
            env[RESTRICTED] = "1"
        return env

    def _run(self, arguments: Sequence[str], folder: str) -> Output:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(  # noqa: S603  the user's own command, without a shell
                [*self._words, *arguments],
                cwd=folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
            late = True
            try:
                late = not _finished(process, self._timeout_s, out, err)
            finally:
                _stop(process)
            return Output(process.returncode, _read(out), _read(err), late)


def _finished(process: "subprocess.Popen[bytes]", timeout_s: float, *outputs: IO[bytes]) -> bool:
    """Wait for the end; False where it takes too long or writes too much."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(min(_LOOK_S, timeout_s))
            return True
        if any(os.fstat(o.fileno()).st_size > _MAX_BYTES for o in outputs):
            return False
    return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End what still runs: asked first, because a deployment holds a lock that it gives back."""
    if process.poll() is not None:
        return
    for number in (signal.SIGINT, signal.SIGKILL):  # the second also for what it left behind
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)


def _read(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read(_MAX_BYTES).decode("utf-8", "replace")
