"""Stage for tests of simulated runs: start one, look at it, declare how its tasks go."""

import json
from typing import Any

import httpx
from aidp_jobs_stage import made, task

from agent.simulators.aidp import Simulator
from agent.simulators.aidp.outcomes import Outcome, declare

BAD = Outcome(
    status="FAILED",
    seconds=10,
    error="KeyError: 'amount'",
    error_trace="Traceback (most recent call last):\n  ...\nKeyError: 'amount'",
)
GOOD = Outcome(seconds=10)
SORTED = {"sortBy": "timeCreated", "sortOrder": "ASC", "limit": 100}


def chain(sim: Simulator, *keys: str, **fields: Any) -> list[dict[str, Any]]:
    """Return notebook tasks that wait for one another."""
    return [task(sim, key, *keys[:n][-1:], **fields) for n, key in enumerate(keys)]


def good(sim: Simulator, *keys: str) -> None:
    """Let every try at these tasks end well after ten seconds."""
    for key in keys:
        declare(sim, "*", key, GOOD, times=None)


def job_of(http: httpx.Client, *tasks: dict[str, Any], **fields: Any) -> str:
    """Create a job of these tasks and return its key."""
    return str(made(http, tasks=list(tasks), **fields)["key"])


def start(http: httpx.Client, job: str, **body: Any) -> dict[str, Any]:
    """Start a run and return it as the reply has it."""
    answer = http.post("/jobRuns", json={"jobKey": job} | body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def look(http: httpx.Client, key: str, **query: Any) -> dict[str, Any]:
    """Return a run."""
    answer = http.get(f"/jobRuns/{key}", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def status(http: httpx.Client, key: str) -> str:
    """Return a run's status."""
    return str(look(http, key)["state"]["status"])


def task_run(http: httpx.Client, run: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the newest task run of a task."""
    answer = http.get(f"/taskRuns/{run['taskToTaskRunMap'][key]}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def statuses(run: dict[str, Any]) -> dict[str, str]:
    """Return the status of the newest task run of each task."""
    return {
        key: run["taskRunSummaryMap"][one]["state"]["status"]
        for key, one in run["taskToTaskRunMap"].items()
    }


def went(http: httpx.Client, sim: Simulator, job: str, seconds: float = 60) -> dict[str, Any]:
    """Start a run, let time pass, return the run."""
    key = start(http, job)["key"]
    sim.advance(seconds)
    return look(http, key)


def fetch(http: httpx.Client, key: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the output of a task run."""
    answer = http.post(f"/taskRuns/{key}/actions/fetchOutput", json=body or {})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def cells(output: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells of a notebook's output."""
    assert output["data"][0]["type"] == "NOTEBOOK"
    found: list[dict[str, Any]] = json.loads(output["data"][0]["value"])["cells"]
    return found
