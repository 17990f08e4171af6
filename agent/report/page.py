"""The story as one HTML page: self-contained, no script, nothing loaded, nothing sent.

The Content-Security-Policy allows this page's own style sheet (by its hash) and nothing else, so
that even a mistake in escaping could neither run nor load anything. The card is first: verdict,
cause, change, proof, what to do; below it comes everything that was seen and tried.
"""

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from pathlib import Path

from agent.report import words
from agent.report.details import attempts, audit, delivery, failures, sent, tasks
from agent.report.marks import block, code, diff, evidence, section, tag
from agent.report.picture import picture
from agent.report.story import Cause, PatchReport, Story

TONE = {
    "healed": "good",
    "healthy": "good",
    "waiting": "wait",
    "partial": "wait",
    "interrupted": "wait",
    "held": "wait",
    "cancelled": "",
}


def html(story: Story) -> str:
    """Return the page."""
    css = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = f"{words.line(story.playbook)}: {words.headline(story)}"
    parts = (
        _top(story),
        _causes(story),
        _changes(story),
        _proof(story),
        _do(story),
        _timeline(story),
        tasks(story),
        failures(story),
        attempts(story),
        _entry(story),
        delivery(story),
        sent(story),
        audit(story),
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{css}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def _top(story: Story) -> str:
    tone = TONE.get(story.verdict or "", "bad" if story.verdict else "wait")
    facts = {
        "runs on": words.place(story),
        "took": words.duration(story.usage.seconds),
        "cost": words.cost(story),
        "verification": words.checks(story.checks),
        "mode": story.mode,
        "exit code": "-" if story.exit_code is None else str(story.exit_code),
    }
    rows = "".join(
        f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items()
    )
    reason = f'<p class="reason">{escape(words.line(story.reason))}</p>' if story.reason else ""
    back = (words.line(text) for text in (story.undone, story.restored, *story.learned) if text)
    undone = "".join(f'<p class="reason">{escape(text)}</p>' for text in back)
    job = escape(words.line(story.job))
    return (
        f'<header class="card top {tone}"><p class="case">runmend · case {code(story.case)}'
        f" · job {job} · {story.ended:%Y-%m-%d %H:%M} UTC</p>"
        f"<h1>{escape(words.line(story.playbook))}</h1>"
        f'<p class="verdict">{escape(words.headline(story))}</p>{reason}{undone}'
        f'<dl class="facts">{rows}</dl></header>'
    )


def _causes(story: Story) -> str:
    parts = [_cause(cause) for cause in story.causes] or ["<p>Nothing failed.</p>"]
    if story.hypothesis is None and story.state != "done" and story.failures:
        parts.append('<p class="note">Best hypothesis: not determined.</p>')
    return section("Cause", *parts)


def _cause(cause: Cause) -> str:
    task = f"{code(cause.task)} " if cause.task else ""
    by = f"{cause.by}, confidence {cause.confidence:.2f}" if cause.determined else "not determined"
    parts = [
        f'<p class="sentence">{task}{escape(words.line(cause.sentence))}</p>',
        f'<p class="soft">iteration {cause.iteration}, {escape(words.line(by))}{_at(cause)}</p>',
        evidence(cause.evidence),
    ]
    if cause.solution:
        parts.append(f'<p class="soft">{escape(words.line(cause.solution))}</p>')
    return f'<div class="cause">{"".join(parts)}</div>'


def _at(cause: Cause) -> str:
    if cause.location is None:
        return ""
    quoted = f" {code(cause.location.code)}" if cause.location.code else ""
    return f" · your code {code(cause.location.place)}{quoted}"


def _changes(story: Story) -> str:
    waiting = words.undecided(story)
    changed = "".join(change(p) for p in story.changes)
    nothing = "<p>Nothing: no code was changed.</p>"
    going = story.verdict == "waiting"
    parts = [section(words.OPEN[going], *map(change, waiting))] if waiting else []
    if changed or not waiting:
        parts.append(section("What was changed", changed or nothing))
    return "".join(parts)


def change(patch: PatchReport) -> str:
    """Return a patch for somebody who must judge it: why, by whom, effects, diff."""
    effects = "".join(
        f"<li>{_risk(e.risk)} {escape(words.line(e.detail))}"
        f"{block(e.shown) if e.shown else ''}</li>"
        for e in patch.effects
    )
    shown = diff(patch.diff)
    if patch.diff.count("\n") > 60:
        shown = f"<details><summary>the whole diff</summary>{shown}</details>"
    return (
        f'<div class="patch"><p class="sentence">{escape(words.line(patch.rationale))}</p>'
        f'<p class="soft">patch {code(patch.id)} by {escape(words.line(words.author(patch)))}'
        f" {_risk(patch.risk)} {escape(words.decided(patch))}</p>"
        + (f'<ul class="plain">{effects}</ul>' if effects else "")
        + f'{shown}<p class="soft">What came of it: {escape(words.line(patch.outcome))}</p></div>'
    )


def _risk(risk: str) -> str:
    return tag(risk, {"safe": "good", "ask": "wait"}.get(risk, "bad"))


def _proof(story: Story) -> str:
    before = words.before(story)
    after = words.after(story)
    return section(
        "Proof",
        '<div class="proof"><div><h3>before</h3>'
        + (_marked(before, "bad", "✗") if before else "<p>nothing failed</p>")
        + "</div><div><h3>after</h3>"
        + ("".join(map(_after, after)) or "<p>nothing was proved</p>")
        + "</div></div>",
    )


def _marked(rows: Iterable[str], tone: str, glyph: str) -> str:
    items = "".join(
        f'<li><span class="mark {tone}">{glyph}</span> {escape(row)}</li>' for row in rows
    )
    return f'<ul class="plain">{items}</ul>'


def _after(row: str) -> str:
    tone, glyph = {"holds": ("good", "✓"), "unknown": ("wait", "?"), "every": ("good", "✓")}.get(
        row.partition(" ")[0].rstrip(":"), ("bad", "✗")
    )
    return _marked([row], tone, glyph)


def _do(story: Story) -> str:
    steps = "".join(f"<li>To {escape(step.why)}:{block(step.command)}</li>" for step in story.steps)
    done = "" if story.next else "<p>Nothing is due.</p>"
    done += f'<ul class="plain">{steps}</ul>' if steps else ""
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in story.notes)
    return section("What you must do now", f'<div class="do">{done}</div>{notes}')


def _timeline(story: Story) -> str:
    drawn = picture(story)
    return section("Timeline", f'<div class="scroll">{drawn}</div>') if drawn else ""


def _entry(story: Story) -> str:
    if not story.proposed_entry:
        return ""
    return section(
        "A proposed matrix entry",
        "<p>The matrix did not know the failure, or knew it wrongly. See it as a change, checked"
        f" anew, and take it over: {code(f'runmend matrix add --from-case {story.case}')}.</p>",
        block(story.proposed_entry),
    )
