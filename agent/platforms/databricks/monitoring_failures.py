"""What went wrong with monitors and alerts, as failures: one per item, with its line."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from agent.document import Problem
from agent.engine import outcomes
from agent.platforms.databricks import monitoring_runs
from agent.platforms.databricks.monitoring_runs import State
from agent.platforms.databricks.monitoring_steps import Step
from agent.platforms.databricks.questions import Questions
from agent.platforms.databricks.session import Session
from agent.records import Facts, Failure, Line, Location, RunStatus, Tree


class Scene(NamedTuple):
    """Where a run's failures are read."""

    session: Session
    questions: Questions
    run: str
    state: State | None
    """None where the run is gone."""
    tree: Tree
    file: str


def invalid(file: str, problems: Sequence[Problem], tree: Tree) -> tuple[Failure, ...]:
    """Return the failure of create for a file that is wrong."""
    lines = [outcomes.clean(f"{file}:{p.line}: {p.message}") for p in problems]
    failure = Failure(
        phase="create",
        code="JOB_INVALID",
        message=lines[0],
        log=tuple(
            Line(source=file, number=p.line, text=text)
            for p, text in zip(problems, lines, strict=True)
        ),
        location=Location(path=file, line=problems[0].line or None),
        facts=Facts(files=tree.files, job_file=file),
        started=False,
    )
    return (failure,)


def of(scene: Scene, status: RunStatus) -> tuple[Failure, ...]:
    """Return a failure per failed item; one for the run where it has none.

    Raises `Unavailable` while the warehouse is asked about an item's tables.
    """
    if scene.state is None:
        words = {"LOST": f"run {scene.run} is gone without a word", "CANCELED": "called off"}
        code = status.native if status.native in words else "LOST"
        return (_whole(scene, code, words[code]),)
    found = tuple(_item(scene, s) for s in scene.state.steps if s.state == "failed")
    if found or status.state == "running":
        return found
    left = [s.name for s in scene.state.steps if s.state == "cancelled"]
    said = f"the run was stopped; not applied: {', '.join(left[:10])}"
    return (_whole(scene, "CANCELED", said),)


def observed(scene: Scene, task: str) -> Failure:
    """Return what a task left behind as `VERIFY_FAILED`, all of its failed items in its log."""
    steps = () if scene.state is None else scene.state.of(task)
    failed = [s for s in steps if s.state == "failed"]
    log = tuple(line for step in failed for line in _log(scene, step))
    line = failed[0].line if failed else None
    seen = Failure(
        phase="verify",
        code="VERIFY_FAILED",
        message=failed[0].message.split("\n", 1)[0] if failed else f"task {task}",
        task=task,
        run=scene.run,
        task_run=f"{scene.run}/{task}",
        url=scene.session.api.auth.host,
        log=log,
        location=Location(path=scene.file, line=line, code=_code(scene, line)),
        facts=_facts(scene, task),
    )
    return scene.questions.about(seen)


def _whole(scene: Scene, code: str, message: str) -> Failure:
    return Failure(
        phase="run",
        code=code,
        message=message,
        run=scene.run,
        url=scene.session.api.auth.host,
        facts=_facts(scene, None),
        started=code != "CANCELED",
    )


def _item(scene: Scene, step: Step) -> Failure:
    failure = Failure(
        phase="run",
        code=step.code or "FAILED",
        message=_first(step),
        task=step.task,
        run=scene.run,
        task_run=f"{scene.run}/{step.task}",
        url=_url(scene, step),
        item=step.name,
        log=_log(scene, step),
        location=Location(path=scene.file, line=step.line, code=_code(scene, step.line)),
        facts=_facts(scene, step.task),
        started=step.intent is not None,
    )
    return scene.questions.about(failure, str(step.wanted.get("query_text") or ""))


def _first(step: Step) -> str:
    return step.message.strip().split("\n", 1)[0] or f"item {step.name} failed"


def _log(scene: Scene, step: Step) -> tuple[Line, ...]:
    source = f"{step.task} item {step.name}"
    texts = monitoring_runs.said(step)
    texts[0] = f"{scene.file}:{step.line}: {texts[0]}"
    return tuple(Line(source=source, number=n, text=t[:2000]) for n, t in enumerate(texts, 1))


def _url(scene: Scene, step: Step) -> str:
    host = scene.session.api.auth.host
    if step.task == "monitors":
        return f"{host}/explore/data/{step.name.replace('.', '/')}"
    return f"{host}/sql/alerts" if step.task == "alerts" else f"{host}/genie/rooms"


def _code(scene: Scene, line: int | None) -> str | None:
    """Return the file's own line."""
    if line is None or scene.file not in scene.tree.files:
        return None
    try:
        text = (Path(scene.tree.root) / scene.file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
    lines = text.splitlines()
    return outcomes.clean(lines[line - 1].strip()) if line <= len(lines) else None


def _facts(scene: Scene, task: str | None) -> Facts:
    return Facts(
        files=scene.tree.files,
        job_file=scene.file,
        parameters={} if scene.state is None else scene.state.parameters,
        task_type=task,
        task_file=scene.file,
    )
