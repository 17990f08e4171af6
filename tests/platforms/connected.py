"""The stage of a story: a source, its tree, and a platform that is connected for a playbook."""

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from contract import Stage

from agent.platforms import Context, Platform, connect
from agent.playbook import Loaded, Playbook
from agent.records import Tree


def tree(root: Path) -> Tree:
    """Return the record of a tree as it lies there."""
    files = tuple(
        sorted(
            file.relative_to(root).as_posix()
            for file in root.rglob("*")
            if file.is_file() and not any(p.is_symlink() for p in (file, *file.parents))
        )
    )
    basis = hashlib.sha256()
    for name in files:
        basis.update(name.encode() + (root / name).read_bytes())
    return Tree(root=str(root), digest=basis.hexdigest(), files=files)


def staged(
    book: Playbook,
    folder: Path,
    files: Mapping[str, str | bytes],
    *,
    cache: Path | None = None,
    data: Sequence[str] = (),
    connected: Callable[[Platform], Platform] = lambda platform: platform,
) -> Stage:
    """Write a source, copy it to a tree without its data, connect.

    `connected` returns what stands for the platform.
    """
    source, root = folder / "source", folder / "tree"
    for name, content in files.items():
        file = source / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    shutil.copytree(source, root, ignore=shutil.ignore_patterns(*data))
    loaded = Loaded(path=str(folder / f"{book.name}.yaml"), playbook=book)
    case = folder / "case"
    case.mkdir(mode=0o700, exist_ok=True)
    context = Context(loaded, case, cache or folder / "cache", state=folder / "state")

    def connection() -> Platform:
        return connected(connect(context))

    copies = iter(range(1, 100))

    def change(path: str, text: str) -> Tree:
        other = folder / f"tree-{next(copies)}"
        shutil.copytree(root, other, symlinks=True)
        (other / path).write_text(text)
        return tree(other)

    return Stage(connection(), tree(root), connection, change)
