"""A job folder, a state folder of its own, and the command line as a real process."""

import json
import os
import pty
import select
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from cli_forks import forks

RUNMEND = Path(sys.executable).with_name("runmend")
PATIENCE_S = 30.0
"""How long anything may take before a test gives up."""

UNKNOWN = "raise RuntimeError('the flux of the moon is at odds with the tide')\n"
"""A failure that no matrix entry knows."""
TRANSIENT = (
    "import os, pathlib\n"
    "seen = pathlib.Path('data/tries')\n"
    "tries = int(seen.read_text()) if seen.exists() else 0\n"
    "seen.write_text(str(tries + 1))\n"
    "if tries < FAILS:\n"
    "    raise RuntimeError('the tide is out')\n"
)
"""A failure that a rerun cures, the first FAILS times."""
SLOW = (
    "import os, pathlib, time\n"
    "with open('data/starts', 'a') as log:\n"
    "    log.write(f\"{os.environ['RUNMEND_RUN']} {os.getpid()}\\n\")\n"
    "while not pathlib.Path('data/go').exists():\n"
    "    time.sleep(0.02)\n"
)
"""A task that runs until somebody makes `data/go`."""
LOST_FILE = {"data/in.csv": "amount\n1\n", "one.py": "print(open('in.csv').read())\n"}
"""A wrong relative path, which the fixer relative_path mends; the task only reads."""
COLUMN = {
    "data/in.csv": "amount,day\n1,2\n3,4\n",
    "total.sql": "create or replace table totals as select sum(amuont) as total from "
    "read_csv('data/in.csv');\n",
}
"""A misspelt column, which the fixer rename_column mends."""


