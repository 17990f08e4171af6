"""A cluster's logs around one task: searched first, and the whole log asked for where that is poor.

Rules kept here: the driver before the executors, stderr before stdout, and no further once one of
them says what went wrong in words of its own: a driver that only saw something fail elsewhere is no
end of it, and then only the task's own lines count; at most 24 hours, with milliseconds; the task
run's lines, else the job run's, never those of other jobs; RFC3339 first and, where an instance
refuses that, milliseconds since the epoch from then on; a whole log is gathered by the service in
its own time: it is asked for once, given when it is there, and missing until then. What Kubernetes
says while pods are taken down is noise. Names of a log line's fields are not established, so likely
ones are tried.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from agent.errors import Unavailable
from agent.platforms.aidp import messages, notebooks, states
from agent.platforms.aidp.api import Api, ApiRefused, Forbidden
from agent.platforms.aidp.session import Session
from agent.remote import texts
from agent.remote.evidence import Section

_DAY_S = 24 * 60 * 60
_MARGIN_S = 60
_PAGE = 1000
_LOOKS = (
    ("driver", "stderr"),
    ("driver", "stdout"),
    ("executor", "stderr"),
    ("executor", "stdout"),
)
_LARGEST = 8 * 1024 * 1024
_WORDS = ("message", "logMessage", "msg", "log", "content", "text", "line", "body")
_TIMES = ("timestamp", "time", "datetime", "logTime", "eventTime", "timeCreated")
_SAYS = re.compile(
    r"Traceback \(most recent call last\)|Caused by:|OutOfMemory|OOMKilled|WORKFLOW_\w*\d|"
    r"^(?:\S+ ){0,4}[\w.]*[A-Za-z](?:Error|Exception)\b\s*:|Errno \d+"
)
_VAGUE = re.compile(
    r"Traceback \(most recent call last\)|stage failure|Lost task|ExecutorLost|"
    r"^(?:Caused by: )?(?:[\w.]+\.)?(?:RuntimeError|Exception|SparkException|Py4J\w*Error)\b"
)
_CONDITION = re.compile(r"\[[A-Z][A-Z0-9_]+(?:\.[A-Z0-9_]+)*\]")
"""Spark's own name of what went wrong: `[UNRESOLVED_COLUMN.WITH_SUGGESTION]`."""
_ADDRESS = re.compile(r"https?://[^\s\"'<>\\]+")
_OPERATION = ("aidp-async-operation-key", "datalake-async-operation-key")


class Place(NamedTuple):
    """Whose lines are wanted."""

    task: str
    """The task's name in our own words."""
    task_run: str
    job_run: str
    cluster: str
    """Key."""
    began_s: float
    ended_s: float
    """Seconds since the epoch."""


class Told(NamedTuple):
    """What the logs say."""

    sections: tuple[Section, ...] = ()
    missing: tuple[str, ...] = ()


class Logs:
    """The logs of one workspace's clusters, in one process."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._api: Api = session.api
        self._epoch = False

    def around(self, place: Place) -> Told:
        """Return what the cluster's logs say of a task, most telling last; nothing is raised."""
        try:
            return self._around(place)
        except (ApiRefused, Forbidden, Unavailable) as error:
            said = texts.sentence(str(error))
            return Told(missing=(f"{place.task} cluster logs: they cannot be read: {said}",))

    def _around(self, place: Place) -> Told:
        found: list[Section] = []
        said = False
        for kind, stream in _LOOKS:
            lines = self._lines(place, kind, stream, own=said)
            if lines:
                found.append(Section(f"{place.task} {kind} {stream}", lines))
            if says(lines) and not vague(lines):
                return Told(tuple(found))
            said = said or says(lines)
        if said:
            return Told(tuple(found))
        whole = self._whole(place)
        sections = tuple(s for s in whole.sections if s.lines)
        return Told((*found, *sections), whole.missing)

    def _lines(self, place: Place, kind: str, stream: str, *, own: bool) -> list[str]:
        """Return the lines of the task run, else those of the job run unless only its `own`."""
        for name, key in (("taskRunKey", place.task_run), ("jobRunKey", place.job_run)):
            if not key or (own and name == "jobRunKey"):
                continue
            given = self._searched(place, kind, stream, f"{name} = {key}")
            if given:
                listed, _ = texts.lines("\n".join(given))
                return [line for line in listed if not messages.noise(line)]
        return []

    def _searched(self, place: Place, kind: str, stream: str, wanted: str) -> list[str]:
        path = f"/clusters/{quote(place.cluster, safe='')}/actions/searchLogs"
        for epoch in (True,) if self._epoch else (False, True):
            body = _question(place, kind, stream, wanted, epoch=epoch)
            try:
                listed = list(self._api.pages(path, cap=_PAGE, body=body, limit=_PAGE))
            except ApiRefused as error:
                if error.status != 400 or epoch:
                    raise
                continue
            self._epoch = epoch
            return rows(listed)
        return []

    def _whole(self, place: Place) -> Told:
        """Return the driver's whole log once the service has gathered it; ask for it once."""
        name = f"{place.task} whole driver log"
        operation = self._session.kept("logs", place.task_run)
        if operation is None:
            operation = self._ordered(place)
            self._session.keep("logs", place.task_run, operation)
        if not operation:
            return Told(missing=(f"{name}: the service does not say where it will be",))
        path = f"/asyncOperations/{quote(operation, safe='')}"
        said = self._api.get(path, instance=True)
        status = str(said.get("status") or "unknown")
        if status in ("FAILED", "CANCELED"):
            why = texts.sentence(str(said.get("errorMessage") or said.get("errorCode") or status))
            return Told(missing=(f"{name}: it could not be gathered: {why}",))
        address = next(_addresses(said), None)
        if status != "SUCCEEDED" or address is None:
            words = "is still being gathered" if status != "SUCCEEDED" else "is nowhere to be had"
            return Told(missing=(f"{name}: it {words} (operation {operation}, {status})",))
        listed, cut = texts.lines(_opened(self._api.par_get(address)))
        lines = [line for line in listed if not messages.noise(line)]
        return Told((Section(name, lines),), (f"{name}: {cut}",) if cut else ())

    def _ordered(self, place: Place) -> str:
        wanted = f"taskRunKey = {place.task_run}"
        body = _question(place, "driver", "stderr", wanted, epoch=self._epoch)
        path = f"/clusters/{quote(place.cluster, safe='')}/actions/downloadLogs"
        answer = self._api.send("POST", path, body, what="download-logs")
        headed = (answer.headers.get(name) for name in _OPERATION)
        named = (answer.body.get(name) for name in ("asyncOperationKey", "key", "operationKey"))
        return next((str(key) for key in (*headed, *named) if key), "")


