"""`bundle run` of a pipeline: starts an update, shows its events and waits for its end."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TextIO

from agent.simulators.bundle.bundle import Bundle
from agent.simulators.bundle.notes import Failed

_LONGEST_S = 24 * 3600
_ENDED = ("COMPLETED", "FAILED", "CANCELED")
Json = dict[str, Any]


class Options(NamedTuple):
    """What the command line says about the run."""

    version: str
    no_wait: bool = False
    restart: bool = False
    only: tuple[str, ...] = ()
    params: Mapping[str, str] = {}
    notebook_params: Mapping[str, str] = {}
    python_params: tuple[str, ...] = ()
    full_refresh_all: bool = False
    full_refresh: tuple[str, ...] = ()
    refresh: tuple[str, ...] = ()
    refresh_all: bool = False
    validate_only: bool = False
    poll_s: float = 1.0


class Output(NamedTuple):
    """Where to write."""

    progress: TextIO
    results: TextIO


class Update:
    """One update of a pipeline."""

    def __init__(self, bundle: Bundle, pipeline_id: str, options: Options, output: Output) -> None:
        self._workspace = bundle.workspace
        self._path = f"/api/2.0/pipelines/{pipeline_id}"
        self._pipeline_id = pipeline_id
        self._options = options
        self._out = output
        self._seen: set[str] = set()

    def run(self) -> int:
        """Return 0 once it is done. Raises `Failed` and `ApiRefused`."""
        if self._options.restart:
            self._stop()
        given: Json = {
            "full_refresh": self._options.full_refresh_all,
            "full_refresh_selection": list(self._options.full_refresh),
            "refresh_selection": list(self._options.refresh),
            "validate_only": self._options.validate_only,
        }
        body = {name: value for name, value in given.items() if value}
        reply = self._workspace.call("POST", f"{self._path}/updates", body)
        update = str(reply["update_id"])
        host = self._workspace.login.host
        where = f"{host}/#joblist/pipelines/{self._pipeline_id}/updates/{update}"
        self._out.progress.write(f"Update URL: {where}\n\n")
        self._out.progress.flush()
        if self._options.no_wait:
            return 0
        final = ""

        def ended() -> bool:
            nonlocal final
            found = self._workspace.get(f"{self._path}/updates/{update}").get("update", {})
            final = str(found.get("state", ""))
            self._events(update)
            return final in _ENDED

        until(ended, self._options)
        if final == "FAILED":
            raise Failed("update failed")
        if final == "CANCELED":
            raise Failed("update cancelled")
        self._out.progress.write(f"Update ID: {update}\n")
        return 0

    def _stop(self) -> None:
        self._workspace.call("POST", f"{self._path}/stop")
        resting = ("IDLE", "FAILED")
        until(lambda: self._workspace.get(self._path).get("state") in resting, self._options)

    def _events(self, update: str) -> None:
        query = {"filter": f"update_id = '{update}'", "max_results": 100}
        events = self._workspace.get(f"{self._path}/events", **query).get("events", [])
        for event in reversed(events):
            if event["id"] in self._seen or not event.get("message"):
                continue
            self._seen.add(event["id"])
            if event.get("event_type") not in ("update_progress", "flow_progress"):
                continue
            words = (event.get("timestamp"), event.get("event_type"), event.get("level"))
            self._out.progress.write(f'{" ".join(map(str, words))} "{event["message"]}"\n')
            for exception in (event.get("error") or {}).get("exceptions", []):
                self._out.progress.write(f"{exception.get('message', '')}\n")
        self._out.progress.flush()


def until(ended: Callable[[], bool], options: Options) -> None:
    """Ask until it is so; a day at the longest."""
    pause = threading.Event()
    waited, wait = 0.0, min(0.05, options.poll_s)
    while not ended():
        if waited > _LONGEST_S:
            raise Failed("timed out: 24h0m0s")
        pause.wait(wait)
        waited += wait
        wait = min(wait * 1.5, options.poll_s)
