"""Who we are: profiles, the environment, signatures, and what is done when a login is refused."""

import os
import sys
from pathlib import Path
from subprocess import run
from typing import Any

import pytest
from aidp_workspace import Workspace

from agent import redaction
from agent.errors import Unauthorized, UsageError
from agent.platforms.aidp import profiles
from agent.platforms.aidp.api import Forbidden, NotFound
from agent.playbook.records import Aidp
from agent.simulators.aidp import Simulator, identity

ONCE = "3f0e6c1d"
NOTED = """\
#!{python}
import sys
from pathlib import Path
here = Path(__file__).parent
with (here / "calls").open("a") as calls:
    print(*sys.argv[1:], file=calls)
if (here / "next").exists():
    (here / "next").replace({token!r})
else:
    sys.exit("ServiceError: the session is too old to be refreshed. Run oci session authenticate")
"""


@pytest.fixture
def oci(sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a command `oci` on the path, which does at its wire what the real one does: it replaces
    the token's file (by `next`), or says why it cannot; return its folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    token = str(sim.config_file.parent / "token")
    (folder / "oci").write_text(NOTED.format(python=sys.executable, token=token))
    (folder / "oci").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def asked_of(oci: Path) -> list[str]:
    """Return what the command was called with."""
    calls = oci / "calls"
    return calls.read_text().splitlines() if calls.exists() else []


def fresh_token(sim: Simulator, oci: Path) -> str:
    """Let the command's next call bring a new token; the old ones have expired."""
    file = sim.config_file.parent / "token"
    old = file.read_text()
    identity.expire(sim)
    token = identity.refresh(sim)
    (oci / "next").write_text(token)
    file.write_text(old)
    return token


def configuration(tmp_path: Path, text: str) -> dict[str, str]:
    """Write an OCI configuration and return an environment that names it."""
    file = tmp_path / "config"
    file.write_text(text)
    return {"OCI_CLI_CONFIG_FILE": str(file)}


@pytest.mark.parametrize("profile", ["DEFAULT", "SESSION"])
def test_every_shape_of_request_is_signed_so_that_the_service_takes_it(
    workspace: Workspace, profile: str
) -> None:
    api = workspace.connect(aidp={"profile": profile}).api
    body = {
        "name": "a_job",
        "description": "ä",
        "path": "/Workspace/Shared",
        "maxConcurrentRuns": 1,
    }
    key = api.send("POST", "/jobs", body, what="create").body["key"]
    assert list(api.pages("/jobs", displayNameContains="a b/ö&=+", path="/Workspace/Shared")) == []
    api.send("PUT", f"/jobs/{key}", {**body, "description": "ü"}, what="update")
    with pytest.raises(NotFound):
        api.get("/notebook/api/contents/%2FWorkspace%2Fno such.ipynb", type="notebook", content=1)
    api.send("POST", f"/jobs/{key}/actions/cancelJobRuns", what="cancel")
    api.send("DELETE", f"/jobs/{key}", what="delete")
    calls = workspace.sim.calls
    assert {call.status for call in calls} <= {200, 201, 202, 204, 404}
    assert all(call.key_id.startswith("ST$") == (profile == "SESSION") for call in calls)
    assert all(call.key_id for call in calls)


def test_the_playbook_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    text = "[DEFAULT]\nuser=u\ntenancy=t\nfingerprint=f\nkey_file=k\nregion=eu-paris-1\n"
    text += "[SSO]\nsecurity_token_file=s\nkey_file=k\n[KEY]\nfingerprint=g\n"
    env = configuration(tmp_path, text)
    chosen = profiles.choose(Aidp(), env)
    assert (chosen.profile, chosen.kind, chosen.sessions) == ("DEFAULT", "api_key", ("SSO",))
    assert chosen.region == "eu-paris-1"
    chosen = profiles.choose(Aidp(), env | {"OCI_CLI_PROFILE": "SSO"})
    assert (chosen.profile, chosen.kind) == ("SSO", "security_token")
    assert profiles.choose(Aidp(profile="KEY"), env | {"OCI_CLI_PROFILE": "SSO"}).profile == "KEY"
    chosen = profiles.choose(Aidp(profile="SSO", auth="api_key"), env)
    assert chosen.kind == "api_key"
    principal = profiles.choose(Aidp(), {"OCI_CLI_AUTH": "instance_principal"})
    assert (principal.profile, principal.kind) == (None, "instance_principal")
    env["OCI_CLI_AUTH"] = "instance_principal"
    assert profiles.choose(Aidp(profile="SSO"), env).kind == "security_token"


def test_a_session_token_in_default_makes_no_session_of_a_profile_with_a_key(
    tmp_path: Path,
) -> None:
    text = "[DEFAULT]\nsecurity_token_file=s\nkey_file=k\ntenancy=t\n"
    env = configuration(tmp_path, text + "[KEY]\nuser=u\nfingerprint=f\n[MORE]\nregion=r\n")
    assert profiles.choose(Aidp(profile="KEY"), env).kind == "api_key"
    assert profiles.choose(Aidp(profile="MORE"), env).kind == "security_token"


@pytest.mark.parametrize(
    ("text", "settings", "said"),
    [
        ("[DEFAULT]\nuser=u\n[prod]\nuser=v\n", {"profile": "dve"}, "there is DEFAULT, prod"),
        ("[DEFAULT]\nuser=u\n", {}, "has no tenancy, fingerprint, key_file, which api_key needs"),
        ("[DEFAULT]\nuser=u\n", {"auth": "security_token"}, "has no security_token_file, key_file"),
        ("nonsense", {}, "cannot be read as an OCI configuration"),
    ],
)
def test_a_configuration_that_does_not_do_is_said_with_what_to_set(
    tmp_path: Path, text: str, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        profiles.choose(Aidp(**settings), configuration(tmp_path, text))


def test_without_a_configuration_file_the_ways_in_are_said() -> None:
    with pytest.raises(UsageError, match=r"`oci setup config`.*OCI_CLI_CONFIG_FILE.*instance_prin"):
        profiles.choose(Aidp(), {})
    with pytest.raises(UsageError, match="OCI_CLI_AUTH is 'kerberos'"):
        profiles.choose(Aidp(), {"OCI_CLI_AUTH": "kerberos"})


def test_a_key_file_that_is_none_is_said(workspace: Workspace, tmp_path: Path) -> None:
    text = workspace.sim.config_file.read_text()
    broken = tmp_path / "broken"
    broken.write_text("no key")
    text = text[: text.index("[SESSION]")]
    for file, said in ((broken, "is not a private key"), (tmp_path / "gone", "cannot be read")):
        lines = [f"key_file={file}" if "key_file" in w else w for w in text.splitlines()]
        config = tmp_path / "config"
        config.write_text("\n".join(lines))
        with pytest.raises(UsageError, match=said):
            workspace.connect(aidp={"config_file": str(config)}).api.get("/jobs")


@pytest.mark.parametrize("profile", ["DEFAULT", "SESSION"])
def test_a_key_that_was_replaced_is_read_again(workspace: Workspace, profile: str) -> None:
    folder = workspace.sim.config_file.parent
    names = ("api_key.pem", "session_key.pem")
    file, other = (folder / name for name in (names if profile == "DEFAULT" else names[::-1]))
    right = file.read_text()
    workspace.connect(aidp={"profile": profile}).api.get("/jobs")
    file.write_text(other.read_text())
    with pytest.raises(Unauthorized):
        workspace.connect(aidp={"profile": profile}).api.get("/jobs")
    file.write_text(right)
    workspace.connect(aidp={"profile": profile}).api.get("/jobs")


def test_an_expired_session_token_is_renewed_and_the_request_goes_on(
    workspace: Workspace, oci: Path
) -> None:
    api = workspace.connect(aidp={"profile": "SESSION"}).api
    api.get("/jobs")
    new = fresh_token(workspace.sim, oci)
    body = {"name": "etl", "path": "/Workspace/Shared", "maxConcurrentRuns": 1}
    assert api.send("POST", "/jobs", body, what="create", token=ONCE).status == 201
    config = workspace.sim.config_file
    assert asked_of(oci) == [f"session refresh --profile SESSION --config-file {config}"]
    refused, taken = workspace.called("POST", "/jobs")
    assert (refused.status, taken.status, taken.key_id) == (401, 201, f"ST${new}")
    assert refused.headers["x-content-sha256"] == taken.headers["x-content-sha256"]
    assert refused.headers["opc-retry-token"] == taken.headers["opc-retry-token"]
    assert new not in redaction.mask(f"it was {new} all along")


def test_a_token_that_somebody_else_renewed_is_read_again(workspace: Workspace, oci: Path) -> None:
    api = workspace.connect(aidp={"profile": "SESSION"}).api
    api.get("/jobs")
    identity.expire(workspace.sim)
    identity.refresh(workspace.sim)
    api.get("/jobs")
    assert asked_of(oci) == []


def test_a_session_that_cannot_be_renewed_names_the_exact_command(
    workspace: Workspace, oci: Path
) -> None:
    api = workspace.connect(aidp={"profile": "SESSION"}).api
    identity.expire(workspace.sim)
    token = (workspace.sim.config_file.parent / "token").read_text().strip()
    with pytest.raises(Unauthorized) as refused:
        api.get("/jobs")
    said = str(refused.value)
    region = workspace.sim.region
    assert f"`oci session authenticate --profile-name SESSION --region {region} --config" in said
    assert "too old to be refreshed" in said
    assert token not in said
    assert len(asked_of(oci)) == 1


def test_without_the_oci_command_that_is_said(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = workspace.connect(aidp={"profile": "SESSION"}).api
    identity.expire(workspace.sim)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unauthorized, match="oci, which could renew it, is not there; log in again"):
        api.get("/jobs")


def test_a_new_token_that_is_refused_as_well_is_not_renewed_again(
    workspace: Workspace, oci: Path
) -> None:
    api = workspace.connect(aidp={"profile": "SESSION"}).api
    fresh_token(workspace.sim, oci)
    workspace.sim.faults.add("GET /jobs", "expired", times=None)
    for _ in range(3):
        with pytest.raises(Unauthorized):
            api.get("/jobs")
    assert len(asked_of(oci)) == 1


def test_another_profile_is_offered_by_name_and_never_used(
    workspace: Workspace, tmp_path: Path
) -> None:
    sim = workspace.sim
    sim.options = sim.options.model_copy(update={"api_keys": False})
    config = tmp_path / "config"
    config.write_text(sim.config_file.read_text().replace("[SESSION]", "[AIDP_SESSION]"))
    api = workspace.connect(aidp={"config_file": str(config)}).api
    with pytest.raises(Unauthorized, match=r"API key of profile DEFAULT.* -p AIDP_SESSION$"):
        api.get("/jobs")
    assert [call.status for call in sim.calls] == [401]
    assert not sim.calls[0].key_id.startswith("ST$")


def test_a_clock_that_is_off_is_named(workspace: Workspace) -> None:
    sim = workspace.sim
    api = workspace.connect().api
    sim.faults.add("GET /jobs", "expired")
    with pytest.raises(Unauthorized) as refused:
        api.get("/jobs")
    assert "clock is" not in str(refused.value)  # theirs and ours agree
    sim.options = sim.options.model_copy(update={"clock_off_s": 1200.0})
    with pytest.raises(
        Unauthorized, match=r"clock is 20 minutes behind the service's.* the clock$"
    ):
        api.get("/jobs")


def test_a_clock_that_is_off_is_no_reason_to_log_in_again(workspace: Workspace, oci: Path) -> None:
    sim = workspace.sim
    api = workspace.connect(aidp={"profile": "SESSION"}).api
    sim.options = sim.options.model_copy(update={"clock_off_s": -900.0})
    with pytest.raises(Unauthorized, match="clock is 15 minutes ahead of") as refused:
        api.get("/jobs")
    assert "oci session" not in str(refused.value)
    assert asked_of(oci) == []


def test_a_permission_that_is_missing_is_not_the_login() -> None:
    assert issubclass(Forbidden, Unauthorized)


def test_a_resource_principal_signs_and_renews_itself(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token = tmp_path / "rpst"
    for name, value in identity.resource_principal(workspace.sim).items():
        monkeypatch.setenv(name, value)
    token.write_text(os.environ["OCI_RESOURCE_PRINCIPAL_RPST"])
    monkeypatch.setenv("OCI_RESOURCE_PRINCIPAL_RPST", str(token))
    api = workspace.connect(aidp={"auth": "resource_principal"}).api
    assert api.get("/jobs")["items"] == []
    identity.expire(workspace.sim)
    new = identity.resource_principal(workspace.sim)["OCI_RESOURCE_PRINCIPAL_RPST"]
    token.write_text(new)
    assert api.get("/jobs")["items"] == []
    assert workspace.sim.calls[-1].key_id == f"ST${new}"


def test_where_there_is_no_principal_that_is_unauthorized(workspace: Workspace) -> None:
    api = workspace.connect(aidp={"auth": "resource_principal"}).api
    with pytest.raises(Unauthorized, match="OCI_RESOURCE_PRINCIPAL_VERSION is not defined"):
        api.get("/jobs")


@pytest.mark.slow
def test_connecting_does_not_import_oci() -> None:
    code = (
        "import sys; from agent.platforms.aidp import session, auth, profiles, doctor;"
        "sys.exit('oci' in sys.modules)"
    )
    assert run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_signing_imports_little_of_oci_and_the_rest_is_there_when_asked_for() -> None:
    code = (
        "import sys; from agent.platforms.aidp import sdk; sdk.load('oci.signer').Signer;"
        "print('oci.dns' in sys.modules, 'oci.base_client' in sys.modules);"
        "from oci.auth.signers import KeyPairSigner; import oci; print(bool(oci.BaseClient))"
    )
    done = run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False", "True"]
