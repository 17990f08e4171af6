"""Which message template a text was made from, and the values that were filled in.

    fit("The table <name> has no column <column>.", "The table `a`.`b` has no column `c`.")

Rules kept here: linear time (google-re2); white space may be wrapped anyhow; a value ends where the
template goes on, not at a comma, bracket or word inside its quotes; of a message that another
version words differently what fits is taken.
"""

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from agent.matrix import patterns
from agent.matrix.native import conditions
from agent.matrix.native.conditions import Condition

_SLOT = re.compile(r"<([A-Za-z][A-Za-z0-9_-]*)>")
_QUOTED = (
    r"(?:'[^']*'(?:\.'[^']*')*)?"
    r"(?:`[^`]*`|\"[^\"]*\"|\((?:[^()]|\([^()]*\))*\)|\[[^\[\]]*\]|<(?:[^<>]|<[^<>]*>)*>|[^`\"])*?"
)
_QUOTE = r"((?:`[^`]*`|\"[^\"]*\"|'[^']*')(?:\.`[^`]*`)*)"
_PLAIN = r"(?s:.*?)"
_FIRST = r"(?:'[^']*'|\"[^\"]*\"|`[^`]*`|[^'\"`](?s:.*)|)"
"""A value that the next one follows at once, which most often is an empty hint."""
_LONGEST = 16_000
"""Characters of a message that are looked at."""
_KEY, _LITERALS = 8, 12
"""Fewest characters of the longest literal words, and of all, to recognise a text by."""
_SHELLS = {"ERROR_OCCURRED_WHILE_CALLING"}
"""Templates that py4j's own messages look like."""
_SURE = 24
"""Literal characters that are enough where only a part fits."""


class Fit(NamedTuple):
    """How a template fits a text."""

    parameters: dict[str, str]
    """By the template's names, as they stand in the text."""
    whole: bool
    """The text is the template from its start to its end."""
    literals: int
    """Characters of the template that are no parameters."""


class _Parts(NamedTuple):
    literals: tuple[str, ...]
    """One more than there are names."""
    names: tuple[str, ...]


def fit(template: str, text: str) -> Fit:
    """Return the parameters of a text that was, more or less, made from this template."""
    parts = _parts(template)
    data = patterns.encoded(text.strip()[:_LONGEST])
    size = sum(len(literal.strip()) for literal in parts.literals)
    if not parts.names:
        return Fit({}, _search(parts, "", data, end=True) is not None, size)
    for value in (_QUOTED, _PLAIN):
        found = _search(parts, value, data, end=True)
        if found is not None:
            return Fit(found, whole=True, literals=size)
    found = _search(parts, _QUOTED, data, end=False)
    if found is not None:
        return Fit(found, whole=False, literals=size)
    return Fit(_pieces(parts, data), whole=False, literals=0)


def slots(template: str) -> tuple[str, ...]:
    """Return the names of a template's parameters, in order, each once."""
    return tuple(dict.fromkeys(_SLOT.findall(template)))


@functools.lru_cache(maxsize=512)
def _parts(template: str) -> _Parts:
    pieces = _SLOT.split(template.strip())
    return _Parts(tuple(pieces[::2]), tuple(pieces[1::2]))


def _search(parts: _Parts, value: str, data: bytes, *, end: bool) -> dict[str, str] | None:
    found = _compiled(parts, value, end).search(data)
    if found is None:
        return None
    values = [group.decode("utf-8", "replace") for group in found.groups()]
    return _named(parts.names, values)


@functools.lru_cache(maxsize=512)
def _compiled(parts: _Parts, value: str, end: bool) -> Any:
    written = _literal(parts.literals[0])
    for at, literal in enumerate(parts.literals[1:]):
        last = at == len(parts.names) - 1
        # Without an end to reach, a lazy value at the very end would stay empty.
        greedy = last and not end and not literal.strip()
        joined = not literal and not last
        shape = _FIRST if joined else "(?s:.*)" if greedy else value
        written += f"({shape})" + _literal(literal, loose=last)
    return patterns.compiled(rf"\A\s*{written}" + (r"\s*\z" if end else ""))


