"""Bring a case's tree to the platform, and put back what was there where the case ends badly.

Rules kept here: nothing is deployed before everybody who must be asked was asked about exactly what
deploying would do now; what somebody else has changed or done meanwhile ends the case instead.
"""

from uuid import uuid4

from agent import proof, remedy
from agent.errors import Held, PersonNeeded
from agent.events import Adopted, AnyEvent, Deployed, Escalated, Failed, Requested, Restored
from agent.machine import Case
from agent.records import Deployment, Tree
from agent.world import World

_OTHERS = ("remote_overwrite", "resource_delete", "resource_recreate")
"""Effects of a deploy that putting back never has: what is there is not what we deployed."""


def create(case: Case, world: World) -> AnyEvent:
    """Deploy the source as it is, or take over the failed run that the case begins at."""
    if case.adopts is None:
        return _deploy(case, world)
    key = "source"
    tree = world.build(case, key)
    deployment, run = world.platform.adopt(case.adopts, tree)
    world.keep_tree(key, tree)
    return Adopted(at=world.now(), key=key, deployment=deployment, run=run)


def redeploy(case: Case, world: World) -> AnyEvent:
    """Deploy with the approved patches; a plain rerun keeps what is deployed."""
    from agent import workspace

    if case.proposal is not None and not case.proposal.patch.edits and not case.undeployed:
        if case.deployment is None or case.tree is None:
            return _deploy(case, world)
        return Deployed(at=world.now(), key=case.tree, deployment=case.deployment)
    if (why := workspace.drifted(case.loaded.source, case.edits)) is not None:
        return Escalated(at=world.now(), verdict="held", reason=why)
    return overtaken(case, world) or _deploy(case, world)


def overtaken(case: Case, world: World) -> AnyEvent | None:
    """End the case where somebody else has meanwhile done something about the run."""
    if case.requested is not None or case.run is None or case.deployment is None:
        return None
    if (why := world.platform.overtaken(case.run, case.deployment)) is None:
        return None
    return Escalated(at=world.now(), verdict="held", reason=why)


def _deploy(case: Case, world: World) -> AnyEvent:
    from agent import workspace

    world.may_change()
    if case.requested is None:
        if case.iterations == 0 and (missing := proof.missing(case, world)):
            return Failed(at=world.now(), failures=missing)
        return Requested(at=world.now(), key=uuid4().hex, action="deploy")
    key = case.requested.key
    tree = world.build(case, key)
    if case.rerun and case.tree is not None:
        workspace.carry(world.tree(case), tree)
    if (asked := _asked(case, world, tree)) is not None:
        return asked
    made = world.platform.deploy(key, tree, case.deployment)
    if isinstance(made, tuple):
        return Failed(at=world.now(), failures=made)
    world.keep_tree(key, tree)
    return Deployed(at=world.now(), key=key, deployment=made)


def _asked(case: Case, world: World, tree: Tree) -> AnyEvent | None:
    """Ask about what deploying would do and nobody approved yet; None where there is nothing."""
    previous = case.deployment or world.journal.last_deployment(case.loaded.path)
    approved = case.proposal.patch.effects if case.state == "redeploy" and case.proposal else ()
    new = remedy.asking(world.platform.plan(tree, previous), approved)
    if not new:
        return None
    if case.state == "redeploy" and case.proposal is not None:
        after = "after it was approved" if approved else "meanwhile"
        reason = f"what a deploy would do has changed {after}: {new[0].detail}"
        return Escalated(at=world.now(), verdict="held", reason=reason)
    return remedy.deploy(case, world, new)


def restore(case: Case, world: World) -> AnyEvent:
    """Put back what was deployed before the case's patches, unless somebody changed it since."""
    if case.former is None or case.former_tree is None:
        raise Held(f"case {case.id} has nothing to put back")
    world.may_change()
    if case.requested is None:
        return Requested(at=world.now(), key=uuid4().hex, action="restore")
    made, what = put_back(case, world, case.requested.key)
    return Restored(at=world.now(), what=what, deployment=made)


def put_back(case: Case, world: World, key: str) -> tuple[Deployment | None, str]:
    """Deploy what was there before the patches; return it, or None, and what was done."""
    tree = world.kept_tree(case.former_tree or "")
    effects = world.platform.plan(tree, case.deployment)
    others = [e for e in effects if e.kind in _OTHERS]
    if others:
        return None, f"not put back, somebody else changed it meanwhile: {others[0].detail}"
    try:
        made = world.platform.deploy(key, tree, case.deployment)
    except PersonNeeded as error:
        return None, f"not put back, that takes a person: {error}"
    if isinstance(made, tuple):
        return None, f"not put back, the platform refuses it: {made[0].message}"
    return made, f"put back on {case.loaded.playbook.where} what was deployed before the patch"
