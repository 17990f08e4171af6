"""What the SQL statement service answers: status, manifest, rows in chunks, links to them.

Source: https://docs.databricks.com/api/workspace/statementexecution/getstatement
"""

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from agent.simulators.databricks.wire import Request, invalid, missing
from agent.simulators.loopback import Reply
from agent.simulators.routing import Route

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

KIND = "statement"
CHUNK_ROWS = 5_000
ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "CLOSED")


def need(sim: "Simulator", key: str) -> dict[str, Any]:
    """Return a statement. Raises `ApiError` (404) where there is none."""
    found = sim.store.get(KIND, key)
    if found is None:
        raise missing(f"The statement {key} was not found.")
    return found


def shown(sim: "Simulator", key: str, found: dict[str, Any]) -> dict[str, Any]:
    """Return the reply for a statement as it is now."""
    status: dict[str, Any] = {"state": found["state"]}
    reply: dict[str, Any] = {"statement_id": key, "status": status}
    if found["state"] == "FAILED":
        failure = found["failure"]
        status["error"] = {"error_code": "BAD_REQUEST", "message": failure["message"]}
        status["sql_state"] = failure["sql_state"]
    if found["state"] == "SUCCEEDED":
        reply["manifest"] = _manifest(found)
        reply["result"] = _chunk(sim, key, found, 0)
    return reply


def _manifest(found: dict[str, Any]) -> dict[str, Any]:
    rows, columns = found["rows"], found["columns"]
    starts = range(0, len(rows), CHUNK_ROWS)
    manifest: dict[str, Any] = {
        "format": found["format"],
        "schema": {"column_count": len(columns), "columns": columns},
        "total_row_count": len(rows),
        "total_chunk_count": len(starts),
        "truncated": found["truncated"],
    }
    if not columns:
        manifest["schema"] = {"column_count": 0}
    if rows:
        manifest["chunks"] = [
            {
                "chunk_index": index,
                "row_offset": start,
                "row_count": min(CHUNK_ROWS, len(rows) - start),
            }
            for index, start in enumerate(starts)
        ]
    return manifest


def _chunk(sim: "Simulator", key: str, found: dict[str, Any], index: int) -> dict[str, Any]:
    start = index * CHUNK_ROWS
    rows = found["rows"][start : start + CHUNK_ROWS]
    if not rows:
        return {}
    chunk: dict[str, Any] = {"chunk_index": index, "row_offset": start, "row_count": len(rows)}
    if start + CHUNK_ROWS < len(found["rows"]):
        offset = start + len(rows)
        path = f"/api/2.0/sql/statements/{key}/result/chunks/{index + 1}"
        chunk |= {
            "next_chunk_index": index + 1,
            "next_chunk_internal_link": f"{path}?row_offset={offset}",
        }
    if found["disposition"] == "INLINE":
        return chunk | {"data_array": rows}
    where = f"{sim.url}/statement-results/{key}/{index}"
    return {"external_links": [chunk | {"external_link": where, "byte_count": len(str(rows))}]}


def _get_chunk(sim: "Simulator", request: Request) -> dict[str, Any]:
    key, index = request.text("statement_id"), request.number("chunk_index")
    found = need(sim, key)
    chunk = _chunk(sim, key, found, index) if found["state"] == "SUCCEEDED" else {}
    if not chunk:
        raise invalid(f"There is no chunk {index} of statement {key} (state {found['state']}).")
    return chunk


def _download(sim: "Simulator", request: Request) -> Reply:
    """Serve what an external link points at; it needs no token, as a signed link needs none."""
    found = need(sim, request.text("key"))
    start = request.number("index") * CHUNK_ROWS
    rows = found["rows"][start : start + CHUNK_ROWS]
    if found["format"] == "JSON_ARRAY":
        return Reply(body=json.dumps(rows).encode(), headers={"Content-Type": "application/json"})
    out = io.StringIO()
    csv.writer(out).writerows([[column["name"] for column in found["columns"]], *rows])
    return Reply(body=out.getvalue().encode(), headers={"Content-Type": "text/csv"})


ROUTES = (
    Route(
        "GET",
        "/api/2.{version}/sql/statements/{statement_id}/result/chunks/{chunk_index}",
        _get_chunk,
    ),
    Route("GET", "/statement-results/{key}/{index}", _download, open=True),
)
