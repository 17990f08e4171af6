"""Logs of any size and any bytes."""

import io
from collections.abc import Iterator

import pytest

from agent import matrix
from agent.matrix.logs import reading

CAUSE = "ModuleNotFoundError: No module named 'cv2'"


def everything(_line: bytes) -> bool:
    return True


def test_line_numbers_count_line_feeds_in_every_form_of_input() -> None:
    text = "one\r\ntwo\n\nfour"
    for source in (text, text.encode(), io.BytesIO(text.encode()), io.StringIO(text)):
        found = reading.gather(source, everything)
        assert [(line.number, line.clean) for line in found] == [
            (1, "one"),
            (2, "two"),
            (3, ""),
            (4, "four"),
        ]
    lines = reading.gather(["one\r\n", "two", b"\n", "four"], everything)
    assert [line.clean for line in lines] == ["one", "two", "", "four"]


def test_nul_and_invalid_utf8_do_not_hide_a_cause(shipped: matrix.Matrix) -> None:
    found = shipped.diagnose_text(
        b"\x00\xff\xfe\n\xffModule\x00NotFoundError: \xff\n" + CAUSE.encode(), "x"
    )
    assert found.parameters == {"module": "cv2"}
    assert found.evidence[0].number == 3


def test_a_cause_in_the_middle_of_a_huge_line_is_found_in_bounded_memory(
    shipped: matrix.Matrix,
) -> None:
    head = b"start of the line "
    log = io.BytesIO(
        b"first\n" + head + b"x" * 3_000_000 + b" " + CAUSE.encode() + b" " * 2_000_000
    )
    found = shipped.diagnose_text(log, "x")
    assert found.entry == "python.module-not-found"
    assert found.evidence[0].number == 2
    assert found.evidence[0].text.startswith("start of the line xxx")
    assert len(found.evidence[0].text) <= 2000


def busy(lines: int) -> Iterator[bytes]:
    for i in range(lines):
        yield b"2026-07-01 10:00:00 INFO task %d done in %d ms, error=0\n" % (i, i % 977)
    yield b"Traceback (most recent call last):\n"
    yield b'  File "job.py", line 3, in <module>\n'
    yield CAUSE.encode() + b"\n"
    for i in range(lines):
        yield b"2026-07-01 10:00:09 INFO closing connection %d\n" % i


def test_only_what_matters_of_a_long_log_is_kept(shipped: matrix.Matrix) -> None:
    count = 30_000
    kept = reading.gather(busy(count), lambda line: b"Error" in line)
    assert len(kept) < 1000
    assert (kept[0].number, kept[-1].number) == (1, 2 * count + 3)
    numbers = [line.number for line in kept]
    assert numbers == sorted(numbers)
    found = shipped.diagnose_text(busy(count), "x")
    assert found.evidence[0].number == count + 3
    assert found.location is not None
    assert found.location.path == "job.py"


def test_a_flood_of_alike_errors_does_not_fill_the_memory() -> None:
    flood = (b"ERROR request %d failed after %d ms\n" % (i, i) for i in range(60_000))
    assert len(reading.gather(flood, everything)) < 2000


@pytest.mark.parametrize(
    "text",
    [
        "-: " * 20_000,
        "a" * 200_000,
        "(" * 100_000,
        "Error: " * 30_000,
        "a.A" * 60_000,
        'File "' * 30_000,
        "Caused by: " * 20_000,
        "\x1b[" * 60_000,
        "<span " * 30_000,
        "In [1] " * 20_000,
        "[A_B" * 30_000,
        "WARNING " * 20_000,
    ],
    ids=lambda text: repr(text[:8]),
)
def test_lines_made_to_be_slow_are_read_all_the_same(shipped: matrix.Matrix, text: str) -> None:
    assert shipped.diagnose_text(text, "x").verdict != "diagnosed"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("[0;31mKeyError[0m", "KeyError"),
        ('<span class="a">x</span> &lt;b&gt; &#39;', "x <b> '"),
        ("10%\r20%\rdone\r", "done"),
        ("a < b and list[int]", "a < b and list[int]"),
        ("File <command-12>, line 3", "File <command-12>, line 3"),
    ],
)
def test_a_line_is_cleaned_of_what_only_shows_it(raw: str, shown: str) -> None:
    assert reading.clean(raw) == shown
