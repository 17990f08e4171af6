"""What a notebook printed: it is only in `runs/export`, inside the page that it gives.

The page holds the notebook's model as base64 of percent-encoded JSON. The format is nobody's
promise: what cannot be read is said, and nothing else depends on it.

Source: https://docs.databricks.com/api/workspace/jobs/exportrun
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote

from agent.platforms.databricks import outputs
from agent.platforms.databricks.api import Api, ApiRefused, Forbidden

_MODEL = re.compile(r"__DATABRICKS_NOTEBOOK_MODEL\s*=\s*['\"]([^'\"]+)['\"]")
_STEP = re.compile(r"\[Step \d+/\d+\][^\n]*")
_LARGEST = 10 * 1024 * 1024


class Printed(NamedTuple):
    """What a notebook's run shows."""

    lines: tuple[str, ...] = ()
    """Clean and masked, in the order of its cells."""
    failed_cell: int | None = None
    """0-based index of the cell that raised."""
    missing: str | None = None
    """Why it is not known; None where it is."""
    cut: str | None = None


def fetch(api: Api, task_run: int | str) -> Printed:
    """Return what a notebook task printed so far, or why that is not known."""
    try:
        given = api.get("/api/2.2/jobs/runs/export", run_id=task_run, views_to_export="CODE")
    except (ApiRefused, Forbidden) as error:
        return Printed(missing=outputs.sentence(str(error)))
    views = [view for view in given.get("views") or () if isinstance(view, dict)]
    pages = [str(view.get("content") or "") for view in views if view.get("type") == "NOTEBOOK"]
    return read(pages[0]) if pages else Printed(missing="the export holds no notebook")


def read(page: str) -> Printed:
    """Return what an exported page shows."""
    if len(page) > _LARGEST:
        return Printed(missing=f"the export has {len(page):,} characters, more than is read")
    found = _MODEL.search(page)
    if found is None:
        return Printed(missing="the export holds no notebook model")
    try:
        text = unquote(base64.b64decode(unquote(found[1]), validate=True).decode())
        model = json.loads(text)
    except (binascii.Error, ValueError, RecursionError):
        return Printed(missing="the export's notebook model cannot be read")
    commands = model.get("commands") if isinstance(model, dict) else None
    if not isinstance(commands, list):
        return Printed(missing="the export's notebook model has no commands")
    cells = sorted((c for c in commands if isinstance(c, dict)), key=_position)
    shown = "\n".join(text.rstrip("\n") for cell in cells for text in _texts(cell.get("results")))
    lines, cut = outputs.lines(shown)
    failed = next((i for i, cell in enumerate(cells) if _raised(cell)), None)
    return Printed(tuple(lines), failed, cut=cut)


def step(lines: tuple[str, ...]) -> str | None:
    """Return the last `[Step N/M] ...`, None where nothing of the kind was printed."""
    for line in reversed(lines):
        if found := _STEP.search(line):
            return found[0].strip()
    return None


def _position(cell: dict[str, Any]) -> float:
    place = cell.get("position")
    return float(place) if isinstance(place, int | float) else 0.0


def _raised(cell: dict[str, Any]) -> bool:
    results = cell.get("results")
    kind = results.get("type") if isinstance(results, dict) else None
    return cell.get("state") == "error" or bool(cell.get("errorSummary")) or kind == "error"


def _texts(results: Any) -> Iterator[str]:
    """Yield what a cell shows as text; tables and pictures are no text."""
    if isinstance(results, list):
        for inner in results:
            yield from _texts(inner)
        return
    if not isinstance(results, dict):
        return
    data, kind = results.get("data"), results.get("type")
    if isinstance(data, list) and kind != "table":
        yield from _texts(data)
    elif isinstance(data, dict):
        if isinstance(data.get("text/plain"), str):
            yield data["text/plain"]
    elif isinstance(data, str) and kind in ("ansi", "text", "html", "htmlSandbox", None):
        yield data
