"""What dagster-databricks does with a workspace, run by test_sim_dagster beside it.

Prints one JSON object. Arguments: the workspace's url and token.
"""

import json
import logging
import sys

from dagster_databricks import DatabricksError
from dagster_databricks.databricks import DatabricksClient, DatabricksJobRunner
from databricks.sdk.service.workspace import ImportFormat

LOG = logging.getLogger("dagster")
CLUSTER = {"existing": "0101-000000-rehearse"}


def main(url: str, token: str) -> dict[str, object]:
    client = DatabricksClient(host=url, token=token)
    runner = DatabricksJobRunner(host=url, token=token, poll_interval_sec=0.2, max_wait_time_sec=90)
    script = (
        b'import json, sys\nprint("working", file=sys.stderr)\nprint(json.dumps({"rows": 3}))\n'
    )
    w = client.workspace_client
    w.workspace.mkdirs("/Workspace/Shared")
    for name, text in (
        ("good", script),
        ("bad", b"raise ValueError('no rows today')\n"),
        ("long", b"import time\ntime.sleep(120)\n"),
    ):
        w.workspace.upload(
            f"/Workspace/Shared/{name}.py", text, format=ImportFormat.RAW, overwrite=True
        )
    cluster = w.clusters.create(
        spark_version="15.4.x-scala2.12", node_type_id="i3.xlarge", num_workers=1, cluster_name="c"
    ).cluster_id

    def submit(name: str) -> int:
        config = {
            "run_name": name,
            "cluster": {"existing": cluster},
            "install_default_libraries": False,
        }
        task = {"spark_python_task": {"python_file": f"/Workspace/Shared/{name}.py"}}
        return runner.submit_run(config, task)

    found: dict[str, object] = {}
    good = submit("good")
    client.wait_for_run_to_complete(LOG, good, 0.2, 90)
    task_run = w.jobs.get_run(good).tasks[0].run_id  # type: ignore[index]
    found["output"] = w.jobs.get_run_output(task_run).logs  # type: ignore[arg-type]
    found["cluster"] = w.jobs.get_run(good).tasks[0].cluster_instance.cluster_id == cluster  # type: ignore[index, union-attr]
    try:
        client.wait_for_run_to_complete(LOG, submit("bad"), 0.2, 90)
    except DatabricksError as error:
        found["bad"] = str(error)
    long = submit("long")
    w.jobs.cancel_run(long)
    try:
        client.wait_for_run_to_complete(LOG, long, 0.2, 90)
    except DatabricksError as error:
        found["cancelled"] = str(error)
    client.put_file(open(__file__, "rb"), "/tmp/script.py", overwrite=True)  # noqa: PTH123, S108, SIM115  what dagster takes
    found["file"] = client.read_file("dbfs:///tmp/script.py").startswith(b'"""What dagster')
    return found


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))  # noqa: T201
