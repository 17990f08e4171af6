"""A simulated workspace whose time stands still until a test moves it, and clients of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from sim_shared import served

from agent.simulators.databricks import Simulator, VirtualClock

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Simulator]:
    """Give a served workspace."""
    with served(Simulator(tmp_path / "workspace", clock=VirtualClock())) as simulator:
        yield simulator


@pytest.fixture
def http(sim: Simulator) -> Iterator[httpx.Client]:
    """Give a plain client of it that shows the owner's token."""
    headers = {"Authorization": f"Bearer {sim.token}"}
    with httpx.Client(base_url=sim.url, headers=headers, trust_env=False) as client:
        yield client


@pytest.fixture
def sdk(sim: Simulator, tmp_path: Path) -> "WorkspaceClient":
    """Give databricks-sdk's own client, unchanged; it gives up soon instead of after 5 minutes."""
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.core import Config

    config = Config(
        host=sim.url,
        token=sim.token,
        auth_type="pat",
        config_file=str(tmp_path / "no-profiles"),
        http_timeout_seconds=10,
        retry_timeout_seconds=5,
    )
    return WorkspaceClient(config=config)
