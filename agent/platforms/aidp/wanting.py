"""What a deploy would make of a job: its job file, looked at beside the workspace.

The file is checked, its clusters are looked up, its paths become the workspace's, our line marks
it, and everything that starts runs by itself is paused until the proof.
"""

from pathlib import Path
from typing import Any, NamedTuple

from agent.platforms.aidp import clusters, files, jobclusters, jobfile, ours, schedules
from agent.platforms.aidp.clusters import Cluster
from agent.platforms.aidp.jobfile import Problem
from agent.platforms.aidp.layout import Layout
from agent.platforms.aidp.session import Session
from agent.records import Tree


class Wanted(NamedTuple):
    """What a deploy would make of the job."""

    job: dict[str, Any]
    """The definition, with everything paused that starts runs by itself."""
    notes: tuple[str, ...]
    there: Layout
    files: dict[str, str]
    """Digest by workspace path."""
    clusters: tuple[Cluster, ...]
    """Those its tasks run on."""
    waits: tuple[str, ...]
    """What is switched on once the job is proved."""

    @property
    def name(self) -> str:
        """The job's name."""
        return str(self.job["name"])


def read(session: Session, tree: Tree, path: str, there: Layout) -> Wanted | tuple[Problem, ...]:
    """Return what the job file at `path` asks for, or everything that is wrong with it."""
    found = jobfile.read(tree, path, session.book, ours.room())
    if isinstance(found, Problem):
        return (found,)
    job, wrong = found.job, list(found.wrong)
    named = jobclusters.Found((), ())
    if jobclusters.are_named(job):
        named = jobclusters.fill(job, found.found.data, clusters.every(session))
        wrong += named.wrong
    if wrong:
        return tuple(jobfile.problem(found.found, one) for one in wrong)
    made = jobfile.remote(job, there)
    if session.book.job.id is None:
        made = ours.marked(session, made)
    brought = files.wanted(Path(tree.root), there, tree.files)
    waits = schedules.goes_on(made)
    return Wanted(schedules.paused(made), found.notes, there, brought, named.used, waits)


def mistaken(session: Session, tree: Tree, path: str, there: Layout) -> dict[str, Any] | None:
    """Return the definition that a file with mistakes asks for; None for what is no job at all."""
    found = jobfile.read(tree, path, session.book, ours.room())
    if isinstance(found, Problem):
        return None
    if jobclusters.are_named(found.job):
        jobclusters.fill(found.job, found.found.data, clusters.every(session))
    made = jobfile.remote(found.job, there)
    return made if session.book.job.id is not None else ours.marked(session, made)
