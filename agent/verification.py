"""Judge an ended run: what its tasks said, what the playbook expects, how it was before.

Pure. Three outcomes and no fourth: a check held, failed, or is unknown because the platform did not
deliver what it needs. A task that ends green but reports failed items is not a success.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import JsonValue

from agent.errors import PlaybookError
from agent.playbook import Expectation
from agent.records import Check, Line, RunStatus, TaskStatus

_FAILED_WORDS = {"failed", "failure", "error", "errored", "fatal", "aborted", "exception"}
_PARTIAL_WORDS = {"partial", "partial_success", "partially_failed", "success_with_failures"}
_TOTAL = ("total", "total_items", "items_total", "count")
_GOOD = ("successful", "succeeded", "success", "success_count", "successes", "passed", "ok")
_BAD = ("failed", "failed_count", "failures", "failure_count", "num_failed", "errors_count")
_NAME = ("item", "name", "id", "key", "table", "file")
_MESSAGE = ("error", "message", "reason", "exception")
_CHANGE = 0.3
"""Rows may differ from the last good run by this share before it is flagged."""


class Items(NamedTuple):
    """What a structured exit value says about the items of a task."""

    failed: dict[str, str]
    """Failed item: its error text, empty where none was given."""
    bad: int
    total: int | None
    said_failed: bool
    """Whether `status` is a word for failure, or `errors` says so without naming items."""

    @property
    def share_good(self) -> float | None:
        """successful / total, None where the total is not known."""
        if not self.total:
            return None
        return max(0.0, (self.total - self.bad) / self.total)


def items(value: JsonValue) -> Items | None:
    """Read a structured exit value; None where it says nothing about success.

    The documented shape is `{"status", "total", "successful", "failed", "failed_items", "errors"}`;
    `failed` may be a number or the list itself, items may be names or objects with a name and an
    error, `errors` a mapping of item to text or a list.
    """
    if not isinstance(value, Mapping):
        return None
    fields = {str(k).lower(): v for k, v in value.items()}
    failed = _failed_items(fields)
    bad = max(_number(fields, _BAD) or 0, len(failed))
    good = _number(fields, _GOOD)
    total = _number(fields, _TOTAL)
    if total is None and good is not None:
        total = good + bad
    if total is not None and good is not None and not bad:
        bad = max(0, total - good - (_number(fields, ("skipped",)) or 0))
    word = str(fields.get("status", fields.get("state", fields.get("result", "")))).lower()
    word = word.strip().replace(" ", "_").replace("-", "_")
    said = word in _FAILED_WORDS or (word in _PARTIAL_WORDS and not bad)
    flat = fields.get("success")
    said = said or flat is False or (bool(fields.get("error")) and not bad)
    told = {"status", "success", "error", "errors", *_TOTAL, *_BAD, "failed_items"} & set(fields)
    return Items(failed, bad, total, said) if told else None


def _failed_items(fields: Mapping[str, JsonValue]) -> dict[str, str]:
    errors = fields.get("errors")
    texts = _named(errors) if isinstance(errors, list) else {}
    if isinstance(errors, Mapping):
        texts = {str(k): _text(v) for k, v in errors.items()}
    failed: dict[str, str] = {}
    for key in ("failed_items", "failed", "failures"):
        if isinstance(listed := fields.get(key), list):
            failed |= _named(listed)
    for name, text in texts.items():
        if not failed.get(name):
            failed[name] = text
    return failed


def _named(listed: Sequence[JsonValue]) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in listed:
        if isinstance(entry, Mapping):
            name = next((entry[k] for k in _NAME if k in entry), None)
            text = next((entry[k] for k in _MESSAGE if k in entry), "")
            found[_text(name if name is not None else entry)] = _text(text)
        else:
            found[_text(entry)] = ""
    return found


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _number(fields: Mapping[str, JsonValue], names: Sequence[str]) -> int | None:
    for name in names:
        value = fields.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return int(value)
    return None


def of_tasks(status: RunStatus) -> tuple[Check, ...]:
    """Judge what each succeeded task said in its exit value; no check where it said nothing."""
    return tuple(
        check
        for task in status.tasks
        if task.state == "succeeded" and (check := _of_task(task)) is not None
    )


def _of_task(task: TaskStatus) -> Check | None:
    name = f"task {task.task} reports no failed items"
    if not task.exit_value_known:
        saw = "the platform did not deliver the exit value"
        return Check(name=name, outcome="unknown", saw=saw, task=task.task)
    said = items(task.exit_value)
    if said is None:
        return None
    value = json.dumps(task.exit_value)
    line = Line(source=f"{task.task} exit value", number=0, text=value[:2000])
    bad = said.bad > 0 or said.said_failed
    saw = f"{said.bad} of {said.total} failed" if said.total else f"{said.bad} failed"
    if said.said_failed and not said.bad:
        saw = f"it says so itself: {value[:200]}"
    return Check(
        name=name,
        outcome="failed" if bad else "held",
        saw=saw,
        task=task.task,
        items=tuple(said.failed),
        share_good=said.share_good if said.bad else None,
        evidence=(line,) if bad else (),
    )


_EXPECT = re.compile(r"\s*(?P<path>[\w.\[\]-]+)\s*(?P<op>==|!=|<=|>=|<|>)\s*(?P<value>.+?)\s*")


class Expression(NamedTuple):
    """`path op value`, as in `failed == 0`."""

    path: tuple[str, ...]
    op: str
    value: JsonValue


def parse(text: str) -> Expression:
    """Parse an expectation. Raises `PlaybookError` that says how it is written."""
    found = _EXPECT.fullmatch(text)
    if found is None:
        raise PlaybookError(
            f"not an expectation: {text!r}; write a path, one of == != < <= > >=, and a JSON "
            "value, like: failed == 0"
        )
    try:
        value: JsonValue = json.loads(found["value"])
    except ValueError as error:
        raise PlaybookError(
            f"not an expectation: {text!r}; {found['value']} is not a JSON value (quote text)"
        ) from error
    return Expression(tuple(re.findall(r"[^.\[\]]+", found["path"])), found["op"], value)


def compare(left: JsonValue, op: str, right: JsonValue) -> bool | None:
    """Compare two JSON values; None where they have no order."""
    if op in ("==", "!="):
        return (left == right) == (op == "==")
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    texts = isinstance(left, str) and isinstance(right, str)
    if not numbers and not texts:
        return None
    below, above = left < right, left > right  # type: ignore[operator]  # both numbers or both texts
    return {"<": below, ">": above, "<=": not above, ">=": not below}[op]


def of_expectation(expectation: Expectation, status: RunStatus) -> Check:
    """Judge one `task` / `expect` pair over the task's structured exit value."""
    name = expectation.name or f"task {expectation.task}: {expectation.expect}"
    task = next((t for t in status.tasks if t.task == expectation.task), None)
    if task is None:
        saw = f"the run has no task {expectation.task!r}"
        return Check(name=name, outcome="failed", saw=saw, task=None)
    if not task.exit_value_known:
        saw = "the platform did not deliver the exit value"
        return Check(name=name, outcome="unknown", saw=saw, task=task.task)
    wanted = parse(expectation.expect or "")
    value: JsonValue = task.exit_value
    for step in wanted.path:
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            given = "nothing" if task.exit_value is None else json.dumps(task.exit_value)[:200]
            saw = f"{'.'.join(wanted.path)} is not in the exit value; it gave {given}"
            return Check(name=name, outcome="failed", saw=saw, task=task.task)
    held = compare(value, wanted.op, wanted.value)
    saw = f"{'.'.join(wanted.path)} = {json.dumps(value)[:200]}"
    line = Line(source=f"{task.task} exit value", number=0, text=json.dumps(task.exit_value)[:2000])
    return Check(
        name=name,
        outcome="held" if held else "failed",
        saw=saw,
        task=task.task,
        evidence=() if held else (line,),
    )


