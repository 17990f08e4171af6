"""`runmend simulate databricks`, as a person or a CI job starts and stops it."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest


def started(*arguments: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    code = "import sys; from agent.cli import main; sys.argv[0] = 'runmend'; main()"
    command = [sys.executable, "-c", code, "simulate", "databricks", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = process.stdout.readline()
    return process, json.loads(first) if first else {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_serves_and_stops_when_told(
    tmp_path: Path, number: signal.Signals
) -> None:
    process, told = started("--state", str(tmp_path / "data"))
    with process:
        headers = {"Authorization": f"Bearer {told['token']}"}
        answer = httpx.get(f"{told['url']}/api/2.0/preview/scim/v2/Me", headers=headers)
        assert answer.json()["userName"] == told["user"]
        assert told["pid"] == process.pid
        process.send_signal(number)
        rest, said = process.communicate(timeout=20)
    assert (process.returncode, rest, said) == (0, "", "")
    assert (tmp_path / "data").is_dir()


def test_what_was_kept_outlives_a_kill(tmp_path: Path) -> None:
    tokens = []
    for path, status in (("mkdirs", 200), ("get-status", 200)):
        process, told = started("--state", str(tmp_path))
        with process, httpx.Client(base_url=told["url"]) as client:
            headers = {"Authorization": f"Bearer {told['token']}"}
            method, given = ("POST", None) if path == "mkdirs" else ("GET", {"path": "/Shared/x"})
            answer = client.request(
                method,
                f"/api/2.0/workspace/{path}",
                json={"path": "/Shared/x"},
                params=given,
                headers=headers,
            )
            assert answer.status_code == status
            process.kill()
            process.communicate(timeout=20)
        tokens.append(told["token"])
    assert tokens[0] == tokens[1]


def test_without_a_folder_nothing_is_left_behind() -> None:
    process, told = started()
    with process:
        folder = Path(told["state"])
        assert folder.is_dir()
        assert folder.stat().st_mode & 0o077 == 0
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert not folder.exists()


def test_what_cannot_be_served_is_wrong_usage(tmp_path: Path) -> None:
    process, told = started("--port", "99999", "--state", str(tmp_path))
    with process:
        _, said = process.communicate(timeout=20)
    assert (process.returncode, told) == (2, {})
    assert "port 99999 on 127.0.0.1 cannot be used" in said
