"""Runs of jobs that somebody else made by REST, healed with a job file that has their mistakes."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from aidp_cases import CELLS, Shop, notebook
from aidp_workspace import Workspace
from told import Made

from agent import cases
from agent.errors import UsageError
from agent.events import Diagnosed
from agent.simulators.aidp import Simulator, filestore, jobs
from agent.simulators.aidp.outcomes import Outcome, declare

THEIRS = "/Workspace/Shared/theirs"


def mistaken(job: dict[str, Any], key: str) -> dict[str, Any]:
    """Return a job file with what only its author could mean so."""
    first, second, third = job["tasks"]
    for task in (first, second, third):
        task |= {
            "cluster": {"clusterName": key},
            "notebookPath": f"{THEIRS}/{task['taskKey']}.ipynb",
        }
    first["taskType"] = first.pop("type")
    second["dependsOn"] = ["load"]
    third.pop("runIf")
    return job


def theirs(sim: Simulator, name: str, tasks: list[dict[str, Any]]) -> str:
    """Make a job of this name as somebody else, its clusters named by their keys."""
    for path, cells in CELLS.items():
        filestore.write(sim, f"{THEIRS}/{Path(path).name}", notebook(*cells).encode(), "NOTEBOOK")
    cluster = {"clusterKey": sim.cluster_key, "clusterName": sim.cluster_key}
    made = [
        {**task, "cluster": cluster, "notebookPath": f"{THEIRS}/{task['taskKey']}.ipynb"}
        for task in tasks
    ]
    body = {"name": name, "path": "/Workspace/Shared", "maxConcurrentRuns": 1, "tasks": made}
    with sim.lock, sim.store.changes():
        return str(jobs.store(sim, body, "ocid1.user.oc1..ana")["key"])


def started(sim: Simulator, shop: Shop, job: str) -> str:
    """Start a run of a job as somebody else, and return it once it has ended."""
    session = Workspace(sim, shop.folder).connect("else")
    run = session.api.send("POST", "/jobRuns", {"jobKey": job}, what="by-hand").body["key"]
    session.api.close()
    sim.advance(300)
    return str(run)


def test_a_job_file_with_the_mistake_that_failed_the_run_is_mended(
    sim: Simulator, tmp_path: Path
) -> None:
    shop = Shop(sim, tmp_path)
    key = theirs(sim, shop.job_name, shop.job()["tasks"])
    shutil.rmtree(shop.source / "src")
    shop.write({"job.yaml": yaml.safe_dump(mistaken(shop.job(), sim.cluster_key))})
    run = started(sim, shop, key)
    for task in ("load", "sales", "report"):
        shop.declare(task, Outcome(seconds=5))
    with pytest.raises(UsageError, match=f"give job.id: {key}"):
        shop.heal(run)
    shop.book(job={"id": key, "file": "job.yaml"})
    healed = shop.heal(run).case
    found = [d.entry for e in shop.events(healed) if isinstance(e, Diagnosed) for d in e.diagnoses]
    assert found == ["missing.aidp-cluster"]
    assert healed.state == "done"
    assert shop.made() == Made(jobs=1, runs=1, repairs=1, cancelled=0)
    (job,) = shop.jobs()
    named = {"clusterName": sim.cluster_name, "clusterKey": sim.cluster_key}
    assert [task["cluster"] for task in job["tasks"]] == [named] * 3
    assert job["tasks"][1]["dependsOn"] == [{"taskKey": "load"}]


def test_a_case_that_is_cancelled_while_it_looks_leaves_no_look_behind(
    sim: Simulator, tmp_path: Path
) -> None:
    shop = Shop(
        sim,
        tmp_path,
        verify=[{"sql": "select true"}],
        aidp={"cluster": sim.cluster_name},
        poll={"deadline": "5m"},
    )
    for task in ("load", "sales", "report"):
        shop.declare(task, Outcome(seconds=5))
    declare(sim, "*", "look", Outcome(seconds=5000))

    def stop(why: str) -> None:
        if "looks at tables" in why:
            raise KeyboardInterrupt

    shop.told.on_wait = stop
    with pytest.raises(KeyboardInterrupt):
        shop.heal()
    assert len(list(sim.store.items("job"))) == 2
    (case,) = shop.desk().journal.cases()
    ended = cases.cancel(shop.desk(), case.case, "enough")
    assert ended.state == "cancelled"
    assert [job["name"] for _, job in sim.store.items("job")] == [shop.job_name]
