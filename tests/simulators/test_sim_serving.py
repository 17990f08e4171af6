"""`runmend simulate`, whatever it simulates: its folder, its port, its end."""

from pathlib import Path

import pytest
from sim_shared import started

EACH = ["databricks", pytest.param("aidp", marks=pytest.mark.slow)]


@pytest.mark.parametrize("platform", EACH)
def test_without_a_folder_nothing_is_left_behind(platform: str) -> None:
    process, told = started(platform)
    with process:
        folder = Path(told["state"])
        assert folder.is_dir()
        assert folder.stat().st_mode & 0o077 == 0
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert not folder.exists()


@pytest.mark.parametrize("platform", EACH)
def test_what_cannot_be_served_is_wrong_usage(platform: str, tmp_path: Path) -> None:
    process, told = started(platform, "--port", "99999", "--state", str(tmp_path))
    with process:
        _, said = process.communicate(timeout=20)
    assert (process.returncode, told) == (2, {})
    assert "port 99999 on 127.0.0.1 cannot be used" in said
