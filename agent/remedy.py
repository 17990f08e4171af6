"""Decide what to try about diagnosed failures: run again, fix, settle for most of it, or hand over.

The order is fixed: what changes least comes first. A plain rerun for what a rerun cures; then the
deterministic fixers, all failures of the run in one patch; then the model for what no fixer knows;
then, where most items are good, a partial end; else a person. Whatever is proposed carries the
effects that `effects` reads from it, those of running tasks again included.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import uuid4

from agent import drafts
from agent.errors import Refused
from agent.events import Escalated, Proposed, Requested, Settled
from agent.machine import Case
from agent.records import (
    Edit,
    Effect,
    NoFix,
    Patch,
    Risk,
    TaskKey,
    TaskSource,
    Usage,
)
from agent.world import World, whoami

Outcome = Requested | Proposed | Settled | Escalated


def choose(case: Case, world: World) -> Outcome:
    """Return what to do next about the case's failures; one step, nothing is changed by it."""
    limits = case.loaded.playbook.limits
    if case.loaded.playbook.approve.mode == "observe":
        return _hand_over(case, world, "mode observe runs and diagnoses, it changes nothing", ())
    if (stuck := _no_progress(case)) is not None:
        return _hand_over(case, world, stuck, ())
    if all(d.remedy == "rerun" for d in case.diagnoses) and case.reruns < limits.reruns:
        return _rerun(case, world)
    if case.iterations >= limits.iterations:
        return _hand_over(case, world, f"all {limits.iterations} iterations are used up", ())
    draft, tried = drafts.by_fixers(case, world)
    if draft is not None:
        return _offer(case, world, draft, tried, Usage())
    return _ask_model(case, world, tried)


def _ask_model(case: Case, world: World, tried: tuple[NoFix, ...]) -> Outcome:
    """Let the model draft what no fixer knows, where it may be asked at all."""
    about = drafts.for_model(case)
    if not about:
        return _hand_over(case, world, _no_draft(case), tried)
    if case.loaded.playbook.model is None:
        none = NoFix(author="model", reason="the playbook says model: none")
        return _hand_over(case, world, _no_draft(case), (*tried, none))
    if case.requested is None:
        return Requested(at=world.now(), key=uuid4().hex, action="model")
    answer = drafts.by_model(case, world, about, tried)
    tried = (*tried, *answer.tried)
    if answer.spent is not None:
        return _hand_over(case, world, answer.spent, tried, answer.usage, verdict="exhausted")
    if answer.draft is None:
        return _hand_over(case, world, _no_draft(case), tried, answer.usage)
    return _offer(case, world, answer.draft, tried, answer.usage)


def _offer(
    case: Case, world: World, draft: drafts.Draft, tried: tuple[NoFix, ...], usage: Usage
) -> Outcome:
    """Propose a draft; one that cannot be applied after all is no fix and asked for only once."""
    try:
        return _propose(case, world, draft, tried, usage)
    except Refused as error:
        none = NoFix(author=draft.author, reason=str(error))
        return _hand_over(case, world, _no_draft(case), (*tried, none), usage)


def _no_draft(case: Case) -> str:
    unknown = [d for d in case.diagnoses if d.verdict != "diagnosed"]
    if unknown:
        return "the cause of a failure is not determined, and nothing proposed a fix"
    titles = "; ".join(dict.fromkeys(d.title for d in case.diagnoses))
    if any(d.remedy == "rerun" for d in case.diagnoses) and case.reruns:
        return f"running it again {case.reruns} times did not help: {titles}"
    return f"a person must mend this: {titles}"


def _no_progress(case: Case) -> str | None:
    if came_back(case):
        return "no progress: the last fix was deployed and the same failure came back"
    return None


def came_back(case: Case) -> bool:
    """Say whether all failures that the newest fix was meant to mend are there again."""
    now = {f.fingerprint() for f in case.failures}
    return bool(case.mended) and now.issuperset(case.mended)


def asking(effects: Sequence[Effect], approved: Sequence[Effect] = ()) -> tuple[Effect, ...]:
    """Return the effects that a person must approve and has not."""
    return tuple(e for e in effects if e.risk >= Risk.ASK and e not in approved)


def deploy(case: Case, world: World, effects: tuple[Effect, ...]) -> Proposed:
    """Ask whether the source as it is may be deployed, given what that would do."""
    patch = Patch(
        rationale="Deploy the source as it is.",
        author="deploy",
        target=case.loaded.playbook.where,
        effects=effects,
    )
    return _proposed(case, world, patch, diff="", result=case.results[-1], tried=())


def _rerun(case: Case, world: World) -> Proposed:
    tree = world.tree(case)
    tasks = world.platform.tasks(tree)
    # Where a deploy failed nothing ran since: what was to run after it still is.
    rerun = case.rerun if case.undeployed else _again(case, world, tasks, ())
    titles = "; ".join(dict.fromkeys(d.title for d in case.diagnoses))
    wait_s = max(d.wait_s for d in case.diagnoses) * 2**case.reruns
    patch = Patch(
        rerun=rerun,
        rationale=f"{titles}: running again usually cures this.",
        author="rerun",
        confidence=min(d.confidence for d in case.diagnoses),
        wait_s=wait_s,
        target=case.loaded.playbook.where,
        effects=(*_redeploying(case, world), *_rerun_effects(case, tasks, rerun)),
    )
    return _proposed(case, world, patch, diff="", result=case.results[-1], tried=())


def _redeploying(case: Case, world: World) -> tuple[Effect, ...]:
    """Return what deploying again would do, where a rerun follows a deploy that failed."""
    if case.deployment is not None and not case.undeployed:
        return ()
    previous = case.deployment or world.journal.last_deployment(case.loaded.path)
    return world.platform.plan(drafts.base(case, world), previous)


