"""The SQL of pipelines as plain SQL of the same length, so that it parses and every place stays.

    CREATE OR REFRESH STREAMING TABLE clean    ->  CREATE                          TABLE clean
      (CONSTRAINT ok EXPECT (id > 0))                ...
    AS SELECT id FROM STREAM(LIVE.raw)             AS SELECT id FROM       (     raw)

Source: https://docs.databricks.com/aws/en/ldp/developer/ldp-sql-ref
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_LIKELY = re.compile(
    r"\b(?:STREAMING|REFRESH|LIVE|EXPECT|STREAM)\b|\bPRIVATE\s+MATERIALIZED\b", re.IGNORECASE
)
_CREATE = re.compile(
    r"\bCREATE(?P<or>\s+OR\s+REFRESH)?(?P<kind>\s+(?:(?:PRIVATE|STREAMING|LIVE)\s+)+)?"
    r"(?=\s+(?:TABLE|VIEW|MATERIALIZED\s+VIEW|STREAMING|LIVE|PRIVATE)\b)"
    r"(?P<more>(?:\s+(?:PRIVATE|STREAMING|LIVE)\b)*)",
    re.IGNORECASE,
)
_STREAM = re.compile(
    r"(\b(?:FROM|JOIN)\s+)STREAM(?=\s*\(|\s+(?!(?:JOIN|LEFT|RIGHT|INNER|FULL|CROSS|WHERE|GROUP|"
    r"ORDER|LIMIT|ON|USING|AS|UNION|HAVING)\b)[\w`])",
    re.IGNORECASE,
)
_LIVE = re.compile(r"(\b(?:FROM|JOIN)\s+(?:\(\s*)?)LIVE\.(?=[\w`])", re.IGNORECASE)
_EXPECT = re.compile(r"\bCONSTRAINT\s+(?P<name>[\w`]+)\s+EXPECT\s*(?=\()", re.IGNORECASE)
_VIOLATION = re.compile(r"\s*ON\s+VIOLATION\s+(?P<what>DROP\s+ROW|FAIL\s+UPDATE)", re.IGNORECASE)


class Expectation(NamedTuple):
    """A rule that the rows of a table are held to."""

    name: str
    condition: str
    violation: str
    """`DROP ROW`, `FAIL UPDATE`, or empty where such rows are only counted."""
    line: int
    start: int
    end: int


def plain(text: str) -> str:
    """Return the text as SQL that knows no pipelines, of the same length and lines."""
    if not _LIKELY.search(text):
        return text
    text = _without_expectations(text)
    text = _CREATE.sub(lambda m: m[0][:6] + _blank(m[0][6:]), text)
    for word in (_STREAM, _LIVE):
        text = word.sub(lambda m: m[1] + _blank(m[0][len(m[1]) :]), text)
    return text


def expectations(text: str) -> Iterator[Expectation]:
    """Yield the rules that the text declares."""
    for found in _EXPECT.finditer(text):
        end = _closing(text, found.end())
        if end is None:
            return
        violation = _VIOLATION.match(text, end)
        yield Expectation(
            found["name"].strip("`"),
            text[found.end() + 1 : end - 1].strip(),
            " ".join(violation["what"].upper().split()) if violation else "",
            text.count("\n", 0, found.start()) + 1,
            found.start(),
            violation.end() if violation else end,
        )


def _without_expectations(text: str) -> str:
    """Make rules blank; a list of columns that holds nothing else goes with its brackets."""
    for rule in reversed(list(expectations(text))):
        start, end = rule.start, rule.end
        before, after = text[:start].rstrip(), text[end:].lstrip()
        if before.endswith(","):
            start = len(before) - 1
        elif after.startswith(","):
            end = text.index(",", end) + 1
        elif before.endswith("(") and after.startswith(")"):
            start, end = len(before) - 1, text.index(")", end) + 1
        text = text[:start] + _blank(text[start:end]) + text[end:]
    return text


def _closing(text: str, at: int) -> int | None:
    """Return the offset behind the bracket that closes the one at `at`."""
    depth = 0
    for place in range(at, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if depth == 0:
            return place + 1
    return None


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)
