"""The page below the card: tasks, every failure, everything tried, where it all is."""

from html import escape

from agent.records import NoFix, TaskStatus
from agent.report import words
from agent.report.marks import block, code, diff, evidence, link, pairs, section, tag
from agent.report.story import FailureReport, Iteration, PatchReport, RunReport, Story


def tasks(story: Story) -> str:
    """Return each task with its state, exit value in short and link; the failed items below."""
    if not story.tasks and not story.items:
        return ""
    rows = "".join(_task(task) for task in story.tasks)
    table = (
        '<table class="tasks"><thead><tr><th>task</th><th>state</th><th>took</th>'
        f"<th>exit value</th></tr></thead><tbody>{rows}</tbody></table>"
        if rows
        else ""
    )
    items = "".join(f"<li>{code(item)}</li>" for item in story.items)
    bad = f"<h3>Failed items</h3><ul>{items}</ul>" if items else ""
    return section("Tasks", table, bad)


def _task(task: TaskStatus) -> str:
    tone = {"succeeded": "good", "failed": "bad", "timed_out": "bad", "cancelled": "bad"}
    page = f'<br><span class="soft">{link(task.url)}</span>' if task.url else ""
    return (
        f"<tr><td>{code(task.task)}</td>"
        f"<td>{tag(words.STATES[task.state], tone.get(task.state, ''))}</td>"
        f"<td>{task.took or '-'}</td>"
        f"<td>{code(words.exit_value(task))}{page}</td></tr>"
    )


def failures(story: Story) -> str:
    """Return every failure with its ids, its full message, its link and its last lines."""
    if not story.failures:
        return ""
    return section("Every failure", *(_failure(f) for f in story.failures))


def _failure(failure: FailureReport) -> str:
    name = f"{code(failure.task or 'the job')} in iteration {failure.iteration}"
    ids = pairs(
        (
            ("case", code(failure.case)),
            ("target", code(failure.target)),
            ("job", code(failure.job)),
            ("task", code(failure.task or "")) if failure.task else ("", ""),
            ("item", code(failure.item)) if failure.item else ("", ""),
            ("run", code(failure.run)) if failure.run else ("", ""),
            ("task run", code(failure.task_run)) if failure.task_run else ("", ""),
            ("page", link(failure.url)),
            ("what", f"{failure.phase}, {code(failure.code)}"),
            ("when", f"{failure.at:%Y-%m-%d %H:%M:%S} UTC"),
            ("exit code", "" if failure.exit_code is None else str(failure.exit_code)),
            ("cut", escape(words.line("; ".join(failure.log_cut)))),
        )
    )
    tail = evidence(failure.tail)
    shown = f"<details><summary>last lines of its output</summary>{tail}</details>" if tail else ""
    return (
        f'<details class="block" open><summary>{name}: {escape(words.line(failure.code))}</summary>'
        f"{block(failure.message, 'wrap')}{ids}{shown}</details>"
    )


def attempts(story: Story) -> str:
    """Return each iteration: its runs, what was tried, why, and what came of it."""
    return section("Everything tried", *(_iteration(i) for i in story.iterations))


def _iteration(iteration: Iteration) -> str:
    patches = (*iteration.reruns, *iteration.superseded, *filter(None, (iteration.patch,)))
    parts = [f"<h3>Iteration {iteration.number}</h3>"]
    parts.append(f'<ul class="plain">{"".join(_run(run) for run in iteration.runs)}</ul>')
    parts += [_attempt(patch) for patch in patches]
    tried = (*(t for p in patches for t in p.tried), *iteration.tried)
    if tried:
        parts.append(f"<ul>{''.join(_nothing(t) for t in tried)}</ul>")
    if iteration.no_patch:
        parts.append(f'<p class="soft">No patch: {escape(words.line(iteration.no_patch))}.</p>')
    nearest = [f"<li>{escape(words.line(n))}</li>" for d in iteration.diagnoses for n in d.nearest]
    if nearest:
        parts.append(f"<p>Nearest matrix entries:</p><ul>{''.join(nearest)}</ul>")
    return "".join(parts)


def _run(run: RunReport) -> str:
    tone = {"succeeded": "good", "running": "wait"}.get(run.state, "bad")
    kind = {"first": "first run", "rerun": "the same code again", "fix": "with the patch"}[run.kind]
    return (
        f"<li>run {run.number} {tag(run.state, tone)} {kind}, {code(run.run)},"
        f" {words.duration(run.seconds)} <span class='soft'>{link(run.url)}</span></li>"
    )


def _attempt(patch: PatchReport) -> str:
    old = patch.decision is not None and not patch.approved
    shown = f"<details><summary>its diff</summary>{diff(patch.diff)}</details>" if old else ""
    return (
        f"<p>{escape(words.line(words.author(patch)))} ({code(patch.id)}):"
        f" {escape(words.line(patch.rationale))} {escape(words.decided(patch))}."
        f" <strong>What came of it:</strong> {escape(patch.outcome)}.</p>"
        + (shown if patch.diff else "")
    )


def _nothing(tried: NoFix) -> str:
    return f"<li>{code(tried.author)} proposed nothing: {escape(words.line(tried.reason))}</li>"


def delivery(story: Story) -> str:
    """Return where the proved fix is."""
    if story.delivered is None or not story.delivered.where:
        return ""
    note = story.delivered.note
    said = f'<p class="soft">{escape(words.line(note))}</p>' if note else ""
    return section("Where the fix is", f"<p>{code(story.delivered.where)}</p>", said)


def sent(story: Story) -> str:
    """Return the files with what was sent to the platform."""
    if not story.payloads:
        return ""
    files = "".join(f"<li>{code(path)}</li>" for path in story.payloads)
    return section("What was sent", "<p>Bodies, masked, in their order:</p>", f"<ul>{files}</ul>")


def audit(story: Story) -> str:
    """Return what makes the case traceable."""
    usage = story.usage
    tokens = (
        f"{usage.tokens:,} ({usage.input_tokens:,} in, {usage.output_tokens:,} out,"
        f" {usage.cache_read_tokens:,} read from cache, {usage.cache_write_tokens:,} written to it)"
    )
    rows = (
        ("opened", f"{story.opened:%Y-%m-%d %H:%M:%S} UTC by {code(story.by)}"),
        ("last event", f"{story.ended:%Y-%m-%d %H:%M:%S} UTC"),
        ("playbook", code(story.playbook_path)),
        ("job's page", link(story.job_url)),
        ("source", code(story.source_path)),
        ("tokens", f"{tokens}, {usage.api_calls} model calls, ${usage.cost_usd:.4f}"),
        ("API calls", f"{usage.platform_calls:,} to the platform"),
        ("journal head", code(story.chain_head) if story.chain_head else ""),
    )
    files = ((name, code(path)) for name, path in story.report.items())
    return section("Audit", pairs((*rows, *files)))
