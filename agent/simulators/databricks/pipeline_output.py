"""What `spark-pipelines` prints, as events of the pipeline's log.

A line begins with the time; what follows without one belongs to it, such as an error of several
lines. Spark's own texts are kept; only its name for the catalog gives way to the workspace's.
"""

import re
from itertools import pairwise
from typing import Any, NamedTuple

_LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d: ", re.MULTILINE)
_FLOW = re.compile(
    r"Flow '?(?P<name>[^']+?)'? (?:is (?P<state>QUEUED|PLANNING|STARTING|RUNNING)\."
    r"|has (?P<end>COMPLETED|FAILED)\.|(?P<skipped>SKIPPED) )"
)
_UNRESOLVED = re.compile(
    r"Failed to resolve flow(?P<upstream> due to upstream failure)?: '(?P<name>[^']+)'\."
)
_ERROR = re.compile(r"^Error: ", re.MULTILINE)
_CLASS = re.compile(r"\[([A-Z][A-Z0-9_]+(?:\.[A-Z0-9_]+)?)\]")
_STATE = re.compile(r"SQLSTATE: (\w{5})")
_FRAME = re.compile(
    r'^  File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<method>.+)$', re.MULTILINE
)
_RAISED = re.compile(r"^(?P<class>[A-Za-z_][\w.]*): (?P<message>.*)", re.MULTILINE | re.DOTALL)
_SPARK = {
    "AnalysisException": "org.apache.spark.sql.AnalysisException",
    "ParseException": "org.apache.spark.sql.catalyst.parser.ParseException",
    "ArithmeticException": "org.apache.spark.SparkArithmeticException",
    "NumberFormatException": "org.apache.spark.SparkNumberFormatException",
    "DateTimeException": "org.apache.spark.SparkDateTimeException",
}
_AT_RUN_TIME = {
    "DIVIDE_BY_ZERO": "org.apache.spark.SparkArithmeticException",
    "ARITHMETIC_OVERFLOW": "org.apache.spark.SparkArithmeticException",
    "CAST_INVALID_INPUT": "org.apache.spark.SparkNumberFormatException",
}


class Said(NamedTuple):
    """One entry of the output."""

    message: str
    """Its first line."""
    flow: str = ""
    """Full name; empty where it is about no flow."""
    status: str = ""
    error: dict[str, Any] | None = None
    """An exception, as `pipeline_outcomes.Trouble` takes it."""


def entries(text: str, *, ended: bool) -> list[str]:
    """Return the whole entries of an output; the last one may still grow until it has `ended`."""
    starts = [found.start() for found in _LINE.finditer(text)]
    edges = [*starts, len(text)]
    parts = [text[begin:end] for begin, end in pairwise(edges)]
    return parts if ended else parts[:-1]


def read(entry: str, catalog: str) -> Said:
    """Return what an entry says; `catalog` stands where Spark names its own."""
    text = _LINE.sub("", entry, count=1).strip()
    text = text.replace("`spark_catalog`", f"`{catalog}`").replace("spark_catalog.", f"{catalog}.")
    first = text.split("\n", 1)[0]
    error = None
    if found := _ERROR.search(text):
        error = _exception(text[found.end() :].strip())
    if found := _UNRESOLVED.match(first):
        if found["upstream"]:
            return Said(first, found["name"], "SKIPPED")
        return Said(first, found["name"], "FAILED", error)
    if found := _FLOW.match(first):
        status = found["state"] or found["end"] or found["skipped"]
        return Said(first, found["name"], status, error)
    return Said(first)


def _exception(message: str) -> dict[str, Any]:
    condition = found[1] if (found := _CLASS.search(message)) else ""
    kind = _AT_RUN_TIME.get(condition, "org.apache.spark.sql.AnalysisException")
    found = _STATE.search(message)
    state = found[1] if found else ""
    return {
        "class_name": kind,
        "message": message,
        "error_class": condition,
        "sql_state": state,
    }


def raised(text: str, tree: str, catalog: str) -> dict[str, Any] | None:
    """Return the exception that ended the process, from what it wrote to stderr; None = none.

    `tree`: the folder of the sources, which stands for the workspace.
    """
    _, found, trace = text.rpartition("Traceback (most recent call last):\n")
    if not found:
        return None
    trace = trace.replace(tree, "/Workspace").replace("spark_catalog", catalog)
    last = _RAISED.search(trace)
    frames = [
        {
            "declaring_class": "",
            "method_name": frame["method"],
            "file_name": frame["file"],
            "line_number": int(frame["line"]),
        }
        for frame in _FRAME.finditer(trace)
        if frame["file"].startswith("/Workspace")
    ]
    if last is None:
        return {"class_name": "Exception", "message": trace.strip(), "stack": frames}
    plain = last["class"].rpartition(".")[2]
    message = last["message"].strip()
    said = _exception(message)
    if plain in _SPARK:
        return said | {"class_name": _SPARK[plain], "stack": frames}
    return said | {
        "class_name": plain,
        "message": f"{plain}: {message}",
        "stack": frames,
    }
