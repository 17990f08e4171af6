"""An error's own name in the system that raised it: condition, class, ORA number, status.

Rules kept here: the most native name wins (a condition before the exception that carries it);
qualified names are dotted and without quotes.
Sources: https://spark.apache.org/docs/latest/sql-error-conditions.html,
https://docs.oracle.com/en/error-help/db/
"""

import re

from agent.matrix.structure import exception_class, level
from agent.records import Identity

_CONDITION = re.compile(r"\[(?P<code>[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)*(?:\.[A-Z0-9_]+)*)\]\s")
_BARE_CONDITION = re.compile(
    r"(?:^|[\s:])(?P<code>(?:DELTA_|UNRESOLVED_|CANNOT_|INVALID_|UNSUPPORTED_|DATATYPE_)[A-Z0-9_]{4,}"
    r"(?:\.[A-Z0-9_]+)*)\b"
)
_STATE = re.compile(r"\bSQLSTATE[:=(\[ ]{1,3}(?P<state>[0-9A-Z]{5})\b")
_ORACLE = re.compile(r"\b(?P<code>(?:ORA|TNS|DPY|DPI|PLS|RMAN|LRM|SP2)-\d{4,5})\b")
_AIDP = re.compile(r"\b(?P<code>(?:WORKFLOW|JOB_VALIDATE)_(?:[A-Z]+_)?\d{4})\b")
_HTTP = re.compile(
    r"(?i)\b(?:HTTP(?:/\d(?:\.\d)?)?(?: status)?(?: code)?|status(?:[ _]code)?|error code|response)"
    r"[\"']?\s*[:=]?\s*-?\s*'?(?P<code>[45]\d\d)\b|\b(?P<code2>[45]\d\d) (?:Client|Server) Error\b"
)
_API = re.compile(
    r"\b(?P<code>RESOURCE_DOES_NOT_EXIST|RESOURCE_ALREADY_EXISTS|PERMISSION_DENIED|UNAUTHENTICATED|"
    r"INVALID_PARAMETER_VALUE|REQUEST_LIMIT_EXCEEDED|RESOURCE_EXHAUSTED|TEMPORARILY_UNAVAILABLE|"
    r"QUOTA_EXCEEDED|NotAuthorizedOrNotFound|NotAuthenticated|TooManyRequests|LimitExceeded|"
    r"InternalServerError|InvalidParameter|IncorrectState)\b"
)
_DUCKDB = re.compile(
    r"\b(?P<code>(?:Binder|Catalog|Parser|Conversion|Constraint|IO|Out of Memory|Invalid Input|"
    r"Transaction|Permission|Dependency|Serialization|Not implemented|Missing Extension) Error): "
)
_DBT = re.compile(
    r"\b(?P<code>(?:Compilation|Runtime|Database|Parsing|Dependency|Validation) Error)\b"
)
_CODED = re.compile(
    r"(?:exit(?:ed)?(?: with)?(?: (?:status|code))*|return code|Exit status)\W{1,3}(?P<code>-?\d+)"
)


def identify(line: str, near: str, parameters: dict[str, str]) -> Identity | None:
    """Return the native name that `line` carries, or the text around it where it carries none."""
    state = _STATE.search(near)
    for text in (line, near):
        found = _native(text)
        if found is not None:
            system, code = found
            shown = state["state"] if state and system in ("spark", "delta", "databricks") else None
            return Identity(system=system, code=code, sqlstate=shown, parameters=parameters)
        named = exception_class(line) or exception_class(level(line)[1])
        if named is not None:
            short = re.split(r"[.:]", named)[-1]
            java = re.match(r"(?:Caused by|java|org|com|io|scala|net)\b", line.lstrip())
            return Identity(system="java" if java else "python", code=short, parameters=parameters)
    return None


def _native(text: str) -> tuple[str, str] | None:
    if found := _CONDITION.search(text) or _BARE_CONDITION.search(text):
        code = found["code"]
        if "_" in code or "SQLSTATE" in text:
            return ("delta" if code.startswith("DELTA_") else "spark"), code
    for system, pattern in (("oracle", _ORACLE), ("aidp", _AIDP), ("duckdb", _DUCKDB)):
        if found := pattern.search(text):
            return system, found["code"]
    if found := _API.search(text):
        return "http", found["code"]
    if found := _HTTP.search(text):
        return "http", found["code"] or found["code2"]
    if found := _DBT.search(text):
        return "dbt", found["code"]
    if found := _CODED.search(text):
        return "process", found["code"]
    return None


def plain_name(value: str) -> str:
    """Return a parameter's value without quotes; a qualified name dotted, a list with commas."""
    dotted = re.sub(r"[`\"'] ?\. ?[`\"']", ".", value.strip())
    if re.search(r"[`\"']\s*,\s*[`\"']", dotted):
        return re.sub(r"[`\"'\[\]]", "", dotted)
    return dotted.strip("`'\" ")
