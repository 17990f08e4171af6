"""Files for tasks that run for real, and waiting for their runs."""

import base64
from typing import Any

import httpx
from sim_runs_stage import look
from sim_shared import DEADLINE_S, once

from agent.simulators.databricks import Simulator

HEADER = "# Databricks notebook source\n"
FOLDER = "/Workspace/Users/rehearsal@example.com/etl"


def wire(sim: Simulator) -> httpx.Client:
    """Give a plain client that shows the token."""
    headers = {"Authorization": f"Bearer {sim.token}"}
    return httpx.Client(base_url=sim.url, headers=headers, trust_env=False)


def put(http: httpx.Client, path: str, text: str | bytes, form: str = "AUTO") -> None:
    """Import a file into the workspace, its folder first."""
    http.post("/api/2.0/workspace/mkdirs", json={"path": path.rpartition("/")[0]})
    content = base64.b64encode(text.encode() if isinstance(text, str) else text).decode()
    body = {"path": path, "content": content, "format": form, "overwrite": True}
    answer = http.post("/api/2.0/workspace/import", json=body)
    assert answer.status_code == 200, answer.text


def ended(http: httpx.Client, run_id: int, within_s: float = DEADLINE_S) -> dict[str, Any]:
    """Give the run once it has ended."""
    return once(lambda: look(http, run_id), lambda run: "end_time" in run, within_s)
