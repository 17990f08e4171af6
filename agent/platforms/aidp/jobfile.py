"""A job file of the source as a job definition: checked, made whole, paths made remote.

The words are AIDP's own, as they go over the wire. YAML, or JSON, which is YAML. A path that does
not begin with `/` is a file of the source. A task that needs a cluster and names none gets
`aidp.cluster`; other mistakes are told, never mended in silence.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from agent.document import Document
from agent.engine import problems, values
from agent.platforms.aidp import jobrules, schema, shapes
from agent.platforms.aidp.jobrules import items
from agent.platforms.aidp.layout import Layout
from agent.platforms.aidp.shapes import Unknown, Wrong
from agent.playbook import Playbook
from agent.records import Tree
from agent.remote import jobfiles

_MESSAGE = 400


class Problem(NamedTuple):
    """One thing that is wrong, where in the file, and the code of the failure it becomes."""

    line: int
    """1-based; 0 where there is no such line."""
    message: str
    task: str | None = None
    type: str | None = None
    """The task's type, in the service's word."""
    code: str = "JOB_INVALID"


class Read(NamedTuple):
    """A job file that was read, with what is wrong with it."""

    job: dict[str, Any]
    """The definition, made whole as far as it can be; paths are still the source's."""
    found: Document
    wrong: tuple[Wrong, ...]
    notes: tuple[str, ...]


def read(tree: Tree, path: str, book: Playbook, most: int) -> Read | Problem:
    """Read a job file; a `Problem` where it cannot be read at all.

    `most`: characters that are left for the description.
    """
    found = jobfiles.opened(tree, path)
    if not isinstance(found, Document):
        return Problem(*found)
    said = shapes.texts(jobfiles.told(found.data), schema.JOB)
    job = _whole(said, book)
    wrong: list[Wrong] = []
    unknown: list[Unknown] = []
    for one in shapes.check(job):
        wrong.append(one) if isinstance(one, Wrong) else unknown.append(one)
    wrong += jobrules.wrong(said | {"name": job.get("name")}, tree.files, book.job.parameters, most)
    return Read(job, found, tuple(wrong), tuple(_notes(found.data, unknown)))


def problem(found: Document, wrong: Wrong) -> Problem:
    """Return a complaint with its line and task."""
    task = problems.task_at(found, wrong.at)
    key, kind = problems.task_key(task.get("taskKey")), task.get("type")
    kind = kind if isinstance(kind, str) else None
    return Problem(found.line(wrong.at), wrong.message[:_MESSAGE], key, kind, wrong.code)


def remote(job: dict[str, Any], there: Layout) -> dict[str, Any]:
    """Return the definition with the source's paths as the workspace's."""
    made = copy.deepcopy(job)
    for task in items(made, "tasks"):
        for at, value in list(jobrules.paths(task)):
            if not jobrules.is_local(value):
                continue
            new = there.remote(value.removeprefix("./"))
            if len(at) == 1:
                task[str(at[0])] = new
            else:
                task[str(at[0])][int(at[1])] = new
    return made


def _whole(job: dict[str, Any], book: Playbook) -> dict[str, Any]:
    """Return the definition with what the file may leave out said."""
    made: dict[str, Any] = copy.deepcopy(job)
    if not {"name", "displayName"} & made.keys():
        made = {"name": jobrules.fitting(book.name), **made}
    made.setdefault("path", book.aidp.path)
    made.setdefault("maxConcurrentRuns", 1)
    for parameter in items(made, "parameters"):
        if parameter.get("value") is None and parameter.get("name") in book.job.parameters:
            parameter["value"] = values.as_text(book.job.parameters[parameter["name"]])
    for task in items(made, "tasks"):
        if task.get("type") in schema.ON_CLUSTER and task.get("cluster") is None:
            _give_cluster(task, book.aidp.cluster)
    return made


def _give_cluster(task: dict[str, Any], name: str | None) -> None:
    meant = {m for m, field in schema.ANY_TASK.meant.items() if field == "cluster"}
    if name is not None and not meant & task.keys():
        task["cluster"] = {"clusterName": name}


def _notes(data: Mapping[str, Any], unknown: list[Unknown]) -> Iterator[str]:
    yield from jobfiles.untold(data, "AIDP")
    if unknown:
        said = ", ".join(u.said for u in unknown[:8])
        yield f"passed on as it is, not known here: {said}"
