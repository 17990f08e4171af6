"""From what a run left behind to records: statuses and failures, masked and safe to print."""

import os
import re
import signal
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from agent import redaction
from agent.engine import request
from agent.engine.runs import Seen
from agent.records import Failure, Line, Location, RunStatus, TaskStatus

_LINES = 400
_BYTES = 64 * 1024
_CUT = re.compile(r"\[runmend: ([\d,]+ (?:lines, [\d,]+ )?bytes (?:of this line )?cut here)\]")
_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)')
_RAISED = re.compile(r"^[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning|NotDefined)\b.*")
_CODES = {"timed_out": "TIMEDOUT", "cancelled": "CANCELED", "failed": "FAILED"}
_SIGNS = ("rror", "RROR", "xception", "raceback", "atal", "FATAL", "FAIL", "aused by")


def clean(text: str) -> str:
    """Return text with its secrets masked, safe to print."""
    return redaction.printable(redaction.mask(text))


def clean_lines(text: str) -> list[str]:
    """Return lines, masked together (a key can span some), each safe to print."""
    return [redaction.printable(line) for line in redaction.mask(text).splitlines()]


def folder(run: Path, task: str, state: dict[str, Any]) -> Path:
    """Return where a task's last attempt left its output."""
    return run / "tasks" / task / str(state.get("attempt") or 1)


def status(run: Path, seen: Seen, now: float) -> RunStatus:
    """Return a run's status; `now` is the time in seconds since the epoch."""
    ran = "failed" if seen.state == "lost" else seen.state
    return RunStatus.model_validate(
        {
            "run": run.name,
            "state": ran,
            "native": seen.native,
            "url": str(run),
            "tasks": tuple(_task(run, key, state, now) for key, state in seen.tasks.items()),
        }
    )


def _task(run: Path, key: str, state: dict[str, Any], now: float) -> TaskStatus:
    began = state.get("started_at")
    place = Path(state["folder"]) if state.get("folder") else folder(run, key, state)
    step = state.get("step")
    return TaskStatus(
        task=key,
        state=state["state"],
        attempt=state.get("attempt", 0),
        task_run=f"{run.name}/{key}/{state['attempt']}" if state.get("attempt") else None,
        seconds=None if began is None else round(state.get("ended_at", now) - began, 3),
        step=clean(step) if step else None,
        exit_value=_masked(request.read(place / "value.json")),
        message=clean(state.get("message", "")),
        url=str(place) if state.get("attempt") else None,
    )


def _masked(value: JsonValue) -> JsonValue:
    return redaction.mask_json(value)


def failed_tasks(seen: Seen) -> tuple[str, ...]:
    """Return the tasks that failed by themselves; of a cancelled run, those it stopped."""
    own = [k for k, s in seen.tasks.items() if s["state"] in ("failed", "timed_out")]
    if own:
        return tuple(own)
    return tuple(k for k, s in seen.tasks.items() if s["state"] == "cancelled")


def failure(run: Path, root: Path, key: str, seen: Seen) -> Failure:
    """Return one task's failure, without the facts around it."""
    state = seen.tasks[key]
    place = Path(state["folder"]) if state.get("folder") else folder(run, key, state)
    wrong = request.read(place / "error.json") or {}
    log, cut = _log(place, key)
    code = "LOST" if state.get("lost") else _CODES.get(state["state"], "FAILED")
    message = " ".join(_message(state, wrong, log).split())
    return Failure(
        phase="run",
        code=code,
        message=message,
        task=key,
        run=run.name,
        task_run=f"{run.name}/{key}/{state['attempt']}" if state.get("attempt") else None,
        url=str(place if place.is_dir() else run),
        log=log,
        log_cut=cut,
        exit_code=state.get("code"),
        location=_location(root, wrong, log),
        started=bool(state.get("attempt")) and state.get("started", True),
    )


