"""A simulated Databricks workspace for a rehearsal, with a stand-in for the `databricks` command.

In the stage's folder: `workspace` (the simulator's data), `bin` (the stand-in) and a configuration
file with its address.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import JsonValue

    from agent.playbook import Loaded

_PROFILE = "rehearsal"
_REAL = ("DATABRICKS_", "ARM_")


def check(loaded: "Loaded") -> None:
    """Raise `UsageError` where the playbook names what only exists in the real workspace."""
    from agent.errors import UsageError

    job = loaded.playbook.job
    if job.file is None and job.bundle is None:
        raise UsageError(
            f"{loaded.path}: a rehearsal makes the job itself, so it needs its declaration; this "
            "playbook only names what exists in the real workspace. Give job.bundle or job.file"
        )


@contextmanager
def workspace(loaded: "Loaded", folder: Path) -> "Iterator[dict[str, JsonValue]]":
    """Serve a simulated workspace and point this process at it; yield what the playbook needs."""
    from agent import settings
    from agent.simulators import bundle
    from agent.simulators.databricks import Simulator

    simulator = Simulator(folder / "workspace", cache=settings.cache_folder())
    simulator.start()
    try:
        config = folder / "databrickscfg"
        config.touch(mode=0o600)
        profile = f"[{_PROFILE}]\nhost = {simulator.url}\ntoken = {simulator.token}\n"
        config.write_text(profile, encoding="utf-8")
        for name in [n for n in os.environ if n.startswith(_REAL)]:
            del os.environ[name]
        os.environ["DATABRICKS_CONFIG_FILE"] = str(config)
        os.environ["RUNMEND_STANDIN_HOST"] = simulator.url
        known: dict[str, JsonValue] = {
            "databricks.profile": _PROFILE,
            "databricks.command": [str(bundle.install(folder / "bin"))],
            "databricks.warehouse": "rehearsal",
            "databricks.cluster": None,
            "requires": [],
            "poll.first": "1s",
            "poll.max": "2s",
            "poll.history": False,
        }
        sys.stderr.write(f"a simulated workspace on {simulator.url}, in {folder}\n")
        if loaded.playbook.requires:
            sys.stderr.write("what the playbook requires is not looked for in a rehearsal\n")
        yield known
    finally:
        simulator.stop()
