"""One monitor, alert or Genie space on its way to what is wanted: looked at, changed, waited for.

Rules kept here: what is there is read before each change; what we are about to do lies on the disk
before it is done, so that after a crash or a lost reply we look again instead of doing it twice;
nothing is deleted but a monitor whose recreation a person approved; what the service refuses is
this item's failure, the others go on.

Sources: https://docs.databricks.com/api/workspace/qualitymonitors/update
https://docs.databricks.com/api/workspace/alertsv2/updatealert
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import quote

from pydantic import JsonValue

from agent import redaction
from agent.platforms.databricks.api import ApiRefused, Forbidden
from agent.platforms.databricks.definitions import PUT, covers, lasting, lost
from agent.platforms.databricks.monitoring_file import Item
from agent.platforms.databricks.monitoring_looks import Bench, found, monitor_path, only_anew
from agent.platforms.databricks.sql import SqlFailed
from agent.records import Record

ENDED = ("good", "failed", "cancelled")
_UNASKED = ("NO_WAREHOUSE", "NOT_READ_ONLY", "PERMISSION_DENIED")
"""Why a query could not be looked at before its alert is made: no fault of the query's."""


class Step(Record):
    """How far one item has come; replaced as it goes, kept on the disk."""

    key: str
    task: str
    name: str
    line: int
    wanted: dict[str, JsonValue]
    refresh: bool = False
    recreate: bool = False
    """A person approved that it is deleted and made anew."""
    state: Literal["waiting", "changing", "settling", "good", "failed", "cancelled"] = "waiting"
    intent: Literal["create", "update", "recreate"] | None = None
    before: dict[str, JsonValue] | None = None
    """What was there before our change; None = nothing, where `intent` is set."""
    id: str | None = None
    refreshing: bool = False
    """A refresh was asked for, or is just being."""
    refresh_id: str | None = None
    code: str = ""
    """The service's word for why it failed."""
    message: str = ""
    """Why it failed, or what was seen; masked."""
    carried: bool = False
    """It was good in the run that this one repairs, and nothing is done about it here."""

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it in this run."""
        return self.state in ENDED

    def to(self, **changes: Any) -> "Step":
        """Return the step with these changes."""
        return self.model_copy(update=changes)

    def failed(self, code: str, message: str) -> "Step":
        """Return the step as failed."""
        words = redaction.printable(redaction.mask(message))[:4000]
        return self.to(state="failed", code=code, message=words)


Keep = Callable[[Step], None]


def begin(item: Item, recreate: bool) -> Step:
    """Return the first step of an item."""
    return Step(
        key=item.key,
        task=item.task,
        name=item.name,
        line=item.line,
        wanted=item.wanted,
        refresh=item.refresh,
        recreate=recreate,
    )


def go(bench: Bench, step: Step, keep: Keep) -> Step:
    """Take an item as far as it goes now; `keep` is called before each change to the platform.

    Raises `Unavailable`: the step that was kept last is then where it stands.
    """
    move = {"monitors": _monitor, "alerts": _alert, "genie": _space}[step.task]
    try:
        return move(bench, step, keep)
    except ApiRefused as error:
        return step.failed(error.code or str(error.status), str(error))
    except Forbidden as error:
        return step.failed("PERMISSION_DENIED", str(error))


def _monitor(bench: Bench, step: Step, keep: Keep) -> Step:
    if step.state == "settling":
        return _settled(bench, step, keep)
    there = found(bench, "monitors", step.wanted)
    if isinstance(there, dict) and there.get("status") == "MONITOR_STATUS_DELETE_PENDING":
        return step
    if step.state == "waiting":
        planned = _planned(step, there if isinstance(there, dict) else None)
        if planned.state != "changing":
            return _settled(bench, planned, keep) if planned.state == "settling" else planned
        step = planned
        keep(step)
    step = _changed(bench, step, there if isinstance(there, dict) else None)
    keep(step)
    return _settled(bench, step, keep)


def _planned(step: Step, there: dict[str, Any] | None) -> Step:
    """Decide what to do about a monitor."""
    if there is None:
        return step.to(state="changing", intent="create")
    if (why := only_anew(step.wanted, there, recreate=step.recreate)) is not None:
        if step.recreate:
            return step.to(state="changing", intent="recreate", before=there)
        return step.failed(
            "RECREATE_NEEDED",
            f"{why}; deleting a monitor and making it anew takes a person: add `recreate: true` to "
            "it (it is asked for each time), or delete it in the workspace",
        )
    if _same(step, there):
        return step.to(state="settling")
    return step.to(state="changing", intent="update", before=there)


def _changed(bench: Bench, step: Step, there: dict[str, Any] | None) -> Step:
    """Bring a monitor to what is wanted, unless an earlier call has done so already."""
    api, path = bench.session.api, monitor_path(str(step.wanted["table_name"]))
    body = {k: v for k, v in step.wanted.items() if k != "table_name"}
    if there is not None and step.intent == "recreate" and there == step.before:
        api.delete(path)
        there = None
    if there is None:
        return _made(bench, step, body)
    if not _same(step, there):
        if step.intent == "create":
            return step.failed(
                "OVERTAKEN", "somebody else made another monitor of this table meanwhile"
            )
        api.put(path, {k: v for k, v in body.items() if k in PUT})
    return step.to(state="settling")


def _same(step: Step, there: Mapping[str, Any]) -> bool:
    return covers(lasting("monitors", step.wanted), there) and not lost(step.wanted, there)


def _made(bench: Bench, step: Step, body: dict[str, JsonValue]) -> Step:
    """Create a monitor; one that was deleted for it is made again where that is refused."""
    path = monitor_path(str(step.wanted["table_name"]))
    try:
        bench.session.api.post(path, body)
    except ApiRefused as error:
        if step.intent != "recreate":
            raise
        bench.session.api.post(path, former(step))
        return step.failed(error.code, f"{error}; the former monitor was made again")
    return step.to(state="settling")


def _settled(bench: Bench, step: Step, keep: Keep) -> Step:
    """Wait out PENDING, and the refresh where one is asked for."""
    if step.ended:
        return step
    there = found(bench, "monitors", step.wanted)
    if not isinstance(there, dict):
        return step.failed("GONE", "the monitor is gone: somebody deleted it while it was made")
    status = str(there.get("status") or "")
    if status in ("MONITOR_STATUS_FAILED", "MONITOR_STATUS_ERROR"):
        said = there.get("latest_monitor_failure_msg") or "the service gives no reason"
        return step.failed(status, f"the monitor is {status}: {said}")
    if status != "MONITOR_STATUS_ACTIVE":
        return step.to(message=f"the monitor is {status or 'in no known state'}")
    return _refreshed(bench, step, keep) if step.refresh else step.to(state="good", message=status)


def _refreshed(bench: Bench, step: Step, keep: Keep) -> Step:
    api = bench.session.api
    path = f"{monitor_path(str(step.wanted['table_name']))}/refreshes"
    if step.refresh_id is None:
        alive = None
        if step.refreshing:  # the reply to our request may have been lost
            listed = api.get(path).get("refreshes") or ()
            alive = next((r for r in listed if r.get("state") in ("PENDING", "RUNNING")), None)
        else:
            step = step.to(refreshing=True)
            keep(step)
        said = alive or api.post(path)
        step = step.to(refresh_id=str(said.get("refresh_id")))
        keep(step)
    said = api.get(f"{path}/{step.refresh_id}")
    state = str(said.get("state") or "UNKNOWN")
    if state == "SUCCESS":
        return step.to(state="good", message="refreshed")
    if state in ("FAILED", "CANCELED"):
        why = said.get("message") or "the service gives no reason"
        return step.failed(f"REFRESH_{state}", f"its refresh is {state}: {why}")
    return step.to(message=f"its refresh is {state}")


def _alert(bench: Bench, step: Step, keep: Keep) -> Step:
    resumed = step.state == "changing"
    there = found(bench, "alerts", step.wanted)
    if isinstance(there, str):
        return step.failed("NAME_NOT_UNIQUE", there)
    if there is not None and covers(lasting("alerts", step.wanted), there):
        return step.to(state="good", id=str(there.get("id")), message="as wanted")
    if not resumed:
        if (why := _broken(bench, step)) is not None:
            return step.failed(why.condition or why.error_code, why.message)
        step = step.to(state="changing", intent="update" if there else "create", before=there)
        keep(step)
    if there is None:
        said = bench.session.api.post("/api/2.0/alerts", step.wanted)
        bench.alerts.get("all", []).append(said)
        return step.to(state="good", id=str(said.get("id")), message="created")
    if step.intent == "create":
        return step.failed("OVERTAKEN", "somebody else made an alert of this name meanwhile")
    identity = str(there.get("id"))
    body = lasting("alerts", step.wanted)
    path = f"/api/2.0/alerts/{quote(identity, safe='')}"
    bench.session.api.patch(path, body, update_mask=",".join(sorted(body)))
    return step.to(state="good", id=identity, message="updated")


def _broken(bench: Bench, step: Step) -> SqlFailed | None:
    """Ask the playbook's warehouse whether an alert's query can be planned at all."""
    if bench.session.book.databricks.warehouse is None or step.wanted.get("parameters"):
        return None
    answer = bench.statements.run(f"EXPLAIN {step.wanted['query_text']}")
    if isinstance(answer, SqlFailed):
        return None if answer.error_code in _UNASKED else answer
    text = "\n".join(str(row[0]) for row in answer.rows if row)
    # The plan of a query that cannot be planned is an answer, not a failed statement.
    if "Error occurred during query planning" in text:
        return SqlFailed(text, "BAD_REQUEST")
    return None


def _space(bench: Bench, step: Step, keep: Keep) -> Step:
    del keep  # nothing is changed
    there = found(bench, "genie", step.wanted)
    if isinstance(there, str):
        return step.failed("NAME_NOT_UNIQUE", there)
    if there is None:
        return step.failed("NOT_FOUND", "there is no such Genie space; it is not made by us")
    seen = f"{there.get('title')} ({there.get('space_id')}), warehouse {there.get('warehouse_id')}"
    return step.to(state="good", id=str(there.get("space_id")), message=seen)


def former(step: Step) -> dict[str, Any]:
    """Return the body that puts back what was there before our change."""
    before = step.before or {}
    if step.task == "monitors":
        return {k: v for k, v in before.items() if k in PUT}
    return {k: before.get(k) for k in lasting("alerts", step.wanted)}