def with_baseline(checks: Sequence[Check], last_good: Sequence[Check] | None) -> tuple[Check, ...]:
    """Say of each measured check how it differs from the last good run, or that there is none."""
    before = {c.name: c for c in last_good or ()}
    return tuple(
        c.model_copy(update={"flag": _flag(c, before.get(c.name))}) if c.measures else c
        for c in checks
    )


def _flag(now: Check, before: Check | None) -> str | None:
    if before is None or not before.measures:
        return "no baseline"
    flags: list[str] = []
    rows, old = now.measures.get("rows"), before.measures.get("rows")
    if isinstance(rows, int) and isinstance(old, int) and abs(rows - old) > _CHANGE * max(old, 1):
        flags.append(f"{rows:,} rows, last good run {old:,}")
    columns, old_columns = now.measures.get("columns"), before.measures.get("columns")
    if isinstance(columns, list) and isinstance(old_columns, list) and columns != old_columns:
        gone = [str(c) for c in old_columns if c not in columns]
        new = [str(c) for c in columns if c not in old_columns]
        words = [f"without {', '.join(gone)}"] * bool(gone) + [f"new {', '.join(new)}"] * bool(new)
        flags.append(f"columns differ: {'; '.join(words) or 'another order'}")
    return "; ".join(flags) or None
