"""Make the private copy of a source that a job runs in: built aside, then put in place in one step.

A copy is never changed again by us; what tasks write into one cannot reach a later one, unless
`carry` brings it over for a run that goes on where another stopped.
"""

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from agent.errors import Refused, RunmendError, UsageError
from agent.records import Edit, Tree
from agent.workspace import patching
from agent.workspace.listing import below, files
from agent.workspace.patching import Read

_CHUNK = 1 << 20


class _Record(NamedTuple):
    """What a copy was when it was built."""

    sha256: dict[str, str]
    """Digest by path, sorted."""
    before: dict[str, str | None]
    """Text of the patched files without the patches."""


def reader(root: Path) -> Read:
    """Return a `read` over a folder. It raises `Refused` for what is no UTF-8 text, or a link."""

    def read(path: str) -> str | None:
        patching.check_path(path)
        check_links(root, path)
        try:
            return (root / path).read_bytes().decode()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except UnicodeDecodeError:
            raise Refused(f"{path} is not UTF-8 text, so no patch touches it") from None
        except OSError as error:
            raise Refused(f"{path} cannot be read: {error.strerror or error}") from error

    return read


def check_links(root: Path, path: str) -> None:
    """Raise `Refused` where the path goes through a link: it would lead somewhere else."""
    place = root
    for part in path.split("/"):
        place /= part
        if place.is_symlink():
            raise Refused(f"{path}: {place.relative_to(root)} is a link, which no patch follows")


def build(
    source: Path, into: Path, edits: Iterable[Edit] = (), *, leave_out: Sequence[str] = ()
) -> Tree:
    """Copy the source's code to `into`, afresh, with the edits applied, without `leave_out`.

    After a crash at any point, call it again. Raises `Refused` for an edit that does not fit, and
    `UsageError` for a source that cannot be copied.
    """
    source = source.resolve()
    listed = files(source, leave_out=leave_out)
    into.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    prefix = f".{into.name}."
    for left in into.parent.glob(f"{prefix}*"):
        shutil.rmtree(left)  # of a crash: a case has one driver
    aside = Path(tempfile.mkdtemp(dir=into.parent, prefix=prefix))
    try:
        record = _fill(source, aside, listed, edits, leave_out)
    except RunmendError:
        shutil.rmtree(aside)
        raise
    return _placed(aside, into, record)


def _fill(
    source: Path,
    aside: Path,
    listed: Sequence[str],
    edits: Iterable[Edit],
    leave_out: Sequence[str],
) -> _Record:
    digests = _copy(source, aside, listed)
    read = _editable(source, aside, listed, leave_out)
    changed = patching.apply(edits, read, known=listed)
    before = {path: read(path) for path in changed}
    for path, text in changed.items():
        _put(aside / path, text)
        digests.pop(path, None)
        if text is not None:
            digests[path] = patching.digest(text)
    return _Record(dict(sorted(digests.items())), before)


def _editable(source: Path, aside: Path, listed: Iterable[str], leave_out: Sequence[str]) -> Read:
    """Return a `read` over the copy that refuses what must not be edited in the source."""
    there = frozenset(listed)
    inside = reader(aside)

    def read(path: str) -> str | None:
        if below(path, leave_out):
            raise Refused(f"{path} is data, which no patch touches")
        check_links(source, path)
        if path not in there and os.path.lexists(source / path):
            raise Refused(
                f"{path} is in the source, but not part of its code (ignored, or a folder)"
            )
        return inside(path)

    return read


def _copy(source: Path, into: Path, listed: Iterable[str]) -> dict[str, str]:
    """Copy files and their executable bits; return each path's SHA-256."""
    digests: dict[str, str] = {}
    made: set[Path] = {into}
    for path in listed:
        target = into / path
        if target.parent not in made:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            made.add(target.parent)
        try:
            found = _copy_file(source / path, target)
        except OSError as error:
            raise UsageError(
                f"{source / path} cannot be copied: {error.strerror or error}; "
                "make it readable, or have git ignore it"
            ) from error
        if found is not None:
            digests[path] = found
    return digests


def _copy_file(source: Path, target: Path) -> str | None:
    """Copy one file; return its SHA-256, None where it is gone or no plain file any more."""
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as old:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            return None
        found = hashlib.sha256()
        made = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 | (mode & 0o100))
        with os.fdopen(made, "wb") as new:
            while chunk := old.read(_CHUNK):
                found.update(chunk)
                new.write(chunk)
    return found.hexdigest()


def _put(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def _placed(aside: Path, into: Path, record: _Record) -> Tree:
    """Put a finished copy where it belongs; whatever was there before goes."""
    old = into.with_name(f"{aside.name}.old")
    if into.exists():
        into.rename(old)
    _beside(into).write_text(json.dumps(record._asdict()), encoding="utf-8")
    aside.rename(into)
    shutil.rmtree(old, ignore_errors=True)
    digest = _total(record.sha256)
    return Tree(root=str(into.absolute()), digest=digest, files=tuple(record.sha256))


def _beside(root: Path) -> Path:
    """Return where a copy's record is kept: out of the way of its tasks."""
    return root.with_name(f"{root.name}.built.json")


def _record(tree: Tree) -> _Record:
    return _Record(**json.loads(_beside(Path(tree.root)).read_text(encoding="utf-8")))


def originals(tree: Tree) -> Read:
    """Return a `read` over the patched files of a copy as the source had them when it was built."""
    return _record(tree).before.get


def _total(digests: Mapping[str, str]) -> str:
    found = hashlib.sha256()
    for path, value in sorted(digests.items()):
        found.update(f"{path}\0{value}\n".encode())
    return found.hexdigest()


def carry(old: Tree, new: Tree) -> None:
    """Bring over what tasks wrote into an old copy: new files, and files that no patch changed.

    Links stay behind (data folders are linked in again), and whatever the new copy has otherwise.
    """
    was, now = _record(old).sha256, _record(new).sha256
    for folder, folders, names in os.walk(old.root):
        folders[:] = [f for f in folders if not Path(folder, f).is_symlink()]
        for name in names:
            written = Path(folder, name)
            path = written.relative_to(old.root).as_posix()
            if not stat.S_ISREG(written.lstat().st_mode) or was.get(path) != now.get(path):
                continue
            target = Path(new.root, path)
            if path in was and _same(written, was[path]):
                continue
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copy(written, target)


def _same(file: Path, sha256: str) -> bool:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == sha256
