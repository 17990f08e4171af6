"""From one failure's words to patterns that a second failure of the same cause would match.

Rules kept here: patterns are google-re2 and ASCII; numbers, ids, paths, dates, addresses and quoted
or dotted names stay open, the words of the message are kept; what an earlier candidate leaves open
and proves too wide, a later one spells out.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from agent.matrix.logs import structure

_LONGEST = 240
"""Characters of a message that become a pattern."""
_CLAUSE = re.compile(r"(?<=[^\d.])\.(?: |$)|; | \(|, (?:but|did|see|please)\b| - ")
_OPEN = re.compile(
    r"(?P<masked>\[REDACTED:[a-z-]+\])"
    r"|(?P<quoted>'[^']{1,160}'|\"[^\"]{1,160}\"|`[^`]{1,160}`)"
    r"|(?P<address>\b(?:https?|s3a?|abfss?|gs|oci|dbfs|jdbc|file):[^\s'\"]+)"
    r"|(?P<id>\b[0-9a-fA-F]{8}-[0-9a-fA-F-]{18,}|\b0x[0-9a-fA-F]+\b"
    r"|\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,}\b)"
    r"|(?P<path>(?:[\w.-]+)?(?:/[\w.@=-]+){2,}|\b[\w-]+\.(?:py|sql|ipynb|csv|json|parquet|ya?ml)\b)"
    r"|(?P<name>(?<![\w.])(?=[\w.]*[a-z])\w+(?:[_.]\w+)+(?![\w.(:]))"
    r"|(?P<digits>[0-9]+(?:[.,:][0-9]+)*)"
    r"|(?P<wide>[^\x20-\x7e]+)",
    re.ASCII,
)
_FORMS = {
    "masked": r"\S+",
    "address": r"\S+",
    "id": r"[0-9a-fA-Fx-]+",
    "path": r"[^\s'\"]+",
    "digits": r"\d[\d.,:]*",
    "wide": ".+",
}
_SPECIAL = re.compile(r"([\\.+*?()\[\]{}|^$])")
_MODULE = re.compile(r"^(?:[a-z_]\w*\.)+(?=[A-Z]\w*)")
_PREFIX = re.compile(r"^(?:E\s{2,}|: |Error: |Caused by: )+")


class Candidate(NamedTuple):
    """One way to recognise a failure again."""

    match: str
    requires: tuple[str, ...] = ()
    """Patterns that must be found near it."""


def candidates(line: str, path: str | None) -> Iterator[Candidate]:
    """Yield patterns for a line, the widest first; `path` is the user's own file, if known."""
    said = words(line)
    clause = _CLAUSE.split(said, maxsplit=1)[0].rstrip()
    seen: set[Candidate] = set()
    found = [Candidate(pattern(clause)), Candidate(pattern(said))]
    found.append(Candidate(pattern(said, names=True)))
    if path:
        near = _escaped(path.rpartition("/")[2])
        found.append(Candidate(pattern(said, names=True), (near,)))
    for candidate in found:
        if candidate not in seen:
            seen.add(candidate)
            yield candidate


def words(line: str) -> str:
    """Return what a line says, without time, level, prefix, or the module of an exception."""
    level, rest = structure.level(line)
    said = _PREFIX.sub("", (rest if level else line).strip())
    return _MODULE.sub("", said)[:_LONGEST].rstrip()


def pattern(text: str, *, names: bool = False) -> str:
    """Return a pattern for the text; with `names` the names in it are spelled out."""
    out: list[str] = []
    done = count = 0
    for part in _OPEN.finditer(text):
        kind = str(part.lastgroup)
        if names and kind in ("quoted", "name") and part[0].isascii():
            continue
        out.append(_escaped(text[done : part.start()]))
        done = part.end()
        if kind in ("quoted", "name"):
            count += 1
            group = "name" if count == 1 else f"name{count}"
            quote = part[0][0] if kind == "quoted" else ""
            inner = rf"[^{quote}]+" if quote else r"[\w.]+"
            out.append(f"{quote}(?P<{group}>{inner}){quote}")
        else:
            out.append(_FORMS[kind])
    return "".join((*out, _escaped(text[done:])))


def _escaped(text: str) -> str:
    return re.sub(r"[^\x20-\x7e]+", ".+", _SPECIAL.sub(r"\\\1", text))
