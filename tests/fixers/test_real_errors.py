"""Fixers against the real thing: the error is DuckDB's or pandas' own, and the mended code runs."""

import re
import traceback
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from agent import fixers
from agent.engine import problems
from agent.engine.job import Job
from agent.records import Dataset, Diagnosis, Edit, Facts, Failure, Line, Location


def run_sql(text: str, tree: Path) -> str | None:
    """Run statements on a small database; return the error's text, None where it went well."""
    with duckdb.connect() as con:
        con.execute("create table sales (id int, day date, amount double, region text)")
        con.execute(f"set file_search_path = '{tree}'")
        try:
            con.execute(text)
        except duckdb.Error as error:
            return str(error)
    return None


def run_python(text: str, tree: Path) -> str | None:
    """Run a script on a small frame; return the traceback, None where it went well."""
    frame = pd.DataFrame({"id": [1, 2], "amount": [2.0, 3.0], "region": ["eu", "us"]})
    try:
        exec(compile(text, "task.py", "exec"), {"frame": frame, "pd": pd, "TREE": tree})  # noqa: S102  # the task
    except (KeyError, AttributeError, ValueError):
        return traceback.format_exc()
    return None


Applied = Callable[[dict[str, str], tuple[Edit, ...]], dict[str, str]]


def mended(  # noqa: PLR0913, RUF100  # what a failure is made of
    applied: Applied,
    fixer: str,
    path: str,
    text: str,
    error: str,
    parameters: dict[str, str],
    facts: Facts,
) -> str:
    lines = error.splitlines()
    found = re.findall(r'File "task\.py", line (\d+)', error)
    location = Location(path=path, line=int(found[-1])) if found else None
    failure = Failure(
        phase="run",
        code="FAILED",
        message=lines[-1],
        task="load",
        log=tuple(Line(source="load", number=n, text=t) for n, t in enumerate(lines, 1)),
        location=location,
        facts=facts,
    )
    diagnosis = Diagnosis(verdict="diagnosed", parameters=parameters)
    files = {path: text}
    proposal = fixers.load(fixer)(fixers.Work(failure, diagnosis, files.get))
    assert isinstance(proposal, fixers.Proposal), proposal
    return applied(files, proposal.edits)[path]


@pytest.mark.parametrize(
    "text",
    [
        "select amout from sales",
        "select sum(s.amout) as total from sales s where s.amout > 1 group by s.region",
        "insert into sales (id, amout) values (1, 2)",
        "update sales set amout = 2",
        'select "amout" from sales order by 1',
        "select id, row_number() over (partition by regoin order by id) from sales",
        "select regoin, count(*) from sales group by all having regoin is not null",
    ],
)
def test_a_misspelt_column_in_sql_is_mended_from_duckdbs_own_error(
    text: str, tmp_path: Path, applied: Applied
) -> None:
    error = run_sql(text, tmp_path)
    assert error is not None
    column = "amout" if "amout" in text else "regoin"
    facts = Facts(task_file="load.sql", task_type="sql_task")
    after = mended(applied, "rename_column", "load.sql", text, error, {"column": column}, facts)
    assert run_sql(after, tmp_path) is None


def test_an_alias_of_the_same_name_hides_the_candidates_and_the_data_names_them(
    tmp_path: Path, applied: Applied
) -> None:
    text = "create table t as select region, sum(amout) as amout from sales group by region"
    error = run_sql(text, tmp_path)
    assert error is not None
    assert "Candidate" not in error
    sales = Dataset(name="sales", kind="table", columns=("id", "day", "amount", "region"))
    facts = Facts(task_file="load.sql", datasets=(sales,))
    after = mended(applied, "rename_column", "load.sql", text, error, {"column": "amout"}, facts)
    assert after == text.replace("sum(amout)", "sum(amount)")
    assert run_sql(after, tmp_path) is None


