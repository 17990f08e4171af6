"""The timeline as a picture: runs from left to right, the patches between them, the tasks below.

Inline SVG without scripts, styles or links of its own: the page's style sheet gives it colours, so
that it follows light, dark and print. Steps are spaced evenly, not by time: a night of waiting for
a person would leave no room for anything else.
"""

from datetime import datetime
from html import escape
from itertools import groupby
from typing import NamedTuple

from agent.records import TaskState, TaskStatus
from agent.report import words
from agent.report.story import FailureReport, PatchReport, RunReport, Story

_NARROW, _WIDE, _PAGE = 132, 190, 820
"""A column's least and greatest width, and what there is for all of them, pixels."""
_RAIL = 40
_TOP = 84
_ROW = 30
_MOST_TASKS = 24

_TONE: dict[TaskState, str] = {
    "succeeded": "good",
    "failed": "bad",
    "timed_out": "bad",
    "cancelled": "bad",
    "running": "wait",
}
_GLYPH = {"good": "✓", "bad": "✗", "wait": "…", "": "-"}


class Stop(NamedTuple):
    """One stop on the rail: a run, a create that failed, or the end."""

    label: str
    quiet: str
    tone: str
    """good, bad, wait or empty: a class of the style sheet."""
    by: PatchReport | None
    """The patch that led here."""
    run: RunReport | None = None


def stops(story: Story) -> list[Stop]:
    """Return what lies on the rail, in order."""
    superseded = {p.digest for i in story.iterations for p in i.superseded}
    created = [
        (at, list(group))
        for at, group in groupby(
            (f for f in story.failures if f.phase == "create"), key=lambda f: f.at
        )
    ]
    items: list[tuple[datetime, RunReport | PatchReport | list[FailureReport]]] = [
        *((r.started, r) for r in story.runs),
        *((p.proposed_at, p) for p in story.patches if p.digest not in superseded),
        *created,
    ]
    found: list[Stop] = []
    by: PatchReport | None = None
    for at, item in sorted(items, key=lambda pair: pair[0]):
        if isinstance(item, PatchReport):
            by = item
            continue
        found.append(_failed_create(at, by) if isinstance(item, list) else _run(item, by))
        by = None
    if story.state != "done":
        found.append(_end(story, by))
    return found


def _run(run: RunReport, by: PatchReport | None) -> Stop:
    tone = {"succeeded": "good", "failed": "bad", "cancelled": "bad"}.get(run.state, "wait")
    quiet = f"{run.started:%H:%M:%S}, {words.duration(run.seconds)}"
    return Stop(f"run {run.number}", quiet, tone, by, run)


def _failed_create(at: datetime, by: PatchReport | None) -> Stop:
    return Stop("create", f"{at:%H:%M:%S}", "bad", by)


def _end(story: Story, by: PatchReport | None) -> Stop:
    tone = "wait" if story.verdict in ("waiting", "partial", None) else ""
    return Stop(story.verdict or story.state, f"{story.ended:%H:%M:%S}", tone, by)


