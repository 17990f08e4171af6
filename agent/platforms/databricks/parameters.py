"""Which parameters a run gets: the playbook's for a new one, the ended run's for its replacement.

Rules kept here: a job with job parameters gets `job_parameters`, any other what its task types
take; a replacement gets what the ended run had, resolved: times of its start as they were, not
computed anew; what cannot be carried over is said.

Sources: https://docs.databricks.com/api/workspace/jobs/runnow
https://docs.databricks.com/aws/en/jobs/dynamic-value-references
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from agent.engine import values
from agent.errors import UsageError
from agent.platforms.databricks import states

_NAMED = {
    "notebook_task": "notebook_params",
    "python_wheel_task": "python_named_params",
    "sql_task": "sql_params",
}
_LISTED = {"spark_python_task": "python_params", "spark_jar_task": "jar_params"}
_TIMES = ("{{job.start_time", "{{job.trigger.time", "{{ job.start_time", "{{ job.trigger.time")
_STARTED = re.compile(r"\{\{\s*job\.start_time\.(\w+)\s*\}\}")
_ANEW = "is computed anew, it cannot be carried over"
_LEGACY = (
    "notebook_params",
    "python_params",
    "python_named_params",
    "jar_params",
    "sql_params",
    "spark_submit_params",
    "dbt_commands",
    "pipeline_params",
)


class Given(NamedTuple):
    """The parameters of one run."""

    body: dict[str, Any] = {}
    """As run-now and repair take them."""
    known: dict[str, str] = {}
    """By name, as a person would say them."""
    notes: tuple[str, ...] = ()


def new(settings: Mapping[str, Any], wanted: Mapping[str, Any]) -> Given:
    """Return what a new run of a job gets from the playbook.

    Raises `UsageError` where the job takes no such parameters.
    """
    declared = {
        str(p.get("name")): str(p.get("default") or "") for p in _list(settings, "parameters")
    }
    texts = {name: values.as_text(value) for name, value in wanted.items()}
    if declared:
        unknown = [name for name in texts if name not in declared]
        if unknown:
            raise UsageError(
                f"the job has no parameter {unknown[0]!r} (job.parameters of the playbook); it has "
                f"{', '.join(declared)}"
            )
        return Given({"job_parameters": texts} if texts else {}, declared | texts)
    if not texts:
        return Given()
    types = {states.task_type(task) for task in _list(settings, "tasks")}
    body: dict[str, Any] = {}
    for kind, field in _NAMED.items():
        if kind in types:
            body[field] = texts
    for kind, field in _LISTED.items():
        args = wanted.get("args")
        if kind in types and isinstance(args, list) and set(wanted) == {"args"}:
            body[field] = [values.as_text(arg) for arg in args]
    if not body:
        raise UsageError(
            "the job takes no such parameters: it declares none, and its tasks are "
            f"{', '.join(sorted(filter(None, types))) or 'none'}; a script takes a list, "
            "`args: [...]`"
        )
    return Given(body, texts)


def carried(run: Mapping[str, Any], settings: Mapping[str, Any], *, anew: bool) -> Given:
    """Return the resolved parameters of an ended run for what takes its place.

    `anew`: a new run, whose own start time is another; a repair keeps the run's.
    """
    named = {
        str(p.get("name")): str(
            p["value"] if p.get("value") is not None else p.get("default") or ""
        )
        for p in _list(run, "job_parameters")
    }
    if named:
        declared = {p.get("name") for p in _list(settings, "parameters")}
        given = {k: v for k, v in named.items() if not declared or k in declared}
        known = {k: _at_start(run, k, v) for k, v in given.items()}
        if not anew:
            return Given({"job_parameters": given}, known)
        lost = [k for k, v in known.items() if _is_timed(v)]
        said = (f"parameter {k}: a time of the run's start {_ANEW}" for k in lost)
        return Given({"job_parameters": known}, known, (*said, *_lost(run)))
    body = {k: v for k, v in _dict(run, "overriding_parameters").items() if k in _LEGACY and v}
    notes: tuple[str, ...] = ()
    if anew:
        body, notes = _with_times(run, body)
    return Given(body, _names(body), notes)


def _at_start(run: Mapping[str, Any], name: str, text: str) -> str:
    """Return a job parameter's value with the times of the run's start filled in.

    The service may show it as it is declared; its tasks then have it resolved.
    """
    if not _is_timed(text):
        return text
    for task in states.last(run).values():
        for settings in _dict(task, "resolved_values").values():
            for given in settings.values() if isinstance(settings, dict) else ():
                found = given.get(name) if isinstance(given, dict) else None
                if isinstance(found, str) and found and "{{" not in found:
                    return found
    start = int(run.get("start_time") or 0)
    return _STARTED.sub(lambda found: _time(start, found[1]) or found[0], text) if start else text


def _time(start_ms: int, word: str) -> str | None:
    """Return `{{job.start_time.word}}`; None where its form is not documented to the letter."""
    began = datetime.fromtimestamp(start_ms / 1000, UTC)
    match word:
        case "iso_date":
            return began.date().isoformat()
        case "year":
            return str(began.year)
        case "timestamp_ms":
            return str(start_ms)
    return None


def _names(body: Mapping[str, Any]) -> dict[str, str]:
    known: dict[str, str] = {}
    for name, value in body.items():
        if isinstance(value, dict):
            known |= {str(k): values.as_text(v) for k, v in value.items()}
        else:
            known[name] = json.dumps(value)
    return known


def _with_times(
    run: Mapping[str, Any], body: dict[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Add what tasks computed from the run's start, so that it stays what it was."""
    found: dict[str, dict[str, str]] = {}
    lost: list[str] = []
    for task in states.last(run).values():
        for kind, name, text in _timed(task):
            said = found.setdefault(_NAMED[kind], {})
            if said.setdefault(name, text) != text:
                lost.append(_said(task, name))
    lists, unlike = _timed_lists(run)
    merged = {k: {**found.get(k, {}), **(body.get(k) or {})} for k in found}
    return {**lists, **body, **merged}, (*lost, *unlike)


