import time
import tracemalloc
from pathlib import Path

import pytest

from agent.engine import capture
from agent.engine.capture import Capture


def kept(tmp_path: Path, *chunks: bytes) -> tuple[bytes, Capture]:
    taking = Capture(tmp_path / "out")
    for chunk in chunks:
        taking.feed(chunk)
    taking.close()
    return (tmp_path / "out").read_bytes(), taking


def test_small_output_is_kept_as_it_is(tmp_path: Path) -> None:
    text = b"one\n\x00\xff\x1b[31m two\n\nthree"
    assert kept(tmp_path, text[:5], text[5:])[0] == text


def test_head_and_tail_are_kept_and_what_is_cut_is_counted(tmp_path: Path) -> None:
    lines = [b"line %d\n" % n for n in range(100_000)]
    whole = b"".join(lines)
    found, _ = kept(tmp_path, *(whole[i : i + 10_000] for i in range(0, len(whole), 10_000)))
    assert len(found) < capture.HEAD + capture.TAIL + 200
    assert found.startswith(b"line 0\nline 1\n")
    assert found.endswith(b"line 99999\n")
    (said,) = [line for line in found.splitlines() if line.startswith(b"[runmend: ")]
    lost = set(lines) - set(found.splitlines(keepends=True))
    assert (
        said == f"[runmend: {len(lost):,} lines, {sum(map(len, lost)):,} bytes cut here]".encode()
    )


def test_an_error_in_the_middle_is_kept_with_its_surroundings(tmp_path: Path) -> None:
    noise = [b"noise %d\n" % n for n in range(100_000)]
    noise[50_000] = b"ValueError: the cause\n"
    found, _ = kept(tmp_path, b"".join(noise))
    assert b"noise 49999\nValueError: the cause\nnoise 50001\n" in found
    assert found.count(b"[runmend: ") == 2


@pytest.mark.slow
def test_many_errors_are_bounded(tmp_path: Path) -> None:
    found, _ = kept(tmp_path, *([b"Error: again and again\n" * 1000] * 500))
    assert len(found) < capture.HEAD + capture.WINDOWS + capture.TAIL + 200


def test_a_long_line_is_cut_at_its_end_and_says_so(tmp_path: Path) -> None:
    found, _ = kept(tmp_path, b"a" * 5000, b"b" * 5000 + b"\nnext\n")
    first, second = found.splitlines()
    assert first.startswith(b"a" * 5000 + b"b" * 3192 + b" [runmend: 1,808 bytes of this line cut")
    assert second == b"next"


def test_progress_bars_are_lines(tmp_path: Path) -> None:
    found, _ = kept(tmp_path, b"10%\r", b"\n20%\r30%\r\nend")
    assert found == b"10%\n20%\n30%\nend"


def test_two_hundred_megabytes_without_a_newline_are_fast_and_small(tmp_path: Path) -> None:
    chunk = b"x" * 262_144
    tracemalloc.start()
    began = time.monotonic()
    found, taking = kept(tmp_path, *(chunk for _ in range(800)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.monotonic() - began < 20
    assert peak < 40_000_000
    assert len(found) < 10_000
    assert taking.last.text == ""


def test_the_last_line_that_is_not_empty_is_whole(tmp_path: Path) -> None:
    value = b'{"x": "' + b"y" * 200_000 + b'"}'
    for ending in (b"", b"\n", b"\n\n  \n", b"\r\n"):
        _, taking = kept(tmp_path, b"before\n" + value[:1000], value[1000:] + ending)
        assert taking.last.text == value.decode()


def test_the_last_step_is_found_at_the_beginning_of_lines_only(tmp_path: Path) -> None:
    _, taking = kept(tmp_path, b"[Step 1/2] a\n", b"x\n[Step 2/2] b\nnot [Step 3/2]\n")
    assert taking.step == b"[Step 2/2] b"
