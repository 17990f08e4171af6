"""What both targets have in common: bringing files, and the values that come of a deploy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from agent.engine import problems
from agent.errors import RunmendError
from agent.platforms.aidp import definitions, drift, sources
from agent.platforms.aidp.api import ApiRefused
from agent.platforms.aidp.files import Files
from agent.platforms.aidp.jobfile import Problem
from agent.platforms.aidp.layout import Layout
from agent.platforms.aidp.session import Session
from agent.records import Deployment, Failure, Tree
from agent.remote import failures
from agent.remote.drift import Compared

_MADE = ("made", "job")
_NEW = ("made", "files")


class Brings(Protocol):
    """What is to be brought where."""

    @property
    def there(self) -> Layout: ...
    @property
    def files(self) -> dict[str, str]: ...


def bring(
    session: Session, files: Files, tree: Tree, wanted: Brings, previous: Deployment | None
) -> tuple[str, ...]:
    """Bring what differs, delete what we brought last and the tree no longer has.

    Returns the files of the tree that were brought. Raises `ApiRefused` and `Unlike`.
    """
    compared = drift.of_files(files, wanted.there, wanted.files, previous.files if previous else {})
    _remember_new(session, wanted, compared)
    if compared.changed:
        files.bring(Path(tree.root), wanted.there, compared.changed)
        files.know(wanted.there, wanted.files)
    files.remove(compared.gone)
    return compared.changed


def _remember_new(session: Session, wanted: Brings, compared: Compared) -> None:
    """Keep, before they are brought, which files this case brings that were not there."""
    known: dict[str, str] = session.kept(*_NEW) or {}
    paths = [wanted.there.remote(path) for path in compared.changed]
    new = {p: wanted.files[p] for p in paths if p in known or p not in compared.now}
    if new:
        session.keep(*_NEW, known | new)


def new_files(session: Session) -> dict[str, str]:
    """Return the files that this case brought where none were: digest by workspace path."""
    return session.kept(*_NEW) or {}


def made(session: Session, key: str, name: str) -> None:
    """Remember that this case made a job."""
    session.keep(*_MADE, {"key": key, "name": name})


def left(session: Session, key: str, digest: str) -> None:
    """Remember how we left a job that this case made."""
    found = made_job(session)
    if found is not None and found["key"] == key:
        session.keep(*_MADE, found | {"digest": digest})


def made_job(session: Session) -> dict[str, str] | None:
    """Return `key`, `name` and `digest` of the job this case made, None where it made none."""
    found = session.kept(*_MADE)
    return found if isinstance(found, dict) else None


def forget(session: Session) -> None:
    """Forget what this case made: it is gone."""
    session.keep(*_MADE, None)
    session.keep(*_NEW, None)


def invalid(
    tree: Tree, found: tuple[Problem, ...], path: str, parameters: dict[str, str]
) -> tuple[Failure, ...]:
    """Return what is wrong with a job file: a failure for each code, with all its problems."""
    by_code: dict[str, list[Problem]] = {}
    for problem in found:
        by_code.setdefault(problem.code, []).append(problem)
    return tuple(
        failures.invalid(
            tree,
            [problems.Problem(p.line, p.message, p.task) for p in same],
            path,
            parameters,
            code=code,
            task_type=sources.TYPES.get(same[0].type or ""),
        )
        for code, same in by_code.items()
    )


def is_question(error: RunmendError) -> bool:
    """Return whether it was only a question that the service refused: nothing was to change."""
    return isinstance(error, ApiRefused) and error.call.startswith("GET ")


def record(
    session: Session,
    tree: Tree,
    key: str,
    definition: Mapping[str, Any],
    *,
    settings: str | None = None,
    files: dict[str, str],
    notes: tuple[str, ...] = (),
) -> Deployment:
    """Return the record of a job that is there; `settings`: a digest, None = of what is there."""
    now = settings or definitions.remember(session, definitions.normal(definition))
    return Deployment(
        job=key,
        name=str(definition.get("name") or key),
        tree=tree.digest,
        settings=now,
        tasks=tuple(sources.key(task) for task in sources.ordered(definition)),
        notes=notes,
        files=files,
        kept=True,
    )
