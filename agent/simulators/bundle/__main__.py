"""`python -m agent.simulators.bundle ARGS...`."""

import os
import sys
from pathlib import Path

from agent.simulators.bundle.command import main


def start() -> None:
    """Carry out the command that this process was started with, and end it."""
    sys.exit(main(sys.argv[1:], os.environ, Path.cwd(), sys.stdout, sys.stderr))


if __name__ == "__main__":
    start()
