"""What a fixer must know of the world around a failed task, from its run and the job's definition.

Parameters count as the service takes them: those of the run before those of the task before those
of the job.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from agent.engine.facts import data_files
from agent.platforms.aidp import parameters
from agent.platforms.aidp.layout import Layout
from agent.records import Facts, Tree
from agent.remote import texts

_FILES = ("notebookPath", "filePath")


class Around(NamedTuple):
    """What is known around a run's tasks."""

    tree: Tree
    layout: Layout | None
    """None where it is not known where the source lies in the workspace."""
    job_file: str | None
    """The file of the tree that declares the job."""
    job: Mapping[str, Any]
    """The job as the service has it, empty where it cannot be read."""
    run: Mapping[str, Any]
    """The run with its tasks, empty where it is gone."""

    def local(self, remote: str) -> str | None:
        """Return the file of the tree that a remote path, or one of the tree's own, means."""
        if self.layout is not None and (found := self.layout.local(remote)) is not None:
            return found
        plain = remote.removeprefix("./")
        return plain if plain in self.tree.files else None

    def main_file(self, task: Mapping[str, Any]) -> str | None:
        """Return a task's main file in the tree."""
        named = next((task[name] for name in _FILES if task.get(name)), None)
        return self.local(str(named)) if named is not None else None


def of(around: Around, task: Mapping[str, Any]) -> Facts:
    """Return the facts around a task, given as the job declares it."""
    own = parameters.named(task.get("parameters"))
    given = parameters.named(around.run.get("parameters"))
    return Facts(
        files=around.tree.files,
        datasets=tuple(data_files(Path(around.tree.root), around.tree.files, ())),
        job_file=around.job_file,
        parameters=texts.values(_of_run(around)),
        widgets=texts.values({**_of_run(around), **own, **given}),
        task_type=str(task.get("type") or "") or None,
        task_file=around.main_file(task),
    )


def whole(around: Around) -> Facts:
    """Return the facts around a run as a whole."""
    return Facts(
        files=around.tree.files, job_file=around.job_file, parameters=texts.values(_of_run(around))
    )


def _of_run(around: Around) -> dict[str, str]:
    """Return the job parameters that the run has."""
    return {**parameters.named(around.job.get("parameters")), **parameters.carried(around.run)}
