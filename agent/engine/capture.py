"""Keep what a task prints, whatever it prints, in bounded memory and disk.

A stream's file holds its head, windows around lines that look like errors, and its tail; a line
`[runmend: 1,234 lines, 5,678 bytes cut here]` stands where something was left out. A line is cut
at its end when it is very long. A carriage return ends a line too: progress bars are lines.
Only the standard library is used: the supervisor writes through it.
"""

from pathlib import Path

HEAD = 64 * 1024
TAIL = 64 * 1024
WINDOWS = 128 * 1024
LINE = 8 * 1024
VALUE = 5 * 1024 * 1024
"""The longest last line that is kept whole, to be read as an exit value."""

_SIGNS = (b"rror", b"RROR", b"xception", b"raceback", b"atal", b"FATAL", b"FAIL", b"aused by")
_BEFORE = 3
_AFTER = 20
_STEP = b"[Step "


class Capture:
    """One stream of one task, written to `path` as it comes; `close` writes what was held back."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._head_left = HEAD
        self._tail = bytearray()
        self._windows_left = WINDOWS
        self._after = 0
        self._cut_lines = 0
        self._cut_bytes = 0
        self._line_begins = True
        self._lines = _Lines()
        self.last = LastLine()
        self.step: bytes | None = None
        """The last line that began with `[Step `."""

    def feed(self, chunk: bytes) -> None:
        """Take what was just read."""
        self.last.feed(chunk)
        capped = self._lines.feed(chunk)
        if _STEP in capped:
            self._find_step(capped)
        self._line_begins = capped.endswith(b"\n") if capped else self._line_begins
        if self._head_left > 0:
            end = min(len(capped), self._head_left)
            if end < len(capped):  # the head ends with a whole line
                end = capped.rfind(b"\n", 0, end) + 1
                self._head_left = 0
            else:
                self._head_left -= end
            self._file.write(capped[:end])
            capped = capped[end:]
        self._tail += capped
        if len(self._tail) > 2 * TAIL:
            self._evict()

    def close(self) -> None:
        """Write the rest and close the file."""
        self.last.close()
        self._tail += self._lines.close()
        if len(self._tail) > TAIL:
            self._evict()
        self._mark()
        self._file.write(self._tail)
        self._file.close()

    def _find_step(self, text: bytes) -> None:
        at = text.rfind(b"\n" + _STEP) + 1
        if at or (self._line_begins and text.startswith(_STEP)):
            self.step = text[at:].split(b"\n", 1)[0][:200]

    def _evict(self) -> None:
        """Let go of what is before the tail, but for the windows around errors."""
        cut = self._tail.find(b"\n", len(self._tail) - TAIL) + 1 or len(self._tail) - TAIL
        old = bytes(self._tail[:cut])
        del self._tail[:cut]
        if self._windows_left > 0 and (self._after or any(sign in old for sign in _SIGNS)):
            self._windows(old.splitlines(keepends=True))
        else:
            self._cut(old)

    def _windows(self, lines: list[bytes]) -> None:
        kept = bytearray(len(lines))
        for i, line in enumerate(lines):
            if any(sign in line for sign in _SIGNS):
                self._after = _AFTER + 1
                for j in range(max(0, i - _BEFORE), i):
                    kept[j] = 1
            if self._after:
                kept[i] = 1
                self._after -= 1
        for line, keep in zip(lines, kept, strict=True):
            if keep and self._windows_left >= len(line):
                self._mark()
                self._windows_left -= len(line)
                self._file.write(line)
            else:
                self._cut(line)

    def _cut(self, text: bytes) -> None:
        self._cut_lines += text.count(b"\n")
        self._cut_bytes += len(text)

    def _mark(self) -> None:
        if self._cut_bytes:
            said = f"[runmend: {self._cut_lines:,} lines, {self._cut_bytes:,} bytes cut here]\n"
            self._file.write(said.encode())
        self._cut_lines = self._cut_bytes = 0


class _Lines:
    """Cut very long lines at their end, and let a carriage return end a line."""

    def __init__(self) -> None:
        self._length = 0
        self._over = 0
        self._return = False

    def feed(self, chunk: bytes) -> bytes:
        if self._return and chunk:
            chunk = chunk[1:] if chunk.startswith(b"\n") else chunk
            self._return = False
        if b"\r" in chunk:
            self._return = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if self._length + len(chunk) <= LINE:  # the usual case: no line can be too long
            newline = chunk.rfind(b"\n")
            self._length = len(chunk) - newline - 1 + (self._length if newline < 0 else 0)
            return chunk
        return b"".join(self._pieces(chunk))

    def _pieces(self, chunk: bytes) -> list[bytes]:
        pieces = []
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            pieces += [self._take(line), self._end()]
        pieces.append(self._take(rest))
        return pieces

    def _take(self, part: bytes) -> bytes:
        room = max(0, LINE - self._length)
        self._length += len(part)
        self._over += max(0, len(part) - room)
        return part[:room]

    def _end(self) -> bytes:
        said = f" [runmend: {self._over:,} bytes of this line cut here]" if self._over else ""
        self._length = self._over = 0
        return f"{said}\n".encode()

    def close(self) -> bytes:
        """Return what ends the last line where it was cut."""
        return self._end() if self._over else b""


class LastLine:
    """The last line that is not empty, whole up to `VALUE` bytes; longer ones are not kept."""

    def __init__(self) -> None:
        self._current = bytearray()
        self._previous = b""
        self._too_long = False

    def feed(self, chunk: bytes) -> None:
        """Take what was just read."""
        newline = chunk.rfind(b"\n")
        if newline >= 0:
            self._ended(chunk[:newline].rstrip())
            chunk = chunk[newline + 1 :]
        if len(self._current) + len(chunk) > VALUE:
            self._too_long = True
            self._current.clear()
        elif not self._too_long:
            self._current += chunk

    def _ended(self, body: bytes) -> None:
        start = body.rfind(b"\n") + 1
        if start:
            self._previous = body[start:]
        elif body or self._current.strip() or self._too_long:
            whole = len(self._current) + len(body) <= VALUE and not self._too_long
            self._previous = bytes(self._current) + body if whole else b""
        self._current.clear()
        self._too_long = False

    def close(self) -> None:
        """The stream has ended."""
        self._ended(b"")

    @property
    def text(self) -> str:
        """The line, once closed."""
        return self._previous.strip().decode("utf-8", "replace")
