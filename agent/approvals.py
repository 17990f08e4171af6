"""Who decides about a patch, and what may not even be asked for. Pure: values in, a ruling out.

Rules kept here (safety by shape):
- A destructive patch and, on production, every patch with edits asks a person: no rule, mode or
  flag approves it in advance. A rule may still reject it.
- Ordered rules, the first that matches decides, none = ask. What a rule does not say matches all.
- Mode auto approves what a fixer is sure of; what it is not sure of, a person decides.
- A decision names one exact patch, by the start of its digest, comes from somebody who is listed,
  and comes in time.

Globs: the playbook's `edit` is written like a `.gitignore` (`src/**`, `*.sql` anywhere); a rule's
`path` and `author` too for paths, and shell style for authors (`fixer:*`).
"""

import re
from collections.abc import Iterable
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from agent.errors import ApprovalExpired, ApprovalInvalid
from agent.limits import editable, matches, refuse
from agent.playbook import Playbook, Rule
from agent.records import Decision, Patch, Risk

__all__ = ["Ruling", "check_decision", "decide", "editable", "expired", "on_production", "refuse"]

SURE = 0.8
"""Confidence, in the diagnosis and in the fix, from which mode auto approves by itself."""
_SHORTEST = 4
"""Hexadecimal digits of a patch's digest that name it."""
_MACHINES = ("fixer", "model", "rerun", "rule", "policy", "runmend", "clock", "agent")


class Ruling(NamedTuple):
    """What the rules say about a patch."""

    then: Literal["approve", "reject", "ask"]
    by: str
    """`rule 2` (1-based), or `policy` where no rule decides."""
    why: str
    """For a person, one clause."""


def on_production(playbook: Playbook, *, target_is_production: bool = False) -> bool:
    """Return whether the playbook's target counts as production.

    Unsaid, it does for every AIDP workspace, for a Databricks job given by id, and for a bundle's
    target that says so itself (`mode: production`), which the caller knows.
    """
    if playbook.production is not None:
        return playbook.production
    if playbook.platform == "aidp" or target_is_production:
        return True
    return playbook.platform == "databricks" and playbook.job.id is not None


def decide(patch: Patch, playbook: Playbook, *, production: bool = False) -> Ruling:
    """Let the rules and the mode decide about a patch whose effects are known."""
    number, rule = _first(patch, playbook.approve.rules)
    if rule is not None and rule.then == "reject":
        return Ruling("reject", f"rule {number}", "a rule rejects it")
    if patch.risk >= Risk.DESTRUCTIVE:
        worst = next(e for e in patch.effects if e.risk == patch.risk)
        return Ruling("ask", "policy", f"it may destroy something: {worst.detail}")
    if patch.edits and on_production(playbook, target_is_production=production):
        return Ruling("ask", "policy", f"{playbook.where} is production")
    if playbook.approve.mode in ("observe", "suggest"):
        return Ruling("ask", "policy", f"mode {playbook.approve.mode} deploys nothing by itself")
    if rule is not None:
        return Ruling(rule.then, f"rule {number}", f"a rule says {rule.then}")
    return _by_mode(patch, playbook)


def _by_mode(patch: Patch, playbook: Playbook) -> Ruling:
    if patch.risk > Risk.SAFE:
        worst = next(e for e in patch.effects if e.risk == patch.risk)
        return Ruling("ask", "policy", worst.detail)
    authors = patch.author.split("+")
    if not patch.edits and authors == ["rerun"]:
        return Ruling("approve", "policy", "running it again is harmless")
    fixers = all(author.startswith("fixer:") for author in authors)
    if playbook.approve.mode == "auto" and fixers and patch.confidence < SURE:
        why = f"mode auto acts alone from {SURE:.2f} on, and this is {patch.confidence:.2f} sure"
        return Ruling("ask", "policy", why)
    if playbook.approve.mode == "auto" and fixers:
        return Ruling("approve", "policy", "mode auto: a safe patch by a fixer")
    return Ruling("ask", "policy", "no rule decides")


def _first(patch: Patch, rules: Iterable[Rule]) -> tuple[int, Rule | None]:
    """Return the first rule that matches, with its 1-based number."""
    for number, rule in enumerate(rules, start=1):
        if _applies(rule, patch):
            return number, rule
    return 0, None


def _applies(rule: Rule, patch: Patch) -> bool:
    # Several authors made one patch together: a rule for one of them does not speak for the other.
    if rule.author is not None and not all(
        fnmatchcase(author, rule.author) for author in patch.author.split("+")
    ):
        return False
    if rule.risk is not None and rule.risk != patch.risk.name.lower():
        return False
    if rule.target is not None and not fnmatchcase(patch.target, rule.target):
        return False
    if rule.path is None:
        return True
    found = [matches((rule.path,), edit.path) for edit in patch.edits]
    return bool(found) and (all(found) if rule.then == "approve" else any(found))


def expired(patch: Patch, at: datetime, expires_at: datetime) -> Decision | None:
    """Return the decision that nobody made in time, None while there is time left."""
    if at <= expires_at:
        return None
    reason = f"nobody decided before {expires_at:%Y-%m-%d %H:%M} UTC"
    return Decision(outcome="expired", patch=patch.sha256(), by="clock", at=at, reason=reason)


def check_decision(
    patch: Patch,
    given: str,
    *,
    who: str,
    by: tuple[str, ...] | None,
    at: datetime,
    expires_at: datetime,
    approve: bool,
    reason: str = "",
) -> Decision:
    """Return the decision, bound to exactly this patch.

    `given` is how the person named the patch: at least 4 digits of its digest's start; `by` is the
    playbook's list of names (`ana` is ana on any machine, `ana@host` on that one).

    Raises `ApprovalInvalid` where it names another patch or `who` may not decide, `ApprovalExpired`
    where its time has passed.
    """
    digest = patch.sha256()
    if not re.fullmatch(rf"[0-9a-f]{{{_SHORTEST},64}}", given.lower()):
        raise ApprovalInvalid(
            f"{given!r} names no patch; give at least {_SHORTEST} digits of {patch.id}"
        )
    if not digest.startswith(given.lower()):
        raise ApprovalInvalid(
            f"patch {given} does not wait for a decision: it was decided, or replaced by another. "
            f"{patch.id} waits; look at it before you decide"
        )
    _may_decide(who, by)
    if expired(patch, at, expires_at) is not None:
        raise ApprovalExpired(
            f"patch {patch.id} had to be decided before {expires_at:%Y-%m-%d %H:%M} UTC"
        )
    outcome: Literal["approved", "rejected"] = "approved" if approve else "rejected"
    return Decision(outcome=outcome, patch=digest, by=who, at=at, reason=reason)


def _may_decide(who: str, by: tuple[str, ...] | None) -> None:
    name = who.partition("@")[0]
    if not name or re.split(r"[:\s]", name)[0] in _MACHINES:
        raise ApprovalInvalid(f"{who!r} is not a person; a person decides about a patch")
    if by is not None and who not in by and name not in by:
        raise ApprovalInvalid(
            f"{who} may not decide; approve.by lists {', '.join(by) or 'nobody (an empty list)'}"
        )
