"""Which files of a source folder are its code: the ones a private copy holds.

What git lists, or all that no `.gitignore` excludes; never the machinery of tools, never files that
are known to hold credentials, never data folders, never a link that leaves the folder.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from agent.errors import UsageError
from agent.workspace import git

MAX_FILES = 20_000
MAX_BYTES = 256 << 20
"""All files of a private copy together, bytes."""

_MACHINERY = (
    *(".git", ".hg", ".svn", ".runmend"),
    *("__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache"),
    *(".tox", ".nox", ".venv", "node_modules", ".ds_store"),
    *(".ssh", ".aws", ".azure", ".oci", ".gnupg", ".kube"),
)
_SECRET = (
    ".env",
    ".env.*",
    ".envrc",
    "*.env",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    ".databrickscfg",
    ".netrc",
    "_netrc",
    ".pgpass",
    ".pypirc",
    ".git-credentials",
    "credentials",
    "credentials.json",
    "credentials.y*ml",
    "credentials.toml",
    "credentials.ini",
    "credentials.csv",
    "client_secret*.json",
    "service-account*.json",
    "service_account*.json",
)

Ignored = Callable[[str], bool | None]
"""Says of a path below a folder whether that folder's rules exclude it; None = they do not say."""


def private(path: str) -> str | None:
    """Return why a path never belongs to a copy or a patch, whatever lists it; None = it may."""
    for part in PurePosixPath(path).parts:
        word = part.casefold()
        if word in _MACHINERY:
            return f"{part} belongs to a tool, not to the job"
        if any(fnmatchcase(word, pattern) for pattern in _SECRET):
            return f"{part} is a file for credentials"
    return None


def below(path: str, folders: Iterable[str]) -> bool:
    """Return whether a relative POSIX path is one of the folders or inside one."""
    pure = PurePosixPath(path)
    return any(
        pure.is_relative_to(folder) for folder in map(PurePosixPath, folders) if folder.parts
    )


def files(source: Path, *, leave_out: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the source's code as POSIX paths relative to it, sorted.

    Raises `UsageError` where that is too much to be code, or names a file that is not UTF-8.
    """
    source = source.resolve()
    real: dict[str, int] = {}
    folder_links: dict[str, str] = {}
    total = 0
    for path in _listed(source, leave_out):
        if private(path) is not None or below(path, leave_out):
            continue
        size = _size(source, path, leave_out, folder_links)
        if size is None:
            continue
        real[path] = size
        total += size
        if len(real) > MAX_FILES or total > MAX_BYTES:
            raise UsageError(_too_much(source, real))
    through = {
        f"{link}{path[len(folder) :]}"
        for link, folder in folder_links.items()
        for path in real
        if below(path, [folder]) and path != folder
    }
    return tuple(sorted(through.union(real)))


def _size(
    source: Path, path: str, leave_out: Sequence[str], folder_links: dict[str, str]
) -> int | None:
    """Return a file's size, None for what is not copied; a link to a folder is noted instead."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"{source}: the file name {path!r} is not UTF-8; rename it or have git ignore it"
        ) from None
    try:
        found = (source / path).lstat()
        if stat.S_ISREG(found.st_mode):
            return found.st_size
        if not stat.S_ISLNK(found.st_mode):
            return None
        target = (source / path).resolve(strict=True).relative_to(source).as_posix()
        if private(target) is not None or below(target, leave_out):
            return None
        found = (source / target).stat()
    except (OSError, ValueError, RuntimeError):
        return None  # gone meanwhile, dangling, in a circle, or outside
    if stat.S_ISDIR(found.st_mode):
        folder_links[path] = target
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _too_much(source: Path, found: Mapping[str, int]) -> str:
    share: dict[str, float] = {}
    for path, size in found.items():
        top = path.split("/")[0]
        share[top] = share.get(top, 0) + 1 / MAX_FILES + size / MAX_BYTES
    largest = sorted(share, key=lambda top: (-share[top], top))[:3]
    return (
        f"{source} holds more than {MAX_FILES:,} files or {MAX_BYTES >> 20} MiB that count as code "
        f"(most of it: {', '.join(largest)}). Name data folders under `data:` in the job file, "
        "have git ignore what is no code, or choose a smaller `source:`"
    )


def _listed(source: Path, leave_out: Sequence[str]) -> Iterator[str]:
    """Yield what git lists where it tracks the folder, else all that is not ignored."""
    if git.in_work_tree(source):
        listed = tuple(_by_git(source))
        if listed:
            yield from listed
            return
    yield from _by_walking(source, "", [], leave_out)


def _by_git(source: Path) -> Iterator[str]:
    asked = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    try:
        listed = git.run(source, *asked)
    except git.GitError as error:
        if "not a git repository" in str(error) or "not installed" in str(error):
            return
        trust = f"; to trust it: git config --global --add safe.directory {source}"
        hint = trust if "dubious ownership" in str(error) else ""
        raise UsageError(f"git cannot list {source}: {error}{hint}") from error
    for path in filter(None, dict.fromkeys(os.fsdecode(listed).split("\0"))):
        inner = path.rstrip("/")
        if (
            private(inner) is None
            and not (source / inner).is_symlink()
            and (source / inner).is_dir()
        ):
            yield from (f"{inner}/{found}" for found in _listed(source / inner, ()))
        else:
            yield inner


def _by_walking(
    source: Path, folder: str, rules: list[tuple[str, Ignored]], leave_out: Sequence[str]
) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(source / folder), key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(f"{source / folder} cannot be listed: {error.strerror}") from error
    if any(entry.name == "pyvenv.cfg" for entry in entries):
        return
    if any(entry.name == ".gitignore" and entry.is_file() for entry in entries):
        rules = [*rules, (folder, _rules(source / folder / ".gitignore"))]
    for entry in entries:
        path = f"{folder}/{entry.name}" if folder else entry.name
        inside = entry.is_dir(follow_symlinks=False)
        if private(path) is not None or below(path, leave_out) or _excluded(path, inside, rules):
            continue
        if inside:
            yield from _by_walking(source, path, rules, leave_out)
        else:
            yield path


def _rules(file: Path) -> Ignored:
    import pathspec

    text = file.read_text(encoding="utf-8", errors="replace")
    spec = pathspec.GitIgnoreSpec.from_lines(text.splitlines())
    return lambda path: spec.check_file(path).include


def _excluded(path: str, inside: bool, rules: Sequence[tuple[str, Ignored]]) -> bool:
    """Ask the nearest folder's rules first; the first that says something decides."""
    for folder, ignored in reversed(rules):
        relative = path[len(folder) + 1 :] if folder else path
        said = ignored(f"{relative}/" if inside else relative)
        if said is not None:
            return said
    return False
