"""A job's declaration as text: its tasks, what they depend on, and where each thing is written.

It reads tolerantly, for fixers that edit a job file: what it does not know it leaves out. Two
shapes are known: a job file, with `tasks` at its root, and a bundle's, with `resources.jobs`.

Source: https://docs.databricks.com/aws/en/dev-tools/bundles/job-task-types
"""

from collections.abc import Callable
from typing import NamedTuple

from yaml.nodes import MappingNode, ScalarNode, SequenceNode

from agent.code import yamltext
from agent.records import Failure

MAIN_FILE = {
    "spark_python_task": ("python_file",),
    "notebook_task": ("notebook_path",),
    "sql_task": ("file", "path"),
}
"""Where each task type names its main file."""


class Task(NamedTuple):
    """One task of the job."""

    key: str
    node: MappingNode
    type: str | None
    """`spark_python_task` ..., None where the task has none that is known."""
    file: ScalarNode | None
    """The scalar that names its main file."""
    depends_on: tuple[str, ...]

    @property
    def body(self) -> MappingNode | None:
        """Return the mapping below the task's type."""
        found = yamltext.get(self.node, self.type) if self.type else None
        return found if isinstance(found, MappingNode) else None


class Job(NamedTuple):
    """A job file's text and what is in it."""

    path: str
    text: str
    node: MappingNode
    tasks: tuple[Task, ...]

    def task(self, key: str | None) -> Task | None:
        """Return the task of that key; None where there is none, or more than one."""
        found = [t for t in self.tasks if t.key == key]
        return found[0] if len(found) == 1 else None

    def upstream(self, key: str) -> frozenset[str]:
        """Return everything a task depends on, directly or not."""
        seen: set[str] = set()
        waiting = [key]
        while waiting:
            task = self.task(waiting.pop())
            fresh = set(task.depends_on) - seen if task else set()
            seen |= fresh
            waiting += sorted(fresh)
        return frozenset(seen)

    def parameters(self) -> dict[str, str | None]:
        """Return the job's own parameters and their defaults, None where one has none."""
        found = {}
        for item in yamltext.items(yamltext.get(self.node, "parameters")):
            name = yamltext.scalar(yamltext.get(item, "name"))
            if name is not None:
                found[name] = yamltext.scalar(yamltext.get(item, "default"))
        return found


def read(path: str, text: str, task: str | None = None) -> Job | None:
    """Return the job that has the task; without a task the only job there is, else None."""
    root = yamltext.compose(text)
    jobs = [_job(path, text, node) for node in _candidates(root)]
    if task is not None:
        jobs = [job for job in jobs if job.task(task)]
    return jobs[0] if len(jobs) == 1 else None


def of(failure: Failure, reader: Callable[[str], str | None]) -> Job | str:
    """Return the job that a failure's facts name, or one sentence why it cannot be edited."""
    path = failure.facts.job_file
    if path is None:
        return "the job has no file in the tree that could be edited"
    text = reader(path)
    if text is None:
        return f"{path} cannot be read"
    job = read(path, text, failure.task)
    if job is None:
        missing = f" with one task {failure.task!r}" if failure.task else ""
        return f"{path} holds no job{missing} that can be edited safely"
    return job


def _candidates(root: MappingNode | None) -> list[MappingNode]:
    if root is None:
        return []
    if isinstance(yamltext.get(root, "tasks"), SequenceNode):
        return [root]
    declared = yamltext.pairs(yamltext.get(root, "resources", "jobs"))
    return [p.value for p in declared if isinstance(p.value, MappingNode)]


def _job(path: str, text: str, node: MappingNode) -> Job:
    declared = yamltext.items(yamltext.get(node, "tasks"))
    tasks = tuple(
        t for t in (_task(item) for item in declared if isinstance(item, MappingNode)) if t
    )
    return Job(path, text, node, tasks)


def _task(node: MappingNode) -> Task | None:
    key = yamltext.scalar(yamltext.get(node, "task_key"))
    if key is None:
        return None
    types = [p.key.value for p in yamltext.pairs(node) if p.key.value.endswith("_task")]
    kind = types[0] if len(types) == 1 else None
    file = yamltext.get(node, kind, *MAIN_FILE.get(kind, ("",))) if kind else None
    waits = yamltext.items(yamltext.get(node, "depends_on"))
    keys = (yamltext.scalar(yamltext.get(item, "task_key")) for item in waits)
    return Task(
        key,
        node,
        kind,
        file if isinstance(file, ScalarNode) else None,
        tuple(k for k in keys if k is not None),
    )
