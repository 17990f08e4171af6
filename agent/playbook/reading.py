"""Read playbooks: flags over environment over file over defaults; and what must run before what.

Every problem of a file is told at once, one a line, each with `file:line:`.
"""

import ast
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path

from pydantic import JsonValue

from agent import settings
from agent.document import At, Document, Problem, Unreadable, read
from agent.errors import PlaybookError
from agent.playbook import records
from agent.playbook.complaints import dotted, validate
from agent.playbook.records import Loaded, Playbook

Load = Callable[[Path], Loaded]


def load(
    path: Path,
    overrides: Mapping[str, JsonValue] | None = None,
    env: Mapping[str, str] = os.environ,
) -> Loaded:
    """Read a playbook; `overrides` (dotted: `approve.mode`) win over `env`, that over the file.

    Raises `PlaybookError` with one line per problem: where, what was found, what was expected.
    """
    found = _document(path)
    given = _override(found.data, _from_environment(env))
    given |= _override(found.data, {key: (key, value) for key, value in (overrides or {}).items()})
    found.data.setdefault("name", _name(path))
    playbook = validate(Playbook, found, given)
    if isinstance(playbook, tuple):
        raise PlaybookError(_lines(path, playbook))
    loaded = Loaded(path=str(path.absolute()), playbook=playbook)
    wrong = [
        f"{given[at]}: {message}" if at in given else Problem(found.line(at), message)
        for at, message in _contradictions(loaded)
    ]
    if wrong:
        raise PlaybookError(_lines(path, wrong))
    return loaded


def schema() -> dict[str, JsonValue]:
    """Return the JSON Schema of a playbook, for editors."""
    found = Playbook.model_json_schema(mode="validation")
    for title, body in {"Playbook": found, **found["$defs"]}.items():
        for key, words in _descriptions().get(title, {}).items():
            body["properties"][key.removesuffix("_")].setdefault("description", words)
    found["title"] = "runmend playbook"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def _descriptions() -> dict[str, dict[str, str]]:
    """Return the text under each attribute of the schema's classes."""
    tree = ast.parse(Path(records.__file__).read_text(encoding="utf-8"))
    found: dict[str, dict[str, str]] = {}
    for record in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        for attribute, text in pairwise(record.body):
            match attribute, text:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(words))),
                ):
                    found.setdefault(record.name, {})[name] = " ".join(words.split())
    return found


def order(loaded: Loaded, load: Load = load) -> tuple[Loaded, ...]:
    """Return the playbooks that this one requires, each after those it requires, itself last.

    Raises `PlaybookError` for a missing file, and one that names the circle where there is one.
    """
    done: dict[Path, Loaded] = {}
    trail: dict[Path, Loaded] = {}

    def visit(book: Loaded) -> None:
        place = Path(book.path).resolve()
        if place in done:
            return
        if place in trail:
            circle = [*list(trail)[list(trail).index(place) :], place]
            names = " -> ".join(trail[p].playbook.name for p in circle)
            raise PlaybookError(
                f"{loaded.path}: playbooks require each other in a circle: {names}; "
                "remove one of these requirements"
            )
        trail[place] = book
        for i, requirement in enumerate(book.playbook.requires):
            if requirement.playbook is not None:
                visit(load(_required(book, requirement.playbook, ("requires", i, "playbook"))))
        del trail[place]
        done[place] = book

    visit(loaded)
    return tuple(done.values())


def _required(book: Loaded, path: str, at: At) -> Path:
    found = Path(os.path.normpath(book.folder / path))
    if not found.is_file():
        line = _document(Path(book.path)).line(at)
        raise PlaybookError(
            f"{book.path}:{line}: requires playbook {path!r}, but there is no file {found}; "
            "the path is relative to this playbook"
        )
    return found


def _document(path: Path) -> Document:
    try:
        return read(path)
    except OSError as error:
        raise PlaybookError(f"{path}: cannot be read: {error.strerror or error}") from None
    except Unreadable as error:
        raise PlaybookError(f"{path}:{error.problem.line}: {error.problem.message}") from None


def _lines(path: Path, problems: Iterable[str | Problem]) -> str:
    ours = sorted({p for p in problems if isinstance(p, Problem)})
    others = [p for p in problems if isinstance(p, str)]
    return "\n".join([*others, *(f"{path}:{p.line}: {p.message}" for p in ours)])


def _name(path: Path) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._")[:100] or "job"


def _from_environment(env: Mapping[str, str]) -> dict[str, tuple[str, JsonValue]]:
    """Return key: (variable, value) for what the environment says about playbooks."""
    return {
        variable.key: (name, env[name])
        for name, variable in settings.VARIABLES.items()
        if variable.key is not None and env.get(name)
    }


def _override(
    data: dict[str, JsonValue], values: Mapping[str, tuple[str, JsonValue]]
) -> dict[At, str]:
    """Put values into the data; return where they stand and where they came from."""
    given: dict[At, str] = {}
    for key, (name, value) in sorted(values.items()):
        at: At = tuple(key.split("."))
        if key == "profile":
            at = (str(data.get("platform")), "profile")
        if key == "model.id" and value == "none":
            at = ("model",)
        if at[0] == "model" and len(at) > 1 and data.get("model") in ("none", None):
            if "model" in data and key != "model.id":
                continue  # a setting of the model does not switch it on
            data["model"] = {}
        inner: JsonValue = data
        for part in at[:-1]:
            inner = inner.setdefault(str(part), {}) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            inner[str(at[-1])] = value
            given[at] = name if name != key else f"{dotted(at)} (from the command line)"
    return given


def _contradictions(loaded: Loaded) -> Iterator[tuple[At, str]]:
    """Tell what no single key shows: where, and what is wrong."""
    book = loaded.playbook
    if not loaded.source.is_dir():
        yield (
            ("source",),
            (f"source: there is no folder {loaded.source}; source is relative to the playbook"),
        )
    yield from _job_contradictions(book)
    first, longest = book.poll.first, book.poll.max
    if first is not None and longest is not None and first > longest:
        yield ("poll",), f"poll.first ({first:g} s) is longer than poll.max ({longest:g} s)"
    for i, rule in enumerate(book.approve.rules):
        if rule.then == "approve" and rule.risk == "destructive":
            yield (
                ("approve", "rules", i),
                (
                    "no rule can approve a destructive patch, that always takes a person; "
                    "write then: ask or reject"
                ),
            )


def _job_contradictions(book: Playbook) -> Iterator[tuple[At, str]]:
    kinds = ("bundle", "name", "id", "pipeline")
    named = [k for k in kinds if getattr(book.job, k) is not None]
    if book.platform == "local":
        if book.job.file is None:
            yield (
                ("job",),
                ("job.file is needed on platform local: the job's declaration, relative to source"),
            )
        for key in named:
            yield ("job", key), f"job.{key} has no meaning on platform local; write job.file"
    elif len(named) > 1:
        yield ("job",), f"job names {' and '.join(named)}; give one of them"
    elif book.job.file is not None and named not in ([], ["id"]):
        yield ("job",), f"job names file and {named[0]}; give one of them"
    if book.job.full_refresh and named not in (["pipeline"], ["bundle"]):
        yield ("job", "full_refresh"), "job.full_refresh goes with a pipeline"