def nothing_failed(run: str, seen: Seen) -> Failure:
    """Return the failure of a run that ended badly while none of its tasks failed."""
    message = f"the run ended as {seen.native} while none of its tasks ran"
    began = any(state.get("attempt") for state in seen.tasks.values())
    return Failure(phase="run", code=seen.native, message=message, run=run, started=began)


def _message(state: dict[str, Any], wrong: dict[str, Any], log: tuple[Line, ...]) -> str:
    if state.get("lost") or state.get("started") is False or state["state"] == "cancelled":
        return clean(state.get("message") or "cancelled")
    if state["state"] == "timed_out":
        took = state.get("ended_at", 0.0) - state.get("started_at", 0.0)
        return f"timed out after {took:.0f} s"
    if wrong.get("message"):
        return clean(wrong["message"])
    code = state.get("code")
    if isinstance(code, int) and code < 0:
        return f"killed by signal {-code} ({_signal(-code)})"
    words = [line.text for line in log if line.source.endswith(" stderr") and line.text.strip()]
    raised = [text for text in words if _RAISED.match(text)]
    if raised or words:
        return (raised or words)[-1].strip()
    out = [line.text for line in log if line.text.strip()]
    return (
        f"exit code {code}, last words: {out[-1].strip()}"
        if out
        else (f"exit code {code} without a word")
    )


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _log(place: Path, key: str) -> tuple[tuple[Line, ...], tuple[str, ...]]:
    """Return the last lines of both streams, stdout first, and what is missing of them.

    Lines further up that look like errors are kept too: the first cause is often far from the end.
    """
    lines: list[Line] = []
    cut: list[str] = []
    room = _Room(_LINES, _BYTES)
    for stream in ("stderr", "stdout"):
        source = f"{key} {stream}"
        text = _read(place / stream)
        # Masked as a whole: a key can span lines.
        every = [
            Line(source=source, number=number, text=redaction.printable(line))
            for number, line in enumerate(redaction.mask(text).removesuffix("\n").split("\n"), 1)
            if text
        ]
        cut += [f"{source}: {found}" for found in _CUT.findall(text)]
        kept = room.take(every)
        earlier = every[: len(every) - len(kept)]
        if earlier:
            said = f"{source}: of lines 1 to {len(earlier):,} only those that look like errors"
            cut.append(f"{said} are shown")
            signs = [line for line in earlier if any(sign in line.text for sign in _SIGNS)]
            kept = _Room(_LINES // 4, _BYTES // 4).take(signs) + kept
        room = _Room(max(room.lines, _LINES // 8), max(room.size, _BYTES // 8))
        lines = kept + lines
    return tuple(lines), tuple(cut)


class _Room:
    """How much more of a log there is room for."""

    def __init__(self, lines: int, size: int) -> None:
        self.lines = lines
        self.size = size

    def take(self, every: list[Line]) -> list[Line]:
        """Return as many of the last lines as there is room for."""
        kept: list[Line] = []
        for line in reversed(every):
            size = len(line.text.encode("utf-8", "replace")) + 1
            if self.lines < 1 or self.size < size:
                break
            self.lines -= 1
            self.size -= size
            kept.append(line)
        return kept[::-1]


def _read(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def _location(root: Path, wrong: dict[str, Any], log: tuple[Line, ...]) -> Location | None:
    """Return the user's innermost line: as the command told it, else from the last traceback."""
    if wrong.get("path"):
        code = wrong.get("code")
        return Location(
            path=wrong["path"],
            line=wrong.get("line"),
            cell=wrong.get("cell"),
            code=clean(code) if code else None,
        )
    top = root.resolve()
    for line in reversed(log):
        found = _FRAME.match(line.text)
        if found is None:
            continue
        file = Path(os.path.normpath(root / found["file"]))
        for base in (root, top):
            if file.is_relative_to(base) and file.is_file():
                path = file.relative_to(base).as_posix()
                return Location(path=path, line=int(found["line"]), code=_code(file, found["line"]))
    return None


def _code(file: Path, line: str) -> str | None:
    lines = _read(file).split("\n")
    number = int(line)
    return clean(lines[number - 1].strip()) if 0 < number <= len(lines) else None
