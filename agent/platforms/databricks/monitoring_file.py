"""The file that declares monitors, alerts and Genie spaces: read, filled in, checked.

    monitors: [{table_name, output_schema_name, assets_dir, snapshot | time_series | inference_log,
               custom_metrics, ..., refresh: bool, recreate: bool}]
    alerts: [{display_name, query_text, evaluation, schedule, warehouse_id, parent_path, ...}]
    genie_spaces: [{title | space_id}]

Keys are those of databricks-sdk's `MonitorInfo` and `AlertV2`, besides `refresh` and `recreate`.
`{{job.parameters.NAME}}` stands for a parameter of the playbook. What is wrong is a value with its
line; nothing is sent from here.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import JsonValue

from agent import document
from agent.document import At, Problem, Unreadable
from agent.platforms.databricks import sdk
from agent.platforms.databricks.dataclass_fields import Shape, Wrong, unknown, wrong

Task = Literal["monitors", "alerts", "genie"]
KEYS: dict[str, Task] = {"monitors": "monitors", "alerts": "alerts", "genie_spaces": "genie"}
"""The file's own keys and the pseudo-task each becomes."""
OURS = ("refresh", "recreate")
"""Keys of a monitor that say what we do, and are not sent."""
PROFILES = ("snapshot", "time_series", "inference_log")
_OTHERS = ("name", "description")
_MONITOR_OUTPUT = frozenset(
    {
        "status",
        "profile_metrics_table_name",
        "drift_metrics_table_name",
        "monitor_version",
        "dashboard_id",
        "latest_monitor_failure_msg",
    }
)
_ALERT_OUTPUT = frozenset(
    {
        "id",
        "create_time",
        "update_time",
        "lifecycle_state",
        "owner_user_name",
        "effective_run_as",
        "run_as_user_name",
    }
)
_INNER = {"AlertV2Evaluation": frozenset({"state", "last_evaluated_at"})}
_PARAMETER = re.compile(r"\{\{\s*job\.parameters\.([\w.-]+)\s*\}\}")


class Item(NamedTuple):
    """One monitor, alert or Genie space, as it is wanted."""

    task: Task
    name: str
    """The table's full name, the alert's display name, the space's title or id."""
    wanted: dict[str, Any]
    """What is sent, parameters filled in."""
    line: int
    """1-based, in the file."""
    refresh: bool = False
    recreate: bool = False

    @property
    def key(self) -> str:
        """Names the item in a run: two alerts of one name may lie in two folders."""
        parent = self.wanted.get("parent_path") if self.task == "alerts" else None
        return (
            f"{self.task}/{parent.rstrip('/')}/{self.name}"
            if parent
            else f"{self.task}/{self.name}"
        )


class Declared(NamedTuple):
    """A whole file, found right."""

    file: str
    items: tuple[Item, ...]
    """Monitors, then alerts, then Genie spaces: each needs what is before it."""
    lines: dict[str, int]
    """Task: the line of its key."""

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that have items, in their order."""
        return tuple(task for task in KEYS.values() if task in self.lines)

    def of(self, task: str) -> tuple[Item, ...]:
        """Return a task's items."""
        return tuple(item for item in self.items if item.task == task)


def is_monitoring(text: str) -> bool:
    """Say whether a job file declares monitors or alerts rather than a job with tasks."""
    try:
        data = document.parse(text).data
    except Unreadable:
        return False
    return ("monitors" in data or "alerts" in data) and "tasks" not in data


def read(
    root: Path, file: str, parameters: Mapping[str, JsonValue], warehouse: str | None
) -> Declared | tuple[Problem, ...]:
    """Read the file at `file` (relative to `root`).

    `warehouse`: id or name that an alert without a `warehouse_id` gets.
    """
    try:
        found = document.read(root / file)
    except FileNotFoundError:
        return (Problem(0, f"{file} does not exist; job.file names the monitors and alerts"),)
    except OSError as error:
        return (Problem(0, f"{file} cannot be read: {error.strerror or error}"),)
    except Unreadable as error:
        return (error.problem,)
    problems = [Problem(found.line(w.at), w.message) for w in _top(found.data)]
    items: list[Item] = []
    for key, task in KEYS.items():
        listed = found.data.get(key)
        for place, given in enumerate(listed if isinstance(listed, list) else ()):
            at: At = (key, place)
            filled, wrongs = _filled(given, parameters, at)
            wrongs = wrongs or list(_wrong(task, filled, at, warehouse))
            problems += [Problem(found.line(w.at), w.message) for w in wrongs]
            if not wrongs and isinstance(filled, dict):
                items.append(_item(task, filled, found.line(at), warehouse))
    problems += _twice(items)
    lines: dict[str, int] = {
        task: found.lines[(key,)] for key, task in KEYS.items() if found.data.get(key)
    }
    return tuple(sorted(problems)) or Declared(file, tuple(items), lines)


