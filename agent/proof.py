"""Gather what proves a run: every check that applies, and failures from those that do not hold."""

from collections.abc import Sequence

from agent import verification
from agent.machine import Case
from agent.records import Check, Failure, Line, RunStatus
from agent.world import World


def missing(case: Case, world: World) -> tuple[Failure, ...]:
    """Return a failure per named resource that the playbook requires and that is not there."""
    wanted = [r for r in case.loaded.playbook.requires if r.playbook is None]
    if not wanted:
        return ()
    tree = world.build(case, "source")
    return tuple(
        Failure(
            phase="create",
            code="REQUIREMENT_MISSING",
            message=f"required before create: {check.name}; found: {check.saw}",
            log=check.evidence,
            started=False,
        )
        for check in world.platform.required(wanted, tree)
        if check.outcome != "held"
    )


def checks(case: Case, world: World, status: RunStatus) -> tuple[Check, ...]:
    """Return all checks; one that says so where there is nothing to check."""
    tree = world.tree(case)
    wanted = case.loaded.playbook.verify
    looked = [e for e in wanted if e.task is None and e.command is None]
    seen = iter(world.platform.verify(status, tree, looked) if looked else ())
    all_checks = list(verification.of_tasks(status))
    for expectation in wanted:
        if expectation.task is not None:
            all_checks.append(verification.of_expectation(expectation, status))
        elif expectation.command is not None:
            from agent.engine import check_command

            all_checks.append(check_command.run(expectation, case.loaded.folder, tree))
        else:
            all_checks.append(next(seen))
    if not all_checks:
        saw = "every task ended well; the playbook names no other check"
        all_checks.append(Check(name="run ended well", outcome="held", saw=saw))
    return verification.with_baseline(all_checks, world.journal.last_good(case.loaded.path))


def failures(
    case: Case, world: World, status: RunStatus, seen: Sequence[Check]
) -> tuple[Failure, ...]:
    """Return what failed among the checks: a failure per failed item, else one per check."""
    return tuple(f for c in seen if c.outcome == "failed" for f in _of(case, world, status, c))


def _of(case: Case, world: World, status: RunStatus, check: Check) -> tuple[Failure, ...]:
    if check.task is None:
        message = f"{check.name}: {check.saw}"
        lines = check.evidence or (Line(source="verify", number=0, text=message),)
        return (Failure(phase="verify", code="VERIFY_FAILED", message=message, log=lines),)
    seen = world.platform.observed(status, world.tree(case), check.task)
    task = next(t for t in status.tasks if t.task == check.task)
    said = verification.items(task.exit_value)
    if not check.items or said is None:
        message = f"{check.name}: {check.saw}"
        return (seen.model_copy(update={"message": message, "log": (*seen.log, *check.evidence)}),)
    found: list[Failure] = []
    for item in check.items[:20]:
        text = said.failed.get(item, "")
        lines = tuple(
            Line(source=f"{check.task} item {item}", number=n, text=line[:2000])
            for n, line in enumerate(text.splitlines(), start=1)
        )
        changes = {
            "message": text.strip().splitlines()[-1] if text.strip() else f"item {item} failed",
            "log": lines or (*seen.log, *check.evidence),
            "item": item,
            "share_good": check.share_good,
        }
        found.append(seen.model_copy(update=changes))
    return tuple(found)
