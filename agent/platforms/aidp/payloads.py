"""Every body that changes something, kept as a file before it is sent.

    <state>/.aidp/payloads/<case>-<nnn>-<what>.json

Rules kept here: the file holds the body alone, as indented JSON, masked; it is on the disk before
the request leaves, so a file may be there for a request that was never sent; its number goes up
within a case; only its owner may read it. What has no body (a cancel, a delete) has no file.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent import redaction

_FOLDER = (".aidp", "payloads")
_LONGEST = 80
_PLAIN = re.compile(r"[^A-Za-z0-9_.-]+")


class Payloads:
    """The files of one case."""

    def __init__(self, state: Path, case: str) -> None:
        """`state`: the state folder; it may not be there yet."""
        self._folder = state.joinpath(*_FOLDER)
        self._case = case

    def save(self, what: str, body: object) -> Path:
        """Write a body, masked; `what` says which, such as `update-job-etl_daily`."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = shown(body) + "\n"
        with tempfile.NamedTemporaryFile(  # made with mode 0600
            "w", encoding="utf-8", dir=self._folder, prefix=".", delete=False
        ) as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        beside = Path(out.name)
        try:
            return self._placed(beside, _PLAIN.sub("-", redaction.mask(what))[:_LONGEST])
        finally:
            beside.unlink()

    def _placed(self, beside: Path, what: str) -> Path:
        """Give the file the next free number of the case."""
        number = max((n for n, _ in _numbered(self._folder, self._case)), default=0)
        while True:
            number += 1
            file = self._folder / f"{self._case}-{number:03}-{what}.json"
            try:
                os.link(beside, file)
            except FileExistsError:
                continue
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            return file


def listed(state: Path, case: str) -> tuple[Path, ...]:
    """Return the payload files of a case in the order they were written; empty where none is."""
    found = sorted(_numbered(state.joinpath(*_FOLDER), case))
    return tuple(file for _, file in found)


def shown(body: object) -> str:
    """Return a body as the file shows it: masked, indented JSON."""
    return json.dumps(redaction.mask_json(_plain(body)), indent=2, ensure_ascii=False)


def _plain(body: object) -> Any:
    """Return what is sent as a value of JSON: bytes as what they hold."""
    if not isinstance(body, bytes):
        return body
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    try:
        return json.loads(text)
    except ValueError:
        return text


def _numbered(folder: Path, case: str) -> Iterator[tuple[int, Path]]:
    name = re.compile(rf"{re.escape(case)}-(\d{{3,}})-.*\.json")
    if not folder.is_dir():
        return
    for file in folder.iterdir():
        if found := name.fullmatch(file.name):
            yield int(found[1]), file
