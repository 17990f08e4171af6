"""What a task left behind: `runs/get-output`, by the task's own run id, cleaned and masked.

Rules kept here: the run of a whole job has no output, only its tasks have; an output that is not
delivered is said, never taken for an empty one; colours, HTML and entities go before anything is
masked, so that none of them can cut a secret in two.

Source: https://docs.databricks.com/api/workspace/jobs/getrunoutput
"""

import html
import json
import re
from typing import Any, NamedTuple

from pydantic import JsonValue

from agent import redaction
from agent.platforms.databricks.api import Api, ApiRefused, Forbidden
from agent.remote import texts

# `<command-123>` and `<module>` are places in a traceback, no tags: only what the service wraps
# its messages in is taken away.
_TAGS = re.compile(r"</?(?:span|div|pre|br|code|strong|em|font|a)(?:\s[^<>]*|/)?>", re.IGNORECASE)
_SCRIPTS = ("spark_python_task", "python_wheel_task", "spark_jar_task")


class Output(NamedTuple):
    """What get-output gave."""

    document: dict[str, Any]
    """Empty where there is none."""
    missing: str | None = None
    """Why it could not be read."""


class Value(NamedTuple):
    """A task's exit value."""

    value: JsonValue = None
    known: bool = True
    """False where it was cut, or not delivered."""


def plain(text: str) -> str:
    """Return text without colours, tags and entities."""
    return html.unescape(_TAGS.sub("", texts.plain(text)))


def clean(text: str) -> str:
    """Return text plain, its secrets masked, safe to print."""
    return texts.clean(plain(text))


def sentence(text: str) -> str:
    """Return text clean and on one line."""
    return texts.sentence(plain(text[: texts.LARGEST]))


def lines(text: str) -> tuple[list[str], str | None]:
    """Return lines, clean, masked together; and what was cut from the start, in words."""
    return texts.lines(text, plain)


def fetch(api: Api, task_run: int | str) -> Output:
    """Return a task's output; what the service will not give is said in `missing`."""
    try:
        return Output(api.get("/api/2.2/jobs/runs/get-output", run_id=task_run))
    except (ApiRefused, Forbidden) as error:
        return Output({}, sentence(str(error)))


def exit_value(task_type: str | None, output: Output) -> Value:
    """Return what a task that succeeded gave back, masked: a notebook's exit, a script's last JSON.

    A notebook's exit that is no JSON is a text. Task types that have none give None.
    """
    if task_type == "notebook_task":
        return _notebook(output)
    if task_type in _SCRIPTS:
        return _script(output)
    return Value()


def _notebook(output: Output) -> Value:
    found = output.document.get("notebook_output")
    if not isinstance(found, dict) or found.get("truncated"):
        return Value(known=False)
    text = found.get("result")
    if not isinstance(text, str) or not text:
        return Value()
    try:
        return Value(redaction.mask_json(json.loads(text)))
    except (ValueError, RecursionError):
        return Value(clean(text))


def _script(output: Output) -> Value:
    logs = output.document.get("logs")
    if not isinstance(logs, str):
        return Value(known=False)
    for line in reversed(logs.splitlines()):
        if not line.lstrip().startswith("{"):
            continue
        try:
            return Value(redaction.mask_json(json.loads(line)))
        except (ValueError, RecursionError):
            continue
    return Value(known=not output.document.get("logs_truncated"))
