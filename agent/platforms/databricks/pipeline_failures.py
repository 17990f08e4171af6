"""What went wrong in a pipeline's update, from its events: a failure per flow that failed itself.

The deepest exception is the cause: what is around it only says that a query ended. Where no event
holds an error, the cluster's events are read.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from agent.platforms.databricks import clusters, outputs, pipeline_events
from agent.platforms.databricks.api import Api
from agent.platforms.databricks.layout import Layout
from agent.platforms.databricks.pipeline_events import Event, Raised
from agent.platforms.databricks.pipeline_sources import Dataset, short
from agent.platforms.databricks.pipeline_updates import Document, identity
from agent.records import Dataset as Known
from agent.records import Facts, Failure, Line, Location

_LINES = 400
_BYTES = 64 * 1024
_FRAMES = 40
_WRAPPERS = ("STREAM_FAILED", "UPDATE_FAILED", "FLOW_FAILED")
"""Error classes that only say that something inside failed."""
_PLACE = re.compile(
    r"File \"(?P<file>[^\"\n]+)\", line (?P<line>\d+)"
    r"|(?P<path>[\w./@ -]*[\w-]+\.(?:py|sql|ipynb)):(?P<at>\d+)"
    r"|(?P<notebook>/(?:Workspace/)?(?:Users|Repos|Shared)/[\w./@ -]+):(?P<row>\d+)"
)

_QUOTED = re.compile(r"`(?:[^`]+`\.`)*([^`]+)`")


class Scene(NamedTuple):
    """What is known around an update."""

    pipeline: str
    update: Document
    events: Sequence[Event]
    sources: Sequence[Dataset]
    layout: Layout | None
    """None where it is not known where the source lies."""
    facts: Facts
    url: str
    cut: str | None = None
    phase: str = "run"
    doubtful: frozenset[str] = frozenset()
    """Last parts of names that several flows share."""

    @property
    def run(self) -> str:
        """The run's id."""
        return f"{self.pipeline}/{identity(self.update)}"

    def task(self, flow: str) -> str:
        """Return the key under which a flow is shown, at most 100 characters."""
        plain = flow.replace("`", "")
        return (plain if short(flow) in self.doubtful else short(flow))[-100:]


def of(api: Api, scene: Scene) -> tuple[Failure, ...]:
    """Return the failures of an update that ended otherwise than well; never empty."""
    found: dict[str, list[Event]] = {}
    for event in pipeline_events.errors(scene.events):
        flow = str((event.get("origin") or {}).get("flow_name") or "")
        if flow and pipeline_events.exceptions(event):
            found.setdefault(flow, []).append(event)
    if found:
        return tuple(_flow(scene, flow, events) for flow, events in found.items())
    whole = [e for e in pipeline_events.errors(scene.events) if not _outcome(e)]
    whole = whole or list(pipeline_events.errors(scene.events))
    if whole and any(map(pipeline_events.exceptions, whole)):
        return (_failure(scene, None, whole),)
    return (_compute(api, scene, whole),)


def observed(scene: Scene, task: str) -> Failure:
    """Return what a flow left behind, however it ended."""
    own = [e for e in scene.events if scene.task(_flow_of(e)) == task]
    lines = [pipeline_events.clean(e.get("message")) for e in own]
    failure = _failure(scene, task, [])
    return failure.model_copy(
        update={
            "phase": "verify",
            "code": "VERIFY_FAILED",
            "message": lines[-1] if lines else f"{task} left no events",
            "log": _bounded(lines),
            "started": True,
        }
    )


def code(scene: Scene, task: str | None) -> str:
    """Return the declaration of the task's dataset, empty where it is not known."""
    return next((d.body for d in scene.sources if task and short(d.name) == short(task)), "")


def _flow_of(event: Event) -> str:
    return str((event.get("origin") or {}).get("flow_name") or "")


def _outcome(event: Event) -> bool:
    """Return whether an event only says how the update ended."""
    return event.get("event_type") == "update_progress" and not pipeline_events.exceptions(event)


def _flow(scene: Scene, flow: str, events: Sequence[Event]) -> Failure:
    # An attempt that was made again says the same again: only the last one counts.
    return _failure(scene, scene.task(flow), events[-1:])


def _failure(scene: Scene, task: str | None, events: Sequence[Event]) -> Failure:
    raised = [r for event in events for r in pipeline_events.exceptions(event)]
    cause = _cause(raised)
    lines = [line for event in events for line in _lines(event)]
    said = lines[0] if lines else f"update {identity(scene.update)} ended without a word"
    place = _location(scene, task, lines)
    file = place.path if place else None
    return Failure.model_validate(
        {
            "phase": scene.phase,
            "code": str(scene.update.get("state") or "FAILED"),
            "message": " ".join((_said(cause) if cause else said).split())[:2000],
            "task": task,
            "run": scene.run,
            "task_run": f"{scene.run}/{task}" if task else None,
            "url": scene.url,
            "log": _bounded(lines),
            "log_cut": (scene.cut,) if scene.cut else (),
            "location": place,
            "facts": scene.facts.model_copy(
                update={"task_file": file or scene.facts.task_file, "task_type": "pipeline_task"}
            ),
            "started": scene.phase == "run",
        }
    )


