"""What the service finds wrong with a task only when it begins: its cluster, whom it runs as.

Rules kept here: creating a job accepts all of this; the task run fails with a code in its
`stateMessage`. A `clusterName` counts as a name even where it is a UUID. Sources:
https://github.com/oracle-samples/oracle-aidp-samples (plugin `aidp-pipelines`); the wording after
the codes is put together from what has been reported.
"""

import re
from typing import TYPE_CHECKING, Any

from agent.simulators.aidp import clusters, computing, wire
from agent.simulators.aidp.rundocs import Run

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

NEED_CLUSTER = ("NOTEBOOK_TASK", "PYTHON_TASK", "JAR_TASK")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MACHINE = "ocid1.instance."
_OWN = ("", "YOURSELF")
_CLIENT = "Oracle-JavaSDK/3.77.2 (Linux; OpenJDK 64-Bit Server VM/17.0.16)"


def trouble(sim: "Simulator", run: Run, spec: dict[str, Any], at_ms: int) -> str | None:
    """Return why a task cannot run, as its `stateMessage` says it; None = it can."""
    runs_as = run.get("runAs") or ""
    if runs_as not in _OWN and not _UUID.fullmatch(runs_as):
        return _said("0036", f"runAs '{runs_as}' is not the key of a credential", at_ms)
    if spec["type"] not in NEED_CLUSTER:
        return None
    machine = sim.options.scheduled_need_run_as or run["createdBy"].startswith(_MACHINE)
    if run["launched"] == "SCHEDULED" and not runs_as and machine:
        said = "GetCluster failed (404, NotAuthorizedOrNotFound): RBAC check failed"
        return _said("0055", said, at_ms)
    return _cluster_trouble(sim, spec.get("cluster") or {}, at_ms)


def _cluster_trouble(sim: "Simulator", named: dict[str, Any], at_ms: int) -> str | None:
    name, key = named.get("clusterName"), named.get("clusterKey")
    if name is None and key is None and named.get("newCluster"):
        return None
    found = of_task(sim, {"cluster": named})
    if found is None:
        return _said("0049", f"Cluster not found: {name or key}", at_ms)
    inactive = f"Cluster {name or key} is not in Active state in workspace {sim.workspace}"
    if computing.is_default(found):
        return _said(sim.options.default_compute_code, inactive, at_ms)
    if clusters.state(sim, found) != "ACTIVE":
        return _said("0055", inactive, at_ms)
    return None


def of_task(sim: "Simulator", spec: dict[str, Any]) -> computing.Document | None:
    """Return the cluster that a task runs on; None where it names none that is there."""
    named = spec.get("cluster") or {}
    name, key = named.get("clusterName"), named.get("clusterKey")
    by_key = None if key is None else clusters.by_key(sim, str(key))
    by_name = None if name is None else clusters.by_name(sim, str(name))
    if name is None or key is None:
        return by_key or by_name
    return by_key if by_name is not None else None


def _said(code: str, text: str, at_ms: int) -> str:
    more = f"Timestamp: {wire.stamp(at_ms)}\nClient version: {_CLIENT}"
    return f"WORKFLOW_EXECUTION_{code}: {text}\n{more}"
