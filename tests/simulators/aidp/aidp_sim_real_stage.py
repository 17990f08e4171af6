"""Files for tasks that run for real, and waiting for their runs."""

import json
from typing import Any

import httpx
from aidp_sim_runs_stage import look
from sim_shared import DEADLINE_S, once

from agent.simulators.aidp import Simulator, filestore


def put_notebook(sim: Simulator, name: str, *cells: str) -> str:
    """Write a notebook of these code cells and return its path."""
    code = [
        {"cell_type": "code", "source": c, "metadata": {}, "outputs": [], "execution_count": None}
        for c in cells
    ]
    book = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": code}
    path = f"/Workspace/Shared/{name}.ipynb"
    with sim.lock:
        filestore.write(sim, path, json.dumps(book).encode(), "NOTEBOOK")
    return path


def put_file(sim: Simulator, name: str, text: str) -> str:
    """Write a file and return its path."""
    path = f"/Workspace/Shared/{name}"
    with sim.lock:
        filestore.write(sim, path, text.encode(), "FILE")
    return path


def python_task(sim: Simulator, key: str, path: str, line: str, *needs: str) -> dict[str, Any]:
    """Return a Python task on the workspace's cluster."""
    return {
        "type": "PYTHON_TASK",
        "taskKey": key,
        "runIf": "ALL_SUCCESS",
        "dependsOn": [{"taskKey": need} for need in needs],
        "filePath": path,
        "commandLineArguments": line,
        "cluster": {"clusterKey": sim.cluster_key, "clusterName": sim.cluster_name},
    }


def ended(http: httpx.Client, key: str, within_s: float = DEADLINE_S) -> dict[str, Any]:
    """Return the run once it has ended."""
    return once(lambda: look(http, key), lambda run: run["endTime"] is not None, within_s)