def _top(data: Mapping[str, JsonValue]) -> Iterator[Wrong]:
    known = (*KEYS, *_OTHERS)
    for key, value in data.items():
        if key not in known:
            yield Wrong((key,), unknown(key, known))
        elif key in KEYS and not isinstance(value, list):
            yield Wrong((key,), f"{key}: expected a list, found {document.kind(value)}")
    if not any(data.get(key) for key in KEYS):
        yield Wrong((), f"nothing is declared; expected one of {', '.join(KEYS)}")


def _filled(
    value: JsonValue, parameters: Mapping[str, JsonValue], at: At
) -> tuple[JsonValue, list[Wrong]]:
    """Return the value with its parameters filled in, and those that nobody gave."""
    missing: list[Wrong] = []

    def text(match: re.Match[str], here: At) -> str:
        if match[1] not in parameters:
            there = ", ".join(sorted(parameters)) or "none"
            said = f"job.parameters.{match[1]} is not given by the playbook; there is {there}"
            missing.append(Wrong(here, said))
            return ""
        given = parameters[match[1]]
        return given if isinstance(given, str) else json.dumps(given)

    def fill(inner: JsonValue, here: At) -> JsonValue:
        if isinstance(inner, str):
            return _PARAMETER.sub(lambda m: text(m, here), inner)
        if isinstance(inner, list):
            return [fill(item, (*here, n)) for n, item in enumerate(inner)]
        if isinstance(inner, dict):
            return {name: fill(item, (*here, name)) for name, item in inner.items()}
        return inner

    return fill(value, at), missing


@cache
def _shapes() -> dict[Task, Shape]:
    sdk.prepare()
    from databricks.sdk.service.catalog import MonitorInfo
    from databricks.sdk.service.dashboards import GenieSpace
    from databricks.sdk.service.sql import AlertV2

    spaces = frozenset(f for f in GenieSpace.__annotations__ if f not in ("title", "space_id"))
    return {
        "monitors": Shape(
            MonitorInfo,
            _MONITOR_OUTPUT,
            {
                "warehouse_id": str,
                "skip_builtin_dashboard": bool,
                "refresh": bool,
                "recreate": bool,
            },
            frozenset({"table_name", "output_schema_name", "assets_dir"}),
        ),
        "alerts": Shape(
            AlertV2,
            _ALERT_OUTPUT,
            {},
            frozenset({"display_name", "query_text", "evaluation", "schedule"}),
        ),
        "genie": Shape(GenieSpace, spaces, {}, frozenset()),
    }


def _wrong(task: Task, given: JsonValue, at: At, warehouse: str | None) -> Iterator[Wrong]:
    yield from wrong(given, _shapes()[task], at, _INNER)
    if not isinstance(given, dict):
        return
    if task == "monitors":
        profiles = [p for p in PROFILES if p in given]
        if len(profiles) != 1:
            had = " and ".join(profiles) or "none"
            yield Wrong(at, f"a monitor has exactly one of {', '.join(PROFILES)}; found {had}")
        if str(given.get("table_name", "")).count(".") != 2:
            name = given.get("table_name")
            yield Wrong((*at, "table_name"), f"expected catalog.schema.table, found {name!r}")
    elif task == "alerts" and not given.get("warehouse_id") and warehouse is None:
        said = "warehouse_id is missing; give it here or set databricks.warehouse in the playbook"
        yield Wrong(at, said)
    elif task == "genie" and not (given.get("title") or given.get("space_id")):
        yield Wrong(at, "a Genie space is named by its title or its space_id")


def _item(task: Task, filled: dict[str, Any], line: int, warehouse: str | None) -> Item:
    wanted = {k: v for k, v in filled.items() if task != "monitors" or k not in OURS}
    if task == "monitors":
        refresh, recreate = (filled.get(k) is True for k in OURS)
        return Item(task, str(filled["table_name"]), wanted, line, refresh, recreate)
    if task == "genie":
        return Item(task, str(filled.get("title") or filled["space_id"]), wanted, line)
    wanted.setdefault("warehouse_id", warehouse)
    return Item(task, str(filled["display_name"]), wanted, line)


def _twice(items: list[Item]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for item in items:
        if item.key in first:
            said = f"{item.name} is declared twice (first in line {first[item.key]})"
            yield Problem(item.line, said)
        first.setdefault(item.key, item.line)
