"""A simulated workspace whose time stands still until a test moves it, and connections to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dbx_workspace import Workspace

from agent.simulators.databricks import Simulator, VirtualClock


@pytest.fixture(autouse=True)
def _nobodys_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No workspace, profile or token of whoever runs the tests."""
    for name in ("HOST", "TOKEN", "CLIENT_ID", "CLIENT_SECRET", "CONFIG_PROFILE", "CONFIG_FILE"):
        monkeypatch.delenv(f"DATABRICKS_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def sim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """Give a served workspace that the environment names; its own bugs fail the test."""
    with Simulator(tmp_path / "workspace", clock=VirtualClock()) as simulator:
        monkeypatch.setenv("DATABRICKS_HOST", simulator.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", simulator.token)
        yield simulator
    assert simulator.problems == []


@pytest.fixture
def workspace(sim: Simulator, tmp_path: Path) -> Workspace:
    """Give jobs and sessions on that workspace."""
    return Workspace(sim, tmp_path)
