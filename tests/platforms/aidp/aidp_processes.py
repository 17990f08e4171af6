"""Whole `runmend` processes against a served AIDP workspace, in surroundings that are nobody's."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from aidp_cases import Shop

from agent.simulators.aidp import Call, Simulator

RUNMEND = Path(sys.executable).with_name("runmend")
FAST = {"first": "100ms", "max": "300ms", "history": False}
_THEIRS = ("OCI_", "AIDP_", "RUNMEND_", "SSL_CERT", "REQUESTS_CA")


class Done(NamedTuple):
    """How a process ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """All that a person saw."""
        return self.out + self.err


def run(folder: Path, *words: str | Path, **env: str) -> Done:
    """Run the command to its end in a folder of its own; `env`: more of its environment."""
    clean = {n: v for n, v in os.environ.items() if not n.startswith(_THEIRS)}
    own = {
        "HOME": str(folder / "home"),
        "RUNMEND_STATE": str(folder / "state"),
        "RUNMEND_CACHE": str(folder / "cache"),
    }
    done = subprocess.run(
        [RUNMEND, *map(str, words)],
        cwd=folder,
        env=clean | own | env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


class Processes:
    """A shop whose cases are driven by the command line."""

    def __init__(self, sim: Simulator, folder: Path, **book: Any) -> None:
        folder.mkdir(exist_ok=True)
        self.sim = sim
        self.folder = folder
        self.shop = Shop(sim, folder, poll=FAST, **book)
        self.path = [str(folder / "bin"), os.environ["PATH"]]

    def run(self, *words: str | Path, **env: str) -> Done:
        """Run the command to its end; `env`: more of its environment."""
        return run(self.folder, *words, **{"PATH": os.pathsep.join(self.path), **env})

    def heal(self, *words: str, **env: str) -> Done:
        """Carry the playbook's job on."""
        return self.run("heal", "playbook.yaml", *words, **env)

    @property
    def case(self) -> str:
        """The id of the only case there is."""
        (folder,) = (self.folder / "state" / "cases").iterdir()
        return folder.name

    def options(self, **more: Any) -> None:
        """Let the workspace behave otherwise."""
        self.sim.options = self.sim.options.model_copy(update=more)

    def refreshes(self) -> list[Call]:
        """Return the calls by which the stand-in for `oci` made a token."""
        return [c for c in self.sim.calls if c.path.endswith("/session") and c.status == 200]

    def kept(self) -> dict[str, bytes]:
        """Return every file that the command keeps, by its path below the state folder."""
        state = self.folder / "state"
        files = (p for p in state.rglob("*") if p.is_file())
        return {p.relative_to(state).as_posix(): p.read_bytes() for p in files}