class Done(NamedTuple):
    """An ended command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout; anything beside it is an error."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


class Stage(NamedTuple):
    """Where one test plays."""

    root: Path
    cache: Path

    @property
    def job(self) -> Path:
        """The job's folder: the source."""
        return self.root / "job"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def book(self) -> Path:
        """The playbook, outside the source."""
        return self.root / "book.yaml"

    def write(self, files: Mapping[str, str], folder: Path | None = None) -> None:
        """Write files into the job's folder, or another."""
        for name, text in files.items():
            file = (folder or self.job) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def lay(self, *tasks: str | dict[str, Any], files: Mapping[str, str], **book: Any) -> Path:
        """Write a job of scripts that run one after the other, and its playbook; return that.

        A task is the script's name without `.py`, or a task as a job file has it.
        """
        rows: list[dict[str, Any]] = []
        for task in tasks:
            row = dict(task) if isinstance(task, dict) else script(task)
            if rows and "depends_on" not in row:
                row["depends_on"] = [{"task_key": rows[-1]["task_key"]}]
            rows.append(row)
        declared = {"name": "nightly", "data": ["data"], "database": "data/db.duckdb"}
        (self.job / "data").mkdir(parents=True, exist_ok=True)
        self.write({"job.yaml": yaml.safe_dump({**declared, "tasks": rows}), **files})
        return self.playbook(**book)

    def playbook(self, name: str = "book.yaml", **keys: Any) -> Path:
        """Write a playbook; what is not said: local, `job/job.yaml`, no model."""
        said = {"platform": "local", "source": "job", "job": {"file": "job.yaml"}, "model": "none"}
        (self.root / name).write_text(yaml.safe_dump({**said, **keys}, sort_keys=False))
        return self.root / name

    def env(self, **more: str) -> dict[str, str]:
        """Surroundings that are nobody's."""
        home = self.root / "home"
        home.mkdir(exist_ok=True)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "USER": "ana",
            "LOGNAME": "ana",
            "RUNMEND_STATE": str(self.state),
            "RUNMEND_CACHE": str(self.cache),
            **more,
        }

    def run(self, *args: str | Path, given: str | bytes = "", **env: str) -> Done:
        """Run one command to its end; `given` is its stdin, `env` adds to the environment."""
        code, out, err = forks().run(
            [str(word) for word in (RUNMEND, *args)],
            given=given.encode() if isinstance(given, str) else given,
            cwd=self.root,
            env=self.env(**env),
            timeout_s=round(PATIENCE_S),
        )
        assert b"Traceback" not in err, err.decode()
        return Done(code, out.decode(), err.decode())

    def heal(self, *args: str | Path, given: str = "", **env: str) -> Done:
        """Heal the playbook."""
        return self.run("heal", *(args or (self.book,)), given=given, **env)

    def object(self, *args: str | Path, **env: str) -> dict[str, Any]:
        """Heal with `-o json`; return the object, which agrees with the exit code."""
        done = self.heal(self.book, "-o", "json", *args, **env)
        found = done.json
        assert found["schema_version"] == 1
        assert found["exit_code"] == done.code, found
        return found

    def typed(self, command: str) -> int:
        """Run a command as it was printed; return its exit code."""
        words = shlex.split(command)
        words[0] = str(RUNMEND) if words[0] == "runmend" else words[0]
        return subprocess.run(
            words, cwd=self.root, env=self.env(), capture_output=True, check=False
        ).returncode

    def show(self, case: str) -> dict[str, Any]:
        """Return the object of a case."""
        return self.run("show", case, "-o", "json").json

    @contextmanager
    def driving(self, *args: str | Path, **env: str) -> Iterator["subprocess.Popen[str]"]:
        """Start a command and leave it running; it is ended at the latest when the test is."""
        driver = subprocess.Popen(
            [RUNMEND, *args],
            cwd=self.root,
            env=self.env(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield driver
        finally:
            if driver.poll() is None:
                driver.kill()
            driver.communicate()

    def go(self) -> None:
        """Let SLOW end."""
        (self.job / "data" / "go").touch()

    def starts(self) -> list[str]:
        """Return what SLOW wrote: a line per start."""
        log = self.job / "data" / "starts"
        return log.read_text().splitlines() if log.exists() else []

    def await_start(self) -> int:
        """Wait until SLOW runs; return its process."""
        until(lambda: bool(self.starts()) and self.starts()[-1].count(" ") == 1)
        return int(self.starts()[-1].split()[1])

    def case(self) -> str:
        """Return the id of the newest case; read directly, which is quick."""
        with closing(sqlite3.connect(self.state / "journal.sqlite")) as journal:
            newest = "select case_id from events where seq = 0 order by rowid desc limit 1"
            return str(journal.execute(newest).fetchone()[0])


def script(name: str, **more: Any) -> dict[str, Any]:
    """Return the task that runs `name.py`."""
    return {"task_key": name, "spark_python_task": {"python_file": f"{name}.py"}, **more}


def sql(name: str, **more: Any) -> dict[str, Any]:
    """Return the task that runs `name.sql`."""
    return {"task_key": name, "sql_task": {"file": {"path": f"{name}.sql"}}, **more}


def until(true: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Look again and again until it is true; fail after `patience_s`."""
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        select.select((), (), (), 0.02)


def alive(pid: int) -> bool:
    """Say whether a process runs; one that ended and was not collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Terminal:
    """A command on a terminal of its own, 100 columns wide."""

    def __init__(self, stage: Stage, *args: str | Path, **env: str) -> None:
        pid, self._descriptor = pty.fork()
        if pid == 0:
            os.chdir(stage.root)
            os.execve(  # noqa: S606  the command under test
                RUNMEND,
                [str(RUNMEND), *map(str, args)],
                stage.env(TERM="xterm-256color", COLUMNS="100", LINES="50", **env),
            )
        self._pid = pid
        self.screen = ""
        self._read = 0

    def await_text(self, text: str) -> str:
        """Read until the text appears after what was awaited before; return what came since."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.screen[self._read :]:
            assert time.monotonic() < deadline, f"no {text!r} in:\n{self.screen}"
            if not self._more(0.5):
                raise AssertionError(f"ended without {text!r}:\n{self.screen}")
        at = self.screen.index(text, self._read) + len(text)
        before, self._read = self.screen[self._read : at], at
        return before

    def _more(self, wait_s: float) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], wait_s)
        if not ready:
            return True
        try:
            got = os.read(self._descriptor, 65536)
        except OSError:  # Linux: the other side is closed
            return False
        self.screen += got.decode(errors="replace")
        return bool(got)

    def type(self, text: str) -> None:
        """Type it."""
        os.write(self._descriptor, text.encode())

    def wait(self) -> int:
        """Read to the end and return the exit code."""
        deadline = time.monotonic() + PATIENCE_S
        while self._more(0.5):
            assert time.monotonic() < deadline, f"did not end:\n{self.screen}"
        code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        self._pid = 0
        os.close(self._descriptor)
        return code

    def close(self) -> None:
        """End it where it still runs."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            os.close(self._descriptor)
            self._pid = 0
