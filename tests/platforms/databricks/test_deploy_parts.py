"""Where files lie in the workspace, what tasks are made of, and a command that does not end."""

import contextlib
from pathlib import Path
from typing import Any

import psutil
import pytest
from deploy_stage import NOTEBOOK, Stage

from agent.errors import Unavailable
from agent.platforms import Context
from agent.platforms.databricks import layout, messages, session, settings, sources
from agent.platforms.databricks.command import Command
from agent.platforms.databricks.sources import Around
from agent.playbook import Loaded, Playbook
from agent.records import Tree
from agent.remote import comparing
from agent.simulators.databricks import Simulator


def tree(root: Path, **files: str) -> Tree:
    names = {name.replace("__", "/").replace("_dot_", "."): text for name, text in files.items()}
    for name, text in names.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Tree(root=str(root), digest="d", files=tuple(sorted(names)))


def test_notebooks_lose_their_ending_and_are_found_again_either_way(tmp_path: Path) -> None:
    made = tree(
        tmp_path,
        src__nb_dot_py=NOTEBOOK,
        src__plain_dot_py="x = 1\n",
        src__q_dot_sql="-- Databricks notebook source\nselect 1\n",
        src__n_dot_ipynb="{}",
    )
    found = layout.of(made, "/Users/me/shop/")
    root = "/Workspace/Users/me/shop"
    assert [found.remote(p) for p in made.files] == [
        f"{root}/src/n",
        f"{root}/src/nb",
        f"{root}/src/plain.py",
        f"{root}/src/q",
    ]
    assert found.local("/Users/me/shop/src/nb") == "src/nb.py"
    assert found.local(f"{root}/src/nb.py") == "src/nb.py"
    assert found.local(f"{root}//src/plain.py") == "src/plain.py"
    assert found.local(f"{root}/src/plain") is None
    assert found.local("/Workspace/Users/me/shopping/src/nb") is None
    assert found.remote("src") == f"{root}/src"


def around(made: Tree, **resources: Any) -> Around:
    return Around(made, lambda path: path if path in made.files else None, resources)


def test_every_kind_of_task_has_its_files(tmp_path: Path) -> None:
    made = tree(
        tmp_path,
        a_dot_py="import lib\n",
        lib_dot_py="X = 1\n",
        src__helpers_dot_py="Y = 1\n",
        b_dot_py="from helpers import Y\n",
        q_dot_sql="select 1\n",
        dbt__dbt_project_dot_yml="name: x\n",
        dbt__models__m_dot_sql="select 1\n",
        src__shop__main_dot_py="def run(): ...\n",
        src__shop__util_dot_py="Z = 1\n",
        silver_dot_py="import dlt\n",
    )
    child = {"tasks": [{"task_key": "x", "spark_python_task": {"python_file": "a.py"}}]}
    pipeline = {"libraries": [{"file": {"path": "silver.py"}}], "id": "p-1"}
    tasks = {
        "script": {"spark_python_task": {"python_file": "b.py", "parameters": ["--day", "1"]}},
        "sql": {"sql_task": {"file": {"path": "q.sql"}, "parameters": {"n": "1"}}},
        "query": {"sql_task": {"query": {"query_id": "1"}}},
        "dbt": {"dbt_task": {"project_directory": "dbt", "commands": ["dbt run"]}},
        "wheel": {"python_wheel_task": {"package_name": "shop", "entry_point": "main"}},
        "each": {
            "for_each_task": {
                "inputs": "[1]",
                "task": {"task_key": "i", "spark_python_task": {"python_file": "a.py"}},
            }
        },
        "child": {"run_job_task": {"job_id": "${resources.jobs.child.id}"}},
        "silver": {"pipeline_task": {"pipeline_id": "p-1"}},
        "if": {"condition_task": {"op": "EQUAL_TO", "left": "1", "right": "1"}},
    }
    job = {"tasks": [{"task_key": key, **task} for key, task in tasks.items()]}
    scene = around(made, jobs={"child": child}, pipelines={"silver": pipeline})
    found = {t.task: t for t in sources.of(job, scene)}
    assert {key: t.path for key, t in found.items()} == {
        "script": "b.py",
        "sql": "q.sql",
        "query": None,
        "dbt": "dbt/dbt_project.yml",
        "wheel": "src/shop/main.py",
        "each": "a.py",
        "child": None,
        "silver": None,
        "if": None,
    }
    imports = {key: [path for path, _ in t.imports] for key, t in found.items() if t.imports}
    assert imports == {
        "script": ["src/helpers.py"],
        "dbt": ["dbt/models/m.sql"],
        "wheel": ["src/shop/util.py"],
        "each": ["lib.py"],
        "child": ["a.py", "lib.py"],
        "silver": ["silver.py"],
    }
    assert found["each"].type == "spark_python_task"
    assert found["script"].parameters == ("day",)


