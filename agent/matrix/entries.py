"""What a matrix entry is, and how `error_matrix.yaml` files are read.

Rules kept here: an entry is strict (an unknown key is an error that names the file, the line, the
entry and the nearest key); a later file adds to the earlier ones and replaces entries by id; the
order of the file is kept, so that a person finds what a report names.
"""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, StringConstraints, ValidationError, model_validator

from agent.errors import MatrixError
from agent.playbook import Seconds
from agent.records import Category, Record, Remedy

Pattern = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Words = Annotated[str, StringConstraints(min_length=1, max_length=4000, strip_whitespace=True)]
Level = Literal["cause", "symptom", "general"]
"""`cause` names what is wrong; `symptom` what could not be done, for one of several causes, which
any cause in sight beats; `general` is a fallback by class, which both beat."""


class Entry(Record):
    """One known failure: how it is recognised, why it happens, what to do."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(?:[.-][a-z0-9]+)+$", max_length=80)]
    title: Words
    """One short sentence; `{name}` stands for a parameter."""
    category: Category
    platforms: tuple[Literal["any", "local", "databricks", "aidp"], ...] = ("any",)
    level: Level = "cause"
    match: tuple[Pattern, ...] = ()
    """google-re2 patterns, any of them; named groups are the parameters."""
    requires: tuple[Pattern, ...] = ()
    """Each must be found near the line that matched (or in it); their groups count too."""
    unless: tuple[Pattern, ...] = ()
    """None of them may be found near the line that matched."""
    also: tuple[Pattern, ...] = ()
    """Searched near the line that matched for further parameters."""
    codes: tuple[str, ...] = ()
    """Platform words (`Failure.code`) that are this failure, whatever the log says."""
    exit_codes: tuple[int, ...] = ()
    """Exit codes that are this failure where the log names nothing better."""
    conditions: tuple[str, ...] = ()
    """Globs over native codes (`*_ALREADY_EXISTS*`): a fallback for those without an entry."""
    sqlstates: tuple[str, ...] = ()
    """Prefixes of SQLSTATEs, a fallback for conditions whose name says nothing."""
    over: tuple[str, ...] = ()
    """Entries that give way wherever this one is found too."""
    cause: Words
    solution: Words
    remedy: Remedy
    fixer: str | None = None
    transient: bool = False
    wait: Seconds = 0.0
    """How long to wait before a rerun."""
    confidence: Annotated[float, Field(gt=0, le=1)] | None = None
    """How sure a match on the final exception's own line is; unsaid: 0.9, symptom 0.8, general
    0.7."""
    sources: Annotated[tuple[Words, ...], Field(min_length=1)]
    examples: Annotated[tuple[Words, ...], Field(min_length=1)]
    """Texts that must reach this entry; `code: message` lines are matched like any others."""
    counter_examples: Annotated[tuple[Words, ...], Field(min_length=1)]
    """Texts that must not reach it."""

    @model_validator(mode="after")
    def _can_be_reached(self) -> "Entry":
        if not (self.match or self.codes or self.exit_codes or self.names):
            raise ValueError("nothing reaches it; give match, codes, exit_codes or conditions")
        if self.transient and self.remedy != "rerun":
            raise ValueError("transient goes with remedy: rerun")
        if self.fixer and self.remedy not in ("fix", "run_prerequisite"):
            raise ValueError("a fixer goes with remedy: fix")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """What of an error's own name it is reached by."""
        return (*self.conditions, *self.sqlstates)

    @property
    def sure(self) -> float:
        """Confidence before the line's kind and rivals are considered."""
        if self.confidence is not None:
            return self.confidence
        return {"cause": 0.9, "symptom": 0.8, "general": 0.7}[self.level]


class Placed(NamedTuple):
    """An entry and where it was read."""

    entry: Entry
    file: str
    line: int
    """1-based line of its first key."""


def shipped() -> Path:
    """Return the matrix that comes with runmend: inside the package, or beside it in a clone."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "error_matrix.yaml"
    return inside if inside.exists() else package.parent / "error_matrix.yaml"


def read(paths: Iterable[Path]) -> dict[str, Placed]:
    """Return the entries of these files by id; a later file replaces entries of an earlier one.

    Raises `MatrixError` with file, line and entry, and the nearest key where one was misspelt.
    """
    found: dict[str, Placed] = {}
    for path in paths:
        here: dict[str, Placed] = {}
        for node, line in _blocks(path):
            placed = _entry(node, path.name, line)
            known = here.get(placed.entry.id)
            if known is not None:
                raise MatrixError(
                    f"{path.name}:{line}: entry {placed.entry.id!r} is there twice, first in"
                    f" line {known.line}; merge them or give one another id"
                )
            here[placed.entry.id] = placed
        found.update(here)
    return found


def _blocks(path: Path) -> Iterable[tuple[dict[str, Any], int]]:
    import yaml

    loader_class = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        loader = loader_class(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise MatrixError(f"{path}: the matrix cannot be read: {error}") from error
    try:
        root = loader.get_single_node()
        if root is None:
            return
        if not isinstance(root, yaml.SequenceNode):
            raise MatrixError(
                f"{path.name}:1: found a {type(root).__name__}, expected a list of entries"
            )
        for node in root.value:
            line = node.start_mark.line + 1
            if not isinstance(node, yaml.MappingNode):
                raise MatrixError(
                    f"{path.name}:{line}: found a {type(node).__name__}, expected an entry"
                )
            _refuse_repeated_keys(node, path.name)
            yield loader.construct_document(node), line
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise MatrixError(f"{path.name}{at}: not YAML: {problem}") from error
    finally:
        loader.dispose()


def _refuse_repeated_keys(node: Any, name: str) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if key.value in seen:
            line = key.start_mark.line + 1
            raise MatrixError(f"{name}:{line}: key {key.value!r} is there twice in one entry")
        seen.add(key.value)


def _entry(block: dict[str, Any], name: str, line: int) -> Placed:
    own = str(block.get("id", "without id"))
    try:
        return Placed(Entry.model_validate(block), name, line)
    except ValidationError as error:
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(where, list(Entry.model_fields), 1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            what = f'unknown key "{where}"{hint}'
        else:
            message = first["msg"].removeprefix("Value error, ")
            what = f"{where}: {message}" if where else message
        raise MatrixError(f"{name}:{line}: entry {own}: {what}") from error
