"""Apply a patch's edits to texts, strictly, and show them as a diff. Pure: `read` gives the files.

A file's text is its bytes decoded as UTF-8 and nothing else: a byte order mark and CRLF line ends
are in it and survive, also where an edit was written without them. What does not fit is refused.
"""

import difflib
import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from agent.errors import Refused
from agent.records import Edit
from agent.workspace.listing import private

Read = Callable[[str], str | None]
"""Return a file's text by POSIX path relative to the source; None where there is no such file."""

_BOM = "\ufeff"


class Size(NamedTuple):
    """How much a patch changes."""

    files: int
    lines: int
    """Added plus removed."""


def apply(edits: Iterable[Edit], read: Read, *, known: Iterable[str] = ()) -> dict[str, str | None]:
    """Return path: new text for the edited files, None for a deleted one.

    An edit's `base` is the digest of its file as it was before the edits, or before one of them.
    `known` are the files there are, so that no new path differs from one of them by case only.
    Raises `Refused` naming the path and why.
    """
    before: dict[str, str | None] = {}
    now: dict[str, str | None] = {}
    seen: dict[str, set[str]] = {}
    for edit in edits:
        path = check_path(edit.path)
        if path not in before:
            before[path] = now[path] = read(path)
            seen[path] = set()
        text = now[path]
        if text is not None:
            seen[path].add(digest(text))
        if edit.base is not None and edit.base not in seen[path]:
            raise Refused(f"{path} is not what the patch was made for: it was changed meanwhile")
        now[path] = _apply(edit, text)
    for path, text in now.items():
        if text == before[path]:
            raise Refused(f"{path}: the patch leaves the file as it is")
    _check_names(before, now, known)
    return now


def _apply(edit: Edit, text: str | None) -> str | None:
    """Return the text after one edit; None where it deletes the file."""
    path = edit.path
    if text is None:
        if edit.old is not None:
            raise Refused(f"{path} does not exist, so nothing in it can be replaced")
        if edit.new is None:
            raise Refused(f"{path}: an edit with neither old nor new text says nothing")
        return _storable(path, edit.new)
    if edit.old is None:
        raise Refused(f"{path} exists already and cannot be created")
    old = _with_line_ends(edit.old, text)
    if edit.new is None:
        if old.removeprefix(_BOM) != text.removeprefix(_BOM):
            raise Refused(f"{path}: to delete it, `old` must be its whole content")
        return None
    at = _only_place(path, old, text)
    after = text[:at] + _with_line_ends(edit.new, text) + text[at + len(old) :]
    if text.startswith(_BOM) and not after.startswith(_BOM):
        after = _BOM + after
    if text.strip() and not after.strip():
        raise Refused(f"{path}: the patch empties the file")
    return _storable(path, after)


def _only_place(path: str, old: str, text: str) -> int:
    if not old:
        if text:
            raise Refused(f"{path}: `old` is empty, which fits everywhere")
        return 0
    at = text.find(old)
    if at < 0:
        raise Refused(f"{path}: the text to replace is not in the file: {_short(old)}")
    if text.find(old, at + 1) >= 0:
        raise Refused(f"{path}: the text to replace occurs more than once: {_short(old)}")
    return at


def _short(text: str) -> str:
    first = text.strip().split("\n")[0]
    return repr(first if len(first) <= 60 else f"{first[:57]}...")


def _with_line_ends(words: str, text: str) -> str:
    """Return the words with the file's line ends; as they are where the file mixes them."""
    crlf, lf = text.count("\r\n"), text.count("\n")
    if lf == 0 or 0 < crlf < lf:
        return words
    plain = words.replace("\r\n", "\n")
    return plain.replace("\n", "\r\n") if crlf else plain