def test_tasks_come_in_dependency_order_and_a_circle_ends(tmp_path: Path) -> None:
    made = tree(tmp_path)
    job = {
        "tasks": [
            {"task_key": "c", "depends_on": [{"task_key": "b"}]},
            {"task_key": "b", "depends_on": [{"task_key": "a"}]},
            {"task_key": "a"},
            {"task_key": "x", "depends_on": [{"task_key": "y"}]},
            {"task_key": "y", "depends_on": [{"task_key": "x"}]},
        ]
    }
    assert [t.task for t in sources.of(job, around(made))] == ["a", "b", "c", "x", "y"]


def test_an_added_requirement_concerns_nobody_and_a_removed_one_does(tmp_path: Path) -> None:
    made = tree(tmp_path, a_dot_py="x = 1\n")

    def job(*requirements: str) -> dict[str, Any]:
        task = {
            "task_key": "t",
            "environment_key": "e",
            "spark_python_task": {"python_file": "a.py"},
        }
        spec = {"dependencies": list(requirements)}
        return {"tasks": [task], "environments": [{"environment_key": "e", "spec": spec}]}

    scene = around(made)
    assert sources.affected((job("pandas"), scene), (job("pandas", "requests"), scene)) == ()
    assert sources.affected((job("pandas"), scene), (job("polars"), scene)) == ("t",)


def test_what_the_platform_adds_is_no_difference_of_settings() -> None:
    sent = {
        "name": "etl",
        "tasks": [
            {"task_key": "b", "depends_on": [{"task_key": "y"}, {"task_key": "x"}]},
            {"task_key": "a", "notebook_task": {"notebook_path": "/n"}},
        ],
    }
    echoed = {
        **sent,
        "email_notifications": {},
        "webhook_notifications": {},
        "timeout_seconds": 0,
        "max_concurrent_runs": 1,
        "format": "MULTI_TASK",
        "queue": {"enabled": True},
        "deployment": {"kind": "BUNDLE"},
        "edit_mode": "UI_LOCKED",
        "run_as": {"user_name": "me"},
        "tasks": [
            {
                "task_key": "a",
                "notebook_task": {"notebook_path": "/n", "source": "WORKSPACE"},
                "run_if": "ALL_SUCCESS",
            },
            {"task_key": "b", "depends_on": [{"task_key": "x"}, {"task_key": "y"}]},
        ],
    }
    assert settings.normal(sent) == settings.normal(echoed)
    other = {**echoed, "timeout_seconds": 5, "tasks": [{"task_key": "a"}]}
    both = (settings.normal(sent), settings.normal(other))
    names = comparing.differences(*both, settings.NAMES)
    assert list(names) == ["tasks[a].notebook_task", "tasks[b]", "timeout_seconds"]


def test_a_command_that_does_not_end_is_ended_with_what_it_started(
    tmp_path: Path, sim: Simulator
) -> None:
    stage = Stage(tmp_path, sim)
    file = tmp_path / "databricks"
    file.write_text(
        "#!/bin/sh\n[ $1 = --version ] && echo v1.13.0 && exit\n"
        f"sleep 60 & echo $! > {tmp_path}/pid; wait\n"
    )
    file.chmod(0o700)
    book = {"platform": "databricks", "job": {"bundle": "x"}, "databricks": {"command": str(file)}}
    loaded = Loaded(path=str(stage.source / "x.yaml"), playbook=Playbook.model_validate(book))
    command = Command(session.connect(Context(loaded, tmp_path / "case", tmp_path)), timeout_s=0.5)
    output = command.bundle(str(tmp_path), "deploy")
    assert output.late
    with pytest.raises(Unavailable, match="took or wrote too much"):
        messages.check(output, "bundle deploy", "log in")
    child = int((tmp_path / "pid").read_text())
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(child).wait(timeout=5)  # raises where it lives on
    assert not psutil.pid_exists(child)
