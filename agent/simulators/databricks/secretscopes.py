"""Secret scopes of the simulated workspace.

Source: https://docs.databricks.com/api/workspace/secrets
"""

import base64
import binascii
from typing import TYPE_CHECKING, Any

from agent.simulators.databricks.wire import ApiError, Request, invalid, missing
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

SCOPE = "secret_scope"
"""`{"name", "secrets": {key: {"base64", "at"}}, "acls": {principal: permission}}` by name."""


def secret(sim: "Simulator", scope: str, key: str) -> bytes | None:
    """Return a secret's value; None where there is none."""
    found = (sim.store.get(SCOPE, scope) or {"secrets": {}})["secrets"].get(key)
    return None if found is None else base64.b64decode(found["base64"])


def _scope(sim: "Simulator", request: Request) -> dict[str, Any]:
    name = request.text("scope")
    found = sim.store.get(SCOPE, name)
    if found is None:
        raise missing(f"Scope {name} does not exist!")
    return found


def _create_scope(sim: "Simulator", request: Request) -> dict[str, Any]:
    name = request.text("scope")
    if sim.store.get(SCOPE, name) is not None:
        raise ApiError(400, "RESOURCE_ALREADY_EXISTS", f"Scope {name} already exists!")
    acls = {request.text("initial_manage_principal", request.user): "MANAGE"}
    sim.store.put(SCOPE, name, {"name": name, "secrets": {}, "acls": acls})
    return {}


def _list_scopes(sim: "Simulator", request: Request) -> dict[str, Any]:
    del request
    found = [{"name": name, "backend_type": "DATABRICKS"} for name, _ in sim.store.items(SCOPE)]
    return {"scopes": found} if found else {}


def _delete_scope(sim: "Simulator", request: Request) -> dict[str, Any]:
    sim.store.delete(SCOPE, _scope(sim, request)["name"])
    return {}


def _put_secret(sim: "Simulator", request: Request) -> dict[str, Any]:
    scope = _scope(sim, request)
    given = request.text("bytes_value", None)
    if given is None:
        given = base64.b64encode(request.text("string_value", "").encode()).decode()
    try:
        base64.b64decode(given, validate=True)
    except binascii.Error as error:
        raise invalid("bytes_value is not valid base64.") from error
    scope["secrets"][request.text("key")] = {"base64": given, "at": sim.clock.now_ms()}
    sim.store.put(SCOPE, scope["name"], scope)
    return {}


def _secret_of(sim: "Simulator", request: Request) -> tuple[dict[str, Any], str]:
    scope, key = _scope(sim, request), request.text("key")
    if key not in scope["secrets"]:
        raise missing(f"Secret {key} in scope {scope['name']} does not exist!")
    return scope, key


def _get_secret(sim: "Simulator", request: Request) -> dict[str, Any]:
    scope, key = _secret_of(sim, request)
    return {"key": key, "value": scope["secrets"][key]["base64"]}


def _delete_secret(sim: "Simulator", request: Request) -> dict[str, Any]:
    scope, key = _secret_of(sim, request)
    del scope["secrets"][key]
    sim.store.put(SCOPE, scope["name"], scope)
    return {}


def _list_secrets(sim: "Simulator", request: Request) -> dict[str, Any]:
    found = [
        {"key": key, "last_updated_timestamp": value["at"]}
        for key, value in _scope(sim, request)["secrets"].items()
    ]
    return {"secrets": found} if found else {}


def _list_acls(sim: "Simulator", request: Request) -> dict[str, Any]:
    acls = _scope(sim, request)["acls"].items()
    return {"items": [{"principal": who, "permission": what} for who, what in acls]}


def _put_acl(sim: "Simulator", request: Request) -> dict[str, Any]:
    scope = _scope(sim, request)
    scope["acls"][request.text("principal")] = request.text("permission")
    sim.store.put(SCOPE, scope["name"], scope)
    return {}


def _get_acl(sim: "Simulator", request: Request) -> dict[str, Any]:
    who = request.text("principal")
    what = _scope(sim, request)["acls"].get(who)
    if what is None:
        raise missing(f"Failed to get secret acl for principal {who}.")
    return {"principal": who, "permission": what}


def _delete_acl(sim: "Simulator", request: Request) -> dict[str, Any]:
    scope = _scope(sim, request)
    if scope["acls"].pop(request.text("principal"), None) is None:
        raise missing(f"Failed to get secret acl for principal {request.text('principal')}.")
    sim.store.put(SCOPE, scope["name"], scope)
    return {}


_SECRETS = "/api/2.{version}/secrets"
ROUTES = (
    Route("POST", _SECRETS + "/scopes/create", _create_scope),
    Route("GET", _SECRETS + "/scopes/list", _list_scopes),
    Route("POST", _SECRETS + "/scopes/delete", _delete_scope),
    Route("POST", _SECRETS + "/put", _put_secret),
    Route("GET", _SECRETS + "/get", _get_secret),
    Route("POST", _SECRETS + "/delete", _delete_secret),
    Route("GET", _SECRETS + "/list", _list_secrets),
    Route("GET", _SECRETS + "/acls/list", _list_acls),
    Route("GET", _SECRETS + "/acls/get", _get_acl),
    Route("POST", _SECRETS + "/acls/put", _put_acl),
    Route("POST", _SECRETS + "/acls/delete", _delete_acl),
)
