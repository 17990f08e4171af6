"""Carries one run, in the detached process that has claimed it (see `claim`).

It starts tasks as their dependencies allow, takes their output, ends them when they must end, and
writes down how it all ended when nothing of it lives any more. It is one loop and imports the
standard library only (psutil after the first task has started): starting it is part of what every
job costs.
"""

import contextlib
import os
import selectors
import signal
import sys
import time
from pathlib import Path
from typing import Any

from agent.engine import processes, request, values
from agent.engine.attempt import Attempt
from agent.engine.processes import Group, Mark
from agent.engine.request import Request, Spec
from agent.engine.schedule import BAD, ENDED, OK, verdict

_TICK_S = 0.1
_PARALLEL = 32


class Supervisor:
    """One run."""

    def __init__(self, folder: Path, wanted: Request) -> None:
        self.folder = folder
        self.wanted = wanted
        self.specs = {spec.task: spec for spec in wanted.tasks}
        self.states: dict[str, dict[str, Any]] = {
            key: wanted.carried.get(key) or {"state": "pending", "attempt": 0} for key in self.specs
        }
        self.values: dict[str, dict[str, Any]] = dict(wanted.values)
        self.running: dict[str, Attempt] = {}
        self.selector = selectors.DefaultSelector()
        self.wakeup, self.woken = os.pipe()
        self.stop: str | None = None
        """`cancelled` or `timed_out`, once the whole run must end."""
        self.deadline = time.monotonic() + wanted.timeout_s if wanted.timeout_s else None

    def run(self) -> None:
        """Carry the run to its end."""
        self._listen()
        while True:
            self._launch()
            self._publish()
            if not self.running and all(self._ended(key) for key in self.specs):
                break
            _load_psutil()
            self._wait()
            self._tick()
        processes.end(Mark(self.wanted.mark), grace_s=1.0, adopted_by=os.getpid())
        self._end()

    def _listen(self) -> None:
        os.set_blocking(self.woken, False)
        os.set_blocking(self.wakeup, False)
        signal.set_wakeup_fd(self.woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._stop_all("cancelled"))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.selector.register(self.wakeup, selectors.EVENT_READ, None)

    def _ended(self, key: str) -> bool:
        return self.states[key]["state"] in ENDED

    def _launch(self) -> None:
        """Start what may start; a task that cannot run any more is ended without being started."""
        moved = True
        while moved:
            moved = False
            for key, spec in self.specs.items():
                state = self.states[key]
                if state["state"] != "pending" or key in self.running:
                    continue
                if self.stop:
                    said = f"the run was stopped ({self.stop}) before this task began"
                    state.update(state="cancelled", message=said)
                    moved = True
                elif all(self._ended(need) for need in spec.needs):
                    moved |= self._begin(spec)

    def _begin(self, spec: Spec) -> bool:
        state = self.states[spec.task]
        if state["attempt"] == 0:
            outcome = verdict(spec.run_if, [self.states[n]["state"] for n in spec.needs])
            if outcome is not None:
                state.update(state=outcome, message=_why(spec, self.states))
                return True
        held = {self.specs[key].lock for key in self.running} - {None}
        if (
            len(self.running) >= _PARALLEL
            or spec.lock in held
            or time.monotonic() < state.get("not_before", 0.0)
        ):
            return False
        self._start(spec, state)
        return True

    def _start(self, spec: Spec, state: dict[str, Any]) -> None:
        number = state["attempt"] + 1
        folder = self.folder / "tasks" / spec.task / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        state.update(state="running", attempt=number, started_at=time.time(), message="")
        for stale in ("ended_at", "step", "group", "not_before"):
            state.pop(stale, None)
        mark = Mark(self.wanted.mark, spec.task)
        attempt = Attempt(folder, mark, self.wanted.grace_s, spec.timeout_s)
        try:
            argv = self._command(spec, folder)
        except KeyError as unknown:
            self._not_started(state, f"nothing is known of {{{{{unknown.args[0]}}}}}")
            return
        env = dict(os.environ) | spec.env
        env |= {
            processes.RUN: mark.run,
            processes.TASK: spec.task,
            "RUNMEND_VALUES": str(folder / "values.json"),
        }
        attempt.printed_value = not spec.wrapped
        refused = attempt.start(argv, self.wanted.root, env)
        if refused is not None:
            self._not_started(state, refused)
            return
        self.running[spec.task] = attempt
        for fd in attempt.fds:
            self.selector.register(fd, selectors.EVENT_READ, spec.task)

    def _not_started(self, state: dict[str, Any], message: str) -> None:
        state.update(state="failed", message=message, started=False, ended_at=time.time())

    def _command(self, spec: Spec, folder: Path) -> list[str]:
        """Fill in the dynamic values. Raises `KeyError` with the reference nothing is known of."""

        def lookup(task: str, key: str) -> object:
            try:
                return self.values[task][key]
            except KeyError:
                raise KeyError(f"tasks.{task}.values.{key}") from None

        known = self.wanted.known | {"task.name": spec.task}
        arguments = [values.fill(text, known, lookup) for text in spec.arguments]
        if not spec.wrapped:
            return [*spec.argv, *arguments]
        named = {name: values.fill(text, known, lookup) for name, text in spec.named.items()}
        details = spec.details | {
            "task": spec.task,
            "parameters": named,
            "arguments": arguments,
            "values": self.values,
        }
        request.save(folder / "task.json", details)
        return [*spec.argv, str(folder)]

    def _wait(self) -> None:
        for key, _ in self.selector.select(_TICK_S):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(self.wakeup, 512)
            elif key.data in self.running and not self.running[key.data].read(key.fd):
                self.selector.unregister(key.fd)

    def _tick(self) -> None:
        if (self.folder / "cancel").exists():
            self._stop_all("cancelled")
        if self.deadline is not None and time.monotonic() >= self.deadline:
            self._stop_all("timed_out")
        # An orphan that lost its mark belongs to a task for certain only when no other runs.
        adopted_by = os.getpid() if len(self.running) == 1 else None
        for key, attempt in list(self.running.items()):
            if self.stop == "timed_out":
                attempt.stop("timed_out")
            elif self.stop:
                attempt.stop("cancelled")
            still = attempt.fds
            attempt.tick(adopted_by)
            if attempt.outcome is not None:
                for fd in still:
                    self.selector.unregister(fd)
                del self.running[key]
                self._settle(self.specs[key], attempt)

    def _stop_all(self, why: str) -> None:
        self.stop = self.stop or why

    def _settle(self, spec: Spec, attempt: Attempt) -> None:
        """Take down how an attempt ended, and whether there is another."""
        state, outcome = self.states[spec.task], attempt.outcome or {}
        reason, code = outcome["reason"], outcome["code"]
        good = reason == "exited" and code == 0
        ended = "succeeded" if good else "failed" if reason == "exited" else reason
        message = ""
        if outcome["leftover"]:
            message = f"ended {outcome['leftover']} processes that it had left running"
        state.update(state=ended, ended_at=time.time(), step=attempt.step, message=message)
        state.update(code=code)
        self.values[spec.task] = request.task_values(attempt.folder)
        again = ended == "failed" or (ended == "timed_out" and spec.retry_on_timeout)
        if again and state["attempt"] <= spec.retries and not self.stop:
            state.update(state="pending", not_before=time.monotonic() + spec.retry_wait_s)

    def _publish(self) -> None:
        """Write where everything is, when it changed."""
        for key, attempt in self.running.items():
            state = self.states[key]
            if attempt.step is not None:
                state["step"] = attempt.step
            if attempt.group and "psutil" in sys.modules and not state.get("group"):
                pid = attempt.group.pid
                attempt.group = Group(pid, processes.created(pid))
                state["group"] = list(attempt.group)
        now = repr(self.states)
        if now != getattr(self, "_published", None):
            request.save(self.folder / "status.json", {"tasks": self.states})
            self._published = now

    def _end(self) -> None:
        states = [state["state"] for state in self.states.values()]
        bad = any(state in BAD for state in states)
        leaves = set(self.specs) - {need for spec in self.specs.values() for need in spec.needs}
        if self.stop and bad:
            state = "cancelled" if self.stop == "cancelled" else "failed"
            native = "CANCELED" if self.stop == "cancelled" else "TIMEDOUT"
        elif bad:
            state, native = "failed", "FAILED"
            if all(self.states[leaf]["state"] in OK for leaf in leaves):
                native = "SUCCESS_WITH_FAILURES"
        else:
            state, native = "succeeded", "SUCCESS"
        end = {"state": state, "native": native, "tasks": self.states, "values": self.values}
        request.save(self.folder / "end.json", end, durable=True)


def _why(spec: Spec, states: dict[str, dict[str, Any]]) -> str:
    needs = ", ".join(f"{need} {states[need]['state']}" for need in spec.needs)
    return f"run_if {spec.run_if}: {needs}"


def _load_psutil() -> None:
    if "psutil" not in sys.modules:
        import psutil  # noqa: F401  # needed soon, and the first task is on its way


def carry(folder: str) -> None:
    """Carry the run of this folder, which this process has claimed, to its end."""
    wanted = request.load(Path(folder))
    if wanted is None:
        raise SystemExit(f"{folder}/request.json cannot be read")
    sys.path += wanted.paths
    processes.adopt_orphans()
    Supervisor(Path(folder), wanted).run()
