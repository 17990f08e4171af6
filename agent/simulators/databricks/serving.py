"""`runmend simulate databricks`: serve a workspace until somebody stops it."""

import json
import os
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

from agent import settings
from agent.errors import Signalled
from agent.simulators.databricks.options import Options
from agent.simulators.databricks.service import Simulator


def serve(folder: Path | None, port: int, *, realistic: bool) -> int:
    """Print one JSON object with `url` and `token`, then serve until SIGINT or SIGTERM; return 0.

    `folder` None = a folder that is deleted at the end. Raises `UsageError` for a port or a folder
    that is in use.
    """
    with ExitStack() as ending:
        if folder is None:
            name = ending.enter_context(tempfile.TemporaryDirectory(prefix="runmend-databricks-"))
            folder = Path(name)
        try:
            options = Options(realistic=realistic)
            cache = settings.cache_folder()
            sim = Simulator(folder.absolute(), options=options, cache=cache)
            ending.callback(sim.stop)
            sim.start(port)
            sys.stdout.write(json.dumps(_told(sim)) + "\n")
            sys.stdout.flush()
            threading.Event().wait()
        except Signalled:
            return 0  # being stopped is how this command ends
    return 0


def _told(sim: Simulator) -> dict[str, object]:
    """Return what a client needs to know, and what a person wants to."""
    client_id, client_secret = sim.client
    return {
        "url": sim.url,
        "token": sim.token,
        "workspace_id": sim.workspace_id,
        "user": sim.user,
        "client_id": client_id,
        "client_secret": client_secret,
        "state": str(sim.folder),
        "pid": os.getpid(),
    }
