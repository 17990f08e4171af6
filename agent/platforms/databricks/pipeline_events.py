"""The events of a pipeline's update: fetched by own paging, read as progress per flow and errors.

Rules kept here: a filter goes with the first page only, later pages get their token alone; a page
that repeats a token, or one page more than the cap, ends the reading and is said; an event counts
once, whichever page it was on.

Source: https://docs.databricks.com/api/workspace/pipelines/listpipelineevents
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from agent import redaction
from agent.platforms.databricks.api import Api
from agent.records import TaskState

Event = Mapping[str, Any]

_PAGE = 250
_PAGES = 20
"""Of one reading: 5,000 events."""
_STATES: Mapping[str, TaskState] = {
    "QUEUED": "pending",
    "PLANNING": "pending",
    "STARTING": "pending",
    "RUNNING": "running",
    "IDLE": "running",
    "COMPLETED": "succeeded",
    "FAILED": "failed",
    "STOPPED": "cancelled",
    "SKIPPED": "upstream_failed",
    "EXCLUDED": "skipped",
}


class Raised(NamedTuple):
    """One exception of an error event, masked and safe to print."""

    class_name: str
    message: str
    error_class: str
    sql_state: str
    frames: tuple[str, ...]


class Flow(NamedTuple):
    """How one flow of an update is doing."""

    name: str
    """As the events call it."""
    dataset: str
    state: TaskState
    rows: int | None
    """Rows written so far; None where no event tells."""
    dropped: int
    """Rows that expectations dropped so far."""
    began: str | None
    """Time of its first sign of running, as the events have it."""
    last: str
    """Time of its last event."""
    message: str


class Log:
    """What is known of one update's events, the oldest first; `refresh` adds what is new."""

    def __init__(self, pipeline: str, update: str) -> None:
        self._path = f"/api/2.0/pipelines/{pipeline}/events"
        self._update = update
        self._known: dict[str, Event] = {}
        self.cut: str | None = None
        """What the cap left out, in words; None where nothing."""

    @property
    def events(self) -> tuple[Event, ...]:
        """All of them, the oldest first."""
        return tuple(sorted(self._known.values(), key=lambda e: str(e.get("timestamp") or "")))

    def refresh(self, api: Api) -> None:
        """Fetch the newest pages, down to what is known already."""
        query: dict[str, Any] = {"filter": f"update_id = '{self._update}'"}
        seen: set[str] = set()
        for _ in range(_PAGES):
            page = api.get(self._path, max_results=_PAGE, **query)
            if self._add(page.get("events") or ()):
                return
            token = str(page.get("next_page_token") or "")
            if not token:
                return
            if token in seen:
                self.cut = "the service repeated a page of events"
                return
            seen.add(token)
            query = {"page_token": token}
        self.cut = f"only the newest {_PAGES * _PAGE:,} events of the update were read"

    def _add(self, events: Iterable[Event]) -> bool:
        """Keep the events; return whether one was known already."""
        met = False
        for event in events:
            key = str(event.get("id") or event)
            met = met or key in self._known
            self._known[key] = event
        return met


class Logs:
    """The logs of all updates that one connection has looked at."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, Log] = {}

    def of(self, pipeline: str, update: str) -> Log:
        """Return an update's events as they are now."""
        log = self._known.setdefault(update, Log(pipeline, update))
        log.refresh(self._api)
        return log


def clean(text: Any) -> str:
    """Return text of an event with its secrets masked, safe to print."""
    return redaction.printable(redaction.mask(str(text or "")))


def flows(events: Iterable[Event]) -> tuple[Flow, ...]:
    """Return the flows in the order in which they were first heard of."""
    found: dict[str, Flow] = {}
    for event in events:
        details = _details(event, "flow_progress")
        origin = event.get("origin") or {}
        name = str(origin.get("flow_name") or origin.get("dataset_name") or "")
        if details is None or not name:
            continue
        at = str(event.get("timestamp") or "")
        before = found.get(name)
        if before is None:
            dataset = str(origin.get("dataset_name") or name)
            before = Flow(name, dataset, "pending", None, 0, None, at, "")
        state = _STATES.get(str(details.get("status") or ""), before.state)
        found[name] = before._replace(
            state=state,
            rows=_sum(before.rows, _number(details, "metrics", "num_output_rows")),
            dropped=before.dropped + (_number(details, "data_quality", "dropped_records") or 0),
            began=before.began or (at if state != "pending" else None),
            last=at,
            message=clean(event.get("message")) if event.get("message") else before.message,
        )
    return tuple(found.values())


def inputs(events: Iterable[Event]) -> dict[str, tuple[str, ...]]:
    """Return the datasets that each dataset reads, as far as the events define them."""
    found: dict[str, tuple[str, ...]] = {}
    for event in events:
        details = _details(event, "flow_definition")
        if details is not None and details.get("output_dataset"):
            listed = details.get("input_datasets") or ()
            names = (str(i.get("name") or "") if isinstance(i, dict) else str(i) for i in listed)
            found[str(details["output_dataset"])] = tuple(name for name in names if name)
    return found


def columns(events: Iterable[Event]) -> dict[str, tuple[str, ...]]:
    """Return the columns of each dataset whose schema the events tell."""
    found: dict[str, tuple[str, ...]] = {}
    for event in events:
        details = _details(event, "flow_definition") or _details(event, "dataset_definition") or {}
        name = details.get("output_dataset") or (event.get("origin") or {}).get("dataset_name")
        schema = details.get("schema")
        if name and isinstance(schema, list):
            listed = (str(c.get("name") or "") for c in schema if isinstance(c, dict))
            found[str(name)] = tuple(c for c in listed if c)
    return found


def errors(events: Iterable[Event]) -> tuple[Event, ...]:
    """Return the events that carry an error, the oldest first."""
    return tuple(e for e in events if exceptions(e) or e.get("level") == "ERROR")


def exceptions(event: Event) -> tuple[Raised, ...]:
    """Return the exceptions of an event, the outermost first."""
    error = event.get("error")
    listed = error.get("exceptions") if isinstance(error, dict) else None
    return tuple(_exception(e) for e in listed or () if isinstance(e, dict))


def _exception(one: Mapping[str, Any]) -> Raised:
    message = clean(one.get("message"))
    return Raised(
        clean(one.get("class_name")),
        message,
        clean(one.get("error_class")),
        clean(one.get("sql_state")),
        tuple(_frames(one.get("stack"))),
    )


def _frames(stack: Any) -> Iterator[str]:
    for frame in stack if isinstance(stack, list) else ():
        if isinstance(frame, dict):
            where = f"{frame.get('file_name') or 'unknown'}:{frame.get('line_number') or 0}"
            owner = f"{frame.get('declaring_class') or ''}.{frame.get('method_name') or ''}"
            yield clean(f"at {owner}({where})")


def _details(event: Event, kind: str) -> Mapping[str, Any] | None:
    details = event.get("details")
    found = details.get(kind) if isinstance(details, dict) else None
    return found if isinstance(found, dict) else None


def _number(details: Mapping[str, Any], group: str, name: str) -> int | None:
    inside = details.get(group)
    value = inside.get(name) if isinstance(inside, dict) else None
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _sum(one: int | None, two: int | None) -> int | None:
    return two if one is None else one + (two or 0)


def update_state(event: Event) -> str:
    """Return the state of the update that an event tells, empty where it tells none."""
    details = _details(event, "update_progress")
    return str(details.get("state") or "") if details is not None else ""
