"""Look at tables through the playbook's warehouse, and at files of the workspace and of volumes.

Read-only. The words and measures are those of `agent.engine.checks`, so that the last good run can
be compared with. What cannot be asked, for lack of a warehouse or of rights, is unknown.

Sources: https://docs.databricks.com/api/workspace/workspace/getstatus
https://docs.databricks.com/api/workspace/files/download
"""

import hashlib
import posixpath
import shutil
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

from agent.engine import checks as engine
from agent.engine.checks import Odd, Seen
from agent.platforms.databricks.api import ApiRefused, Forbidden, NotFound
from agent.platforms.databricks.session import Session
from agent.platforms.databricks.sql import SqlFailed, Statements
from agent.playbook import Expectation
from agent.records import Check
from agent.remote.asking import quoted
from agent.remote.paths import plain

_READ_BYTES = 64 * 1024 * 1024
_UNKNOWN = (
    "NO_WAREHOUSE",
    "NOT_READ_ONLY",
    "INTERNAL_ERROR",
    "IO_ERROR",
    "TEMPORARILY_UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "RESOURCE_EXHAUSTED",
    "PERMISSION_DENIED",
    "CANCELED",
    "CLOSED",
)
"""What is no answer to the question."""


class _Remote(NamedTuple):
    """A file out there."""

    path: str
    size_bytes: int | None


def verify(
    session: Session, checks: Sequence[Expectation], statements: Statements | None = None
) -> tuple[Check, ...]:
    """Judge expectations about tables, files and SQL, in their order.

    Raises `Unavailable` while the warehouse starts or a statement runs; the same `statements` given
    again goes on with what was asked already.
    """
    asked = statements or Statements(session)
    seen = tuple(look(session, asked, wanted) for wanted in checks)
    asked.forget()
    return seen


def look(session: Session, statements: Statements, wanted: Expectation) -> Check:
    """Judge one expectation; raises `Unavailable` like `verify`."""
    name = wanted.name or engine.name_of(wanted)
    if wanted.sql is not None:
        answer = statements.run(wanted.sql)
        if isinstance(answer, SqlFailed):
            odd = _odd(answer)
            return engine.check(name, odd.outcome, odd.why, {})
        return engine.asserted(name, answer.rows)
    if wanted.file is not None:
        return _file(session, name, wanted)
    seen = table(statements, wanted.table or "", count=True)
    if isinstance(seen, Odd):
        return engine.check(name, seen.outcome, seen.why, {})
    return engine.judge(name, wanted, seen)


def table(statements: Statements, name: str, *, count: bool) -> Seen | Odd:
    """Return what a table holds: its columns and, with `count`, its rows."""
    relation = quoted(name)
    head = statements.run(f"SELECT * FROM {relation} LIMIT 0")  # noqa: S608  the name is quoted
    if isinstance(head, SqlFailed):
        return _odd(head)
    if not count:
        return Seen(head.columns, None, {"columns": list(head.columns)})
    counted = statements.run(f"SELECT count(*) FROM {relation}")  # noqa: S608  the name is quoted
    if isinstance(counted, SqlFailed):
        return _odd(counted)
    rows = counted.rows[0][0] if counted.rows else None
    number = int(rows) if rows is not None else None
    return Seen(head.columns, number, {"rows": number, "columns": list(head.columns)})


def _odd(answer: SqlFailed) -> Odd:
    """Return whether a failed statement is an answer (there is no such table) or none."""
    unknown = answer.error_code in _UNKNOWN or answer.sqlstate == "42501"
    return Odd("unknown" if unknown else "failed", answer.first)


def _file(session: Session, name: str, wanted: Expectation) -> Check:
    path = (wanted.file or "").removeprefix("dbfs:")
    if not path.startswith("/"):
        root = session.book.databricks.root
        if root is None:
            saw = f"{path} is no absolute path; write /Volumes/... or /Workspace/..., or set root"
            return engine.check(name, "unknown", saw, {})
        path = f"{root.rstrip('/')}/{path}"
    try:
        found = _volume(session, path) if path.startswith("/Volumes/") else _work(session, path)
        if isinstance(found, Odd):
            return engine.check(name, found.outcome, found.why, {})
        return _read(session, name, wanted, found)
    except NotFound:
        return engine.check(name, "failed", f"{path} does not exist", {})
    except (ApiRefused, Forbidden) as error:
        return engine.check(name, "unknown", f"{path} cannot be read: {error}", {})


def _volume(session: Session, path: str) -> _Remote | Odd:
    folder, base = posixpath.split(path)
    for entry in session.api.pages(f"/api/2.0/fs/directories{quote(folder)}", "contents"):
        if entry.get("name") == base or entry.get("path") == path:
            if entry.get("is_directory"):
                return Odd("failed", f"{path} is a folder")
            size = entry.get("file_size")
            return _Remote(path, size if isinstance(size, int) else None)
    return Odd("failed", f"{path} does not exist")


def _work(session: Session, path: str) -> _Remote | Odd:
    path = plain(path)
    said = session.api.get("/api/2.0/workspace/get-status", path=path)
    if said.get("object_type") in ("DIRECTORY", "REPO"):
        return Odd("failed", f"{path} is a folder")
    size = said.get("size")
    return _Remote(path, size if isinstance(size, int) else None)


def _read(session: Session, name: str, wanted: Expectation, found: _Remote) -> Check:
    """Bring the file here and let the engine look at it, so that both say the same."""
    if found.size_bytes is not None and found.size_bytes > _READ_BYTES:
        seen = Seen(None, None, {"bytes": found.size_bytes})
        return engine.judge(name, wanted, seen)
    content = _content(session, found.path)
    base = posixpath.basename(found.path)
    place = hashlib.sha256(found.path.encode()).hexdigest()[:16]
    folder = session.context.folder / "databricks" / "looked-at" / place
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        (folder / base).write_bytes(content)
        changes = {"name": name, "file": base}
        return engine.look(folder, None, wanted.model_copy(update=changes))
    finally:
        shutil.rmtree(folder)


def _content(session: Session, path: str) -> bytes:
    if path.startswith("/Volumes/"):
        return session.api.raw("GET", f"/api/2.0/fs/files{quote(path)}")
    query = {"path": path, "format": "AUTO", "direct_download": "true"}
    return session.api.raw("GET", "/api/2.0/workspace/export", query=query)
