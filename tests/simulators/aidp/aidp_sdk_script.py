"""What Oracle's aidp-python-client does with a workspace.

Run by test_aidp_official_clients beside it. Prints one JSON object. Argument: the first line that
`runmend simulate aidp` prints.
"""

import json
import sys
import threading
from typing import Any

import oci
from aidp_python_client.aidataplatform_dp import (
    ClusterClient,
    NotebookClient,
    WorkflowClient,
    WorkspaceObjectClient,
    models,
)

FOLDER = "/Workspace/Shared"
PAUSE = threading.Event()
ENDED = ("SUCCESS", "FAILED", "CANCELED", "SKIPPED", "TIMED_OUT", "INTERNAL_ERROR")


def notebook(*cells: str) -> dict[str, Any]:
    """Return an nbformat-4 notebook."""
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {},
        "cells": [
            {
                "cell_type": "code",
                "id": f"c{number}",
                "source": text,
                "metadata": {},
                "execution_count": None,
                "outputs": [],
            }
            for number, text in enumerate(cells)
        ],
    }


class Client:
    """The clients of one workspace."""

    def __init__(self, told: dict[str, Any]) -> None:
        config = oci.config.from_file(told["config_file"], "DEFAULT")
        where = {"service_endpoint": told["url"], "retry_strategy": oci.retry.NoneRetryStrategy()}
        self.flow = WorkflowClient(config, **where)
        self.notebooks = NotebookClient(config, **where)
        self.objects = WorkspaceObjectClient(config, **where)
        self.clusters = ClusterClient(config, **where)
        self.at = (told["instance_id"], told["workspace"])
        self.cluster = {"clusterKey": told["cluster_key"], "clusterName": told["cluster_name"]}

    def write(self, name: str, *cells: str) -> None:
        """Create or replace a notebook."""
        details = models.UpdateContentDetails(
            name=name,
            path=f"{FOLDER}/{name}",
            type="notebook",
            format="json",
            content=notebook(*cells),
        )
        self.notebooks.update_content(
            *self.at, f"{FOLDER}/{name}", details, enable_strict_url_encoding=True
        )

    def task(self, key: str, *needs: str) -> models.NotebookTask:
        """Return a notebook task that runs the notebook of its name."""
        return models.NotebookTask(
            task_key=key,
            run_if="ALL_SUCCESS",
            depends_on=[models.DependsOn(task_key=n) for n in needs],
            source="WORKSPACE",
            notebook_path=f"{FOLDER}/{key}.ipynb",
            cluster=models.JobCluster(
                cluster_key=self.cluster["clusterKey"], cluster_name=self.cluster["clusterName"]
            ),
        )

    def job(self, name: str, *tasks: models.NotebookTask) -> str:
        """Create a job in two steps and return its key."""
        head: dict[str, Any] = {"name": name, "path": FOLDER, "max_concurrent_runs": 1}
        made = self.flow.create_job(*self.at, models.CreateJobDetails(**head))
        assert made.status == 201, made.status
        whole = models.UpdateJobDetails(**head, tasks=list(tasks))
        changed = self.flow.update_job(*self.at, made.data.key, whole)
        assert 200 <= changed.status < 300, changed.status
        return str(made.data.key)

    def start(self, job: str) -> str:
        """Start a run and return its key."""
        details = models.CreateJobRunDetails(job_key=job)
        return str(self.flow.create_job_run(*self.at, details).data.key)

    def wait(self, run: str, *wanted: str) -> Any:
        """Return the run once it has one of the statuses."""
        for _ in range(600):
            found = self.flow.get_job_run(*self.at, run).data
            if found.state.status in (wanted or ENDED):
                return found
            PAUSE.wait(0.2)
        raise TimeoutError(found.state.status)


def main(told: dict[str, Any]) -> dict[str, Any]:
    """Do everything once; return what was seen."""
    c = Client(told)
    found: dict[str, Any] = {}
    listed = c.clusters.list_clusters(*c.at, limit=100).data.items
    found["clusters"] = [(one.display_name, one.state) for one in listed]
    c.write("extract.ipynb", "print('rows', 3)")
    c.write("load.ipynb", "row = {'amount': 1}", "row['amout']")
    c.write("long.ipynb", "import time", "time.sleep(120)")
    job = c.job("sdk_etl.job", c.task("extract"), c.task("load", "extract"))
    found["tasks"] = [t.task_key for t in c.flow.get_job(*c.at, job).data.tasks]
    found["listed"] = [j.name for j in c.flow.list_jobs(*c.at, limit=100).data.items]
    run = c.start(job)
    ended = c.wait(run)
    found["first"] = ended.state.status
    tasks = c.flow.list_task_runs(*c.at, run, sort_by="timeCreated", sort_order="ASC", limit=100)
    found["statuses"] = {t.task_key: t.state.status for t in tasks.data.items}
    load = c.flow.get_task_run(*c.at, ended.task_to_task_run_map["load"]).data
    details = models.FetchOutputDetails(output_key=load.output_key)
    output = c.flow.fetch_output(*c.at, load.key, details).data
    found["output"] = "KeyError" in output.data[0].value
    c.write("load.ipynb", "row = {'amount': 1}", "print(row['amount'])")
    repair = models.RepairJobRunDetails(task_keys=["load"])
    again = c.flow.repair_job_run(*c.at, run, repair).data
    found["same"] = again.key == run
    mended = c.wait(run)
    found["second"] = mended.state.status
    found["repairs"] = len(mended.repair_history)
    long = c.job("sdk_long.job", c.task("long"))
    other = c.start(long)
    c.wait(other, "RUNNING")
    c.flow.cancel_job_run(*c.at, other)
    found["cancelled"] = c.wait(other, "CANCELED", "FAILED", "SUCCESS").state.status
    runs = c.flow.list_job_runs(*c.at, sort_by="timeCreated", sort_order="DESC", limit=100)
    found["runs"] = len(runs.data.items)
    try:
        c.flow.list_job_runs(*c.at, limit=100)
    except oci.exceptions.ServiceError as error:
        found["unsorted"] = (error.status, "WORKFLOW_0007" in error.message)
    for key in (job, long):
        found.setdefault("deleted", []).append(c.flow.delete_job(*c.at, key).status)
    try:
        c.flow.get_job(*c.at, job)
    except oci.exceptions.ServiceError as error:
        found["gone"] = (error.status, error.code)
    return found


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))  # noqa: T201
