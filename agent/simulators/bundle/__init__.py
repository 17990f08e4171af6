"""A stand-in for the `databricks` command, for rehearsals and tests only.

It reads databricks.yml and talks to a workspace (the simulated one) as the real command would:
`bundle validate|plan|deploy|run|summary|destroy`, and says so in its `--version`. It is written
from public documentation (https://docs.databricks.com/dev-tools/cli/bundle-commands.html) and knows
nothing of the real command's code, which users have by themselves.

Rules kept here: no code of the project is executed; `RUNMEND_STANDIN_SPEAKS` (0.278, 1.12 or 1.13)
chooses whose output it imitates, `RUNMEND_STANDIN_POLL_S` how often `bundle run` asks at most; what
people and programs read as the result is on stdout, progress, warnings and errors are on stderr
(which of the two the real command uses for each line is not documented everywhere). Exit codes are
0 and 1.
"""

import shlex
import sys
from pathlib import Path

NAME = "databricks"


def install(folder: Path) -> Path:
    """Write an executable `databricks` into `folder`, made where missing, and return its path.

    It runs this package with the interpreter that runs now, wherever it is called from.
    """
    import agent

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    package = Path(agent.__file__).resolve().parent.parent
    # The caller's folder must not be importable: a bundle may have a folder named `agent`.
    start = (
        f"import sys; sys.path.insert(0, {str(package)!r}); "
        "from agent.simulators.bundle.__main__ import start; start()"
    )
    call = f'exec {shlex.quote(sys.executable)} -P -c {shlex.quote(start)} "$@"'
    path.write_text(f"#!/bin/sh\n{call}\n", "utf-8")
    path.chmod(0o755)
    return path
