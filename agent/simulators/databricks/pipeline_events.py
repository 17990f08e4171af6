"""The event log of pipelines: what is written, and the list that clients read.

Rules kept here: newest first unless asked otherwise; a filter knows four columns; a page token
stands for the whole question, so it comes alone (or with `max_results`); a page begins where the
last one ended, whatever was written meanwhile.
Source: https://docs.databricks.com/api/workspace/pipelines/listpipelineevents
"""

import base64
import datetime as dt
import json
import operator
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agent.simulators.databricks import lakehouse
from agent.simulators.databricks.wire import Request, invalid, missing
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

KIND = "pipeline_events"
"""One document per pipeline: `{"events": [...]}`, in the order in which they were written."""
DEFAULT_PAGE = 25
LARGEST_PAGE = 1_000
_COLUMNS = ("timestamp", "id", "update_id", "level")
_LEVELS = ("INFO", "WARN", "ERROR", "METRICS")
_WORDS = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<word>[\w.]+)|(?P<sign><=|>=|<>|!=|=|<|>|\(|\)|,))"
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
Test = Callable[[dict[str, Any]], bool]


def moment(ms: int) -> str:
    """Return a time as events carry it, such as 2026-09-01T14:20:31.066Z."""
    at = dt.datetime.fromtimestamp(ms / 1000, dt.UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def add(
    sim: "Simulator",
    update: dict[str, Any],
    at_ms: int,
    kind: str,
    message: str,
    *,
    level: str = "INFO",
    details: dict[str, Any] | None = None,
    error: dict[str, Any] | None = None,
    origin: dict[str, Any] | None = None,
) -> None:
    """Write an event of an update; `details` are those under the event's own type."""
    pipeline = update["pipeline_id"]
    events = _all(sim, pipeline)
    number = len(events) + 1
    event: dict[str, Any] = {
        "id": lakehouse.identity(sim, "event", f"{pipeline}/{number}"),
        "sequence": {"control_plane_seq_no": at_ms * 1000 + number % 1000},
        "origin": {
            "cloud": "AWS",
            "region": "us-west-2",
            "org_id": sim.workspace_id,
            "pipeline_type": "WORKSPACE",
            "pipeline_id": pipeline,
            "pipeline_name": update["name"],
            "cluster_id": update["cluster_id"],
            "update_id": update["update_id"],
            **(origin or {}),
        },
        "timestamp": moment(at_ms),
        "message": message,
        "level": level,
        "maturity_level": "STABLE",
        "event_type": kind,
        "details": {kind: details or {}},
    }
    if error is not None:
        event["error"] = error
    sim.store.put(KIND, pipeline, {"events": [*events, event]})


def _all(sim: "Simulator", pipeline: str) -> list[dict[str, Any]]:
    return list((sim.store.get(KIND, pipeline) or {"events": []})["events"])


def _list(sim: "Simulator", request: Request) -> dict[str, Any]:
    pipeline = request.text("pipeline_id")
    if sim.store.get("pipeline", pipeline) is None:
        raise missing(f"The specified pipeline {pipeline} was not found.")
    size = request.number("max_results", default=DEFAULT_PAGE)
    if not 0 <= size <= LARGEST_PAGE:
        raise invalid(f"max_results must be between 0 and {LARGEST_PAGE}, found {size}.")
    question = _question(request)
    fits = parse(question["filter"]) if question["filter"] else _anything
    numbered = [(place, one) for place, one in enumerate(_all(sim, pipeline)) if fits(one)]
    ascending = question["order"] == "asc"
    numbered.sort(key=lambda pair: (pair[1]["timestamp"], pair[0]), reverse=not ascending)
    return _page(numbered, question, size or DEFAULT_PAGE)


def _anything(_: dict[str, Any]) -> bool:
    return True


def _question(request: Request) -> dict[str, Any]:
    order, filtered = request.listed("order_by"), request.text("filter", "")
    token = request.page()
    if token is not None:
        if order:
            raise invalid("You can provide a page token or specify an ordering, but not both.")
        if filtered:
            raise invalid("You can provide a page token or specify a filter, but not both.")
        return _opened(token)
    return {"filter": filtered, "order": _order(order), "after": None, "back": False}


def _order(given: list[Any]) -> str:
    words = " ".join(str(one) for one in given).split()
    if not words:
        return "desc"
    if words[0] != "timestamp" or len(words) > 2 or words[-1] not in ("timestamp", "asc", "desc"):
        raise invalid(f"Invalid order_by '{' '.join(words)}'; expected 'timestamp asc|desc'.")
    return words[1] if len(words) == 2 else "asc"


def _page(
    numbered: list[tuple[int, dict[str, Any]]], question: dict[str, Any], size: int
) -> dict[str, Any]:
    places = [place for place, _ in numbered]
    begin = 0
    if question["after"] in places:
        at = places.index(question["after"])
        begin = max(0, at - size) if question["back"] else at + 1
    page = numbered[begin : begin + size]
    reply: dict[str, Any] = {"events": [one for _, one in page]}
    if begin + size < len(numbered):
        reply["next_page_token"] = _closed(question | {"after": page[-1][0], "back": False})
    if begin > 0 and page:
        reply["prev_page_token"] = _closed(question | {"after": page[0][0], "back": True})
    return reply


def _closed(question: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(question).encode()).decode()


def _opened(token: str) -> dict[str, Any]:
    try:
        found = json.loads(base64.urlsafe_b64decode(token.encode()))
    except ValueError as error:
        raise invalid("The page token is not valid.") from error
    if not isinstance(found, dict) or set(found) != {"filter", "order", "after", "back"}:
        raise invalid("The page token is not valid.")
    return found


def parse(text: str) -> Test:
    """Return what an event must be to fit a filter. Raises `ApiError` (400) for other grammars."""
    tokens: list[tuple[str, str]] = []
    at = 0
    while at < len(text.rstrip()):
        found = _WORDS.match(text, at)
        if found is None:
            raise invalid(f"Invalid filter: could not parse '{text}' at position {at}.")
        tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
        at = found.end()
    tests = []
    while tokens:
        tests.append(_comparison(tokens, text))
        if tokens and (tokens.pop(0)[1].upper() != "AND" or not tokens):
            raise invalid(f"Invalid filter: '{text}'; expressions are joined with AND.")
    return lambda event: all(test(event) for test in tests)


def _comparison(tokens: list[tuple[str, str]], text: str) -> Test:
    if len(tokens) < 3:
        raise invalid(f"Invalid filter: '{text}' ends too early.")
    column, sign = tokens.pop(0)[1], tokens.pop(0)[1].upper()
    if column not in _COLUMNS or (sign != "IN" and sign not in _COMPARE):
        raise invalid(f"Operation '{sign}' not allowed on '{column}'")
    if column != "timestamp" and sign not in ("=", "IN"):
        raise invalid(f"Operation '{sign}' not allowed on '{column}'")
    if sign == "IN":
        values = _listed(tokens, text)
        return lambda event: _value(event, column) in values
    compare, wanted = _COMPARE[sign], _literal(tokens.pop(0), column, text)
    return lambda event: compare(_value(event, column), wanted)


def _listed(tokens: list[tuple[str, str]], text: str) -> list[str]:
    kinds = [token for token, _ in zip(tokens, range(len(tokens)), strict=True)]
    if kinds[0][1] != "(" or ("sign", ")") not in kinds:
        raise invalid(f"Invalid filter: '{text}'; expected a list in parentheses.")
    end = kinds.index(("sign", ")"))
    values = [_literal(one, "", text) for one in kinds[1:end] if one[1] != ","]
    del tokens[: end + 1]
    return values


def _literal(token: tuple[str, str], column: str, text: str) -> str:
    if token[0] != "text":
        raise invalid(f"Invalid filter: '{text}'; expected a quoted value, found '{token[1]}'.")
    value = token[1][1:-1].replace("''", "'")
    if column == "timestamp":
        try:
            at = dt.datetime.fromisoformat(value)
        except ValueError as error:
            raise invalid(f"Invalid filter: '{value}' is not a timestamp.") from error
        at = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
        return moment(round(at.timestamp() * 1000))
    if column == "level" and value not in _LEVELS:
        raise invalid(f"Invalid filter: '{value}' is not a level.")
    return value


def _value(event: dict[str, Any], column: str) -> str:
    return str(event["origin"].get(column) if column == "update_id" else event[column])


ROUTES = (Route("GET", "/api/2.{version}/pipelines/{pipeline_id}/events", _list),)
