"""Run a verification command that the playbook names, in its folder, with a clean environment."""

import os
import subprocess
import sys
from pathlib import Path

from agent.playbook import Expectation
from agent.records import Check, Line, Tree
from agent.redaction import mask, printable

_PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
_LINES = 40


def run(expectation: Expectation, folder: Path, tree: Tree) -> Check:
    """Run one `command` check and return what it came to; exit 0 = holds.

    `python` is the interpreter that runs runmend, so that a check may use what runmend brings.
    RUNMEND_TREE names the private copy of the source, data folders linked in.
    """
    argv = [a.replace("{tree}", tree.root) for a in expectation.command or ()]
    name = expectation.name or f"command {' '.join(expectation.command or ())}"
    if argv[0] in ("python", "python3"):
        argv[0] = sys.executable
    env = {k: os.environ[k] for k in _PASSED if k in os.environ} | {"RUNMEND_TREE": tree.root}
    try:
        done = subprocess.run(  # noqa: S603  the playbook's author named it
            argv,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=expectation.timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        saw = f"not ended after {expectation.timeout:.0f} s"
        return Check(name=name, outcome="failed", saw=saw)
    except OSError as error:
        saw = f"{argv[0]} cannot be run: {error.strerror or error}"
        return Check(name=name, outcome="unknown", saw=saw)
    text = printable(mask(done.stdout[-65536:].decode(errors="replace")))
    lines = [t for t in text.splitlines() if t.strip()][-_LINES:]
    return Check(
        name=name,
        outcome="held" if done.returncode == 0 else "failed",
        saw=f"exit code {done.returncode}" + (f": {lines[-1][:200]}" if lines else ""),
        evidence=tuple(Line(source=name, number=n, text=t) for n, t in enumerate(lines, start=1))
        if done.returncode
        else (),
    )
