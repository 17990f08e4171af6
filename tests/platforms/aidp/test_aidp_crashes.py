"""Kill a driver at each append and each call: the same history, and nothing twice in the workspace.

Safety case 61, on a workspace that goes on without us.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from aidp_cases import Shop
from crash_stage import Deadly, Scene, drivers

from agent.simulators.aidp import Simulator

MODULES = ("oci.signer", "httpx", "agent.platforms.aidp.jobs")


class Workspace(Deadly, Simulator):
    """A workspace that kills its clients."""


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    def shop(name: str) -> Shop:
        (tmp_path / name).mkdir()
        made = Shop(sim, tmp_path / name)
        made.declare_broken(seconds=1)
        return made

    with Workspace(tmp_path / "workspace") as sim, drivers(*MODULES) as at:
        yield Scene(sim, at, shop)
    assert sim.problems == []


@pytest.mark.slow
def test_killed_where_the_workspace_knows_and_we_do_not(scene: Scene) -> None:
    scene.killed_unknown("POST /jobs", "POST /jobRuns", "actions/repair")


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("where", ["append", "call"])
def test_killed_anywhere(scene: Scene, where: str, after: bool) -> None:
    scene.killed_anywhere(where, after=after)
