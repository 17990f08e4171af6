"""Hand a proved fix over as the playbook asks: a patch file, edits in place, or a branch.

Each way may be called again after a crash at any point and then finishes what it began. A file that
a person changed meanwhile is never overwritten, and what cannot be done as asked becomes a patch
file with a note that says why. The patch file is written in each case.
"""

import json
import os
import shlex
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from agent.errors import Refused
from agent.records import Edit
from agent.workspace import branch, git, patching
from agent.workspace.copying import reader
from agent.workspace.patching import Read

How = Literal["nothing", "patch", "in-place", "branch"]
PATCH = "fix.patch"
_PLAN = "delivery.json"
_BEGUN = "delivery.begun"
_GONE = "deleted"


class Delivery(NamedTuple):
    """Where a fix is; the fields of the event `Delivered`."""

    how: How
    where: str = ""
    """Path of the patch file, or the branch's name."""
    command: str = ""
    """What a person types, in any folder, to take it over; empty where there is nothing to do."""
    note: str = ""
    """Why it was delivered otherwise than asked, where it was."""
    undo: dict[str, str] = {}
    """Branch and commit, or edited paths and their new SHA-256."""


class Delivered(Protocol):
    """What `undo` needs of a delivery: a `Delivery`, or the event made of one."""

    @property
    def how(self) -> str:
        """In which way."""

    @property
    def where(self) -> str:
        """Path of the patch file, or the branch's name."""

    @property
    def undo(self) -> Mapping[str, str]:
        """Branch and commit, or edited paths and their new SHA-256."""


class _Change(NamedTuple):
    path: str
    before: str | None
    after: str | None


def deliver(
    how: Literal["patch", "in-place", "branch"],
    source: Path,
    edits: Sequence[Edit],
    *,
    folder: Path,
    case_id: str,
    message: str,
    author: str,
    base: Read | None = None,
) -> Delivery:
    """Deliver all approved edits, in order; `folder` is the case's own.

    `base` reads the files that the fix was proved on; needed to write a patch for files that were
    changed since. `message` and `author` are those of the branch's commit.
    """
    if not edits:
        return Delivery("nothing")
    source = source.resolve()
    try:
        plan = _planned(source, edits, folder, base)
    except Refused as error:
        return _as_is(source, edits, folder, str(error))
    if how == "in-place":
        return _in_place(source, plan, folder)
    note = ""
    if how == "branch":
        name = f"runmend/{case_id}"
        try:
            made = branch.make(source, plan, name=name, message=message, author=author)
        except branch.Impossible as error:
            note = f"no branch was made: {error}"
        else:
            _write_patch(plan, folder)
            undo = {"branch": name, "commit": made.commit}
            command = shlex.join(["git", "-C", made.repository, "merge", name])
            return Delivery("branch", name, command, made.note, undo)
    elif (why := _foreign(source, plan)) is not None:
        note = f"{why}, so the patch may not apply as it is"
    return _patch(source, plan, folder, note)


def _planned(
    source: Path, edits: Sequence[Edit], folder: Path, base: Read | None
) -> tuple[_Change, ...]:
    """Return each file's text before and after; kept in the folder before anything changes."""
    file = folder / _PLAN
    wanted = [edit.model_dump() for edit in edits]
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        if kept["edits"] == wanted:
            return tuple(_Change(**change) for change in kept["changes"])
    except FileNotFoundError:
        pass
    read = base or reader(source)
    after = patching.apply(edits, read)
    changes = tuple(_Change(path, read(path), after[path]) for path in sorted(after))
    plan = {"edits": wanted, "changes": [change._asdict() for change in changes]}
    _write(file, json.dumps(plan))
    return changes


def _as_is(source: Path, edits: Sequence[Edit], folder: Path, why: str) -> Delivery:
    """Deliver against the files as they are now, where the ones of the proof are not known."""
    note = f"{why}; the patch file was made for the file as it is now, where nothing was proved"
    unbound = [edit.model_copy(update={"base": None}) for edit in edits]
    read = reader(source)
    after = patching.apply(unbound, read)
    plan = [_Change(path, read(path), after[path]) for path in sorted(after)]
    return _patch(source, plan, folder, note)


def _write_patch(plan: Iterable[_Change], folder: Path) -> Path:
    path = (folder / PATCH).absolute()
    _write(path, "".join(patching.file_diff(*change) for change in plan))
    return path


def _patch(source: Path, plan: Sequence[_Change], folder: Path, note: str = "") -> Delivery:
    path = _write_patch(plan, folder)
    return Delivery("patch", str(path), apply_command(source, path), note)


