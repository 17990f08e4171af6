"""What a changed job file, bundle or dbt configuration does: YAML and JSON as data.

Both versions become `path: value` pairs, members of a list by their own name (`task_key`, `name`
...). `_RULES` says what a changed key means; the first rule that matches decides, a key without a
rule asks.
"""

import difflib
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from agent.effects import aidpjobs, sql, text
from agent.effects.found import Found, Reading, added
from agent.effects.harmless import words

Path = tuple[str, ...]
Value = str | int | float | bool | None

_NAMES = ("task_key", "taskKey", "job_cluster_key", "environment_key", "key", "name", "alias", "id")
_ALIKE = 0.7
"""Two keys at least this similar, with the same value, are one key spelled right at last."""


class _Rule(NamedTuple):
    pattern: str
    """Matches one part of the path, any unless `last`."""
    kind: str
    when: str = "changed"
    """`changed`, `raised`, `removed`, `added`, `on` (true or new), `off` (false or gone), `moved`
    (a cluster's name becomes another one's)."""
    says: str = "changes"


_RULES = (
    _Rule(
        r"prevent_destroy|deletion_protection|protected", "protection_removed", "off", "unprotects"
    ),
    _Rule(r"\+?full_refresh\w*|reset_checkpoint\w*|refresh_all", "full_refresh", "on", "rebuilds"),
    _Rule(r"checkpoint\w*", "checkpoint_change"),
    _Rule(r"grants?|\+grants", "grant_change"),
    _Rule(r"permissions?|access_control_list|run_as|owner|acl|pass_env", "permission_change"),
    _Rule(
        r"targets?|\+?catalog|\+?schema|\+?database|host|workspace|root_path|profile|metastore"
        r"|storage(?:_location)?|workspace_id|http_path|mode|catalog_name|schema_name|data_lake_\w+",
        "target_change",
    ),
    _Rule(
        r"timeout\w*|\w*_timeout|\w*_timeout_seconds|max_wait\w*",
        "limit_raised",
        "raised",
        "raises",
    ),
    _Rule(r"\w*retr(?:y|ies)\w*|\w*attempts", "limit_raised", "raised", "raises"),
    _Rule(
        r"schedules?|triggers?|continuous|cron|\w*cron_expression|pause_status|periodic",
        "schedule_on",
    ),
    _Rule(
        r"new_cluster|job_clusters?|node_type_id|driver_node_type_id|\w*workers|autoscale|\w*_size"
        r"|instance_pool\w*|max_concurrent_runs|threads|ocpus|memory|memory_gb|photon|compute",
        "cost_raised",
        "raised",
        "raises",
    ),
    _Rule(r"dependencies|libraries|requirements|packages|pypi", "dependency_add", "added", "adds"),
    _Rule(r"depends_on", "check_weakened", "removed", "no longer waits for"),
    _Rule(r"run_if", "check_weakened"),
    _Rule(
        r"(?:data_)?tests|constraints|expectations|health|\w*_notifications?|warn_if|error_if|contract"
        r"|notification_settings",
        "check_weakened",
        "removed",
        "removes",
    ),
    _Rule(r"severity|warn_unsupported|enforced|store_failures|\+?enabled", "check_weakened"),
    _Rule(r"webhook\w*|email\w*|on_failure|on_success", "network_call", "added", "notifies"),
    _Rule(
        r"commands?|script|bash|entry_point|main_class_name|jar\w*|\w*wheel\w*|init_scripts",
        "shell_run",
    ),
    _Rule(r"on-run-\w+|\+?(?:pre|post)[-_]hook", "exec_dynamic"),
    _Rule(
        r"spark_conf|spark_env_vars|env|environment_variables|configuration|vars", "config_change"
    ),
)

_OF_AIDP = (
    _Rule(r"cluster_name|cluster_key", "setting_change", "moved"),
    _Rule(r"expressions|condition", "check_weakened"),
    _Rule(r"type", "setting_change"),
    _Rule(r"main_class|dependent_libraries|command_line_arguments", "shell_run"),
)
"""For fields that only jobs of AIDP have; its others mean what they do on Databricks."""

