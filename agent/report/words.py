"""How a story's parts read: numbers, states and sentences that all formats share.

What comes from a job passes `line` or `block` here before any format escapes it for itself.
"""

import json
import re
from collections.abc import Sequence

from pydantic import JsonValue

from agent.records import Check, Line, TaskStatus
from agent.records import duration as duration
from agent.records import summary as summary
from agent.redaction import printable
from agent.report.story import FailureReport, PatchReport, Story

_NO_CHARACTER = re.compile("[\ufdd0-\ufdef\ufffe\uffff]")
STATES = {
    "pending": "not started",
    "running": "running",
    "succeeded": "ok",
    "failed": "FAILED",
    "timed_out": "TIMED OUT",
    "cancelled": "cancelled",
    "skipped": "skipped",
    "upstream_failed": "not run: upstream failed",
}
OUTCOMES = {"held": "holds", "failed": "FAILED", "unknown": "unknown"}


OPEN = {True: "What waits for a decision", False: "What was proposed and not deployed"}


def undecided(story: Story) -> tuple[PatchReport, ...]:
    """Return the patches that nobody decided about, without those that were edited into others."""
    found = [i.patch for i in story.iterations if i.patch is not None]
    return tuple(p for p in found if p.decision is None)


def block(text: str) -> str:
    """Return text of several lines, safe to print and known to XML and YAML.

    Terminal codes stay visible as `\\x1b`: in a diff that somebody approves nothing may vanish.
    """
    text = _NO_CHARACTER.sub(lambda m: f"\\u{ord(m[0]):04x}", text)
    return printable(text.replace("\x1b", "\\x1b"))


def line(text: str) -> str:
    """Return the text on one line, safe to print."""
    return " ".join(block(text).split())


def quoted(evidence: Line) -> str:
    """Return the text of an evidence line, blanks kept, safe to print."""
    return block(evidence.text).replace("\n", "\\n").rstrip()


def cut(text: str, size: int) -> str:
    """Return at most `size` characters, `…` standing for what is left out at the end."""
    return text if len(text) <= size else text[: size - 1].rstrip() + "…"


def count(number: int, noun: str, plural: str = "") -> str:
    """Return `1 check`, `2 checks`, `1,204 rows`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def place(story: Story) -> str:
    """Return where it runs: `databricks, target dev`, once where both have the same name."""
    platform, target = line(story.platform), line(story.target)
    return platform if platform == target else f"{platform}, target {target}"


def cost(story: Story) -> str:
    """Return `0 tokens`, or `12,340 tokens ($0.0312, 2 model calls), 41 API calls`."""
    usage = story.usage
    spent = count(usage.tokens, "token")
    if usage.api_calls or usage.cost_usd:
        spent += f" (${usage.cost_usd:.4f}, {count(usage.api_calls, 'model call')})"
    if usage.platform_calls:
        spent += f", {count(usage.platform_calls, 'API call')}"
    return spent


def exit_value(task: TaskStatus) -> str:
    """Return a task's structured exit value in short, and say so where there is none."""
    if not task.exit_value_known:
        return "exit value unknown: the platform did not deliver it"
    if task.exit_value is None:
        return "no exit value"
    return short(task.exit_value)


