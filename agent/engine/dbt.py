"""Run dbt commands one by one, in the environment that has dbt.

The working folder stays the tree, so that `data/x.duckdb` in a profile is the job's data folder.
What dbt writes for itself (target, logs) goes to the attempt's folder.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from agent.engine import request, wrapped
from agent.engine.wrapped import Assignment, Wrong

_MAIN = "from dbt.cli.main import cli; cli(prog_name='dbt')"
_ERROR = re.compile(r"\b[A-Z]\w+ Error\b")
_LINES = 5000
_BAD = ("error", "fail", "runtime error")


def perform(task: Assignment) -> int:
    """Run the task's commands; return the exit code of the first that fails, else 0."""
    project = str(Path(task.file).parent)
    target = task.folder / "target"
    env = dict(os.environ) | {
        "DBT_PROJECT_DIR": project,
        "DBT_PROFILES_DIR": task.details.get("profiles") or project,
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(task.folder),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_USE_COLORS": "false",
        "DO_NOT_TRACK": "1",
    }
    done = 0
    for number, command in enumerate(task.arguments, 1):
        wrapped.say(f"[Step {number}/{len(task.arguments)}] {command}")
        words = shlex.split(command)[1:]
        # -P keeps the tree's own modules from standing in for dbt's.
        code, said = _run([task.python, "-P", "-c", _MAIN, *words], env)
        if code != 0:
            wrong = _wrong(target, project) or Wrong(_said(said) or f"{command}: exit code {code}")
            return wrapped.fail(task, wrong, wrong.message)
        done += 1
    wrapped.leave(task, {"commands": done})
    return 0


def _run(argv: list[str], env: dict[str, str]) -> tuple[int, list[str]]:
    """Run one command, print what it prints; return its exit code and its first lines."""
    first: list[str] = []
    with subprocess.Popen(  # noqa: S603  # the task itself
        argv, env=env, stdout=subprocess.PIPE, text=True, encoding="utf-8", errors="replace"
    ) as process:
        for line in process.stdout or ():
            wrapped.say(line.rstrip("\n"))
            if len(first) < _LINES:
                first.append(line)
    return process.returncode, first


def _said(lines: list[str]) -> str | None:
    """Return the first error among what dbt printed, with the line that follows it."""
    for number, line in enumerate(lines):
        if _ERROR.search(line):
            return " ".join(" ".join(lines[number : number + 2]).split())
    return None


def _wrong(target: Path, project: str) -> Wrong | None:
    """Return what dbt's own results say about the first node that went wrong."""
    results = request.read(target / "run_results.json")
    manifest = request.read(target / "manifest.json") or {}
    for result in (results or {}).get("results", []):
        if result.get("status") in _BAD:
            node = str(result.get("unique_id", ""))
            known = manifest.get("nodes", {}).get(node, {})
            path = known.get("original_file_path")
            said = " ".join(str(result.get("message") or result["status"]).split())
            return Wrong(f"{node}: {said}", str(Path(project) / path) if path else None)
    return None


if __name__ == "__main__":
    sys.exit(perform(wrapped.assignment()))