def _again(
    case: Case, world: World, tasks: Sequence[TaskSource], patched: Sequence[TaskKey]
) -> tuple[TaskKey, ...]:
    """Return patched, failed and everything downstream, in order; empty = the whole job."""
    if case.run is None or case.status is None or any(f.phase == "create" for f in case.failures):
        return ()
    wanted = {*patched, *(f.task for f in case.failures if f.task is not None)}
    wanted |= {t.task for t in case.status.tasks if t.state != "succeeded"}
    for task in tasks:
        if wanted.intersection(task.depends_on):
            wanted.add(task.task)
    again = tuple(t.task for t in tasks if t.task in wanted)
    whole = len(again) == len(tasks) and not world.platform.repairs_whole
    return () if whole else again


def _rerun_effects(
    case: Case, tasks: Sequence[TaskSource], rerun: Sequence[TaskKey]
) -> tuple[Effect, ...]:
    from agent import effects

    declared = case.loaded.playbook.idempotent
    found: list[Effect] = []
    for task in tasks:
        if (rerun and task.task not in rerun) or task.task not in case.touched:
            continue
        idempotent = declared if isinstance(declared, bool) else task.task in declared
        found += effects.of_rerun(task, idempotent=idempotent, started=True)
    return tuple(found)


def amend(case: Case, world: World, edits: tuple[Edit, ...]) -> Proposed | None:
    """Return the proposal that a person made of the waiting one; None where nothing is left of it.

    Raises `Refused` where the edits may not be proposed.
    """
    author = f"person:{whoami()}"
    if not edits or case.proposal is None:
        return None
    if (why := drafts.refused(case, world, drafts.base(case, world), edits, author)) is not None:
        raise Refused(why)
    rationale = f"{case.proposal.patch.rationale} Edited by {whoami()}."
    outcome = _propose(case, world, drafts.Draft(edits, author, rationale, 1.0), (), Usage())
    if not isinstance(outcome, Proposed):
        raise Refused("this is what was there before")
    return outcome


def _propose(
    case: Case, world: World, draft: drafts.Draft, tried: tuple[NoFix, ...], usage: Usage
) -> Outcome:
    """Turn a draft into a patch with its effects, or hand over where it leads nowhere."""
    from agent import effects, workspace

    tree = drafts.base(case, world)

    def read(path: str) -> str | None:
        return world.read(tree, path)

    edits = workspace.with_base(draft.edits, read)
    changed = workspace.apply(edits, read)
    result = _result(case, lambda path: changed[path] if path in changed else read(path), edits)
    if result in case.results:
        reason = f"no progress: {draft.author} proposes what was there before"
        return _hand_over(case, world, reason, tried, usage)
    after = world.build(case, f"proposed-{result[:12]}", edits)
    tasks = world.platform.tasks(tree) or world.platform.tasks(after)
    rerun = _again(case, world, world.platform.tasks(after), world.platform.affected(tree, after))
    patch = Patch(
        edits=edits,
        rerun=rerun,
        rationale=draft.rationale,
        author=draft.author,
        confidence=draft.confidence,
        target=case.loaded.playbook.where,
    )
    found = effects.of_patch(patch, read, lambda path: changed.get(path, read(path)))
    bringing = world.platform.plan(after, case.deployment)
    patch = patch.with_effects((*found, *bringing, *_rerun_effects(case, tasks, rerun)))
    diff = workspace.diff(edits, read)
    return _proposed(case, world, patch, diff=diff, result=result, tried=tried, usage=usage)


def _result(case: Case, now: Callable[[str], str | None], edits: tuple[Edit, ...]) -> str:
    """Return the digest of what all edits so far and these make of the source's files.

    `now` reads a file with all of them applied.
    """
    source = case.loaded.source

    def original(path: str) -> str | None:
        file = source / path
        return file.read_bytes().decode(errors="replace") if file.is_file() else None

    paths = sorted({edit.path for edit in (*case.edits, *edits)})
    changed = {p: now(p) for p in paths if now(p) != original(p)}
    if not changed:
        return ""
    return hashlib.sha256(json.dumps(changed).encode()).hexdigest()


def _proposed(
    case: Case,
    world: World,
    patch: Patch,
    *,
    diff: str,
    result: str,
    tried: tuple[NoFix, ...],
    usage: Usage | None = None,
) -> Proposed:
    at = world.now()
    return Proposed(
        at=at,
        patch=patch,
        diff=diff,
        result=result,
        tried=tried,
        usage=usage or Usage(),
        expires_at=at + timedelta(seconds=case.loaded.playbook.approve.expires),
    )


def _hand_over(
    case: Case,
    world: World,
    reason: str,
    tried: tuple[NoFix, ...],
    usage: Usage | None = None,
    *,
    verdict: str = "escalated",
) -> Settled | Escalated:
    """End the case: partly good where most items are and nothing else failed, else escalated."""
    shares = [f.share_good for f in case.failures]
    only_items = all(f.item is not None for f in case.failures)
    enough = all(s is not None and s >= case.loaded.playbook.partial for s in shares)
    observing = case.loaded.playbook.approve.mode == "observe"
    if only_items and enough and not observing:
        return Settled(
            at=world.now(),
            items=tuple(f"{f.task}: {f.item}" for f in case.failures),
            share_good=min(s for s in shares if s is not None),
            reason=reason,
            tried=tried,
            usage=usage or Usage(),
        )
    return Escalated.model_validate(
        {
            "at": world.now(),
            "verdict": verdict,
            "reason": reason,
            "tried": tried,
            "usage": usage or Usage(),
        }
    )
