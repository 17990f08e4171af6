"""Dynamic values: `{{job.parameters.day}}` and the like, found, checked and filled in.

The words are Databricks'. Only the standard library is used: the supervisor resolves them too.
Source: https://docs.databricks.com/aws/en/jobs/dynamic-value-references
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping

_REFERENCE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_TASK_VALUE = re.compile(r"tasks\.([^.]+)\.values\.(.+)")

NAMES = (
    "job.id",
    "job.run_id",
    "job.name",
    "job.start_time.iso_date",
    "job.start_time.iso_datetime",
    "task.name",
)
"""The references that need no further word."""


def references(text: str) -> Iterator[str]:
    """Yield what stands between the braces of each reference."""
    for found in _REFERENCE.finditer(text):
        yield found[1]


def task_value(reference: str) -> tuple[str, str] | None:
    """Return (task, key) of `tasks.x.values.y`, None for any other reference."""
    found = _TASK_VALUE.fullmatch(reference)
    return (found[1], found[2]) if found else None


def parameter(reference: str) -> str | None:
    """Return the name in `job.parameters.x` or `job.parameters.[x]`, None for any other."""
    prefix = "job.parameters."
    if not reference.startswith(prefix):
        return None
    return reference.removeprefix(prefix).removeprefix("[").removesuffix("]")


def fill(text: str, known: Mapping[str, str], lookup: Callable[[str, str], object]) -> str:
    """Return `text` with every reference replaced.

    `known` has the words of `NAMES` and `job.parameters.x`; `lookup(task, key)` gives task values
    and raises `KeyError` where a task set none. Raises `KeyError` with the reference's text.
    """

    def replace(found: re.Match[str]) -> str:
        word = found[1]
        if (value := task_value(word)) is not None:
            return as_text(lookup(*value))
        name = parameter(word)
        return known[f"job.parameters.{name}" if name is not None else word]

    return _REFERENCE.sub(replace, text)


def as_text(value: object) -> str:
    """Return a value as a task sees it: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)
