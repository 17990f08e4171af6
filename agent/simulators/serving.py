"""`runmend simulate ...`: serve a simulated workspace until somebody stops it."""

import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from agent import settings
from agent.errors import Signalled
from agent.simulators.service import Service

SimT = TypeVar("SimT", bound=Service[Any, Any])


def serve(
    platform: str,
    folder: Path | None,
    opened: Callable[[Path, Path], SimT],
    started: Callable[[SimT], dict[str, object]],
) -> int:
    """Print one JSON object that says where it is, then serve until SIGINT or SIGTERM; return 0.

    `folder` None = a folder that is deleted at the end; `opened`: makes the workspace in a folder,
    environments in another; `started`: starts it and returns what a client needs to know, and a
    person wants to. Raises `UsageError` for a port or a folder that is in use.
    """
    with ExitStack() as ending:
        if folder is None:
            prefix = f"runmend-{platform}-"
            folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix=prefix)))
        try:
            sim = opened(folder.absolute(), settings.cache_folder())
            ending.callback(sim.stop)
            told = {**started(sim), "state": str(sim.folder), "pid": os.getpid()}
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()
            threading.Event().wait()
        except Signalled:
            return 0  # being stopped is how this command ends
    return 0
