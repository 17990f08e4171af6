"""Files by the digests they are compared with; a notebook's code counts, not its form.

Line ends, and what a service adds to an `.ipynb`, say nothing.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path


def of(content: bytes, *, code: bool = False, ipynb: bool = False) -> str:
    """Return the SHA-256 of a file; of `code`, and of an `ipynb`, that of what counts in it."""
    if code or ipynb:
        text = content.decode("utf-8-sig", "replace")
        content = (_cells(text) if ipynb else _lines(text)).encode()
    return hashlib.sha256(content).hexdigest()


def wanted(
    root: Path,
    paths: Iterable[str],
    remote: Callable[[str], str],
    digest: Callable[[str, bytes], str],
) -> dict[str, str]:
    """Return what of a tree would be brought: digest by remote path."""
    found: dict[str, str] = {}
    for path in paths:
        try:
            content = (root / path).read_bytes()
        except OSError:
            continue
        found[remote(path)] = digest(path, content)
    return found


def _cells(text: str) -> str:
    """Return the cells' kinds and sources, or the text itself where it is no notebook."""
    try:
        cells = json.loads(text)["cells"]
        kept = [(c["cell_type"], _lines("".join(c["source"]))) for c in cells]
    except (ValueError, KeyError, TypeError):
        return text
    return json.dumps([cell for cell in kept if cell[1]])


def _lines(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines()).rstrip()
