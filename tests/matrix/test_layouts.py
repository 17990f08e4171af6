"""Logs of runs that went well, texts in any form, and lines made to be slow."""

import time
from pathlib import Path

import pytest

from agent import matrix
from agent.matrix.logs import folded, libraries, structure

CALM = (Path(__file__).parent / "calm_logs.txt").read_text(encoding="utf-8").split("%%%% ")[1:]
TRACE = (
    "Traceback (most recent call last):\n"
    '  File "/srv/jobs/load.py", line 4, in <module>\n'
    '    settings["region"]\n'
    "KeyError: 'region'\n"
)
PLACE = ("/srv/jobs/load.py", 4)


@pytest.mark.parametrize("part", CALM, ids=lambda part: part.partition("\n")[0])
def test_a_run_that_went_well_is_no_failure(shipped: matrix.Matrix, part: str) -> None:
    found = shipped.diagnose_text(part.partition("\n")[2], "x")
    assert found.verdict in ("no_failure", "not_determined")


@pytest.mark.parametrize(
    "data",
    [
        TRACE.encode("utf-16"),
        TRACE.replace("\n", "\r\n").encode("utf-16-le").join((b"\xff\xfe", b"")),
        TRACE.encode("utf-16-be").join((b"\xfe\xff", b"")),
        TRACE.encode("utf-8-sig"),
        TRACE.replace("\n", "\r\n").encode(),
        b"10%\r20%\r" + TRACE.encode() + b"30%\r40%",
        TRACE.replace("\n", "\r").encode(),
        TRACE.replace("\n", "<br/>").encode(),
        repr(TRACE).encode(),
    ],
    ids=["utf-16", "utf-16-le", "utf-16-be", "bom", "crlf", "progress", "cr", "html", "escaped"],
)
def test_a_trace_is_read_in_any_form(shipped: matrix.Matrix, data: bytes) -> None:
    found = shipped.diagnose_text(data, "x")
    assert found.location is not None
    assert (found.location.path, found.location.line) == PLACE
    assert found.identity is not None
    assert found.identity.code == "KeyError"


def test_evidence_from_a_folded_line_is_the_line_as_it_stands(shipped: matrix.Matrix) -> None:
    line = '{"level": "ERROR", "msg": ' + repr(TRACE).replace('"', '\\"').replace("'", '"', 1)
    line = line[:-1] + '"}'
    found = shipped.diagnose_text(f"start\n{line}\nend\n", "x")
    assert [cited.text for cited in found.evidence] == [line]
    assert found.evidence[0].number == 2


def test_a_windows_path_is_no_escaped_line_feed() -> None:
    line = r"FileNotFoundError: [Errno 2] No such file or directory: 'C:\new\load\in.csv'"
    assert list(folded.unfolded(line)) == [line]


@pytest.mark.parametrize(
    "path",
    [
        "/usr/lib/python3/dist-packages/yaml/__init__.py",
        "/usr/local/lib/python3.11/json/decoder.py",
        "/databricks/spark/python/pyspark/sql/utils.py",
        "/databricks/python_shell/dbruntime/display.py",
        "/opt/spark/python/lib/py4j-0.10.9.7-src.zip/py4j/protocol.py",
        "/mnt/yarn/container_1/pyspark.zip/pyspark/worker.py",
        r"C:\Users\ana\anaconda3\Lib\json\decoder.py",
        r"C:\Program Files\Python311\Lib\shutil.py",
        "/home/airflow/.local/bin/airflow",
        "pandas/_libs/index.pyx",
        "<frozen importlib._bootstrap>",
        "<string>",
    ],
)
def test_a_librarys_path_is_known(path: str) -> None:
    assert libraries.is_library(path)


@pytest.mark.parametrize(
    "path",
    [
        "/opt/airflow/dags/load.py",
        "/Workspace/Users/ana@example.com/pyspark/load.py",
        "/home/ana/lib/load.py",
        "/opt/spark/work-dir/load.py",
        "/usr/lib/spark/jobs/load.py",
        "/mnt/spark-1/userFiles-2/jobs.zip/etl/load.py",
        "/databricks/driver/load.py",
        r"C:\etl\lib\load.py",
        "<command-12>",
        "<ipython-input-3-0a>",
        "numbers.py",
    ],
)
def test_a_users_path_is_no_library(path: str) -> None:
    assert not libraries.is_library(path)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("KeyError: 'x'", "KeyError"),
        ("[2026-07-01, 10:00:00 UTC] {task.py:9} ERROR - acme.LoadError: odd", "acme.LoadError"),
        ("2026-07-01T10:00:00Z stderr F ValueError: odd", "ValueError"),
        ("E       TypeError: odd", "TypeError"),
        ("tests/test_load.py:9: KeyError", "KeyError"),
        ("app-1  | java.io.IOException: odd", "java.io.IOException"),
        (
            "26/07/01 10:00:00 ERROR Client: Application failed: a.b.OddException: x",
            "a.b.OddException",
        ),
        (
            "x Lost task 0.3 in stage 1.0 (TID 3) (h executor 1): a.OddException: x",
            "a.OddException",
        ),
        ("2026-07-01 10:00:00 INFO load: no exception so far", None),
        ("the word KeyError in a sentence", None),
    ],
)
def test_an_exceptions_class_is_read_behind_what_a_logger_writes(
    line: str, name: str | None
) -> None:
    assert structure.exception_class(line) == name


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "  at " * 40_000,
        "ab " * 60_000,
        "ab: " * 50_000,
        '{"a":' * 20_000 + "}",
        "\\" * 100_000 + "Error",
        ("\\" * 200 + "n") * 500 + "Error",
        "\r" * 200_000,
        "\\n" * 50_000 + "Error",
        "/a" * 80_000 + ".py in x(",
        ("Caused by: java.lang.OddException: a\n\tat a.b.C.m(C.java:1)\n") * 1000,
        ("  " * 40 + "| ExceptionGroup: x\n") * 1000,
        TRACE * 500,
    ],
    ids=lambda text: repr(text[:8]),
)
def test_lines_made_to_be_slow_take_no_long_time(shipped: matrix.Matrix, text: str) -> None:
    started = time.process_time()
    shipped.diagnose_text(text, "x")
    assert time.process_time() - started < 5
