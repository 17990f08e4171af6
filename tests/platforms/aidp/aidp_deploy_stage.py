"""A source, a playbook and a simulated workspace to deploy to."""

import json
from collections.abc import Mapping
from typing import Any

from aidp_workspace import Workspace

from agent import workspace as copies
from agent.platforms.aidp.api import Api
from agent.platforms.aidp.deploying import Deploying
from agent.platforms.aidp.session import Session
from agent.records import Deployment, Effect, Failure, Tree
from agent.simulators.aidp import Simulator, clusters, filestore

ROOT = "/Workspace/Shared/runmend/shop"
OWN: dict[str, Any] = {"file": "job.yaml"}
FILE = """\
name: nightly.job
description: Loads the shop.
parameters:
  - {name: day, value: 3}
tasks:
  - type: NOTEBOOK_TASK
    taskKey: load
    runIf: ALL_SUCCESS
    notebookPath: src/load.ipynb
    cluster: {clusterName: rehearsal_cluster}
    parameters:
      - {name: rate, value: 2}
  - type: PYTHON_TASK
    taskKey: report
    runIf: ALL_SUCCESS
    dependsOn: [{taskKey: load}]
    filePath: src/report.py
    commandLineArguments: --day {{job.parameters.day}}
"""


def notebook(*cells: str, **metadata: Any) -> str:
    """Return an .ipynb of code cells."""
    made = [
        {"cell_type": "code", "source": c, "metadata": {}, "outputs": [], "execution_count": None}
        for c in cells
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": made})


class Stage:
    """Everything one test deploys with; the playbook is in mode auto and not production."""

    def __init__(self, where: Workspace) -> None:
        self.where = where
        self.sim: Simulator = where.sim
        self._count = 0
        self._api: Api | None = None

    def session(self, case: str = "looking", **book: Any) -> Session:
        """Begin as a process of that case would; all share one login: reading a key takes long."""
        if self._api is None:
            made = self.where.connect(case, **book)
            self._api = made.api
            return made
        context = self.where.context(case, **book)
        return Session(context, self._api, context.loaded.playbook)

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Write files of the source."""
        for path, content in files.items():
            file = self.where.source / path
            file.parent.mkdir(parents=True, exist_ok=True)
            raw = content if isinstance(content, bytes) else content.encode()
            file.write_bytes(raw)

    def usual(self) -> None:
        """Write the source of this module."""
        self.write(
            {
                "job.yaml": FILE,
                "src/load.ipynb": notebook("print('load')"),
                "src/report.py": "import tools\n",
                "src/tools.py": "RATE = 2\n",
            }
        )

    def tree(self) -> Tree:
        """Return a copy of the source as it is now."""
        self._count += 1
        into = self.where.folder / f"tree{self._count}"
        return copies.build(self.where.source, into)

    def deploying(self, *, case: str = "case", **book: Any) -> Deploying:
        """Begin as a process of that case would, with nothing in memory."""
        whole = {
            "name": "shop",
            "job": OWN,
            "production": False,
            "approve": {"mode": "auto"},
            **book,
        }
        return Deploying(self.session(case, **whole))

    def deployed(
        self, key: str = "k1", previous: Deployment | None = None, **book: Any
    ) -> Deployment:
        """Deploy the source as it is."""
        made = self.deploying(**book).deploy(key, self.tree(), previous)
        assert isinstance(made, Deployment), made
        return made

    def failures(self, key: str = "k1", **book: Any) -> tuple[Failure, ...]:
        """Deploy what cannot be."""
        made = self.deploying(**book).deploy(key, self.tree(), None)
        assert isinstance(made, tuple), made
        assert {f.phase for f in made} == {"create"}
        assert not any(f.started for f in made)
        return made

    def plan(self, previous: Deployment | None = None, **book: Any) -> tuple[Effect, ...]:
        """Return what a deploy of the source as it is would do."""
        return self.deploying(**book).plan(self.tree(), previous)

    def job(self, key: str) -> dict[str, Any]:
        """Return a job as the workspace has it."""
        return self.session().api.get(f"/jobs/{key}")

    def put(self, key: str, **changes: Any) -> None:
        """Change a job as somebody else would."""
        job = self.job(key) | changes
        self.session().api.send("PUT", f"/jobs/{key}", job, what="theirs")

    def content(self, path: str) -> bytes | None:
        """Return a file of the workspace."""
        return filestore.read(self.sim, path)

    def changed_there(self, path: str, content: bytes) -> None:
        """Change a file as somebody else would."""
        filestore.write(self.sim, path, content, "FILE", user=self.sim.user_id)

    def stop_cluster(self) -> None:
        """Have the workspace's cluster stopped."""
        clusters.stop(self.sim, self.sim.cluster_key)

    def sent(self, method: str, path: str) -> list[Any]:
        """Return the bodies of the calls so far whose path ends so."""
        return [call.body for call in self.where.called(method, path)]
