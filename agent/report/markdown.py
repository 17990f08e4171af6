"""The story as Markdown: the card first, then everything.

Text of a job goes into code spans and fences longer than any run of backticks inside, or has every
character escaped that Markdown or HTML could read; it can open no link, heading, table or tag.
"""

import re
from collections.abc import Iterable

from agent.records import Line
from agent.report import words
from agent.report.story import Cause, FailureReport, Iteration, PatchReport, RunReport, Story

_WEB = re.compile(r"https?://[\w.~:/?#@!$&()*+,;=%-]+", re.ASCII)
_SPECIAL = re.compile(r"([\\`*_{}\[\]|<>~&$])")


def plain(text: str) -> str:
    """Return text as words in a paragraph: nothing in it is markup."""
    return _SPECIAL.sub(r"\\\1", words.line(text))


def code(text: str) -> str:
    """Return text as a code span; an empty one as a dash, which Markdown can show."""
    shown = words.line(text) or "-"
    ticks = "`" * (_longest(shown) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def fence(text: str, language: str = "text") -> str:
    """Return text as a fenced block, its line breaks kept."""
    shown = words.block(text).rstrip("\n")
    ticks = "`" * max(3, _longest(shown) + 1)
    return f"{ticks}{language}\n{shown}\n{ticks}"


def _longest(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)


def markdown(story: Story) -> str:
    """Return the whole report."""
    title = f"# {plain(story.playbook)}: {plain(words.headline(story))}"
    parts = [title, _facts(story), *_card(story), *_details(story)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _facts(story: Story) -> str:
    facts = [
        f"Case {code(story.case)}, job {code(story.job)} on {code(story.platform)}, target"
        f" {code(story.target)}, mode {code(story.mode)}, state {code(story.state)}.",
        f"Took {words.duration(story.usage.seconds)}, cost {plain(words.cost(story))};"
        f" {words.checks(story.checks)}.",
    ]
    facts += [f"Why it ended: {code(story.reason)}."] if story.reason else []
    facts += [f"Learned since: {code(said)}." for said in story.learned]
    facts += [f"Misled by {code(said)}." for said in story.misled]
    facts += [f"Taken back: {code(story.undone)}."] if story.undone else []
    facts += [f"On the platform: {code(story.restored)}."] if story.restored else []
    return _list(facts)


def _card(story: Story) -> list[str]:
    parts = ["## Cause"]
    parts += [_cause(c) for c in story.causes] or ["Nothing failed."]
    if story.hypothesis is None and story.state != "done" and story.failures:
        parts.append("Best hypothesis: **not determined**.")
    parts.append("## What was changed")
    parts += [_change(p) for p in story.changes] or ["Nothing."]
    waiting = words.undecided(story)
    if waiting:
        title = words.OPEN[story.verdict == "waiting"]
        parts += [f"## {title}", *(_change(p) for p in waiting)]
    parts += ["## Proof", _proof(story), "## What you must do now"]
    steps = [f"To {s.why}:\n\n{fence(s.command, 'sh')}" for s in story.steps]
    parts += steps if story.next else ["Nothing is due.", *steps]
    parts += [f"> {note}" for note in story.notes]
    return parts


def _cause(cause: Cause) -> str:
    task = f"{code(cause.task)}: " if cause.task else ""
    by = f" ({code(cause.by)}, confidence {cause.confidence:.2f})" if cause.determined else ""
    sentence = f"**{task}{plain(cause.sentence)}**{by}"
    parts = [sentence]
    if cause.location is not None:
        at = code(cause.location.place)
        parts.append(f"In your code: {at}  {code(cause.location.code or '')}".rstrip())
    if cause.evidence:
        parts.append(fence(_lines(cause.evidence)))
    if cause.solution:
        parts.append(f"Do: {plain(cause.solution)}")
    return "\n\n".join(parts)


def _lines(lines: Iterable[Line]) -> str:
    return "\n".join(f"{words.where(e)}  {words.quoted(e)}" for e in lines)


def _change(patch: PatchReport) -> str:
    parts = [
        f"{code(patch.id)} by {code(patch.author)}, risk **{patch.risk}**:"
        f" {plain(patch.rationale)}\n{plain(words.decided(patch))}."
    ]
    if patch.effects:
        parts.append(_list(f"{e.risk}: {code(e.detail)}" for e in patch.effects))
    parts += [f"{code(e.detail)}:\n\n{fence(e.shown, 'json')}" for e in patch.effects if e.shown]
    if patch.diff:
        parts.append(fence(patch.diff, "diff"))
    return "\n\n".join(parts)


def _proof(story: Story) -> str:
    before = [f"Before: {code(row)}" for row in words.before(story)] or ["Before: nothing failed."]
    after = [f"After: {code(row)}" for row in words.after(story)]
    return _list(before + (after or ["After: nothing was proved."]))


def _details(story: Story) -> list[str]:
    parts = ["## Tasks", _tasks(story)] if story.tasks else []
    if story.items:
        parts += ["## Failed items", _list(code(item) for item in story.items)]
    parts.append("## Iterations")
    for iteration in story.iterations:
        parts += _iteration(iteration)
    if story.proposed_entry:
        parts += ["## A proposed matrix entry", fence(story.proposed_entry, "yaml")]
    if story.delivered is not None and story.delivered.where:
        where = f"Where the fix is: {code(story.delivered.where)}"
        note = f" ({code(story.delivered.note)})" if story.delivered.note else ""
        parts += ["## Delivery", where + note]
    if story.payloads:
        files = _list(code(path) for path in story.payloads)
        parts += ["## What was sent", "Bodies, masked, in their order:", files]
    return [*parts, "## Audit", _audit(story)]


def _tasks(story: Story) -> str:
    return _list(
        f"{code(t.task)} {words.STATES[t.state]}, {t.took or '-'},"
        f" {code(words.exit_value(t))}{link(t.url)}"
        for t in story.tasks
    )


def link(url: str | None) -> str:
    """Return a link for a web address, a code span for anything else, with a blank before it."""
    if not url:
        return ""
    return f" <{url}>" if _WEB.fullmatch(url) else f" {code(url)}"


def _iteration(iteration: Iteration) -> list[str]:
    parts = [f"### Iteration {iteration.number}"]
    parts += [_run(run) for run in iteration.runs]
    parts += [_failure(f) for f in iteration.failures]
    patches = (*iteration.reruns, *iteration.superseded, *filter(None, (iteration.patch,)))
    parts += [_attempt(p) for p in patches]
    tried = [t for p in patches for t in p.tried] + list(iteration.tried)
    if tried:
        parts.append(_list(f"{code(t.author)} proposed nothing: {code(t.reason)}" for t in tried))
    if iteration.no_patch:
        parts.append(f"No patch: {plain(iteration.no_patch)}.")
    nearest = [near for d in iteration.diagnoses for near in d.nearest]
    if nearest:
        parts.append("Nearest matrix entries:\n\n" + _list(code(near) for near in nearest))
    return parts


def _run(run: RunReport) -> str:
    tasks = ", ".join(f"{plain(t.task)} {words.STATES[t.state]}" for t in run.tasks)
    return (
        f"Run {run.number} ({run.kind}) {code(run.run)} {run.state},"
        f" {words.duration(run.seconds)}{link(run.url)}{': ' + tasks if tasks else ''}"
    )


def _failure(failure: FailureReport) -> str:
    at = f"{failure.at:%Y-%m-%d %H:%M:%S} UTC"
    ids = [
        f"case {code(failure.case)}, iteration {failure.iteration}, target {code(failure.target)},"
        f" job {code(failure.job)}, task {code(failure.task or '')}",
        f"run {code(failure.run or '')}, task run {code(failure.task_run or '')}"
        + link(failure.url),
        f"{failure.phase}, {code(failure.code)}, {at}",
    ]
    ids += [f"item {code(failure.item)}"] if failure.item else []
    ids += [f"cut from the output: {code(cut)}" for cut in failure.log_cut]
    parts = [f"**Failed: {code(failure.task or 'the job')}**", _list(ids), fence(failure.message)]
    if failure.tail:
        parts += ["Last lines of its output:", fence(_lines(failure.tail))]
    return "\n\n".join(parts)


def _attempt(patch: PatchReport) -> str:
    return (
        f"Tried: {code(patch.author)} ({code(patch.id)}): {plain(patch.rationale)}"
        f" {plain(words.decided(patch))}. **What came of it:** {plain(patch.outcome)}."
    )


def _audit(story: Story) -> str:
    usage = story.usage
    facts = [
        f"opened {story.opened:%Y-%m-%d %H:%M:%S} UTC by {code(story.by)}, last event"
        f" {story.ended:%Y-%m-%d %H:%M:%S} UTC",
        f"playbook {code(story.playbook_path)}, source {code(story.source_path)}",
        f"tokens: {usage.input_tokens:,} in, {usage.output_tokens:,} out,"
        f" {usage.cache_read_tokens:,} read from cache, {usage.cache_write_tokens:,} written to it",
        f"calls to the platform's API: {usage.platform_calls:,}",
        f"journal head {code(story.chain_head)} (`runmend audit verify` compares it)",
    ]
    return _list(facts)
