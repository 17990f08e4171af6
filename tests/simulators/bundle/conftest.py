"""A bundle and a simulated workspace for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from standin_stage import Stage

from agent.simulators.databricks import Simulator


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Give a small bundle beside a served workspace; a bug in the latter fails the test."""
    with Simulator(tmp_path / "workspace") as sim:
        yield Stage(tmp_path / "bundle", sim)
    assert sim.problems == []