@pytest.mark.parametrize(
    "text",
    [
        "x = frame['amout']",
        "x = frame.amout",
        "x = frame[['id', 'amout']]",
        "x = frame.groupby('amout').sum()",
        "x = frame.groupby('id')['amout'].sum()",
        "x = frame.groupby('id').agg({'amout': 'sum'})",
        "x = frame.groupby('id').agg(total=('amout', 'sum'))",
        "x = frame.merge(frame, on='amout')",
        "x = frame.sort_values('amout')",
        "x = frame.drop(columns=['amout'])",
        "x = frame.astype({'amout': int})",
        "x = frame.loc[:, 'amout']",
        "x = frame.dropna(subset=['amout'])",
        "x = frame.set_index('amout')",
        "x = frame.pivot_table(index='amout', values='id')",
        "x = pd.read_csv(TREE / 'data.csv', usecols=['amout'])",
        "x = pd.read_csv(TREE / 'data.csv', parse_dates=['amout'])",
        "frame['amout'] += 1",
        "for name in ['id', 'amout']:\n    frame[name].sum()",
        "x = frame[frame['amout'] > 1].assign(double=lambda f: f['amout'] * 2)",
    ],
)
def test_a_misspelt_column_in_pandas_is_mended(text: str, tmp_path: Path, applied: Applied) -> None:
    (tmp_path / "data.csv").write_text("id,amount,region\n1,2.0,eu\n")
    error = run_python(text, tmp_path)
    assert error is not None
    assert "amout" in error
    data = Dataset(name="data.csv", kind="file", columns=("id", "amount", "region"))
    facts = Facts(task_file="task.py", datasets=(data,))
    after = mended(applied, "rename_column", "task.py", text, error, {"column": "amout"}, facts)
    assert "amout" not in after
    assert run_python(after, tmp_path) is None


@pytest.mark.parametrize(
    "text",
    [
        "create table t as select * from read_csv('sales.csv')",
        "select * from 'sales.csv'",
        "copy sales from 'sales.csv'",
    ],
)
def test_a_wrong_path_in_sql_is_mended_from_duckdbs_own_error(
    text: str, tmp_path: Path, applied: Applied
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sales.csv").write_text("id,day,amount,region\n1,2026-07-01,2.0,eu\n")
    error = run_sql(text, tmp_path)
    assert error is not None
    assert "sales.csv" in error
    facts = Facts(task_file="load.sql", files=("data/sales.csv", "load.sql"))
    after = mended(applied, "relative_path", "load.sql", text, error, {"path": "sales.csv"}, facts)
    assert run_sql(after, tmp_path) is None


@pytest.mark.parametrize("run", [run_sql, run_python])
def test_the_runs_of_these_tests_tell_good_code_from_bad(
    run: Callable[[str, Path], str | None], tmp_path: Path
) -> None:
    good, bad = ("select 1", "selec 1") if run is run_sql else ("x = 1", "{}['x']")
    assert run(good, tmp_path) is None
    assert run(bad, tmp_path)


JOB = """\
parameters: [{name: run_date, default: 2026-07-01}]
environments:
  - {environment_key: default}
tasks:
  - task_key: extract
    spark_python_task: {python_file: extract.py}
  - task_key: load  # the last
    depends_on: [{task_key: extract}]
    environment_key: default
    timeout_seconds: 60
    spark_python_task:
      python_file: load.py
      parameters: ["--date", "{{job.parameters.run_date}}"]
"""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("depends_on:", "depend_on:"),
        ("task_key: extract}]", "task_key: extarct}]"),
        ("    environment_key: default", "    environment_key: defualt"),
        ("environments:", "enviroments:"),
        ("    spark_python_task:\n", "    spark_pyton_task:\n"),
        ("timeout_seconds", "timout_seconds"),
        ("      parameters:", "      paramters:"),
        ("{{job.parameters.run_date}}", "{{job.parameters.run_dat}}"),
        ("python_file: load.py", "python_file: laod.py"),
    ],
)
def test_a_slip_in_a_job_file_is_mended_from_the_engines_own_words(
    right: str, wrong: str, tmp_path: Path, applied: Applied
) -> None:
    for name in ("extract.py", "load.py"):
        (tmp_path / name).write_text("print(1)\n")
    text = JOB.replace(right, wrong)
    assert text != JOB
    (tmp_path / "job.yaml").write_text(text)
    found = problems.read(tmp_path, "job.yaml", {})
    assert not isinstance(found, Job)
    word = wrong.strip(" :\n").rpartition(": ")[2].strip("{}]")
    problem = next(p for p in found if word in p.message)
    near = re.search(r'did you mean "([^"]+)"', problem.message)
    failure = Failure(
        phase="create",
        code="JOB_INVALID",
        message=f"job.yaml:{problem.line}: {problem.message}",
        task=problem.task,
        facts=Facts(job_file="job.yaml", files=("extract.py", "job.yaml", "load.py")),
    )
    fixer = "relative_path" if word.endswith(".py") else "job_declaration"
    parameters = {"path": word} if word.endswith(".py") else {"found": word}
    parameters |= {"nearest": near[1]} if near else {}
    diagnosis = Diagnosis(verdict="diagnosed", parameters=parameters)
    files = {"job.yaml": text}
    proposal = fixers.load(fixer)(fixers.Work(failure, diagnosis, files.get))
    assert isinstance(proposal, fixers.Proposal), proposal
    assert applied(files, proposal.edits)["job.yaml"] == JOB
