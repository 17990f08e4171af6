"""Jobs without a bundle: our own from a job file, and those that are there already."""

from pathlib import Path
from typing import Any

import pytest
from deploy_stage import NOTEBOOK, Stage, job_id, put, reset

from agent.errors import Refused, UsageError
from agent.records import Deployment, Effect, Failure, Tree
from agent.simulators.databricks import Simulator

FILE = """\
name: nightly
parameters:
  - {name: day, default: 3}
tasks:
  - task_key: load
    notebook_task:
      notebook_path: src/load.py
      base_parameters: {rate: 2}
  - task_key: report
    depends_on: [{task_key: load}]
    spark_python_task:
      python_file: src/report.py
      parameters: ["--day", "{{job.parameters.day}}"]
"""
ROOT = "/Workspace/Users/rehearsal@example.com/.runmend/shop"
OWN = {"file": "job.yaml"}


@pytest.fixture
def stage(tmp_path: Path, sim: Simulator) -> Stage:
    made = Stage(tmp_path, sim)
    made.write(
        {
            "job.yaml": FILE,
            "src/load.py": NOTEBOOK.format("load"),
            "src/report.py": "import tools\n",
            "src/tools.py": "RATE = 2\n",
        }
    )
    return made


def deployed(
    stage: Stage,
    key: str = "k1",
    previous: Deployment | None = None,
    job: dict[str, Any] | None = None,
    **more: Any,
) -> Deployment:
    made = stage.deploying(job or OWN, **more).deploy(key, stage.tree(), previous)
    assert isinstance(made, Deployment), made
    return made


def settings(stage: Stage, made: Deployment) -> dict[str, Any]:
    found = stage.get("/api/2.2/jobs/get", job_id=made.job)["settings"]
    assert isinstance(found, dict)
    return found


def failure(stage: Stage, **more: Any) -> Failure:
    made = stage.deploying(OWN, **more).deploy("k1", stage.tree(), None)
    assert isinstance(made, tuple), made
    return made[0]


def overwrites(effects: tuple[Effect, ...]) -> list[str]:
    assert {e.kind for e in effects} <= {"remote_overwrite"}
    return [e.detail for e in effects]


def test_a_job_file_becomes_a_job_of_ours_with_its_files(stage: Stage) -> None:
    made = deployed(stage)
    found = settings(stage, made)
    assert found["tags"] == {"runmend": "shop"}
    load, report = found["tasks"]
    assert load["notebook_task"]["notebook_path"] == f"{ROOT}/src/load"
    assert load["notebook_task"]["base_parameters"] == {"rate": "2"}
    assert report["spark_python_task"]["python_file"] == f"{ROOT}/src/report.py"
    assert report["environment_key"] == "default"
    assert found["environments"][0]["environment_key"] == "default"
    assert found["parameters"] == [{"name": "day", "default": "3"}]
    assert stage.text(f"{ROOT}/src/tools.py") == "RATE = 2\n"
    assert made.tasks == ("load", "report")
    assert made.kept
    assert made.url == f"{stage.sim.url}/jobs/{made.job}?o={stage.sim.workspace_id}"


def test_the_same_key_deploys_once_and_another_only_what_differs(stage: Stage) -> None:
    made = deployed(stage)
    stage.sim.calls.clear()
    assert deployed(stage) == made
    assert stage.sim.calls == []
    stage.write({"src/tools.py": "RATE = 3\n"})
    again = deployed(stage, "k2", made)
    assert again.job == made.job
    assert stage.changes() == [
        "POST /api/2.0/workspace/mkdirs",
        "POST /api/2.0/workspace/import",
    ]
    assert stage.text(f"{ROOT}/src/tools.py") == "RATE = 3\n"


def test_settings_that_changed_are_set_in_full(stage: Stage) -> None:
    made = deployed(stage)
    stage.write({"job.yaml": FILE.replace("name: nightly", "name: late\ntimeout_seconds: 60")})
    again = deployed(stage, "k2", made)
    assert again.job == made.job
    assert settings(stage, again)["name"] == "late"
    assert settings(stage, again)["timeout_seconds"] == 60
    assert settings(stage, again)["tags"] == {"runmend": "shop"}