def _timed(task: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    """Yield (task type, name, resolved value) of a task's parameters that name the run's start."""
    kind = states.task_type(task) or ""
    field = {"notebook_task": "base_parameters", "python_wheel_task": "named_parameters"}
    inner = field.get(kind, "parameters")
    resolved = _dict(_dict(_dict(task, "resolved_values"), kind), inner)
    if kind not in _NAMED:
        return
    for name, text in _dict(_dict(task, kind), inner).items():
        if _is_timed(text) and name in resolved:
            yield kind, str(name), str(resolved[name])


def _timed_lists(run: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return positional parameters that name the run's start, where one list serves all tasks."""
    body: dict[str, Any] = {}
    lost: list[str] = []
    for kind, field in _LISTED.items():
        tasks = [t for t in states.last(run).values() if states.task_type(t) == kind]
        timed = [t for t in tasks if any(map(_is_timed, _list(_dict(t, kind), "parameters")))]
        if not timed:
            continue
        found = [_list(_dict(_dict(t, "resolved_values"), kind), "parameters") for t in tasks]
        if all(found) and all(one == found[0] for one in found):
            body[field] = [str(word) for word in found[0]]
        else:
            lost += [_said(task, "its arguments") for task in timed]
    return body, tuple(lost)


def _lost(run: Mapping[str, Any]) -> Iterable[str]:
    """Say which tasks compute something from the run's start that no job parameter carries."""
    for task in states.last(run).values():
        kind = states.task_type(task)
        texts = json.dumps(task.get(kind)) if kind else ""
        if any(word in texts for word in _TIMES):
            yield _said(task, "a time of the run's start")


def _said(task: Mapping[str, Any], what: str) -> str:
    return f"task {task.get('task_key')}: {what} {_ANEW}"


def _is_timed(text: object) -> bool:
    return isinstance(text, str) and any(word in text for word in _TIMES)


def _dict(item: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = item.get(key)
    return found if isinstance(found, dict) else {}


def _list(item: Mapping[str, Any], key: str) -> list[Any]:
    found = item.get(key)
    return found if isinstance(found, list) else []
