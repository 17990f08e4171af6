"""What tests of every simulated service share: clients that others wrote, in environments apart."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.engine import environments


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Give what installs packages into an environment of their own and returns its programs."""

    def install(*requirements: str) -> Path:
        folder = tmp_path_factory.mktemp("client")
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python, uv = folder / "bin" / "python", environments.find_uv()
        command = [uv, "pip", "install", "-p", python] if uv else [python, "-m", "pip", "install"]
        subprocess.run([*command, "-q", *requirements], check=True)
        return folder / "bin"

    return install
