"""Every request is verified against the public key of who signed it."""

import base64
import hashlib
import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import oci
import pytest
from aidp_sim_stage import Signing, client, key, signer

from agent.simulators.aidp import Options, Simulator, VirtualClock, identity, standin

LIST = "/objects?path=Shared"


def said(answer: httpx.Response) -> str:
    """Return why a request was refused, and see that it was in the service's way."""
    assert answer.status_code == 401, answer.text
    assert answer.json()["code"] == "NotAuthenticated"
    return str(answer.json()["message"])


def test_ocis_own_signer_is_let_in_by_the_config_file(sim: Simulator) -> None:
    config = oci.config.from_file(str(sim.config_file))
    oci.config.validate_config(config)
    with client(sim) as http:
        signed = Signing(oci.signer.Signer.from_config(config))
        assert http.get(LIST, auth=signed).status_code == 200


def test_every_kind_of_request_is_verified(sim: Simulator) -> None:
    for profile in ("DEFAULT", "SESSION"):
        with client(sim, profile) as http:
            assert http.get(LIST).status_code == 200
            assert http.get("/objects?path=Shared&displayName=a%20b%2Fc").status_code == 200
            made = http.post(
                "/notebook/api/contents/Shared", json={"type": "file", "ext": ".txt", "é": "ü"}
            )
            assert made.status_code == 201
            path = "/notebook/api/contents/" + made.json()["path"].replace("/", "%2F")
            assert http.patch(path, json={"path": f"Shared/{profile}"}).status_code == 200
            assert http.delete(f"/objects/Shared%2F{profile}").status_code == 204
    keys = {call.key_id[:3] for call in sim.calls}
    assert keys == {"oci", "ST$"}


def test_a_request_that_nobody_signed_is_refused(sim: Simulator, plain: httpx.Client) -> None:
    assert "not signed" in said(plain.get(sim.below() + LIST))
    headers = {"authorization": "Bearer x"}
    assert "not signed" in said(plain.get(sim.below() + LIST, headers=headers))
    # Nobody learns what is there without a signature.
    assert said(plain.get("/nothing/here"))
    assert sim.calls[-1].key_id == ""


Change = Callable[[httpx.Request], None]


def sent(sim: Simulator, change: Change, method: str = "POST") -> httpx.Response:
    """Send a signed request that was changed after it was signed."""
    with client(sim) as http:
        request = http.build_request(method, "/actions/renameObject", content=b"{}")
        next(Signing(signer(sim)).auth_flow(request))
        change(request)
        return http.send(request, auth=lambda same: same)


def header(name: str, value: str) -> Change:
    def change(request: httpx.Request) -> None:
        request.headers[name] = value

    return change


def without(name: str) -> Change:
    def change(request: httpx.Request) -> None:
        covered = request.headers["authorization"].replace(f" {name}", "")
        request.headers["authorization"] = covered

    return change


def other_body(request: httpx.Request) -> None:
    request.stream = httpx.ByteStream(b"[]")
    request._content = b"[]"


def other_hash(request: httpx.Request) -> None:
    other_body(request)
    digest = base64.b64encode(hashlib.sha256(b"[]").digest()).decode()
    request.headers["x-content-sha256"] = digest


def other_path(request: httpx.Request) -> None:
    request.url = request.url.copy_with(raw_path=request.url.raw_path + b"?x=1")


CHANGES: list[tuple[Change, str]] = [
    (other_body, "x-content-sha256 is not the body's"),
    (other_hash, "the signature does not fit"),
    (other_path, "the signature does not fit"),
    (header("content-type", "text/plain"), "the signature does not fit"),
    (header("host", "elsewhere"), "the signature does not fit"),
    (header("date", "yesterday"), "the date is none"),
    (without("x-content-sha256"), "does not cover x-content-sha256"),
    (without("content-length"), "does not cover content-length"),
    (without("content-type"), "does not cover content-type"),
    (without("host"), "does not cover host"),
    (without("(request-target)"), "does not cover (request-target)"),
]


@pytest.mark.parametrize(("change", "why"), CHANGES)
def test_whatever_was_changed_on_its_way_is_refused(
    sim: Simulator, change: Change, why: str
) -> None:
    assert why in said(sent(sim, change))


def test_unchanged_it_is_let_in(sim: Simulator) -> None:
    assert sent(sim, header("accept", "*/*")).status_code == 400


@pytest.mark.parametrize("off", [timedelta(minutes=-6), timedelta(minutes=6)])
def test_a_date_more_than_five_minutes_off_is_refused(sim: Simulator, off: timedelta) -> None:
    with client(sim) as http:
        for minutes, status in ((off, 401), (off * 2 / 3, 200)):
            date = format_datetime(datetime.now(UTC) + minutes, usegmt=True)
            answer = http.get(LIST, headers={"date": date})
            assert answer.status_code == status
    sim.options = Options(clock_off_s=off.total_seconds())
    with client(sim) as http:
        assert "the date is off" in said(http.get(LIST))


