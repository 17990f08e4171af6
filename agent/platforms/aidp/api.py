"""The workspace's REST API over HTTP: one request each, no waiting.

Rules kept here: nothing is sent twice by itself, but a read whose connection broke, and a request
whose login was refused and renewed (`auth`); every body that changes something is on the disk
before it leaves (`payloads`); no redirect is followed; a pre-authenticated link gets no signature.
Pages are followed up to a cap, until a token is missing or comes again; an answer that is no list
is never an empty one. A 404 before anything else was answered may mean all of the workspace: that
is looked at. What the service refuses: `refusals`.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import httpx

from agent.errors import RunmendError, Unavailable, UsageError
from agent.platforms.aidp import replies
from agent.platforms.aidp.auth import Auth
from agent.platforms.aidp.base import Base
from agent.platforms.aidp.connection import Answer, Asked, Connection
from agent.platforms.aidp.payloads import Payloads
from agent.platforms.aidp.refusals import Conflict, ServerError, Stale, unseen
from agent.remote.answers import clean
from agent.remote.refusals import NOT_KNOWN, ApiRefused, Forbidden, NotFound

__all__ = [
    "Answer",
    "Api",
    "ApiRefused",
    "Conflict",
    "Forbidden",
    "NotFound",
    "ServerError",
    "Stale",
]

_T = TypeVar("_T")
_PAGE = 1000
_SORTED = ("/jobRuns", "/taskRuns", "/recentJobRuns")
"""Lists that answer 400 where nobody says how they are sorted."""


class Engine(Protocol):
    """Something else that some requests go through."""

    def there(self) -> None:
        """Raise `UsageError` where it is missing: before anything is sent past it."""

    def takes(self, asked: Asked) -> bool:
        """Return whether this request is its to send."""

    def answer(self, asked: Asked, base: Base, workspace: str) -> Answer:
        """Return the answer to such a request."""


class Api:
    """One connection; counts its calls. Paths are below the workspace unless `instance=True`."""

    def __init__(
        self,
        connection: Connection,
        payloads: Payloads,
        official: Engine | None = None,
        *,
        visible: bool = False,
    ) -> None:
        """`official`: the official command, where the playbook wants it; `visible`: a 404 is never
        taken to mean the whole workspace."""
        self._connection = connection
        self._payloads = payloads
        self._official = official
        self._once: dict[str, dict[str, Any]] = {}
        self._workspace: str | None = None
        self._visible = visible

    @property
    def base(self) -> Base:
        """Where the instance is."""
        return self._connection.base

    @property
    def auth(self) -> Auth:
        """Who we are to it."""
        return self._connection.auth

    @property
    def calls(self) -> int:
        """Requests sent so far."""
        return self._connection.calls

    def workspace(self) -> str:
        """Return the workspace's key, looked up once where we were given its display name."""
        if self._workspace is None:
            self._workspace = self._found(self.base.workspace)
        return self._workspace

    def get(self, path: str, /, *, instance: bool = False, **query: Any) -> dict[str, Any]:
        """Return the answer's JSON object; a query value of None is left out."""
        return self.read(path, instance=instance, **query).body

    def read(self, path: str, /, *, instance: bool = False, **query: Any) -> Answer:
        """Return what `get` returns, with its etag."""
        return self._read(Asked("GET", path, query, instance=instance))

    def once(self, path: str, /, *, instance: bool = False, **query: Any) -> dict[str, Any]:
        """Return what `get` gave for the same question the first time in this process."""
        asked = json.dumps([path, instance, query], sort_keys=True, default=str)
        if asked not in self._once:
            self._once[asked] = self.get(path, instance=instance, **query)
        return self._once[asked]

    def ask(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        /,
        *,
        instance: bool = False,
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> dict[str, Any]:
        """POST what only reads: fetchOutput, searchLogs, downloadFileMeta."""
        asked = Asked("POST", path, query, body, headers=headers or {}, instance=instance)
        return self._read(asked).body

    def pages(
        self,
        path: str,
        /,
        *,
        cap: int = 100_000,
        instance: bool = False,
        body: Mapping[str, Any] | None = None,
        **query: Any,
    ) -> Iterator[dict[str, Any]]:
        """Yield the items of all pages, at most `cap`; `limit` is a page's size, 1 to 1000.

        With a `body` the pages are POSTed for (searchLogs). Runs are sorted by timeCreated where
        the caller does not say how.
        """
        full = {"limit": min(cap, _PAGE), **query}
        if path in _SORTED:
            full = {"sortBy": "timeCreated", "sortOrder": "DESC", **full}
        method = "GET" if body is None else "POST"
        seen: set[str] = set()
        left = cap
        token: str | None = None
        while left > 0:
            asked = Asked(method, path, {**full, "page": token}, body, instance=instance)
            answer = self._read(asked)
            for item in _items(asked, answer)[:left]:
                left -= 1
                yield item
            token = answer.headers.get("opc-next-page") or None
            if token is None or token in seen:
                return
            seen.add(token)

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        /,
        *,
        what: str,
        query: Mapping[str, Any] | None = None,
        token: str | None = None,
        etag: str | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        instance: bool = False,
    ) -> Answer:
        """Change something, once; any 2xx is an answer.

        `what`: names the file of the body, such as `update-job-etl_daily`; `token`:
        opc-retry-token, at most 64 characters, good for 24 hours; `etag`: sent as if-match.
        """
        more = {**(headers or {})}
        if token is not None:
            more["opc-retry-token"] = token
        if etag is not None:
            more["if-match"] = etag
        asked = Asked(method, path, query or {}, body, content, more, instance, changes=True)
        if not instance:
            self.workspace()  # a look-up that may fail, before the body is kept and sent
        saved = body if content is None else content
        if saved is not None:
            self._payloads.save(what, saved)
        if (answer := self._by_command(asked)) is not None:
            return answer
        response = self._sent(asked)
        if "html" in response.headers.get("content-type", ""):
            raise Unavailable(f"{asked.call}: {replies.no_object(response)}{NOT_KNOWN}")
        return _answer(response, replies.json_object(response) or {})

    def raw(
        self,
        path: str,
        /,
        *,
        instance: bool = False,
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> bytes:
        """GET a file's bytes as they are."""
        asked = Asked("GET", path, query, headers=headers or {}, instance=instance)
        return self._sent(asked).content

    def par_get(self, url: str) -> bytes:
        """Return what a pre-authenticated link holds; it is not signed."""
        return self._connection.by_link("GET", url, None)

    def par_put(self, url: str, content: bytes, *, what: str = "upload-file") -> None:
        """Write what a pre-authenticated link leads to; it is not signed."""
        self._payloads.save(what, content)
        self._connection.by_link("PUT", url, content)

    def by(self, api: str) -> "Api":
        """Return the same by another version and prefix."""
        return Api(self._connection.by(api), self._payloads, visible=True)

    def close(self) -> None:
        """Close the connections; the next call opens another."""
        self._connection.close()

    def _found(self, name: str) -> str:
        """Return the key of the workspace that is meant; a key is taken as it is."""
        if self.base.has_key:
            return name
        listed = list(self.pages("/workspaces", instance=True))
        fits = [w for w in listed if name in (w.get("key"), w.get("displayName"))]
        if len(fits) == 1 and isinstance(fits[0].get("key"), str):
            return str(fits[0]["key"])
        names = ", ".join(sorted(str(w.get("displayName")) for w in listed)) or "none"
        found = f"{len(fits)} workspaces are" if fits else "no workspace is"
        raise UsageError(
            f"{found} named {name!r}; there is {clean(names)}: set aidp.workspace "
            "(AIDP_WORKSPACE) to one of them or to its key"
        )

    def _sent(self, asked: Asked) -> httpx.Response:
        if self._official is not None:
            self._official.there()
        below = None if asked.instance else self.workspace()
        return self._seen(lambda: self._connection.send(asked, below))

    def _seen(self, call: Callable[[], _T]) -> _T:
        """Make a call. Raises `Unauthorized` where it shows that we see nothing here at all."""
        try:
            found = call()
        except NotFound as error:
            if not self._visible:
                self._look(error)
            raise
        self._visible = True
        return found

    def _look(self, error: NotFound) -> None:
        """Raise `Unauthorized` where the workspace is not to be seen either."""
        if self._workspace is not None or self.base.has_key:
            place = f"/workspaces/{quote(self.workspace(), safe='')}"
            try:
                self._connection.send(Asked("GET", place, instance=True), None)
            except NotFound:
                raise unseen(error, self.base) from error
            except RunmendError:
                return  # nobody can tell just now: the 404 stands as it is
            self._visible = True
        else:  # it was looked for by its name
            raise unseen(error, self.base) from error

    def _by_command(self, asked: Asked) -> Answer | None:
        if self._official is None or asked.instance:
            return None
        if not self._official.takes(asked):
            return None
        self._connection.count()
        command, workspace = self._official, self.workspace()
        return self._seen(lambda: command.answer(asked, self.base, workspace))

    def _read(self, asked: Asked) -> Answer:
        if (answer := self._by_command(asked)) is not None:
            return answer
        response = self._sent(asked)
        if not response.content.strip():
            return _answer(response, {})
        found = replies.json_object(response)
        if found is None:
            raise Unavailable(f"{asked.call}: {replies.no_object(response)}")
        return _answer(response, found)


def _items(asked: Asked, answer: Answer) -> list[dict[str, Any]]:
    items = answer.body.get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Unavailable(f"{asked.call}: the service answered without a list of items")
    return items


def _answer(response: httpx.Response, body: dict[str, Any]) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(body, headers.get("etag"), response.status_code, headers)
