"""Jobs of declared tasks, and a workspace whose time a test moves."""

import base64
import json
import re
from typing import Any
from urllib.parse import unquote

import httpx
from databricks.sdk import WorkspaceClient

from agent.simulators.databricks import Simulator
from agent.simulators.databricks.outcomes import Outcome, declare

GOOD = Outcome(seconds=10)
BAD = Outcome(
    result="FAILED",
    seconds=10,
    error="KeyError: 'amount'",
    error_trace="\x1b[0;31mKeyError\x1b[0m: 'amount'",
)


def task(key: str, *needs: str, **more: Any) -> dict[str, Any]:
    """Give a notebook task that waits for others."""
    depends = {"depends_on": [{"task_key": need} for need in needs]} if needs else {}
    return {"task_key": key, "notebook_task": {"notebook_path": f"/n/{key}"}} | depends | more


def create(http: httpx.Client, *tasks: dict[str, Any], **settings: Any) -> int:
    """Create a job through the wire and give its id."""
    body = {"name": "etl", "tasks": list(tasks)} | settings
    answer = http.post("/api/2.2/jobs/create", json=body)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["job_id"])


def start(http: httpx.Client, job_id: int, **more: Any) -> int:
    """Start a run through the wire and give its id."""
    answer = http.post("/api/2.2/jobs/run-now", json={"job_id": job_id} | more)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["run_id"])


def look(http: httpx.Client, run_id: int, **query: Any) -> dict[str, Any]:
    """Give a run as the wire has it."""
    answer = http.get("/api/2.2/jobs/runs/get", params={"run_id": run_id} | query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def results(run: dict[str, Any]) -> dict[str, str]:
    """Give the result, else the life cycle, of the last attempt at each task."""
    return {
        task["task_key"]: task["state"].get("result_state") or task["state"]["life_cycle_state"]
        for task in run["tasks"]
    }


def refused(answer: httpx.Response, status: int = 400) -> str:
    """Give the message of a refusal of that status."""
    assert answer.status_code == status, answer.text
    return str(answer.json()["message"])


def model(page: str) -> dict[str, Any]:
    """Give the notebook that an exported page holds, as its readers decode it."""
    found = re.search(r"__DATABRICKS_NOTEBOOK_MODEL = '([^']+)'", page)
    assert found is not None
    decoded: dict[str, Any] = json.loads(unquote(base64.b64decode(found[1]).decode()))
    return decoded


def quick(sim: Simulator, *keys: str) -> None:
    """Let tasks end well at once."""
    for key in keys:
        declare(sim, key, Outcome(seconds=0))


__all__ = [
    "BAD",
    "GOOD",
    "WorkspaceClient",
    "create",
    "look",
    "model",
    "quick",
    "refused",
    "results",
]
__all__ += ["start", "task"]
