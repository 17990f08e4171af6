"""Messages of the real programs: DuckDB, pandas, Python, the local platform's job files."""

import subprocess
import sys
from pathlib import Path

import pytest

from agent import matrix
from agent.engine import problems
from agent.records import Diagnosis, Failure, Line

DUCK = "import duckdb\nc = duckdb.connect()\nc.execute('create table sales(id int, amount int)')\n"


def run(shipped: matrix.Matrix, tmp_path: Path, code: str) -> Diagnosis:
    """Return the diagnosis of what a script with this code leaves behind."""
    (tmp_path / "transform.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-I", "transform.py"], cwd=tmp_path, capture_output=True, text=True
    )
    lines = done.stderr.splitlines()
    log = tuple(Line(source="transform stderr", number=n, text=t) for n, t in enumerate(lines, 1))
    words = lines[-1] if lines else f"exit code {done.returncode}"
    made = Failure(phase="run", code="FAILED", message=words, log=log, exit_code=done.returncode)
    return shipped.diagnose(made)


@pytest.mark.parametrize(
    ("statement", "entry", "parameters"),
    [
        ("select amout from sales", "schema.column-duckdb", {"column": "amout"}),
        ("select s.amout from sales s", "schema.column-duckdb", {"suggestions": "amount"}),
        ("insert into sales(id, amout) values (1, 2)", "schema.column-duckdb", {"table": "sales"}),
        ("update sales set amout = 1", "schema.column-duckdb", {"column": "amout"}),
        ("select * from order_items", "missing.table-duckdb", {"table": "order_items"}),
        ("selec 1", "sql.parse", {"near": "selec"}),
        ("select cast('x' as int)", "quality.cast", {"value": "x"}),
        ("insert into sales values (1)", "schema.column-count", {}),
        ("create table sales(id int)", "conflict.table-exists", {"table": "sales"}),
        ("select * from 'dat/orders.csv'", "missing.upstream-file", {"path": "dat/orders.csv"}),
        ("select to_dte('a')", "missing.routine", {"routine": "to_dte"}),
        ("select id, sum(amount) from sales", "spark.aggregation", {}),
        ("select id from sales a, sales b", "schema.ambiguous", {"column": "id"}),
    ],
)
def test_duckdb_errors_are_told_apart(
    shipped: matrix.Matrix, tmp_path: Path, statement: str, entry: str, parameters: dict[str, str]
) -> None:
    found = run(shipped, tmp_path, f'{DUCK}c.execute("""{statement}""").fetchall()\n')
    assert found.entry == entry
    assert parameters.items() <= found.parameters.items()


@pytest.mark.parametrize(
    ("code", "entry", "parameters"),
    [
        ("frame['amout']", "schema.column-pandas", {"column": "amout"}),
        ("frame[['amout']]", "schema.column-dataframe", {"column": "amout"}),
        ("frame.amout", "schema.column-attribute", {"column": "amout"}),
        ("frame.groupby('amout').sum()", "schema.column-pandas", {"column": "amout"}),
        ("pandas.read_csv('data/order.csv')", "missing.upstream-file", {"path": "data/order.csv"}),
        ("frame.amount.astype(str).add('x').astype(int)", "quality.cast", {"value": "1x"}),
    ],
)
def test_pandas_errors_are_told_apart(
    shipped: matrix.Matrix, tmp_path: Path, code: str, entry: str, parameters: dict[str, str]
) -> None:
    found = run(
        shipped, tmp_path, f"import pandas\nframe = pandas.DataFrame({{'amount': [1]}})\n{code}\n"
    )
    assert found.entry == entry
    assert parameters.items() <= found.parameters.items()
    assert found.location is not None
    assert Path(found.location.path).name == "transform.py"
    assert found.location.line == 3


@pytest.mark.parametrize(
    ("code", "entry"),
    [
        ("import cv2x", "python.module-not-found"),
        ("from json import loadz", "python.cannot-import-name"),
        ("import os; os.environ['RUN_DATE']", "parameter.environment-variable"),
        ("{}['mode']", "python.key-error"),
        ("open('/nonexistent/x.csv')", "missing.file"),
        ("bytearray(10**16)", "memory.python"),
        ("b'\\xe9a'.decode()", "quality.encoding"),
        ("import json; json.loads('')", "quality.json"),
        ("1 / 0", "python.zero-division"),
        ("assert 1 == 2, 'totals differ'", "python.assertion"),
        ("None.group()", "python.none"),
        ("x = (", "python.syntax-error"),
        ("import sqlite3; sqlite3.connect(':memory:').execute('selec 1')", "sql.parse"),
        ("import sqlite3; sqlite3.connect(':memory:').execute('select * from t')", "missing.table"),
        ("import os; os.mkdir('/tmp')", "conflict.path-exists"),
        ("import os; os.kill(os.getpid(), 9)", "memory.killed"),
        ("import os; os.kill(os.getpid(), 11)", "cluster.native-crash"),
        (
            "import sys; sys.exit('missing required parameter: run_date')",
            "parameter.widget-missing",
        ),
        (
            "import argparse; p = argparse.ArgumentParser(); "
            "p.add_argument('--day', required=True); p.parse_args()",
            "parameter.command-line",
        ),
    ],
)
def test_python_errors_are_told_apart(
    shipped: matrix.Matrix, tmp_path: Path, code: str, entry: str
) -> None:
    assert run(shipped, tmp_path, code).entry == entry


TASK = "  - task_key: load\n    spark_python_task: {python_file: load.py}\n"


@pytest.mark.parametrize(
    ("job", "entry", "fixer", "parameters"),
    [
        (
            f"name: n\ntasks:\n{TASK}    depend_on: []\n",
            "job.unknown-key",
            "job_declaration",
            {"key": "depend_on", "nearest": "depends_on", "task": "load"},
        ),
        (
            f"name: n\ntasks:\n{TASK}    depends_on: [{{task_key: transfrom}}]\n"
            f"{TASK.replace('task_key: load', 'task_key: transform')}",
            "job.unknown-dependency",
            "job_declaration",
            {"found": "transfrom", "nearest": "transform", "task": "load"},
        ),
        (
            f"name: n\ntasks:\n{TASK.replace('load.py', 'laod.py')}",
            "job.missing-file",
            "relative_path",
            {"path": "laod.py", "task": "load"},
        ),
        (
            f"name: n\ntasks:\n{TASK}    environment_key: defualt\n",
            "job.unknown-environment",
            "job_declaration",
            {"found": "defualt", "task": "load"},
        ),
        (
            f"name: n\nparameters: [{{name: run_date}}]\ntasks:\n{TASK}",
            "parameter.job-parameter",
            "missing_parameter",
            {"parameter": "run_date"},
        ),
        ("name: [n\n", "job.invalid", None, {}),
    ],
)
def test_wrong_job_files_of_the_local_platform_are_told_apart(
    shipped: matrix.Matrix,
    tmp_path: Path,
    job: str,
    entry: str,
    fixer: str | None,
    parameters: dict[str, str],
) -> None:
    (tmp_path / "load.py").write_text("print(1)\n")
    (tmp_path / "job.yaml").write_text(job)
    wrong = problems.read(tmp_path, "job.yaml", {})
    assert isinstance(wrong, tuple)
    text = f"job.yaml:{wrong[0].line}: {wrong[0].message}"
    log = (Line(source="job.yaml", number=wrong[0].line, text=text),)
    found = shipped.diagnose(Failure(phase="create", code="JOB_INVALID", message=text, log=log))
    assert (found.entry, found.fixer) == (entry, fixer)
    assert parameters.items() <= found.parameters.items()
