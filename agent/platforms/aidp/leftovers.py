"""What one task run left behind, from all places that keep some of it, in the order to believe it.

Rules kept here: what it printed, its state and `errorTrace`, then the cell that raised; where none
of these tells a cause, the cluster's logs, of a few tasks of one run; an output that the service
fails to give is asked for again some times, then it is missing.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from agent.platforms.aidp import messages, notebooks, outputs, states
from agent.platforms.aidp.api import Api, ServerError
from agent.platforms.aidp.computing import Computing
from agent.platforms.aidp.logs import Logs, Place, trace_in
from agent.platforms.aidp.nesting import Nested
from agent.platforms.aidp.notebooks import Cell, Raised
from agent.platforms.aidp.outputs import Output
from agent.platforms.aidp.session import Session
from agent.remote import texts
from agent.remote.evidence import Section

_LOGS = 3
"""Tasks of one run whose clusters' logs are looked into."""
_TRIES = 3
"""So often an output is asked for that the service answers with an error of its own."""

Document = dict[str, Any]


class Left(NamedTuple):
    """What one task run left behind."""

    output: Output
    state: str
    """The words of its state."""
    trace: str
    """Its `errorTrace`."""
    cell: Cell | None
    """The notebook's cell that raised."""
    raised: Raised | None
    """The exception, as its output, its trace or a log has it."""
    logged: tuple[Section, ...] = ()
    """What the cluster's logs say, where nothing else told a cause."""
    missing: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """What the service itself says."""
        return f"{self.state}\n{self.trace}"

    @property
    def traceback(self) -> str:
        """What a line of the user's code is looked for in."""
        return self.raised.trace if self.raised is not None else self.trace


class Leftovers:
    """What the tasks of one run left."""

    def __init__(self, session: Session, computing: Computing) -> None:
        self._api: Api = session.api
        self._logs = Logs(session)
        self._computing = computing
        self._followed: set[str] = set()
        self._tries: Counter[str] = Counter()

    def afresh(self) -> None:
        """Begin with another look at a run."""
        self._followed.clear()

    def of(self, one: Nested, task: Document, task_run: Document) -> Left:
        """Return what a task left behind; in the cluster's logs too where nothing else tells."""
        output = self._output({**task_run, "task": task})
        trace = messages.quiet(_joined(states.trace(task_run), output.error_trace))
        cell = output.notebook.failed if output.notebook is not None else None
        raised = cell.raised if cell is not None else None
        raised = raised or notebooks.raised_in(trace) or notebooks.raised_in(output.printed)
        state = messages.telling(states.message(task_run))
        missing = tuple(f"{one.key} output: {why}" for why in output.missing)
        left = Left(output, state, trace, cell, raised, missing=missing)
        failed = states.status(task_run) in ("FAILED", "INTERNAL_ERROR")
        if raised is not None or not failed or not messages.silent(left.said):
            return left
        return self._followed_up(one, task, task_run, left)

    def _output(self, task_run: Document) -> Output:
        key = str(task_run.get("key") or "")
        if not key:
            return Output()
        try:
            return outputs.fetch(self._api, task_run)
        except ServerError as error:
            self._tries[key] += 1
            if self._tries[key] < _TRIES:
                raise
            return Output(missing=(f"it cannot be fetched: {texts.sentence(str(error))}",))

    def _followed_up(self, one: Nested, task: Document, task_run: Document, left: Left) -> Left:
        """Return what is left with what the cluster's logs say."""
        began = states.began(task_run) or states.moment(task_run.get("clusterValidationStartTime"))
        cluster = self._computing.cluster(task, task_run, one.run)
        if began is None or cluster is None or len(self._followed) >= _LOGS:
            return left
        key, run = str(task_run["key"]), str(one.run.get("key") or "")
        self._followed.add(key)
        ended = states.finished(task_run) or states.finished(one.run) or began
        told = self._logs.around(Place(one.key, key, run, cluster, began, ended))
        return left._replace(
            logged=told.sections,
            missing=(*left.missing, *told.missing),
            raised=trace_in(told.sections),
        )


def sections(key: str, left: Left) -> Iterator[Section]:
    """Yield the evidence in reading order, the one to believe last. `key`: the task's name."""
    cells = left.output.notebook.cells if left.output.notebook is not None else ()
    failed = left.cell
    rest = (p for c in cells if c is not failed for p in (c.stdout, c.shown, c.stderr) if p)
    yield from _section(f"{key} notebook", "\n".join(rest))
    yield from _section(f"{key} stdout", left.output.printed)
    if failed is not None:
        shown = "\n".join(filter(None, (failed.stdout, failed.shown)))
        yield from _section(f"{key} cell {failed.number + 1}", shown)
    yield from _section(f"{key} state", left.state)
    yield from _section(f"{key} errorTrace", left.trace)
    if failed is not None:
        yield from _section(f"{key} stderr", failed.stderr)
        apart = _apart(failed.raised, f"{failed.stderr}\n{failed.shown}")
        yield from _section(f"{key} cell {failed.number + 1}", apart)
    yield from left.logged


def _section(source: str, text: str) -> Iterator[Section]:
    lines, cut = texts.lines(text.strip("\n"))
    if cut:
        lines.insert(0, f"[{cut}]")
    if lines:
        yield Section(source, lines)


def _joined(*given: str) -> str:
    """Return texts one after the other, none that another one holds."""
    found = ""
    for text in (texts.plain(one).strip("\n") for one in given):
        if text and text not in found:
            found = text if found in text else f"{found}\n{text}"
    return found


def _apart(raised: Raised | None, before: str) -> str:
    """Return a traceback that the cell's own words do not hold, ending with its exception."""
    if raised is None or (raised.trace and raised.trace in before):
        return ""
    if raised.words.split("\n")[0] in raised.trace:
        return raised.trace
    return f"{raised.trace}\n{raised.words}".strip("\n")
