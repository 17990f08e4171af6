"""Conditions of Spark, Delta and Databricks in a message, in every form they are printed in.

Rules kept here: a name in brackets counts first, then JSON and `errorClass=`, then `NAME: message`,
last the words of a template or of an older version; the sub-condition that the words show completes
a name without one; of nested conditions the inner one is meant where the outer only passes it on.
Sources: https://github.com/apache/spark/blob/master/common/utils-java/src/main/resources/error/
README.md, https://docs.databricks.com/aws/en/error-messages/error-classes
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from agent.matrix.logs import signals
from agent.matrix.native import conditions, templates, wordings

_NAME = r"_?[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*(?:\.[A-Z0-9][A-Z0-9_]*)?"
_BRACKET = re.compile(rf"\[(?P<code>{_NAME})\](?=\s|$|[.:;,)])")
_CALLED = re.compile(
    r"(?i:[\"']?\berror[ _]?(?:class|condition)(?: name)?[\"']?\s*(?:[=:]|\bis\b)\s*[\"'\[]?)"
    rf"(?P<code>{_NAME})\b"
)
_BARE = re.compile(
    r"(?<![\w.\[])(?P<code>_?[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?:\.[A-Z0-9][A-Z0-9_]*)?)(?!["
    r"\w.])(?P<colon>: )?"
)
_STARTS = re.compile(r"(?:^|[:\n]|statement)\s*$")
_STATE = re.compile(r"\s*(?<!\w)\(?SQLSTATE[:= ]{1,3}(?P<state>[0-9A-Z]{5})\b")
_JSON_STATE = re.compile(r"[\"']sqlState[\"']\s*:\s*[\"'](?P<state>[0-9A-Z]{5})")
_CONTEXT = re.compile(
    r";?\s*(?:\(?line \d+, ?(?:pos|column) \d+\)?|line \d+ pos \d+|== (?:SQL|DataFrame)|"
    r"JVM stacktrace|"
    r"\n\s*at [\w.$]+\(|Driver stacktrace|\n'[A-Z]\w+|\n[A-Z]\w+ \[\w+#\d)"
)
_VALUES = re.compile(r"[\"']messageParameters[\"']\s*:\s*\{(?P<body>[^}]{0,8000})\}")
_VALUE = re.compile(r"\"(?P<name>[\w-]{1,80})\"\s*:\s*\"(?P<value>(?:[^\"\\]|\\.){0,4000})\"")
_TICKED = re.compile(r"`[^`\n]{1,300}`(?:\.`[^`\n]{1,300}`){0,4}")
_PROPOSED = re.compile(
    r"Did you mean (?:one of the following)?[^\[\n]{0,40}\[(?P<proposal>[^\]\n]{1,1000})\]"
)
_ARGUMENT = re.compile(
    r"Argument `(?P<arg_name>[^`]{1,100})` .{1,300}, got (?P<arg_type>[\w. ]{0,100}\w)"
)
_OWN_PREFIX = re.compile(
    r"^[\s:]*(?:(?:Error|Caused by:?|Exception|ERROR|Error in SQL statement|[A-Za-z_][\w.$]{0,200}"
    r"(?:Exception|Error))\s*:\s*)+"
)
_PASSES_ON = re.compile(
    r"STREAM_FAILED|TASK_WRITE_FAILED|FAILED_READ_FILE|FAILED_EXECUTE_UDF|WRITING_JOB_ABORTED|"
    r"FOREACH_BATCH_USER_FUNCTION_ERROR|JOB_ABORTED|CANNOT_LOAD_STATE_STORE|FAILED_JDBC"
)
_LEVELS = signals.QUIET | signals.WARNED | signals.LOUD
_NO_CONDITIONS_NAMES = """
PERMISSION_DENIED INVALID_PARAMETER_VALUE RESOURCE_DOES_NOT_EXIST RESOURCE_ALREADY_EXISTS
INTERNAL_ERROR INVALID_STATE BAD_REQUEST UNAUTHENTICATED RESOURCE_CONFLICT
"""
_NO_CONDITIONS = frozenset(_NO_CONDITIONS_NAMES.split())
"""API error codes where they have no brackets and no SQLSTATE, though some are conditions too."""


class Found(NamedTuple):
    """A condition in a message."""

    system: str
    """spark | delta | databricks."""
    code: str
    sqlstate: str | None
    parameters: dict[str, str]
    """By the template's names, as they stand in the text."""
    start: int
    """Where in the text its name, or its message, starts."""


class _Name(NamedTuple):
    code: str
    start: int
    end: int


def condition(text: str, *, sparkish: bool, loud: bool) -> Found | None:
    """Return the condition that a message carries.

    `sparkish`: Spark's names are near; `loud`: the message starts with an exception.
    """
    name = _named(text, sparkish=sparkish, loud=loud)
    if name is not None:
        return _read(text, name)
    return _worded(text) if sparkish else None


