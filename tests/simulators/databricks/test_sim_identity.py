"""Who may talk to the workspace, checked with databricks-sdk's own authentication."""

from pathlib import Path

import httpx
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.errors import PermissionDenied

from agent.simulators.databricks import Options, Simulator
from agent.simulators.databricks.control import add_user
from agent.simulators.databricks.identity import issue_token, revoke_token

ME = "/api/2.0/preview/scim/v2/Me"


def client(sim: Simulator, tmp_path: Path, **settings: str) -> WorkspaceClient:
    nobody = str(tmp_path / "no-profiles")
    return WorkspaceClient(config=Config(host=sim.url, config_file=nobody, **settings))  # type: ignore[arg-type]  # names of settings


def test_the_sdk_learns_who_it_is(sim: Simulator, sdk: WorkspaceClient) -> None:
    assert sdk.current_user.me().user_name == sim.user
    assert sdk.get_workspace_id() == sim.workspace_id


def test_a_wrong_token_is_denied_and_none_is_unauthenticated(
    sim: Simulator, http: httpx.Client, tmp_path: Path
) -> None:
    with pytest.raises(PermissionDenied, match=r"Invalid access token\."):
        client(sim, tmp_path, token=sim.token[::-1]).current_user.me()
    answer = http.get(ME, headers={"Authorization": ""})
    assert answer.status_code == 401
    assert answer.json()["error_code"] == "UNAUTHENTICATED"


def test_a_machine_gets_tokens_that_expire_by_the_workspace_s_clock(
    sim: Simulator, http: httpx.Client, tmp_path: Path
) -> None:
    name, secret = sim.client
    machine = client(sim, tmp_path, client_id=name, client_secret=secret)
    assert machine.current_user.me().user_name == sim.user
    issued = machine.config.authenticate()
    assert http.get(ME, headers=issued).status_code == 200
    sim.clock.advance(sim.options.token_s + 1)
    assert http.get(ME, headers=issued).status_code == 403
    again = client(sim, tmp_path, client_id=name, client_secret=secret)
    assert again.current_user.me().user_name == sim.user


def test_a_machine_with_the_wrong_secret_gets_no_token(sim: Simulator, http: httpx.Client) -> None:
    form = {"grant_type": "client_credentials", "scope": "all-apis"}
    refused = http.post("/oidc/v1/token", data=form, auth=(sim.client[0], "wrong"))
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    other = http.post("/oidc/v1/token", data={"grant_type": "password"}, auth=sim.client)
    assert (other.status_code, other.json()["error"]) == (400, "unsupported_grant_type")
    named = {**form, "client_id": sim.client[0], "client_secret": sim.client[1]}
    assert http.post("/oidc/v1/token", data=named).json()["expires_in"] == 3600


def test_the_sdk_gets_along_with_and_without_discovery(
    sim: Simulator, sdk: WorkspaceClient, tmp_path: Path
) -> None:
    assert sim.calls[0].path == "/.well-known/databricks-config"
    assert sdk.config.workspace_id == str(sim.workspace_id)
    sim.options = Options(well_known=False)
    found = client(sim, tmp_path, token=sim.token)
    assert sim.calls[-1].status == 404
    assert found.config.workspace_id is None
    assert found.current_user.me().user_name == sim.user


def test_tokens_can_expire_be_revoked_and_be_narrow(sim: Simulator, http: httpx.Client) -> None:
    short = issue_token(sim, sim.user, lifetime_s=60)
    narrow = add_user(sim, "ana@example.com", scopes=("workspace",))
    assert http.get(ME, headers={"Authorization": f"Bearer {short}"}).status_code == 200
    sim.clock.advance(60)
    assert http.get(ME, headers={"Authorization": f"Bearer {short}"}).status_code == 403
    refused = http.get("/api/2.1/clusters/list", headers={"Authorization": f"Bearer {narrow}"})
    assert "does not have required scopes: clusters" in refused.json()["message"]
    shared = "/api/2.0/workspace/list?path=/Shared"
    assert http.get(shared, headers={"Authorization": f"Bearer {narrow}"}).status_code == 200
    revoke_token(sim, narrow)
    assert http.get(shared, headers={"Authorization": f"Bearer {narrow}"}).status_code == 403
