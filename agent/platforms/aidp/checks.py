"""Look at tables and SQL by one throw-away job on the named cluster, at files by the files' API.

Read-only. The words and measures are those of `agent.engine.checks`, so that the last good run can
be compared with. What cannot be asked, for lack of a cluster or of rights, or whose answer the
service did not keep, is unknown, never failed. Files below `/Volumes` are only seen by a cluster,
so the same job reads them.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import hashlib
import posixpath
import shutil
from collections.abc import Callable, Mapping, Sequence

from agent.engine import checks as engine
from agent.engine.checks import Seen
from agent.platforms.aidp.api import ApiRefused, Forbidden, NotFound
from agent.platforms.aidp.files import Files
from agent.platforms.aidp.layout import Layout
from agent.platforms.aidp.looking import Answer, NoAnswer, Question
from agent.platforms.aidp.session import Session
from agent.platforms.aidp.throwaway import Throwaway
from agent.playbook import Expectation
from agent.records import Check
from agent.remote.asking import quoted, refusal
from agent.remote.paths import plain
from agent.remote.texts import sentence

_VOLUMES = "/Volumes/"


class Tables:
    """What one process asks of tables and of files that a cluster sees."""

    def __init__(self, session: Session, now: Callable[[], float]) -> None:
        """`now` returns seconds since the epoch."""
        self._session = session
        self._throwaway = Throwaway(session, now)

    def ask(
        self, questions: Sequence[Question], layout: Layout | None
    ) -> Mapping[Question, Answer | NoAnswer]:
        """Return the answers to all questions, asked together; what only a writer could answer is
        refused before. Raises `Unavailable` until the answers are there."""
        refused = {
            one: NoAnswer(f"{why}; only statements that read are sent")
            for one in questions
            if one.kind == "sql" and (why := refusal(one.what)) is not None
        }
        asked = [one for one in dict.fromkeys(questions) if one not in refused]
        if not asked:
            return refused
        found = self._throwaway.ask(asked, folder(self._session, layout))
        return {**refused, **dict(zip(asked, found, strict=True))}

    def close(self) -> tuple[str, ...]:
        """Delete what is left of looks that a crash cut short; say what could not be deleted."""
        return self._throwaway.close()


def folder(session: Session, layout: Layout | None) -> str:
    """Return the workspace folder that the source's files lie in."""
    if layout is not None:
        return layout.root
    return plain(session.aidp.folder or f"/Workspace/Shared/runmend/{session.book.name}")


def verify(
    session: Session, checks: Sequence[Expectation], tables: Tables, layout: Layout | None
) -> tuple[Check, ...]:
    """Judge expectations about tables, files and SQL, in their order.

    Raises `Unavailable` while the cluster starts or looks; the same checks go on where they were.
    """
    paths = {wanted: _path(session, wanted, layout) for wanted in checks}
    wanted_of = {wanted: question(wanted, paths[wanted]) for wanted in checks}
    asked = [one for one in wanted_of.values() if one is not None]
    answers = tables.ask(asked, layout) if asked else {}
    seen = []
    for wanted in checks:
        one = wanted_of[wanted]
        if one is None:
            seen.append(_file(session, wanted, paths[wanted]))
        else:
            seen.append(judged(session, wanted, answers[one]))
    return tuple(seen)


def question(wanted: Expectation, path: str = "") -> Question | None:
    """Return what the cluster is asked; None for a file that the files' API has."""
    if wanted.sql is not None:
        return Question("sql", wanted.sql)
    if wanted.table is not None:
        return Question("table", quoted(wanted.table))
    return Question("file", path) if path.startswith(_VOLUMES) else None


def judged(session: Session, wanted: Expectation, answer: Answer | NoAnswer) -> Check:
    """Judge one expectation by what the cluster saw."""
    name = wanted.name or engine.name_of(wanted)
    if isinstance(answer, NoAnswer):
        return engine.check(name, "failed" if answer.absent else "unknown", answer.why, {})
    if wanted.sql is not None:
        return engine.asserted(name, answer.values)
    if wanted.file is not None:
        return _seen(session, wanted, wanted.file, answer)
    seen = Seen(answer.columns, answer.rows, {"rows": answer.rows, "columns": [*answer.columns]})
    if answer.checksum is not None:
        seen.measures["checksum"] = answer.checksum
    return engine.judge(name, wanted, seen)


def _path(session: Session, wanted: Expectation, layout: Layout | None) -> str:
    """Return where a file lies; one that is relative belongs to the source."""
    path = wanted.file or ""
    if not path or path.startswith("/"):
        return posixpath.normpath(path) if path else ""
    return posixpath.normpath(f"{folder(session, layout)}/{path}")


def _file(session: Session, wanted: Expectation, path: str) -> Check:
    name = wanted.name or engine.name_of(wanted)
    try:
        content = Files(session).read(path)
    except NotFound:
        return engine.check(name, "failed", f"{path} does not exist, or we may not see it", {})
    except (ApiRefused, Forbidden) as error:
        why = f"{path} cannot be read: {sentence(str(error))}"
        return engine.check(name, "unknown", why, {})
    return _looked_at(session, wanted, path, content)


def _seen(session: Session, wanted: Expectation, path: str, answer: Answer) -> Check:
    """Judge a file that the cluster read."""
    name = wanted.name or engine.name_of(wanted)
    if answer.folder:
        return engine.check(name, "failed", f"{path} is a folder", {})
    if answer.content is None:
        return engine.judge(name, wanted, Seen(None, None, {"bytes": answer.size_bytes}))
    return _looked_at(session, wanted, path, answer.content)


def _looked_at(session: Session, wanted: Expectation, path: str, content: bytes) -> Check:
    """Let the engine look at a file's content, so that both say the same."""
    base = posixpath.basename(path)
    place = hashlib.sha256(path.encode()).hexdigest()[:16]
    beside = session.context.folder / "aidp" / "looked-at" / place
    beside.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        (beside / base).write_bytes(content)
        changes = {"name": wanted.name or engine.name_of(wanted), "file": base}
        return engine.look(beside, None, wanted.model_copy(update=changes))
    finally:
        shutil.rmtree(beside)
