"""`runmend simulate aidp`: serve a workspace until somebody stops it."""

import json
import os
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

from agent import settings
from agent.errors import Signalled
from agent.simulators.aidp.certificate import certify, secured
from agent.simulators.aidp.identity import DEFAULT
from agent.simulators.aidp.options import Options
from agent.simulators.aidp.service import Simulator


def serve(folder: Path | None, port: int, *, realistic: bool, tls: bool) -> int:
    """Print one JSON object that says where it is, then serve until SIGINT or SIGTERM; return 0.

    `folder` None = a folder that is deleted at the end; `tls`: HTTPS with a certificate made for
    this folder, which the object names. Raises `UsageError` for a port or a folder that is in use.
    """
    with ExitStack() as ending:
        if folder is None:
            name = ending.enter_context(tempfile.TemporaryDirectory(prefix="runmend-aidp-"))
            folder = Path(name)
        try:
            options = Options(realistic=realistic)
            sim = Simulator(folder.absolute(), options=options, cache=settings.cache_folder())
            ending.callback(sim.stop)
            certificate = certify(sim.folder / "tls") if tls else None
            sim.start(port, None if certificate is None else secured(certificate))
            sys.stdout.write(json.dumps(_told(sim, certificate)) + "\n")
            sys.stdout.flush()
            threading.Event().wait()
        except Signalled:
            return 0  # being stopped is how this command ends
    return 0


def _told(sim: Simulator, certificate: Path | None) -> dict[str, object]:
    """Return what a client needs to know, and what a person wants to."""
    return {
        "url": sim.url,
        "config_file": str(sim.config_file),
        "profile": DEFAULT,
        "region": sim.region,
        "instance_id": sim.instance_id,
        "workspace": sim.workspace,
        "cluster_key": sim.cluster_key,
        "cluster_name": sim.cluster_name,
        "certificate": None if certificate is None else str(certificate),
        "user": sim.user_id,
        "state": str(sim.folder),
        "pid": os.getpid(),
    }
