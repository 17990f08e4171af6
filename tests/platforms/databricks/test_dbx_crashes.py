"""Kill a driver at each append and each call: the same history, and nothing twice in the workspace.

Safety case 61, on a workspace that goes on without us.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_stage import KILLED, Deadly, Scene, drivers
from dbx_cases import Shop, bad_column, fine

from agent.simulators.databricks import Simulator

RUNMEND = Path(sys.executable).with_name("runmend")
MODULES = (
    "databricks.sdk.config",
    "databricks.sdk.service.jobs",
    "httpx",
    "agent.platforms.databricks.jobs",
)


class Workspace(Deadly, Simulator):
    """A workspace that kills its clients."""


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    def shop(name: str) -> Shop:
        (tmp_path / name).mkdir()
        made = Shop(sim, tmp_path / name)
        for task in ("load", "report"):
            made.declare(task, fine(1))
        made.declare("sales", bad_column(1), fine(1))
        return made

    with Workspace(tmp_path / "workspace") as sim:
        monkeypatch.setenv("DATABRICKS_HOST", sim.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", sim.token)
        with drivers(*MODULES) as at:
            yield Scene(sim, at, shop)
    assert sim.problems == []


@pytest.mark.slow
def test_killed_where_the_workspace_knows_and_we_do_not(scene: Scene) -> None:
    scene.killed_unknown("jobs/create", "jobs/run-now", "runs/repair")


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("where", ["append", "call"])
def test_killed_anywhere(scene: Scene, where: str, after: bool) -> None:
    scene.killed_anywhere(where, after=after)


@pytest.mark.slow
def test_the_command_itself_killed_goes_on_when_it_is_called_again(scene: Scene) -> None:
    whole, calls = scene.undisturbed()
    for number, word in enumerate(("jobs/create", "jobs/run-now", "runs/get", "runs/repair")):
        shop = scene.shop(f"command-{number}")
        at = next(n for n, call in enumerate(calls) if call.endswith(word))
        command = [RUNMEND, "heal", shop.folder / "playbook.yaml", "--state", shop.folder / "state"]
        pid = shop.folder / "pid"
        (shop.folder / "state").mkdir()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            pid.write_text(str(process.pid))
            scene.sim.aim(at, pid, after=True)
            process.communicate()
        assert process.returncode == KILLED, word
        again = subprocess.run(command, capture_output=True, text=True, check=False)
        assert again.returncode == 0, again.stderr
        assert scene.to_its_end(shop) == whole, word
