"""Who may talk to the simulated workspace: key pairs, an OCI config file, session tokens.

Rules kept here: private keys lie in the simulator's own folder, readable by their owner alone; the
service keeps public keys only; a token is good for the key pair it was issued to and until it
expires. The config file has two profiles: DEFAULT signs with an API key, SESSION with a session
token as `oci session authenticate` leaves it.
Source: https://docs.oracle.com/en-us/iaas/Content/API/Concepts/sdkconfig.htm
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
import uuid
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.simulators.store import Store

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

REGION = "us-ashburn-1"
DEFAULT = "DEFAULT"
SESSION = "SESSION"
OWNER = "rehearsal@example.com"
CREDENTIAL = "credential"
_TOKEN = "ST$"  # noqa: S105  # how a key id that is a token begins, no secret


class Credential(NamedTuple):
    """A key that requests may be signed with."""

    user: str
    """OCID of whose it is."""
    public: str
    """The public key, PEM."""
    by_token: bool


def settle(store: Store) -> dict[str, str]:
    """Return what the workspace is known by, made where it is new."""
    known = store.get("simulator", "identity")
    if known is None:
        known = {
            "tenancy": _ocid("tenancy", ""),
            "user": _ocid("user", ""),
            "user_name": OWNER,
            "instance": _ocid("aidataplatform", "iad"),
            "workspace": str(uuid.uuid4()),
            "cluster": str(uuid.uuid4()),
            "secret": secrets.token_hex(32),
        }
        store.put("simulator", "identity", known)
    return {name: str(value) for name, value in known.items()}


def write(sim: "Simulator") -> Path:
    """Write the config file and what it names; return its path.

    Keys that are there are kept; a session token that still holds is too.
    """
    folder = sim.folder.absolute() / "oci"
    folder.mkdir(mode=0o700, exist_ok=True)
    api_key, session_key = folder / "api_key.pem", folder / "session_key.pem"
    for path, name in ((api_key, DEFAULT), (session_key, SESSION)):
        if not path.is_file():
            private_file(path, _fresh(name))
    public = _public_pem(api_key)
    mark = _fingerprint(public)
    document = {"user": sim.user_id, "public": public}
    sim.store.put(CREDENTIAL, f"{sim.tenancy_id}/{sim.user_id}/{mark}", document)
    token_file = folder / "token"
    if not token_file.is_file() or _expired(sim, token_file.read_text()):
        refresh(sim)
    session_mark = _fingerprint(_public_pem(session_key))
    config = folder / "config"
    private_file(
        config,
        f"[{DEFAULT}]\nuser={sim.user_id}\nfingerprint={mark}\ntenancy={sim.tenancy_id}\n"
        f"region={REGION}\nkey_file={api_key}\n\n"
        f"[{SESSION}]\nfingerprint={session_mark}\ntenancy={sim.tenancy_id}\nregion={REGION}\n"
        f"key_file={session_key}\nsecurity_token_file={token_file}\n",
    )
    return config


def find(sim: "Simulator", key_id: str) -> Credential | str:
    """Return whose key it is, or why it is good for nothing."""
    by_token = key_id.startswith(_TOKEN)
    known = sim.store.get(CREDENTIAL, key_id.removeprefix(_TOKEN))
    if known is None:
        return "the token is unknown" if by_token else "the API key is unknown"
    if by_token and sim.clock.now_ms() >= int(known["expires_ms"]):
        return "the security token has expired"
    if not by_token and not sim.options.api_keys:
        return "this tenancy takes security tokens only"
    return Credential(str(known["user"]), str(known["public"]), by_token)


def mint(sim: "Simulator", public: str, *, lifetime_s: float | None = None, kind: str) -> str:
    """Return a new token for who holds the private key to `public` (PEM).

    `kind`: `upst` for a user's session, `res_sp` for a resource principal. It expires by the
    simulator's clock; its `exp`, which clients read, is by the machine's. None = as long as
    `Options.token_s` says.
    """
    seconds = sim.options.token_s if lifetime_s is None else lifetime_s
    now = int(time.time())
    claims = {
        "sub": sim.user_id,
        "tenant": sim.tenancy_id,
        "res_tenant": sim.tenancy_id,
        "iss": "authService.simulator",
        "ttype": kind,
        "iat": now,
        "exp": now + round(seconds),
        "jti": str(uuid.uuid4()),
    }
    head = _coded(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    signed = f"{head}.{_coded(json.dumps(claims).encode())}"
    secret = (sim.store.get("simulator", "identity") or {})["secret"]
    seal = hmac.new(str(secret).encode(), signed.encode(), hashlib.sha256).digest()
    token = f"{signed}.{_coded(seal)}"
    document = {
        "user": sim.user_id,
        "public": public,
        "expires_ms": sim.clock.now_ms() + round(seconds * 1000),
    }
    sim.store.put(CREDENTIAL, token, document)
    return token


def refresh(sim: "Simulator", *, lifetime_s: float | None = None) -> str:
    """Write a new session token for the profile SESSION, as `oci session refresh` does."""
    with sim.lock:
        folder = sim.folder.absolute() / "oci"
        public = _public_pem(folder / "session_key.pem")
        token = mint(sim, public, lifetime_s=lifetime_s, kind="upst")
        private_file(folder / "token", token)
    return token


def expire(sim: "Simulator") -> None:
    """Let every token that was issued so far be past its time."""
    with sim.lock:
        for key, document in sim.store.items(CREDENTIAL):
            if "expires_ms" in document:
                document["expires_ms"] = sim.clock.now_ms()
                sim.store.put(CREDENTIAL, key, document)


def resource_principal(sim: "Simulator", *, lifetime_s: float | None = None) -> dict[str, str]:
    """Return the environment in which `oci` finds a resource principal of this tenancy."""
    with sim.lock:
        key = sim.folder.absolute() / "oci" / "session_key.pem"
        token = mint(sim, _public_pem(key), lifetime_s=lifetime_s, kind="res_sp")
    return {
        "OCI_RESOURCE_PRINCIPAL_VERSION": "2.2",
        "OCI_RESOURCE_PRINCIPAL_REGION": REGION,
        "OCI_RESOURCE_PRINCIPAL_RPST": token,
        "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM": key.read_text(),
    }


def _expired(sim: "Simulator", token: str) -> bool:
    return isinstance(find(sim, _TOKEN + token.strip()), str)


def _ocid(kind: str, region: str) -> str:
    return f"ocid1.{kind}.oc1.{region}.aaaaaaaa{secrets.token_hex(26)}"


def _coded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def private_file(path: Path, text: str) -> None:
    """Replace the file whole: a client may be reading it."""
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(path)


@cache
def _fresh(name: str) -> str:
    """Return a private key, PEM; one for each profile and process, since making one takes long."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    del name
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _public_pem(path: Path) -> str:
    return _public_of(path.read_text())


@cache
def _public_of(private: str) -> str:
    from cryptography.hazmat.primitives import serialization

    key: Any = serialization.load_pem_private_key(private.encode(), None)
    return str(
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def _fingerprint(public: str) -> str:
    der = base64.b64decode("".join(public.splitlines()[1:-1]))
    mark = hashlib.md5(der, usedforsecurity=False).hexdigest()
    return ":".join(mark[at : at + 2] for at in range(0, len(mark), 2))
