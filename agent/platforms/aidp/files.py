"""Files and notebooks in the workspace: what is there, how it compares, bringing ours.

Rules kept here: notebooks go by the contents API, other files by the objects API; where one does
not answer as it should (missing, an error of its own), the objects API and at last a
pre-authenticated link take its place, and are used from then on. What was brought is read back and
compared: cells for a notebook, since the service adds metadata, else bytes. What was compared once
is not fetched again while its stamp stands.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import posixpath
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from agent.errors import RunmendError
from agent.platforms.aidp import layout, transfer
from agent.platforms.aidp.api import ApiRefused, NotFound
from agent.platforms.aidp.layout import Layout
from agent.platforms.aidp.session import Session
from agent.platforms.aidp.transfer import Transfer
from agent.remote import digests
from agent.remote.paths import plain

_UNREADABLE = "unreadable"
_STAMP = ("compositeEtag", "timeUpdated", "timeCreated")


class Unlike(RunmendError):
    """A file reads back otherwise than it was brought."""


class Entry(NamedTuple):
    """One object of the workspace."""

    path: str
    """In the form of `plain`."""
    type: str
    """NOTEBOOK, FILE, FOLDER ..."""
    stamp: tuple[Any, ...]
    """The same while nobody writes to it; of nothing but None where the service tells nothing."""


def digest(path: str, content: bytes) -> str:
    """Return the SHA-256 by which contents are compared; `path` says whether it is a notebook."""
    return digests.of(content, ipynb=layout.is_notebook(path))


def wanted(root: Path, there: Layout, paths: Iterable[str]) -> dict[str, str]:
    """Return what we would bring: digest by workspace path."""
    return digests.wanted(root, paths, there.remote, digest)


class Files:
    """The workspace's files, as one case sees them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._transfer = Transfer(session)
        self._seen: dict[str, Any] = session.kept("files", "seen") or {}
        self._folders: set[str] = set()

    def listed(self, there: Layout) -> dict[str, Entry]:
        """Return what lies in the folders that the tree has, by path."""
        folders = {there.root}
        for path in there.files:
            folders.update(there.remote(str(p)) for p in PurePosixPath(path).parents)
        found: dict[str, Entry] = {}
        waiting, done = [there.root], set[str]()
        while waiting:
            folder = waiting.pop()
            done.add(folder)
            entries = self._list(folder)
            found |= {entry.path: entry for entry in entries}
            inner = (e.path for e in entries if e.type == "FOLDER" and e.path in folders)
            waiting += [path for path in inner if path not in done and path not in waiting]
        return {path: entry for path, entry in found.items() if entry.type != "FOLDER"}

    def _list(self, folder: str) -> list[Entry]:
        path = layout.object_path(folder)
        try:
            objects = list(self._session.api.pages("/objects", path=path, limit=1000))
        except NotFound:
            return []
        self._folders.add(folder)
        entries = [
            Entry(
                plain(str(o["path"])),
                str(o.get("type") or "FILE").upper(),
                tuple(o.get(k) for k in _STAMP),
            )
            for o in objects
            if o.get("path")
        ]
        self._folders.update(e.path for e in entries if e.type == "FOLDER")
        return [entry for entry in entries if entry.path != folder]

    def digests(self, entries: Iterable[Entry]) -> dict[str, str]:
        """Return the contents' digests by path; what cannot be read has one of its own."""
        found: dict[str, str] = {}
        fetched = False
        for entry in entries:
            stamp, known = self._seen.get(entry.path, (None, None))
            if known is None or stamp != list(entry.stamp) or not any(entry.stamp[:2]):
                known, fetched = self._digest(entry), True
                self._seen[entry.path] = (list(entry.stamp), known)
            found[entry.path] = known
        if fetched:
            self._session.keep("files", "seen", self._seen)
        return found

    def know(self, there: Layout, brought: Mapping[str, str]) -> None:
        """Remember what was just brought, with the stamps that it has now."""
        entries = self.listed(there)
        for path in brought.keys() & entries.keys():
            self._seen[path] = (list(entries[path].stamp), brought[path])
        self._session.keep("files", "seen", self._seen)

    def _digest(self, entry: Entry) -> str:
        try:
            return digest(entry.path, self.read(entry.path))
        except ApiRefused as error:
            return f"{_UNREADABLE}-{error.status}-{entry.stamp}"

    def read(self, path: str) -> bytes:
        """Return a file's content, a notebook's as JSON. Raises `NotFound`."""
        return self._transfer.read(plain(path))

    def bring(self, root: Path, there: Layout, paths: Iterable[str]) -> None:
        """Bring files of the tree, replacing what is there.

        Raises `ApiRefused`, and `Unlike` where one reads back otherwise by every way there is.
        """
        for path in paths:
            self.put(there.remote(path), (root / path).read_bytes())

    def put(self, path: str, content: bytes) -> None:
        """Write one file, read it back and compare; its folders are made. See `bring`."""
        path = plain(path)
        self.make_folder(posixpath.dirname(path))
        self._seen.pop(path, None)
        wanted = digest(path, content)
        for way in transfer.ways(path):
            if self._transfer.write(path, content, way) and self._is(path, wanted):
                return
        raise Unlike(f"{posixpath.basename(path)} was brought to {path} but reads back otherwise")

    def _is(self, path: str, wanted: str) -> bool:
        try:
            return digest(path, self.read(path)) == wanted
        except NotFound:
            return False

    def make_folder(self, folder: str) -> None:
        """Make a folder and those around it; one that is there already is no matter."""
        levels = [str(p) for p in (PurePosixPath(folder), *PurePosixPath(folder).parents)]
        # What is right below /Workspace (Shared, Users) is the service's own.
        for level in reversed([p for p in levels if p.count("/") > 1]):
            inside = any(known.startswith(f"{level}/") for known in self._folders)
            if level not in self._folders and not inside and not _is_root(level):
                self._transfer.make_folder(level)
            self._folders.add(level)

    def remove(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Delete files of the workspace and return those that were there."""
        return tuple(path for path in paths if self._transfer.delete(plain(path)))


def _is_root(folder: str) -> bool:
    return folder in ("/Workspace/Shared", "/Workspace/Users")