def _literal(text: str, *, loose: bool = False) -> str:
    """Return a pattern for literal words, however their white space is wrapped."""
    words = [_escaped(word) for word in text.split()]
    if not words:
        return r"\s*" if loose or not text else r"\s+"
    before = r"\s+" if text[0].isspace() else r"\s*" if text[0] in "`'\"" else ""
    after = r"\s+" if text[-1].isspace() and not loose else ""
    return before + r"\s+".join(words) + after


def _escaped(word: str) -> str:
    """Return a pattern for a word; characters beyond ASCII stand for as many bytes."""
    return "".join(
        chr(byte) if chr(byte).isalnum() and byte < 128 else rf"\x{byte:02x}"
        for byte in word.encode()
    )


def _pieces(parts: _Parts, data: bytes) -> dict[str, str]:
    """Return the values found between the words next to them, where the rest differs."""
    found: dict[str, str] = {}
    start = 0
    for at, name in enumerate(parts.names):
        for near in _neighbours(parts.literals[at], parts.literals[at + 1]):
            match = patterns.compiled(near).search(data[start:])
            if match is not None:
                start += match.end(1)
                found.setdefault(name, match.group(1).decode("utf-8", "replace").strip())
                break
    return found


def _neighbours(before: str, after: str) -> Iterator[str]:
    """Yield patterns for a value between these literals, the surest first."""
    left, right = before.split(), after.split()
    space, gap = _gap(before[-1:]), _gap(after[:1])
    for count in (2, 1):
        some, more = left[-count:], right[:count]
        if len("".join(some)) >= 4:
            end = gap + r"\s+".join(map(_escaped, more)) if more else "(?:[.;]?$)"
            yield r"\s+".join(map(_escaped, some)) + f"{space}({_QUOTED}){end}"
    for some in (left[-2:], left[-1:]):
        if len("".join(some)) >= 4:
            yield r"\s+".join(map(_escaped, some)) + space + _QUOTE
    if right:
        yield _QUOTE + gap + r"\s+".join(map(_escaped, right[:2]))


def _gap(char: str) -> str:
    return r"\s+" if char.isspace() else ""


def _named(names: Sequence[str], values: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in zip(names, values, strict=True):
        found.setdefault(name, value.strip())
    return found


def recognised(text: str) -> tuple[Condition, Fit] | None:
    """Return the condition whose template this text was made from, by its words alone."""
    flat = " ".join(text[:_LONGEST].split())
    likely = [(first, one) for key, first, one in _keys() if key in flat]
    best: tuple[Condition, Fit] | None = None
    for first, one in likely[:60]:
        # Other words may stand before the message.
        start = flat.find(first) if len(first) >= _KEY else 0
        got = chosen([one], flat[max(start, 0) :])
        if got is not None and (best is None or _rank(*got) > _rank(*best)):
            best = got
    return best


def chosen(candidates: Iterable[Condition], text: str) -> tuple[Condition, Fit] | None:
    """Return the candidate that says most of the text, of those that fit it."""
    best: tuple[Condition, Fit] | None = None
    for one in candidates:
        got = fit(one.template, text)
        fits = got.whole or got.literals >= _SURE
        if fits and got.literals and (best is None or _rank(one, got) > _rank(*best)):
            best = (one, got)
    return best


def _rank(one: Condition, got: Fit) -> tuple[bool, int, bool, bool]:
    return got.whole, got.literals, "LEGACY" not in one.code, "." in one.code


@functools.lru_cache(maxsize=1)
def _keys() -> list[tuple[str, str, Condition]]:
    """Return each condition with its longest and its first words, those with most words first."""
    sized: list[tuple[int, str, str, Condition]] = []
    for one in conditions.every():
        literals = [" ".join(part.split()) for part in _SLOT.split(one.template)[::2]]
        key = max(literals, key=len)
        size = sum(map(len, literals))
        if len(key) >= _KEY and " " in key and size >= _LITERALS and one.code not in _SHELLS:
            sized.append((size, key, literals[0], one))
    sized.sort(key=lambda row: -row[0])
    return [row[1:] for row in sized]
