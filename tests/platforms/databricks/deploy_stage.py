"""A source, a playbook, a simulated workspace, and a command: the stand-in or a script."""

import base64
import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from agent import workspace
from agent.platforms import Context
from agent.platforms.databricks import session
from agent.platforms.databricks.deploying import Deploying
from agent.playbook import Loaded, Playbook
from agent.records import Tree
from agent.simulators.databricks import Simulator

_CLIENT = httpx.Client(verify=False, trust_env=False)  # noqa: S501  loopback, without TLS
STANDIN = (sys.executable, "-m", "agent.simulators.bundle")
BUNDLE = """\
bundle: {name: shop}
include: [resources/*.yml]
variables:
  catalog: {default: dev}
targets:
  dev: {mode: development, default: true}
  prod:
    mode: production
    workspace: {root_path: /Workspace/Shared/shop}
"""
JOB = """\
resources:
  jobs:
    etl:
      name: etl
      tasks:
        - task_key: load
          notebook_task: {notebook_path: ../src/load.py}
        - task_key: report
          depends_on: [{task_key: load}]
          notebook_task:
            notebook_path: ../src/report.py
            base_parameters: {catalog: "${var.catalog}"}
"""
NOTEBOOK = "# Databricks notebook source\nprint('{}')\n"


class Stage:
    """Everything one test deploys with."""

    def __init__(self, folder: Path, sim: Simulator) -> None:
        self.folder = folder
        self.source = folder / "source"
        self.source.mkdir()
        self.sim = sim
        self._count = 0

    def write(self, files: Mapping[str, str]) -> None:
        """Write files of the source."""
        for path, text in files.items():
            file = self.source / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def bundle(self) -> None:
        """Write the bundle of this module."""
        self.write(
            {
                "databricks.yml": BUNDLE,
                "resources/etl.yml": JOB,
                "src/load.py": NOTEBOOK.format("load"),
                "src/report.py": "# Databricks notebook source\nimport tools\n",
                "src/tools.py": "RATE = 2\n",
            }
        )

    def tree(self) -> Tree:
        """Return a private copy of the source as it is now."""
        self._count += 1
        return workspace.build(self.source, self.folder / "trees" / str(self._count))

    def deploying(
        self, job: Mapping[str, Any], command: tuple[str, ...] = STANDIN, **more: Any
    ) -> Deploying:
        """Return a fresh process's view of a case."""
        databricks = {"command": command, **more.pop("databricks", {})}
        book = Playbook.model_validate(
            {"name": "shop", "platform": "databricks", "job": job, "databricks": databricks} | more
        )
        path = str(self.source / "playbook.yaml")
        context = Context(Loaded(path=path, playbook=book), self.folder / "case", self.folder)
        return Deploying(session.connect(context))

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Return what the workspace answers to somebody else."""
        found: dict[str, Any] = _ask(self.sim, "GET", path, params=query).json()
        return found

    def post(self, path: str, **body: Any) -> None:
        """Let somebody else change the workspace."""
        _ask(self.sim, "POST", path, json=body)

    def text(self, path: str) -> str | None:
        """Return a workspace file's text, None where there is none."""
        query = {"path": path, "direct_download": "true"}
        try:
            return _ask(self.sim, "GET", "/api/2.0/workspace/export", params=query).text
        except httpx.HTTPStatusError:
            return None

    def changes(self) -> list[str]:
        """Return the calls that changed something, in order."""
        reads = ("get", "list", "export", "get-status", "Me")
        return [
            f"{c.method} {c.path}"
            for c in self.sim.calls
            if c.method != "GET" and not c.path.endswith(reads)
        ]


def script(folder: Path, answers: Mapping[str, tuple[int, str, str]]) -> tuple[str, ...]:
    """Return a command that gives for `validate`, `plan` ... an exit code, stdout and stderr.

    What it was called with is added to `calls` beside it, its environment's names to `env`.
    """
    folder.mkdir(exist_ok=True)
    for word, (code, out, err) in answers.items():
        (folder / f"{word}.out").write_text(out)
        (folder / f"{word}.err").write_text(err)
        (folder / f"{word}.code").write_text(str(code))
    place = shlex.quote(str(folder))
    file = folder / "databricks"
    file.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >> {place}/calls\n'
        f"env | cut -d= -f1 > {place}/env\n"
        f"pwd > {place}/cwd\n"
        'word=$2\n[ "$1" = bundle ] || word=version\n'
        f'[ -e "{place}/$word.code" ] || {{ echo "Error: no answer for $word" >&2; exit 1; }}\n'
        f'cat "{place}/$word.out"\ncat "{place}/$word.err" >&2\n'
        f'exit "$(cat "{place}/$word.code")"\n'
    )
    file.chmod(0o700)
    return (str(file),)


def calls(folder: Path) -> list[str]:
    """Return what the script was called with."""
    file = folder / "calls"
    return file.read_text().splitlines() if file.exists() else []


ROOT = "/Workspace/Users/rehearsal@example.com/.bundle/shop/dev/files"


def _ask(sim: Simulator, method: str, path: str, **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {sim.token}"}
    return _CLIENT.request(method, f"{sim.url}{path}", headers=headers, **more).raise_for_status()


def job_id(sim: Simulator, settings: Mapping[str, Any]) -> int:
    """Return the id of a job that somebody made in the workspace."""
    return int(_ask(sim, "POST", "/api/2.2/jobs/create", json=settings).json()["job_id"])


def reset(sim: Simulator, job: int, **settings: Any) -> None:
    """Change a job as somebody else does."""
    _ask(sim, "POST", "/api/2.2/jobs/update", json={"job_id": job, "new_settings": settings})


def put(sim: Simulator, path: str, text: str) -> None:
    """Write a file or notebook of the workspace, as somebody else does."""
    content = base64.b64encode(text.encode()).decode()
    _ask(sim, "POST", "/api/2.0/workspace/mkdirs", json={"path": path.rpartition("/")[0]})
    body = {"path": path, "content": content, "format": "AUTO", "overwrite": True}
    _ask(sim, "POST", "/api/2.0/workspace/import", json=body)


def resolved(job: int | None = None) -> str:
    """Return what `bundle validate -o json` or `summary -o json` says of the bundle's job."""
    tasks = [
        {"task_key": "load", "notebook_task": {"notebook_path": f"{ROOT}/src/load"}},
        {
            "task_key": "report",
            "depends_on": [{"task_key": "load"}],
            "notebook_task": {
                "notebook_path": f"{ROOT}/src/report",
                "base_parameters": {"catalog": "dev"},
            },
        },
    ]
    etl: dict[str, Any] = {"name": "etl", "format": "MULTI_TASK", "tasks": tasks}
    if job is not None:
        etl |= {"id": str(job), "url": f"https://shop.example.com/jobs/{job}?o=1"}
    config = {
        "bundle": {"name": "shop", "target": "dev", "mode": "development"},
        "workspace": {"file_path": ROOT},
        "resources": {"jobs": {"etl": etl}},
    }
    return json.dumps(config, indent=2) + "\n"
