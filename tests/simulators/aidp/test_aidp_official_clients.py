"""Oracle's own client and command, unchanged, in an environment of their own, over real HTTP.

What was found beside the reference stands in the README.
"""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sim_shared import PAUSE, started

pytestmark = pytest.mark.slow

REQUIREMENTS = ("aidp-python-client==5.1.1", "aidp-cli==5.1.1")
SCRIPT = Path(__file__).with_name("aidp_sdk_script.py")


@pytest.fixture(scope="session")
def bin_folder(installed: Callable[..., Path]) -> Path:
    """Give the programs of an environment with Oracle's client and command."""
    return installed(*REQUIREMENTS)


def serving(*options: str) -> "Iterator[dict[str, Any]]":
    """Run `runmend simulate aidp` and yield what its first line says."""
    process, told = started("aidp", *options)
    with process:
        yield told
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.fixture
def plain() -> Iterator[dict[str, Any]]:
    """Serve over HTTP."""
    yield from serving()


@pytest.fixture
def tls() -> Iterator[dict[str, Any]]:
    """Serve over HTTPS with a certificate of its own."""
    yield from serving("--tls")


def test_the_python_client_does_everything(bin_folder: Path, plain: dict[str, Any]) -> None:
    done = subprocess.run(
        [bin_folder / "python", SCRIPT, json.dumps(plain)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["clusters"] == [[plain["cluster_name"], "ACTIVE"]]
    assert found["tasks"] == ["extract", "load"]
    assert found["listed"] == ["sdk_etl.job"]
    assert found["first"] == "FAILED"
    assert found["statuses"] == {"extract": "SUCCESS", "load": "FAILED"}
    assert found["output"] is True
    assert found["same"] is True
    assert found["second"] == "SUCCESS"
    assert found["repairs"] >= 1
    assert found["cancelled"] == "CANCELED"
    assert found["runs"] == 2
    assert found["unsorted"] == [400, True]
    assert found["deleted"] == [204, 204]
    assert found["gone"] == [404, "NotAuthorizedOrNotFound"]


class Command:
    """Oracle's `aidp` against a served workspace."""

    def __init__(self, program: Path, told: dict[str, Any], folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._last = ("--auth", "api_key", "--config-file", told["config_file"])
        self._last += ("--endpoint", told["url"], "--timeout", "30")
        trust = {"REQUESTS_CA_BUNDLE": told["certificate"]}
        self._env = {**os.environ, **trust, "AIDP_INSTANCE_ID": told["instance_id"]}

    def run(self, *words: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        """Return the exit code and what the command printed of the answer."""
        given: tuple[str, ...] = ()
        if body is not None:
            file = self._folder / "body.json"
            file.write_text(json.dumps(body))
            given = ("--body", f"@{file}")
        done = subprocess.run(
            [self._program, *words, *given, *self._last],
            capture_output=True,
            text=True,
            env=self._env,
            check=False,
        )
        said = done.stdout if done.returncode == 0 else done.stderr
        text = said.partition("Response:")[2]
        return done.returncode, json.loads(text) if text.strip() else {"said": said}

    def good(self, *words: str, body: Any = None) -> Any:
        """Return the data of an answer that must be good."""
        code, answer = self.run(*words, body=body)
        assert code == 0, answer
        return answer["data"]

    def wait(self, workspace: str, run: str, *wanted: str) -> dict[str, Any]:
        """Return the run once it has one of the statuses."""
        for _ in range(200):
            found: dict[str, Any] = self.good("workflow", "get-job-run", workspace, run)
            if found["state"]["status"] in wanted:
                return found
            PAUSE.wait(0.2)
        raise TimeoutError(found)


def notebook(text: str) -> dict[str, Any]:
    """Return a notebook's contents as the contents API takes them."""
    cell = {
        "cell_type": "code",
        "source": text,
        "metadata": {},
        "execution_count": None,
        "outputs": [],
    }
    content = {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [cell]}
    return {"type": "notebook", "format": "json", "content": content}


def test_the_command_does_everything_over_https(
    bin_folder: Path, tls: dict[str, Any], tmp_path: Path
) -> None:
    aidp = Command(bin_folder / "aidp", tls, tmp_path)
    ws = tls["workspace"]
    path = "/Workspace/Shared/cli.ipynb"
    aidp.good("notebook", "update-content", ws, path, body=notebook("1/0"))
    head = {"name": "cli_etl.job", "path": "/Workspace/Shared", "maxConcurrentRuns": 1}
    job = aidp.good("workflow", "create-job", ws, body=head)["key"]
    cluster = {"clusterKey": tls["cluster_key"], "clusterName": tls["cluster_name"]}
    task = {
        "type": "NOTEBOOK_TASK",
        "taskKey": "only",
        "runIf": "ALL_SUCCESS",
        "notebookPath": path,
        "cluster": cluster,
    }
    aidp.good("workflow", "update-job", ws, job, body={**head, "tasks": [task]})
    assert [t["taskKey"] for t in aidp.good("workflow", "get-job", ws, job)["tasks"]] == ["only"]
    run = aidp.good("workflow", "create-job-run", ws, body={"jobKey": job})["key"]
    ended = aidp.wait(ws, run, "FAILED")
    task_run = ended["taskToTaskRunMap"]["only"]
    output = aidp.good("workflow", "fetch-output", ws, task_run, body={})
    assert "ZeroDivisionError" in output["data"][0]["value"]
    aidp.good("notebook", "update-content", ws, path, body=notebook("print(1)"))
    again = aidp.good("workflow", "repair-job-run", ws, run, body={"taskKeys": ["only"]})
    assert again["key"] == run
    aidp.wait(ws, run, "SUCCESS")
    aidp.good("notebook", "update-content", ws, path, body=notebook("import time; time.sleep(99)"))
    other = aidp.good("workflow", "create-job-run", ws, body={"jobKey": job})["key"]
    aidp.wait(ws, other, "RUNNING")
    aidp.good("workflow", "cancel-job-run", ws, other)
    aidp.wait(ws, other, "CANCELED")
    listed = ("list-job-runs", ws, "--sort-by", "timeCreated", "--limit", "10")
    assert len(aidp.good("workflow", *listed)["items"]) == 2
    aidp.good("workflow", "delete-job", ws, job)
    code, refusal = aidp.run("workflow", "get-job", ws, job)
    assert (code, refusal["code"]) == (404 % 256, "NotAuthorizedOrNotFound")