_FILES = words("python_file notebook_path file_path path file project_directory project_dir")
_HARMLESS = words("""
    task_key description display_name title tags comment environment_key job_cluster_key depends_on
    parameters base_parameters named_parameters job_parameters default spec client name columns
    version environment_version dependencies libraries requirements data_type type doc docs meta
    """)
_OLD_NEWS = ("setting_change", "limit_raised", "check_weakened")
_SQL = re.compile(r"sql|query|statement|filter|condition", re.IGNORECASE)


class _How(NamedTuple):
    """How the changes of one file are judged."""

    folder: str
    rules: tuple[_Rule, ...] = _RULES
    word: Callable[[str], str] = str
    """Returns a key in the words of the rules."""

    def words(self, path: Path) -> list[str]:
        """Return the parts of a path as rules know them."""
        return [self.word(part.strip("[]").lstrip("=")) for part in path]


def changes(before: str, after: str, folder: str = "") -> Iterator[Found]:
    """Yield what the change of one settings file does; `folder` is where it lies in the tree."""
    was, will = _load(before), _load(after)
    if isinstance(will, _Unread) or (isinstance(was, _Unread) and before.strip()):
        yield Found("unparsed", "", "cannot be read, or could not before")
    if isinstance(will, _Unread):
        return
    was, how = [] if isinstance(was, _Unread) else was, _How(folder)
    if any(aidpjobs.is_job(document) for document in (*was, *will)):
        was, will = [aidpjobs.meant(d) for d in was], [aidpjobs.meant(d) for d in will]
        how = _How(folder, _OF_AIDP + _RULES, aidpjobs.plain_word)
    old, new = _documents(was), _documents(will)
    yield from _tasks(old, new)
    yield from _pairs(old, new, how)


class _Unread:
    """The text is no YAML."""


def _load(content: str) -> "list[object] | _Unread":
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return list(yaml.load_all(content, Loader=loader))
    except (yaml.YAMLError, ValueError, RecursionError):
        return _Unread()


def _documents(documents: list[object]) -> dict[Path, Value]:
    found = dict(_flat(documents[0])) if documents else {}
    for number, document in enumerate(documents[1:], start=2):
        found |= dict(_flat(document, (f"[document {number}]",)))
    return found


def _flat(value: object, path: Path = ()) -> Iterator[tuple[Path, Value]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, (*path, str(key)))
        if not value:
            yield path, None
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _flat(item, (*path, _member(item, index)))
        if not value:
            yield path, None
    else:
        yield (
            path,
            value if isinstance(value, (str, int, float, bool)) else str(value or "") or None,
        )


def _member(item: object, index: int) -> str:
    """Return what a member of a list is called: its own name, its text, or its place."""
    if isinstance(item, Mapping):
        named = next((str(item[k]) for k in _NAMES if k in item), None)
        return f"[{named}]" if named is not None else f"[{index}]"
    return f"[={item}]" if isinstance(item, str) else f"[{index}]"


def _tasks(old: Mapping[Path, Value], new: Mapping[Path, Value]) -> Iterator[Found]:
    for gone in sorted(_task_paths(old) - _task_paths(new)):
        if len(_task_paths(old)) > len(_task_paths(new)):
            yield Found("task_remove", gone[-1], f"removes task {gone[-1].strip('[]')}")


def _task_paths(pairs: Iterable[Path]) -> set[Path]:
    return {
        path[: index + 2]
        for path in pairs
        for index, part in enumerate(path[:-1])
        if part == "tasks" and path[index + 1].startswith("[")
    }


def _pairs(old: Mapping[Path, Value], new: Mapping[Path, Value], how: _How) -> Iterator[Found]:
    removed = {p: v for p, v in old.items() if p not in new}
    appeared = {p: v for p, v in new.items() if p not in old}
    renamed = _renamed(removed, appeared)
    for path, value in new.items():
        if path in old and old[path] == value:
            continue
        found = _judge(path, old.get(path), value, how, fresh=path not in old)
        # A key that is spelled right at last does what it always said.
        if found and not (path in renamed.values() and found.kind in _OLD_NEWS):
            yield found
    lost_tasks = _task_paths(old) - _task_paths(new)
    for path, value in removed.items():
        filled = value is None and any(other[: len(path)] == path for other in new)
        lost = any(path[: len(task)] == task for task in lost_tasks)
        if path not in renamed and not filled and not lost:
            yield from _removed(path, value, how)


