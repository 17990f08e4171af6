"""Stage for tests of simulated AIDP jobs and clusters: a client, a job, a refusal."""

from typing import Any

import httpx
from aidp_sim_stage import NO_TLS, Signing, client, signer

from agent.simulators.aidp import Simulator
from agent.simulators.aidp.options import Family


def signed(sim: Simulator, family: Family = "GA", *, instance: bool = False) -> httpx.Client:
    """Return a client whose paths are below the workspace, or below the instance."""
    if not instance:
        return client(sim, family=family)
    base = sim.url + sim.below(family).partition("/workspaces/")[0]
    return httpx.Client(base_url=base, auth=Signing(signer(sim)), trust_env=False, verify=NO_TLS)


def task(sim: Simulator, key: str, *needs: str, **fields: Any) -> dict[str, Any]:
    """Return a notebook task on the workspace's cluster."""
    return {
        "type": "NOTEBOOK_TASK",
        "taskKey": key,
        "runIf": "ALL_SUCCESS",
        "dependsOn": [{"taskKey": need} for need in needs],
        "source": "WORKSPACE",
        "notebookPath": f"/Workspace/Shared/{key}.ipynb",
        "cluster": {"clusterKey": sim.cluster_key, "clusterName": sim.cluster_name},
        **fields,
    }


def job(name: str = "etl_daily.job", **fields: Any) -> dict[str, Any]:
    """Return a job's definition; a field that is None is left out."""
    found = {"name": name, "path": "/Workspace/Shared", "maxConcurrentRuns": 1, **fields}
    return {k: v for k, v in found.items() if v is not None}


def made(http: httpx.Client, **fields: Any) -> dict[str, Any]:
    """Create a job and return it."""
    answer = http.post("/jobs", json=job(**fields))
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refused(answer: httpx.Response, status: int = 400, code: str = "InvalidParameter") -> str:
    """Return the message of a refusal that has this status and code."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    return str(answer.json()["message"])
