"""Get edits for diagnosed failures: from the deterministic fixers, else from the model.

A draft that may not even be proposed (outside what may be edited, over a limit, does not apply) is
no draft: it is a `NoFix` with the reason, so that the report shows what was tried.
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from agent.errors import BudgetSpent, Refused
from agent.machine import Case
from agent.records import Diagnosis, Edit, Failure, NoFix, Patch, Tree, Usage
from agent.world import Purse, World

if TYPE_CHECKING:
    from agent.fixers import Proposal

_IN_CODE = ("code_bug", "sql_syntax", "schema", "parameter", "data_quality", "bundle_deploy")
"""Categories whose cause lies in code or declarations, so that an edit can mend it."""


_WITNESS = 3.0
"""How many times likelier a diagnosis is right where a fixer found the fault by itself. A careful
guess: of a wrong diagnosis, code and data rarely show the very fault that it names."""


class Draft(NamedTuple):
    """Edits on their way to becoming a patch."""

    edits: tuple[Edit, ...]
    author: str
    rationale: str
    confidence: float


def by_fixers(case: Case, world: World) -> tuple[Draft | None, tuple[NoFix, ...]]:
    """Ask the fixer of each diagnosis; each sees what the ones before it propose."""
    from agent import fixers, workspace

    tree = base(case, world)
    overlay: dict[str, str | None] = {}

    def read(path: str) -> str | None:
        return overlay[path] if path in overlay else world.read(tree, path)

    edits: list[Edit] = []
    authors: dict[str, str] = {}
    confidence = 1.0
    tried: list[NoFix] = []
    for failure, diagnosis in zip(case.failures, case.diagnoses, strict=True):
        if diagnosis.fixer is None:
            continue
        author = f"fixer:{diagnosis.fixer}"
        answer = fixers.load(diagnosis.fixer)(fixers.Work(failure, diagnosis, read))
        if isinstance(answer, str):
            tried.append(NoFix(author=author, reason=answer))
            continue
        if (why := refused(case, world, tree, (*edits, *answer.edits), author)) is not None:
            tried.append(NoFix(author=author, reason=why))
            continue
        overlay |= workspace.apply(answer.edits, read)
        edits += answer.edits
        authors[author] = " ".join(filter(None, (authors.get(author), answer.rationale)))
        confidence = min(confidence, answer.confidence, _sure(diagnosis, answer))
    if not edits:
        return None, tuple(tried)
    rationale = " ".join(authors.values())
    return Draft(tuple(edits), "+".join(authors), rationale, confidence), tuple(tried)


def _sure(diagnosis: Diagnosis, answer: "Proposal") -> float:
    """Return how sure a diagnosis is, now that a fixer looked for what it names; 0 to 1."""
    sure = diagnosis.confidence
    if not answer.witnessed:
        return sure
    return round(_WITNESS * sure / (_WITNESS * sure + 1 - sure), 2)


def base(case: Case, world: World) -> Tree:
    """Return the tree that edits apply to: the source with all approved edits so far, made afresh.

    Not the copy of the run that failed: its tasks may have written into it.
    """
    return world.build(case, "source")


def refused(
    case: Case, world: World, tree: Tree, edits: tuple[Edit, ...], author: str
) -> str | None:
    """Return why these edits may not even be proposed, or None."""
    from agent import approvals, workspace

    def read(path: str) -> str | None:
        return world.read(tree, path)

    patch = Patch(edits=edits, rationale="", author=author, target=case.loaded.playbook.where)
    source = workspace.reader(case.loaded.source)
    try:
        for edit in edits:
            source(edit.path)  # refuses a path that leads over a link; the tree has no such links
        after = workspace.apply(edits, read)
        why: str | None = approvals.refuse(patch, case.loaded, read, after.get)
    except Refused as error:
        return str(error)
    return why


def for_model(case: Case) -> tuple[tuple[Failure, Diagnosis], ...]:
    """Return the failures a model may be asked about: those that code or a declaration can mend."""
    return tuple(
        (f, d)
        for f, d in zip(case.failures, case.diagnoses, strict=True)
        if d.verdict != "diagnosed"
        or d.remedy == "fix"
        or (d.remedy == "escalate" and d.category in _IN_CODE)
    )


class Answer(NamedTuple):
    """What asking the model came to."""

    draft: Draft | None
    tried: tuple[NoFix, ...]
    usage: Usage
    spent: str | None = None
    """Why its budget ended the case, else None."""


def by_model(
    case: Case,
    world: World,
    about: Sequence[tuple[Failure, Diagnosis]],
    tried: Sequence[NoFix],
) -> Answer:
    """Ask the model; whatever it says, only edits that may be proposed come out."""
    from agent import approvals, model

    playbook = case.loaded.playbook
    settings = playbook.model
    if settings is None:
        return Answer(None, (), Usage())
    author = f"model:{settings.id}"
    tree = base(case, world)
    ask = model.Ask(
        failures=tuple(f for f, _ in about),
        diagnoses=tuple(d for _, d in about),
        files=tree.files,
        editable=lambda path: approvals.editable(path, case.loaded),
        read=lambda path: world.read(tree, path),
        earlier=(*case.tried, *(f"{t.author}: {t.reason}" for t in tried)),
        limits=playbook.limits,
    )
    purse = Purse(world.journal, case.id, playbook.limits.model_usd)

    def check(edits: tuple[Edit, ...]) -> str | None:
        return refused(case, world, tree, edits, author)

    try:
        said = model.propose(
            settings,
            ask,
            purse,
            key=os.environ.get("ANTHROPIC_API_KEY", ""),
            sleep=world.sleep,
            check=check,
        )
    except BudgetSpent as error:
        return Answer(None, (NoFix(author=author, reason=str(error)),), Usage(), str(error))
    if not said.edits:
        guess = f" Its best guess: {said.hypothesis}" if said.hypothesis else ""
        reason = NoFix(author=said.author, reason=f"{said.reason}{guess}")
        return Answer(None, (reason,), said.usage)
    draft = Draft(said.edits, said.author, said.rationale, said.confidence)
    return Answer(draft, (), said.usage)
