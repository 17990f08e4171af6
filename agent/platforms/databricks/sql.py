"""SQL through the playbook's warehouse: questions only, and nothing waits.

Rules kept here: only what reads passes, judged by its parsed text; a statement that fails is a
value, because the service says so with HTTP 200; one that still runs is `Unavailable`, and the same
text asked again in this process goes on with the same statement.

Source: https://docs.databricks.com/api/workspace/statementexecution
"""

import json
import re
from typing import Any, NamedTuple

from agent import redaction
from agent.errors import Unavailable
from agent.platforms.databricks import compute
from agent.platforms.databricks.api import ApiRefused, Forbidden, NotFound
from agent.platforms.databricks.session import Session
from agent.remote.asking import refusal

_PATH = "/api/2.0/sql/statements"
_AGAIN_S = 2.0
ROWS = 2_000
"""At most so many rows of an answer are read."""
UNSAID = "set databricks.warehouse in the playbook to a warehouse's id or name"
_NUMBERS = {"BYTE", "SHORT", "INT", "LONG"}
_SQLSTATE = re.compile(r"SQLSTATE:?\s*\(?(\w{5})\b")
_CONDITION = re.compile(r"\[([A-Z][A-Z0-9_]+(?:\.[A-Z0-9_]+)*)\]")

Value = str | int | bool | None


class Rows(NamedTuple):
    """A statement's answer."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    """Integers and booleans as such, everything else as the text that the service sent."""
    cut: bool = False
    """True where there are more rows than were read."""


class SqlFailed(NamedTuple):
    """A statement that did not give an answer."""

    message: str
    """Masked; may have several lines."""
    error_code: str
    """The service's word (BAD_REQUEST ...), or ours: NO_WAREHOUSE, NOT_READ_ONLY."""
    sqlstate: str | None = None
    """Five characters, where it says so."""

    @property
    def condition(self) -> str | None:
        """The error condition in the message, such as `TABLE_OR_VIEW_NOT_FOUND`."""
        found = _CONDITION.search(self.message)
        return found[1] if found else None

    @property
    def first(self) -> str:
        """The message's first line."""
        return self.message.strip().split("\n", 1)[0]


class Parameter(NamedTuple):
    """A named value of a statement, written `:name` in its text."""

    name: str
    value: str | None
    type: str = "STRING"


class Statements:
    """The statements of one process; an answer is kept until `forget`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._running: dict[str, str] = {}
        self._answers: dict[str, Rows | SqlFailed] = {}
        self._warehouse: str | None = None

    def run(self, sql: str, parameters: tuple[Parameter, ...] = ()) -> Rows | SqlFailed:
        """Return the answer. Raises `Unavailable` while the warehouse or the statement works.

        At most `ROWS` rows; what is not read-only is refused before anything is sent.
        """
        key = json.dumps([sql, parameters])
        if key not in self._answers:
            self._answers[key] = self._asked(key, sql, parameters)
        return self._answers[key]

    def forget(self) -> None:
        """Let the next question be asked afresh."""
        self._answers.clear()
        self._warehouse = None

    def _asked(self, key: str, sql: str, parameters: tuple[Parameter, ...]) -> Rows | SqlFailed:
        if (why := refusal(sql)) is not None:
            return SqlFailed(f"{why}; only statements that read are sent", "NOT_READ_ONLY")
        warehouse = self._ready()
        if isinstance(warehouse, SqlFailed):
            return warehouse
        try:
            said = self._sent(key, warehouse, sql, parameters)
        except (ApiRefused, Forbidden) as error:
            self._running.pop(key, None)
            code = error.code if isinstance(error, ApiRefused) else "PERMISSION_DENIED"
            return SqlFailed(str(error), code or "REFUSED")
        return self._answer(key, said)

    def _sent(
        self, key: str, warehouse: str, sql: str, parameters: tuple[Parameter, ...]
    ) -> dict[str, Any]:
        api = self._session.api
        if key in self._running:
            try:
                return api.get(f"{_PATH}/{self._running[key]}")
            except NotFound:
                del self._running[key]
        body = {
            "warehouse_id": warehouse,
            "statement": sql,
            "wait_timeout": "50s",
            "on_wait_timeout": "CONTINUE",
            "disposition": "INLINE",
            "format": "JSON_ARRAY",
            "row_limit": ROWS,
        }
        if parameters:
            body["parameters"] = [p._asdict() for p in parameters]
        return api.post(_PATH, body, changes=False)

    def _answer(self, key: str, said: dict[str, Any]) -> Rows | SqlFailed:
        status = said.get("status") or {}
        state = str(status.get("state") or "UNKNOWN")
        identity = str(said.get("statement_id") or "")
        if state not in ("SUCCEEDED", "FAILED", "CANCELED", "CLOSED"):
            self._running[key] = identity
            raise Unavailable(
                f"statement {identity} is {state}", retry_after_s=_AGAIN_S, works=True
            )
        self._running.pop(key, None)
        if state == "SUCCEEDED":
            return self._rows(identity, said)
        error = status.get("error") or {}
        message = str(error.get("message") or f"the statement is {state}")
        found = _SQLSTATE.search(message)
        sqlstate = status.get("sql_state") or (found[1] if found else None)
        masked = redaction.printable(redaction.mask(message))
        return SqlFailed(masked, str(error.get("error_code") or state), sqlstate)

    def _rows(self, identity: str, said: dict[str, Any]) -> Rows:
        manifest = said.get("manifest") or {}
        columns = (manifest.get("schema") or {}).get("columns") or []
        part = said.get("result") or {}
        data = list(part.get("data_array") or ())
        seen = set()
        while (following := part.get("next_chunk_index")) is not None and len(data) < ROWS:
            if following in seen:
                break
            seen.add(following)
            part = self._session.api.get(f"{_PATH}/{identity}/result/chunks/{following}")
            # A chunk comes bare, or as `external_links`/`data_array` of a result.
            part = part.get("result") or part
            data += part.get("data_array") or ()
        types = [str(c.get("type_name") or "") for c in columns]
        rows = tuple(tuple(map(_value, row, types)) for row in data[:ROWS])
        total = manifest.get("total_row_count")
        cut = bool(manifest.get("truncated")) or (isinstance(total, int) and total > len(rows))
        return Rows(tuple(str(c.get("name")) for c in columns), rows, cut)

    def _ready(self) -> str | SqlFailed:
        """Return the id of the warehouse, which runs. Raises `Unavailable` while it starts."""
        if self._warehouse is not None:
            return self._warehouse
        wanted = self._session.book.databricks.warehouse
        if wanted is None:
            return SqlFailed(f"no warehouse is named: {UNSAID}", "NO_WAREHOUSE")
        try:
            found = compute.running(self._session, "warehouse", wanted)
        except (ApiRefused, Forbidden) as error:
            return SqlFailed(f"warehouse {wanted} cannot be used: {error}", "NO_WAREHOUSE")
        if isinstance(found, compute.Problem):
            return SqlFailed(found.why, "NO_WAREHOUSE")
        self._warehouse = found.id
        return found.id


def _value(text: Any, kind: str) -> Value:
    if text is None:
        return None
    if kind == "BOOLEAN":
        return str(text).lower() == "true"
    if kind in _NUMBERS and re.fullmatch(r"-?\d+", str(text)):
        return int(text)
    return redaction.printable(redaction.mask(str(text)))
