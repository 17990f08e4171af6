"""What a case keeps beside the journal, so that a later process knows what was asked for."""

import hashlib
from pathlib import Path
from typing import Any

from agent.engine import request


class Kept:
    """JSON documents of a case, by kind and key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, kind: str, key: str) -> Any:
        """Return what `write` wrote, None where there is nothing."""
        return request.read(self._file(kind, key))

    def write(self, kind: str, key: str, content: object) -> None:
        """Write a document in one step, so that it survives a crash."""
        file = self._file(kind, key)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        request.save(file, content, durable=True)

    def _file(self, kind: str, key: str) -> Path:
        plain = (
            key if key.isalnum() and len(key) <= 64 else hashlib.sha256(key.encode()).hexdigest()
        )
        return self._folder / kind / f"{plain}.json"
