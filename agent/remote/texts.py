"""Text that a task left behind, without colours, masked, safe to print.

Colours go before anything is masked, so that none of them can cut a secret in two.
"""

import re
from collections.abc import Callable, Mapping

from agent import redaction

_ANSI = re.compile(r"\x1b\[[0-9;:?]*[A-Za-z]")
LARGEST = 512 * 1024
"""Of one text, so many characters are read."""


def plain(text: str) -> str:
    """Return text without colours."""
    return _ANSI.sub("", text)


def clean(text: str) -> str:
    """Return text plain, its secrets masked, safe to print."""
    return redaction.printable(redaction.mask(plain(text)))


def sentence(text: str) -> str:
    """Return text clean and on one line."""
    return " ".join(clean(text[:LARGEST]).split())


def lines(text: str, bare: Callable[[str], str] = plain) -> tuple[list[str], str | None]:
    """Return lines, clean, masked together; and what was cut from the start, in words.

    `bare` takes off what is no text.
    """
    cut = None
    if len(text) > LARGEST:
        cut = f"the first {len(text) - LARGEST:,} characters are left out"
        text = text[-LARGEST:]
    masked = redaction.mask(bare(text))
    return [redaction.printable(line) for line in masked.splitlines()], cut


def values(named: Mapping[str, str]) -> dict[str, str]:
    """Return named values with their secrets masked."""
    masked = redaction.mask_json(dict(named))
    return {str(k): str(v) for k, v in masked.items()} if isinstance(masked, dict) else {}
