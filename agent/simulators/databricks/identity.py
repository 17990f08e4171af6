"""Who talks to the simulated workspace: users, tokens, and the OAuth endpoint for machines.

The first user owns the workspace; others are added by a test and may only do what they are granted.
OAuth: https://docs.databricks.com/aws/en/dev-tools/auth/oauth-m2m
"""

import base64
import binascii
import re
import secrets
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from agent.simulators.databricks.wire import ApiError, Request
from agent.simulators.loopback import Reply
from agent.simulators.routing import Route
from agent.simulators.store import Store

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

OWNER = "rehearsal@example.com"


def settle(store: Store, token: str | None) -> dict[str, Any]:
    """Return what the workspace is known by, made where it is new.

    `token`, `user`, `workspace_id`, and `client_id` with `client_secret` for OAuth.
    """
    known = store.get("simulator", "identity") or {
        "token": "dapi" + secrets.token_hex(16),
        "user": OWNER,
        "workspace_id": 10**15 + secrets.randbelow(8 * 10**15),
        "client_id": str(uuid.uuid4()),
        "client_secret": "dose" + secrets.token_hex(16),
    }
    if token is not None:
        known["token"] = token
    store.put("simulator", "identity", known)
    return known


def issue_token(
    sim: "Simulator",
    user: str,
    *,
    lifetime_s: float | None = None,
    scopes: tuple[str, ...] = ("all-apis",),
) -> str:
    """Return a new token of this user; None = it does not expire.

    `scopes`: the first parts of API paths it is good for, such as `jobs`, or `all-apis`.
    """
    token = "dapi" + secrets.token_hex(16)
    document: dict[str, Any] = {"user": user, "scopes": list(scopes)}
    if lifetime_s is not None:
        document["expires_ms"] = sim.clock.now_ms() + round(lifetime_s * 1000)
    with sim.lock:
        sim.store.put("token", token, document)
    return token


def revoke_token(sim: "Simulator", token: str) -> None:
    """Refuse this token from here on; the workspace's own cannot be revoked."""
    with sim.lock:
        sim.store.delete("token", token)


def token_refused() -> ApiError:
    """Return the refusal of a token that is wrong or has expired."""
    return ApiError(403, "PERMISSION_DENIED", "Invalid access token.")


def authenticate(sim: "Simulator", request: Request) -> str:
    """Return whose token it is.

    Raises `ApiError` 401 without one, 403 for one that is wrong, expired or too narrow.
    """
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if kind.lower() != "bearer" or not token:
        message = "Credential was not sent or was of an unsupported type for this API."
        raise ApiError(401, "UNAUTHENTICATED", message)
    if secrets.compare_digest(token.encode(), sim.token.encode()):
        return sim.user
    known = sim.store.get("token", token)
    now = sim.clock.now_ms()
    if known is None or now >= known.get("expires_ms", now + 1):
        raise token_refused()
    scope = re.sub(r"^/api/[\d.]+/(\w+(-\w+)*).*", r"\1", request.path)
    if not {"all-apis", scope} & set(known["scopes"]):
        message = f"Provided OAuth token does not have required scopes: {scope}"
        raise ApiError(403, "PERMISSION_DENIED", f"{message} [ReqId: {uuid.uuid4()}]")
    return str(known["user"])


def _me(sim: "Simulator", request: Request) -> dict[str, Any]:
    del sim
    name = request.user
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": str(int.from_bytes(name.encode()[:6].ljust(6), "big")),
        "userName": name,
        "displayName": name.partition("@")[0],
        "active": True,
        "emails": [{"value": name, "type": "work", "primary": True}],
    }


def _discover(sim: "Simulator", request: Request) -> dict[str, Any]:
    if not sim.options.well_known:
        raise ApiError(404, "ENDPOINT_NOT_FOUND", f"No API found for 'GET {request.path}'")
    return {
        "oidc_endpoint": f"{sim.url}/oidc",
        "workspace_id": str(sim.workspace_id),
        "cloud": "AWS",
    }


def _endpoints(sim: "Simulator", request: Request) -> dict[str, Any]:
    del request
    return {
        "issuer": f"{sim.url}/oidc",
        "authorization_endpoint": f"{sim.url}/oidc/v1/authorize",
        "token_endpoint": f"{sim.url}/oidc/v1/token",
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    }


def _token(sim: "Simulator", request: Request) -> Reply:
    if request.body.get("grant_type") != "client_credentials":
        return _oauth_refusal(400, "unsupported_grant_type", "Only client_credentials is known.")
    name, secret = _client(request)
    known = sim.store.get("simulator", "identity") or {}
    right = secrets.compare_digest(secret.encode(), str(known["client_secret"]).encode())
    if name != known["client_id"] or not right:
        return _oauth_refusal(401, "invalid_client", "Client authentication failed")
    scopes = tuple(str(request.body.get("scope") or "all-apis").split())
    lifetime_s = sim.options.token_s
    body = {
        "access_token": issue_token(sim, sim.user, lifetime_s=lifetime_s, scopes=scopes),
        "token_type": "Bearer",
        "scope": " ".join(scopes),
        "expires_in": round(lifetime_s),
    }
    return Reply(body=body)


def _oauth_refusal(status: int, error: str, description: str) -> Reply:
    return Reply(status, {"error": error, "error_description": description})


def _client(request: Request) -> tuple[str, str]:
    kind, _, coded = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(coded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return unquote(name), unquote(secret)
    return str(request.body.get("client_id", "")), str(request.body.get("client_secret", ""))


ROUTES = (
    Route("GET", "/api/2.{version}/preview/scim/v2/Me", _me),
    Route("GET", "/.well-known/databricks-config", _discover, open=True),
    Route("GET", "/oidc/.well-known/oauth-authorization-server", _endpoints, open=True),
    Route("POST", "/oidc/v1/token", _token, open=True),
)
