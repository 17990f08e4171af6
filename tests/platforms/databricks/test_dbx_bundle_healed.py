"""A broken bundle healed end to end, by the command as a user types it.

First the bundle has a field that nobody knows, which `bundle validate` finds; then a notebook reads
a column that its data does not have; then it succeeds. The second is healed by a repair: the same
run, only what failed and what comes after it runs again.

On this machine the `databricks` command is a stand-in and the workspace a simulated one. With
`--live PROFILE` the same happens in a real workspace, see `test_the_same_on_a_real_workspace`.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
import yaml

from agent.engine import runs
from agent.simulators import bundle
from agent.simulators.databricks import Simulator
from agent.simulators.databricks.outcomes import Outcome, declare

RUNMEND = Path(sys.executable).with_name("runmend")
REAL = dict(os.environ)
"""The surroundings of whoever runs the tests, for the live one."""
RESOURCES = """\
resources:
  jobs:
    sales_job:
      name: NAME
      parameters: [{name: run_date, default: "2026-07-01"}]
      tasks:
        - task_key: extract
          python_task:
            python_file: ../src/extract.py
            parameters: ["{{job.parameters.run_date}}"]
          environment_key: default
        - task_key: load
          depends_on: [{task_key: extract}]
          notebook_task: {notebook_path: ../src/load.py}
        - task_key: report
          depends_on: [{task_key: load}]
          notebook_task: {notebook_path: ../src/report.py}
      environments:
        - {environment_key: default, spec: {environment_version: "2"}}
"""
EXTRACT = """\
import json
import sys

print("[Step 1/1] orders of", sys.argv[1])
print(json.dumps({"status": "SUCCESS", "total": 3, "successful": 3, "failed": 0}))
"""
LOAD = """\
# Databricks notebook source
import csv
import json

# COMMAND ----------
with open("orders.csv") as file:
    rows = list(csv.DictReader(file))
print(f"[Step 1/2] {len(rows)} orders")

# COMMAND ----------
total = sum(float(row["amuont"]) for row in rows)
print("[Step 2/2] added up")

# COMMAND ----------
dbutils.notebook.exit(json.dumps({"total": 3, "failed": 0, "sum": total}))
"""
REPORT = """\
# Databricks notebook source
dbutils.notebook.exit('{"failed": 0}')
"""
TRACE = """\
---------------------------------------------------------------------------
KeyError                                  Traceback (most recent call last)
File <command-7001>, line 1
----> 1 total = sum(float(row["amuont"]) for row in rows)
      2 print("[Step 2/2] added up")

File <command-7001>, line 1, in <genexpr>(.0)
----> 1 total = sum(float(row["amuont"]) for row in rows)
      2 print("[Step 2/2] added up")

KeyError: 'amuont'"""


class Shop(NamedTuple):
    """The user's folder with the broken bundle and its playbook."""

    folder: Path
    name: str = "sales"

    @property
    def book(self) -> Path:
        return self.folder / "playbook.yaml"

    def write(self, **databricks: Any) -> None:
        """Write everything; `databricks` are keys of the playbook's block of that name."""
        main = {
            "bundle": {"name": self.name},
            "include": ["resources/*.yml"],
            "targets": {"dev": {"mode": "development", "default": True}},
        }
        book = {
            "name": "sales",
            "platform": "databricks",
            "target": "dev",
            "job": {"bundle": "sales_job"},
            "verify": [{"task": "load", "expect": "sum == 15.0"}],
            "idempotent": True,
            "approve": {"mode": "auto"},
            "model": "none",
            "databricks": databricks,
        }
        files = {
            "databricks.yml": yaml.safe_dump(main, sort_keys=False),
            "playbook.yaml": yaml.safe_dump(book, sort_keys=False),
            "resources/sales.yml": RESOURCES.replace("NAME", self.name),
            "src/extract.py": EXTRACT,
            "src/load.py": LOAD,
            "src/report.py": REPORT,
            "src/orders.csv": "id,amount\n1,2.5\n2,5.0\n3,7.5\n",
        }
        for path, text in files.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text)

    def runmend(
        self, *words: str | Path, env: dict[str, str], patience_s: float = 120.0
    ) -> tuple[dict[str, Any], str]:
        """Run a command with `-o json`; return its object, which agrees with the exit code."""
        done = subprocess.run(
            [RUNMEND, *words, "-o", "json"],
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=patience_s,
            check=False,
        )
        found: dict[str, Any] = json.loads(done.stdout)
        assert found["exit_code"] == done.returncode, done.stderr
        return found, done.stderr


