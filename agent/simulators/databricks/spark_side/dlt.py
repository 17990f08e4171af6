"""The `dlt` module of pipelines, on Spark's own declarative pipelines.

Rules kept here: a table is streaming where its function reads a stream, else a materialized view;
`expect_or_drop` drops rows and `expect_or_fail` fails on them; `expect` changes nothing.
Source: https://docs.databricks.com/ldp/developer/ldp-python-ref
"""

import functools
import importlib
import inspect
import re
from collections.abc import Callable
from typing import Any

_pipelines: Any = importlib.import_module("pyspark.pipelines")
_functions: Any = importlib.import_module("pyspark.sql.functions")

Query = Callable[[], Any]
_STREAM = re.compile(r"readStream|read_stream\(|STREAM\s*\(", re.IGNORECASE)
_KEPT = ("name", "comment", "spark_conf", "table_properties", "partition_cols", "schema", "format")

append_flow = _pipelines.append_flow
create_streaming_table = _pipelines.create_streaming_table
temporary_view = _pipelines.temporary_view


def table(query: Query | None = None, **options: Any) -> Any:
    """Define a table; used with or without arguments."""
    if query is None:
        return functools.partial(table, **options)
    try:
        text = inspect.getsource(inspect.unwrap(query))
    except OSError:
        text = ""
    define = _pipelines.table if _STREAM.search(text) else _pipelines.materialized_view
    return define(**{k: v for k, v in options.items() if k in _KEPT})(query)


def materialized_view(query: Query | None = None, **options: Any) -> Any:
    """Define a materialized view; used with or without arguments."""
    if query is None:
        return functools.partial(materialized_view, **options)
    return _pipelines.materialized_view(**{k: v for k, v in options.items() if k in _KEPT})(query)


def view(query: Query | None = None, **options: Any) -> Any:
    """Define a view that only this pipeline sees; used with or without arguments."""
    if query is None:
        return functools.partial(view, **options)
    kept = {k: v for k, v in options.items() if k in ("name", "comment", "spark_conf")}
    return _pipelines.temporary_view(**kept)(query)


def read(name: str) -> Any:
    """Return a table of this pipeline or of the catalog."""
    return _session().table(name.removeprefix("LIVE."))


def read_stream(name: str) -> Any:
    """Return a table of this pipeline or of the catalog as a stream."""
    return _session().readStream.table(name.removeprefix("LIVE."))


def _session() -> Any:
    return importlib.import_module("pyspark.sql").SparkSession.active()


def _ruled(
    rules: dict[str, str], change: Callable[[Any, str, str], Any]
) -> Callable[[Query], Query]:
    def decorate(query: Query) -> Query:
        @functools.wraps(query)
        def ruled() -> Any:
            frame = query()
            for name, rule in rules.items():
                frame = change(frame, name, rule)
            return frame

        return ruled

    return decorate


def _drop(frame: Any, name: str, rule: str) -> Any:
    del name
    return frame.where(rule)


def _fail(frame: Any, name: str, rule: str) -> Any:
    words = f"[EXPECTATION_VIOLATION] Expectation '{name}' is violated: {rule}"
    broken = _functions.raise_error(_functions.lit(words)).cast("boolean")
    held = _functions.coalesce(_functions.expr(rule), _functions.lit(False))
    return frame.where(_functions.when(held, _functions.lit(True)).otherwise(broken))


def expect_all(rules: dict[str, str]) -> Callable[[Query], Query]:
    """Count what breaks the rules; rows stay as they are."""
    return _ruled(rules, lambda frame, _name, _rule: frame)


def expect_all_or_drop(rules: dict[str, str]) -> Callable[[Query], Query]:
    """Drop the rows that break a rule."""
    return _ruled(rules, _drop)


def expect_all_or_fail(rules: dict[str, str]) -> Callable[[Query], Query]:
    """Fail where a row breaks a rule."""
    return _ruled(rules, _fail)


def expect(name: str, rule: str) -> Callable[[Query], Query]:
    """Count what breaks the rule."""
    return expect_all({name: rule})


def expect_or_drop(name: str, rule: str) -> Callable[[Query], Query]:
    """Drop the rows that break the rule."""
    return expect_all_or_drop({name: rule})


def expect_or_fail(name: str, rule: str) -> Callable[[Query], Query]:
    """Fail where a row breaks the rule."""
    return expect_all_or_fail({name: rule})
