"""A simulated AIDP workspace for a rehearsal.

Its one cluster has the name that the playbook gives (`aidp.cluster`), else the one that the job's
file gives most often: a wrong name in the file still fails, the right one is there. In the stage's
folder `workspace` holds the simulator's data, with the OCI configuration it made.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import JsonValue

    from agent.playbook import Loaded
    from agent.simulators.aidp import Simulator

_REAL = ("OCI_", "AIDP_")


def check(loaded: "Loaded") -> None:
    """Raise `UsageError` where the playbook names what only exists in the real workspace."""
    from agent.errors import UsageError

    job = loaded.playbook.job
    if job.file is None:
        raise UsageError(
            f"{loaded.path}: a rehearsal makes the job itself, so it needs its declaration; this "
            "playbook only names what exists in the real workspace. Give job.file"
        )


@contextmanager
def workspace(loaded: "Loaded", folder: Path) -> "Iterator[dict[str, JsonValue]]":
    """Serve a simulated workspace and point this process at it; yield what the playbook needs."""
    from agent import settings
    from agent.simulators.aidp import Options, Simulator

    options = Options(cluster_name=_cluster(loaded) or Options().cluster_name)
    simulator = Simulator(folder / "workspace", options=options, cache=settings.cache_folder())
    simulator.start()
    try:
        for name in [n for n in os.environ if n.startswith(_REAL)]:
            del os.environ[name]
        # A case goes on with the playbook it began with, and the next time the port is another.
        os.environ["AIDP_ENDPOINT"] = simulator.url
        sys.stderr.write(
            f"a simulated workspace on {simulator.url}, in {folder}; "
            f"its cluster is {simulator.cluster_name}\n"
        )
        yield {**_reached(simulator), **_eased(loaded)}
    finally:
        simulator.stop()


def _reached(simulator: "Simulator") -> "dict[str, JsonValue]":
    """Return the playbook's keys that say where the workspace is and who we are there."""
    return {
        "aidp.config_file": str(simulator.config_file),
        "aidp.profile": "DEFAULT",
        "aidp.auth": "api_key",
        "aidp.region": simulator.region,
        "aidp.instance": simulator.instance_id,
        "aidp.workspace": simulator.workspace,
        "aidp.endpoint": None,
        "aidp.cluster": simulator.cluster_name,
        "aidp.engine": "rest",
    }


def _eased(loaded: "Loaded") -> "dict[str, JsonValue]":
    """Return the keys that make a rehearsal quick and let it go on, and say what is left out."""
    book = loaded.playbook
    known: dict[str, JsonValue] = {
        "job.id": None,
        "requires": [],
        "poll.first": "1s",
        "poll.max": "2s",
        "poll.history": False,
    }
    if book.requires:
        sys.stderr.write("what the playbook requires is not looked for in a rehearsal\n")
    if book.aidp.engine == "cli":
        sys.stderr.write("a rehearsal speaks REST itself, not by the official command\n")
    if book.job.id is not None:
        sys.stderr.write(f"job {book.job.id} is not here: a rehearsal makes one of its own\n")
    if book.production is None:
        known["production"] = False
        sys.stderr.write(
            "the playbook does not say whether it is production; in earnest it then is, and each "
            "change is asked for: here it counts as none\n"
        )
    return known


def _cluster(loaded: "Loaded") -> str | None:
    """Return the display name of the cluster the job is meant for, as far as anybody says it."""
    from agent.code import aidpjob, aidpwords

    if loaded.playbook.aidp.cluster is not None:
        return loaded.playbook.aidp.cluster
    try:
        text = (loaded.source / str(loaded.playbook.job.file)).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    file = aidpjob.read(str(loaded.playbook.job.file), text)
    found = [str(node.value) for node in aidpjob.cluster_names(file)] if file else []
    names = Counter(name for name in found if not aidpwords.UUID.fullmatch(name))
    return names.most_common(1)[0][0] if names else None
