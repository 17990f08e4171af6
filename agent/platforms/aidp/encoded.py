"""One piece of a task's output as text: base64, compression and character set undone.

Rules kept here: what cannot be undone is said, never shown as it came; what unpacks to more than is
ever read is cut, so that a small answer cannot fill the memory.

Source: https://docs.oracle.com/en/cloud/paas/ai-data-platform/aiwap/rest-endpoints.html
"""

import base64
import binascii
import bz2
import json
import zlib
from typing import Any, NamedTuple

LARGEST = 32 * 1024 * 1024
"""Bytes; of what unpacks to more, so much is read."""


class Text(NamedTuple):
    """What a piece says."""

    value: str = ""
    missing: str | None = None
    """Why it, or its end, cannot be read."""


def text(piece: dict[str, Any]) -> Text:
    """Return a `RunOutputData` as text."""
    value = piece.get("value")
    if isinstance(value, dict | list):
        return Text(json.dumps(value))
    if not isinstance(value, str):
        return Text()
    packing = str(piece.get("compression") or "").upper()
    if not packing and not piece.get("isBase64"):
        return Text(value)
    try:
        content, whole = _unpacked(_bytes(value), packing)
        said = _decoded(content, str(piece.get("charset") or "UTF_8").upper(), whole)
    except _Unreadable as error:
        return Text(missing=str(error))
    return Text(said, None if whole else "only its beginning can be read")


class _Unreadable(Exception):
    """Why a piece is not read."""


def _bytes(value: str) -> bytes:
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _Unreadable("it is said to be base64, and is not") from error


def _unpacked(content: bytes, packing: str) -> tuple[bytes, bool]:
    """Return what is inside, and whether that is all of it."""
    try:
        match packing:
            case "":
                return content[:LARGEST], len(content) <= LARGEST
            case "GZIP":
                return _inflated(content, 16 + zlib.MAX_WBITS)
            case "DEFLATE":
                try:
                    return _inflated(content, zlib.MAX_WBITS)
                except zlib.error:  # without the two bytes in front that the word asks for
                    return _inflated(content, -zlib.MAX_WBITS)
            case "BZIP2":
                unpacking = bz2.BZ2Decompressor()
                inside = unpacking.decompress(content, LARGEST)
                return inside, unpacking.eof
            case "COMPRESS":
                raise _Unreadable(
                    "it is packed with COMPRESS, which is not read here; export the output instead"
                )
            case _:
                raise _Unreadable(f"it is packed with {packing[:40]}, which is not known")
    except (zlib.error, OSError, ValueError) as error:
        raise _Unreadable(f"it is said to be packed with {packing}, and is not: {error}") from error


def _inflated(content: bytes, bits: int) -> tuple[bytes, bool]:
    unpacking = zlib.decompressobj(bits)
    return unpacking.decompress(content, LARGEST), unpacking.eof


def _decoded(content: bytes, charset: str, whole: bool) -> str:
    errors = "strict" if whole else "ignore"
    try:
        if charset.replace("-", "_") != "UTF_16":
            return content.decode("utf-8-sig", errors)
        if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return content.decode("utf-16", errors)
        # Without a mark of the order: what is ASCII has its zero bytes on one side.
        return content.decode("utf-16-le" if content[1:2] == b"\0" else "utf-16-be", errors)
    except UnicodeDecodeError as error:
        raise _Unreadable(f"it is said to be {charset}, and is not: {error}") from error
