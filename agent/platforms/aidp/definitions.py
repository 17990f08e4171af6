"""Job definitions compared and laid over each other: what is wanted over what is there.

An update replaces the whole job, so what is there is read first and laid under: a field that nobody
here knows survives, and so does `runAs`, which an administrator may have set. What the file leaves
out of a job of our own goes; on a job that was there before us it stays, but inside of what the
file does say. What only the service fills in is never sent.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/op-jobs-jobkey-put.html
"""

import copy
from collections.abc import Mapping
from typing import Any

from agent.platforms.aidp import jobrules, schema
from agent.platforms.aidp.schema import Listed, Shape, Type
from agent.platforms.aidp.session import Session
from agent.remote import comparing

_DEFAULTS: Mapping[str, Any] = {
    "timeoutSeconds": 0,
    "maxRetries": 0,
    "minRetryIntervalMillis": 0,
    "isRetryOnTimeout": False,
    "isStreaming": False,
    "source": "WORKSPACE",
    "queue": {"isEnabled": False},
}
_KEYED = {
    "task": "taskKey",
    "parameter": "name",
    "cluster": "clusterKey",
    "dependsOn": "taskKey",
    "expression": "key",
}
NAMES = tuple(dict.fromkeys(_KEYED.values()))
"""What the items of a list are told apart by."""
_EMPTY: tuple[Any, ...] = (None, "", [], {})
_STAYS = ("runAs",)


def stripped(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return a job without what only the service fills in: it can be put back as it is."""
    return {k: copy.deepcopy(v) for k, v in job.items() if k not in schema.READ_ONLY}


def laid_over(
    wanted: Mapping[str, Any], now: Mapping[str, Any], *, stays: bool = False
) -> dict[str, Any]:
    """Return the whole job to put: `wanted` over what is there `now`.

    `stays`: known fields of the job that `wanted` does not say are kept as well.
    """
    under = stripped(now)
    made = _object(wanted, under, schema.JOB)
    keep = set(under if stays else _STAYS)
    more = {k: v for k, v in under.items() if k in keep and k not in made and v not in _EMPTY}
    return made | more


def _object(wanted: Mapping[str, Any], now: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    made = {k: _value(v, now.get(k), shape.fields.get(k)) for k, v in wanted.items()}
    survives = (k for k in now if k not in wanted and k not in shape.fields)
    return made | {k: now[k] for k in survives if now[k] is not None}


def _value(wanted: Any, now: Any, kind: Type | None) -> Any:
    match kind:
        case Shape() if isinstance(wanted, dict) and isinstance(now, dict):
            return _object(wanted, now, kind)
        case Listed(of=Shape() as shape) if isinstance(wanted, list) and isinstance(now, list):
            return [
                _item(item, _same(item, i, wanted, now, shape), shape)
                for i, item in enumerate(wanted)
            ]
    return copy.deepcopy(wanted)


def _item(wanted: Any, now: Any, shape: Shape) -> Any:
    if not isinstance(wanted, dict) or not isinstance(now, dict):
        return copy.deepcopy(wanted)
    if shape.name == "task":
        shape = schema.TASKS.get(str(wanted.get("type")), schema.ANY_TASK)
    return _object(wanted, now, shape)


def _same(item: Any, place: int, wanted: list[Any], now: list[Any], shape: Shape) -> Any:
    """Return the item of the same key, and type where it is a task; without a key, by its place."""
    key = item.get(_KEYED[shape.name]) if isinstance(item, dict) else None
    if key is None:
        return now[place] if len(now) == len(wanted) else None
    same = (n for n in now if isinstance(n, dict) and n.get(_KEYED[shape.name]) == key)
    return next((n for n in same if n.get("type") == item.get("type")), None)


def normal(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return a job without what says nothing, so that what is the same looks the same.

    Whether its schedule is paused is left out: we switch it on ourselves once the job is proved.
    """
    under = stripped(job)
    for task in jobrules.items(under, "tasks"):
        task["dependsOn"] = _objects(task.get("dependsOn"))
    made: dict[str, Any] = comparing.bare(under, _DEFAULTS, NAMES)
    schedule = made.get("schedule")
    if isinstance(schedule, dict):
        made["schedule"] = {k: v for k, v in schedule.items() if k != "pauseStatus"}
    return made


def _objects(needs: Any) -> Any:
    """Return dependencies that are plain text, as some builds show them, as objects."""
    if not isinstance(needs, list):
        return needs
    return [{"taskKey": d} if isinstance(d, str) else d for d in needs]


def remember(session: Session, definition: Mapping[str, Any]) -> str:
    """Keep a normal definition beside the journal, to name later what changed; its digest."""
    found = comparing.digest(definition)
    session.keep("definitions", found, definition)
    return found