def picture(story: Story) -> str:
    """Return the SVG element; an empty text where nothing has happened yet."""
    rail = stops(story)
    runs = [stop.run for stop in rail if stop.run is not None]
    if not rail:
        return ""
    tasks, left_out = _rows(runs)
    left = 24 + max((min(len(t), 20) * 7 for t in tasks), default=40)
    column = max(_NARROW, min(_WIDE, (_PAGE - left) // len(rail)))
    middles = [left + column * n + column // 2 for n in range(len(rail))]
    checked = any(run.checks for run in runs)
    rows = len(tasks) + bool(left_out) + checked
    width, height = left + column * len(rail), _TOP + _ROW * rows
    parts = [_rail(rail, middles)]
    for number, task in enumerate(tasks):
        middle = _TOP + _ROW * number + 15
        parts.append(_label(middle, task))
        parts += [
            _cell(middles[n], middle, _status(stop.run, task))
            for n, stop in enumerate(rail)
            if stop.run is not None
        ]
    if left_out:
        more = f"and {words.count(left_out, 'task')} more, ok in every run"
        parts.append(_quiet(4, _TOP + _ROW * len(tasks) + 19, more))
    if checked:
        parts.append(_checks(rail, middles, _TOP + _ROW * (rows - 1) + 15))
    # Nothing stands above the rail where no patch led anywhere.
    spare = 0 if any(stop.by for stop in rail) else 22
    label = f"Timeline: {'; '.join(f'{s.label} {_GLYPH[s.tone]}' for s in rail)}"
    return (
        f'<svg role="img" aria-label="{escape(label)}" width="{width}" height="{height - spare}"'
        f' viewBox="0 {spare} {width} {height - spare}">{"".join(parts)}</svg>'
    )


def _rows(runs: list[RunReport]) -> tuple[list[str], int]:
    """Return the tasks to show in order, and how many that never failed are left out."""
    states: dict[str, set[str]] = {}
    for run in runs:
        for task in run.tasks:
            states.setdefault(task.task, set()).add(task.state)
    if len(states) <= _MOST_TASKS:
        return list(states), 0
    good = [task for task, seen in states.items() if seen == {"succeeded"}]
    spare = len(states) - _MOST_TASKS
    hidden = set(good[-spare:]) if good else set()
    return [task for task in states if task not in hidden], len(hidden)


def _rail(rail: list[Stop], middles: list[int]) -> str:
    parts = []
    for number, stop in enumerate(rail):
        x = middles[number]
        back = middles[number - 1] if number else x
        if number:
            style = "rail" if stop.run or stop.label == "create" else "rail open"
            parts.append(
                f'<line class="{style}" x1="{back + 14}" x2="{x - 14}" y1="{_RAIL}" y2="{_RAIL}"/>'
            )
        if stop.by is not None:
            parts.append(_patch((x + back) // 2, stop.by))
        parts += [
            f'<circle class="dot {stop.tone}" cx="{x}" cy="{_RAIL}" r="12"/>',
            f'<text class="glyph" x="{x}" y="{_RAIL + 4.5}" text-anchor="middle">'
            f"{_GLYPH[stop.tone]}</text>",
            f'<text class="strong" x="{x}" y="{_RAIL + 28}" text-anchor="middle">'
            f"{escape(stop.label)}</text>",
            f'<text class="quiet" x="{x}" y="{_RAIL + 41}" text-anchor="middle">'
            f"{escape(stop.quiet)}</text>",
        ]
    return "".join(parts)


def _patch(x: int, patch: PatchReport) -> str:
    decision = patch.decision.outcome if patch.decision else "waits"
    tone = {"approved": "", "waits": "wait"}.get(decision, "bad")
    name = escape(words.cut(words.line(patch.author.partition(":")[2] or patch.author), 18))
    diamond = f"M{x} {_RAIL - 8}L{x + 8} {_RAIL}L{x} {_RAIL + 8}L{x - 8} {_RAIL}Z"
    title = escape(f"{words.author(patch)}: {words.line(patch.rationale)}; {words.decided(patch)}")
    return (
        f'<g><title>{title}</title><path class="patch {tone}" d="{diamond}"/>'
        f'<text class="strong" x="{x}" y="{_RAIL - 26}" text-anchor="middle">{name}</text>'
        f'<text class="quiet" x="{x}" y="{_RAIL - 13}" text-anchor="middle">{decision}</text></g>'
    )


def _label(middle: int, text: str) -> str:
    return f'<text x="4" y="{middle + 4}">{escape(words.cut(words.line(text), 20))}</text>'


def _quiet(x: int, y: int, text: str) -> str:
    return f'<text class="quiet" x="{x}" y="{y}">{escape(text)}</text>'


def _status(run: RunReport | None, task: str) -> TaskStatus | None:
    return next((t for t in run.tasks if t.task == task), None) if run else None


def _cell(x: int, middle: int, status: TaskStatus | None) -> str:
    if status is None:
        return _box(x, middle, "", "kept", "not run again: its result was kept")
    tone = _TONE.get(status.state, "")
    took = words.duration(status.seconds) if status.seconds is not None else ""
    text = f"{_GLYPH[tone]} {took or words.STATES[status.state].partition(':')[0]}"
    title = f"{words.line(status.task)}: {words.STATES[status.state]} {took}"
    return _box(x, middle, tone, text, title)


def _box(x: int, middle: int, tone: str, text: str, title: str) -> str:
    return (
        f'<g><title>{escape(title)}</title><rect class="cell {tone}" x="{x - 52}" y="{middle - 12}"'
        f' width="104" height="24" rx="6"/><text class="in {tone}" x="{x}" y="{middle + 4}"'
        f' text-anchor="middle">{escape(text)}</text></g>'
    )


def _checks(rail: list[Stop], middles: list[int], middle: int) -> str:
    parts = [_label(middle, "checks")]
    for number, stop in enumerate(rail):
        if stop.run is None or not stop.run.checks:
            continue
        outcomes = [c.outcome for c in stop.run.checks]
        tone = "bad" if "failed" in outcomes else "good" if "held" in outcomes else "wait"
        held = f"{outcomes.count('held')} of {len(outcomes)} hold"
        title = words.checks(stop.run.checks)
        parts.append(_box(middles[number], middle, tone, f"{_GLYPH[tone]} {held}", title))
    return "".join(parts)
