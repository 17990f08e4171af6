"""Clients of a simulated AIDP workspace that sign their requests as Oracle's own do."""

import ssl
from collections.abc import Generator
from functools import cache
from pathlib import Path
from typing import Any, Literal

import httpx
import oci

from agent.simulators.aidp import Simulator

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""One for all: reading this machine's certificates takes long."""


class Signing(httpx.Auth):
    """Signs with one of oci's signers, which know nothing of httpx."""

    requires_request_body = True

    def __init__(self, signer: Any) -> None:
        """`signer`: anything of `oci` that signs a request."""
        self.signer = signer

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign and send once."""
        if request.method in ("POST", "PUT", "PATCH"):
            request.headers["content-length"] = str(len(request.content))
            request.headers.setdefault("content-type", "application/json")
        request.headers["host"] = request.url.netloc.decode()
        self.signer(_Seen(request))
        yield request


class _Seen:
    """A request as oci's signers look at it."""

    def __init__(self, request: httpx.Request) -> None:
        self.method, self.url = request.method, str(request.url)
        self.path_url = request.url.raw_path.decode("ascii")
        self.headers, self.body = request.headers, request.content or None


class _Named(oci.signer.AbstractBaseSigner):  # type: ignore[misc]  # oci has no types
    """oci's own signing by a key that was read already; reading one takes long."""

    def __init__(self, key_id: str, key: Any) -> None:
        generic = ["date", "(request-target)", "host"]
        body = ["content-length", "content-type", "x-content-sha256"]
        self.create_signers(key_id, key, generic, body)


@cache
def key(pem: str) -> Any:
    """Return a private key."""
    return oci.signer.load_private_key(pem, None)


def signer(sim: Simulator, profile: str = "DEFAULT") -> Any:
    """Return what signs as a profile of the simulator's config file does."""
    config = oci.config.from_file(str(sim.config_file), profile)
    if token := config.get("security_token_file"):
        name = "ST$" + Path(token).read_text()
    else:
        name = "/".join((config["tenancy"], config["user"], config["fingerprint"]))
    return _Named(name, key(Path(config["key_file"]).read_text()))


def client(
    sim: Simulator, profile: str = "DEFAULT", family: Literal["GA", "LA"] = "GA"
) -> httpx.Client:
    """Return a client of everything below the workspace."""
    base = sim.url + sim.below(family)
    auth = Signing(signer(sim, profile))
    return httpx.Client(base_url=base, auth=auth, trust_env=False, verify=NO_TLS)
