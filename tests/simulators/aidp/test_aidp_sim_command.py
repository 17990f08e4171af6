"""`runmend simulate aidp`, as a person or a CI job starts and stops it."""

import ssl
from pathlib import Path
from typing import Any

import httpx
import oci
import pytest
from aidp_sim_stage import Signing
from sim_shared import started

LATEST = "/20260430/aiDataPlatforms"


def client(told: dict[str, Any]) -> httpx.Client:
    """Return what anybody can make of the first line."""
    signer = oci.signer.Signer.from_config(oci.config.from_file(told["config_file"]))
    certificate = told["certificate"]
    trust = ssl.create_default_context(cafile=certificate) if certificate else False
    base = f"{told['url']}{LATEST}/{told['instance_id']}/workspaces/{told['workspace']}"
    return httpx.Client(base_url=base, auth=Signing(signer), trust_env=False, verify=trust)


def test_it_says_where_it_is_serves_and_stops_when_told(tmp_path: Path) -> None:
    process, told = started("aidp", "--state", str(tmp_path / "data"), "--tls")
    with process:
        assert told["url"].startswith("https://127.0.0.1:")
        assert Path(told["config_file"]).is_relative_to(tmp_path)
        with client(told) as http:
            clusters = http.get("/clusters?limit=10").json()["items"]
            found = [(c["key"], c["displayName"], c["state"]) for c in clusters]
            assert found == [(told["cluster_key"], told["cluster_name"], "ACTIVE")]
            assert http.get("/jobs?limit=10").json() == {"items": []}
            shared = http.get("/objects?path=Shared&limit=10")
            assert shared.json() == {"items": []}
            port = http.base_url.port
            named = f"https://localhost:{port}{http.base_url.path}"
            assert http.get(f"{named}objects?path=Shared").status_code == 200
        assert told["pid"] == process.pid
        process.terminate()
        rest, said = process.communicate(timeout=20)
    assert (process.returncode, rest, said) == (0, "", "")
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_what_was_kept_outlives_a_kill(tmp_path: Path) -> None:
    seen = []
    for status in (201, 409):
        process, told = started("aidp", "--state", str(tmp_path))
        with process, client(told) as http:
            answer = http.post("/objects", headers={"path": "Shared/d", "type": "FOLDER"})
            assert answer.status_code == status
            process.kill()
            process.communicate(timeout=20)
        seen.append({k: v for k, v in told.items() if k not in ("url", "pid")})
    assert seen[0] == seen[1]
