"""`bundle run`: starts a job or a pipeline update and, unless told otherwise, waits for its end.

Progress (the run's address, its states, the errors of its tasks) goes to stderr, what the tasks
gave to stdout. Rules kept here, odd as they are: a run whose result is none of success, failure,
cancellation and time-out ends with exit code 0; no idempotency token is sent.
"""

import re
from datetime import UTC, datetime
from functools import partial
from typing import Any

from agent.simulators.bundle import state
from agent.simulators.bundle.bundle import Bundle
from agent.simulators.bundle.connection import ApiRefused
from agent.simulators.bundle.notes import Failed
from agent.simulators.bundle.updating import Options, Output, Update, until

_ENDED = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")
_NOT_DEPLOYED = (
    "resource not found or not yet deployed. Did you forget to run 'databricks bundle deploy'?"
)
_TYPES = ("jobs", "pipelines")
Json = dict[str, Any]


def run(bundle: Bundle, key: str | None, options: Options, output: Output) -> int:
    """Run what `key` names. Raises `Failed` for a run that did not succeed, and `ApiRefused`."""
    kind, key = _found(bundle, key)
    before = state.read(bundle)
    entry = before.resources.get(f"resources.{kind}.{key}") if before else None
    if entry is None:
        raise Failed(_NOT_DEPLOYED)
    if kind == "pipelines":
        return Update(bundle, str(entry["__id__"]), options, output).run()
    return _JobRun(bundle, int(entry["__id__"]), options, output).run()


def _found(bundle: Bundle, key: str | None) -> tuple[str, str]:
    if not key:
        raise Failed("expected a KEY of the resource to run")
    kind, _, name = key.rpartition(".")
    for each in (kind,) if kind else _TYPES:
        if each in _TYPES and bundle.config.get("resources", each, name) is not None:
            return each, name
    if bundle.config.get("scripts", key) is not None:
        raise Failed(
            f"the script {key} is not run: runmend's stand-in only rehearses, it executes no code"
        )
    raise Failed(f'resource with key "{key}" not found')


