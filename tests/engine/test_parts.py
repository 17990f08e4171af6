"""The engine's pure parts: schedule, dynamic values, SQL texts, cells, environments' names."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from agent.engine import cells, environments, runs, schedule, sql, supervisor, values
from agent.engine.environments import NotBuilt, Ready

S, F, T, C, U, K = "succeeded", "failed", "timed_out", "cancelled", "upstream_failed", "skipped"


@pytest.mark.parametrize(
    ("run_if", "states", "ends"),
    [
        ("ALL_SUCCESS", (), None),
        ("ALL_FAILED", (), None),
        ("ALL_SUCCESS", (S, S), None),
        ("ALL_SUCCESS", (S, F), U),
        ("ALL_SUCCESS", (S, U), U),
        ("ALL_SUCCESS", (S, K), K),
        ("ALL_DONE", (S, F, K, U, T, C), None),
        ("NONE_FAILED", (S, K), None),
        ("NONE_FAILED", (K, K), K),
        ("NONE_FAILED", (S, T), U),
        ("AT_LEAST_ONE_SUCCESS", (S, F), None),
        ("AT_LEAST_ONE_SUCCESS", (F, K), U),
        ("AT_LEAST_ONE_SUCCESS", (K,), K),
        ("ALL_FAILED", (F, T, U), None),
        ("ALL_FAILED", (F, S), K),
        ("ALL_FAILED", (F, K), K),
        ("AT_LEAST_ONE_FAILED", (S, F), None),
        ("AT_LEAST_ONE_FAILED", (S, U), None),
        ("AT_LEAST_ONE_FAILED", (S, K), K),
    ],
)
def test_run_if_decides_whether_a_task_runs(
    run_if: str, states: tuple[str, ...], ends: str | None
) -> None:
    assert schedule.verdict(run_if, states) == ends


def test_dynamic_values_are_filled_in_once() -> None:
    known = {"job.parameters.a": "{{job.name}}", "job.name": "n"}
    text = values.fill("x{{job.parameters.a}}{{ job.name }}", known, lambda *_: 3)
    assert text == "x{{job.name}}n"
    assert values.fill("{{tasks.a.values.b}}", known, lambda *_: [1]) == "[1]"
    assert values.fill("{{job.parameters.[a]}}", known, lambda *_: 3) == "{{job.name}}"
    with pytest.raises(KeyError, match=r"job\.nane"):
        values.fill("{{job.nane}}", known, lambda *_: 3)


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("select :a", "select 'it''s'"),
        ("where x=:a and y>:a", "where x='it''s' and y>'it''s'"),
        ("select ':a', \":a\", x::a, $$ :a $$ -- :a\n/* :a */", None),
        ("select l[1:a], {'k':a}, m.n:a", None),
        ("select $tag$ :a $tag$", None),
    ],
)
def test_parameters_are_bound_outside_texts_and_comments(text: str, bound: str | None) -> None:
    assert sql.bind(text, {"a": "it's"}) == (text if bound is None else bound)


def test_statements_know_their_lines() -> None:
    text = "\n-- c; d\nselect 1;\n\n/* x; */ select ';'\n from t;;\nselect 1;"
    found = sql.split(text)
    assert isinstance(found, list)
    assert [(s.line, s.text.split("\n", 1)[0].rstrip(";")) for s in found] == [
        (3, "select 1"),
        (5, "select ';'"),
        (7, "select 1"),
    ]


def test_databricks_cells_know_their_lines(tmp_path: Path) -> None:
    text = (
        "# Databricks notebook source\nimport os\n\n# COMMAND ----------\n\n# MAGIC %sql\n"
        "# MAGIC select 1\n# COMMAND ----------\n# DBTITLE 1,Name\nx = 1\ny = 2\n"
    )
    (tmp_path / "n.py").write_text(text)
    found = cells.read(tmp_path, "n.py")
    assert [cell.language for cell in found] == ["python", "sql", "python"]
    assert found[0].place(1) == (2, None)
    assert found[1].text == "\nselect 1"
    assert found[1].place(2) == (7, None)
    assert found[2].place(3) == (11, None)


def test_notebooks_that_run_each_other_are_told(tmp_path: Path) -> None:
    for one, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{one}.py").write_text(f"# Databricks notebook source\n# MAGIC %run ./{other}")
    with pytest.raises(cells.Broken, match="circle"):
        cells.read(tmp_path, "a.py")


def test_run_stays_inside_the_tree(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "out.py").write_text("# Databricks notebook source\n")
    cell = cells.Cell("n.py", 0, "python", "%run ../../out", 0)
    assert cells.ran(tmp_path / "tree", cell) is None


def test_the_supervisor_starts_with_the_standard_library_alone() -> None:
    top = str(Path(str(supervisor.__file__)).parents[2])
    code = (
        "import sys\nsys.path.append(sys.argv[1])\nimport agent.engine.supervisor\n"
        "print([m for m in ('pydantic', 'psutil', 'yaml', 'agent.records') if m in sys.modules])"
    )
    command = [sys.executable, "-I", "-S", "-c", code, top]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_tasks_environment_is_chosen_by_name() -> None:
    outside = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "https_proxy": "p",
        "NO_PROXY": "n",
        "SSL_CERT_FILE": "c",
        "GITHUB_TOKEN": "t",
        "LD_PRELOAD": "x",
        "MINE": "m",
    }
    found = runs.environment(("MINE",), outside)
    assert set(found) == {
        "PATH",
        "LC_ALL",
        "https_proxy",
        "NO_PROXY",
        "SSL_CERT_FILE",
        "MINE",
        "PYTHONUNBUFFERED",
        "PYTHONDONTWRITEBYTECODE",
    }


def test_the_same_requirements_are_the_same_environment(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("b\n# c\na  # d\n")
    one = environments.folder(tmp_path, ("a", "b"), tmp_path)
    assert environments.folder(tmp_path, ("b", "a", "a"), tmp_path) == one
    assert environments.folder(tmp_path, ("-r r.txt",), tmp_path) == one
    assert environments.folder(tmp_path, ("a",), tmp_path) != one


def test_an_environment_without_its_marker_is_built_again(tmp_path: Path) -> None:
    first = environments.prepare(tmp_path, (), tmp_path)
    assert isinstance(first, Ready)
    assert not first.cached
    folder = first.python.parents[1]
    (folder / "complete").unlink()
    (folder / "half").touch()
    second = environments.prepare(tmp_path, (), tmp_path)
    assert isinstance(second, Ready)
    assert not second.cached
    assert not (folder / "half").exists()
    third = environments.prepare(tmp_path, (), tmp_path)
    assert isinstance(third, Ready)
    assert third.cached


def test_a_requirements_file_outside_the_source_is_refused(tmp_path: Path) -> None:
    found = environments.prepare(tmp_path, ("-r ../r.txt",), tmp_path)
    assert isinstance(found, NotBuilt)
    assert "../r.txt does not exist in the source" in found.message


@pytest.mark.slow
def test_a_wheel_of_the_source_is_installed_without_an_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("PATH", os.defpath)
    wheel = tmp_path / "dist" / "tiny-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr("tiny.py", "WORD = 'here'\n")
        info = "tiny-1.0.dist-info"
        packed.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        packed.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        packed.writestr(f"{info}/RECORD", "")
    ready = environments.prepare(tmp_path / "cache", (f"./dist/{wheel.name}",), tmp_path)
    assert isinstance(ready, Ready), ready
    code = [str(ready.python), "-c", "import tiny; print(tiny.WORD)"]
    assert subprocess.run(code, capture_output=True, text=True, check=True).stdout == "here\n"
    failed = environments.prepare(tmp_path / "cache", ("no-such-thing==9",), tmp_path)
    assert isinstance(failed, NotBuilt)
    said = failed.message.removeprefix("cannot install no-such-thing==9: ")
    assert said != failed.message
    pip, uv = "No matching distribution found for no-such-thing==9", "No solution found"
    assert pip in said or uv in said
    assert "no-such-thing" in failed.output