def _storable(path: str, text: str) -> str:
    if "\0" in text:
        raise Refused(f"{path}: the new text holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Refused(f"{path}: the new text is not UTF-8: {error.reason}") from None
    return text


def check_path(path: str) -> str:
    """Return the path. Raises `Refused` where it is not plainly inside the tree."""
    parts = path.split("/")
    odd = {unicodedata.category(c) for c in path} & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    if not path or path.startswith("/") or re.match(r"[A-Za-z]:", path):
        raise Refused(f"{path!r}: an edit's path is relative to the source folder")
    if any(part in ("", ".", "..") for part in parts):
        raise Refused(f"{path!r}: an edit's path goes straight down, without . or ..")
    if "\\" in path or odd or unicodedata.normalize("NFC", path) != path:
        raise Refused(f"{path!r}: an edit's path holds only plain characters, and / between names")
    if any(part != part.strip() or part.endswith(".") or "~" in part for part in parts):
        # Windows drops final dots and spaces and has short names such as GIT~1.
        raise Refused(f"{path!r}: a name in an edit's path ends with a dot or space, or holds ~")
    if (why := private(path)) is not None:
        raise Refused(f"{path}: {why}, so no patch touches it")
    return path


def _check_names(
    before: dict[str, str | None], now: dict[str, str | None], known: Iterable[str]
) -> None:
    """Refuse a new path that a disk may take for another one, or that runs through a file."""
    there = {*known, *(p for p, text in before.items() if text is not None)}
    if all(text is None or path in there for path, text in now.items()):
        return
    spelt: dict[str, str] = {}
    for path in sorted(there):
        for name in _prefixes(path):
            spelt.setdefault(_folded(name), name)
    for path, text in now.items():
        if text is None or path in there:
            continue
        for name in _prefixes(path):
            other = spelt.setdefault(_folded(name), name)
            if other != name:
                raise Refused(f"{path}: {name} differs from {other} only by case")
            if name != path and name in there:
                raise Refused(f"{path}: {name} is a file, not a folder")
        if any(other.startswith(f"{path}/") for other in there):
            raise Refused(f"{path} is a folder")


def _prefixes(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[: i + 1]) for i in range(len(parts)))


def _folded(path: str) -> str:
    return unicodedata.normalize("NFKC", path).casefold()


def digest(text: str) -> str:
    """Return the SHA-256 of the file that holds this text."""
    return hashlib.sha256(text.encode()).hexdigest()


def with_base(edits: Sequence[Edit], read: Read) -> tuple[Edit, ...]:
    """Return the edits bound to the files as they are; the base of a new file is None."""
    found: list[Edit] = []
    for edit in edits:
        text = read(edit.path)
        base = None if text is None else digest(text)
        found.append(edit.model_copy(update={"base": base}))
    return tuple(found)


def size(edits: Iterable[Edit], read: Read) -> Size:
    """Return how many files and lines the edits change. Raises `Refused` like `apply`."""
    after = apply(edits, read)
    lines = sum(
        line[0] in "+-" for path, text in after.items() for line in _hunks(read(path), text)
    )
    return Size(len(after), lines)


def diff(edits: Iterable[Edit], read: Read) -> str:
    """Return a unified diff for `git apply` and `patch -p1`. Raises `Refused` like `apply`."""
    after = apply(edits, read)
    return "".join(file_diff(path, read(path), after[path]) for path in sorted(after))


def file_diff(path: str, before: str | None, after: str | None) -> str:
    """Return one file's part of a diff; None = it does not exist."""
    old, new = _quoted(f"a/{path}"), _quoted(f"b/{path}")
    head = [f"diff --git {old} {new}\n"]
    if before is None:
        head.append("new file mode 100644\n")
    if after is None:
        head.append("deleted file mode 100644\n")
    hunks = list(_hunks(before, after))
    if hunks:
        tab = "\t" if " " in path else ""  # where else would the name end?
        head.append(f"--- {'/dev/null' if before is None else old + tab}\n")
        head.append(f"+++ {'/dev/null' if after is None else new + tab}\n")
    return "".join(head + hunks)


def _quoted(path: str) -> str:
    return '"' + path.replace('"', '\\"') + '"' if '"' in path else path


def _hunks(before: str | None, after: str | None) -> Iterator[str]:
    """Yield hunk headers and lines, each with its line end."""
    changes = difflib.unified_diff(_split(before or ""), _split(after or ""))
    for i, line in enumerate(changes):
        if i >= 2:  # after the two file names
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _split(text: str) -> list[str]:
    """Split after each LF only: str.splitlines would also cut at form feeds and the like."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)
