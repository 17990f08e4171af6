"""Brings a bundle's files to the workspace.

What goes along is what git would keep, plus `sync.include`, minus `sync.exclude`
(https://docs.databricks.com/dev-tools/bundles/settings.html#sync). What was uploaded is remembered
under `.databricks/bundle/<target>/sync-snapshots`: a file that somebody deletes in the workspace is
not uploaded again until that memory is removed or the file changes, as with the real command.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from agent.simulators.bundle import paths, tree
from agent.simulators.bundle.connection import ApiRefused, Workspace
from agent.simulators.bundle.tree import Node

_NEVER = (".git", ".databricks")


class File(NamedTuple):
    """One file of the bundle."""

    local: str
    """Relative to the bundle's root."""
    notebook: bool

    @property
    def remote(self) -> str:
        """The path below `workspace.file_path`."""
        return paths.remote_name(self.local, notebook=self.notebook)


class Synced(NamedTuple):
    """What an upload did."""

    files: list[File]
    uploaded: int
    deleted: int


def files_of(root: Path, config: Node) -> list[File]:
    """Return what is to be uploaded, sorted by path."""
    from pathspec import GitIgnoreSpec

    include = GitIgnoreSpec.from_lines(_patterns(config, "include"))
    exclude = GitIgnoreSpec.from_lines(_patterns(config, "exclude"))
    kept = set(_kept(root, root, []))
    if include.patterns:
        kept |= {p for p in _everything(root) if include.match_file(p.relative_to(root))}
    names = sorted(p.relative_to(root).as_posix() for p in kept)
    return [
        File(name, paths.is_notebook(root / name)) for name in names if not exclude.match_file(name)
    ]


def _patterns(config: Node, which: str) -> list[str]:
    return [str(tree.plain(node)).removeprefix("./") for node in config.members("sync", which)]


def _kept(root: Path, folder: Path, rules: list[tuple[Path, Any]]) -> Iterator[Path]:
    from pathspec import GitIgnoreSpec

    ignore = folder / ".gitignore"
    if ignore.is_file():
        lines = ignore.read_text("utf-8", "replace").splitlines()
        rules = [*rules, (folder, GitIgnoreSpec.from_lines(lines))]
    for path in sorted(folder.iterdir()):
        if path.name in _NEVER or (path.is_symlink() and path.is_dir()):
            continue
        shown = "/" if path.is_dir() else ""
        if _ignored(path, shown, rules):
            continue
        if path.is_dir():
            yield from _kept(root, path, rules)
        elif path.is_file():
            yield path


def _ignored(path: Path, slash: str, rules: list[tuple[Path, Any]]) -> bool:
    """The innermost .gitignore that says anything about a path decides."""
    for folder, spec in reversed(rules):
        verdict = spec.check_file(path.relative_to(folder).as_posix() + slash).include
        if verdict is not None:
            return bool(verdict)
    return False


def _everything(root: Path) -> Iterator[Path]:
    for path in root.rglob("*"):
        if path.is_file() and path.relative_to(root).parts[0] not in _NEVER:
            yield path


def upload(workspace: Workspace, root: Path, config: Node, known: list[dict[str, Any]]) -> Synced:
    """Upload what is new or changed and delete what is gone; `known` is what was there before."""
    base = config.text("workspace", "file_path") or ""
    target = config.text("bundle", "target") or ""
    memory = _Memory(root, target, workspace.login.host, base)
    files = files_of(root, config)
    uploaded = 0
    for file in files:
        content = (root / file.local).read_bytes()
        mark = hashlib.sha256(content).hexdigest()
        if memory.marks.get(file.local) == mark:
            continue
        # The file's own name is sent: the workspace takes the extension off a notebook.
        path = f"/api/2.0/workspace-files/import-file{base}/{file.local}"
        _import(workspace, path, content)
        memory.marks[file.local] = mark
        uploaded += 1
    gone = _gone(files, known, memory)
    for remote in gone:
        _delete(workspace, f"{base}/{remote}")
    memory.keep(files)
    return Synced(files, uploaded, len(gone))


def _gone(files: list[File], known: list[dict[str, Any]], memory: "_Memory") -> list[str]:
    now = {file.remote for file in files}
    before = {
        paths.remote_name(str(item["local_path"]), notebook=bool(item.get("is_notebook")))
        for item in known
    }
    return sorted((before | set(memory.remotes)) - now)


def _import(workspace: Workspace, path: str, content: bytes) -> None:
    try:
        workspace.call("POST", path, content, overwrite=True)
    except ApiRefused as error:
        if error.status != 404:
            raise
        folder = path.removeprefix("/api/2.0/workspace-files/import-file").rpartition("/")[0]
        workspace.call("POST", "/api/2.0/workspace/mkdirs", {"path": folder})
        workspace.call("POST", path, content, overwrite=True)


def _delete(workspace: Workspace, path: str) -> None:
    try:
        workspace.call("POST", "/api/2.0/workspace/delete", {"path": path, "recursive": False})
    except ApiRefused as error:
        if error.status != 404:
            raise


class _Memory:
    """What this machine uploaded to one place, by content."""

    def __init__(self, root: Path, target: str, host: str, base: str) -> None:
        name = hashlib.sha256(f"{host}{base}".encode()).hexdigest()[:16]
        self._path = folder(root, target) / "sync-snapshots" / f"{name}.json"
        found = json.loads(self._path.read_text("utf-8")) if self._path.is_file() else {}
        self.marks: dict[str, str] = found.get("last_modified_content", {})
        self.remotes: list[str] = found.get("remote_files", [])

    def keep(self, files: list[File]) -> None:
        names = {file.local for file in files}
        marks = {name: mark for name, mark in self.marks.items() if name in names}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        document = {"last_modified_content": marks, "remote_files": [f.remote for f in files]}
        self._path.write_text(json.dumps(document, indent=2), "utf-8")


def folder(root: Path, target: str) -> Path:
    """Return the folder of the command's own notes about a target, made where it is missing."""
    own = root / ".databricks"
    found = own / "bundle" / target
    found.mkdir(parents=True, exist_ok=True)
    ignore = own / ".gitignore"
    if not ignore.is_file():
        ignore.write_text("*\n", "utf-8")
    return found
