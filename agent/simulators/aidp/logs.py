"""Logs of clusters: kept line by line as tasks write them, searched, and downloaded.

Rules kept here: a search covers 24 hours at most and one kind of log (events, driver, executor);
`advancedFilter` knows `jobRunKey = ...` and `taskRunKey = ...`; filters that do not belong to a
kind are ignored. A download is an asynchronous operation. How its text is then had is not
established: here `statusDetails` of the operation, once it has SUCCEEDED, is a JSON object with a
pre-authenticated link as `parUrl`.
Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.simulators.aidp import asyncops, computing, wire
from agent.simulators.aidp.wire import ApiError, Request, invalid
from agent.simulators.loopback import Reply
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

KIND = "log"
"""Documents by `<cluster>/<at_ms>/<unique>`: one text that was written at once."""
LONGEST_MS = 24 * 3600 * 1000
_KINDS = ("events", "driver", "executor")
_FILTERS = ("jobRunKey", "taskRunKey")
_TEXTS = (
    *("logStreamTypeContains", "logLevel", "subjectContains", "messageContains"),
    *("advancedFilter", "eventType", "thread", "opcRequestId", "executionContextId"),
)
_LEVEL = re.compile(r"\b(TRACE|DEBUG|INFO|WARN|ERROR|FATAL)\b")
_DOWNLOAD_S = 1.0
_FIELDS = (
    ("datetime", "LONG"),
    ("type", "STRING"),
    ("subject", "STRING"),
    ("logContent", "MAP"),
)


class Search(NamedTuple):
    """What somebody looks for."""

    cluster: str
    kind: str
    begin_ms: int
    end_ms: int
    where: dict[str, str]
    """Wanted keys of runs."""
    body: Mapping[str, Any]


def append(
    sim: "Simulator",
    cluster_key: str,
    kind: str,
    stream: str,
    at_ms: int,
    text: str,
    job_run_key: str = "",
    task_run_key: str = "",
) -> None:
    """Add a text to a cluster's log; each of its lines is found on its own.

    `kind`: driver, executor or events; `stream`: stdout or stderr, empty for events.
    """
    if not text.strip():
        return
    document = {
        "cluster": cluster_key,
        "kind": kind,
        "stream": stream,
        "at": at_ms,
        "text": text,
        "jobRunKey": job_run_key,
        "taskRunKey": task_run_key,
    }
    sim.store.put(KIND, f"{cluster_key}/{at_ms}/{uuid.uuid4().hex}", document)


def _wanted(sim: "Simulator", request: Request) -> Search:
    """Return what is looked for. Raises `ApiError` (400 or 404) where it cannot be."""
    cluster = computing.find(sim, request.args["cluster"])["key"]
    if not request.raw.strip():
        raise invalid("The request body must not be null")
    begin, end = (_moment(sim, request, name) for name in ("timeBegin", "timeEnd"))
    if end < begin:
        raise invalid("timeEnd must not be before timeBegin")
    if end - begin > LONGEST_MS:
        raise invalid("The time range must not be longer than 24 hours")
    kind = request.body.get("logContentTypeContains")
    if kind is None:
        raise invalid("logContentTypeContains must not be null")
    if kind not in _KINDS:
        raise invalid(f"logContentTypeContains must be one of {', '.join(_KINDS)}")
    for name in _TEXTS:
        request.text(name, "")
    where = _conditions(request.body.get("advancedFilter"))
    return Search(cluster, kind, begin, end, where, request.body)


def _moment(sim: "Simulator", request: Request, name: str) -> int:
    given = request.body.get(name)
    if given is None:
        raise invalid(f"{name} must not be null")
    number = isinstance(given, int) and not isinstance(given, bool)
    if number != (sim.options.log_times == "epoch_ms"):
        wanted = "epoch milliseconds" if sim.options.log_times == "epoch_ms" else "RFC 3339"
        raise invalid(f"{name} is not valid: expected {wanted}, found {given!r}")
    return wire.parsed_moment(name, given)


def _conditions(text: Any) -> dict[str, str]:
    if text is None or text == "":
        return {}
    found: dict[str, str] = {}
    for part in re.split(r"\s+(?:and|AND)\s+", str(text).strip()):
        fits = re.fullmatch(r"(\w+)\s*=\s*'?\"?([^'\"]*?)'?\"?", part.strip())
        if fits is None or fits[1] not in _FILTERS:
            raise invalid(f"advancedFilter is not valid: '{part}'; known are {', '.join(_FILTERS)}")
        found[fits[1]] = fits[2]
    return found


def _lines(sim: "Simulator", search: Search) -> Iterator[dict[str, Any]]:
    texts = [
        one
        for key, one in sim.store.items(KIND)
        if key.startswith(search.cluster + "/")
        and one["kind"] == search.kind
        and search.begin_ms <= one["at"] <= search.end_ms
        and all(one[name] == value for name, value in search.where.items())
    ]
    for one in sorted(texts, key=lambda text: int(text["at"])):
        for line in one["text"].splitlines():
            if line.strip() and _fits(one, line, search):
                yield {**one, "text": line}


def _fits(one: Mapping[str, Any], line: str, search: Search) -> bool:
    body = search.body
    if search.kind == "events":
        return str(body.get("messageContains") or "") in line
    stream, level = body.get("logStreamTypeContains"), body.get("logLevel")
    subject = str(body.get("subjectContains") or "")
    return (
        (not stream or stream in one["stream"])
        and (not level or level == _level(line))
        and subject in _subject(one)
    )


def _level(line: str) -> str:
    found = _LEVEL.search(line[:80])
    return found[1] if found else "INFO"


def _subject(one: Mapping[str, Any]) -> str:
    return {"driver": "spark-driver", "executor": "spark-executor-1"}.get(one["kind"], "cluster")


def _shown(sim: "Simulator", one: Mapping[str, Any]) -> dict[str, Any]:
    kind = ".".join(word for word in (one["kind"], one["stream"]) if word)
    about = {
        "message": one["text"],
        "logLevel": _level(one["text"]),
        "jobRunKey": one["jobRunKey"],
        "taskRunKey": one["taskRunKey"],
    }
    head = {"datetime": one["at"], "type": kind, "subject": _subject(one)}
    if sim.options.log_shape == "flat":
        return {"data": {**head, **about}}
    content = {"data": about, "subject": head["subject"], "type": kind}
    return {"data": {**head, "logContent": {**content, "time": wire.stamp(one["at"])}}}


def _search(sim: "Simulator", request: Request) -> Reply:
    found = list(_lines(sim, _wanted(sim, request)))
    page = wire.paged(found, request, sim)
    results = [_shown(sim, one) for one in page.body["items"]]
    fields = [{"fieldName": name, "fieldType": kind} for name, kind in _FIELDS]
    summary = {"resultCount": len(results), "fieldCount": len(fields)}
    return page._replace(
        body={"items": [{"fields": fields, "results": results, "summary": summary}]}
    )


def _download(sim: "Simulator", request: Request) -> Reply:
    search = _wanted(sim, request)
    cluster = computing.find(sim, search.cluster)
    resource = ("CLUSTER", search.cluster, computing.name_of(cluster))
    text = "".join(f"{one['text']}\n" for one in _lines(sim, search))
    name = f"{search.kind}-{search.begin_ms}-{search.end_ms}.log"
    details = json.dumps({"parUrl": _link(sim, name, text), "name": name})
    named = asyncops.begin(
        sim, request, "DOWNLOAD_CLUSTER_LOG", resource, takes_s=_DOWNLOAD_S, details=details
    )
    return Reply(202, {}, named)


def _link(sim: "Simulator", name: str, text: str) -> str:
    """Return a link by which the text is read without a signature, for as long as links hold."""
    secret = f"{uuid.uuid4().hex}{uuid.uuid4().hex}"
    document = {"text": text, "until": sim.clock.now_ms() + round(sim.options.par_s * 1000)}
    sim.store.put("log_download", secret, document)
    return f"{sim.url}/p/logs/{secret}/{name}"


def _downloaded(sim: "Simulator", request: Request) -> Reply:
    if "authorization" in request.headers:
        raise ApiError(401, "NotAuthenticated", "A link must not be sent credentials.")
    found = sim.store.get("log_download", request.args["secret"])
    if found is None or found["until"] <= sim.clock.now_ms():
        raise wire.missing("The link does not exist or has expired.")
    return Reply(200, found["text"].encode(), {"Content-Type": "text/plain"})


ROUTES = (
    Route("POST", "/clusters/{cluster}/actions/searchLogs", _search),
    Route("POST", "/clusters/{cluster}/actions/downloadLogs", _download),
)
OPEN_ROUTES = (Route("GET", "/p/logs/{secret}/{name}", _downloaded, raw=True),)