def apply_command(source: Path, patch: Path) -> str:
    """Return the command that applies a patch file to a source folder, typed in any folder."""
    try:
        top, prefix = branch.place(source)
    except git.GitError:
        if shutil.which("git") is None:
            return shlex.join(["patch", "-p1", "-d", str(source), "-i", str(patch)])
        return shlex.join(["git", "-C", str(source), "apply", str(patch)])
    inside = [f"--directory={prefix.rstrip('/')}"] if prefix else []
    return shlex.join(["git", "-C", top, "apply", *inside, str(patch)])


def _in_place(source: Path, plan: Sequence[_Change], folder: Path) -> Delivery:
    begun = folder / _BEGUN
    why = _foreign(source, plan)
    if why is None:
        path = _write_patch(plan, folder)
        begun.touch()
        try:
            for change in plan:
                if not _is(source, change.path, change.after):
                    _put(source, change.path, change.after)
        except OSError as error:
            why = f"{change.path} cannot be written: {error.strerror or error}"
        else:
            undo = {c.path: _GONE if c.after is None else patching.digest(c.after) for c in plan}
            return Delivery("in-place", str(path), undo=undo)
    for change in plan if begun.exists() else ():  # half of it is written
        if not _is(source, change.path, change.before) and _is(source, change.path, change.after):
            _put(source, change.path, change.before)
    begun.unlink(missing_ok=True)
    return _patch(source, plan, folder, f"nothing was changed in place: {why}")


def _foreign(source: Path, plan: Iterable[_Change]) -> str | None:
    """Return which file is neither as it was nor as we make it."""
    for path, before, after in plan:
        if not _is(source, path, before) and not _is(source, path, after):
            return f"{path} was changed meanwhile"
    return None


def _is(source: Path, path: str, text: str | None) -> bool:
    try:
        return reader(source)(path) == text
    except Refused:
        return False


def _put(source: Path, path: str, text: str | None) -> None:
    """Write, create or delete one file of the user's, in one step."""
    file = source / path
    if text is None:
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    _write(file, text)


def _write(path: Path, text: str) -> None:
    """Replace a file in one step, mode and owner kept; after a crash the next call cleans up."""
    aside = path.with_name(f".{path.name}.runmend")
    aside.unlink(missing_ok=True)
    with aside.open("xb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        shutil.copymode(path, aside)
        owner = path.stat()
        if owner.st_uid != aside.stat().st_uid:
            os.chown(aside, owner.st_uid, owner.st_gid)
    aside.replace(path)


def drifted(source: Path, edits: Iterable[Edit]) -> str | None:
    """Return which file a person changed since the edits were made, as a sentence, or None.

    `edits` are all of a case, in order: the first of each file is bound to the source.
    """
    read = reader(source.resolve())
    seen: set[str] = set()
    for edit in edits:
        if edit.path in seen:
            continue
        seen.add(edit.path)
        try:
            text = read(edit.path)
        except Refused as error:
            return str(error)
        if edit.old is None and text is not None:
            return f"{edit.path} was created meanwhile, and the patch creates it too"
        if edit.base is not None and (text is None or patching.digest(text) != edit.base):
            what = "deleted" if text is None else "changed"
            return f"{edit.path} was {what} meanwhile; the patch was made for it as it was before"
    return None


def undo(source: Path, delivered: Delivered) -> str:
    """Take a delivery back and return what was done.

    Raises `Refused` where a file or the branch is no longer what we made of it.
    """
    match delivered.how:
        case "in-place":
            return _undo_in_place(source.resolve(), delivered)
        case "branch":
            name, commit = delivered.undo["branch"], delivered.undo["commit"]
            return branch.remove(source, name=name, commit=commit)
        case "patch":
            return f"nothing was changed, so nothing is undone; the patch stays: {delivered.where}"
    return "nothing was delivered, so nothing is undone"


def _undo_in_place(source: Path, delivered: Delivered) -> str:
    file = Path(delivered.where).with_name(_PLAN)
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refused(
            f"{file} cannot be read ({error.strerror}), so the files as they were are not known; "
            f"take the patch back by hand: patch -R -p1 -d {source} -i {delivered.where}"
        ) from error
    plan = [_Change(**change) for change in kept["changes"]]
    if (why := _foreign(source, plan)) is not None:
        raise Refused(
            f"{why}, so nothing was undone; take the patch back by hand: patch -R -p1 "
            f"-d {source} -i {delivered.where}"
        )
    for change in plan:
        if not _is(source, change.path, change.before):
            _put(source, change.path, change.before)
    names = ", ".join(change.path for change in plan)
    return f"put back as before in {source}: {names}"
