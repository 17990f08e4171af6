"""Whole cases on a simulated AIDP workspace: a desk whose clock is the workspace's.

A `Shop` is a source folder with a playbook and a state folder. Its job has three notebooks; `sales`
reads a column that is misspelt, so that one declared failure has a fix.
"""

import json
from pathlib import Path
from typing import Any

import yaml
from told import BaseShop, Made

from agent.simulators.aidp import Simulator, filestore, rundocs
from agent.simulators.aidp.outcomes import Outcome, declare

QUERY = "select amout from raw"
CELLS = {
    "src/load.ipynb": ["spark.sql('create table raw as select 1 as amount')"],
    "src/sales.ipynb": ["import json", f"frame = spark.sql('{QUERY}')\nframe.show()"],
    "src/report.ipynb": ["print('done')"],
}
TRACE = """\
---------------------------------------------------------------------------
AnalysisException                         Traceback (most recent call last)
Cell In[2], line 1
----> 1 frame = spark.sql('select amout from raw')
      2 frame.show()
AnalysisException: [UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter \
with name `amout` cannot be resolved. Did you mean one of the following? [`amount`]. \
SQLSTATE: 42703; line 1 pos 7
"""
KEYS = ("load", "sales", "report")


def notebook(*cells: str) -> str:
    """Return a notebook's file."""
    made = [
        {
            "cell_type": "code",
            "id": f"c{number}",
            "source": text,
            "metadata": {},
            "execution_count": None,
            "outputs": [],
        }
        for number, text in enumerate(cells)
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made}, indent=1)


class Shop(BaseShop):
    """One playbook and its cases."""

    mended = "src/sales.ipynb"

    def __init__(self, sim: Simulator, folder: Path, **book: Any) -> None:
        super().__init__(sim, folder)
        self.name = str(book.pop("name", "".join(c if c.isalnum() else "_" for c in folder.name)))
        self.write({path: notebook(*cells) for path, cells in CELLS.items()})
        self.write({"job.yaml": yaml.safe_dump(self.job())})
        self.book(**book)

    def job(self, **more: Any) -> dict[str, Any]:
        """Return the job as its file declares it."""
        tasks = [
            {
                "type": "NOTEBOOK_TASK",
                "taskKey": key,
                "runIf": "ALL_SUCCESS",
                "dependsOn": [{"taskKey": need}] if need else [],
                "notebookPath": f"src/{key}.ipynb",
                "cluster": {"clusterName": self.sim.cluster_name},
            }
            for need, key in zip((None, *KEYS), KEYS, strict=False)
        ]
        return {"name": self.job_name, "maxConcurrentRuns": 1, "tasks": tasks, **more}

    @property
    def job_name(self) -> str:
        """The job's name in the workspace."""
        return f"{self.name}.job"

    @property
    def root(self) -> str:
        """Where the source lies in the workspace."""
        return f"/Workspace/Shared/runmend/{self.name}"

    def book(self, **more: Any) -> None:
        """Write the playbook."""
        aidp = {
            "config_file": str(self.sim.config_file),
            "region": self.sim.region,
            "instance": self.sim.instance_id,
            "workspace": self.sim.workspace,
            "endpoint": self.sim.url,
            **more.pop("aidp", {}),
        }
        whole = {
            "platform": "aidp",
            "production": False,
            "source": "source",
            "job": {"file": "job.yaml"},
            "idempotent": True,
            "approve": {"mode": "auto"},
            "model": "none",
            "name": self.name,
            "aidp": aidp,
            **more,
        }
        (self.folder / "playbook.yaml").write_text(yaml.safe_dump(whole))

    def declare(self, task: str, *outcomes: Outcome) -> None:
        """Say how the next attempts at a task of this job go."""
        for outcome in outcomes:
            declare(self.sim, self.job_name, task, outcome)

    def declare_broken(self, seconds: float = 60) -> None:
        """Let `sales` fail while its column is misspelt, and all else succeed."""
        self.declare("load", Outcome(seconds=seconds))
        bad = Outcome(status="FAILED", seconds=seconds, error_trace=TRACE)
        self.declare("sales", bad, Outcome(seconds=seconds))
        self.declare("report", Outcome(seconds=seconds))

    def jobs(self) -> list[dict[str, Any]]:
        """Return the jobs of this name."""
        every = [job for _, job in self.sim.store.items("job")]
        return [job for job in every if job["name"] == self.job_name]

    def runs(self) -> list[dict[str, Any]]:
        """Return the documents of this job's runs, oldest first."""
        self.sim.tick()
        return [
            run for _, run in self.sim.store.items(rundocs.KIND) if run["name"] == self.job_name
        ]

    def made(self) -> Made:
        """Count what is in the workspace."""
        runs = self.runs()
        return Made(
            jobs=len(self.jobs()),
            runs=len(runs),
            repairs=sum(run["repair"] for run in runs),
            cancelled=sum(run["status"] == "CANCELED" for run in runs),
        )

    def text(self, path: str) -> str:
        """Return the cells of a notebook of the source as it lies in the workspace."""
        found = filestore.read(self.sim, f"{self.root}/{path}")
        if found is None:
            return ""
        cells = json.loads(found)["cells"]
        return "\n".join("".join(cell["source"]) for cell in cells)

    def forget(self) -> None:
        """Take the job and its runs out of the workspace."""
        with self.sim.lock:
            for run in self.runs():
                rundocs.delete(self.sim, run)
            for job in self.jobs():
                self.sim.store.delete("job", job["key"])