def says(lines: list[str]) -> bool:
    """Return whether lines say what went wrong."""
    return any(_SAYS.search(line) for line in lines)


def vague(lines: list[str]) -> bool:
    """Return whether lines that say what went wrong name no cause, but that of another process."""
    said = (line for line in lines if _SAYS.search(line))
    return all(_VAGUE.search(line) and not _CONDITION.search(line) for line in said)


def rows(items: list[dict[str, Any]]) -> list[str]:
    """Return the words of results, in the order of their times where they have some."""
    found: list[tuple[str, str]] = []
    for item in items:
        for result in _dicts(item.get("results")) or [item]:
            data = result.get("data") if isinstance(result.get("data"), dict) else result
            if isinstance(data, dict) and (said := _said(data, 3)):
                found.append((_time(data), said))
    if all(when for when, _ in found):
        found.sort(key=lambda one: one[0])  # stable: lines of one moment stay in their order
    return [said for _, said in found]


def _question(place: Place, kind: str, stream: str, wanted: str, *, epoch: bool) -> dict[str, Any]:
    end = place.ended_s + _MARGIN_S
    begin = max(place.began_s - _MARGIN_S, end - _DAY_S)
    return {
        "timeBegin": int(begin * 1000) if epoch else states.written(begin),
        "timeEnd": int(end * 1000) if epoch else states.written(end),
        "logContentTypeContains": kind,
        "logStreamTypeContains": stream,
        "advancedFilter": wanted,
    }


def _said(data: Mapping[str, Any], depth: int) -> str:
    for name in _WORDS:
        if isinstance(data.get(name), str) and data[name]:
            return str(data[name])
    inner = (v for v in data.values() if isinstance(v, dict)) if depth else ()
    if found := next((said for v in inner if (said := _said(v, depth - 1))), ""):
        return found
    plain = [v for k, v in data.items() if isinstance(v, str) and k not in _TIMES]
    return max(plain, key=len, default="") if depth == 3 else ""


def _time(data: Mapping[str, Any]) -> str:
    when = next((states.moment(data[name]) for name in _TIMES if data.get(name)), None)
    return f"{when:020.3f}" if when is not None else ""


def _addresses(said: Any) -> Iterator[str]:
    """Yield the addresses in a document, at whatever place; a text may hold JSON that has them."""
    if isinstance(said, str):
        yield from _ADDRESS.findall(said)
    elif isinstance(said, dict | list):
        for inner in said.values() if isinstance(said, dict) else said:
            yield from _addresses(inner)


def _opened(content: bytes) -> str:
    """Return a log as text, from a zip archive or a compressed file too."""
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = []
            for name in archive.namelist()[:50]:
                with archive.open(name) as file:
                    parts.append(file.read(_LARGEST // 4))
        content = b"\n".join(parts)
    elif content[:2] == b"\x1f\x8b":
        content = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(content, _LARGEST)
    return content[-_LARGEST:].decode("utf-8", "replace")


def _dicts(given: Any) -> list[dict[str, Any]]:
    return [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []


def trace_in(sections: tuple[Section, ...]) -> notebooks.Raised | None:
    """Return the exception that a cluster's log ends with, None where it has none.

    One that names a cause goes before one that does not, Python's before the executors' Java.
    """
    found = [r for s in sections if (r := notebooks.raised_in("\n".join(s.lines))) is not None]
    telling = (raised for raised in found if not vague([raised.words]))
    first = next(iter(found), None)
    return next(telling, None) or _named(sections, first.trace if first else "") or first


def _named(sections: tuple[Section, ...], trace: str) -> notebooks.Raised | None:
    """Return the last exception that a line without a traceback names as a cause."""
    lines = (line for section in reversed(sections) for line in reversed(section.lines))
    for line in lines:
        said = notebooks.RAISED.match(line.strip().removeprefix("Caused by: "))
        if said is not None and not vague([line]):
            return notebooks.Raised(said["name"].rpartition(".")[2], said["value"] or "", trace)
    return None
