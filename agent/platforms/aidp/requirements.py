"""Look whether what a playbook requires is there, in the order it is written.

Tables, schemas, volumes and functions are asked for by one throw-away job on the named cluster,
files by the files' API, jobs and clusters by theirs. A cluster that is stopped is started where the
playbook allows it; everything else is only read. What AIDP has no such thing of is unknown.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from agent.engine import checks as engine
from agent.platforms.aidp import checks, clusters, runs, states
from agent.platforms.aidp.api import ApiRefused, Forbidden
from agent.platforms.aidp.checks import Tables
from agent.platforms.aidp.clusters import Cluster
from agent.platforms.aidp.layout import Layout
from agent.platforms.aidp.looking import Answer, NoAnswer, Question
from agent.platforms.aidp.session import Session
from agent.playbook import Expectation, Requirement
from agent.records import Check
from agent.remote.asking import quoted
from agent.remote.required import nearest, with_maker
from agent.remote.texts import sentence

Answers = Mapping[Question, Answer | NoAnswer]


class _Found(NamedTuple):
    """What one look gave."""

    outcome: str
    saw: str


def required(
    session: Session, wanted: Sequence[Requirement], tables: Tables, layout: Layout | None
) -> tuple[Check, ...]:
    """Return a check for each requirement, in their order; those on playbooks are `unknown`.

    Raises `Unavailable` while a cluster starts or looks.
    """
    asked = [one for requirement in wanted if (one := _question(requirement)) is not None]
    answers = tables.ask(asked, layout) if asked else {}
    seen = []
    for requirement in wanted:
        check = _one(session, requirement, answers, tables, layout)
        seen.append(with_maker(check, requirement, session.book, session.context.loaded.folder))
    return tuple(seen)


def _question(wanted: Requirement) -> Question | None:
    kind, name = wanted.what
    match kind:
        case "table":
            return Question("table", quoted(name), counted=wanted.rows is not None)
        case "schema":
            return Question("sql", f"DESCRIBE SCHEMA {quoted(name)}")
        case "function":
            return Question("sql", f"DESCRIBE FUNCTION {quoted(name)}")
        case "volume" if name.count(".") == 2 or name.startswith("/Volumes/"):
            path = name if name.startswith("/") else f"/Volumes/{name.replace('.', '/')}"
            return Question("file", path)
        case _:
            return None


def _one(
    session: Session, wanted: Requirement, answers: Answers, tables: Tables, layout: Layout | None
) -> Check:
    kind, name = wanted.what
    words = f"{kind.replace('_', ' ')} {name}"
    if kind == "file":
        expected = Expectation(file=wanted.file, rows=wanted.rows)
        return checks.verify(session, (expected,), tables, layout)[0]
    if (one := _question(wanted)) is not None:
        answer = answers[one]
        if kind == "table":
            return checks.judged(session, Expectation(table=name, rows=wanted.rows), answer)
        found = _there(kind, answer)
        return engine.check(words, found.outcome, found.saw, {})
    try:
        match kind:
            case "cluster":
                found = _cluster(session, name)
            case "job":
                found = _job(session, name)
            case "playbook":
                found = _Found("unknown", "required playbooks are not asked for here")
            case _:
                found = _Found("unknown", f"on AIDP no {kind.replace('_', ' ')} is looked for")
    except (ApiRefused, Forbidden) as error:
        found = _Found("unknown", f"it cannot be looked at: {sentence(str(error))}")
    return engine.check(words, found.outcome, found.saw, {})


def _there(kind: str, answer: Answer | NoAnswer) -> _Found:
    if isinstance(answer, NoAnswer):
        return _Found("failed" if answer.absent else "unknown", answer.why)
    if kind == "volume" and not answer.folder:
        return _Found("failed", "it is a file, no volume")
    # Spark answers for a function that is not there too, in words.
    told = " ".join(str(value) for row in answer.values for value in row)
    if kind == "function" and "not found" in told.lower():
        return _Found("failed", sentence(told))
    return _Found("held", "there")


def _cluster(session: Session, name: str) -> _Found:
    found = clusters.running(session, name)
    if isinstance(found, Cluster):
        return _Found("held", f"{found} is {found.state}")
    return _Found("failed", sentence(found.why))


def _job(session: Session, name: str) -> _Found:
    listed = list(session.api.pages("/jobs"))
    fits = [job for job in listed if name in (job.get("key"), job.get("name"))]
    if len(fits) != 1:
        names = [str(job.get("name")) for job in listed]
        near = nearest(name, names)
        close = f"; there is {', '.join(near)}" if near else ""
        words = f"{len(fits)} jobs are" if fits else "no job is"
        return _Found("failed", f"{words} called {name}{close}")
    key = str(fits[0]["key"])
    for run in runs.listed(session.api, key, cap=runs.PAGE):
        if not states.ended(run):
            continue
        word = states.status(run)
        held = "held" if word == "SUCCESS" else "failed"
        return _Found(held, f"its last run ended as {word}: run {run.get('key')}")
    return _Found("failed", f"job {name} has no run that has ended")