def _compute(api: Api, scene: Scene, events: Sequence[Event]) -> Failure:
    """Return the failure of an update that no event explains, with what its cluster says."""
    failure = _failure(scene, None, events)
    if scene.update.get("state") == "CANCELED":
        return failure.model_copy(update={"message": "the update was cancelled"})
    cluster = str(scene.update.get("cluster_id") or "")
    cluster = cluster or next(
        (str(c) for e in scene.events if (c := (e.get("origin") or {}).get("cluster_id"))), ""
    )
    told = clusters.ended(api, cluster, {}) if cluster else clusters.Told()
    lines = [line for _, text in told.texts for line in outputs.lines(text)[0]]
    progress = [pipeline_events.clean(e.get("message")) for e in scene.events if e.get("message")]
    word = scene.update.get("state") or "FAILED"
    message = f"the update is {word} and no event says why"
    if events:
        message = failure.message
    elif lines:
        message = f"{message}; its cluster: {lines[-1]}"
    cut = (*failure.log_cut, *told.missing)
    log = _bounded([*progress[-20:], *lines])
    changed = {"message": message[:2000], "log": log or failure.log, "log_cut": cut}
    return failure.model_copy(update=changed)


def _cause(raised: Sequence[Raised]) -> Raised | None:
    """Return the deepest exception that says something."""
    named = [r for r in raised if r.error_class and not r.error_class.startswith(_WRAPPERS)]
    told = [r for r in raised if re.match(r"\s*\[[A-Z][A-Z_.]+\]", r.message)]
    told = [r for r in told if not r.message.lstrip(" [").startswith(_WRAPPERS)]
    speaking = [r for r in raised if r.message.strip()]
    return next((r[-1] for r in (named, told, speaking) if r), raised[-1] if raised else None)


def _said(cause: Raised) -> str:
    first = next((line for line in cause.message.splitlines() if line.strip()), "")
    if first.lstrip().startswith("[") or not cause.error_class:
        return first or cause.class_name
    return f"[{cause.error_class}] {first}"


def _lines(event: Event) -> list[str]:
    """Return an error event as lines: its message, then each exception, the deepest last."""
    found = pipeline_events.clean(event.get("message")).splitlines()
    for one in pipeline_events.exceptions(event):
        head = f"{one.class_name}: " if one.class_name else ""
        if one.error_class and f"[{one.error_class}]" not in one.message:
            head += f"[{one.error_class}] "
        said = outputs.clean(one.message).splitlines() or [""]
        state = f" SQLSTATE: {one.sql_state}" if one.sql_state else ""
        if state and state.strip() not in one.message:
            said[-1] += state
        found += [head + said[0], *said[1:]]
        found += [f"    {frame}" for frame in one.frames[:_FRAMES]]
    return found


def _bounded(lines: Sequence[str]) -> tuple[Line, ...]:
    kept: list[Line] = []
    room = _BYTES
    for number, text in reversed(list(enumerate(lines, 1))):
        room -= len(text.encode()) + 1
        if room < 0 or len(kept) >= _LINES:
            break
        kept.append(Line(source="events", number=number, text=text))
    return tuple(reversed(kept))


def _location(scene: Scene, task: str | None, lines: Sequence[str]) -> Location | None:
    """Return the user's line that the error names, else where the dataset is declared."""
    for text in reversed(lines):
        for match in reversed(list(_PLACE.finditer(text))):
            named = match["file"] or match["path"] or match["notebook"] or ""
            number = int(match["line"] or match["at"] or match["row"])
            path = _own(scene, named.strip())
            if path is not None:
                plain = not path.endswith(".ipynb")
                return Location(path=path, line=number if plain and number > 0 else None)
    declared = next((d for d in scene.sources if task and short(d.name) == short(task)), None)
    declared = declared or _naming(scene, lines)
    if declared is None:
        return None
    notebook = declared.path.endswith(".ipynb")
    return Location(path=declared.path, line=None if notebook else declared.line)


def _naming(scene: Scene, lines: Sequence[str]) -> Dataset | None:
    """Return the one dataset whose declaration holds the first name that the error quotes."""
    quoted = next((m[1] for text in lines if (m := _QUOTED.search(text))), None)
    if quoted is None:
        return None
    word = re.compile(rf"(?<!\w){re.escape(quoted)}(?!\w)")
    found = [d for d in scene.sources if word.search(d.body)]
    return found[0] if len(found) == 1 else None


def _own(scene: Scene, named: str) -> str | None:
    """Return the tree's file of that remote or relative path; None where it is none of ours."""
    if scene.layout is not None and (found := scene.layout.local(named)) is not None:
        return found
    files = scene.facts.files
    ends = [f for f in files if named == f or named.endswith(f"/{f}")]
    ends = ends or [f for f in files if f.endswith(f"/{named.lstrip('./')}")]
    return ends[0] if len(ends) == 1 else None


def datasets(scene: Scene) -> tuple[Known, ...]:
    """Return the tables whose columns the events tell, and those that the source declares."""
    known = pipeline_events.columns(scene.events)
    names = {short(name) for name in known}
    told = tuple(Known(name=n, kind="table", columns=c) for n, c in known.items())
    more = (d.name for d in scene.sources if short(d.name) not in names)
    return (*told, *(Known(name=name, kind="table") for name in dict.fromkeys(more)))