def test_a_lost_answer_to_create_makes_no_second_job(stage: Stage) -> None:
    made = deployed(stage)
    # The same tree under the same key in a process that never saw the answer.
    again = deployed(stage, "k-not-recorded", None)
    assert again.job == made.job
    assert len(stage.get("/api/2.2/jobs/list")["jobs"]) == 1


def test_a_job_of_the_same_name_that_is_not_ours_is_left_alone(stage: Stage) -> None:
    theirs = job_id(stage.sim, {"name": "nightly", "tasks": []})
    made = deployed(stage)
    assert made.job != str(theirs)
    assert stage.get("/api/2.2/jobs/get", job_id=theirs)["settings"].get("tags") is None


def test_several_jobs_with_our_tag_are_for_a_person_to_sort_out(stage: Stage) -> None:
    ids = [job_id(stage.sim, {"name": "x", "tags": {"runmend": "shop"}}) for _ in range(2)]
    with pytest.raises(UsageError, match=str(ids[1])):
        stage.deploying(OWN).deploy("k1", stage.tree(), None)


def test_a_job_that_somebody_deleted_asks_and_is_made_again(stage: Stage) -> None:
    made = deployed(stage)
    stage.post("/api/2.2/jobs/delete", job_id=int(made.job))
    (asked,) = overwrites(stage.deploying(OWN).plan(stage.tree(), made))
    assert f"job {made.job} (nightly) was deleted or taken from us" in asked
    assert deployed(stage, "k2", made).job != made.job


def test_an_unchanged_job_plans_nothing(stage: Stage) -> None:
    made = deployed(stage)
    assert stage.deploying(OWN).plan(stage.tree(), made) == ()
    assert stage.deploying(OWN).plan(stage.tree(), None) == ()


def test_settings_and_files_that_somebody_changed_ask(stage: Stage) -> None:
    made = deployed(stage)
    reset(stage.sim, int(made.job), timeout_seconds=99)
    put(stage.sim, f"{ROOT}/src/load.py", NOTEBOOK.format("theirs"))
    file, setting = overwrites(stage.deploying(OWN).plan(stage.tree(), made))
    assert f"{ROOT}/src/load was changed" in file
    assert "(timeout_seconds; now " in setting
    again = deployed(stage, "k2", made)
    assert settings(stage, again)["timeout_seconds"] == 0
    assert stage.deploying(OWN).plan(stage.tree(), again) == ()


def test_a_deploy_that_a_crash_cut_short_asks_for_nothing_when_it_goes_on(stage: Stage) -> None:
    made = deployed(stage)
    stage.write({"src/tools.py": "RATE = 3\n", "job.yaml": FILE + "timeout_seconds: 60\n"})
    put(stage.sim, f"{ROOT}/src/tools.py", "RATE = 3\n")
    reset(stage.sim, int(made.job), timeout_seconds=60)
    assert stage.deploying(OWN).plan(stage.tree(), made) == ()


def test_the_former_tree_puts_everything_back(stage: Stage) -> None:
    former = stage.tree()
    target = stage.deploying(OWN)
    made = target.deploy("k1", former, None)
    assert isinstance(made, Deployment)
    before = settings(stage, made)
    stage.write({"src/new.py": "X = 1\n", "job.yaml": FILE + "timeout_seconds: 60\n"})
    patched = deployed(stage, "k2", made)
    assert target.plan(former, patched) == ()
    restored = stage.deploying(OWN).deploy("k3", former, patched)
    assert isinstance(restored, Deployment)
    assert (restored.settings, restored.files) == (made.settings, made.files)
    assert settings(stage, made) == before
    assert stage.text(f"{ROOT}/src/new.py") is None


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        (FILE.replace("notebook_task", "notebok_task"), "notebok_task", 6),
        (FILE.replace("src/load.py", "src/lood.py"), '"src/lood.py" does not exist', 7),
        (FILE.replace("task_key: load}", "task_key: lod}"), 'depends on "lod"', 10),
        (FILE.replace("day, default: 3", "day"), "no default", 3),
        (FILE + "max_concurrent_runs: many\n", "expected a number", 14),
        (FILE.replace("src/load.py", "../load.py"), "not a path inside", 7),
        ("name: x\ntasks: ]\n", "not valid YAML", 2),
        ("name: empty\n", "declares no tasks", 1),
    ],
)
def test_a_wrong_job_file_is_a_failure_with_its_line(
    stage: Stage, text: str, said: str, line: int
) -> None:
    stage.write({"job.yaml": text})
    found = failure(stage)
    assert (found.code, found.phase, found.started) == ("JOB_INVALID", "create", False)
    assert said in found.message
    assert found.location is not None
    assert found.location.line == line
    assert stage.changes() == []