def _named(text: str, *, sparkish: bool, loud: bool) -> _Name | None:
    stated = "SQLSTATE" in text or "sqlState" in text
    names = list(_bracketed(text, stated=stated, loud=loud or sparkish))
    inner = next((name for name in names if not _PASSES_ON.match(name.code)), None)
    if names:
        return inner or names[0]
    for found in _CALLED.finditer(text):
        code = found["code"]
        if "_" in code or _is_known(code):
            return _Name(code, found.start("code"), found.end())
    return next(_bare(text, stated=stated), None)


def _bracketed(text: str, *, stated: bool, loud: bool) -> Iterator[_Name]:
    for found in _BRACKET.finditer(text):
        code = found["code"]
        if code in _LEVELS:
            continue
        starts = bool(_STARTS.search(text[max(found.start() - 40, 0) : found.start()]))
        if _is_known(code):
            good = "_" in code or stated or (loud and starts)
        else:
            good = "_" in code and (stated or (loud and starts) or code.startswith("DELTA_"))
        if good:
            yield _Name(code, found.start(), found.end())


def _bare(text: str, *, stated: bool) -> Iterator[_Name]:
    for found in _BARE.finditer(text[:4000]):
        code = found["code"]
        if code in _NO_CONDITIONS and not stated:
            continue
        plain = found["colon"] or "." in code or code.startswith(("DELTA_", "_LEGACY_ERROR"))
        if (plain or stated) and _is_known(code):
            yield _Name(code, found.start("code"), found.end())


def _is_known(code: str) -> bool:
    return bool(conditions.known(code) or conditions.known(code.partition(".")[0])) or (
        code in conditions.FORMER
    )


def _read(text: str, name: _Name) -> Found:
    code, table = name.code, conditions.known(name.code)
    state = table[0].sqlstate if table else None
    said = _message(text[name.end :], state)
    shown = _STATE.search(text, name.end) or _JSON_STATE.search(text)
    given = _listed(text)
    if given is None:
        within = conditions.subs(code)
        best = templates.chosen((*within, *table), said)
        if best is not None and (best[1].whole or best[0].code == code or not table):
            code, given = best[0].code, best[1].parameters
        elif table:
            given = templates.fit(table[0].template, said).parameters
        if not given and (not table or templates.slots(table[0].template)):
            given = _quoted(said)
    found = conditions.known(code) or conditions.known(code.partition(".")[0])
    return Found(
        system=_system(code, found[0].system if found else None),
        code=code,
        sqlstate=shown["state"] if shown else (found[0].sqlstate if found else None),
        parameters=given or {},
        start=name.start,
    )


def _system(code: str, known: str | None) -> str:
    if known or "DELTA_" in code:
        return "delta" if "DELTA_" in code else known or "delta"
    return "spark" if code in conditions.FORMER else "databricks"


def _message(text: str, state: str | None) -> str:
    """Return a condition's own message: what stands before its SQLSTATE, context, plan or stack."""
    text = text.lstrip(" :\n")
    ends = list(_STATE.finditer(text))
    own = [found for found in ends if found["state"] == state] or ends
    if own:
        return text[: own[0].start()].rstrip()
    context = _CONTEXT.search(text)
    return text[: context.start()].rstrip() if context else text.rstrip()


def _listed(text: str) -> dict[str, str] | None:
    """Return the parameters of a message in JSON form, None where it is none."""
    found = _VALUES.search(text)
    if found is None:
        return None
    return {one["name"]: one["value"].replace('\\"', '"') for one in _VALUE.finditer(found["body"])}


def _quoted(text: str) -> dict[str, str]:
    """Return what is quoted in a message whose template is not known."""
    argument = _ARGUMENT.search(text)
    if argument is not None:
        return argument.groupdict()
    proposed = _PROPOSED.search(text)
    rest = text[: proposed.start()] if proposed else text
    names = list(dict.fromkeys(_TICKED.findall(rest)))[:4]
    found = {f"objectName{at if at > 1 else ''}": name for at, name in enumerate(names, 1)}
    return {**found, **({"proposal": proposed["proposal"]} if proposed else {})}


def _worded(text: str) -> Found | None:
    """Return the condition that only the words of a message show."""
    said = _OWN_PREFIX.sub("", text)
    start = len(text) - len(said)
    best = templates.recognised(_message(said, None))
    older = None if best is not None and best[1].whole else wordings.older(text)
    if older is not None:
        code, given = older
    elif best is not None:
        code, given = best[0].code, best[1].parameters
    else:
        return None
    found = conditions.known(code)
    shown = _STATE.search(text)
    state = shown["state"] if shown else (found[0].sqlstate if found else None)
    system = _system(code, found[0].system if found else None)
    return Found(system, code, state, given, start)
