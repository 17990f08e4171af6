"""Stage for tests of what failed runs left: a job of notebooks, its source, a run to its end."""

import json
from pathlib import Path
from typing import Any

from aidp_workspace import Workspace

from agent.platforms.aidp import layout, runs, states
from agent.platforms.aidp.facts import Around
from agent.platforms.aidp.failing import Failing
from agent.platforms.aidp.session import Session
from agent.records import Failure, RunStatus, Tree
from agent.simulators.aidp import filestore

ROOT = "/Workspace/Shared/runmend/etl"
JOB = "etl_daily.job"


def notebook(*cells: str | dict[str, Any]) -> dict[str, Any]:
    """Return a notebook; a cell that is a mapping has its own outputs."""
    made = []
    for number, cell in enumerate(cells):
        given = {"source": cell} if isinstance(cell, str) else cell
        base = {"cell_type": "code", "id": f"c{number}", "metadata": {}, "outputs": []}
        made.append({**base, "execution_count": None, **given})
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made}


class Stage:
    """A source with notebooks, a job of them in the workspace, and the run of a test."""

    def __init__(self, workspace: Workspace, **files: Any) -> None:
        """`files`: cells by task, its notebook in the source and in the workspace."""
        self.workspace = workspace
        self.session: Session = workspace.connect()
        for name, cells in files.items():
            text = json.dumps(notebook(*cells))
            (workspace.source / f"{name}.ipynb").write_text(text)
            filestore.write(workspace.sim, f"{ROOT}/{name}.ipynb", text.encode(), "NOTEBOOK")

    def task(self, key: str, *needs: str, **fields: Any) -> dict[str, Any]:
        """Return a notebook task on the workspace's cluster."""
        sim = self.workspace.sim
        return {
            "type": "NOTEBOOK_TASK",
            "taskKey": key,
            "runIf": "ALL_SUCCESS",
            "dependsOn": [{"taskKey": need} for need in needs],
            "source": "WORKSPACE",
            "notebookPath": f"{ROOT}/{key}.ipynb",
            "cluster": {"clusterKey": sim.cluster_key, "clusterName": sim.cluster_name},
            **fields,
        }

    def job(self, *tasks: dict[str, Any], name: str = JOB, **fields: Any) -> str:
        """Make a job and return its key."""
        body = {"name": name, "path": "/Workspace/Shared", "maxConcurrentRuns": 1}
        body |= {"tasks": list(tasks), **fields}
        return str(self.session.api.send("POST", "/jobs", body, what="job").body["key"])

    def run(self, job: str, seconds: float = 300.0, **body: Any) -> str:
        """Start a run, let time pass, and return its key."""
        given = {"jobKey": job, **body}
        key = self.session.api.send("POST", "/jobRuns", given, what="run").body["key"]
        self.workspace.pass_time(seconds)
        return str(key)

    @property
    def tree(self) -> Tree:
        """The source as it is now."""
        root = Path(self.workspace.source)
        files = tuple(sorted(p.relative_to(root).as_posix() for p in root.rglob("*.*")))
        return Tree(root=str(root), digest="d", files=files)

    def status(self, run: str) -> RunStatus:
        """Return how a run stands."""
        found = runs.get(self.session.api, run)
        return RunStatus(run=run, state=states.verdict(found), native=states.status(found))

    def failures(self, run: str, session: Session | None = None) -> tuple[Failure, ...]:
        """Return what failed in a run, as a new process finds it."""
        failing = Failing(session or self.session)
        status = self.status(run)
        return failing.of(status, self.around(status, failing))

    def around(self, status: RunStatus, failing: Failing) -> Around:
        """Return what is known around a run."""
        return failing.around(status, self.tree, layout.of(self.tree, ROOT), "job.yaml")


def said(failure: Failure, source: str) -> list[str]:
    """Return the lines of one source of a failure's log."""
    return [line.text for line in failure.log if line.source == source]