def test_a_missing_job_file_and_a_large_file_are_failures(stage: Stage) -> None:
    (stage.source / "job.yaml").unlink()
    assert "job.yaml does not exist" in failure(stage).message
    stage.write({"job.yaml": FILE})
    with (stage.source / "big.csv").open("wb") as file:
        file.truncate(11 << 20)
    assert "big.csv has 11 MiB" in failure(stage).message


def test_what_the_service_refuses_is_a_failure(stage: Stage) -> None:
    stage.write(
        {"job.yaml": FILE.replace("name: nightly", "name: nightly\ngit_source: {git_url: x}")}
    )
    found = failure(stage)
    assert found.code in ("DEPLOY_FAILED", "JOB_INVALID")
    assert "git_" in found.message


def test_a_local_job_file_deploys_with_a_note_and_without_its_data(stage: Stage) -> None:
    stage.write({"job.yaml": "data: [data]\ndatabase: data/x.duckdb\n" + FILE, "data/x.csv": "1\n"})
    made = deployed(stage)
    assert made.notes == (
        "data, database of the job file say nothing on Databricks and are left out",
    )
    assert stage.deploying(OWN).data(stage.source) == ("data",)


def test_a_job_given_by_id_gets_the_files_settings_and_asks_first(stage: Stage) -> None:
    job = job_id(stage.sim, {"name": "theirs", "timeout_seconds": 5, "tasks": []})
    both = {"file": "job.yaml", "id": job}
    effects = stage.deploying(both).plan(stage.tree(), None)
    assert [e.kind for e in effects] == [
        "remote_overwrite",
        "production_deploy",
        "production_deploy",
    ]
    assert "timeout_seconds" in effects[0].detail
    made = deployed(stage, job=both)
    assert made.job == str(job)
    assert settings(stage, made)["name"] == "nightly"
    assert "tags" not in settings(stage, made)
    assert stage.deploying(both).plan(stage.tree(), made) == ()


def test_a_failed_run_of_our_job_is_compared_with_the_source(stage: Stage) -> None:
    deployed(stage)
    found = stage.deploying(OWN).found(stage.tree())
    stage.write({"src/report.py": "import tools, os\n"})
    assert stage.deploying(OWN).plan(stage.tree(), found) == ()
    put(stage.sim, f"{ROOT}/src/tools.py", "RATE = 9\n")
    (detail,) = overwrites(stage.deploying(OWN).plan(stage.tree(), found))
    assert "src/tools.py was changed" in detail


def test_tasks_and_what_a_change_concerns_are_read_from_the_file(stage: Stage) -> None:
    target = stage.deploying(OWN)
    before = stage.tree()
    load, report = target.tasks(before)
    assert (load.path, report.path) == ("src/load.py", "src/report.py")
    assert report.parameters == ("day",)
    assert [p for p, _ in report.imports] == ["src/tools.py"]
    stage.write({"src/tools.py": "RATE = 3\n"})
    assert target.affected(before, stage.tree()) == ("report",)
    stage.write({"src/tools.py": "RATE = 2\n", "job.yaml": FILE.replace("rate: 2", "rate: 3")})
    assert target.affected(before, stage.tree()) == ("load",)
    own = Tree(root=str(stage.source), digest="")
    assert [t.path for t in target.tasks(own)] == ["src/load.py", "src/report.py"]