def short(value: JsonValue) -> str:
    """Return JSON on one line, at most 160 characters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return cut(line(text), 160)


def where(evidence: Line) -> str:
    """Return `transform stderr:31`, without a number where the source has no lines."""
    source = line(evidence.source)
    return f"{source}:{evidence.number}" if evidence.number else source


def checked(check: Check) -> str:
    """Return a check with what it saw: `table sales rows >= 1: 1,204 rows (no baseline)`."""
    flag = f" ({line(check.flag)})" if check.flag else ""
    return f"{line(check.name)}: {line(check.saw) or 'nothing seen'}{flag}"


def checks(found: Sequence[Check]) -> str:
    """Return how many checks held, failed, are unknown."""
    if not found:
        return "no checks"
    if all(c.outcome == "held" for c in found):
        return "1 check holds" if len(found) == 1 else f"all {len(found)} checks hold"
    outcomes: list[str] = [c.outcome for c in found]
    seen = {word: outcomes.count(word) for word in ("held", "failed", "unknown")}
    parts = [f"{number} {word}" for word, number in seen.items() if number]
    return f"{count(len(found), 'check')}: {', '.join(parts)}"


def failed(failure: FailureReport) -> str:
    """Return `transform FAILED: KeyError: 'amout'` in one line."""
    what = line(failure.task or "the job")
    item = f" item {line(failure.item)}" if failure.item else ""
    return f"{what}{item} {line(failure.code)}: {line(failure.message)}"


def author(patch: PatchReport) -> str:
    """Return who made a patch, in a person's words."""
    names = [name.partition(":") for name in line(patch.author).split("+")]
    kinds = {"person": ""}
    return " and ".join(f"{kinds.get(kind, kind)} {name}".strip() for kind, _, name in names)


def decided(patch: PatchReport) -> str:
    """Return what was decided about a patch, by whom and when."""
    decision = patch.decision
    if decision is None:
        return f"waits for a decision until {patch.expires_at:%Y-%m-%d %H:%M} UTC"
    reason = f": {line(decision.reason)}" if decision.reason else ""
    if decision.outcome == "expired":
        return f"expired {decision.at:%Y-%m-%d %H:%M} UTC, nobody had decided{reason}"
    return f"{decision.outcome} by {line(decision.by)}, {decision.at:%Y-%m-%d %H:%M} UTC{reason}"


def headline(story: Story) -> str:
    """Return the verdict as the start of a sentence, without the case's name."""
    reruns = sum(1 for p in story.patches if p.approved and not p.files)
    again = f" after {count(reruns, 'rerun')}" if reruns else ""
    done = "verified" if story.verified else "not verified: what its checks need is unknown"
    times = count(story.healed_in, "iteration")
    match story.verdict:
        case "healed" if story.undone:
            return f"healed in {times}, then taken back"
        case "healed":
            joint = "healed and verified" if story.verified else "healed"
            return f"{joint} in {times}{'' if story.verified else ', ' + done}"
        case "healthy":
            return f"healthy{again}, {done}"
        case "partial":
            share = 0.0 if story.share_good is None else story.share_good
            bad = count(len(story.items), "item")
            return f"partly good: {share:.1%} of the items good, {bad} failed"
        case None:
            return f"on its way: {story.state}"
        case verdict:
            return _HEADLINES[verdict]


_HEADLINES = {
    "escalated": "still failing, a person must take over",
    "waiting": "waiting for a person",
    "rejected": "rejected, still failing",
    "refused": "refused by policy, still failing",
    "expired": "nobody decided in time, still failing",
    "unauthorized": "stopped: who we are, or what we may do, is not enough",
    "unreachable": "stopped: the platform does not answer",
    "exhausted": "the limits are spent, still failing",
    "held": "held: another one is at work on this job",
    "cancelled": "cancelled",
    "interrupted": "interrupted, can be resumed",
}


def before(story: Story) -> tuple[str, ...]:
    """Return how runs failed before the newest one; empty where nothing failed."""
    shown = set(after(story))
    names = {run.run: f"run {run.number}" for run in story.runs}
    rows = ((failed(f), names.get(f.run or "", f.phase)) for f in story.failures)
    found = dict.fromkeys(f"{name}: {row}" for row, name in rows)
    return tuple(row for row in found if row not in shown)


def after(story: Story) -> tuple[str, ...]:
    """Return what the last run showed: its checks, or its failures."""
    if story.state in ("done", "partial"):
        return tuple(f"{OUTCOMES[c.outcome]}: {checked(c)}" for c in story.checks) or (
            "every task succeeded; the playbook names no checks",
        )
    if not any(p.deployed for p in story.changes) or not story.failures:
        return ()
    names = {run.run: f"run {run.number}" for run in story.runs}
    newest = story.failures[-1].at
    last = [f for f in story.failures if f.at == newest]
    return tuple(f"{names.get(f.run or '', f.phase)}: {failed(f)}" for f in last)
