"""The workspace at the other end: who we are there, and REST calls that are sent again when lost.

Rules kept here: host and token come from the bundle's `workspace`, the profile and the environment,
the environment's token winning over a profile's, as databricks-sdk's Config has it; anything but a
personal access token is left to that Config itself, which takes seconds to import and is therefore
imported only then. Calls are repeated after 429, 503 and a broken connection, POST included and
without any token against doubling, as the real command's library does.
"""

import configparser
import http.client
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from agent.simulators.bundle.notes import Failed

_TRIES = 6
_TIMEOUT_S = 60.0
_LONGEST_WAIT_S = 5.0
"""A rehearsal does not wait as long as a reply's Retry-After may ask."""


class ApiRefused(Exception):
    """The workspace answered with an error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} ({self.status} {self.code})"


class Login(NamedTuple):
    """Where to and with which headers."""

    host: str
    headers: Mapping[str, str]
    profile: str | None
    kind: str
    """The authentication type, such as `pat`."""


def login(env: Mapping[str, str], host: str | None, profile: str | None) -> Login:
    """Find host and credentials; `host` is the bundle's, which RUNMEND_STANDIN_HOST replaces.

    Raises `Failed` where there are none.
    """
    if host is not None:
        host = env.get("RUNMEND_STANDIN_HOST", host)
    profile = profile or env.get("DATABRICKS_CONFIG_PROFILE")
    token = env.get("DATABRICKS_TOKEN")
    given: Mapping[str, str] = {}
    if profile or not ((host or env.get("DATABRICKS_HOST")) and token):
        profile, given = _profile(env, host, profile)
    where = _address(host or env.get("DATABRICKS_HOST") or given.get("host", ""))
    if not where:
        raise Failed(
            "cannot resolve bundle auth configuration: no host; set workspace.host in "
            "databricks.yml, DATABRICKS_HOST or a profile in ~/.databrickscfg"
        )
    theirs = _address(given.get("host", ""))
    if host and theirs and theirs != where:
        raise Failed(
            "cannot resolve bundle auth configuration: the host in the profile "
            f"({theirs}) doesn't match the host configured in the bundle ({where})"
        )
    token = token or given.get("token")
    if token:
        return Login(where, {"Authorization": f"Bearer {token}"}, profile, "pat")
    return _other(where, profile)


def _other(host: str, profile: str | None) -> Login:
    from databricks.sdk.core import Config

    try:
        config = Config(host=host, profile=profile) if profile else Config(host=host)
        return Login(host, config.authenticate(), profile, str(config.auth_type))
    except ValueError as error:
        raise Failed(f"cannot resolve bundle auth configuration: {error}") from error


def _profile(
    env: Mapping[str, str], host: str | None, name: str | None
) -> tuple[str | None, Mapping[str, str]]:
    """Return the profile: the one that is named, the one of the bundle's host, or DEFAULT."""
    home = Path(env.get("HOME", "~")).expanduser()
    path = Path(env.get("DATABRICKS_CONFIG_FILE", home / ".databrickscfg"))
    sections = configparser.ConfigParser(default_section="*none*", interpolation=None)
    try:
        sections.read(path, encoding="utf-8")
    except configparser.Error as error:
        raise Failed(f"cannot load Databricks config file: {error}") from error
    if name is not None:
        if name not in sections:
            raise Failed(
                "cannot resolve bundle auth configuration: resolve: "
                f"{path} has no {name} profile configured"
            )
        return name, sections[name]
    if host:
        of_host = [s for s in sections.sections() if _address(sections[s].get("host", "")) == host]
        if len(of_host) > 1:
            raise Failed(
                "cannot resolve bundle auth configuration: multiple profiles matched: "
                f"{', '.join(of_host)}; choose one with --profile"
            )
        return (of_host[0], sections[of_host[0]]) if of_host else (None, {})
    return ("DEFAULT", sections["DEFAULT"]) if "DEFAULT" in sections else (None, {})


def _address(host: str) -> str:
    host = host.strip().rstrip("/")
    return host if not host or "://" in host else f"https://{host}"


