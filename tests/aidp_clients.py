"""Oracle's own client and command, unchanged, in an environment of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

from agent.engine import environments

REQUIREMENTS = ("aidp-python-client==5.1.1", "aidp-cli==5.1.1")


def programs(factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the environment's programs; it is made once in a session."""
    folder = factory.getbasetemp() / "aidp-clients"
    if not folder.is_dir():
        python = folder / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        uv = environments.find_uv()
        pip = [uv, "pip", "install", "-q", "-p", python] if uv else [python, "-m", "pip", "install"]
        subprocess.run([*pip, *REQUIREMENTS], check=True)
    return folder / "bin"
