"""The workspace's REST API over HTTP: one request each, no waiting.

Rules kept here: nothing is sent twice by itself, but a read whose connection broke; "not now" is
`Unavailable`, a token nobody takes any more `Unauthorized`; what the service refuses is
`ApiRefused`, and becomes a `Failure` or an answer in the module that asked. Pages are followed
here, up to a cap, and a repeated page token ends them: the SDK does neither.

Errors: https://docs.databricks.com/api/workspace/introduction
"""

import json
import re
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from agent import __version__
from agent.errors import RunmendError, Unauthorized, Unavailable
from agent.platforms.databricks import replies
from agent.platforms.databricks.auth import Auth, expired
from agent.remote.answers import wait_s
from agent.remote.refusals import NOT_KNOWN, ApiRefused, Forbidden, NotFound
from agent.remote.requests import Counter, sent, text

__all__ = ["Api", "ApiRefused", "Forbidden", "NotFound"]

_TIMEOUT = httpx.Timeout(60.0, connect=15.0)
_LATER = (
    "Please try again later",
    "RPC token bucket limit has been exceeded",
    "UnknownWorkerEnvironmentException",
    "There is no worker environment with id",
)
_GONE = re.compile(r"does(?: not|n't) exist|was not found|not found", re.IGNORECASE)


class Api:
    """One connection; counts its calls."""

    def __init__(self, auth: Auth) -> None:
        self.auth = auth
        self._counter = Counter()
        self.org: str | None = None
        """The workspace's id, as the last answer's header gave it."""
        self._client: httpx.Client | None = None
        self._once: dict[str, dict[str, Any]] = {}

    @property
    def calls(self) -> int:
        """Requests sent so far."""
        return self._counter.calls

    def get(self, path: str, /, **query: Any) -> dict[str, Any]:
        """Return the answer's JSON object; a query value of None is left out."""
        return self._json("GET", path, query=query, changes=False)

    def once(self, path: str, /, **query: Any) -> dict[str, Any]:
        """Return what `get` gave for the same question the first time in this process."""
        asked = json.dumps([path, query], sort_keys=True, default=str)
        if asked not in self._once:
            self._once[asked] = self.get(path, **query)
        return self._once[asked]

    def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, changes: bool = True
    ) -> dict[str, Any]:
        """Send a JSON body; `changes=False` where the call only reads."""
        return self._json("POST", path, body=body or {}, changes=changes)

    def put(self, path: str, body: Mapping[str, Any], /, **query: Any) -> dict[str, Any]:
        """Send a JSON body."""
        return self._json("PUT", path, body=body, query=query)

    def patch(self, path: str, body: Mapping[str, Any], /, **query: Any) -> dict[str, Any]:
        """Send a JSON body."""
        return self._json("PATCH", path, body=body, query=query)

    def delete(self, path: str, /, **query: Any) -> dict[str, Any]:
        """Delete."""
        return self._json("DELETE", path, query=query)

    def raw(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Return the answer's bytes as they are."""
        response = self._send(
            method,
            path,
            query=query or {},
            changes=method not in ("GET", "HEAD"),
            content=content,
            headers=dict(headers or {}),
        )
        return response.content

    def pages(
        self, path: str, items: str, /, *, cap: int = 10_000, **query: Any
    ) -> Iterator[dict[str, Any]]:
        """Yield the items of all pages, at most `cap`; a `limit` in the query is a page's size."""
        seen: set[str] = set()
        count = 0
        token: str | None = None
        while True:
            page = self.get(path, **query, page_token=token)
            for item in page.get(items) or ():
                if count >= cap:
                    return
                count += 1
                yield item
            token = page.get("next_page_token") or None
            if token is None or token in seen:
                return
            seen.add(token)

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        changes: bool = True,
    ) -> dict[str, Any]:
        response = self._send(method, path, query=query or {}, changes=changes, body=body)
        if not response.content.strip():
            return {}
        try:
            found = response.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            said = replies.message(response) or "no JSON object"
            raise Unavailable(f"{method} {path}: the workspace answered with {said!r}")
        return found

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any],
        changes: bool,
        body: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        client = self._connection()
        request = client.build_request(
            method,
            path,
            params={k: text(v) for k, v in query.items() if v is not None},
            json=None if body is None else dict(body),
            content=content,
            headers=headers,
        )
        call = f"{method} {path}"
        unknown = NOT_KNOWN if changes else ""
        try:
            response = sent(client, request, changes=changes)
        except httpx.TimeoutException as error:
            raise Unavailable(f"{call}: no answer in time{unknown}") from error
        except httpx.ConnectError as error:
            raise Unavailable(f"{call}: cannot reach {self.auth.host}: {error}") from error
        except httpx.HTTPError as error:
            said = f"{call}: the connection broke: {error}{unknown}"
            raise Unavailable(said) from error
        self.org = response.headers.get("x-databricks-org-id") or self.org
        if response.is_success:
            return response
        raise self._error(call, response, changes)

    def _connection(self) -> httpx.Client:
        if self._client is None:
            config = self.auth.config
            extra = (
                {"X-Databricks-Workspace-Id": config.workspace_id} if config.workspace_id else {}
            )
            self._client = httpx.Client(
                base_url=self.auth.host,
                auth=self.auth,
                timeout=_TIMEOUT,
                # Reading the certificates takes longer than a call; plain HTTP needs none.
                verify=self.auth.host.startswith("https:") and not config.skip_verify,
                headers={"User-Agent": f"runmend/{__version__}", **extra},
                event_hooks={"request": [self._counter.add]},
            )
            weakref.finalize(self, self._client.close)
        return self._client

    def _error(self, call: str, response: httpx.Response, changes: bool) -> RunmendError:
        status, code, said = response.status_code, replies.code(response), replies.message(response)
        if expired(response):
            return self._unauthorized(said)
        if status == 403:
            return Forbidden(f"{call}: {said or 'not allowed'} (403{f' {code}' if code else ''})")
        if 300 <= status < 400:
            where = response.headers.get("location", "another page")
            return Unauthorized(
                f"{call}: {self.auth.host} sends us to {where} instead of answering"
            )
        if status == 429 or any(words in said for words in _LATER):
            return Unavailable(
                f"{call}: {said or 'too many'} ({status})", retry_after_s=wait_s(response)
            )
        if status >= 500 and status != 501:
            unknown = NOT_KNOWN if changes else ""
            said = f"{call}: {said or 'an error of the service'} ({status}){unknown}"
            return Unavailable(said, retry_after_s=wait_s(response))
        if status == 404 or (
            status == 400 and code.startswith("INVALID_PARAM") and _GONE.search(said)
        ):
            return NotFound(call, status, code, said)
        return ApiRefused(call, status, code, said or "refused without a word")

    def _unauthorized(self, said: str) -> Unauthorized:
        who = f"profile {self.auth.profile}" if self.auth.profile else "the environment"
        words = said.rstrip(".") or "the token was refused"
        return Unauthorized(
            f"{self.auth.host} does not take the login of {who}: {words}; {self.auth.log_in}"
        )
