"""Files and notebooks in the workspace: what is there, how it compares, bringing ours.

What was compared once, or brought by us, is not fetched again while its modification time stands.
A notebook's content is compared as code: line ends, and what the service adds to an `.ipynb`, do
not count.

Source: https://docs.databricks.com/api/workspace/workspace
"""

import base64
import contextlib
import posixpath
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from agent.platforms.databricks import layout
from agent.platforms.databricks.api import ApiRefused, NotFound
from agent.platforms.databricks.layout import Layout
from agent.platforms.databricks.session import Session
from agent.remote import digests
from agent.remote.paths import plain

MAX_BYTES = 10 << 20
"""The largest file that can be imported or exported."""
_UNREADABLE = "unreadable"


class Entry(NamedTuple):
    """One object of the workspace."""

    path: str
    """In the form of `plain`."""
    type: str
    """NOTEBOOK, FILE, DIRECTORY ..."""
    stamp: tuple[Any, ...]
    """Id, modification time and size: the same while nobody writes to it."""


def digest(path: str, content: bytes, *, notebook: bool) -> str:
    """Return the SHA-256 by which contents are compared; `path` is the local file's."""
    return digests.of(content, code=notebook, ipynb=notebook and path.endswith(".ipynb"))


def wanted(root: Path, there: Layout, paths: Iterable[str]) -> dict[str, str]:
    """Return what we would bring: digest by workspace path."""

    def own(path: str, content: bytes) -> str:
        return digest(path, content, notebook=path in there.notebooks)

    return digests.wanted(root, paths, there.remote, own)


class Files:
    """The workspace's files, as one case sees them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._seen: dict[str, Any] = session.kept("files", "seen") or {}

    def listed(self, there: Layout) -> dict[str, Entry]:
        """Return what lies in the folders that the tree has, by path."""
        folders = {there.root}
        for path in there.files:
            folders.update(there.remote(str(p)) for p in PurePosixPath(path).parents)
        found: dict[str, Entry] = {}
        waiting = [there.root]
        while waiting:
            entries = self._list(waiting.pop())
            found |= {entry.path: entry for entry in entries}
            waiting += [e.path for e in entries if e.type == "DIRECTORY" and e.path in folders]
        return found

    def _list(self, folder: str) -> list[Entry]:
        try:
            objects = self._session.api.get("/api/2.0/workspace/list", path=folder).get("objects")
        except NotFound:
            return []
        return [
            Entry(
                plain(str(o["path"])),
                str(o.get("object_type")),
                tuple(o.get(k) for k in ("object_id", "modified_at", "size")),
            )
            for o in objects or ()
            if o.get("path")
        ]

    def digests(self, entries: Iterable[Entry], there: Layout) -> dict[str, str]:
        """Return the contents' digests by path; what cannot be read has one of its own."""
        found: dict[str, str] = {}
        fetched = False
        for entry in entries:
            local = there.local(entry.path) or entry.path
            stamp, known = self._seen.get(_key(entry.path, local), (None, None))
            if known is None or stamp != list(entry.stamp) or entry.stamp[1] is None:
                known, fetched = self._digest(entry, local), True
                self._seen[_key(entry.path, local)] = (list(entry.stamp), known)
            found[entry.path] = known
        if fetched:
            self._session.keep("files", "seen", self._seen)
        return found

    def know(self, there: Layout, brought: Mapping[str, str]) -> dict[str, str]:
        """Remember what was just deployed; return those of it that are there."""
        entries = self.listed(there)
        found = {path: mark for path, mark in brought.items() if path in entries}
        for path, mark in found.items():
            key = _key(path, there.local(path) or path)
            self._seen[key] = (list(entries[path].stamp), mark)
        self._session.keep("files", "seen", self._seen)
        return found

    def _digest(self, entry: Entry, local: str) -> str:
        notebook = entry.type == "NOTEBOOK"
        kind = "AUTO"
        if notebook:
            kind = "JUPYTER" if local.endswith(".ipynb") else "SOURCE"
        try:
            answer = self._session.api.get(
                "/api/2.0/workspace/export", path=entry.path, format=kind
            )
        except ApiRefused as error:
            return f"{_UNREADABLE}-{error.code}-{entry.stamp}"
        content = base64.b64decode(str(answer.get("content") or ""))
        return digest(local, content, notebook=notebook)

    def bring(self, root: Path, there: Layout, paths: Iterable[str]) -> None:
        """Import files of the tree, replacing what is there. Raises `ApiRefused`."""
        made: set[str] = set()
        for path in paths:
            remote = there.remote(path)
            if (folder := posixpath.dirname(remote)) not in made:
                made.add(folder)
                self._session.api.post("/api/2.0/workspace/mkdirs", {"path": folder})
            content = base64.b64encode((root / path).read_bytes()).decode()
            body = {"path": remote, "content": content, "overwrite": True, **_format(there, path)}
            self._session.api.post("/api/2.0/workspace/import", body)
            self._seen.pop(_key(remote, path), None)

    def remove(self, paths: Iterable[str]) -> None:
        """Delete files of the workspace; one that is gone already is no matter."""
        for path in paths:
            with contextlib.suppress(NotFound):
                self._session.api.post("/api/2.0/workspace/delete", {"path": path})


def _key(path: str, local: str) -> str:
    """A file's ending says in which form its content is compared."""
    return f"{path}|{PurePosixPath(local).suffix}"


def _format(there: Layout, path: str) -> Mapping[str, str]:
    if path not in there.notebooks:
        return {"format": "AUTO"}
    suffix = PurePosixPath(path).suffix.lower()
    if suffix == ".ipynb":
        return {"format": "JUPYTER"}
    return {"format": "SOURCE", "language": layout.LANGUAGES[suffix]}
