"""Why things failed: a cause for each failure, and the best hypothesis for what still fails."""

from collections.abc import Sequence

from agent.records import Diagnosis
from agent.report import words
from agent.report.story import Cause, FailureReport, Iteration, PatchReport

_READ_FIRST = 5
"""Lines of an undetermined failure's output to show where the diagnosis names none."""


def of(iterations: Sequence[Iteration]) -> tuple[Cause, ...]:
    """Return one cause per failure in order; equal ones of an iteration come once."""
    found: dict[tuple[object, ...], Cause] = {}
    for iteration in iterations:
        for number, failure in enumerate(iteration.failures):
            known = iteration.diagnoses[number : number + 1]
            cause = _cause(iteration, failure, known[0] if known else None)
            found.setdefault((iteration.number, cause.task, cause.sentence), cause)
    return tuple(found.values())


def best(iterations: Sequence[Iteration]) -> Cause | None:
    """Return the surest cause of what failed last, None where none of it was determined."""
    failing = [i for i in iterations if i.failures]
    if not failing:
        return None
    newest = max(f.at for f in failing[-1].failures)
    tasks = {f.task for f in failing[-1].failures if f.at == newest}
    sure = [c for c in of(failing[-1:]) if c.determined and c.task in tasks]
    return max(sure, key=lambda c: c.confidence, default=None)


def _explains(patch: PatchReport, failure: FailureReport) -> bool:
    """Return whether the patch's rationale says why it failed, as a model's does."""
    return patch.author.startswith("model:") and patch.proposed_at > failure.at


def _cause(iteration: Iteration, failure: FailureReport, known: Diagnosis | None) -> Cause:
    if known is not None and known.verdict == "diagnosed":
        return Cause(
            iteration=iteration.number,
            task=failure.task,
            determined=True,
            sentence=known.cause or known.title,
            solution=known.solution,
            by=f"entry {known.entry}",
            entry=known.entry,
            confidence=known.confidence,
            location=known.location or failure.location,
            url=failure.url,
            evidence=known.evidence,
        )
    lines = (known.worth_reading if known else ()) or failure.tail[-_READ_FIRST:]
    patches = (iteration.patch, *iteration.superseded)
    patch = next((p for p in patches if p is not None and _explains(p, failure)), None)
    if patch is not None:
        return Cause(
            iteration=iteration.number,
            task=failure.task,
            determined=True,
            sentence=patch.rationale,
            by=patch.author,
            confidence=patch.confidence,
            location=failure.location,
            url=failure.url,
            evidence=lines,
        )
    return Cause(
        iteration=iteration.number,
        task=failure.task,
        determined=False,
        sentence=f"not determined; the failure said: {words.line(failure.message)}",
        location=failure.location,
        url=failure.url,
        evidence=lines,
    )
