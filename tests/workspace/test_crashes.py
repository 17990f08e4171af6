"""Building and delivering finish after a kill -9 at any of their steps."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("what", "least"), [("build", 15), ("in-place", 15), ("branch", 12)])
def test_a_kill_at_any_step_is_made_good_by_the_next_call(
    tmp_path: Path, what: str, least: int
) -> None:
    script = Path(__file__).with_name("crashing.py")
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, str(script), what, str(tmp_path / "p")],
        capture_output=True,
        text=True,
        cwd=root,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= least
