"""SQL that only asks: judged by its parsed text before anything is sent."""

import logging
import re

_READING = ("Select", "SetOperation", "Values", "Describe", "Subquery")
_OUTSIDE = {"http_request", "reflect", "java_method", "try_reflect", "remote_query"}
"""Functions by which a SELECT reaches, or may change, something outside of the tables."""
_HISTORY = re.compile(r"(?is)\s*desc(?:ribe)?\s+history\s+[\w.`\- ]+?(?:\s+limit\s+\d+)?\s*;?\s*")


def refusal(sql: str) -> str | None:
    """Return why a text is not one statement that only reads, or None where it is one."""
    import sqlglot
    from sqlglot import exp

    if _HISTORY.fullmatch(sql):
        return None
    # What sqlglot keeps as it is (SHOW, EXPLAIN) it also tells the log, which is the user's.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    try:
        parsed = [s for s in sqlglot.parse(sql, read="databricks") if s is not None]
    except sqlglot.errors.SqlglotError as error:
        said = " ".join(str(error).split("\n", 1)[0].split())
        return f"the statement cannot be read ({said})"
    if len(parsed) != 1:
        return f"found {len(parsed)} statements, expected one"
    (one,) = parsed
    if isinstance(one, exp.Command):
        return _command(str(one.this).upper(), sql)
    kind = type(one)
    if not any(base.__name__ in _READING for base in kind.__mro__):
        return f"the statement is {kind.__name__.upper()}"
    for node in one.walk():
        if isinstance(node, exp.DML | exp.DDL | exp.Into | exp.Command) and not isinstance(
            node, exp.Query
        ):
            return f"the statement holds {type(node).__name__.upper()}"
        if isinstance(node, exp.Anonymous) and node.name.lower() in _OUTSIDE:
            return f"the statement calls {node.name.lower()}"
    return None


def _command(word: str, sql: str) -> str | None:
    if word == "SHOW":
        return "the statement holds several" if ";" in sql.strip().rstrip(";") else None
    if word == "EXPLAIN":
        inner = re.sub(
            r"(?is)^\s*explain\s+(?:(?:extended|codegen|cost|formatted)\s+)?", "", sql, count=1
        )
        return refusal(inner)
    return f"the statement is {word}"


def quoted(name: str) -> str:
    """Return a table's dotted name with each part in back quotes."""
    parts = re.findall(r"`(?:[^`]|``)*`|[^.`]+", name)
    return ".".join(p if p.startswith("`") else f"`{p}`" for p in parts)
