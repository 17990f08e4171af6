"""Mask secrets, and make text safe to print.

Rules kept here: the bottom layer, it knows nothing of the project; what is masked reads
`[REDACTED:kind]`; the number of lines never changes; masking twice is the same as masking once;
ids, hashes, paths, times and column names stay readable, because diagnosis depends on them. Text
from a job goes through `printable` first, so that a colour code cannot cut a secret in two, then
`mask`, as a whole: a key spread over lines is only seen as one in one piece.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import JsonValue

_SEEN = re.compile(
    r"\[(?:REDACTED|MASKED)(?::[a-z-]+)?\]|<(?:redacted|masked|hidden)>"
    r"|([\"'])\*{3,}\1|[:=][ \t]*\*{3,}(?=\s|@|$)",
    re.MULTILINE,
)
_COLOUR = r"\x1b\[[0-9;:]*m"
_UNPRINTABLE = re.compile(
    rf"\r\n|{_COLOUR}|[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def register(value: str) -> None:
    """Mask this value from now on, wherever it appears; under 6 characters it is ignored."""
    from agent.redaction import known

    known.register(value)


def mask(text: str) -> str:
    """Return the text with every secret replaced by `[REDACTED:kind]`, line for line.

    Seen are private keys, authorization headers, cookies, tokens of known vendors, credentials in
    addresses, values beside a secret-looking name, and values of this process's secret-looking
    environment variables, plain, base64 or URL-encoded.
    """
    if not text:
        return text
    # A mask can uncover the border of another secret, so go on until nothing changes.
    for _ in range(4):
        masked = _once(text)
        if masked == text:
            break
        text = masked
    return text


def _once(text: str) -> str:
    # The rules are only built for a text that could hold a secret: a healthy run has few.
    from agent.redaction import detectors, known, listed, pairs, patterns, pem

    text = known.mask(text)
    text = pem.mask(text)
    text = patterns.mask(text)
    text = pairs.mask(text)
    text = listed.mask(text)
    return detectors.mask(text)


def mask_json(value: "JsonValue") -> "JsonValue":
    """Return the value with its strings masked, and what has a secret-looking key or name masked
    whole: `{"password": "x"}`, `{"name": "password", "value": "x"}`."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, list):
        return [mask_json(item) for item in value]
    if isinstance(value, dict):
        from agent.redaction import listed

        own = listed.named(value) if any(name in value for name in listed.VALUES) else None
        return {
            mask(name): _member(own if own and name in listed.VALUES else name, item)
            for name, item in value.items()
        }
    return value


def _member(name: str, item: "JsonValue") -> "JsonValue":
    from agent.redaction import pairs

    kind = pairs.secret_kind(name)
    if kind is None or isinstance(item, (bool, int, float, list, dict)) or not item:
        return mask_json(item)
    return mask(item) if pairs.harmless(item) or has_mask(item) else f"[REDACTED:{kind}]"


def has_mask(text: str) -> bool:
    """Return whether the text holds a placeholder for a secret, ours or a platform's (`***`)."""
    return _SEEN.search(text) is not None


def count_masks(text: str) -> int:
    """Return how many such placeholders the text holds."""
    return sum(1 for _ in _SEEN.finditer(text))


def printable(text: str) -> str:
    r"""Return the text so that no terminal or page can be fooled by it; tabs and newlines stay.

    Colour codes go; other control characters, bidirectional overrides, zero-width characters and
    halves of surrogate pairs become visible: `\x1b`, `\u202e`. A Windows line end is a newline.
    """
    return _UNPRINTABLE.sub(_visible, text)


def _visible(match: re.Match[str]) -> str:
    found = match[0]
    if found == "\r\n":
        return "\n"
    if len(found) > 1:
        return ""
    return found.encode("unicode_escape", "surrogatepass").decode("ascii")
