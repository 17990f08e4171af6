"""Statements that look around or keep house: SHOW, DESCRIBE, EXPLAIN, USE, OPTIMIZE, GRANT ...

Source: https://docs.databricks.com/sql/language-manual/ (each statement's page gives its columns).
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from agent.simulators.databricks import describing, dialect, lakehouse, querying, sqlerrors
from agent.simulators.databricks.dialect import Session
from agent.simulators.databricks.lakehouse import Name, quote
from agent.simulators.databricks.querying import Result
from agent.simulators.databricks.sqlerrors import SqlError

if TYPE_CHECKING:
    from agent.simulators.databricks.service import Simulator

Command = Callable[["Simulator", Session], Result | SqlError]
Found = describing.Found

_NAME = r"(?P<name>(?:`[^`]+`|[\w-]+)(?:\s*\.\s*(?:`[^`]+`|[\w-]+)){0,2})"
_LIKE = r"(?:\s+LIKE)?(?:\s+(?P<quote>['\"])(?P<like>.*?)(?P=quote))?"


def find(text: str) -> Command | None:
    """Return what runs the text; None where it is a query, a write or a plain definition."""
    for pattern, run in _COMMANDS:
        if found := re.fullmatch(pattern, text.strip(), re.IGNORECASE | re.DOTALL):
            return _bound(run, found)
    return None


def _bound(
    run: "Callable[[Simulator, Session, Found], Result | SqlError]", found: Found
) -> Command:
    return lambda sim, session: run(sim, session, found)


def _explain(sim: "Simulator", session: Session, found: Found) -> Result | SqlError:
    import duckdb

    text = found["query"]
    trees = dialect.parse(text)
    if isinstance(trees, SqlError):
        return trees
    with lakehouse.connect(sim) as connection:
        statement = querying.Statement(sim, connection, text, session)
        if (trouble := statement.check(trees[0])) is not None:
            return trouble
        try:
            plan = connection.execute("EXPLAIN " + dialect.render(trees[0], session)).fetchall()
        except duckdb.Error as error:
            return statement.told(error, trees[0])
    return describing.table_of("plan", rows=[("== Physical Plan ==\n" + str(plan[0][1]),)])


def _create_catalog(sim: "Simulator", _: Session, found: Found) -> Result | SqlError:
    name = describing.name_parts(found["name"])[0]
    if lakehouse.create_catalog(sim, name) or found["exists"]:
        return Result()
    text = f"Catalog '{name.lower()}' already exists."
    return sqlerrors.made("CATALOG_ALREADY_EXISTS", "42710", text)


def _metric_view(sim: "Simulator", session: Session, found: Found) -> Result | SqlError:
    """Make a metric view: kept as its YAML, with a view of its source for whoever reads it."""
    import yaml

    name = session.whole(describing.name_parts(found["name"]))
    try:
        read = yaml.safe_load(found["yaml"])
    except yaml.YAMLError as error:
        text = f"The metric view definition is not valid YAML: {error}"
        return sqlerrors.made("METRIC_VIEW_INVALID_VIEW_DEFINITION", "42K0L", text)
    source = str(read.get("source") or "") if isinstance(read, dict) else ""
    if not source:
        text = "Missing required creator property 'source'."
        return sqlerrors.made("METRIC_VIEW_INVALID_VIEW_DEFINITION", "42K0L", text)
    made = f"CREATE OR REPLACE VIEW {_written(name)} AS FROM {source} SELECT *"
    result = querying.run(sim, made, session, {})
    if isinstance(result, Result):
        sim.store.put(describing.METRICS, str(name), {"yaml": found["yaml"]})
    return result


def _written(name: Name) -> str:
    return ".".join(f"`{part}`" for part in name)


def _use(sim: "Simulator", session: Session, found: Found) -> Result | SqlError:
    """Check a name only: each statement of the service is a session of its own."""
    parts = [part.lower() for part in describing.name_parts(found["name"])]
    if (found["kind"] or "").upper() == "CATALOG":
        known = parts[0] in lakehouse.catalogs(sim)
        return Result() if known else sqlerrors.catalog_missing(parts[0])
    catalog, schema = parts if len(parts) == 2 else (session.catalog, parts[0])
    known = lakehouse.has_schema(sim, catalog, schema)
    return Result() if known else sqlerrors.schema_missing([catalog, schema])


def _done(sim: "Simulator", session: Session, found: Found) -> Result | SqlError:
    """Keep house: nothing to do on these tables but to see that the named one is there."""
    name = found.groupdict().get("name")
    if name and lakehouse.find(sim, session.whole(describing.name_parts(name))) is None:
        return sqlerrors.table_missing(describing.name_parts(name), None)
    return Result()


def _add_columns(sim: "Simulator", session: Session, found: Found) -> Result | SqlError:
    """Write `ADD COLUMNS (a T, b T)` as one statement per column."""
    name = session.whole(describing.name_parts(found["name"]))
    if lakehouse.find(sim, name) is None:
        return sqlerrors.table_missing(describing.name_parts(found["name"]), None)
    trees = dialect.parse(f"CREATE TABLE x ({found['columns']})")
    if isinstance(trees, SqlError):
        return trees
    with lakehouse.connect(sim) as connection:
        for column in trees[0].this.expressions:
            kind = column.args["kind"].sql(dialect="duckdb")
            connection.execute(
                f"ALTER TABLE {name.quoted()} ADD COLUMN {quote(column.name)} {kind}"
            )
    querying.note(sim, name, "ADD COLUMNS")
    return Result()


_COMMANDS: tuple[tuple[str, "Callable[[Simulator, Session, Found], Result | SqlError]"], ...] = (
    (rf"SHOW\s+(?P<kind>TABLES|VIEWS)(?:\s+(?:IN|FROM)\s+{_NAME})?{_LIKE}", describing.show_tables),
    (rf"SHOW\s+(?:SCHEMAS|DATABASES)(?:\s+(?:IN|FROM)\s+{_NAME})?{_LIKE}", describing.show_schemas),
    (rf"SHOW\s+CATALOGS{_LIKE}", describing.show_catalogs),
    (rf"SHOW\s+COLUMNS\s+(?:IN|FROM)\s+{_NAME}", describing.show_columns),
    (
        rf"SHOW\s+(?:USER\s+)?FUNCTIONS(?:\s+(?:IN|FROM)\s+{_NAME})?{_LIKE}",
        describing.show_functions,
    ),
    (rf"SHOW\s+GRANTS\s+ON\s+(?:TABLE\s+|VIEW\s+)?{_NAME}", describing.show_grants),
    (
        rf"DESC(?:RIBE)?\s+HISTORY\s+{_NAME}(?:\s+LIMIT\s+(?P<limit>\d+))?",
        describing.describe_history,
    ),
    (rf"DESC(?:RIBE)?\s+DETAIL\s+{_NAME}", describing.describe_detail),
    (rf"DESC(?:RIBE)?\s+(?:TABLE\s+)?(?P<more>EXTENDED\s+)?{_NAME}", describing.describe),
    (r"EXPLAIN\s+(?:(?:EXTENDED|FORMATTED|COST|CODEGEN)\s+)?(?P<query>.+)", _explain),
    (rf"CREATE\s+CATALOG\s+(?P<exists>IF\s+NOT\s+EXISTS\s+)?{_NAME}.*", _create_catalog),
    (
        rf"CREATE\s+(?:OR\s+REPLACE\s+)?VIEW\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}.*?"
        r"WITH\s+METRICS\s+LANGUAGE\s+YAML.*?\$\$(?P<yaml>.*?)\$\$",
        _metric_view,
    ),
    (rf"ALTER\s+TABLE\s+{_NAME}\s+ADD\s+COLUMNS\s*\((?P<columns>.*)\)", _add_columns),
    (rf"ALTER\s+(?:TABLE|VIEW)\s+{_NAME}\s+(?:UN)?SET\s+.*", _done),
    (rf"USE\s+(?:(?P<kind>CATALOG|SCHEMA|DATABASE)\s+)?{_NAME}", _use),
    (
        rf"(?:OPTIMIZE|VACUUM|REFRESH\s+TABLE|ANALYZE\s+TABLE|MSCK\s+REPAIR\s+TABLE)\s+{_NAME}.*",
        _done,
    ),
    (r"(?:GRANT|REVOKE|SET)\s+.*", _done),
)
