"""A client that we did not write, in an environment of its own, over real HTTP."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.simulators.databricks import Simulator

pytestmark = pytest.mark.slow

REQUIREMENT = "dagster-databricks==0.29.27"
SCRIPT = Path(__file__).with_name("dagster_script.py")


@pytest.fixture(scope="session")
def python(installed: Callable[..., Path]) -> Path:
    """Give the interpreter of an environment with dagster-databricks."""
    return installed(REQUIREMENT) / "python"


def test_dagster_submits_polls_reads_output_and_cancels(
    python: Path, tmp_path: Path, cache: Path
) -> None:
    with Simulator(tmp_path / "workspace", cache=cache) as sim:
        done = subprocess.run(
            [python, SCRIPT, sim.url, sim.token], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert '{"rows": 3}' in found["output"]
        assert found["cluster"]
        assert "FAILED" in found["bad"]
        assert "Task dagster-task failed with message: Workload failed" in found["bad"]
        assert "failed with result state" in found["cancelled"]
        assert found["file"]
        submits = [c for c in sim.calls if c.path == "/api/2.2/jobs/runs/submit"]
        assert len(submits) == 3
        assert all(c.status == 200 and "databricks-sdk-py/" in c.user_agent for c in submits)
        cancels = [c for c in sim.calls if c.path.endswith("/runs/cancel")]
        assert [c.status for c in cancels] == [200]
        assert sim.problems == []
