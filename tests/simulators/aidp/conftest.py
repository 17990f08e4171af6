"""A simulated AIDP workspace whose time stands still until a test moves it, and clients of it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from aidp_sim_stage import NO_TLS, client
from sim_shared import served

from agent.simulators.aidp import Simulator, VirtualClock


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Simulator]:
    """Give a served workspace."""
    with served(Simulator(tmp_path / "workspace", clock=VirtualClock())) as simulator:
        yield simulator


@pytest.fixture
def http(sim: Simulator) -> Iterator[httpx.Client]:
    """Give a client of everything below the workspace that signs with the owner's API key."""
    with client(sim) as signed:
        yield signed


@pytest.fixture
def plain(sim: Simulator) -> Iterator[httpx.Client]:
    """Give a client of the whole address that signs nothing."""
    with httpx.Client(base_url=sim.url, trust_env=False, verify=NO_TLS) as unsigned:
        yield unsigned
