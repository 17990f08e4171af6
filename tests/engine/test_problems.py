from pathlib import Path

import pytest

from agent.engine import problems
from agent.engine.job import Job
from agent.engine.problems import Problem

GOOD = """\
name: nightly
environments:
  - {environment_key: default, spec: {dependencies: [pandas==2.3.1]}}
parameters: [{name: run_date, default: 2026-07-01}, {name: flag, default: true}]
database: data/n.duckdb
data: [data]
tasks:
  - task_key: extract
    notebook_task: {notebook_path: nb/extract.ipynb, base_parameters: {n: 3}}
  - task_key: transform
    depends_on: [{task_key: extract}]
    spark_python_task: {python_file: transform.py, parameters: ["{{job.parameters.run_date}}", 1.5]}
    environment_key: default
    max_retries: 1
  - task_key: load
    depends_on: [{task_key: transform}]
    sql_task: {file: {path: load.sql}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("nb/extract.ipynb", "transform.py", "load.sql", "data/x.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


def found(root: Path, text: str, **given: object) -> tuple[Problem, ...]:
    (root / "job.yaml").write_text(text)
    job = problems.read(root, "job.yaml", given)
    assert not isinstance(job, Job), "nothing was found wrong"
    return job


def test_the_documented_job_file_is_right(root: Path) -> None:
    (root / "job.yaml").write_text(GOOD)
    job = problems.read(root, "job.yaml", {"run_date": "2026-07-02"})
    assert isinstance(job, Job)
    assert [p.default for p in job.parameters] == ["2026-07-01", "true"]
    script = job.task("transform").spark_python_task
    assert script is not None
    assert script.parameters == ("{{job.parameters.run_date}}", "1.5")
    assert job.dependencies(job.task("load")) == ("pandas==2.3.1",)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("max_retries", "max_retry", 14, ['unknown key "max_retry"', 'mean "max_retries"?']),
        ("sql_task", "sqls_task", 17, ["unknown task type", 'mean "sql_task"?', "dbt_task"]),
        ("task_key: transform}]", "task_key: tranform}]", 16, ['mean "transform"?', "extract"]),
        (
            "python_file: transform.py",
            "python_file: src/transform.py",
            12,
            ['mean "transform.py"?'],
        ),
        ("path: load.sql", "path: laod.sql", 17, ['"laod.sql", which does not', '"load.sql"?']),
        ("environment_key: default\n", "environment_key: defalt\n", 13, ['mean "default"?']),
        (
            "parameters.run_date",
            "parameters.rundate",
            12,
            ["{{job.parameters.rundate}}", "run_date"],
        ),
        ("python_file: transform.py", "python_file: ../x.py", 12, ["not a path inside the source"]),
        ("max_retries: 1", "max_retries: many", 14, ["max_retries", "valid integer", "'many'"]),
        ("data: [data]", "data: [dat]", 6, ['data folder "dat" does not exist']),
        ("database: data/n.duckdb\n", "", 6, ['no "database"']),
        ("data/n.duckdb", "/var/n.duckdb", 5, ["must lie inside the source"]),
        ("name: nightly", "name: nightly\nname: again", 2, ['key "name" is given twice']),
        ("task_key: load", "task_key: extract", 15, ['two tasks are called "extract"']),
        ("default: 2026-07-01}", "}", 4, ['"run_date" has no default']),
        ("2026-07-01", "'{{job.start_time.date}}'", 4, ["unknown reference", "iso_date"]),
        ("    max_retries: 1", "    run_if: SOMETIMES", 14, ["run_if", "'SOMETIMES'"]),
        ("  - task_key: load\n", "  - \n", 16, ['"task_key" is missing']),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    root: Path, old: str, new: str, line: int, words: list[str]
) -> None:
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    seen = found(root, text)
    (first, *_) = [p for p in seen if p.line == line] or [Problem(0, str(seen))]
    for word in words:
        assert word in first.message, seen


def test_a_circle_is_told_once_with_its_way(root: Path) -> None:
    text = GOOD.replace(
        "task_key: extract\n", "task_key: extract\n    depends_on: [{task_key: load}]\n"
    )
    (problem,) = found(root, text)
    assert "circle: extract -> load -> transform -> extract" in problem.message


def test_several_problems_are_told_at_once(root: Path) -> None:
    text = GOOD.replace("load.sql", "lod.sql").replace("transform.py", "transfrm.py")
    assert len(found(root, text)) == 2


def test_a_task_value_needs_a_dependency(root: Path) -> None:
    text = GOOD.replace("job.parameters.run_date", "tasks.load.values.rows")
    (problem,) = found(root, text)
    assert 'does not depend on task "load" (depends on: extract)' in problem.message


def test_a_given_parameter_must_be_the_jobs(root: Path) -> None:
    (problem,) = found(root, GOOD, rundate="x")
    assert 'no parameter "rundate"; did you mean "run_date"?' in problem.message


def test_a_missing_job_file_names_those_there_are(root: Path) -> None:
    (root / "jobs").mkdir()
    (root / "jobs" / "nightly.yaml").write_text(GOOD)
    (problem,) = problems.read(root, "nightly.yaml", {})  # type: ignore[misc]
    assert problem == Problem(
        0, 'the job file nightly.yaml does not exist; did you mean "jobs/nightly.yaml"?'
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just words",
        "- a\n- b",
        "tasks: [",
        "tasks: {a: !!python/object:os.system x}",
        "a: &a [*a]",
        "? [a]\n: b",
        "a: \x01",
        "tasks: []",
        "tasks: 3",
        "tasks: [3]",
        "tasks:\n  - task_key: a\n    spark_python_task: x\n",
    ],
)
def test_nothing_in_a_file_is_an_exception(root: Path, text: str) -> None:
    assert all(p.line >= 1 and p.message for p in found(root, text))


def test_aliases_that_unfold_without_end_are_refused(root: Path) -> None:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for n in range(1, 9):
        text += f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n"
    (problem,) = found(root, text)
    assert "unfold to too much" in problem.message


def test_nesting_without_end_is_refused_before_it_is_composed(root: Path) -> None:
    (problem,) = found(root, "[" * 200_000)
    assert "nested deeper than" in problem.message