THERE = {
    "name": "theirs",
    "tasks": [{"task_key": "load", "notebook_task": {"notebook_path": "/Shared/shop/src/load"}}],
}


def test_a_job_that_is_there_is_only_run_without_a_root(stage: Stage) -> None:
    job = job_id(stage.sim, THERE)
    target = stage.deploying({"id": job})
    tree = stage.tree()
    stage.sim.calls.clear()
    assert target.plan(tree, None) == ()
    made = target.deploy("k1", tree, None)
    assert isinstance(made, Deployment)
    assert (made.job, made.tasks, made.files, made.kept) == (str(job), ("load",), {}, False)
    assert "run again, repaired and cancelled" in made.notes[0]
    assert stage.changes() == []
    Path(tree.root, "src/load.py").write_text(NOTEBOOK.format("patched"))
    with pytest.raises(Refused, match=r"databricks\.root"):
        target.deploy("k2", tree, made)


def test_a_name_is_looked_up_exactly_and_once_only(stage: Stage) -> None:
    job = job_id(stage.sim, THERE)
    assert deployed(stage, job={"name": "theirs"}).job == str(job)
    with pytest.raises(UsageError, match=r"called 'Theirs'; there is 'theirs' \(\d+\)"):
        stage.deploying({"name": "Theirs"}).deploy("k2", stage.tree(), None)
    other = job_id(stage.sim, THERE)
    with pytest.raises(UsageError, match=f"2 jobs.*{other}"):
        stage.deploying({"name": "theirs"}).deploy("k3", stage.tree(), None)
    with pytest.raises(UsageError, match="no job 12"):
        stage.deploying({"id": 12}).deploy("k4", stage.tree(), None)


def test_below_a_root_files_that_differ_ask_and_are_brought(stage: Stage) -> None:
    job = job_id(stage.sim, THERE)
    put(stage.sim, "/Shared/shop/src/load.py", NOTEBOOK.format("other"))
    put(stage.sim, "/Shared/shop/src/tools.py", "RATE = 2\n")
    more = {"databricks": {"root": "/Shared/shop"}, "production": False}
    target = stage.deploying({"id": job}, **more)
    (detail,) = overwrites(target.plan(stage.tree(), None))
    assert "/Workspace/Shared/shop/src/load is in the workspace with other content" in detail
    made = deployed(stage, job={"id": job}, **more)
    assert stage.text("/Shared/shop/src/load") == NOTEBOOK.format("load")
    assert settings(stage, made)["name"] == "theirs"
    assert target.plan(stage.tree(), made) == ()
    assert [t.path for t in target.tasks(stage.tree())] == ["src/load.py"]


def test_a_job_by_id_is_production_unless_the_playbook_says_not(stage: Stage) -> None:
    job = job_id(stage.sim, THERE)
    root = {"databricks": {"root": "/Shared/shop"}}
    effects = stage.deploying({"id": job}, **root).plan(stage.tree(), None)
    assert [e.kind for e in effects] == ["production_deploy"]


def test_a_notebook_as_ipynb_compares_by_its_cells(stage: Stage) -> None:
    cells = '{"cells": [{"cell_type": "code", "source": ["x = 1"], "metadata": {}, "outputs": [], '
    rest = '"execution_count": null}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    stage.write({"src/load.py": "", "src/nb.ipynb": cells + rest})
    stage.write({"job.yaml": FILE.replace("src/load.py", "src/nb.ipynb")})
    made = deployed(stage)
    assert settings(stage, made)["tasks"][0]["notebook_task"]["notebook_path"] == f"{ROOT}/src/nb"
    stage.write({"src/nb.ipynb": (cells + rest).replace('"metadata": {}, "out', '"id": "a", "out')})
    assert stage.deploying(OWN).plan(stage.tree(), made) == ()
    stage.sim.calls.clear()
    deployed(stage, "k2", made)
    assert stage.changes() == []
