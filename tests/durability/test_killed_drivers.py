"""After each crash point, kill it and look: same verdict, same history, no task started twice."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

STAGE = Path(__file__).parent / "stage.py"


def observe(tmp_path: Path, cache: Path, *what: str) -> list[dict[str, Any]]:
    """Run the stage and return what it saw; the first row is the uninterrupted case."""
    done = subprocess.run(
        [sys.executable, STAGE, tmp_path, cache, *what], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def starts(row: dict[str, Any]) -> list[str]:
    return sorted(line.split()[0] for line in row["starts"])


def assert_same(whole: dict[str, Any], crashed: list[dict[str, Any]]) -> None:
    assert whole["verdict"] == "healed"
    for row in crashed:
        assert row["verdict"] == "healed", row["name"]
        assert row["problems"] == [], row["name"]
        assert row["history"] == whole["history"], row["name"]
        assert len(set(row["starts"])) == len(row["starts"]), f"{row['name']}: started twice"
        assert starts(row) == starts(whole), row["name"]


@pytest.mark.parametrize(
    ("first", "step"),
    [
        (0, 9),
        pytest.param(0, 2, marks=pytest.mark.slow),
        pytest.param(1, 2, marks=pytest.mark.slow),
    ],
)
def test_killed_before_and_after_every_append(
    tmp_path: Path, cache: Path, first: int, step: int
) -> None:
    """Safety case 61; the even numbers kill before an append, the odd ones right after it.

    Every ninth is some of both, and quick.
    """
    whole, *crashed = observe(tmp_path, cache, "appends", str(first), str(step))
    assert len(crashed) == len(range(first, 2 * len(whole["history"]), step))
    assert all(row["killed"] for row in crashed)
    assert_same(whole, crashed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["1", "2"])
def test_killed_at_300_random_moments(tmp_path: Path, cache: Path, seed: str) -> None:
    """Safety case 61."""
    whole, *crashed = observe(tmp_path, cache, "moments", "150", seed)
    assert len(crashed) == 150
    assert sum(row["killed"] for row in crashed) > 100
    assert_same(whole, crashed)
