"""The card on the terminal: plain text, no colours, what `heal` and `show` end with."""

from pathlib import Path

from agent.records import TaskStatus
from agent.report import words
from agent.report.story import Cause, PatchReport, Story

_LABEL = 10
_EVIDENCE = 3
"""Lines of evidence quoted per cause; the report has all of them."""
_DIFF = 60
"""Lines of a waiting patch's diff."""
_MANY = 10
"""More tasks are told as one summary and those of which there is more to say."""


def text(story: Story, cwd: Path | None = None) -> str:
    """Return the card; paths under `cwd` are shown relative to it. Ends with a newline."""
    lines = [_head(story), *_facts(story)]
    if words.undecided(story) and story.verdict == "waiting":
        lines += _waiting(story)
    near = f"{cwd}/" if cwd and cwd != Path("/") else ""
    lines += _causes(story) + _tried(story) + _tasks(story) + _page(story) + _rest(story, near)
    return "\n".join(lines) + "\n"


def _head(story: Story) -> str:
    start = words.headline(story)
    if story.verdict == "waiting":
        return f"{start}: case {story.case}, {_waits(story)}"
    spent = f"{words.duration(story.usage.seconds)}, {words.cost(story)}"
    return f"{start}, {spent}"


def _waits(story: Story) -> str:
    if not words.undecided(story):
        return "nothing of ours waits for a decision"
    patch = story.patches[-1]
    return f"patch {patch.id}, expires {patch.expires_at:%Y-%m-%d %H:%M} UTC"


def _row(label: str, value: str) -> str:
    return f"   {label:<{_LABEL}}{value}".rstrip()


def _facts(story: Story) -> list[str]:
    case = f"{story.case}  {words.line(story.playbook)} on {words.line(story.target)}"
    rows = [] if story.verdict == "waiting" else [_row("case", case)]
    if story.reason:
        rows.append(_row("why", words.line(story.reason)))
    if story.undone:
        rows.append(_row("undone", words.line(story.undone)))
    rows += [_row("learned", words.line(said)) for said in story.learned]
    rows += [_row("misled", words.line(said)) for said in story.misled]
    if story.restored:
        rows.append(_row("restored", words.line(story.restored)))
    return rows


def _waiting(story: Story) -> list[str]:
    patch = story.patches[-1]
    rows = [_row("patch", _patch(patch)), _row("", words.line(patch.rationale))]
    for effect in patch.effects:
        rows.append(_row("effect", f"{effect.risk}: {words.line(effect.detail)}"))
        rows += [_row("", line) for line in words.block(effect.shown).splitlines()]
    diff = words.block(patch.diff).splitlines()
    rows += [f"   {row}" for row in diff[:_DIFF]]
    if len(diff) > _DIFF:
        rows.append(f"   ({len(diff) - _DIFF} more lines: runmend show {story.case})")
    return [*rows, _row("cost", words.cost(story))]


def _patch(patch: PatchReport) -> str:
    what = ", ".join(words.line(f) for f in patch.files) or "no code changed, runs again"
    return f"{patch.id}  {words.author(patch)}  {what}  {patch.risk}"


def _causes(story: Story) -> list[str]:
    rows: list[str] = []
    # The same cause again in a later iteration is told by what came of the patch.
    for cause in {(c.task, c.sentence): c for c in story.causes}.values():
        task = f"{words.line(cause.task)}: " if cause.task else ""
        rows.append(_row("cause", f"{task}{words.line(cause.sentence)}{_sure(cause)}"))
        rows += [
            _row("", f"{words.where(e)}  {words.cut(words.quoted(e), 160)}")
            for e in cause.evidence[:_EVIDENCE]
        ]
        if story.state not in ("done", "partial") and _is_page(cause.url):
            rows.append(_row("", words.line(cause.url or "")))
    return rows


def _sure(cause: Cause) -> str:
    return f"  {cause.confidence:.2f}" if cause.determined else ""


def _tried(story: Story) -> list[str]:
    if story.verdict == "waiting":
        return []
    label = "fix" if story.state == "done" else "tried"
    rows = [_row(label, f"{_patch(p)}  {words.line(p.outcome)}") for p in story.patches]
    if story.state != "done":
        rows += [
            _row("tried", f"{words.line(t.author)}: {words.line(t.reason)}")
            for i in story.iterations
            for t in i.tried
        ]
    return rows


def _tasks(story: Story) -> list[str]:
    rows = []
    if story.state in ("done", "partial"):
        many = len(story.tasks) > _MANY
        rows += [_row("tasks", words.summary(story.tasks))] if many else []
        rows += [_row("task", _task(t)) for t in story.tasks if not many or _is_partly(t)]
        seen = (f"{words.OUTCOMES[c.outcome]}: {words.checked(c)}" for c in story.checks)
        rows += [_row("check", value) for value in seen]
    rows += [_row("item", f"FAILED: {words.line(item)}") for item in story.items]
    return rows


def _task(task: TaskStatus) -> str:
    state = f"{words.line(task.task)} {words.STATES[task.state]} {task.took or '-'}"
    link = f"  {words.line(task.url)}" if task.url else ""
    return f"{state}  {words.exit_value(task)}{link}"


def _is_partly(task: TaskStatus) -> bool:
    """Return whether there is more to say of a task than that it went well."""
    value = task.exit_value
    return task.state != "succeeded" or (isinstance(value, dict) and bool(value.get("failed")))


def _is_page(url: str | None) -> bool:
    return bool(url) and str(url).startswith(("https://", "http://"))


def _page(story: Story) -> list[str]:
    """Return where the newest run is to be seen, where no task's own page is told."""
    pages = [run.url for run in story.runs if _is_page(run.url)]
    told = story.state in ("done", "partial") and 0 < len(story.tasks) <= _MANY
    return [] if told or not pages else [_row("page", words.line(pages[-1] or ""))]


def _rest(story: Story, near: str) -> list[str]:
    """Return where things are and what to do; paths lose the start `near`."""
    rows = []
    if story.delivered is not None and story.delivered.where and not story.undone:
        label = {"in-place": "edited"}.get(story.delivered.how, story.delivered.how)
        parts = (story.delivered.where, story.delivered.command)
        rows.append(_row(label, (" " * 10).join(_short(part, near) for part in parts)))
        if story.delivered.note:
            rows.append(_row("", words.line(story.delivered.note)))
    if story.report:
        shown = story.report.get("html") or next(iter(story.report.values()))
        rows.append(_row("report", _short(shown, near)))
    if story.payloads:
        sent = f"{len(story.payloads)} in {_short(str(Path(story.payloads[0]).parent), near)}"
        rows.append(_row("payloads", sent))
    rows += [_row("note", note) for note in story.notes]
    if story.state != "done":
        commands = [_short(step.command, near) for step in story.steps]
        width = max(map(len, commands), default=0)
        rows += [
            _row("" if n else "next", f"{commands[n]:<{width}}   {step.why}")
            for n, step in enumerate(story.steps)
        ]
    return rows


def _short(text: str, near: str) -> str:
    shown = words.line(text)
    return shown.replace(near, "") if near else shown