def is_healed(found: dict[str, Any]) -> None:
    """See that both faults were mended, the second by a repair of the same run."""
    assert (found["verdict"], found["exit_code"]) == ("healed", 0), found
    assert (found["healed_in"], found["verified"]) == (2, True)
    first, second = found["iterations"]
    assert [f["code"] for f in first["failures"]] == ["BUNDLE_INVALID"]
    assert "unknown field: python_task" in first["failures"][0]["message"]
    assert first["failures"][0]["location"]["path"] == "resources/sales.yml"
    assert first["patch"]["author"] == "fixer:bundle_declaration"
    assert [f["task"] for f in second["failures"]] == ["load"]
    assert second["patch"]["author"] == "fixer:rename_column"
    assert second["patch"]["rerun"] == ["load", "report"]
    runs = [run for iteration in found["iterations"] for run in iteration["runs"]]
    assert [run["state"] for run in runs] == ["failed", "succeeded"]
    assert runs[0]["run"] == runs[1]["run"] == runs[1]["repairs"]
    attempts = [{task["task"]: task["task_run"] for task in run["tasks"]} for run in runs]
    assert attempts[0]["extract"] == attempts[1]["extract"]
    assert attempts[0]["load"] != attempts[1]["load"]
    assert {task["task"]: task["state"] for task in found["tasks"]} == dict.fromkeys(
        ("extract", "load", "report"), "succeeded"
    )
    assert found["usage"]["platform_calls"] > 0
    assert found["usage"]["tokens"] == 0
    diff = Path(found["delivered"]["where"]).read_text()
    assert "-          python_task:" in diff
    assert '+total = sum(float(row["amount"]) for row in rows)' in diff


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Simulator]:
    """Give a workspace on the machine's own time: other processes work on it."""
    with Simulator(tmp_path / "workspace") as simulator:
        yield simulator
    assert simulator.problems == []


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(tmp_path / "shop")
    made.write(command=[str(bundle.install(tmp_path / "bin"))])
    return made


def surroundings(tmp_path: Path, cache: Path, **more: str) -> dict[str, str]:
    """Return an environment that is nobody's, but for how the network is reached."""
    reached = runs.environment((), os.environ)
    folders = {"RUNMEND_STATE": str(tmp_path / "state"), "RUNMEND_CACHE": str(cache)}
    return {**reached, "HOME": str(tmp_path), "LANG": "C.UTF-8", **folders, **more}


@pytest.mark.slow
def test_a_broken_bundle_then_a_broken_notebook_are_healed(
    shop: Shop, sim: Simulator, tmp_path: Path, cache: Path
) -> None:
    fine = Outcome(seconds=0, notebook_result={"failed": 0})
    bad = Outcome(result="FAILED", seconds=0, error="KeyError: 'amuont'", error_trace=TRACE)
    good = Outcome(seconds=0, notebook_result={"failed": 0, "sum": 15.0})
    declare(sim, "extract", Outcome(seconds=0))
    declare(sim, "load", bad, good)
    declare(sim, "report", fine)
    env = surroundings(tmp_path, cache, DATABRICKS_HOST=sim.url, DATABRICKS_TOKEN=sim.token)
    found, _ = shop.runmend("heal", shop.book, env=env)
    is_healed(found)
    ours = [call for call in sim.calls if call.user_agent.startswith("runmend/")]
    changes = [c for c in ours if c.method == "POST" and "/jobs/" in c.path]
    assert [c.path.rpartition("/")[2] for c in changes] == ["run-now", "repair"]
    repair = changes[-1].body
    assert isinstance(repair, dict)
    assert (repair["rerun_tasks"], str(repair["run_id"])) == (
        ["load", "report"],
        found["iterations"][1]["runs"][0]["run"],
    )
    assert found["usage"]["platform_calls"] == len(ours)
    assert "python_task" in (shop.folder / "resources/sales.yml").read_text()


@pytest.mark.slow
def test_a_rehearsal_heals_the_same_bundle_by_running_it(
    shop: Shop, tmp_path: Path, cache: Path
) -> None:
    env = surroundings(tmp_path, cache)
    found, said = shop.runmend("rehearse", shop.book, "--stage", tmp_path / "stage", env=env)
    is_healed(found)
    assert "a simulated workspace on http://127.0.0.1:" in said
    assert "python_task" in (shop.folder / "resources/sales.yml").read_text()
    assert not (tmp_path / "state").exists()


@pytest.mark.live
def test_the_same_on_a_real_workspace(request: pytest.FixtureRequest, cache: Path) -> None:
    """Heal the bundle on the workspace of `--live PROFILE`, with the user's own command.

    It creates, in development mode and under the user's own folder of that workspace: the files of
    one bundle, `runmend_live_...`, and one job with three serverless tasks. It runs the job once
    and repairs that run once: some five minutes of the smallest serverless jobs compute, less than
    one US dollar at list prices. No table is touched.

    Nothing is deleted here. The command that takes it all away again is printed at the end (run
    pytest with -s); the user runs it and confirms what it lists.
    """
    profile = str(request.config.getoption("--live"))
    shop = Shop(Path(tempfile.mkdtemp(prefix="runmend-live-")), f"runmend_live_{uuid4().hex[:8]}")
    shop.write(profile=profile)
    folders = {"RUNMEND_STATE": str(shop.folder / ".runmend"), "RUNMEND_CACHE": str(cache)}
    env = {k: v for k, v in REAL.items() if not k.startswith("RUNMEND_")} | folders
    words = ["databricks", "bundle", "destroy", "-t", "dev", "-p", profile]
    try:
        found, _ = shop.runmend("heal", shop.book, env=env, patience_s=3600)
        is_healed(found)
    finally:
        sys.stdout.write(f"\nto take it away: cd {shop.folder} && {shlex.join(words)}\n")
