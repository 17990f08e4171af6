"""A table that does not exist: wait for the task that makes it, else use the name that it has.

    select * from gold.salse     ->  select * from gold.sales
    spark.table("gold.salse")    ->  spark.table("gold.sales")

The names that there are come from the failure's facts (tables that the platform saw) and from the
code of the tree that creates tables and views. A table that another task of the job makes under the
very name is no misspelling: `missing_dependency` is asked first.

Source: https://docs.databricks.com/aws/en/error-messages/table-or-view-not-found-error-class

Left alone: no name or several are near, a near table in another schema or catalogue, a name that is
put together at run time, and code that makes the table itself.
"""

import ast
import re
from collections.abc import Iterator

from agent.code import cells, edits, products, spelling, sqltext
from agent.code.cells import Cell
from agent.code.pythontext import Code, called
from agent.code.sqltext import Span
from agent.fixers import Proposal, Work, missing_dependency
from agent.records import Facts

_CALLS = frozenset(("table", "read_table", "readTable", "forName", "refreshTable"))
_SQL = frozenset(("sql", "execute", "query", "read_sql", "read_sql_query"))
_CODE = (".py", ".sql", ".ipynb")
_MOST_FILES = 500


def propose(work: Work) -> Proposal | str:
    """Mend the missing `table`: its order, else its name."""
    table = re.sub(r"[`\"]", "", work.diagnosis.parameters.get("table", "")).strip(".")
    if not table:
        return "the log does not name the table that is missing"
    later = missing_dependency.propose(work)
    if isinstance(later, Proposal):
        return later
    new = _meant(table, work)
    if new is None:
        return f"{later}; no single known table is clearly what {table} means"
    path = _path(work)
    text = work.read(path) if path else None
    if path is None or text is None:
        return "the code that failed is not a file of the tree"
    changes = _changes(path, text, table, new)
    if isinstance(changes, str):
        return changes
    return Proposal(
        edits.unique(path, text, changes),
        f"There is no table {table}; there is {'.'.join((*table.split('.')[:-1], new))}.",
        0.9,
    )


def _path(work: Work) -> str | None:
    location = work.place()
    if location is not None and location.path.endswith(_CODE):
        return location.path
    return work.failure.facts.task_file


def _meant(table: str, work: Work) -> str | None:
    """Return the last part of the one known table that is near, in the same schema."""
    parts = table.lower().split(".")
    known = {name for name in _known(work) if not products.same_table(name, table)}
    near = {name for name in known if _shares(name.lower().split("."), parts)}
    return spelling.nearest(parts[-1], {name.rpartition(".")[2] for name in near})


def _shares(name: list[str], wanted: list[str]) -> bool:
    """Say whether a table lies in the same schema and catalogue, as far as both say it."""
    pairs = zip(name[-2::-1], wanted[-2::-1], strict=False)
    return all(ours == theirs for ours, theirs in pairs)


def _known(work: Work) -> Iterator[str]:
    facts: Facts = work.failure.facts
    yield from (re.sub(r"[`\"]", "", d.name) for d in facts.datasets if d.kind == "table")
    for path in [f for f in facts.files if f.endswith(_CODE)][:_MOST_FILES]:
        text = work.read(path)
        if text is not None:
            yield from products.made(path, text).tables
            yield from products.views(path, text)


def _changes(path: str, text: str, table: str, new: str) -> list[edits.Change] | str:
    changes: list[edits.Change] = []
    for cell in cells.read(path, text):
        found = _spans(cell, table)
        if isinstance(found, str):
            return f"{path} {found}"
        changes += [_change(cell, span, new) for span in found]
    if not changes:
        return f"{path} does not name {table} in a way that is certain"
    return changes


def _change(cell: Cell, span: Span, new: str) -> edits.Change:
    written = cell.text[span.start : span.end]
    mark = written[0] if written[:1] in '`"' else ""
    return cell.change(span.start, span.end, f"{mark}{new}{mark}")


def _spans(cell: Cell, table: str) -> list[Span] | str:
    if cell.language == "sql":
        found = sqltext.table(cell.text, table, "databricks")
        return "makes the table itself, or is no SQL" if found is None else list(found)
    try:
        code = Code(cell.text)
    except SyntaxError:
        return "is no Python"
    spans: set[Span] = set()
    for node in ast.walk(code.tree):
        if isinstance(node, ast.Call) and node.args:
            if called(node) in _CALLS:
                spans |= set(_named(code, node, table))
            elif called(node) in _SQL:
                inside = _in_sql(code, node, table)
                if inside is None:
                    return "makes the table itself, or runs what is no SQL"
                spans |= set(inside)
    return sorted(spans)


def _named(code: Code, call: ast.Call, table: str) -> Iterator[Span]:
    """Yield the last part of the name in `spark.table("gold.salse")`."""
    last = table.rpartition(".")[2]
    for argument in call.args:
        for literal in code.constants(argument):
            text = str(literal.value)
            if products.same_table(text, table) and text.lower().endswith(last.lower()):
                span = code.inside(literal, len(text) - len(last), len(text))
                yield from (span,) if span is not None else ()
        for template in code.templates(argument):
            parts = template.text.split(".")
            held = [p for p in parts if p.strip("_")]
            if parts[-1].lower() == last.lower() and products.same_table(".".join(held), table):
                end = len(template.text)
                yield Span(end - len(last), end).moved(template.start)


def _in_sql(code: Code, call: ast.Call, table: str) -> list[Span] | None:
    found: list[Span] = []
    for argument in call.args[:1]:
        for literal in code.constants(argument):
            spans = sqltext.table(str(literal.value), table, "databricks")
            if spans is None:
                return None
            placed = (code.inside(literal, *span) for span in spans)
            found += [span for span in placed if span is not None]
        for template in code.templates(argument):
            spans = sqltext.table(template.text, table, "databricks")
            if spans is None:
                return None
            found += [span.moved(template.start) for span in spans]
    return found