class _JobRun:
    def __init__(self, bundle: Bundle, job_id: int, options: Options, output: Output) -> None:
        self._bundle = bundle
        self._job_id = job_id
        self._options = options
        self._out = output

    def run(self) -> int:
        workspace = self._bundle.workspace
        if self._options.restart:
            self._cancel_active()
        body: Json = {"job_id": self._job_id}
        given = {
            "job_parameters": dict(self._options.params),
            "notebook_params": dict(self._options.notebook_params),
            "python_params": list(self._options.python_params),
            "only": list(self._options.only),
        }
        body |= {name: value for name, value in given.items() if value}
        run_id = int(workspace.call("POST", "/api/2.2/jobs/run-now", body)["run_id"])
        found = self._get(run_id)
        self._out.progress.write(f"Run URL: {self._url(found)}\n\n")
        self._out.progress.flush()
        if self._options.no_wait:
            return 0
        ended = self._wait(found)
        return self._judge(ended)

    def _get(self, run_id: int) -> Json:
        return self._bundle.workspace.whole("/api/2.2/jobs/runs/get", run_id=run_id)

    def _url(self, run: Json) -> str:
        """The API's address, from 1.5.0 on rewritten to the newer form."""
        url = str(run.get("run_page_url", ""))
        found = re.match(r"(https?://[^/]+)/(?:\?o=(\d+))?#job/(\d+)/run/(\d+)$", url)
        if found is None or _numbers(self._options.version) < (1, 5):
            return url
        host, workspace_id, job_id, run_id = found.groups()
        asking = f"?o={workspace_id}" if workspace_id else ""
        return f"{host}/jobs/{job_id}/runs/{run_id}{asking}"

    def _cancel_active(self) -> None:
        workspace = self._bundle.workspace
        query = {"job_id": self._job_id, "active_only": True}
        for run in workspace.get("/api/2.2/jobs/runs/list", **query).get("runs", []):
            workspace.call("POST", "/api/2.2/jobs/runs/cancel", {"run_id": run["run_id"]})
            until(partial(self._ended, int(run["run_id"])), self._options)

    def _ended(self, run_id: int) -> bool:
        return _state(self._get(run_id))[0] in _ENDED

    def _wait(self, run: Json) -> Json:
        said: tuple[str, str, str] | None = None
        latest = run

        def ended() -> bool:
            nonlocal said, latest
            latest = self._get(int(run["run_id"]))
            now = _state(latest)
            if now != said:
                words = " ".join(word for word in now if word)
                time = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
                self._out.progress.write(f'{time} "{latest.get("run_name", "")}" {words}\n')
                self._out.progress.flush()
                said = now
            return now[0] in _ENDED

        until(ended, self._options)
        return latest

    def _judge(self, run: Json) -> int:
        life, result, message = _state(run)
        if life == "INTERNAL_ERROR" or result in ("FAILED", "TIMEDOUT"):
            self._show_failures(run)
        if life == "INTERNAL_ERROR":
            raise Failed(f"failed to reach TERMINATED or SKIPPED, got INTERNAL_ERROR: {message}")
        if life == "SKIPPED":
            raise Failed(f"run skipped: {message}")
        words = {"FAILED": "failed", "CANCELED": "canceled", "TIMEDOUT": "timed out"}
        if result in words:
            raise Failed(f"run {words[result]}: {message}")
        if result == "SUCCESS":
            self._show_outputs(run)
        return 0

    def _show_failures(self, run: Json) -> None:
        for task in _tasks(run):
            life, result, _ = _state(task)
            if result not in ("FAILED", "TIMEDOUT") and life != "INTERNAL_ERROR":
                continue
            output = self._output(task)
            self._out.progress.write(f"Task {task['task_key']} {result or 'FAILED'}:\n")
            for part in ("error", "error_trace"):
                if output.get(part):
                    self._out.progress.write(f"{output[part]}\n")

    def _show_outputs(self, run: Json) -> None:
        texts = [(task["task_key"], _text(self._output(task))) for task in _tasks(run)]
        if len(texts) == 1:
            self._out.results.write(f"{texts[0][1]}\n" if texts[0][1] else "")
            return
        shown = [(key, text) for key, text in texts if text]
        if shown:
            self._out.results.write("Output:\n")
        for key, text in shown:
            self._out.results.write(f"=======\nTask {key}:\n{text}\n\n")

    def _output(self, task: Json) -> Json:
        try:
            path = "/api/2.2/jobs/runs/get-output"
            return self._bundle.workspace.get(path, run_id=task["run_id"])
        except ApiRefused as error:
            return {"error": error.message}


def _text(output: Json) -> str:
    notebook = output.get("notebook_output") or {}
    return str(notebook.get("result") or output.get("logs") or "").rstrip("\n")


def _tasks(run: Json) -> list[Json]:
    """The last attempt of each task, in the order in which they ended."""
    last: dict[str, Json] = {}
    for task in run.get("tasks", []):
        known = last.get(task["task_key"])
        if known is None or task.get("attempt_number", 0) >= known.get("attempt_number", 0):
            last[task["task_key"]] = task
    return sorted(last.values(), key=lambda task: int(task.get("end_time") or 0))


def _state(run: Json) -> tuple[str, str, str]:
    """Life cycle, result and message; from the newer model where the older is missing."""
    old = run.get("state")
    if old:
        words = (old.get("life_cycle_state"), old.get("result_state"), old.get("state_message"))
        return str(words[0] or ""), str(words[1] or ""), str(words[2] or "")
    new = run.get("status") or {}
    details = new.get("termination_details") or {}
    result = ""
    if details:
        result = "SUCCESS" if details.get("type") == "SUCCESS" else "FAILED"
    return str(new.get("state", "")), result, str(details.get("message", ""))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")[:2]))
