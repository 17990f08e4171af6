"""Look whether what a playbook requires is there, in the order it is written.

What is missing says what was found instead, and what would make it where the playbook names that:
the playbook or job that comes before it in `requires`. Warehouses and clusters that are stopped are
started (see `compute`); everything else is only read.

Sources: https://docs.databricks.com/api/workspace/tables/get
https://docs.databricks.com/api/workspace/servingendpoints/get
https://docs.databricks.com/api/workspace/vectorsearchindexes/getindex
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from agent.engine import checks as engine
from agent.platforms.databricks import checks, compute
from agent.platforms.databricks.api import ApiRefused, Forbidden, NotFound
from agent.platforms.databricks.session import Session
from agent.platforms.databricks.sql import Statements
from agent.playbook import Expectation, Requirement
from agent.records import Check
from agent.remote.required import nearest, with_maker

_CATALOG = "/api/2.1/unity-catalog"
_LISTED = 2_000


class _Found(NamedTuple):
    """What one look gave."""

    holds: bool
    saw: str


def required(
    session: Session, wanted: Sequence[Requirement], statements: Statements | None = None
) -> tuple[Check, ...]:
    """Return a check for each requirement, in their order; those on playbooks are `unknown`.

    Raises `Unavailable` while a warehouse or a cluster starts, or a statement runs.
    """
    asked = statements or Statements(session)
    seen = []
    for requirement in wanted:
        check = _one(session, asked, requirement)
        seen.append(with_maker(check, requirement, session.book, session.context.loaded.folder))
    asked.forget()
    return tuple(seen)


def _one(session: Session, statements: Statements, wanted: Requirement) -> Check:
    kind, name = wanted.what
    words = f"{kind.replace('_', ' ')} {name}"
    if kind == "file" or (kind == "table" and (wanted.rows is not None or name.count(".") != 2)):
        expected = Expectation(table=wanted.table, file=wanted.file, rows=wanted.rows)
        return checks.look(session, statements, expected)
    look = _LOOKS.get(kind)
    if look is None:
        return engine.check(words, "unknown", "required playbooks are not asked for here", {})
    try:
        found = look(session, name)
    except (ApiRefused, Forbidden) as error:
        return engine.check(words, "unknown", f"it cannot be looked at: {error}", {})
    return engine.check(words, "held" if found.holds else "failed", found.saw, {})


def _catalogued(kind: str, items: str, holds: Callable[[dict[str, Any]], _Found]) -> "_Look":
    """Return a look at one kind of thing in Unity Catalog, by its full name."""

    def look(session: Session, name: str) -> _Found:
        try:
            return holds(session.api.get(f"{_CATALOG}/{kind}/{quote(name, safe='')}"))
        except NotFound:
            return _Found(False, _instead(session, kind, items, name))

    return look


def _instead(session: Session, kind: str, items: str, name: str) -> str:
    """Say what is there in the place of what is missing."""
    parts = name.split(".")
    if len(parts) != 3:
        return f"it does not exist; a full name is catalog.schema.name, found {name}"
    catalog, schema, base = parts
    where = {"catalog_name": catalog, "schema_name": schema}
    try:
        listed = [
            str(item.get("name") or "")
            for item in session.api.pages(f"{_CATALOG}/{kind}", items, cap=_LISTED, **where)
        ]
    except NotFound:
        return f"the schema {catalog}.{schema} does not exist"
    except (ApiRefused, Forbidden) as error:
        return f"it does not exist, and {catalog}.{schema} cannot be listed: {error}"
    words = "one" if len(listed) == 1 else str(len(listed))
    near = nearest(base, listed)
    close = f", the nearest {', '.join(near)}" if near else ""
    return f"it does not exist; {catalog}.{schema} has {words} {items.replace('_', ' ')}{close}"


def _there(said: dict[str, Any]) -> _Found:
    owner = said.get("owner")
    return _Found(True, f"there, owned by {owner}" if owner else "there")


def _metric_view(said: dict[str, Any]) -> _Found:
    kind = str(said.get("table_type") or "of an unknown type")
    if kind == "METRIC_VIEW":
        return _Found(True, "there")
    return _Found(False, f"it is {kind}, no METRIC_VIEW: create it WITH METRICS LANGUAGE YAML")


def _schema(session: Session, name: str) -> _Found:
    try:
        return _there(session.api.get(f"{_CATALOG}/schemas/{quote(name, safe='')}"))
    except NotFound:
        pass
    catalog = name.partition(".")[0]
    try:
        listed = [
            str(item.get("name") or "")
            for item in session.api.pages(
                f"{_CATALOG}/schemas", "schemas", cap=_LISTED, catalog_name=catalog
            )
        ]
    except (NotFound, ApiRefused, Forbidden):
        return _Found(False, f"it does not exist, nor may we list catalog {catalog}")
    near = nearest(name.rpartition(".")[2], listed)
    shown = ", ".join(near or listed[:5]) or "no schema"
    return _Found(False, f"it does not exist; {catalog} has {shown}")


def _endpoint(session: Session, name: str) -> _Found:
    try:
        said = session.api.get(f"/api/2.0/serving-endpoints/{quote(name, safe='')}")
    except NotFound:
        there = session.api.get("/api/2.0/serving-endpoints").get("endpoints") or ()
        return _Found(False, _near(name, [str(e.get("name") or "") for e in there]))
    state = said.get("state") or {}
    ready, update = str(state.get("ready") or "unknown"), state.get("config_update")
    if ready == "READY":
        return _Found(True, "READY")
    return _Found(False, f"it is {ready}" + (f", its update is {update}" if update else ""))


def _vector_index(session: Session, name: str) -> _Found:
    try:
        said = session.api.get(f"/api/2.0/vector-search/indexes/{quote(name, safe='')}")
    except NotFound:
        return _Found(False, "it does not exist")
    status = said.get("status") or {}
    message = " ".join(str(status.get("message") or "").split())
    if status.get("ready") is True:
        return _Found(True, "ready")
    return _Found(False, f"it is not ready{f': {message}' if message else ''}")


def _scope(session: Session, name: str) -> _Found:
    listed = session.api.get("/api/2.0/secrets/scopes/list").get("scopes") or ()
    names = [str(scope.get("name") or "") for scope in listed]
    return _Found(True, "there") if name in names else _Found(False, _near(name, names))


def _near(name: str, names: list[str]) -> str:
    near = nearest(name, names)
    shown = ", ".join(near or names[:5]) or "none that we may see"
    return f"it does not exist; there is {shown}"


def _runs(kind: compute.Kind) -> "_Look":
    def look(session: Session, name: str) -> _Found:
        found = compute.running(session, kind, name)
        if isinstance(found, compute.Problem):
            return _Found(False, found.why)
        return _Found(True, f"{found} is {found.state}")

    return look


def _job(session: Session, name: str) -> _Found:
    identity = name
    if not name.isdigit():
        found = list(session.api.pages("/api/2.2/jobs/list", "jobs", cap=10, name=name))
        if len(found) != 1:
            words = "no job has" if not found else f"{len(found)} jobs have"
            return _Found(False, f"{words} the name {name}; name one by its id")
        identity = str(found[0]["job_id"])
    query = {"job_id": identity, "completed_only": True, "limit": 1}
    runs = session.api.get("/api/2.2/jobs/runs/list", **query).get("runs") or ()
    if not runs:
        return _Found(False, f"job {identity} has no run that has ended")
    run = runs[0]
    result = _result(run)
    where = run.get("run_page_url") or f"run {run.get('run_id')}"
    return _Found(result == "SUCCESS", f"its last run ended as {result}: {where}")


def _result(run: dict[str, Any]) -> str:
    state = run.get("state") or {}
    status = run.get("status") or {}
    details = status.get("termination_details") or {}
    said = state.get("result_state") or details.get("code") or state.get("life_cycle_state")
    return str(said or "unknown")


_Look = Callable[[Session, str], _Found]
_LOOKS: dict[str, _Look] = {
    "schema": _schema,
    "table": _catalogued("tables", "tables", _there),
    "metric_view": _catalogued("tables", "tables", _metric_view),
    "function": _catalogued("functions", "functions", _there),
    "model": _catalogued("models", "registered_models", _there),
    "volume": _catalogued("volumes", "volumes", _there),
    "endpoint": _endpoint,
    "vector_index": _vector_index,
    "secret_scope": _scope,
    "warehouse": _runs("warehouse"),
    "cluster": _runs("cluster"),
    "job": _job,
}
