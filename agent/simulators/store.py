"""What a simulated service keeps: JSON documents by kind and key, in one SQLite file.

Rules kept here: a document that is returned is a copy; what one request changes is written whole or
not at all; one process holds the file at a time.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.errors import UsageError

FILE = "workspace.sqlite"
_FIRST = 415_000_000_000_000
_STEP = 1_000_003
"""Ids lie apart, so that nobody mistakes one for the next."""

_TABLES = """
CREATE TABLE IF NOT EXISTS documents (
  place INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,
  UNIQUE (kind, key)
);
CREATE TABLE IF NOT EXISTS numbers (place INTEGER PRIMARY KEY, last INTEGER NOT NULL);
"""


class Store:
    """Documents in one file; safe to use from several threads of one process."""

    def __init__(self, folder: Path) -> None:
        """Open or make the file in `folder`.

        Raises `UsageError` where the folder cannot be used or another simulator holds it.
        """
        self._lock = threading.RLock()
        self._depth = 0
        path = folder / FILE
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)  # tokens and secrets are in it
            self._file = sqlite3.connect(
                path, timeout=0.5, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare()
            except sqlite3.Error:
                self._file.close()
                raise
        except (OSError, sqlite3.Error) as error:
            raise UsageError(
                f"{path} cannot be used: {error}; is another simulator serving this folder? "
                "Stop it, or name another folder"
            ) from error

    def _prepare(self) -> None:
        self._file.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._file.execute("PRAGMA synchronous = OFF")
        self._file.executescript(_TABLES)
        self._file.execute("BEGIN EXCLUSIVE")
        self._file.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""
        with self._lock:
            self._file.close()

    @contextmanager
    def changes(self) -> Iterator[None]:
        """Write what happens inside all at once, or none of it where it raises."""
        with self._lock:
            self._depth += 1
            if self._depth == 1:
                self._file.execute("BEGIN")
            done = False
            try:
                yield
                done = True
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self._file.execute("COMMIT" if done else "ROLLBACK")

    def get(self, kind: str, key: str | int) -> dict[str, Any] | None:
        """Return a copy of the document, or None where there is none."""
        with self._lock:
            row = self._file.execute(
                "SELECT body FROM documents WHERE kind = ? AND key = ?", (kind, str(key))
            ).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def put(self, kind: str, key: str | int, document: dict[str, Any]) -> None:
        """Keep the document; one that was there under the key gives way and keeps its place."""
        with self._lock:
            self._file.execute(
                "INSERT INTO documents (kind, key, body) VALUES (?, ?, ?) "
                "ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body",
                (kind, str(key), json.dumps(document)),
            )

    def delete(self, kind: str, key: str | int) -> None:
        """Forget the document; nothing happens where there is none."""
        with self._lock:
            self._file.execute("DELETE FROM documents WHERE kind = ? AND key = ?", (kind, str(key)))

    def items(self, kind: str) -> list[tuple[str, dict[str, Any]]]:
        """Return key and document of all of a kind, in the order in which they were first put."""
        with self._lock:
            rows = self._file.execute(
                "SELECT key, body FROM documents WHERE kind = ? ORDER BY place", (kind,)
            ).fetchall()
        return [(key, json.loads(body)) for key, body in rows]

    def number(self) -> int:
        """Return an id of 15 digits, greater than every one before, also after a restart."""
        with self._lock:
            row = self._file.execute(
                "INSERT INTO numbers (place, last) VALUES (1, ?) "
                "ON CONFLICT (place) DO UPDATE SET last = last + ? RETURNING last",
                (_FIRST, _STEP),
            ).fetchone()
        return int(row[0])
