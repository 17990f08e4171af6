"""The hard limits a patch keeps before anybody is asked: where it may write, and how much.

Protected, whatever `edit` allows: tests, CI, everything hidden (`.git`, `.github`, `.env`), the
error matrix, playbooks, what verification runs, and other targets of a bundle. So no patch can
weaken its own check. Paths are compared without case and in one Unicode form: `.GIT/hooks` is
`.git/hooks`.
"""

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath

from agent import redaction
from agent.playbook import Loaded, Playbook
from agent.records import Edit, Patch

Read = Callable[[str], str | None]

_LINE = 400
"""Characters; a longer line counts once for each started 400: nothing hides to the right."""
_TEST_FOLDERS = frozenset(("tests", "test", "__tests__"))
_NAMES = frozenset(
    (
        "error_matrix.yaml",
        "conftest.py",
        "jenkinsfile",
        "azure-pipelines.yml",
        "azure-pipelines.yaml",
        "bitbucket-pipelines.yml",
        "cloudbuild.yaml",
        "codeowners",
        "tox.ini",
        "noxfile.py",
        "pytest.ini",
        "sitecustomize.py",
        "usercustomize.py",
    )
)
_BUNDLES = frozenset(("databricks.yml", "databricks.yaml", "bundle.yml", "bundle.yaml"))


def matches(globs: Iterable[str], path: str) -> bool:
    """Return whether the path matches these `.gitignore`-style globs; the last one decides."""
    import pathspec

    return pathspec.GitIgnoreSpec.from_lines(globs).match_file(path)


def editable(path: str, loaded: Loaded) -> bool:
    """Return whether a patch may touch this path, by its name alone."""
    return _outside(path, loaded) is None


def refuse(patch: Patch, loaded: Loaded, before: Read, after: Read) -> str | None:
    """Return why this patch may not be proposed, or None.

    `before` and `after` read a file without and with the patch; None = there is no such file.
    """
    limits = loaded.playbook.limits
    paths = [edit.path for edit in patch.edits]
    for path in paths:
        if (why := _outside(path, loaded)) is not None:
            return why
    if (twins := _twins(paths)) is not None:
        return twins
    if len(set(paths)) > limits.files:
        return f"it edits {len(set(paths))} files; limits.files allows {limits.files}"
    lines = 0
    for path in dict.fromkeys(paths):
        old, new = before(path), after(path)
        if (why := _content(path, old, new, loaded.playbook)) is not None:
            return why
        lines += changed_lines(old, new)
    if lines > limits.lines:
        return f"it changes {lines} lines; limits.lines allows {limits.lines}"
    return _placeholder(patch.edits, before, after)


def changed_lines(old: str | None, new: str | None) -> int:
    """Return how many lines are added and removed; a very long line counts as several."""
    import difflib

    a, b = (old or "").splitlines(), (new or "").splitlines()
    while a and b and a[0] == b[0]:
        del a[0], b[0]
    while a and b and a[-1] == b[-1]:
        del a[-1], b[-1]
    count = 0
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag != "equal":
            count += sum(1 + len(line) // _LINE for line in (*a[i1:i2], *b[j1:j2]))
    return count


def _outside(path: str, loaded: Loaded) -> str | None:
    if (why := _bad_path(path)) is not None:
        return f"{path!r} is not a path a patch may have: {why}"
    if (why := _protected(path, loaded)) is not None:
        return f"{path} is protected: {why}"
    if not matches(loaded.playbook.edit, path):
        return f"{path} is outside what the playbook lets a patch edit: {_said(loaded.playbook)}"
    return None


def _said(playbook: Playbook) -> str:
    return ", ".join(playbook.edit) or "nothing"


def _bad_path(path: str) -> str | None:
    if not path or path.startswith(("/", "~")) or path[1:2] == ":":
        return "it is not relative to the source folder"
    if "\\" in path or not path.isprintable() or redaction.printable(path) != path:
        return "it holds a backslash or a character that cannot be seen"
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "it has an empty part, . or .."
    if any(
        part != part.strip() or part.endswith(".") or "~" in part or ":" in part for part in parts
    ):
        return "a part of it means another file on some systems"
    return None


def _fold(path: str) -> str:
    return unicodedata.normalize("NFKC", path).casefold()


def _protected(path: str, loaded: Loaded) -> str | None:
    parts = _fold(path).split("/")
    name = parts[-1]
    if any(part.startswith(".") for part in parts):
        return "hidden files hold version control, CI and secrets"
    if _TEST_FOLDERS.intersection(parts[:-1]) or _is_test(name):
        return "a patch may not weaken its own check"
    if name in _NAMES:
        return "it decides what is checked, or how"
    if "playbooks" in parts[:-1] or _fold(path) in _named(loaded):
        return "playbooks and what verification runs are not a patch's"
    where = _fold(loaded.playbook.where)
    if len(parts) > 1 and parts[-2] == "targets" and PurePosixPath(name).stem != where:
        return f"it belongs to another target than {loaded.playbook.where}"
    return None


def _is_test(name: str) -> bool:
    return name.endswith(".py") and (name.startswith("test_") or name.endswith("_test.py"))


def _named(loaded: Loaded) -> frozenset[str]:
    """Return the paths, relative to the source, of the playbook and of what it names, folded."""
    found = {Path(loaded.path)}
    for check in loaded.playbook.verify:
        found |= {loaded.folder / word for word in check.command or ()}
        found |= {loaded.source / word for word in check.command or ()}
    found |= {loaded.folder / r.playbook for r in loaded.playbook.requires if r.playbook}
    inside = (_inside(path, loaded.source) for path in found)
    return frozenset(_fold(path) for path in inside if path is not None)


def _inside(path: Path, root: Path) -> str | None:
    import os

    normal = Path(os.path.normpath(path))
    return normal.relative_to(root).as_posix() if normal.is_relative_to(root) else None


def _twins(paths: Iterable[str]) -> str | None:
    seen: dict[str, str] = {}
    for path in paths:
        other = seen.setdefault(_fold(path), path)
        if other != path:
            return f"{other} and {path} are one file on some systems"
    return None


def _content(path: str, old: str | None, new: str | None, playbook: Playbook) -> str | None:
    if old is not None and old.strip() and new is not None and not new.strip():
        return f"it empties {path}"
    if path.endswith((".yml", ".yaml")):
        return _other_targets(path, old, new, playbook)
    return None


def _other_targets(path: str, old: str | None, new: str | None, playbook: Playbook) -> str | None:
    """A bundle's file holds all targets: those that are not ours stay as they are."""
    was, will = _mapping(old), _mapping(new)
    if _fold(PurePosixPath(path).name) in _BUNDLES or "targets" in was or "targets" in will:
        ours = playbook.where
        others = [
            {k: v for k, v in targets.items() if k != ours}
            if isinstance(targets, dict)
            else targets
            for targets in (was.get("targets", {}), will.get("targets", {}))
        ]
        if others[0] != others[1]:
            return f"it changes another target than {ours} in {path}"
    if any({"platform", "job"} <= set(data) for data in (was, will)):
        return f"{path} is a playbook"
    return None


def _mapping(text: str | None) -> Mapping[str, object]:
    import yaml

    try:
        data = yaml.load(text or "", Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader either way
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _placeholder(edits: Iterable[Edit], before: Read, after: Read) -> str | None:
    for path in dict.fromkeys(edit.path for edit in edits):
        if redaction.count_masks(after(path) or "") > redaction.count_masks(before(path) or ""):
            return (
                f"it writes the placeholder of a masked secret into {path}, "
                "which would destroy the real one"
            )
    return None
