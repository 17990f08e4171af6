"""Read what a job left behind: any size, any bytes, in bounded memory.

Rules kept here: a line's number is its 1-based place between line feeds; its text stays verbatim
for the evidence, while a cleaned copy (no ANSI codes, NUL, HTML spans or entities) is matched; what
a line holds folded up (JSON, escaped line feeds, a progress bar) is matched as lines of its own. A
text of up to `WHOLE` bytes and `MANY` lines is kept whole; of a longer one the head, the tail, and
every line that some pattern or sign of failure is found in, with its neighbours. UTF-16 is known by
its mark.
"""

import codecs
import html
import itertools
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

from agent.matrix.logs import folded

WHOLE = 1 << 20
"""Bytes that are analysed whole."""
MANY = 20_000
"""Lines that are analysed whole."""
LINE = 1 << 14
"""Longest piece of a line that is matched at once, bytes."""
SHOWN = 4096
"""Longest text of a line that is kept for the evidence, characters."""
_HEAD_BYTES = SHOWN * 4
_OVERLAP = 2048
_BEFORE, _AFTER, _HEAD, _TAIL, _KEPT, _ALIKE = 12, 30, 60, 600, 3000, 6
"""Lines kept: before and after an interesting one, first and last ones, at most, of one shape."""

_BLOCK = 32
"""Lines that are looked through at once; only where something is found, one by one."""

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_ORPHAN_ANSI = re.compile(r"(?:\\(?:u001[bB]|x1[bB]|033|e))?\[(?:\d{1,3};){0,8}\d{0,3}m")
_TAG = re.compile(
    r"</?(?:span|div|br|p|pre|b|i|u|font|code|a|td|tr|strong|em)\b[^<>]{0,400}>", re.I
)
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#\d{1,5}|#x[0-9a-fA-F]{1,4});")
_BOM = "\ufeff"
_DIGITS = re.compile(r"[0-9a-fA-F]*\d[0-9a-fA-F]*")


class Text(NamedTuple):
    """One line, or one piece of a line that holds several."""

    number: int
    raw: str
    """Verbatim, cut at its end."""
    clean: str
    """What is matched and shown to the structure rules."""


class Reader(Protocol):
    """A binary or text stream."""

    def read(self, size: int = ..., /) -> str | bytes:
        """Return up to `size` bytes or characters; empty at the end."""


Source = Iterable[str | bytes] | Reader | str | bytes


def clean(text: str) -> str:
    """Return a line without ANSI codes, NUL, HTML tags of notebooks, and entities."""
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    if "\x00" in text:
        text = text.replace("\x00", "")
    if "m" in text and "[" in text:
        text = _ORPHAN_ANSI.sub("", text)
    if "<" in text:
        text = _TAG.sub("", text)
    if "&" in text and _ENTITY.search(text):
        text = html.unescape(text)
    if _BOM in text:
        text = text.replace(_BOM, "")
    if "\r" in text:
        text = text.rstrip("\r")
        text = text[text.rfind("\r") + 1 :]
    return text.replace("\xa0", " ").replace("\u2019", "'").rstrip()


class Piece(NamedTuple):
    """A line's bytes, or an overlapping part of a very long line."""

    number: int
    data: bytes
    head: bytes
    """The start of the whole line."""


def pieces(source: Source) -> Iterator[Piece]:
    """Yield the lines without their line feeds; a very long line comes in overlapping parts.

    Takes a whole text, lines with or without line feeds, or a stream, which is read in chunks.
    """
    number, rest, head = 1, b"", b""
    for chunk in _chunks(source):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield from _parts(number, line, head or line[:_HEAD_BYTES])
            number, head = number + 1, b""
        while len(rest) > 4 * LINE:
            head = head or rest[:_HEAD_BYTES]
            yield Piece(number, rest[:LINE], head)
            rest = rest[LINE - _OVERLAP :]
    if rest:
        yield from _parts(number, rest, head or rest[:_HEAD_BYTES])


def _parts(number: int, line: bytes, head: bytes) -> Iterator[Piece]:
    if len(line) <= LINE:
        yield Piece(number, line, head)
        return
    for start in range(0, len(line), LINE - _OVERLAP):
        yield Piece(number, line[start : start + LINE], head)


def _chunks(source: Source) -> Iterator[bytes]:
    """Yield the text in pieces of UTF-8; UTF-16 is told by the mark that it starts with."""
    decoder = None
    for at, chunk in enumerate(_given(source)):
        if at == 0 and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            decoder = codecs.getincrementaldecoder("utf-16")("replace")
        yield decoder.decode(chunk).encode("utf-8", "replace") if decoder else chunk


