"""Values known to be secret: from this process's environment, and those that were registered."""

import base64
import json
import os
import re
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote

from agent.redaction import pairs

_SHORTEST = 6
"""Characters; shorter values would mask harmless words."""
_PLAIN = 8
"""Shorter values are masked only where no letter or digit touches them."""
_ABOUT = re.compile(r"(?:_FILE|_PATH|_DIR|_SOCK|_HOST|_URL|_USER|_NAME|_TYPE|_MODE|ASKPASS)$")
_USERINFO = re.compile(r"://[^\s/:@]*:([^\s@/]+)@")
_MASK = "[REDACTED:known]"
_registered: set[str] = set()


def register(value: str) -> None:
    """Mask this value from now on, wherever it appears; under 6 characters it is ignored."""
    _registered.add(value)


def mask(text: str) -> str:
    """Replace the known values, also as base64, URL-encoded or escaped, alone or inside more."""
    for form in _forms(_environment(), frozenset(_registered)):
        if form in text:
            text = _replace(text, form)
    return text


def _environment() -> frozenset[str]:
    """Return the values of the secret-looking variables, and passwords inside addresses."""
    return _secrets(tuple(os.environ.items()))


@lru_cache(maxsize=2)
def _secrets(variables: tuple[tuple[str, str], ...]) -> frozenset[str]:
    found: set[str] = set()
    for name, value in variables:
        if "://" in value:
            found.update(unquote(m[1]) for m in _USERINFO.finditer(value))
        if not _ABOUT.search(name) and pairs.secret_kind(name) and name not in ("PWD", "OLDPWD"):
            found.add(value)
    return frozenset(found)


@lru_cache(maxsize=8)
def _forms(*sources: frozenset[str]) -> tuple[str, ...]:
    """Return all spellings to look for, the longest first."""
    forms: set[str] = set()
    for value in frozenset().union(*sources):
        for part in {value, value.strip(), *(v for v in value.splitlines() if len(v) >= 16)}:
            if len(part) >= _SHORTEST and not pairs.harmless(part) and part not in _MASK:
                forms.update(_spellings(part))
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def _spellings(value: str) -> set[str]:
    raw = value.encode("utf-8", "surrogateescape")
    forms = {value, quote(value, safe="", errors="replace"), quote_plus(value, errors="replace")}
    forms |= {json.dumps(value)[1:-1], repr(value)[1:-1]}
    if len(raw) >= _PLAIN:
        # Inside a longer text a value starts at one of three positions of a base64 group; the
        # characters that also hold a neighbour's bits are left out.
        for shift in range(3):
            begin, spare = (0, 2, 3)[shift], (len(raw) + shift) % 3
            text = base64.b64encode(b"\0" * shift + raw).decode()
            inner = text[begin : len(text) - (4 if spare else 0)]
            forms |= {inner, inner.replace("+", "-").replace("/", "_")}
        forms |= {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    return {form for form in forms if len(form) >= _SHORTEST}


def _replace(text: str, form: str) -> str:
    if len(form) >= _PLAIN:
        return text.replace(form, _MASK)
    return re.sub(rf"(?<![A-Za-z0-9]){re.escape(form)}(?![A-Za-z0-9])", _MASK, text)
