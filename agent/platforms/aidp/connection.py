"""The HTTP connections to an instance: signed ones, and plain ones for pre-authenticated links.

Rules kept here: one request each; a read whose connection broke is sent again once, a change never
is; no redirect is followed; a link that is a login in itself is not signed, not shown and masked
from then on. `SSL_CERT_FILE` and `REQUESTS_CA_BUNDLE` name the certificates to trust.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import os
import ssl
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from agent import __version__, redaction
from agent.errors import RunmendError, Unauthorized, Unavailable, UsageError
from agent.platforms.aidp import replies
from agent.platforms.aidp.auth import Auth
from agent.platforms.aidp.base import Base, is_loopback
from agent.platforms.aidp.refusals import Said, refusal
from agent.remote.answers import clean, wait_s
from agent.remote.refusals import NOT_KNOWN, NotFound
from agent.remote.requests import Counter, sent, text

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
"""What in the environment names certificates to trust, all of them."""


class Asked(NamedTuple):
    """One request."""

    method: str
    path: str
    """Below the workspace, or below the instance."""
    query: Mapping[str, Any] = {}
    """A value of None is left out, a list is sent as repeated parameters."""
    body: Mapping[str, Any] | None = None
    content: bytes | None = None
    """Sent as it is, instead of `body`."""
    headers: Mapping[str, str] = {}
    instance: bool = False
    """True: `path` is below the instance, not the workspace."""
    changes: bool = False
    """True where a lost reply leaves open whether something was changed."""

    @property
    def call(self) -> str:
        """The request in an error message."""
        return f"{self.method} {self.path}"


class Answer(NamedTuple):
    """What came back with a 2xx."""

    body: dict[str, Any]
    """Empty where there was none."""
    etag: str | None
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""


class Connection:
    """Sends requests and counts them."""

    def __init__(self, base: Base, auth: Auth, env: Mapping[str, str] = os.environ) -> None:
        self.base = base
        self.auth = auth
        self._env = env
        self._counter = Counter()
        self._clients: dict[bool, httpx.Client] = {}

    @property
    def calls(self) -> int:
        """Requests sent so far."""
        return self._counter.calls

    def count(self) -> None:
        """Count a call that something else made for us."""
        self._counter.calls += 1

    def send(self, asked: Asked, workspace: str | None) -> httpx.Response:
        """Return the answer, which is a 2xx.

        `workspace`: its key, None for what is below the instance.
        """
        root = self.base.root if workspace is None else self.base.below(workspace)
        client = self._client(signed=True)
        request = client.build_request(
            asked.method,
            f"{root}{asked.path}",
            params={k: text(v) for k, v in asked.query.items() if v is not None},
            json=None if asked.body is None else dict(asked.body),
            content=asked.content,
            headers=dict(asked.headers),
        )
        response = self._exchanged(client, request, asked.call, changes=asked.changes)
        if response.is_success:
            return response
        raise self._error(response, asked.call, changes=asked.changes)

    def by_link(self, method: str, url: str, content: bytes | None) -> bytes:
        """Use a pre-authenticated link and return what came back."""
        redaction.register(url)  # who has it needs no login
        call = f"{method} of a pre-authenticated link"
        try:
            link = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise Unavailable(f"{call}: the service gave no address") from error
        if link.scheme != "https" and not is_loopback(url):
            raise Unauthorized(f"{call}: {link.host} is not reached by https; it is not used")
        client = self._client(signed=False)
        headers = {} if content is None else {"content-type": "application/octet-stream"}
        request = client.build_request(method, link, content=content, headers=headers)
        response = self._exchanged(client, request, call, changes=content is not None)
        if response.is_success:
            return response.content
        status = response.status_code
        if status in (401, 403, 404):  # it has ended, or is for something else
            raise NotFound(call, status, "", "the link does not lead there, or has expired")
        raise self._error(response, call, changes=content is not None)

    def by(self, api: str) -> "Connection":
        """Return another one, by another version and prefix; it counts for itself."""
        return Connection(self.base._replace(api=api), self.auth, self._env)

    def close(self) -> None:
        """Close the connections; the next call opens another."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def _exchanged(
        self, client: httpx.Client, request: httpx.Request, call: str, *, changes: bool
    ) -> httpx.Response:
        unknown = NOT_KNOWN if changes else ""
        host = request.url.host
        try:
            return sent(client, request, changes=changes)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            said = f"{call}: cannot reach {host}: {clean(error) or 'no answer'}"
            raise not_trusted(said) or Unavailable(said) from error
        except httpx.TimeoutException as error:
            raise Unavailable(f"{call}: no answer in time{unknown}") from error
        except httpx.HTTPError as error:
            said = f"{call}: the connection broke: {clean(error)}{unknown}"
            raise Unavailable(said) from error

    def _error(self, response: httpx.Response, call: str, *, changes: bool) -> RunmendError:
        status = response.status_code
        words = replies.message(response)
        if status < 400:
            where = clean(response.headers.get("location", "another page"))
            return Unauthorized(
                f"{call}: {response.url.host} sends us to {where}, which we follow "
                "nowhere: give the right host as aidp.endpoint"
            )
        said = Said(call, status, replies.code(response), words, changes, wait_s(response))
        date = response.headers.get("date", "")
        return refusal(said, self.auth.identity.who, self.auth.what_to_do(status, words, date))

    def _client(self, *, signed: bool) -> httpx.Client:
        if signed not in self._clients:
            client = httpx.Client(
                auth=self.auth if signed else None,
                timeout=_TIMEOUT,
                verify=self._trusted(),
                trust_env=not self.base.local,
                headers={"user-agent": f"runmend/{__version__}", "accept": "application/json"},
                event_hooks={"request": [self._counter.add]},
            )
            self._clients[signed] = client
            weakref.finalize(self, client.close)
        return self._clients[signed]

    def _trusted(self) -> ssl.SSLContext | bool:
        """Return which certificates to trust: those that the environment names, else the usual."""
        named = [self._env[name] for name in BUNDLES if self._env.get(name)]
        if not named:
            # Reading the certificates takes longer than a call; plain HTTP needs none.
            return not self.base.host.startswith("http:")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for path in named:
            try:
                context.load_verify_locations(
                    **{"capath" if Path(path).is_dir() else "cafile": path}
                )
            except (OSError, ValueError) as error:
                raise UsageError(
                    f"{' and '.join(BUNDLES)}: {path} holds no certificates: {error}"
                ) from error
        return context


def not_trusted(said: str) -> UsageError | None:
    """Return the exception where waiting does not help: nobody vouches for who answers."""
    if "CERTIFICATE_VERIFY_FAILED" not in said:
        return None
    return UsageError(f"{said}; set {' or '.join(BUNDLES)} to the certificates to trust")