def _renamed(removed: Mapping[Path, Value], appeared: Mapping[Path, Value]) -> dict[Path, Path]:
    found = {}
    for path, value in removed.items():
        for other, same in appeared.items():
            if _respelled(path, other, value, same):
                found[path] = other
                break
    return found


def _respelled(path: Path, other: Path, value: Value, same: Value) -> bool:
    if len(path) != len(other):
        return False
    pairs = [(a, b) for a, b in zip(path, other, strict=True) if a != b]
    # A member of a list is called by its own value, which then changes with it.
    if value != same and (f"[{value}]", f"[{same}]") not in pairs:
        return False
    return len(pairs) == 1 and difflib.SequenceMatcher(None, *pairs[0]).ratio() >= _ALIKE


def _judge(path: Path, old: Value, new: Value, how: _How, *, fresh: bool) -> Found | None:
    words = [how.word(part) for part in path if not part.startswith("[")] or [""]
    where = ".".join(path).replace(".[", "[")
    what = f"{where}={new}"
    for rule in how.rules:
        if any(re.fullmatch(rule.pattern, word, re.IGNORECASE) for word in how.words(path)):
            if rule.kind == "dependency_add":
                return text.dependency(str(new)) if new is not None else None
            if _applies(rule.when, old, new, fresh=fresh):
                says = f"{rule.says} {where}: {_said(old)} becomes {_said(new)}"
                return Found(rule.kind, what, says)
            return None
    if _SQL.fullmatch(words[-1]) and isinstance(new, str):
        was = sql.read(str(old)) if isinstance(old, str) else Reading()
        return next(iter(added(was, sql.read(new))), None)
    if words[-1] in _FILES:
        inside = isinstance(new, str) and _is_inside(new, how.folder)
        return None if inside else Found("setting_change", what, f"points {where} outside: {new}")
    if any(word in _HARMLESS for word in words):
        return None
    return Found("setting_change", what, f"changes {where}: {_said(old)} becomes {_said(new)}")


def _applies(when: str, old: Value, new: Value, *, fresh: bool) -> bool:
    match when:
        case "raised":
            return _raised(old, new, fresh=fresh)
        case "on":
            return str(new).lower() not in ("false", "none", "0", "")
        case "off":
            return str(new).lower() in ("false", "none", "0", "")
        case "removed":
            return not fresh and old != new
        case "moved":
            return not aidpjobs.is_same_cluster(old, new)
        case _:
            return True


def _raised(old: Value, new: Value, *, fresh: bool) -> bool:
    """A number that grows, or anything else that changes; no limit at all is the highest."""
    if isinstance(new, (int, float)) and isinstance(old, (int, float)) and new:
        return new > old
    # A first time limit only lowers what was endless; a first retry raises.
    return not (fresh and isinstance(new, (int, float)) and new == 0)


def _removed(path: Path, value: Value, how: _How) -> Iterator[Found]:
    where = ".".join(path).replace(".[", "[")
    words = how.words(path)
    for rule in how.rules:
        if any(re.fullmatch(rule.pattern, word, re.IGNORECASE) for word in words):
            if rule.when in ("changed", "removed", "off"):
                yield Found(rule.kind, f"-{where}", f"removes {where} ({_said(value)})")
            elif rule.kind in ("limit_raised",) and "timeout" in where:
                yield Found(rule.kind, f"-{where}", f"removes the limit {where} ({_said(value)})")
            return
    own = [word for part, word in zip(path, words, strict=True) if not part.startswith("[")]
    if not any(word in _HARMLESS or word in _FILES for word in own):
        yield Found("setting_change", f"-{where}", f"removes {where} ({_said(value)})")


def _said(value: Value) -> str:
    return "nothing" if value is None else repr(value)[:60]


def _is_inside(path: str, folder: str) -> bool:
    """Return whether a path stays in the tree, read from its root or from the file's own folder."""
    pure = PurePosixPath(posixpath.normpath(posixpath.join(folder, path)))
    return not pure.is_absolute() and pure.parts[:1] != ("..",) and "://" not in path