def test_dates_go_by_the_machines_time_however_far_a_test_moved_on(
    sim: Simulator, http: httpx.Client
) -> None:
    sim.advance(7 * 24 * 3600)
    assert http.get(LIST).status_code == 200


def test_an_unknown_key_is_refused(sim: Simulator, tmp_path: Path) -> None:
    with Simulator(tmp_path / "other", clock=VirtualClock()) as other:
        stranger = signer(other)
    with client(sim) as http:
        assert "API key is unknown" in said(http.get(LIST, auth=Signing(stranger)))


def _key(sim: Simulator) -> str:
    return (sim.config_file.parent / "session_key.pem").read_text()


def test_another_key_than_the_names_is_refused(sim: Simulator) -> None:
    config = oci.config.from_file(str(sim.config_file))
    mine = (config["tenancy"], config["user"], config["fingerprint"], None)
    wrong = oci.signer.Signer(*mine, private_key_content=_key(sim))
    with client(sim) as http:
        assert "does not fit" in said(http.get(LIST, auth=Signing(wrong)))


def test_a_session_token_holds_an_hour_and_can_be_refreshed(sim: Simulator) -> None:
    with client(sim, "SESSION") as http:
        assert http.get(LIST).status_code == 200
        sim.advance(3599)
        assert http.get(LIST).status_code == 200
        sim.advance(1)
        assert "token has expired" in said(http.get(LIST))
        identity.refresh(sim)
        assert "token has expired" in said(http.get(LIST))
    with client(sim, "SESSION") as http:
        assert http.get(LIST).status_code == 200
        identity.expire(sim)
        assert "token has expired" in said(http.get(LIST))
    with client(sim) as http:
        assert http.get(LIST).status_code == 200


def test_the_session_command_has_a_stand_in(sim: Simulator, tmp_path: Path) -> None:
    command = [standin.install(sim, tmp_path / "bin"), "session", "refresh", "--profile"]
    identity.expire(sim)
    assert subprocess.run([*command, "SESSION"], check=False).returncode == 0
    with client(sim, "SESSION") as http:
        assert http.get(LIST).status_code == 200
    sim.options = Options(refresh_works=False)
    for profile in ("SESSION", "DEFAULT"):
        done = subprocess.run([*command, profile], capture_output=True, text=True, check=False)
        assert (done.returncode, "session has expired" in done.stderr) == (1, True)


def test_a_token_says_when_it_expires_as_clients_read_it(sim: Simulator) -> None:
    token = identity.refresh(sim, lifetime_s=600)
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    left = claims["exp"] - datetime.now(UTC).timestamp()
    assert 590 < left <= 600
    assert (sim.config_file.parent / "token").read_text() == token


def test_a_tampered_token_is_unknown(sim: Simulator) -> None:
    head, _, seal = identity.refresh(sim).split(".")
    claims = base64.urlsafe_b64encode(json.dumps({"exp": 9999999999}).encode()).decode()
    forged = oci.auth.signers.SecurityTokenSigner(
        f"{head}.{claims.rstrip('=')}.{seal}", key(_key(sim))
    )
    with client(sim) as http:
        assert "token is unknown" in said(http.get(LIST, auth=Signing(forged)))


def test_a_tenancy_may_take_tokens_only(sim: Simulator) -> None:
    sim.options = Options(api_keys=False)
    with client(sim) as http, client(sim, "SESSION") as session:
        assert "tokens only" in said(http.get(LIST))
        assert session.get(LIST).status_code == 200


def test_a_resource_principal_is_let_in(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in identity.resource_principal(sim).items():
        monkeypatch.setenv(name, value)
    principal = oci.auth.signers.get_resource_principals_signer()
    with client(sim) as http:
        assert http.get(LIST, auth=Signing(principal)).status_code == 200


def test_keys_are_their_owners_alone(sim: Simulator) -> None:
    files = [p for p in sim.config_file.parent.iterdir() if p.is_file()]
    assert {p.name for p in files} == {"config", "api_key.pem", "session_key.pem", "token"}
    assert all(p.stat().st_mode & 0o077 == 0 for p in files)


def test_a_restart_keeps_keys_tokens_and_ids(tmp_path: Path) -> None:
    seen = []
    for _ in range(2):
        with Simulator(tmp_path / "workspace") as sim, client(sim, "SESSION") as http:
            assert http.get(LIST).status_code == 200
            folder = sim.config_file.parent
            files = {p.name: p.read_text() for p in folder.iterdir()}
            seen.append((sim.instance_id, sim.workspace, sim.cluster_key, sim.user_id, files))
    assert seen[0] == seen[1]
