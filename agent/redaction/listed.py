"""A secret-looking name and its value as two members of one object, as jobs have parameters.

    - name: db_password
      value: hunter2            {"name": "db_password", "value": "hunter2"}

`default` counts as a value, and the two may stand in either order.
"""

import re
from collections.abc import Mapping

from agent.redaction import pairs

NAMES = ("name", "key")
VALUES = ("value", "default")
_QUOTE = r"\\{0,3}[\"']?"
_BETWEEN = r"[ \t]{0,8},?[ \t]{0,8}(?:\r?\n[+-]?[ \t]{0,40})?"
_IS = rf"{_QUOTE}[ \t]{{0,8}}:[ \t]{{0,8}}"
_NAME = rf"\b(?:{'|'.join(NAMES)}){_IS}{_QUOTE}(?P<%s>[\w.-]{{1,80}}){_QUOTE}"
_VALUE = (
    rf"\b(?:{'|'.join(VALUES)}){_IS}"
    r"(?:(?P<%s>\\{0,3}[\"'])(?P<%s>[^\"'\n]{1,4000})(?P=%s)|(?P<%s>[^\s\"'\[{$]"
    r"(?:[^\n,}\]]|[,}\]](?=[^\s,}\]\"'\\])){0,4000}))"
)
_AFTER = _NAME % "after" + _BETWEEN + _QUOTE + _VALUE % ("q", "quoted", "q", "bare")
_BEFORE = _VALUE % ("p", "before", "p", "bare_before") + _BETWEEN + _QUOTE + _NAME % "last"
_PAIR = re.compile(f"{_AFTER}|{_BEFORE}")


def mask(text: str) -> str:
    """Replace such values in a text: JSON or YAML, whole or part of it, or a change of one."""
    if not any(word in text for word in VALUES):
        return text
    return _PAIR.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    place = next(n for n in ("quoted", "bare", "before", "bare_before") if match[n] is not None)
    kind = pairs.secret_kind(match["after"] or match["last"])
    if kind is None or pairs.harmless(match[place]):
        return match[0]
    begin, end = (at - match.start() for at in match.span(place))
    return f"{match[0][:begin]}[REDACTED:{kind}]{match[0][end:]}"


def named(members: Mapping[str, object]) -> str | None:
    """Return the name that an object gives its value; None where it gives none."""
    return next((name for key in NAMES if isinstance(name := members.get(key), str)), None)
