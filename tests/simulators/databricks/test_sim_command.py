"""`runmend simulate databricks`, as a person or a CI job starts and stops it."""

import signal
from pathlib import Path

import httpx
import pytest
from sim_shared import started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_serves_and_stops_when_told(
    tmp_path: Path, number: signal.Signals
) -> None:
    process, told = started("databricks", "--state", str(tmp_path / "data"))
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
        process, told = started("databricks", "--state", str(tmp_path))
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