def _given(source: Source) -> Iterator[bytes]:
    if isinstance(source, (str, bytes)):
        yield _bytes(source)
        return
    read = getattr(source, "read", None)
    if read is not None:
        while chunk := read(1 << 18):
            yield _bytes(chunk)
        return
    gathered: list[bytes] = []
    size = 0
    for line in source:  # type: ignore[union-attr]  # a Reader has `read` and ended above
        data = _bytes(line)
        gathered.append(data if data.endswith(b"\n") else data + b"\n")
        size += len(data)
        if size > 1 << 18:
            yield b"".join(gathered)
            gathered, size = [], 0
    yield b"".join(gathered)


def _bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8", "replace") if isinstance(text, str) else text


def texts(piece: Piece) -> Iterator[Text]:
    """Yield a piece's cleaned text: once, or several times where it holds lines folded up."""
    verbatim = piece.head.decode("utf-8", "replace").rstrip("\r")[:SHOWN]
    for part in folded.unfolded(piece.data.decode("utf-8", "replace")):
        yield Text(piece.number, verbatim, clean(part))


def gather(source: Source, interesting: Callable[[bytes], bool]) -> list[Text]:
    """Return the lines that a diagnosis needs, in order; all of them for a text up to `WHOLE`."""
    stream = pieces(source)
    whole: list[Piece] = []
    size = 0
    for piece in stream:
        whole.append(piece)
        size += len(piece.data) + 1
        if size > WHOLE or len(whole) > MANY:
            return _cleaned(_reduced(itertools.chain(whole, stream), interesting))
    return _cleaned(whole)


def _reduced(stream: Iterable[Piece], interesting: Callable[[bytes], bool]) -> Iterator[Piece]:
    """Yield what is kept of a long text: at most `_HEAD` + 2 * `_KEPT` + `_TAIL` lines' worth."""
    first, last, skipped = _Kept(_KEPT), _Kept(_KEPT), _Kept(_TAIL)
    alike: Counter[str] = Counter()
    after = _HEAD
    for piece, told in _judged(stream, interesting):
        kept = last if first.full else first
        if told and _is_new(piece.data, alike):
            for before in list(skipped.pieces)[-_BEFORE:]:
                kept.add(before)
            kept.add(piece)
            skipped.clear()
            after = _AFTER
        elif after and len(piece.data) < LINE:
            kept.add(piece)
            after -= 1
        else:
            skipped.add(piece)
    yield from first.pieces
    yield from last.pieces
    yield from skipped.pieces


def _judged(
    stream: Iterable[Piece], interesting: Callable[[bytes], bool]
) -> Iterator[tuple[Piece, bool]]:
    """Yield each piece and whether it is interesting; a block that is not is judged at once."""
    stream = iter(stream)
    while block := list(itertools.islice(stream, _BLOCK)):
        told = interesting(b"\n".join(piece.data for piece in block))
        for piece in block:
            yield piece, told and interesting(piece.data)


class _Kept:
    """The last pieces, as many as are worth `most` lines; one is always kept.

    A piece is worth the lines that it holds folded up, and one for each 2 KB: neither long lines
    nor records with whole traces in them make memory grow.
    """

    def __init__(self, most: int) -> None:
        self.pieces: deque[Piece] = deque()
        self._most, self._worth = most, 0

    @property
    def full(self) -> bool:
        """Whether the next piece may push out the first one."""
        return self._worth >= self._most

    def add(self, piece: Piece) -> None:
        """Take a piece in, let go of the oldest ones that are too many."""
        self.pieces.append(piece)
        self._worth += _worth(piece.data)
        while self._worth > self._most and len(self.pieces) > 1:
            self._worth -= _worth(self.pieces.popleft().data)

    def clear(self) -> None:
        """Let go of all."""
        self.pieces.clear()
        self._worth = 0


def _worth(line: bytes) -> int:
    return 1 + len(line) // 2048 + line.count(b"\\n") + line.count(b"\r")


def _is_new(line: bytes, alike: Counter[str]) -> bool:
    shape = _DIGITS.sub("0", line[:200].decode("utf-8", "replace"))
    if len(alike) > 20_000:
        alike.clear()
    alike[shape] += 1
    return alike[shape] <= _ALIKE


def _cleaned(kept: Iterable[Piece]) -> list[Text]:
    return [text for piece in kept for text in texts(piece)]
