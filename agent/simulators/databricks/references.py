"""Dynamic values of the simulated workspace: `{{job.parameters.day}}` and the like.

What is not known is left as it is written, as the service does.
Source: https://docs.databricks.com/aws/en/jobs/dynamic-value-references
"""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agent.engine import values
from agent.simulators.databricks import rundocs
from agent.simulators.databricks.rundocs import Attempt, Run

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

_REFERENCE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


class NoValue(Exception):
    """A task value is referred to that no task has set."""

    def __init__(self, task: str, key: str) -> None:
        super().__init__(f"Task value with key '{key}' of task '{task}' does not exist.")


def known(sim: "Simulator", run: Run, attempt: Attempt) -> dict[str, str]:
    """Return every reference that has a value for this attempt, but for task values."""
    found = _job(sim, run) | _task(run, attempt)
    for item in run["parameters"]:
        text = str(item.get("value", item.get("default", "")))
        found[f"job.parameters.{item['name']}"] = _filled(text, found)
    return found | _input(attempt)


def _job(sim: "Simulator", run: Run) -> dict[str, str]:
    began = datetime.fromtimestamp(run["created"] / 1000, UTC)
    times = {
        "iso_date": began.date().isoformat(),
        "iso_datetime": began.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "year": str(began.year),
        "month": f"{began.month:02}",
        "day": f"{began.day:02}",
        "hour": f"{began.hour:02}",
        "minute": f"{began.minute:02}",
        "second": f"{began.second:02}",
        "iso_weekday": str(began.isoweekday()),
        "is_weekday": "true" if began.isoweekday() <= 5 else "false",
        "timestamp_ms": str(run["created"]),
    }
    found = {f"job.start_time.{name}": text for name, text in times.items()}
    found |= {f"job.trigger.time.{name}": text for name, text in times.items()}
    return found | {
        "job.id": str(run["job_id"]),
        "job.name": str(run["name"]),
        "job.run_id": str(run["run_id"]),
        "job.repair_count": str(len(run["repairs"])),
        "job.trigger.type": str(run["trigger"]).lower(),
        "workspace.id": str(sim.workspace_id),
        "workspace.url": sim.url.removeprefix("http://"),
        "job_id": str(run["job_id"]),
        "parent_run_id": str(run["run_id"]),
        "start_date": times["iso_date"],
        "start_time": times["timestamp_ms"],
    }


def _task(run: Run, attempt: Attempt) -> dict[str, str]:
    found = {"task.name": attempt["task_key"], "task_key": attempt["task_key"]}
    found |= {"task.run_id": str(attempt["run_id"]), "run_id": str(attempt["run_id"])}
    found |= {"task_retry_count": str(attempt["number"])}
    found |= {"task.execution_count": str(attempt["number"] + 1)}
    book = attempt["spec"].get("notebook_task") or {}
    found |= {"task.notebook_path": str(book.get("notebook_path", ""))}
    for key, other in rundocs.latest(run).items():
        if key != attempt["task_key"] and other["state"] == "ENDED":
            found[f"tasks.{key}.run_id"] = str(other["run_id"])
            found[f"tasks.{key}.result_state"] = str(other["result"]).lower()
            found[f"tasks.{key}.error_code"] = str(other["code"])
            found[f"tasks.{key}.execution_count"] = str(other["number"] + 1)
    return found


def _input(attempt: Attempt) -> dict[str, str]:
    if "input" not in attempt:
        return {}
    value = attempt["input"]
    found = {"input": values.as_text(value)}
    if isinstance(value, dict):
        found |= {f"input.{key}": values.as_text(inner) for key, inner in value.items()}
    return found


def _filled(text: str, words: dict[str, str]) -> str:
    return _REFERENCE.sub(lambda found: words.get(_word(found[1]), found[0]), text)


def _word(text: str) -> str:
    name = values.parameter(text)
    return text if name is None else f"job.parameters.{name}"


def resolve(value: Any, words: dict[str, str], run: Run) -> Any:
    """Return a JSON value with the references in all its texts filled in. Raises `NoValue`."""
    if isinstance(value, dict):
        return {key: resolve(inner, words, run) for key, inner in value.items()}
    if isinstance(value, list):
        return [resolve(inner, words, run) for inner in value]
    if not isinstance(value, str) or "{{" not in value:
        return value

    def replace(found: re.Match[str]) -> str:
        if (wanted := values.task_value(found[1])) is not None:
            return values.as_text(_task_value(run, *wanted))
        return words.get(_word(found[1]), found[0])

    return _REFERENCE.sub(replace, value)


def _task_value(run: Run, task: str, key: str) -> Any:
    attempt = rundocs.latest(run).get(task)
    try:
        return (attempt or {"values": {}})["values"][key]
    except KeyError:
        raise NoValue(task, key) from None


def left(text: str) -> list[str]:
    """Return the references that a text still has."""
    return [found[1] for found in _REFERENCE.finditer(text)]


def key(word: str) -> str:
    """Return the name under which the engine looks a reference up."""
    return _word(word)
