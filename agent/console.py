"""Show a case on a terminal or in a log: one line per change, on stderr; ask where somebody sits.

On a terminal the lines are short, the running one is live and verdicts are coloured; elsewhere each
line begins with the UTC time and the case. Colour never carries meaning alone; NO_COLOR turns it
off. Text of a job reaches the screen only masked and with its control characters made visible.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

from agent.events import (
    Adopted,
    AnyEvent,
    Approved,
    Cancelled,
    Checked,
    Delivered,
    Deployed,
    Diagnosed,
    Escalated,
    Expired,
    Failed,
    Finished,
    Proposed,
    Rejected,
    Restored,
    Settled,
    Started,
)
from agent.machine import Case
from agent.records import Check, Diagnosis, Run, RunStatus, TaskStatus, duration
from agent.redaction import printable
from agent.world import World

if TYPE_CHECKING:
    import rich.console

_STYLES = {"bad": "red", "good": "green", "dim": "dim", "bold": "bold", "ask": "yellow"}
_TASK_WORDS = {
    "succeeded": "ok",
    "failed": "FAILED",
    "timed_out": "TIMED OUT",
    "cancelled": "cancelled",
    "skipped": "skipped",
    "upstream_failed": "skipped (upstream failed)",
}
_MANY = 10
"""A run of more tasks is told as one summary and its failed tasks."""


class Console:
    """The `world.Audience` of the command line."""

    def __init__(self, stream: IO[str], stdin: IO[str], *, quiet: bool = False) -> None:
        """Write to `stream`; ask on `stdin` only where both are terminals."""
        self._stream = stream
        self._stdin = stdin
        self._terminal = stream.isatty()
        self._quiet = quiet
        self._rich: rich.console.Console | None = None
        self._live = ""
        """The line that is live now; it stands without an end on the terminal."""
        if self._terminal:
            from rich.console import Console as Rich

            self._rich = Rich(file=stream, highlight=False, markup=False, emoji=False)
        self._shown: dict[tuple[str, str], str] = {}
        self._paged = ""

    @property
    def interactive(self) -> bool:
        """Whether somebody can be asked."""
        return self._terminal and self._stdin.isatty()

    def style(self, text: str, name: str) -> str:
        """Return the text in a colour, or as it is where colour is off."""
        if self._rich is None or self._rich.no_color:
            return text
        from rich.style import Style

        return Style.parse(_STYLES[name]).render(text)

    def line(self, text: str = "") -> None:
        """Write one line, below whatever is live."""
        if self._quiet:
            return
        self._clear()
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def _clear(self) -> None:
        if self._live:
            self._stream.write("\r\x1b[2K")
            self._live = ""

    def _say(self, case: Case, at: datetime, what: str, text: str, *, first: bool = False) -> None:
        """Write one line of the story: iteration, state, what happened."""
        if self._terminal:
            number = str(case.iterations + 1) if first else " "
            self.line(f"{number}  {what:<9} {text}")
        else:
            self.line(f"{at:%Y-%m-%dT%H:%M:%SZ} {case.id} {what:<9} {text}")

    def began(self, case: Case) -> None:
        """Head the story of a case."""
        book = case.loaded.playbook
        words = f"{book.name} on {book.where} · case {case.id} · mode {book.approve.mode}"
        self.line(self.style(words, "bold"))
        if self._terminal:
            self.line()

    def recorded(self, before: Case, event: AnyEvent, after: Case) -> None:  # noqa: C901  one arm per event
        """Tell what an event means to a person."""
        match event:
            case Deployed():
                self._deployed(before, event)
            case Adopted():
                self._say(
                    after, event.at, "run", printable(f"taken over {event.run.run}"), first=True
                )
                self._page(event.run)
            case Started():
                self._shown.clear()
                if event.run.note:
                    self._say(after, event.at, "run", printable(event.run.note))
                self._page(event.run)
            case Finished():
                self._tasks(after, event.status, event.at)
            case Failed():
                self._failed(after, event)
            case Diagnosed():
                for diagnosis in event.diagnoses:
                    self._diagnosed(after, event.at, diagnosis)
            case Proposed():
                self._proposed(after, event)
            case Approved() | Rejected() | Expired():
                word = event.decision.outcome
                why = f": {event.decision.reason}" if event.decision.reason else ""
                text = printable(f"{word} by {event.decision.by}{why}")
                self._say(after, event.at, "approve", text)
            case Checked():
                self._checked(after, event.at, event.checks)
            case Restored():
                self._say(after, event.at, "restore", printable(event.what))
            case Delivered() | Escalated() | Settled() | Cancelled():
                self._clear()

    def _page(self, run: Run) -> None:
        """Show where a run can be watched, where that is a page; a repair has the run's own."""
        if run.url is None or not run.url.startswith("http") or run.url == self._paged:
            return
        self._paged = run.url
        self._detail("page", run.url, whole=True)

    def _deployed(self, before: Case, event: Deployed) -> None:
        again = before.state == "redeploy"
        text = "; ".join(event.deployment.notes) or event.deployment.name
        if again and before.rerun:
            text = f"rerunning {', '.join(before.rerun)}"
        elif again:
            text = "running the whole job"
        word = "redeploy" if again else "create"
        self._say(before, event.at, word, printable(text), first=not again)

    def _failed(self, case: Case, event: Failed) -> None:
        if event.status is not None and not event.checks:
            self._tasks(case, event.status, event.at)
        for check in event.checks:
            if check.outcome == "failed":
                text = self.style(f"FAILED {printable(check.name)}: {printable(check.saw)}", "bad")
                self._say(case, event.at, "verify", text)
        if event.status is None:
            for failure in event.failures:
                text = self.style(f"FAILED {printable(failure.message)}", "bad")
                self._say(case, event.at, failure.phase, text)

    def _tasks(self, case: Case, status: RunStatus, at: datetime) -> None:
        self._clear()
        if self._terminal:
            ran = [t for t in status.tasks if not case.rerun or t.task in case.rerun]
            words = "   ".join(self._task(t) for t in ran)
            if len(ran) > _MANY:
                words = status.summary()
            self._say(case, at, "run", printable(words), first=case.iterations > 0)
            if len(ran) > _MANY:
                for task in (t for t in ran if t.state in ("failed", "timed_out")):
                    self._say(case, at, "", f"{self._task(task)}  {task.url or ''}".rstrip())
            return
        many = len(status.tasks) > _MANY
        if many:
            self._say(case, at, "run", printable(status.summary()))
        for task in status.tasks:
            if not many or task.state in ("failed", "timed_out"):
                self._task_once(case, task, at)

    def _task(self, task: TaskStatus) -> str:
        word = _TASK_WORDS.get(task.state, task.state)
        bad = task.state in ("failed", "timed_out")
        return f"{task.task} {self.style(word, 'bad') if bad else word} {task.took}".rstrip()

    def _task_once(self, case: Case, task: TaskStatus, at: datetime) -> None:
        text = self._task(task)
        if case.rerun and task.task not in case.rerun:
            return  # kept from the run that this one repairs
        if task.state == "pending" or self._shown.get((case.id, task.task)) == task.state:
            return
        if task.state == "running":
            text = f"{task.task} running"
        self._shown[case.id, task.task] = task.state
        self._say(case, at, "run", text)

    def _diagnosed(self, case: Case, at: datetime, diagnosis: Diagnosis) -> None:
        if diagnosis.verdict == "diagnosed":
            text = f"{diagnosis.cause or diagnosis.title}  {diagnosis.confidence:.2f}"
        else:
            text = "not determined"
        self._say(case, at, "diagnose", printable(text))
        lines = diagnosis.evidence if diagnosis.verdict == "diagnosed" else diagnosis.worth_reading
        where = diagnosis.location
        if where is not None:
            self._detail(where.place, where.code or "")
        for line in lines[:3]:
            self._detail(f"{line.source}:{line.number}" if line.number else line.source, line.text)

    def _detail(self, left: str, right: str, *, whole: bool = False) -> None:
        if self._terminal:
            shown = right if whole else right[:160]
            self.line(printable(f"             {left:<22}  {shown}").rstrip())
        else:
            shown = right if whole else right[:300]
            self.line(printable(f"    {left}  {shown}").rstrip())

    def _proposed(self, case: Case, event: Proposed) -> None:
        patch = event.patch
        if patch.edits:
            files = " ".join(sorted({e.path for e in patch.edits}))
            plus, minus = _counts(event.diff)
            text = f"{patch.author}  {files} +{plus} -{minus}  {patch.risk.name.lower()}"
        else:
            text = f"{patch.author}  {' '.join(patch.rerun) or 'the whole job'}"
        self._say(case, event.at, "fix", f"{printable(text)}  patch {patch.id}")

    def _checked(self, case: Case, at: datetime, checks: Sequence[Check]) -> None:
        held = sum(c.outcome == "held" for c in checks)
        unknown = len(checks) - held
        text = f"{held} {'check holds' if held == 1 else 'checks hold'}"
        if unknown:
            text += f", {unknown} unknown"
        self._say(case, at, "verify", text)
        for check in checks:
            flag = f"  ({check.flag})" if check.flag else ""
            word = "" if check.outcome == "held" else "UNKNOWN "
            self._detail(f"{word}{check.name}", f"{check.saw}{flag}")

    def progress(self, case: Case, status: RunStatus) -> None:
        """Show how the run is doing: live on a terminal, one line per change elsewhere."""
        if self._quiet:
            return
        for note in status.notes:
            if self._shown.get((case.id, f"note {note}")) is None:
                self._shown[case.id, f"note {note}"] = note
                self.noted(case, note)
        if not self._terminal:
            for task in status.tasks:
                if task.state in ("running", "succeeded", "failed", "timed_out"):
                    self._task_once(case, task, datetime.now(UTC))
            return
        words = "   ".join(
            f"{t.task} {t.step or duration(t.seconds or 0)}"
            for t in status.tasks
            if t.state == "running"
        )
        self._show_live(printable(f"   run       {words}"))

    def _show_live(self, text: str) -> None:
        """Put a line in the place of the live one; the cursor stays visible, whatever comes."""
        if self._rich is None or self._rich.is_dumb_terminal or text == self._live:
            return
        from rich.cells import set_cell_size

        self._live = text
        self._stream.write(f"\r\x1b[2K{set_cell_size(text, self._rich.width - 1).rstrip()}")
        self._stream.flush()

    def waiting(self, case: Case, why: str) -> None:
        """Tell why nothing happens; once for each reason."""
        if self._shown.get((case.id, "wait")) != why:
            self._shown[case.id, "wait"] = why
            self._say(case, datetime.now(UTC), "wait", printable(why))

    def noted(self, case: Case, text: str) -> None:
        """Write it once."""
        self._say(case, datetime.now(UTC), "note", printable(text))

    def decide(self, case: Case, world: World) -> AnyEvent | None:
        """Ask the person at the terminal; None where nobody sits there, or they decide later."""
        if not self.interactive or case.proposal is None:
            return None
        from agent.prompt import Prompt

        return Prompt(self.line, self.style, self._stdin).ask(case, world)


def _counts(diff: str) -> tuple[int, int]:
    lines = diff.splitlines()
    plus = sum(line.startswith("+") and not line.startswith("+++") for line in lines)
    minus = sum(line.startswith("-") and not line.startswith("---") for line in lines)
    return plus, minus


def on_terminal(*, quiet: bool = False) -> Console:
    """Return the console of this process: stderr and stdin."""
    return Console(sys.stderr, sys.stdin, quiet=quiet)
