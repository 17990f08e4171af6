"""A simulated AIDP workspace whose time stands still until a test moves it, and ways to connect."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from aidp_runs_stage import Ground, Stage
from aidp_workspace import Workspace

from agent.simulators.aidp import Simulator, VirtualClock

_NAMES = ("AIDP_ENDPOINT", "AIDP_INSTANCE_ID", "AIDP_WORKSPACE", "SSL_CERT_FILE")


@pytest.fixture(autouse=True)
def _nobodys_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No instance, profile or certificate of whoever runs the tests."""
    more = ("PROFILE", "CONFIG_FILE", "REGION", "AUTH", "USER", "SECURITY_TOKEN_FILE")
    for name in (*_NAMES, "REQUESTS_CA_BUNDLE", *(f"OCI_CLI_{word}" for word in more)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Simulator]:
    """Give a served workspace; its own bugs fail the test."""
    with Simulator(tmp_path / "workspace", clock=VirtualClock()) as simulator:
        yield simulator
    assert simulator.problems == []


@pytest.fixture
def workspace(sim: Simulator, tmp_path: Path) -> Workspace:
    """Give sessions on that workspace."""
    return Workspace(sim, tmp_path)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Give what the jobs of a module's tests stand on."""
    made = Ground(tmp_path_factory.mktemp("aidp"))
    yield made
    made.close()


@pytest.fixture
def stage(ground: Ground) -> Iterator[Stage]:
    """Give a job to run, where a module has no stage of its own."""
    made = Stage(ground)
    yield made
    made.close()