class Workspace:
    """One connection, used again for every call."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self.workspace_id = ""
        """As the reply to `me` says; empty before."""
        parts = urlsplit(login.host)
        kind = http.client.HTTPConnection
        self._link = (http.client.HTTPSConnection if parts.scheme == "https" else kind)(
            parts.netloc, timeout=_TIMEOUT_S
        )

    def close(self) -> None:
        """Let go of the connection."""
        self._link.close()

    def me(self) -> dict[str, Any]:
        """Return who is asking, with `userName`."""
        reply = self._send("GET", "/api/2.0/preview/scim/v2/Me", b"")
        self.workspace_id = reply.headers.get("X-Databricks-Org-Id") or ""
        return _json(reply)

    def get(self, path: str, /, **query: Any) -> dict[str, Any]:
        """GET a JSON object. Raises `ApiRefused` for every error the workspace answers with."""
        return _json(self._send("GET", _with(path, query), b""))

    def whole(self, path: str, /, **query: Any) -> dict[str, Any]:
        """GET a JSON object whose lists come in pages, and join them."""
        found = page = self.get(path, **query)
        while page.get("next_page_token"):
            page = self.get(path, **query, page_token=page["next_page_token"])
            found = _joined(found, page)
        return found

    def raw(self, path: str, /, **query: Any) -> bytes:
        """GET bytes."""
        return self._send("GET", _with(path, query), b"").body

    def call(self, method: str, path: str, body: Any = None, /, **query: Any) -> dict[str, Any]:
        """Send a JSON body (bytes go as they are) and return the JSON reply."""
        raw = body if isinstance(body, bytes) else b"" if body is None else _encoded(body)
        return _json(self._send(method, _with(path, query), raw))

    def _send(self, method: str, path: str, body: bytes) -> "_Reply":
        headers = {"Accept": "application/json", "User-Agent": "runmend-databricks-stand-in/1"}
        headers |= self.login.headers
        if method != "GET":
            headers["Content-Type"] = "application/json"
        for attempt in range(1, _TRIES + 1):
            try:
                self._link.request(method, path, body if method != "GET" else None, headers)
                answer = self._link.getresponse()
                reply = _Reply(answer.status, answer.read(), dict(answer.headers))
            except (OSError, http.client.HTTPException) as error:
                self._link.close()
                if attempt == _TRIES:
                    raise Failed(f'{method} "{self.login.host}{path}": {error}') from error
                _wait(min(0.05 * 2**attempt, 1))
                continue
            if reply.status not in (429, 503) or attempt == _TRIES:
                break
            _wait(_asked(reply.headers.get("Retry-After", "")))
        if reply.status >= 400:
            raise _refusal(reply)
        return reply


class _Reply(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str]


def _joined(found: Any, page: Any) -> Any:
    if isinstance(found, dict) and isinstance(page, dict):
        return {key: _joined(value, page.get(key)) for key, value in found.items()}
    return found + page if isinstance(found, list) and isinstance(page, list) else found


def _asked(text: str) -> float:
    return min(float(text), _LONGEST_WAIT_S) if text.isdigit() else 1.0


def _wait(seconds: float) -> None:
    threading.Event().wait(seconds)


def _with(path: str, query: Mapping[str, Any]) -> str:
    given = {k: str(v).lower() if isinstance(v, bool) else v for k, v in query.items()}
    return f"{quote(path)}?{urlencode(given)}" if given else quote(path)


def _encoded(body: Any) -> bytes:
    return json.dumps(body).encode()


def _json(reply: _Reply) -> dict[str, Any]:
    if not reply.body.strip():
        return {}
    try:
        found = json.loads(reply.body)
    except ValueError:
        text = reply.body[:200].decode("utf-8", "replace")
        raise ApiRefused(reply.status, "UNKNOWN", f"invalid reply from server: {text}") from None
    return found if isinstance(found, dict) else {}


def _refusal(reply: _Reply) -> ApiRefused:
    try:
        body = json.loads(reply.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        text = " ".join(reply.body[:300].decode("utf-8", "replace").split())
        return ApiRefused(reply.status, "UNKNOWN", f"unable to parse response: {text}")
    code = str(body.get("error_code") or http.client.responses.get(reply.status, "UNKNOWN"))
    return ApiRefused(reply.status, code, str(body.get("message") or body.get("detail") or code))
