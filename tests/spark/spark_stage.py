"""A simulated workspace on which Spark runs for real, and the whole loop over it."""

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.cli import app
from agent.simulators.databricks import Options, Simulator

BESIDE = importlib.util.find_spec("pyspark") is not None
"""Whether pyspark is in this interpreter, as jobs need it."""
PYTHON = os.environ.get("RUNMEND_TEST_SPARK_PYTHON") or (sys.executable if BESIDE else "")
"""Which interpreter runs pipelines."""
JAVA = shutil.which("java") is not None


class Stage:
    """One source with its playbook on a workspace of its own."""

    def __init__(self, folder: Path, sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.sim = sim
        monkeypatch.setenv("DATABRICKS_HOST", sim.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", sim.token)
        monkeypatch.setenv("HOME", str(folder / "home"))

    def write(self, files: Mapping[str, str]) -> None:
        """Write files of the user's folder."""
        for path, text in files.items():
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def heal(self) -> dict[str, Any]:
        """Run the loop as a user would, and return what it says."""
        state = str(self.folder / "state")
        playbook = str(self.folder / "playbook.yaml")
        arguments = ["heal", playbook, "--state", state, "-o", "json"]
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        told: dict[str, Any] = json.loads(result.stdout)
        return told

    def read(self, path: str) -> str:
        """Return a file of the user's folder."""
        return (self.folder / path).read_text()


def workspace(folder: Path, cache: Path, **options: Any) -> Simulator:
    """Return a workspace that is not served yet, on the machine's own time."""
    return Simulator(folder, cache=cache, options=Options(**options))
