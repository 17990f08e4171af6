"""Whole cases on a simulated workspace: a desk whose clock is the workspace's, and who watches.

A `Shop` is a source folder with a playbook and a state folder. Its job has three notebooks; `sales`
reads a column that is misspelt, so that one declared failure has a fix.
"""

import base64
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from told import BaseShop, Made

from agent.simulators.databricks import Simulator, rundocs
from agent.simulators.databricks.outcomes import Outcome, declare

HEADER = "# Databricks notebook source\n"
QUERY = "select amout from raw"
NOTEBOOKS = {
    "src/load.py": f"{HEADER}spark.sql('create table raw as select 1 as amount')\n",
    "src/sales.py": f"{HEADER}frame = spark.sql('{QUERY}')\nframe.show()\n",
    "src/report.py": f"{HEADER}print('done')\n",
}
SALES_TRACE = """\
---------------------------------------------------------------------------
AnalysisException                         Traceback (most recent call last)
File {path}, line 2
      1 # Databricks notebook source
----> 2 frame = spark.sql('select amout from raw')
      3 frame.show()
AnalysisException: [UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter \
with name `amout` cannot be resolved. Did you mean one of the following? [`amount`]. \
SQLSTATE: 42703; line 1 pos 7
"""
MISSPELT = SALES_TRACE.splitlines()[-1]
BOOK: Mapping[str, Any] = {
    "platform": "databricks",
    "source": "source",
    "job": {"file": "job.yaml"},
    "idempotent": True,
    "approve": {"mode": "auto"},
    "model": "none",
}


def bad_column(seconds: float = 60, path: str = "~/sales.py") -> Outcome:
    """Return how `sales` fails while its column is misspelt."""
    trace = SALES_TRACE.replace("{path}", path)
    return Outcome(result="FAILED", seconds=seconds, error=MISSPELT, error_trace=trace)


def fine(seconds: float = 60) -> Outcome:
    """Return a success."""
    return Outcome(seconds=seconds)


class Shop(BaseShop):
    """One playbook and its cases."""

    mended = "src/sales.py"

    def __init__(self, sim: Simulator, folder: Path, **book: Any) -> None:
        super().__init__(sim, folder)
        self.root: str | None = None
        """Where the source lies in the workspace; None = in our own folder."""
        self.name = str(book.pop("name", folder.name))
        self.write(NOTEBOOKS)
        self.write({"job.yaml": yaml.safe_dump(self.job())})
        self.book(**book)

    def job(self, **more: Any) -> dict[str, Any]:
        """Return the job as its file declares it."""
        keys = ("load", "sales", "report")
        tasks = [
            {
                "task_key": key,
                "depends_on": [{"task_key": need}] if need else [],
                "disable_auto_optimization": True,
                "notebook_task": {"notebook_path": f"src/{key}.py"},
            }
            for need, key in zip((None, *keys), keys, strict=False)
        ]
        return {"name": self.name, "tasks": tasks, **more}

    def book(self, **more: Any) -> None:
        """Write the playbook."""
        file = self.folder / "playbook.yaml"
        file.write_text(yaml.safe_dump({**BOOK, "name": self.name, **more}))

    def bundle(self) -> None:
        """Let a bundle declare the job, deployed by the stand-in for the `databricks` command."""
        root = f"/Workspace/Shared/{self.name}"
        workspace = {"root_path": root}
        whole = {
            "bundle": {"name": self.name},
            "targets": {"dev": {"default": True, "workspace": workspace}},
            "resources": {"jobs": {"main": self.job()}},
        }
        (self.source / "job.yaml").unlink()
        self.write({"databricks.yml": yaml.safe_dump(whole)})
        command = [sys.executable, "-m", "agent.simulators.bundle"]
        self.book(job={"bundle": "main"}, target="dev", databricks={"command": command})
        self.root = f"{root}/files"

    def declare(self, task: str, *outcomes: Outcome) -> None:
        """Say how the next attempts at a task of this job go."""
        declare(self.sim, (self.name, task), *outcomes)

    def declare_broken(self) -> None:
        """Let `sales` fail while its column is misspelt, and all else succeed."""
        self.declare("load", fine())
        self.declare("sales", bad_column(), fine())
        self.declare("report", fine())

    def runs(self) -> list[dict[str, Any]]:
        """Return the documents of this job's runs, oldest first."""
        self.sim.tick()
        return [run for _, run in self.sim.store.items(rundocs.KIND) if run["name"] == self.name]

    def jobs(self) -> list[dict[str, Any]]:
        """Return the documents of the jobs of this name."""
        every = (job for _, job in self.sim.store.items("job"))
        return [job for job in every if job["settings"].get("name") == self.name]

    def made(self) -> Made:
        """Count what is in the workspace."""
        runs = self.runs()
        return Made(
            jobs=len(self.jobs()),
            runs=len(runs),
            repairs=sum(len(run["repairs"]) for run in runs),
            cancelled=sum(run.get("result") == "CANCELED" for run in runs),
        )

    @property
    def _root(self) -> str:
        return self.root or f"/Workspace/Users/{self.sim.user}/.runmend/{self.name}"

    def forget(self) -> None:
        """Take the job and its runs out of the workspace."""
        for run in self.runs():
            self.ask("POST", "/api/2.2/jobs/runs/delete", {"run_id": run["run_id"]})
        for job in self.jobs():
            self.ask("POST", "/api/2.2/jobs/delete", {"job_id": job["job_id"]})

    def remote(self, path: str) -> str:
        """Return where a file of the source lies in the workspace."""
        path = path.removesuffix(".py") if path.startswith("src/") else path
        return f"{self._root}/{path}"

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Do something in the workspace as somebody else; return the answer's JSON."""
        headers = {"authorization": f"Bearer {self.sim.token}", "content-type": "application/json"}
        raw = b"" if body is None else json.dumps(body).encode()
        reply = self.sim.answer(method, path, headers, raw)
        assert reply is not None
        assert reply.status == 200, reply
        return reply.body

    def text(self, path: str) -> str:
        """Return the text of a file of the source as it lies in the workspace."""
        found = self.ask("GET", f"/api/2.0/workspace/export?format=SOURCE&path={self.remote(path)}")
        return base64.b64decode(found["content"]).decode()

    def overwrite(self, path: str, text: str) -> None:
        """Let somebody else change a file in the workspace."""
        body = {
            "path": self.remote(path),
            "content": base64.b64encode(text.encode()).decode(),
            "overwrite": True,
            "format": "SOURCE",
            "language": "PYTHON",
        }
        self.ask("POST", "/api/2.0/workspace/import", body)

    def change_job(self, **settings: Any) -> None:
        """Let somebody else change settings of the job."""
        (job,) = self.jobs()
        body = {"job_id": job["job_id"], "new_settings": settings}
        self.ask("POST", "/api/2.2/jobs/update", body)

    def run_now(self, **more: Any) -> int:
        """Let somebody else start a run of the job."""
        (job,) = self.jobs()
        body = {"job_id": job["job_id"], **more}
        return int(self.ask("POST", "/api/2.2/jobs/run-now", body)["run_id"])
