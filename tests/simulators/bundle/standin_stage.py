"""A bundle in a folder, a workspace to deploy it to, and the stand-in called in process."""

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

from agent.simulators.bundle.command import main
from agent.simulators.databricks import Simulator

ROOT = "/Workspace/Users/rehearsal@example.com/.bundle/shop/dev"
NOTEBOOK = "# Databricks notebook source\n"

MAIN = """\
bundle: {name: shop}
include: [resources/*.yml]
variables:
  catalog: {default: dev}
targets:
  dev:
    default: true
"""

JOB = """\
resources:
  jobs:
    gold:
      name: gold merge
      tasks:
        - task_key: merge
          notebook_task:
            notebook_path: ../src/merge.py
            base_parameters:
              catalog: ${var.catalog}
"""


class Said(NamedTuple):
    """How one command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What was printed, as JSON."""
        return json.loads(self.out)


class Stage:
    """One bundle and its workspace."""

    def __init__(self, folder: Path, sim: Simulator) -> None:
        self.folder = folder
        self.sim = sim
        self.env = {
            "DATABRICKS_HOST": sim.url,
            "DATABRICKS_TOKEN": sim.token,
            "HOME": str(folder.parent),
            "RUNMEND_STANDIN_POLL_S": "0.05",
        }
        self.write("databricks.yml", MAIN)
        self.write("resources/gold.yml", JOB)
        self.write("src/merge.py", NOTEBOOK + "dbutils.notebook.exit('merged')\n")

    def write(self, name: str, text: str) -> None:
        """Write a file of the bundle."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace text in a file of the bundle."""
        text = (self.folder / name).read_text("utf-8")
        assert old in text
        self.write(name, text.replace(old, new))

    def call(self, *argv: str, **env: str) -> Said:
        """Call the command in the bundle's folder."""
        out, err = io.StringIO(), io.StringIO()
        code = main(argv, {**self.env, **env}, self.folder, out, err)
        return Said(code, out.getvalue(), err.getvalue())

    def bundle(self, *argv: str, **env: str) -> Said:
        """Call `databricks bundle ...`."""
        return self.call("bundle", *argv, **env)

    def deployed(self, *argv: str, **env: str) -> Said:
        """Deploy, and see that it worked."""
        said = self.bundle("deploy", *argv, **env)
        assert said.code == 0, said.err
        return said

    def sent(self, method: str, part: str) -> list[Any]:
        """Return the bodies of the calls so far to a path with `part` in it."""
        return [c.body for c in self.sim.calls if c.method == method and part in c.path]
